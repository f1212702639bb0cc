//! Plain files as a snapshot, as `metrom check` sees them before a commit.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use metrom::model::Entry;
use metrom::port::SourceError;
use metrom::source::{Limits, folder};

use super::origin::{Origin, entry, file, paths};

#[test]
fn a_work_tree_reads_as_a_commit_of_everything_would() {
    let (origin, _) = Origin::with_a_file();
    origin.write(".gitignore", b"*.log\n/target/\n!keep.log\n");
    for path in [
        "a.log",
        "keep.log",
        "target/x/y",
        "env/new.yaml",
        "env/deep/b.log",
    ] {
        origin.write(path, b"text");
    }
    origin.write("tracked.log", b"text");
    origin.git(&["add", "-f", "tracked.log"]);
    symlink("/etc/passwd", origin.work().join("link")).unwrap();
    fs::create_dir_all(origin.work().join("nested/.git")).unwrap();

    let snapshot = folder::snapshot(&origin.work()).unwrap();

    let expected = [
        ".gitignore",
        "env/new.yaml",
        "keep.log",
        "link",
        "metrom.yaml",
        "nested",
        "tracked.log",
    ];
    assert_eq!(paths(&snapshot), expected);
    let target = "/etc/passwd".to_owned();
    assert_eq!(entry(&snapshot, "link"), &Entry::Symlink { target });
    assert_eq!(entry(&snapshot, "nested"), &Entry::Submodule);
    assert_eq!(entry(&snapshot, "env/new.yaml"), &file(b"text"));

    let below = folder::snapshot(&origin.work().join("env")).unwrap();
    assert_eq!(
        paths(&below),
        ["new.yaml"],
        "the rules of the repository above count"
    );
}

#[test]
fn the_revision_is_a_digest_of_the_content() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for place in [&one, &two] {
        fs::write(place.path().join("a"), "text").unwrap();
    }
    let revision = |place: &tempfile::TempDir| folder::snapshot(place.path()).unwrap().revision;
    assert_eq!(revision(&one), revision(&two));
    assert_eq!(revision(&one).as_str().len(), 64);

    let before = revision(&two);
    fs::set_permissions(two.path().join("a"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_ne!(revision(&two), before, "executable or not");
    let before = revision(&two);
    fs::rename(two.path().join("a"), two.path().join("b")).unwrap();
    assert_ne!(revision(&two), before, "another name");
}

#[test]
fn what_is_no_file_is_left_out_and_what_is_large_is_not_read() {
    let place = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(place.path().join("socket")).unwrap();
    let large = fs::File::create(place.path().join("large")).unwrap();
    large.set_len(100 << 30).unwrap();
    let snapshot = folder::snapshot(place.path()).unwrap();
    assert_eq!(paths(&snapshot), ["large"]);
    assert_eq!(
        entry(&snapshot, "large"),
        &Entry::TooLarge { bytes: 100 << 30 }
    );
}

#[test]
fn a_folder_that_is_missing_or_too_much_is_an_error_with_its_path() {
    let place = tempfile::tempdir().unwrap();
    let missing = folder::snapshot(&place.path().join("missing")).unwrap_err();
    assert!(
        matches!(missing, SourceError::Unreachable { .. }),
        "{missing}"
    );
    assert!(missing.to_string().contains("missing"), "{missing}");

    fs::write(place.path().join("a"), "").unwrap();
    fs::write(place.path().join("b"), "").unwrap();
    let limits = Limits {
        entries: 1,
        ..Limits::default()
    };
    let error = folder::within(place.path(), limits).unwrap_err();
    assert!(error.to_string().contains("more than 1 files"), "{error}");
}
