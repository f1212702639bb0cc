//! The guest against a real sshd on loopback: pinning, programs, files, forwarded sockets, git.

mod bastion;
mod docker;
pub mod sshd;
mod stack;
mod work;

use std::collections::BTreeMap;
use std::time::Duration;

use metrom::port::{GuestActuator, GuestError, Silent};
use metrom::ssh::{Chunk, Command, Identity, Keys, Terminal};

use sshd::Sshd;

const PATIENCE: Duration = Duration::from_secs(60);

/// What a program wrote and how it ended.
async fn run(sshd: &Sshd, command: &Command) -> (u32, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let guests = sshd.guests();
    let mut take = |chunk: Chunk<'_>| match chunk {
        Chunk::Out(bytes) => out.extend_from_slice(bytes),
        Chunk::Err(bytes) => err.extend_from_slice(bytes),
    };
    let code = guests
        .run(&sshd.target(), command, &mut take)
        .await
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (code, text(out), text(err))
}

#[tokio::test]
async fn the_pinned_key_is_accepted() {
    let sshd = Sshd::start();
    let guests = sshd.guests();
    guests
        .await_ready(&sshd.target(), PATIENCE, &Silent)
        .await
        .unwrap();
    assert_eq!(
        run(&sshd, &Command::new("echo").arg("hello")).await.1,
        "hello\n"
    );
}

/// As one that was cut off and has booted since, while we still had a connection.
#[tokio::test]
async fn a_machine_that_left_without_a_word_is_connected_to_anew() {
    let mut sshd = Sshd::start();
    let (guests, target) = (sshd.guests(), sshd.target());
    let ready = || guests.await_ready(&target, Duration::from_secs(600), &Silent);
    ready().await.unwrap();
    sshd.freeze_connections();
    ready().await.unwrap();
}

#[tokio::test]
async fn another_host_key_is_refused_at_once() {
    let sshd = Sshd::start();
    let mut target = sshd.target();
    target.host_key = Identity::fresh().unwrap().public().to_owned();
    let error = sshd
        .guests()
        .await_ready(&target, PATIENCE, &Silent)
        .await
        .unwrap_err();
    assert!(matches!(error, GuestError::HostKey { .. }), "{error}");
    assert!(
        error.to_string().contains("SHA256:"),
        "names what was offered: {error}"
    );
}

#[tokio::test]
async fn a_machine_that_does_not_know_us_says_so() {
    let sshd = Sshd::start();
    let stranger = sshd.guests_of(Identity::fresh().unwrap());
    let error = stranger
        .run(&sshd.target(), &Command::new("true"), &mut |_| {})
        .await
        .unwrap_err();
    assert!(matches!(error, GuestError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn nobody_at_the_address_is_silence_after_the_patience() {
    let sshd = Sshd::start();
    let (guests, target) = (sshd.guests(), sshd.target());
    drop(sshd);
    let error = guests
        .await_ready(&target, Duration::from_millis(1), &Silent)
        .await
        .unwrap_err();
    assert!(matches!(error, GuestError::Silent { .. }), "{error}");
}

#[tokio::test]
async fn arguments_environment_and_input_arrive_byte_for_byte() {
    let sshd = Sshd::start();
    let nasty = "it's \"$HOME\" `id` $(id)\n* \\ 한국어 ☃ ;";
    let command = Command::new("printf").args(["%s|%s", nasty, ""]);
    assert_eq!(run(&sshd, &command).await.1, format!("{nasty}|"));

    let command = Command::new("sh").args(["-c", "printf %s \"$NASTY\"; cat >&2; exit 7"]);
    let command = command.env("NASTY", nasty).stdin(nasty);
    assert_eq!(
        run(&sshd, &command).await,
        (7, nasty.to_owned(), nasty.to_owned())
    );
}

#[tokio::test]
async fn much_input_and_output_pass_at_once() {
    let sshd = Sshd::start();
    let text = "0123456789abcdef".repeat(300_000);
    let (code, out, _) = run(&sshd, &Command::new("cat").stdin(text.clone())).await;
    assert_eq!(code, 0);
    assert!(
        out == text,
        "{} of {} bytes came back",
        out.len(),
        text.len()
    );
}

#[tokio::test]
async fn a_program_that_reads_no_input_does_not_hang() {
    let sshd = Sshd::start();
    let command = Command::new("true").stdin(vec![b'x'; 8 << 20]);
    assert_eq!(run(&sshd, &command).await.0, 0);
}

/// Ends the process of sshd that serves this very connection.
const CUT: &str = "p=$$
while ! grep -q ^sshd /proc/$p/comm; do p=$(awk '/^PPid/{print $2}' /proc/$p/status); done
kill -KILL $p";

#[tokio::test]
async fn a_connection_lost_in_the_middle_is_told_and_made_anew() {
    let sshd = Sshd::start();
    let (guests, target) = (sshd.guests(), sshd.target());
    let cut = Command::script(CUT);
    let error = guests.run(&target, &cut, &mut |_| {}).await.unwrap_err();
    assert!(matches!(error, GuestError::Lost { .. }), "{error}");
    let again = guests
        .run(&target, &Command::new("true"), &mut |_| {})
        .await;
    assert_eq!(again.unwrap(), 0);
}

#[tokio::test]
async fn a_terminal_has_its_size_and_takes_what_is_typed() {
    let sshd = Sshd::start();
    let terminal = Terminal {
        kind: "xterm".to_owned(),
        columns: 123,
        rows: 45,
    };
    let (typing, mut keys) = tokio::sync::mpsc::channel(8);
    typing.send(Keys::Typed(b"hello\n".to_vec())).await.unwrap();
    let command =
        Command::new("sh").args(["-c", "stty size; read line; echo \"got $line\"; exit 3"]);
    let mut out = Vec::new();
    let mut take = |chunk: Chunk<'_>| {
        if let Chunk::Out(bytes) = chunk {
            out.extend_from_slice(bytes);
        }
    };
    let guests = sshd.guests();
    let target = sshd.target();
    let exit = guests.shell(&target, Some(&command), &terminal, &mut keys, &mut take);
    assert_eq!(exit.await.unwrap(), 3);
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains("45 123") && out.contains("got hello"), "{out}");
}

#[tokio::test]
async fn many_programs_share_one_login() {
    let sshd = Sshd::start();
    let (guests, target) = (sshd.guests(), sshd.target());
    let parent = Command::script("cat /proc/$PPID/status | awk '/^PPid/{print $2}'");
    let asking = (0..5).map(|_| async {
        let mut out = String::new();
        let mut take = |chunk: Chunk<'_>| {
            if let Chunk::Out(bytes) = chunk {
                out.push_str(std::str::from_utf8(bytes).unwrap());
            }
        };
        guests.run(&target, &parent, &mut take).await.unwrap();
        out
    });
    let parents = futures_util::future::join_all(asking).await;
    let counted: BTreeMap<&String, usize> = parents.iter().map(|p| (p, 1)).collect();
    assert_eq!(counted.len(), 1, "{parents:?}");
}
