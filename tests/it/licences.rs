//! Every crate that is built in has a licence that may be.

use std::process::Command;

use serde_json::Value;

/// What may be built in without a word.
const SOUND: [&str; 12] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MPL-2.0",
    "Zlib",
    "Unicode-3.0",
    "CC0-1.0",
    "0BSD",
    // Root certificates: data, with the text kept beside it.
    "CDLA-Permissive-2.0",
];
/// What is linked dynamically, as LGPL asks: the bindings of libvirt.
const DYNAMIC: [&str; 2] = ["virt", "virt-sys"];

#[test]
fn every_crate_has_a_sound_licence() {
    let cargo = std::env::var("CARGO").unwrap_or("cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--offline", "--format-version=1"])
        // Only what is built here has been fetched for sure.
        .args([
            "--filter-platform",
            &format!("{}-unknown-linux-gnu", std::env::consts::ARCH),
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let crates = metadata["packages"].as_array().unwrap();
    assert!(crates.len() > 100, "only {} crates were seen", crates.len());
    let unsound: Vec<String> = crates
        .iter()
        .map(|of| (of["name"].as_str().unwrap(), of["license"].as_str()))
        .filter(|(name, licence)| !DYNAMIC.contains(name) && !licence.is_some_and(is_sound))
        .map(|(name, licence)| format!("{name}: {licence:?}"))
        .collect();
    assert_eq!(unsound, Vec::<String>::new());
}

/// Whether one of the choices that an SPDX expression gives is sound in all its parts.
fn is_sound(expression: &str) -> bool {
    let parts = expression.replace(['(', ')'], "").replace('/', " OR ");
    let parts: Vec<&str> = parts.split(" AND ").collect();
    let is_fine = |part: &&str| {
        part.split(" OR ")
            .any(|choice| SOUND.contains(&choice.trim()))
    };
    parts.iter().all(is_fine)
}

#[test]
fn a_choice_counts_and_a_condition_too() {
    assert!(is_sound("MIT/Apache-2.0") && is_sound("GPL-3.0 OR MIT"));
    assert!(is_sound("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(!is_sound("MIT AND GPL-3.0") && !is_sound("GPL-3.0"));
}
