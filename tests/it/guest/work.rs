//! Checkouts: followed, and never at the cost of somebody's work.

use std::path::{Path, PathBuf};
use std::process::Command;

use metrom::guest::Guests;
use metrom::model::{CheckoutSpec, GuestAction, Key, LiveCheckout, LiveFields, Revision, Stamp};
use metrom::port::{GuestActuator, GuestError, GuestObserver, Silent};
use serde_json::json;

use super::sshd::{Sshd, user};

fn git(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@example.org"])
        .args(["-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A machine that was set up, and an upstream repository with one commit.
struct Bench {
    sshd: Sshd,
    guests: Guests,
}

impl Bench {
    fn new() -> Self {
        let sshd = Sshd::start();
        let guests = sshd.guests();
        let bench = Self { sshd, guests };
        let stamp = bench.stamp("guest");
        let record = json!({"stamp": stamp, "user": user(), "logins": [], "registries": false});
        let stamps = bench.sshd.folder().join("state/stamps");
        std::fs::create_dir_all(&stamps).unwrap();
        std::fs::write(stamps.join("guest.json"), record.to_string()).unwrap();
        std::fs::create_dir_all(bench.sshd.folder().join("srv/src")).unwrap();
        std::fs::create_dir(bench.upstream()).unwrap();
        git(&bench.upstream(), &["init", "--quiet"]);
        bench.commit("one");
        bench
    }

    fn upstream(&self) -> PathBuf {
        self.sshd.folder().join("upstream")
    }

    fn tree(&self) -> PathBuf {
        self.sshd.folder().join("srv/src/app")
    }

    fn stamp(&self, key: &str) -> Stamp {
        let target = self.sshd.target();
        Stamp {
            owner: target.owner,
            env: target.env,
            key: key.parse().unwrap(),
            digest: None,
            revision: None,
            created: "2026-01-01T00:00:00Z".parse().unwrap(),
            born: None,
        }
    }

    fn commit(&self, text: &str) -> Revision {
        std::fs::write(self.upstream().join("file"), text).unwrap();
        git(&self.upstream(), &["add", "file"]);
        git(&self.upstream(), &["commit", "--quiet", "-m", text]);
        self.head()
    }

    fn head(&self) -> Revision {
        Revision::parse(&git(&self.upstream(), &["rev-parse", "HEAD"])).unwrap()
    }

    async fn sync_to(&self, reference: &str, revision: &Revision) -> Result<(), GuestError> {
        let action = GuestAction::SyncCheckout {
            spec: CheckoutSpec {
                url: self.upstream().display().to_string(),
                reference: reference.to_owned(),
                revision: Some(revision.clone()),
            },
            stamp: self.stamp("checkout/app"),
        };
        let target = self.sshd.target();
        self.guests.perform(&target, &action, &Silent).await
    }

    async fn sync(&self) -> Result<(), GuestError> {
        self.sync_to("main", &self.head()).await
    }

    async fn observed(&self) -> LiveCheckout {
        let report = self.guests.observe(&self.sshd.target()).await;
        assert_eq!(report.gaps, []);
        match &report.live[&Key::Checkout("app".to_owned())] {
            (LiveFields::Checkout(checkout), Some(_)) => checkout.clone(),
            other => panic!("not our checkout: {other:?}"),
        }
    }
}

fn reason(result: Result<(), GuestError>) -> String {
    match result.unwrap_err() {
        GuestError::Blocked { reason, .. } => reason,
        other => panic!("not blocked: {other}"),
    }
}

#[tokio::test]
async fn a_checkout_is_cloned_on_a_branch_that_can_be_pushed_and_then_followed() {
    let bench = Bench::new();
    bench.sync().await.unwrap();
    assert_eq!(
        git(&bench.tree(), &["rev-parse", "--abbrev-ref", "@{u}"]),
        "origin/main"
    );
    bench.commit("two");
    bench.sync().await.unwrap();
    let text = std::fs::read_to_string(bench.tree().join("file")).unwrap();
    assert_eq!(text, "two");
    let seen = bench.observed().await;
    assert_eq!((seen.revision, seen.local_work), (Some(bench.head()), None));
}

#[tokio::test]
async fn a_changed_file_stays_and_is_told() {
    let bench = Bench::new();
    bench.sync().await.unwrap();
    std::fs::write(bench.tree().join("file"), "mine").unwrap();
    bench.commit("two");
    let reason = reason(bench.sync().await);
    assert!(reason.contains("file"), "{reason}");
    let text = std::fs::read_to_string(bench.tree().join("file")).unwrap();
    assert_eq!(text, "mine");
    assert!(bench.observed().await.local_work.is_some());
}

#[tokio::test]
async fn an_untracked_file_in_the_way_stays() {
    let bench = Bench::new();
    bench.sync().await.unwrap();
    std::fs::write(bench.tree().join("new"), "mine").unwrap();
    std::fs::write(bench.upstream().join("new"), "theirs").unwrap();
    git(&bench.upstream(), &["add", "new"]);
    bench.commit("two");
    let error = bench.sync().await.unwrap_err().to_string();
    assert!(error.contains("new"), "{error}");
    assert_eq!(
        std::fs::read_to_string(bench.tree().join("new")).unwrap(),
        "mine"
    );
}

#[tokio::test]
async fn a_local_commit_stays_and_is_told() {
    let bench = Bench::new();
    bench.sync().await.unwrap();
    std::fs::write(bench.tree().join("file"), "mine").unwrap();
    git(&bench.tree(), &["commit", "--quiet", "-am", "mine"]);
    let mine = git(&bench.tree(), &["rev-parse", "HEAD"]);
    bench.commit("two");
    let reason = reason(bench.sync().await);
    assert!(reason.contains("1 commit is not pushed"), "{reason}");
    assert_eq!(git(&bench.tree(), &["rev-parse", "HEAD"]), mine);
}

#[tokio::test]
async fn a_forced_push_is_followed_where_nobody_has_worked() {
    let bench = Bench::new();
    bench.commit("two");
    bench.sync().await.unwrap();
    git(&bench.upstream(), &["reset", "--quiet", "--hard", "HEAD~1"]);
    bench.commit("other two");
    bench.sync().await.unwrap();
    assert_eq!(bench.observed().await.revision, Some(bench.head()));
}

#[tokio::test]
async fn a_tag_is_checked_out_and_the_branch_comes_back() {
    let bench = Bench::new();
    let tagged = bench.head();
    git(&bench.upstream(), &["tag", "v1"]);
    bench.commit("two");
    bench.sync_to("v1", &tagged).await.unwrap();
    assert_eq!(bench.observed().await.revision, Some(tagged));
    bench.sync().await.unwrap();
    assert_eq!(
        git(&bench.tree(), &["symbolic-ref", "--short", "HEAD"]),
        "main"
    );
}

#[tokio::test]
async fn something_else_at_the_path_stays() {
    let bench = Bench::new();
    std::fs::create_dir(bench.tree()).unwrap();
    std::fs::write(bench.tree().join("notes"), "mine").unwrap();
    let reason = reason(bench.sync().await);
    assert!(reason.contains("something else"), "{reason}");
}

#[tokio::test]
async fn a_repository_that_is_not_there_fails_with_the_words_of_git() {
    let bench = Bench::new();
    let head = bench.head();
    std::fs::remove_dir_all(bench.upstream()).unwrap();
    let error = bench.sync_to("main", &head).await.unwrap_err().to_string();
    assert!(
        error.contains("does not exist") || error.contains("not appear"),
        "{error}"
    );
}
