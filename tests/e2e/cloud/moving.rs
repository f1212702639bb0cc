//! One file on a host, and in a cloud.

use serde_json::{Value, json};

use crate::story::bed::ENV;
use crate::story::host;
use crate::story::process::run;
use crate::story::wait::{BOOT, CHANGE, until};

use super::bed::{Bed, FILE};

pub fn a_file_is_applied_on_a_host_and_what_was_done_is_written_down(bed: &mut Bed) {
    bed.on_host = applied(bed);
    assert_eq!(host::domains(ENV).len(), 1);
    assert_eq!(bed.instances(), []);
    bed.metrom_within(CHANGE, &["destroy", ENV, "--data", "--declared", "--yes"])
        .with_code(0);
    assert_eq!(host::domains(ENV), Vec::<String>::new());
}

pub fn with_one_line_changed_the_same_steps_make_it_in_ec2(bed: &mut Bed) {
    bed.repository
        .replace(FILE, "placement: lab\n", "placement: ec2\n");
    bed.repository.push("into the cloud");
    let plan = bed.metrom(&["plan", ENV, "-o", "json"]).with_code(2).json();
    let in_cloud = applied(bed);
    let planned = plan[0]["plan"]["steps"].as_array().unwrap();
    assert_eq!(planned.len(), in_cloud.len(), "{planned:?}, {in_cloud:?}");
    for (step, line) in planned.iter().zip(&in_cloud) {
        let said = |name: &str| line.contains(step[name].as_str().unwrap());
        assert!(said("resource") && said("action"), "{step} became {line}");
    }
    // Without the chapter before there is nothing to compare with.
    if !bed.on_host.is_empty() {
        let wanted: Vec<String> = bed.on_host.iter().filter_map(|line| in_ec2(line)).collect();
        assert_eq!(in_cloud, wanted);
    }
    bed.note();
    let page = until("the page of the source", CHANGE, || bed.page("/"));
    assert!(page.contains("Staff handbook"), "{page}");
    bed.require_untouched();
}

/// A step on the host as it is in EC2: the place has another name and one part instead of two, and the
/// image is there.
fn in_ec2(line: &str) -> Option<String> {
    if line.contains("provide debian-13") || line.contains("create network metrom") {
        return None;
    }
    let line = line.replace(" on lab", " on ec2");
    Some(line.replace("pool metrom", "security group metrom-ec2"))
}

/// Brings the environment to its declaration in one run, all of whose steps are done, and finds
/// nothing left to do.
fn applied(bed: &Bed) -> Vec<String> {
    let applied = bed.metrom_within(BOOT, &["apply", ENV, "-o", "json"]);
    assert_eq!(applied.with_code(0).json()[0]["result"], "settled");
    let runs = bed.metrom(&["get", "runs", ENV, "-o", "json"]);
    let run = runs.with_code(0).json()[0].clone();
    assert_eq!(run["state"], "succeeded", "{run}");
    for step in run["steps"].as_array().unwrap() {
        assert_eq!(step["outcome"], "done", "{step}");
    }
    let plan = bed.metrom(&["plan", ENV, "-o", "json"]).with_code(0).json();
    assert_eq!(plan[0]["plan"]["steps"], json!([]), "{plan}");
    assert_eq!(plan[0]["plan"]["held"], json!([]), "{plan}");
    let all = bed.metrom(&["get", "environments", ENV, "-o", "json"]);
    assert_eq!(all.with_code(0).json()[0]["status"], "healthy");
    steps(&run)
}

/// The steps of a run, as people read them.
fn steps(run: &Value) -> Vec<String> {
    let steps = run["steps"].as_array().unwrap().iter();
    steps
        .map(|step| step["line"].as_str().unwrap().to_owned())
        .collect()
}

pub fn the_machine_is_the_one_that_ec2_was_asked_for(bed: &mut Bed) {
    let instance = bed.described(&bed.instance);
    let address = bed.told_address().unwrap();
    assert!(address.starts_with("10.88.0."), "{address}");

    // The key is the one that was handed to EC2, and the one that is pinned.
    let mut keyscan = std::process::Command::new("ssh-keyscan");
    let shown = run(keyscan.args(["-T", "60", "-t", "ed25519", &address]));
    let key = instance.tag("metrom:host-key").unwrap();
    let (key, _) = key.rsplit_once(' ').expect("a comment behind the key");
    assert!(shown.contains(key), "{key} in {shown}");

    // The volume that EC2 attached is what the data lies on.
    assert_eq!(bed.inside("hostname"), ENV);
    let device = "readlink -f /dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_";
    let device = bed.inside(&format!("{device}{}", bed.volume.replace('-', "")));
    let mounted = bed.inside("findmnt -n -o SOURCE /srv/metrom");
    assert_eq!(device, mounted);

    // Nothing that is secret went to EC2.
    let told = bed.guests.told();
    assert_eq!(told.len(), 1);
    let told = String::from_utf8(told[0].clone()).unwrap();
    for secret in crate::story::bed::SECRETS {
        assert!(!told.contains(secret), "the user data tell a secret");
    }
}
