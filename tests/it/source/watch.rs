//! A local repository wakes whoever watches it.

use std::time::Duration;

use metrom::port::Source as _;
use metrom::source::watch::watch;
use tokio::sync::mpsc::Receiver;

use super::origin::{Origin, git};

/// Long enough for a loaded machine; a wake-up comes after a fraction of it.
const PATIENCE: Duration = Duration::from_secs(20);

async fn wakes(woken: &mut Receiver<()>) -> bool {
    matches!(
        tokio::time::timeout(PATIENCE, woken.recv()).await,
        Ok(Some(()))
    )
}

#[tokio::test]
async fn a_push_wakes_and_so_does_the_next_one() {
    let (origin, _) = Origin::with_a_file();
    let mut woken = watch(&origin.bare()).unwrap();
    origin.push();
    assert!(wakes(&mut woken).await);
    git(&origin.bare(), &["pack-refs", "--all"]);
    assert!(wakes(&mut woken).await);
    origin.push();
    assert!(wakes(&mut woken).await);
}

#[tokio::test]
async fn a_commit_in_a_work_tree_and_another_branch_wake() {
    let (origin, _) = Origin::with_a_file();
    let mut woken = watch(&origin.work()).unwrap();
    origin.git(&["commit", "-q", "--allow-empty", "-m", "more"]);
    assert!(wakes(&mut woken).await);
    origin.git(&["checkout", "-q", "-b", "topic/one"]);
    assert!(wakes(&mut woken).await);
}

#[tokio::test]
async fn reading_the_repository_wakes_nobody() {
    let (origin, _) = Origin::with_a_file();
    let mut woken = watch(&origin.bare()).unwrap();
    origin.source().head().await.unwrap();
    // Nothing to wait for can be seen when nothing happens; twice the time of a wake-up must do.
    let silence = tokio::time::timeout(Duration::from_millis(500), woken.recv()).await;
    assert!(silence.is_err());
    origin.push();
    assert!(wakes(&mut woken).await, "it was listening");
}

#[tokio::test]
async fn a_repository_that_is_made_again_is_watched_again() {
    let (origin, _) = Origin::with_a_file();
    let mut woken = watch(&origin.bare()).unwrap();
    let aside = origin.folder().join("aside.git");
    std::fs::rename(origin.bare(), &aside).unwrap();
    git(
        origin.folder(),
        &["clone", "-q", "--bare", "aside.git", "origin.git"],
    );
    assert!(wakes(&mut woken).await);
    origin.push();
    assert!(wakes(&mut woken).await);
}

#[test]
fn what_is_no_repository_cannot_be_watched() {
    let place = tempfile::tempdir().unwrap();
    let error = watch(place.path()).unwrap_err().to_string();
    assert!(
        error.contains("cannot watch") && error.contains("next poll"),
        "{error}"
    );
}
