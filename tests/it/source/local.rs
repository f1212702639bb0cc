//! What a repository may hold, and what may happen to it; read from its path.

use metrom::model::Entry;
use metrom::port::{Source as _, SourceError};
use metrom::source::Limits;

use super::origin::{Origin, entry, file, git, paths, read, source};

#[tokio::test]
async fn files_links_submodules_and_modes_are_read_as_they_are() {
    let origin = Origin::new();
    origin.write("environments/shop.yaml", b"kind: Environment\n");
    origin.write("bin/run", b"#!/bin/sh\n");
    origin.git(&["add", "-A"]);
    origin.git(&["update-index", "--chmod=+x", "bin/run"]);
    std::os::unix::fs::symlink("/etc/passwd", origin.work().join("link")).unwrap();
    let commit = "1111111111111111111111111111111111111111";
    let gitlink = format!("160000,{commit},vendor/sub");
    origin.git(&["update-index", "--add", "--cacheinfo", &gitlink]);
    origin.git(&["add", "link"]);
    origin.git(&["commit", "-q", "-m", "all kinds"]);
    origin.git(&["push", "-q", "origin", "HEAD"]);

    let snapshot = read(&origin.source()).await.unwrap();

    assert_eq!(
        paths(&snapshot),
        ["bin/run", "environments/shop.yaml", "link", "vendor/sub"]
    );
    assert_eq!(
        entry(&snapshot, "environments/shop.yaml"),
        &file(b"kind: Environment\n")
    );
    let target = "/etc/passwd".to_owned();
    assert_eq!(entry(&snapshot, "link"), &Entry::Symlink { target });
    assert_eq!(entry(&snapshot, "vendor/sub"), &Entry::Submodule);
    let Entry::File { executable, .. } = entry(&snapshot, "bin/run") else {
        panic!("`bin/run` is a file");
    };
    assert!(executable);
}

#[tokio::test]
async fn a_work_tree_and_a_file_url_are_read_like_a_bare_repository() {
    let (origin, revision) = Origin::with_a_file();
    for url in [
        origin.work().display().to_string(),
        format!("file://{}", origin.bare().display()),
    ] {
        let mut config = origin.config();
        config.url = url;
        assert_eq!(source(config).head().await.unwrap(), revision);
    }
}

#[tokio::test]
async fn a_file_above_the_limit_is_listed_and_not_read() {
    let origin = Origin::new();
    origin.write("disk.img", &vec![7; 5000]);
    origin.write("small", &[7; 4096]);
    origin.push();
    let mut config = origin.config();
    config.limits.file_bytes = 4096;

    let snapshot = read(&source(config)).await.unwrap();

    assert_eq!(
        entry(&snapshot, "disk.img"),
        &Entry::TooLarge { bytes: 5000 }
    );
    assert_eq!(entry(&snapshot, "small"), &file(&[7; 4096]));
}

