//! Machines behind another one: two real sshd, each pinned to its own key.

use std::sync::Arc;
use std::time::Duration;

use metrom::guest::Guests;
use metrom::model::{Bastion, SecretRef};
use metrom::port::{GuestActuator, GuestError, GuestObserver, GuestTarget, Silent};
use metrom::secrets::LocalSecrets;
use metrom::ssh::{Chunk, Command, Identity};

use super::sshd::Sshd;

const PATIENCE: Duration = Duration::from_secs(60);

/// A machine, and one that lets through to it.
fn pair(more: &str) -> (Sshd, Sshd) {
    let (guest, bastion) = (Sshd::start(), Sshd::start_with(more));
    bastion.admit(&guest);
    (guest, bastion)
}

fn behind(guest: &Sshd, bastion: Bastion) -> GuestTarget {
    GuestTarget {
        bastion: Some(bastion),
        ..guest.target()
    }
}

async fn says(guests: &Guests, target: &GuestTarget) -> Result<String, GuestError> {
    let mut out = Vec::new();
    let mut take = |chunk: Chunk<'_>| {
        if let Chunk::Out(bytes) = chunk {
            out.extend_from_slice(bytes);
        }
    };
    let command = Command::new("sh").args(["-c", "echo $SSH_CONNECTION"]);
    guests.run(target, &command, &mut take).await?;
    Ok(String::from_utf8(out).unwrap())
}

#[tokio::test]
async fn a_machine_behind_a_bastion_is_reached_through_it() {
    let (guest, mut bastion) = pair("");
    let (guests, target) = (guest.guests(), behind(&guest, bastion.bastion()));
    let ready = guests.await_ready(&target, PATIENCE, &Silent).await;
    ready.unwrap();
    assert!(says(&guests, &target).await.unwrap().contains("127.0.0.1"));
    // It is the way, and not beside it.
    bastion.stop();
    let fresh = guest.guests();
    let error = says(&fresh, &target).await.unwrap_err();
    assert!(matches!(error, GuestError::Silent { .. }), "{error}");
    assert!(says(&fresh, &guest.target()).await.is_ok());
}

#[tokio::test]
async fn another_bastion_than_the_declared_one_is_refused_at_once_and_learns_nothing() {
    let (guest, bastion) = pair("");
    let wrong = Bastion {
        host_key: guest.target().host_key,
        ..bastion.bastion()
    };
    let guests = guest.guests();
    let target = behind(&guest, wrong);
    let waited = guests.await_ready(&target, PATIENCE, &Silent).await;
    let error = waited.unwrap_err();
    assert!(matches!(error, GuestError::Barred { .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains("not the one that is declared"), "{said}");
    assert!(said.contains("`hostKey`"), "{said}");
    let gaps = guests.observe(&target).await.gaps;
    assert!(gaps[0].reason.contains("not the one"), "{gaps:?}");
}

#[tokio::test]
async fn another_machine_behind_the_right_bastion_is_refused_as_well() {
    let (guest, bastion) = pair("");
    let target = GuestTarget {
        host_key: bastion.bastion().host_key,
        ..behind(&guest, bastion.bastion())
    };
    let error = says(&guest.guests(), &target).await.unwrap_err();
    assert!(matches!(error, GuestError::HostKey { .. }), "{error}");
}

#[tokio::test]
async fn a_bastion_that_is_down_is_a_gap_with_a_next_move() {
    let (guest, mut bastion) = pair("");
    let target = behind(&guest, bastion.bastion());
    bastion.stop();
    let gaps = guest.guests().observe(&target).await.gaps;
    assert_eq!(gaps.len(), 1);
    for word in ["the bastion does not answer", "look at its `address`"] {
        assert!(gaps[0].reason.contains(word), "{gaps:?}");
    }
}

#[tokio::test]
async fn a_bastion_that_forwards_nothing_says_what_to_change_there() {
    let (guest, bastion) = pair("AllowTcpForwarding no");
    let target = behind(&guest, bastion.bastion());
    let error = says(&guest.guests(), &target).await.unwrap_err();
    assert!(matches!(error, GuestError::Barred { .. }), "{error}");
    assert!(error.to_string().contains("AllowTcpForwarding"), "{error}");
}

#[tokio::test]
async fn a_bastion_may_want_a_key_of_its_own() {
    let (guest, bastion) = (Sshd::start(), Sshd::start());
    let secrets = Arc::new(LocalSecrets);
    let identity = || Identity::clone(guest.identity());
    let guests = guest.guests_with(identity(), secrets);
    let own = behind(&guest, bastion.bastion());
    let error = says(&guests, &own).await.unwrap_err();
    assert!(matches!(error, GuestError::Barred { .. }), "{error}");
    assert!(error.to_string().contains("does not let us in"), "{error}");
    let with_key = |path: std::path::PathBuf| Bastion {
        key: Some(SecretRef::File(path)),
        ..bastion.bastion()
    };
    let target = behind(&guest, with_key(bastion.identity_path()));
    assert!(says(&guests, &target).await.is_ok());
    let target = behind(&guest, with_key("/nonexistent/key".into()));
    let error = says(&guests, &target).await.unwrap_err();
    assert!(error.to_string().contains("/nonexistent/key"), "{error}");
}
