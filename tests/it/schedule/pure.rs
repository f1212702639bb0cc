//! What decides when something is awake asks nobody.

use std::fs;
use std::path::Path;

/// Ways to the clock, to the machine's zones, to files and to the environment.
const OUTSIDE: [&str; 12] = [
    "now()",
    "TimeZone::get",
    "TimeZone::system",
    "tz::db()",
    "from_env",
    "from_dir",
    "from_concatenated",
    "in_tz",
    "std::env",
    "std::fs",
    "std::time::Instant",
    "static mut",
];

#[test]
fn nothing_outside_is_asked() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/schedule");
    let mut seen = 0;
    for folder in [folder.clone(), folder.join("holidays")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                let found = OUTSIDE.iter().find(|outside| line.contains(**outside));
                assert_eq!(found, None, "{}: {line}", path.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 10, "only {seen} files were seen");
}
