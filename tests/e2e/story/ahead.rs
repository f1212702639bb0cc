//! A machine that was made before anybody asked for it.

use std::time::Instant;

use serde_json::Value;

use super::bed::Bed;
use super::wait::{BOOT, CHANGE, seen};
use super::{host, http, say};

/// The machine of the pool, and what libvirt goes on to call it.
const MEMBER: &str = "warm-journal-1";
const DOMAIN: &str = "metrom-warm-journal-1";
/// The environment that claims it.
const CLAIMANT: &str = "instant";
const TEMPLATE: &str = "templates/journal/template.yaml";
const FILE: &str = "environments/instant.yaml";

pub fn a_machine_made_ahead_is_claimed_and_not_booted_again(bed: &mut Bed) {
    if bed.is_served() {
        bed.stop_serve().with_code(0);
    }
    bed.repository
        .replace(TEMPLATE, "spec:\n", "spec:\n  warm: 1\n");
    bed.repository.push("a machine ahead");
    let began = Instant::now();
    bed.metrom_within(BOOT, &["apply", MEMBER]).with_code(0);
    let ahead = began.elapsed().as_secs();
    assert_eq!(host::virsh(&["domstate", DOMAIN]).trim(), "paused");
    bed.metrom(&["plan", MEMBER]).with_code(0);
    let identity = host::incarnation(DOMAIN);

    let file = include_str!("repo/environments/journal.yaml");
    let file = file.replacen("name: journal", &format!("name: {CLAIMANT}"), 1);
    bed.repository.write(FILE, &file);
    bed.repository.push("somebody needs one now");
    let began = Instant::now();
    bed.metrom_within(BOOT, &["apply", CLAIMANT]).with_code(0);
    let claimed = began.elapsed().as_secs();
    say(&format!(
        "   made ahead in {ahead} s, claimed and healthy in {claimed} s"
    ));
    assert_eq!(host::incarnation(DOMAIN), identity, "it runs on");
    bed.metrom(&["plan", CLAIMANT]).with_code(0);
    assert_eq!(inside(bed, &["hostname"]), CLAIMANT);
    let source = inside(bed, &["findmnt", "-n", "-o", "SOURCE", "/srv/metrom"]);
    assert!(source.starts_with("/dev/vd"), "{source}");

    // What is written lies on the data volume, and is there after a boot.
    let write = ["docker", "exec", "instant-web-1", "sh", "-c"];
    inside(bed, &[&write[..], &["echo kept > /notes/entry"]].concat());
    bed.metrom_within(CHANGE, &["sleep", CLAIMANT, "--for", "3h"])
        .with_code(0);
    bed.metrom_within(BOOT, &["wake", CLAIMANT, "--end"])
        .with_code(0);
    assert_eq!(host::incarnation(DOMAIN).0, identity.0, "the same machine");
    assert_eq!(page(bed, "/notes/entry"), "kept\n");

    bed.repository
        .replace(TEMPLATE, "spec:\n  warm: 1\n", "spec:\n");
    bed.repository.remove(FILE);
    bed.repository.push("nobody needs one any more");
    bed.serve();
    bed.until_served_within(CHANGE, "it is gone under either name", |_| {
        let domains = host::domains(MEMBER);
        seen(domains.is_empty(), format!("{domains:?}"))
    });
}

/// What a program on the claimed machine says.
fn inside(bed: &Bed, command: &[&str]) -> String {
    let way = ["exec", CLAIMANT, "--"];
    bed.metrom(&[&way[..], command].concat())
        .with_code(0)
        .text()
        .trim()
        .to_owned()
}

/// The text at a path of the web server on the claimed machine.
fn page(bed: &Bed, path: &str) -> String {
    let shown = bed.metrom(&["get", "environments", CLAIMANT, "-o", "json"]);
    let shown: Value = serde_json::from_str(&shown.with_code(0).text()).unwrap();
    let address = shown[0]["machine"]["address"].as_str().unwrap();
    let answer = http::get(&format!("{address}:80"), path).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}
