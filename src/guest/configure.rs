//! What a machine has beyond its image: software, the people's account, registries.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::files::{self, Change, NewFile};
use super::operator::{ASK_WITHIN, Operator};
use super::record::{self, GuestRecord};
use super::{checkout, daemon, data};
use crate::model::{GuestSpec, RegistryLogin, RegistrySpec, Stamp};
use crate::port::{GuestError, Secrets};
use crate::ssh::{Command, LOGIN};

const VERSIONS: &str = include_str!("scripts/versions.sh");
const CLAIM: &str = include_str!("scripts/claim.sh");
const INSTALL: &str = include_str!("scripts/install.sh");
const RELOAD_DOCKER: &str = include_str!("scripts/reload-docker.sh");
const ACCOUNTS: &str = include_str!("scripts/accounts.sh");

/// Packages over a slow line, unpacked by an emulated processor.
const INSTALL_WITHIN: Duration = Duration::from_secs(1800);

/// Docker starts with many containers, on an emulated processor.
const RELOAD_WITHIN: Duration = Duration::from_secs(300);

/// The oldest versions with which everything that we ask of them works: `up --wait-timeout` and
/// several `--env-file`.
const OLDEST: [(&str, u32, u32); 3] = [("git", 2, 30), ("docker", 20, 10), ("compose", 2, 20)];
const DOING: &str = "setting up the machine";

/// Whether the connection has to be made anew, to use a right that was just given.
pub(crate) struct Relogin(pub bool);

/// Brings software, accounts and registries to their declaration.
///
/// # Errors
/// [`GuestError::Blocked`] when the image cannot serve; [`GuestError::Secret`]; what programs say.
pub(crate) async fn configure(
    op: &mut Operator<'_>,
    (spec, stamp, volumes): (&GuestSpec, &Stamp, &BTreeMap<String, String>),
    login: &str,
    secrets: &dyn Secrets,
) -> Result<Relogin, GuestError> {
    if spec.user == LOGIN {
        let reason = format!("`{LOGIN}` is Metrom's own account; declare another `access.user`");
        return Err(op.blocked(DOING, reason));
    }
    let before = recorded(op).await?;
    op.phase("data", data::mount(op, volumes)).await?;
    match &before {
        // It was made ahead: what every machine needs is there already.
        Some(before) if before.stamp.env != stamp.env => {
            let claim = Command::script(CLAIM).arg(stamp.env.as_str()).as_root();
            op.ask("giving the machine its name", &claim).await?;
        }
        Some(_) | None => op.phase("software", software(op)).await?,
    }
    let relogin = accounts(op, spec, before.as_ref(), login).await?;
    registries(op, spec, before.as_ref()).await?;
    log_in(op, &spec.registries.logins, before.as_ref(), secrets).await?;

    let logins = spec.registries.logins.iter().map(|l| l.server.clone());
    let record = GuestRecord {
        stamp: stamp.clone(),
        user: spec.user.clone(),
        logins: logins.collect(),
        registries: !spec.registries.mirrors.is_empty() || !spec.registries.insecure.is_empty(),
    };
    write(
        op,
        &op.layout.state,
        "stamps/guest.json",
        record::line(&record) + "\n",
        0o600,
    )
    .await?;
    Ok(relogin)
}

/// What was recorded when the machine was last set up.
///
/// # Errors
/// When the machine cannot be asked.
pub(crate) async fn recorded(op: &Operator<'_>) -> Result<Option<GuestRecord>, GuestError> {
    let path = format!("{}/stamps/guest.json", op.layout.state);
    let asking = Command::new("cat").arg(path).as_root();
    Ok(record::read(&op.try_ask(DOING, &asking).await?.out))
}

async fn software(op: &Operator<'_>) -> Result<(), GuestError> {
    let asking = Command::script(VERSIONS).as_root();
    let mut lacking = lacks(&op.ask(DOING, &asking).await?);
    if !lacking.is_empty() {
        op.journal.line(&format!(
            "the image lacks {}; installing the distribution's packages",
            lacking.join(", ")
        ));
        let install = Command::script(INSTALL).as_root();
        op.run("installing software", &install, INSTALL_WITHIN)
            .await?;
        lacking = lacks(&op.ask(DOING, &asking).await?);
    }
    if lacking.is_empty() {
        return Ok(());
    }
    let reason = format!(
        "it lacks {}; use an image that has them, such as Debian 13 or later",
        lacking.join(", ")
    );
    Err(op.blocked(DOING, reason))
}

/// Which of the needed programs are absent or too old.
fn lacks(versions: &str) -> Vec<String> {
    let found: BTreeMap<&str, &str> = checkout::facts(versions).collect();
    let lacking = OLDEST.iter().filter_map(|(name, major, minor)| {
        let is_enough = found
            .get(name)
            .and_then(|text| number(text))
            .is_some_and(|version| version >= (*major, *minor));
        let had = found
            .get(name)
            .map_or(String::new(), |v| format!(" (has {v})"));
        (!is_enough).then(|| format!("{name} {major}.{minor} or later{had}"))
    });
    lacking.collect()
}

/// The first `major.minor` in a text such as `Docker version 26.1.5+dfsg1, build a72d7cd`.
fn number(text: &str) -> Option<(u32, u32)> {
    text.split_whitespace().find_map(|word| {
        let mut parts = word.trim_start_matches('v').split('.');
        let major = parts.next()?.parse().ok()?;
        let minor: String = parts
            .next()?
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        Some((major, minor.parse().ok()?))
    })
}

