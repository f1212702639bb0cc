//! Golden cases: a folder named as a sentence, with `repo/` and what `check` finds in it.

use std::fmt::Write as _;
use std::path::Path;

use metrom::manifest::{Catalog, Standing};

use super::support::Repo;

/// Findings with their lines, then how each environment stands.
fn report(catalog: &Catalog) -> String {
    let mut text = String::new();
    for found in &catalog.diagnostics {
        writeln!(text, "{found}\n    | {}", found.place.text).unwrap();
    }
    for name in catalog.names() {
        let word = match catalog.standing(name) {
            Standing::Good => "good",
            Standing::Broken => "broken",
            Standing::Absent => "absent",
        };
        writeln!(text, "environment {name}: {word}").unwrap();
    }
    let words = if catalog.is_complete() {
        "everything is known"
    } else {
        "something may be hidden"
    };
    text + words + "\n"
}

#[test]
fn what_is_found_in_each_case_is_what_its_file_says() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/load");
    let mut count = 0;
    for case in std::fs::read_dir(cases).unwrap() {
        let case = case.unwrap().path();
        let expected = std::fs::read_to_string(case.join("findings.txt")).unwrap();
        let found = report(&Repo::from_folder(&case.join("repo")).load());
        assert_eq!(found, expected, "{}:\n{found}", case.display());
        count += 1;
    }
    assert!(count >= 2, "the cases are there");
}

#[test]
fn the_example_is_sound() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("example-repo");
    let catalog = Repo::from_folder(&folder).load();
    let text = report(&catalog);
    assert!(
        catalog.diagnostics.is_empty() && catalog.is_complete(),
        "{text}"
    );
    assert!(
        catalog.names().count() >= 3
            && catalog
                .names()
                .all(|name| catalog.standing(name) == Standing::Good),
        "{text}"
    );
}