#[tokio::test]
async fn a_repository_that_is_too_large_in_all_is_refused_with_a_reason() {
    let origin = Origin::new();
    origin.write("a", b"one");
    origin.write("b", b"two");
    origin.push();
    let (few, little) = (1, 5);
    for (limits, reason) in [
        (
            Limits {
                entries: few,
                ..Limits::default()
            },
            "more than 1 files",
        ),
        (
            Limits {
                total_bytes: little,
                ..Limits::default()
            },
            "more than 0 MiB",
        ),
    ] {
        let mut config = origin.config();
        config.limits = limits;
        let error = read(&source(config)).await.unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[tokio::test]
async fn moved_files_are_at_their_new_place_alone() {
    let (origin, _) = Origin::with_a_file();
    let source = origin.source();
    read(&source).await.unwrap();
    origin.git(&["mv", "metrom.yaml", "settings.yaml"]);
    origin.push();
    assert_eq!(paths(&read(&source).await.unwrap()), ["settings.yaml"]);
}

#[tokio::test]
async fn after_a_force_push_the_new_history_counts_and_the_old_revision_stays_readable() {
    let (origin, old) = Origin::with_a_file();
    let source = origin.source();
    read(&source).await.unwrap();
    origin.write("metrom.yaml", b"rewritten");
    origin.git(&["commit", "-q", "-a", "--amend", "-m", "rewritten"]);
    let new = origin.push();
    git(
        &origin.bare(),
        &["reflog", "expire", "--expire=now", "--all"],
    );
    git(&origin.bare(), &["gc", "-q", "--prune=now"]);

    assert_eq!(source.head().await.unwrap(), new);
    let before = source.snapshot(&old).await.unwrap();
    assert_eq!(entry(&before, "metrom.yaml"), &file(b"kind: Repository\n"));
    assert_eq!(
        entry(&source.snapshot(&new).await.unwrap(), "metrom.yaml"),
        &file(b"rewritten")
    );
}

#[tokio::test]
async fn a_force_push_to_an_empty_tree_is_a_snapshot_without_files() {
    let (origin, _) = Origin::with_a_file();
    let source = origin.source();
    read(&source).await.unwrap();
    origin.git(&["checkout", "-q", "--orphan", "void"]);
    origin.git(&["rm", "-q", "-rf", "."]);
    origin.git(&["commit", "-q", "--allow-empty", "-m", "nothing"]);
    origin.git(&["push", "-q", "--force", "origin", "HEAD:main"]);

    assert!(read(&source).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn a_repository_without_a_commit_is_empty_and_not_an_empty_snapshot() {
    let origin = Origin::new();
    let error = origin.source().head().await.unwrap_err();
    assert!(matches!(error, SourceError::Empty { .. }), "{error}");
}

#[tokio::test]
async fn a_deleted_branch_is_missed_until_it_is_back() {
    let (origin, revision) = Origin::with_a_file();
    origin.git(&["push", "-q", "origin", "HEAD:release"]);
    let mut config = origin.config();
    config.branch = Some("release".to_owned());
    let source = source(config);
    assert_eq!(source.head().await.unwrap(), revision);

    origin.git(&["push", "-q", "origin", ":release"]);
    let error = source.head().await.unwrap_err();
    assert!(matches!(error, SourceError::NoReference { .. }), "{error}");
    assert!(
        error.to_string().ends_with("`release`; it has `main`"),
        "{error}"
    );
    assert!(
        source.snapshot(&revision).await.is_ok(),
        "the last good revision stays"
    );

    origin.git(&["push", "-q", "origin", "HEAD:release"]);
    assert_eq!(source.head().await.unwrap(), revision);
}

#[tokio::test]
async fn another_default_branch_is_followed() {
    let (origin, _) = Origin::with_a_file();
    let source = origin.source();
    source.head().await.unwrap();
    origin.git(&["checkout", "-q", "-b", "trunk"]);
    let trunk = origin.push();
    git(
        &origin.bare(),
        &["symbolic-ref", "HEAD", "refs/heads/trunk"],
    );
    assert_eq!(source.head().await.unwrap(), trunk);
}

#[tokio::test]
async fn a_repository_that_is_replaced_by_another_is_followed() {
    let (origin, _) = Origin::with_a_file();
    let (other, _) = Origin::with_a_file();
    other.write("other", b"other");
    let revision = other.push();
    let source = origin.source();
    read(&source).await.unwrap();
    std::fs::remove_dir_all(origin.bare()).unwrap();
    std::fs::rename(other.bare(), origin.bare()).unwrap();

    let snapshot = read(&source).await.unwrap();
    assert_eq!(snapshot.revision, revision);
    assert_eq!(paths(&snapshot), ["metrom.yaml", "other"]);
}

#[tokio::test]
async fn a_path_without_a_repository_says_so_and_keeps_what_was_fetched() {
    let (origin, revision) = Origin::with_a_file();
    let source = origin.source();
    source.head().await.unwrap();
    std::fs::remove_dir_all(origin.bare()).unwrap();

    let error = source.head().await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
    assert!(
        error.to_string().contains("no git repository at this path"),
        "{error}"
    );
    assert_eq!(
        paths(&source.snapshot(&revision).await.unwrap()),
        ["metrom.yaml"]
    );
}