async fn accounts(
    op: &Operator<'_>,
    spec: &GuestSpec,
    before: Option<&GuestRecord>,
    login: &str,
) -> Result<Relogin, GuestError> {
    let former = before.map_or("", |record| &record.user);
    let keys: String = spec
        .authorized_keys
        .iter()
        .map(|k| format!("{k}\n"))
        .collect();
    let command = Command::script(ACCOUNTS)
        .args([&spec.user, former, login, &op.layout.root])
        .stdin(keys)
        .as_root();
    let out = op.ask("setting up accounts", &command).await?;
    Ok(Relogin(out.lines().any(|line| line == "relogin")))
}

async fn registries(
    op: &Operator<'_>,
    spec: &GuestSpec,
    before: Option<&GuestRecord>,
) -> Result<(), GuestError> {
    let path = format!("{}/daemon.json", op.layout.docker_settings);
    let existing = op
        .try_ask(DOING, &Command::new("cat").arg(&path).as_root())
        .await?
        .out;
    let ours = before.is_some_and(|record| record.registries);
    let merged = daemon::merged(&existing, &spec.registries, ours).map_err(|e| {
        op.blocked(
            DOING,
            format!("{path} is not valid: {e}; correct or remove it"),
        )
    })?;
    let RegistrySpec {
        mirrors,
        insecure,
        logins: _,
    } = &spec.registries;
    match merged {
        Some(text) => write(op, &op.layout.docker_settings, "daemon.json", text, 0o644).await?,
        None if !ours && mirrors.is_empty() && insecure.is_empty() => return Ok(()),
        // It may have been written by an attempt that was cut off before Docker was told.
        None => {}
    }
    // Docker tells the networks among them in other words.
    let hosts = insecure.iter().filter(|registry| !registry.contains('/'));
    let known = mirrors.iter().chain(hosts);
    let reload = Command::script(RELOAD_DOCKER).args(known).as_root();
    op.run("telling Docker its registries", &reload, RELOAD_WITHIN)
        .await
}

async fn log_in(
    op: &mut Operator<'_>,
    logins: &[RegistryLogin],
    before: Option<&GuestRecord>,
    secrets: &dyn Secrets,
) -> Result<(), GuestError> {
    for RegistryLogin {
        server,
        username,
        password,
    } in logins
    {
        let password = secrets.resolve(password)?;
        op.hide(&password);
        let command = Command::new("docker")
            .args(["login", "--username", username, "--password-stdin", server])
            .stdin(password.expose_secret())
            .as_root();
        let doing = format!("logging in to the registry {server} as {username}");
        op.run(&doing, &command, ASK_WITHIN).await?;
    }
    let declared: BTreeSet<&String> = logins.iter().map(|login| &login.server).collect();
    let former = before.map_or(&[][..], |record| &record.logins);
    for server in former.iter().filter(|server| !declared.contains(server)) {
        let command = Command::new("docker").args(["logout", server]).as_root();
        op.run("logging out of a registry", &command, ASK_WITHIN)
            .await?;
    }
    Ok(())
}

/// Writes one small file of our own.
pub(crate) async fn write(
    op: &Operator<'_>,
    folder: &str,
    name: &str,
    text: String,
    mode: u32,
) -> Result<(), GuestError> {
    let file = NewFile {
        bytes: text.into_bytes(),
        mode,
    };
    let change = Change {
        folder,
        owner: None,
        write: &BTreeMap::from([(name.to_owned(), file)]),
        remove: &BTreeSet::new(),
    };
    files::change(op, &format!("writing {folder}/{name}"), &change).await
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A Docker that is starting and has read its settings: what it is told meanwhile is lost. It
    /// follows a reload only when it is asked for the second time.
    const STARTING: [(&str, &str); 3] = [
        (
            "systemctl",
            "[ \"$*\" = 'start docker.service' ] && touch running && exit
             [ \"$*\" = 'reload docker.service' ] && [ -e running ] && touch reloaded",
        ),
        (
            "docker",
            "[ -e reloaded ] && [ -e asked ] && echo http://Mirror:5000/ && echo plain:5000
             touch asked",
        ),
        ("sleep", ""),
    ];

    fn reload(registries: &[&str]) -> std::process::Output {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in STARTING {
            let program = folder.path().join(name);
            std::fs::write(&program, format!("#!/bin/sh\ncd \"${{0%/*}}\"\n{text}\n")).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", RELOAD_DOCKER, "metrom"]).args(registries);
        shell.env("PATH", path).output().unwrap()
    }

    #[test]
    fn docker_knows_its_registries_also_when_it_was_just_starting() {
        let ended = reload(&["http://mirror:5000", "plain:5000"]);
        assert!(ended.status.success(), "{ended:?}");
        let ended = reload(&["plain:5000", "http://other:5000"]);
        assert!(!ended.status.success());
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(said.contains("http://other:5000"), "{said}");
    }

    #[test]
    fn a_complete_machine_lacks_nothing() {
        let versions = "git\tgit version 2.47.3\n\
            docker\tDocker version 26.1.5+dfsg1, build a72d7cd\n\
            compose\t2.26.1-4\n";
        assert_eq!(lacks(versions), Vec::<String>::new());
    }

    #[test]
    fn old_and_absent_programs_are_named() {
        let lacking = lacks("git\tgit version 2.39.5\ncompose\t1.29.2\n");
        assert_eq!(
            lacking,
            [
                "docker 20.10 or later",
                "compose 2.20 or later (has 1.29.2)"
            ]
        );
    }

    #[test]
    fn versions_are_found_in_any_words() {
        assert_eq!(number("v2.26.1"), Some((2, 26)));
        assert_eq!(
            number("Docker version 20.10.24+dfsg1, build 297e128"),
            Some((20, 10))
        );
        assert_eq!(number("none"), None);
    }
}
