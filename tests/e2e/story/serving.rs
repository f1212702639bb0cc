//! How `metrom serve` keeps the environment as it is declared.

use serde_json::{Value, json};

use super::bed::{Bed, DOMAIN, ENV, OWNER, REPOSITORY, signature};
use super::wait::{BOOT, CHANGE, seen};
use super::{host, say};

const NOTE: &str = "written before the machine was cut off\n";

/// A second service, of an image that the machine does not have and gets by way of the mirror.
const BEAT: &str = "\n  beat:\n    image: busybox:1.35\n    restart: unless-stopped\n    init: true\n    \
                    command: [sleep, infinity]\n";

pub fn serve_answers_over_http(bed: &mut Bed) {
    bed.serve();
    bed.until_served_within(CHANGE, "the first sync", |bed| {
        let syncs = bed.metric("metrom_sync_seconds_count")?;
        seen(syncs >= 1.0, syncs)
    });
    assert_eq!(bed.ask("/readyz").unwrap().status, 200);
    let all = bed.ask_json("/api/v1/environments").unwrap();
    assert_eq!(all[0]["name"], ENV);
    assert_eq!(all[0]["status"], "healthy", "{all}");
    assert_eq!(bed.metric("metrom_source_fault"), Ok(0.0));
    assert_eq!(bed.ask("/api/v1/environments/nobody").unwrap().status, 404);
    what_is_used_is_told_beside_it(bed);
}

/// By the program on its own, while the service measures as well.
fn what_is_used_is_told_beside_it(bed: &Bed) {
    let top = bed.metrom(&["top", "--containers"]).with_code(0).text();
    say(&top);
    let row = |name: &str| {
        let row = top.lines().find(|line| line.trim().starts_with(name));
        row.unwrap_or_else(|| panic!("{name} is missing: {top}"))
            .to_owned()
    };
    let machine = row(ENV);
    assert!(
        machine.contains("running") && machine.contains('%'),
        "{top}"
    );
    assert!(machine.contains("GiB") || machine.contains("MiB"), "{top}");
    let container = row("web");
    assert!(container.contains('%') && container.contains("iB"), "{top}");
    let inventory = bed.metrom(&["inventory", "-o", "json"]).with_code(0).json();
    let objects = inventory["objects"].as_array().unwrap().iter();
    let mut ours = objects.filter(|object| object["environment"] == ENV);
    let told = ["machine", "volume"].map(|kind| {
        let object = ours.clone().find(|object| object["kind"] == kind);
        object.unwrap_or_else(|| panic!("{inventory:#}")).clone()
    });
    assert!(told[0]["address"].is_string(), "{inventory:#}");
    assert_eq!(told[1]["type"], "qcow2", "{inventory:#}");
    assert_eq!(told[1]["machine"], told[0]["id"], "{inventory:#}");
    assert!(
        ours.all(|object| object["created"].is_string()),
        "{inventory:#}"
    );
    say(&bed.metrom(&["inventory"]).with_code(0).text());
}

/// The service polls once an hour here, so whatever it does, it was woken to.
pub fn a_forged_webhook_is_refused_and_a_signed_one_brings_the_change(bed: &mut Bed) {
    bed.repository.replace(
        "templates/journal/site.conf",
        "first edition",
        "second edition",
    );
    bed.repository
        .replace("metrom.yaml", "poll: 1h", "poll: 20s");
    bed.repository.replace(
        "templates/journal/docker-compose.yml",
        "\nvolumes:\n",
        &format!("{BEAT}\nvolumes:\n"),
    );
    let revision = bed.repository.push("the second edition");
    let body = json!({"repository": {"url": REPOSITORY}, "after": revision}).to_string();

    let others = signature(&format!("{body} "));
    for forged in [
        None,
        Some(others.as_str()),
        Some("sha256="),
        Some("nonsense"),
    ] {
        let answer = bed.send_webhook(&body, forged);
        assert_eq!(answer.status, 401, "{forged:?}: {answer:?}");
        assert_eq!(answer.json()["code"], "bad_signature");
    }
    // A look at everything takes as long as the beginning of a sync, and does not tell the loop.
    assert_eq!(bed.environment().unwrap()["revision"], revision.as_str());
    assert!(
        !bed.serve_log().contains(&revision),
        "somebody was woken:\n{}",
        bed.serve_log()
    );
    assert_eq!(bed.page("/edition").unwrap(), "first edition\n");

    let answer = bed.send_webhook(&body, Some(&signature(&body)));
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.json()["repository"], true);
    until_edition(bed, "second edition\n");
    until_healthy_at(bed, &revision);
    let run = &bed.runs().unwrap()[0];
    assert_eq!(run["trigger"], "webhook", "{run}");
    assert_eq!(run["revision"], revision.as_str());
    assert_eq!(run["state"], "succeeded");
    assert_eq!(lines(run).len(), 1, "only the stack is concerned: {run}");
    let services = bed.environment().unwrap()["services"].clone();
    let mut beat = services.as_array().unwrap().iter();
    let beat = beat.find(|service| service["name"] == "beat");
    assert_eq!(
        beat.map(|beat| &beat["state"]),
        Some(&json!("running")),
        "{services}"
    );
}

