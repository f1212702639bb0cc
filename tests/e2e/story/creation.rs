//! How the environment comes to be.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::bed::{Bed, DOMAIN, ENV, OWNER, PASSWORD, SERVICE};
use super::host;
use super::process::run_with_input;
use super::wait::{BOOT, CHANGE, seen, until, until_met};

/// What the environment's file says of `odd`, as the bytes that it means.
const ODD: &str = "it's \"odd\": $HOME ${odd:-x} $$ $(id) `id` \\n \\\" back\\slash # no comment; \
                   a | b & c\ttab\r\nnext line: Grüße, 한국어 ☃ ";

pub fn a_plan_says_what_will_be_made_and_makes_nothing(bed: &mut Bed) {
    let plans = bed.metrom(&["plan", "-o", "json"]).with_code(2).json();
    let steps = plans[0]["plan"]["steps"].as_array().unwrap();
    let resources: Vec<&str> = steps
        .iter()
        .map(|s| s["resource"].as_str().unwrap())
        .collect();
    for resource in [
        "image",
        "volume/data",
        "machine",
        "guest",
        "checkout/site",
        "stack",
    ] {
        assert!(resources.contains(&resource), "{resource} in {resources:?}");
    }
    assert_eq!(host::domains(ENV), Vec::<String>::new());
    assert_eq!(host::files(), host::foreign_files());
}

pub fn killed_twice_amid_creation_it_makes_one_machine_with_one_volume(bed: &mut Bed) {
    kill_apply_when(bed, "the machine's disk", CHANGE, || {
        host::files().contains(&format!("{DOMAIN}.root.qcow2"))
    });
    kill_apply_when(bed, "the machine", CHANGE, || host::is_running(DOMAIN));
    let volumes = host::data_volumes(OWNER, ENV);

    let applied = bed.metrom_within(BOOT, &["apply", ENV, "-o", "json"]);
    assert_eq!(applied.with_code(0).json()[0]["result"], "settled");
    assert_eq!(host::domains(ENV), [DOMAIN]);
    assert_eq!(
        host::data_volumes(OWNER, ENV),
        volumes,
        "the volume of the first attempt is used"
    );
    assert_eq!(volumes.len(), 1, "{volumes:?}");
    let runs = bed
        .metrom(&["get", "runs", ENV, "-o", "json"])
        .with_code(0)
        .json();
    let states = runs
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["state"].as_str().unwrap());
    let cut_off = states.filter(|state| *state == "interrupted").count();
    assert_eq!(cut_off, 2, "both attempts are on the books: {runs}");
    assert_eq!(runs[0]["state"], "succeeded");
    bed.gather_machine();
    bed.foreign.require_untouched();
}

/// Starts an `apply` and kills it at the moment when something is there.
pub fn kill_apply_when(
    bed: &Bed,
    what: &str,
    within: Duration,
    mut is_there: impl FnMut() -> bool,
) {
    let apply = bed.start(&["apply", ENV]);
    until_met(what, within, || {
        apply.require_running();
        seen(is_there(), "not yet")
    });
    apply.kill();
}

pub fn what_was_made_needs_nothing_more_and_where_the_time_went_is_told(bed: &mut Bed) {
    let plans = bed.metrom(&["plan", ENV, "-o", "json"]).with_code(0).json();
    assert_eq!(plans[0]["plan"]["steps"], json!([]));
    assert_eq!(plans[0]["plan"]["held"], json!([]));
    assert_eq!(plans[0]["faults"], json!([]));

    let all = bed.metrom(&["get", "-o", "json"]).with_code(0).json();
    assert_eq!(all.as_array().unwrap().len(), 1, "{all}");
    assert_eq!(all[0]["status"], "healthy", "{all}");
    assert_eq!(all[0]["machine"]["address"], bed.address().unwrap());

    let described = bed
        .metrom(&["describe", ENV, "-o", "json"])
        .with_code(0)
        .json();
    assert_eq!(described["services"][0]["name"], SERVICE);
    assert_eq!(described["services"][0]["health"], "healthy");
    let runs = described["runs"].as_array().unwrap().iter();
    let succeeded = runs.filter(|run| run["state"] == "succeeded");
    let phases: Vec<String> = succeeded.flat_map(phases).collect();
    for phase in ["boot", "cloud-init", "compose"] {
        assert!(phases.contains(&phase.to_owned()), "{phase} in {phases:?}");
    }
    let told = bed.metrom(&["describe", ENV]).with_code(0).text();
    for word in ["cloud-init ", "compose ", "checkout/site", "succeeded"] {
        assert!(told.contains(word), "`{word}` in {told}");
    }
}

/// The named parts of a run, all of whose steps were done and measured.
fn phases(run: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for step in run["steps"].as_array().unwrap() {
        assert_eq!(step["outcome"], "done", "{step}");
        assert!(step["took_ms"].is_u64(), "{step}");
        let phases = step["phases"].as_array().unwrap();
        names.extend(
            phases
                .iter()
                .map(|phase| phase["name"].as_str().unwrap().to_owned()),
        );
    }
    names
}

pub fn the_source_is_checked_out_and_served(bed: &mut Bed) {
    let page = until("the page of the source", CHANGE, || bed.page("/"));
    assert!(page.contains("Staff handbook"), "{page}");
}

pub fn parameters_arrive_in_the_container_byte_for_byte(bed: &mut Bed) {
    let odd = bed.in_container(&["printenv", "ODD"]);
    assert_eq!(String::from_utf8_lossy(&odd), format!("{ODD}\n"));
    let digest = ["sh", "-c", "printf %s \"$PASSWORD\" | sha256sum"];
    let digest = String::from_utf8(bed.in_container(&digest)).unwrap();
    assert_eq!(
        digest,
        run_with_input(&mut Command::new("sha256sum"), PASSWORD.as_bytes())
    );
}
