//! Imports point down: the table in ARCHITECTURE.md is what the code does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What each folder may import; `None`: everything.
type Table = BTreeMap<String, Option<BTreeSet<String>>>;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn table() -> Table {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut table = Table::new();
    for line in text.lines().filter(|line| line.starts_with("| `src/")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let folder = cells[0]
            .trim_matches('`')
            .trim_start_matches("src/")
            .trim_end_matches('/');
        let allowed = match cells[2] {
            "–" => Some(BTreeSet::new()),
            "everything" => None,
            "everything above" => Some(table.keys().cloned().collect()),
            list => Some(list.split(", ").map(str::to_owned).collect()),
        };
        table.insert(folder.to_owned(), allowed);
    }
    table
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The modules named after `crate::` in code, comments left out.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let mut found = BTreeSet::new();
    for line in code {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let module: String = rest
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            found.insert(module);
        }
    }
    found
}

/// A path that names another module's file hides the file of its own, and nobody runs its tests.
#[test]
fn every_module_of_the_tests_is_the_file_of_its_name() {
    let mut files = Vec::new();
    rust_files(&root().join("tests"), &mut files);
    assert!(files.len() > 50, "the tests were not found");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let paths = text.lines().filter(|line| line.starts_with("#[path = "));
        for line in paths {
            // What two suites share lies beside both; an example is shown to do what it says.
            assert!(
                ["\"../contract/", "\"../../examples/"]
                    .iter()
                    .any(|folder| line.contains(folder)),
                "{}: {line}",
                file.display()
            );
        }
    }
}

#[test]
fn every_folder_imports_only_what_the_architecture_allows() {
    let table = table();
    assert!(
        table.len() >= 10,
        "the table of ARCHITECTURE.md was not found"
    );
    let mut wrong = Vec::new();
    for (folder, allowed) in &table {
        let Some(allowed) = allowed else { continue };
        let mut files = Vec::new();
        rust_files(&root().join("src").join(folder), &mut files);
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            for module in imports(&text) {
                if module != *folder && !allowed.contains(&module) {
                    let file = file.strip_prefix(root()).unwrap().display().to_string();
                    wrong.push(format!("{file} imports {module}"));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "against ARCHITECTURE.md:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_folder_is_in_the_table() {
    let table = table();
    for entry in std::fs::read_dir(root().join("src")).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            let name = entry.file_name().into_string().unwrap();
            assert!(
                table.contains_key(&name),
                "`src/{name}/` is missing in ARCHITECTURE.md"
            );
        }
    }
}

/// Whether the text has this as whole words: `.await` is not in `self.await_ready()`.
fn has_words(text: &str, words: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(words).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + words.len()..]);
        let goes_on_before = is_part(words.chars().next()) && is_part(before.chars().next_back());
        let goes_on_after = is_part(words.chars().next_back()) && is_part(after.chars().next());
        !goes_on_before && !goes_on_after
    })
}

#[test]
fn words_are_found_whole() {
    for found in ["x.await;", "x.await?.y", "x\n    .await", "x.await"] {
        assert!(has_words(found, ".await"), "{found}");
    }
    assert!(!has_words("self.await_ready(x)", ".await"));
    assert!(has_words("async move {", "async"));
    assert!(!has_words("an asynchronous one", "async"));
    assert!(has_words("let n = rand::random();", "rand::"));
    assert!(!has_words("operand::new()", "rand::"));
}

#[test]
fn what_decides_knows_no_clock_no_chance_and_no_async() {
    let pure = [
        "backoff", "compare", "diff", "gate", "intent", "keeper", "observe", "order", "plan",
        "queue",
    ];
    for name in pure {
        let path = root().join("src/reconcile").join(format!("{name}.rs"));
        let text = std::fs::read_to_string(&path).unwrap();
        for forbidden in [
            "async",
            ".await",
            "Timestamp::now",
            "rand::",
            "tokio",
            "std::env",
        ] {
            let has = has_words(&text, forbidden);
            assert!(!has, "{name}.rs has `{forbidden}`");
        }
    }
}

#[test]
fn what_counts_money_knows_no_clock_no_chance_and_no_float() {
    let mut files = Vec::new();
    rust_files(&root().join("src/cost"), &mut files);
    assert!(files.len() > 5, "only {} files were seen", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let forbidden = [
            "async",
            ".await",
            "Timestamp::now",
            "rand::",
            "std::env",
            "f32",
            "f64",
        ];
        for forbidden in forbidden {
            assert!(
                !has_words(&text, forbidden),
                "{} has `{forbidden}`",
                file.display()
            );
        }
    }
}