pub fn serve_stops_when_it_is_asked_to_and_goes_on_after_a_start(bed: &mut Bed) {
    let stopped = bed.stop_serve().with_code(0);
    assert!(
        stopped.stderr.contains("asked to stop"),
        "{}",
        stopped.stderr
    );
    // With the settings as they are now: from here a poll is enough to notice anything.
    bed.serve();
    bed.until_served_within(CHANGE, "the environment healthy", |bed| {
        let environment = bed.environment()?;
        seen(environment["status"] == "healthy", environment)
    });
}

pub fn a_container_that_somebody_removed_comes_back(bed: &mut Bed) {
    let write = "printf %s \"$1\" > /notes/entry; head -c 1000000 /dev/urandom > /notes/bytes";
    bed.in_container(&["sh", "-c", write, "sh", NOTE]);
    let (before, image) = (bed.container_id(), bed.image_id());
    let container = format!("{ENV}-web-1");
    // And the name of its image is made to mean another one.
    for meddling in [
        // A pause would be found, and ended, before the container is gone.
        &["commit", "--pause=false", &container, "nginx:1.22"][..],
        &["rm", "--force", &container],
    ] {
        bed.metrom(&[&["exec", ENV, "--", "docker"], meddling].concat())
            .with_code(0);
    }
    bed.until_served_within(CHANGE, "the page is back", |bed| bed.page("/edition"));
    assert_ne!(bed.container_id(), before);
    assert_eq!(bed.image_id(), image, "it means what it meant");
    // The look may fall into the middle of the removal.
    let causes = [
        "service web gone → running",
        "service web removing → running",
    ];
    require_run_because(bed, &causes);
    assert_eq!(bed.page("/notes/entry").unwrap(), NOTE);
}

pub fn a_machine_that_was_cut_off_comes_back_with_its_data(bed: &mut Bed) {
    bed.gather_machine();
    let (identity, process) = host::incarnation(DOMAIN);
    host::virsh(&["destroy", DOMAIN]);
    bed.until_served_within(BOOT, "the machine runs again", |_| {
        seen(host::is_running(DOMAIN), "it does not run")
    });
    let (identity_now, process_now) = host::incarnation(DOMAIN);
    assert_eq!(identity_now, identity, "the same machine");
    assert_ne!(process_now, process, "by another process");
    let note = bed.until_served_within(BOOT, "the note is served", |bed| bed.page("/notes/entry"));
    assert_eq!(note, NOTE);
    bed.until_served_within(CHANGE, "nothing is left to do", |bed| {
        let environment = bed.environment()?;
        seen(environment["status"] == "healthy", environment)
    });
    require_run_because(bed, &["power stopped → running"]);
    assert_eq!(host::domains(ENV), [DOMAIN]);
}

pub fn put_to_sleep_it_is_shut_down_in_good_order_and_woken_it_has_its_data(bed: &mut Bed) {
    bed.gather_machine();
    let (identity, _) = host::incarnation(DOMAIN);
    let volumes = host::data_volumes(OWNER, ENV);
    bed.metrom_within(CHANGE, &["sleep", ENV, "--for", "3h"])
        .with_code(0);
    assert!(!host::is_running(DOMAIN), "it runs");
    assert!(
        host::end_of_console(DOMAIN).contains("Power down"),
        "it was cut off: {}",
        host::end_of_console(DOMAIN)
    );
    let environment = bed.environment().unwrap();
    assert_eq!(environment["status"], "asleep", "{environment}");
    // `serve` looks as well, and lets it sleep.
    bed.metrom(&["plan", ENV]).with_code(0);
    bed.metrom_within(BOOT, &["wake", ENV, "--end"])
        .with_code(0);
    assert_eq!(host::incarnation(DOMAIN).0, identity, "the same machine");
    assert_eq!(host::data_volumes(OWNER, ENV), volumes);
    let note =
        bed.until_served_within(CHANGE, "the note is served", |bed| bed.page("/notes/entry"));
    assert_eq!(note, NOTE);
}

pub fn until_edition(bed: &Bed, edition: &str) {
    bed.until_served_within(CHANGE, edition.trim(), |bed| {
        let page = bed.page("/edition")?;
        seen(page == edition, page)
    });
}

pub fn until_healthy_at(bed: &Bed, revision: &str) {
    bed.until_served_within(CHANGE, "it is healthy", |bed| bed.is_healthy_at(revision));
}

/// That somewhere on the books one of these is the cause of something done; what it did may be seen
/// before the books are closed.
fn require_run_because(bed: &Bed, causes: &[&str]) {
    bed.until_served_within(CHANGE, "it is on the books", |bed| {
        let runs = bed.runs()?;
        let done = runs.iter().filter(|run| run["state"] == "succeeded");
        let done: Vec<String> = done.flat_map(lines).collect();
        let is_there = |line: &String| causes.iter().any(|cause| line.contains(cause));
        seen(
            done.iter().any(is_there),
            format!("{causes:?} in {done:#?}"),
        )
    });
}

/// The steps of a run, as its plan showed them.
fn lines(run: &Value) -> Vec<String> {
    let steps = run["steps"].as_array().unwrap().iter();
    steps
        .map(|step| step["line"].as_str().unwrap().to_owned())
        .collect()
}
