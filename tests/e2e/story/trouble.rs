//! What goes wrong around the environment, and what does not happen then.

use serde_json::{Value, json};

use super::bed::{Bed, DOMAIN, ENV, OWNER, REPOSITORY};
use super::host;
use super::serving::{until_edition, until_healthy_at};
use super::wait::{CHANGE, seen};

/// An image that nobody has.
const NO_IMAGE: &str = "nginx:0.0-not-there";

/// What nothing that goes wrong around it may change.
#[derive(Debug, PartialEq)]
struct Stock {
    machine: (String, String),
    volumes: Vec<String>,
    edition: String,
    note: String,
}

impl Stock {
    fn take(bed: &Bed) -> Self {
        let page = |path| bed.page(path).unwrap_or_else(|e| panic!("no {path}: {e}"));
        Self {
            machine: host::incarnation(DOMAIN),
            volumes: host::data_volumes(OWNER, ENV),
            edition: page("/edition"),
            note: page("/notes/entry"),
        }
    }
}

pub fn an_image_that_cannot_be_pulled_is_named_and_nothing_is_lost(bed: &mut Bed) {
    let before = Stock::take(bed);
    bed.repository.replace(
        "templates/journal/docker-compose.yml",
        "nginx:1.22",
        NO_IMAGE,
    );
    bed.repository.replace(
        "templates/journal/site.conf",
        "second edition",
        "third edition",
    );
    let revision = bed.repository.push("an image that is not there");
    let failure = bed.until_served_within(CHANGE, "the run fails", |bed| failure(bed, &revision));
    assert!(failure.contains(NO_IMAGE), "the image is named: {failure}");
    bed.until_served_within(CHANGE, "it is shown as failed", |bed| {
        let environment = bed.environment()?;
        seen(environment["status"] == "failed", environment)
    });
    let told = bed.metrom(&["describe", ENV]).with_code(0).text();
    assert!(told.contains(NO_IMAGE), "{told}");
    assert_eq!(Stock::take(bed), before);

    let revision = bed.repository.revert_last();
    until_healthy_at(bed, &revision);
    until_edition(bed, "second edition\n");
}

/// Why a run at this revision failed.
fn failure(bed: &Bed, revision: &str) -> Result<String, String> {
    let runs = bed.runs()?;
    let run = runs.iter().find(|run| run["revision"] == revision);
    let run = run.ok_or("no run at this revision yet")?;
    assert_ne!(
        run["state"], "succeeded",
        "what cannot be done was taken for done: {run}"
    );
    let steps = run["steps"].as_array().unwrap().iter();
    let failed = steps.filter_map(|step: &Value| step["failure"]["message"].as_str());
    let failed = failed.map(str::to_owned).next();
    failed.ok_or_else(|| format!("nothing has failed yet: {run}"))
}

pub fn a_source_that_is_out_of_reach_changes_nothing(bed: &mut Bed) {
    let before = Stock::take(bed);
    let upstream = bed.repository.upstream().to_owned();
    let away = upstream.with_extension("away");
    std::fs::rename(&upstream, &away).unwrap();
    bed.until_served_within(CHANGE, "the outage is noticed", |bed| {
        let fault = bed.metric("metrom_source_fault")?;
        seen(fault == 1.0, fault)?;
        let is_said = |line: &str| line.contains(REPOSITORY) && line.contains("last good revision");
        seen(
            bed.serve_log().lines().any(is_said),
            "nothing of it in the log",
        )
    });
    // Two more looks of the loop, at a world in which nothing is declared any more.
    let syncs = bed.metric("metrom_sync_seconds_count").unwrap();
    bed.until_served_within(CHANGE, "two more syncs", |bed| {
        let now = bed.metric("metrom_sync_seconds_count")?;
        seen(now >= syncs + 2.0, now)
    });
    let plans = bed.metrom(&["plan", ENV, "-o", "json"]).with_code(1).json();
    assert_eq!(plans[0]["plan"]["steps"], json!([]), "{plans}");
    let faults = plans[0]["faults"].to_string();
    assert!(
        faults.contains(REPOSITORY),
        "the repository is named: {faults}"
    );
    assert_eq!(Stock::take(bed), before);

    std::fs::rename(&away, &upstream).unwrap();
    bed.until_served_within(CHANGE, "the source is back", |bed| {
        let (fault, environment) = (bed.metric("metrom_source_fault")?, bed.environment()?);
        let is_well = environment["faults"] == json!([]) && environment["status"] == "healthy";
        seen(fault == 0.0 && is_well, format!("{fault}: {environment}"))
    });
}
