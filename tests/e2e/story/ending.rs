//! How the environment goes, and what must not be left or have been told.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::bed::{Bed, ENV, OWNER, SECRETS};
use super::host;
use super::wait::{CHANGE, seen};

pub fn an_environment_whose_file_is_deleted_goes_and_its_data_stays(bed: &mut Bed) {
    bed.gather_machine();
    bed.keep_sums();
    let volumes = host::data_volumes(OWNER, ENV);
    bed.repository.remove("environments/journal.yaml");
    bed.repository.push("the journal is not needed any more");
    bed.until_served_within(CHANGE, "the machine is gone", |_| {
        let domains = host::domains(ENV);
        seen(domains.is_empty(), format!("{domains:?}"))
    });
    let environment = bed.until_served_within(CHANGE, "what is kept is shown", |bed| {
        let environment = bed.environment()?;
        seen(environment["status"] == "kept", &environment)?;
        Ok(environment)
    });
    assert_eq!(
        environment["held"][0]["resource"], "volume/data",
        "{environment}"
    );
    assert_eq!(environment["machine"], json!(null));
    assert_eq!(in_pool(), sorted([host::foreign_files(), volumes].concat()));
    bed.foreign.require_untouched();
}

pub fn by_the_policy_to_delete_nothing_is_left_but_what_is_not_ours(bed: &mut Bed) {
    bed.repository
        .replace("metrom.yaml", "retain: 30d", "retain: nothing");
    bed.repository.push("data goes with its environment");
    bed.until_served_within(CHANGE, "the data volume is gone", |_| {
        let volumes = host::data_volumes(OWNER, ENV);
        seen(volumes.is_empty(), format!("{volumes:?}"))
    });
    bed.until_served_within(CHANGE, "nobody knows the environment any more", |bed| {
        let all = bed.ask_json("/api/v1/environments")?;
        seen(all == json!([]), all)
    });
    assert_eq!(in_pool(), host::foreign_files());
    assert_eq!(host::domains(ENV), Vec::<String>::new());
    bed.metrom(&["plan", "-o", "json"]).with_code(0);
    bed.foreign.require_untouched();
}

/// What is in the pool but for the base image, which environments share.
fn in_pool() -> Vec<String> {
    let (images, rest): (Vec<String>, Vec<String>) = host::files()
        .into_iter()
        .partition(|name| name.starts_with("metrom-image."));
    assert!(
        images.iter().any(|name| name.ends_with(".complete")),
        "{images:?}"
    );
    rest
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

pub fn serve_ends_in_peace_and_nobody_has_told_the_secrets(bed: &mut Bed) {
    let stopped = bed.stop_serve().with_code(0);
    assert!(
        stopped.stderr.contains("no step runs any more"),
        "{}",
        stopped.stderr
    );
    let folders = [
        bed.gathering(),
        bed.state(),
        PathBuf::from("/var/log/libvirt"),
    ];
    let files: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| files_below(folder))
        .collect();
    // The search finds what is there: otherwise it would prove nothing.
    let telling = |word: &str| -> Vec<&PathBuf> {
        files
            .iter()
            .filter(|file| has(file, word.as_bytes()))
            .collect()
    };
    for kind in ["db", "log", "img", "xml", "http"] {
        let is_of_kind = |file: &&PathBuf| file.extension().is_some_and(|end| end == kind);
        let found = telling(ENV).into_iter().filter(is_of_kind).count();
        assert!(found > 0, "no file of kind `{kind}` was searched");
    }
    for secret in SECRETS {
        assert_eq!(
            telling(secret),
            Vec::<&PathBuf>::new(),
            "these tell a secret"
        );
    }
}

/// All files below a folder; the images are no place where anything is told.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let below = entries.flat_map(|entry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => files_below(&entry.path()),
        kind if kind.is_file() => vec![entry.path()],
        _ => Vec::new(),
    });
    below.collect()
}

fn has(file: &Path, word: &[u8]) -> bool {
    let bytes = std::fs::read(file).unwrap();
    bytes.windows(word.len()).any(|window| window == word)
}
