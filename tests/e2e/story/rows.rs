//! A database on a machine that is replaced: its rows outlive a second machine that was not well, and
//! one that was.

use serde_json::json;

use super::bed::{Bed, REPOSITORY, signature};
use super::wait::{BOOT, CHANGE, seen};
use super::{host, say};

const ENV: &str = "ledger";
const FIRST: &str = "metrom-ledger";
const SECOND: &str = "metrom-ledger.2";
const FILE: &str = "environments/ledger.yaml";
const COMPOSE: &str = "projects/ledger/docker-compose.yml";

const WELL: &str = r#"["CMD", "pg_isready", "-q", "-h", "127.0.0.1", "-U", "postgres"]"#;
/// A stack whose services start and are never healthy.
const UNWELL: &str = r#"["CMD", "false"]"#;
const FILL: &str =
    "create table entries as select n, md5(n::text) as note from generate_series(1, 1000) as n";
const SUM: &str = "select count(*), sum(n), md5(string_agg(note, '' order by n)) from entries";

pub fn the_rows_of_a_database_outlive_a_machine_that_is_not_well_and_one_that_is(bed: &mut Bed) {
    if bed.is_served() {
        bed.stop_serve().with_code(0);
    }
    bed.repository
        .write(FILE, include_str!("ledger/environment.yaml"));
    bed.repository
        .write(COMPOSE, include_str!("ledger/docker-compose.yml"));
    bed.repository.push("a ledger");
    bed.metrom_within(BOOT, &["apply", ENV]).with_code(0);
    ask(bed, FILL);
    let rows = ask(bed, SUM);
    assert!(rows.starts_with("1000|500500|"), "{rows}");
    let (first, _) = host::incarnation(FIRST);
    bed.serve();

    bed.repository
        .replace(FILE, "{machine: phoenix}", "{machine: phoenix, within: 6m}");
    bed.repository.replace(FILE, "disk: 6GiB", "disk: 7GiB");
    bed.repository.replace(COMPOSE, WELL, UNWELL);
    push(bed, "a larger disk, and a stack that is never healthy");
    bed.until_served_within(BOOT, "a second machine is tried", |_| {
        seen(
            host::is_running(SECOND),
            format!("{:?}", host::domains(ENV)),
        )
    });
    bed.until_served_within(BOOT, "it is given up", |_| {
        let domains = host::domains(ENV);
        seen(domains == [FIRST], format!("{domains:?}"))
    });
    assert_eq!(host::incarnation(FIRST).0, first, "the first goes on");
    assert_eq!(ask(bed, SUM), rows);
    let told = bed.metrom(&["describe", ENV]).with_code(0).text();
    assert!(told.contains("not well within 6 minutes"), "{told}");
    say("   the second machine was given up");

    bed.repository
        .replace(FILE, "{machine: phoenix, within: 6m}", "{machine: phoenix}");
    bed.repository.replace(COMPOSE, UNWELL, WELL);
    push(bed, "a stack that is healthy");
    bed.until_served_within(BOOT, "the second machine takes over", |_| {
        let domains = host::domains(ENV);
        seen(domains == [SECOND], format!("{domains:?}"))
    });
    bed.until_served_within(CHANGE, "nothing is left to do", |bed| {
        let shown = bed.ask_json(&format!("/api/v1/environments/{ENV}"))?;
        seen(shown["status"] == "healthy", shown)
    });
    assert_eq!(ask(bed, SUM), rows);

    bed.repository.remove(FILE);
    push(bed, "the ledger is closed");
    bed.until_served_within(CHANGE, "it is gone", |_| {
        let domains = host::domains(ENV);
        seen(domains.is_empty(), format!("{domains:?}"))
    });
}

/// What the database answers.
fn ask(bed: &Bed, query: &str) -> String {
    let way = ["exec", ENV, "--", "docker", "exec", "ledger-db-1"];
    let psql = [
        "psql",
        "-U",
        "postgres",
        "-v",
        "ON_ERROR_STOP=1",
        "-Atqc",
        query,
    ];
    let answer = bed.metrom(&[&way[..], &psql[..]].concat());
    answer.with_code(0).text().trim().to_owned()
}

/// Pushes, and tells the service as a forge would.
fn push(bed: &mut Bed, message: &str) {
    let revision = bed.repository.push(message);
    let body = json!({"repository": {"url": REPOSITORY}, "after": revision}).to_string();
    let answer = bed.send_webhook(&body, Some(&signature(&body)));
    assert_eq!(answer.status, 202, "{answer:?}");
}
