//! `metrom host scan` and `metrom host doctor`: Linux machines that are to be hypervisors.

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::Global;
use super::exit::Exit;
use super::output::{BAD, BOLD, FAINT, GOOD, WARN, paint};
use super::providers::remote_config;
use super::wiring::{self, Wiring};
use crate::manifest::schema::{HostSpec, ProviderSpec};
use crate::model::ProviderName;
use crate::provider::remote::doctor::{Check, State, checks};
use crate::provider::remote::facts_of;
use crate::reconcile::living::Living;

/// Linux machines that are made hypervisors
#[derive(Debug, Args)]
pub struct Host {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints the entry to commit for a machine, with the host key that it offers
    Scan(Scan),
    /// Tells what a declared machine is, has and lacks; changes nothing
    Doctor(Doctor),
    /// Forgets a host whose file was removed while environments lived there: none of them is needed
    Forget(Forget),
}

#[derive(Debug, Args)]
struct Scan {
    /// An address or a name
    address: String,
    #[arg(long, default_value_t = 22)]
    port: u16,
    /// The account to log in as: root, or one that may use sudo without a password
    #[arg(long, default_value = "root")]
    user: String,
    /// What the host is called [default: the first part of a name, or `host-` and the address]
    #[arg(long)]
    name: Option<ProviderName>,
}

#[derive(Debug, Args)]
struct Doctor {
    name: ProviderName,
}

#[derive(Debug, Args)]
struct Forget {
    name: ProviderName,
}

pub async fn run(args: &Host, global: &Global) -> Result<Exit> {
    match &args.command {
        Command::Scan(args) => scan(args, global).await,
        Command::Doctor(args) => doctor(args, global).await,
        Command::Forget(args) => forget(args, global).await,
    }
}

async fn scan(args: &Scan, global: &Global) -> Result<Exit> {
    let connections = wiring::connections(global)?;
    let Scan {
        address,
        port,
        user,
        name,
    } = args;
    let offered = connections.offered(address, *port, None).await;
    let (key, fingerprint) = offered.map_err(|error| {
        let reason = crate::provider::remote::unanswered(error);
        anyhow::anyhow!("cannot ask {address} for its host key: {reason}")
    })?;
    let name = match name {
        Some(name) => name.clone(),
        None => named_after(address)?,
    };
    let seen = json!({
        "name": name, "address": address, "port": port, "user": user, "hostKey": key,
        "fingerprint": fingerprint, "publicKey": connections.public_key(),
    });
    if global.output.print(&seen)? {
        return Ok(Exit::Done);
    }
    let port = match port {
        22 => String::new(),
        port => format!("    port: {port}\n"),
    };
    anstream::println!(
        "# hosts/{name}.yaml\napiVersion: metrom.dev/v1\nkind: Host\nmetadata: {{name: {name}}}\nspec:\n  \
         ssh:\n    address: {address}\n{port}    user: {user}\n    hostKey: {key}"
    );
    anstream::eprintln!(
        "\nThe key that was offered has the fingerprint\n  {}\n\n1. Compare it with the machine's own, at \
         its console:  ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\n2. Let Metrom in, by a line in \
         ~{user}/.ssh/authorized_keys there:\n  {}\n3. Commit the lines above, and run:  metrom host doctor \
         {name}",
        paint(BOLD, &fingerprint),
        connections.public_key()
    );
    Ok(Exit::Done)
}

/// A name for a machine at an address.
fn named_after(address: &str) -> Result<ProviderName> {
    let is_number = address.parse::<std::net::IpAddr>().is_ok();
    let first = address.split('.').next().unwrap_or(address);
    let text = match is_number {
        true => format!("host-{}", address.replace(['.', ':'], "-")),
        false => first.to_ascii_lowercase().replace('_', "-"),
    };
    ProviderName::parse(&text)
        .with_context(|| format!("`{text}` is no name for a host; give one with `--name`"))
}

async fn doctor(args: &Doctor, global: &Global) -> Result<Exit> {
    let wiring = Wiring::open(global).await?;
    let catalog = wiring.catalog().await?;
    let host = declared(&catalog.providers, &args.name)?;
    let Some(ssh) = host.ssh.clone() else {
        bail!(
            "`{}` is reached by libvirt at {}, and not by `ssh`; `metrom get providers` tells of it",
            args.name,
            host.location()
        );
    };
    let config = remote_config(&args.name, host, ssh.into());
    let found = match facts_of(wiring.connections(), &config).await {
        Ok(facts) => checks(&facts, &config),
        Err(reason) => vec![Check {
            what: "access",
            state: State::Bad,
            said: reason,
        }],
    };
    let is_bad = found.iter().any(|check| check.state == State::Bad);
    if !global.output.print(&found)? {
        anstream::println!("{} ({})", paint(BOLD, &args.name), host.location());
        for Check { what, state, said } in &found {
            let (sign, style) = match state {
                State::Good => ("✓", GOOD),
                State::WillBeMade => ("+", FAINT),
                State::Warning => ("!", WARN),
                State::Bad => ("✗", BAD),
            };
            anstream::println!("  {} {what:15} {said}", paint(style, sign));
        }
        if !is_bad && found.iter().any(|check| check.state == State::WillBeMade) {
            anstream::println!(
                "\n{}",
                paint(
                    FAINT,
                    "what lacks is made by the first sync of an environment that is placed there"
                )
            );
        }
    }
    Ok(if is_bad { Exit::Failed } else { Exit::Done })
}

/// Takes a host out of the note of who lives where; on the host nothing is touched.
async fn forget(args: &Forget, global: &Global) -> Result<Exit> {
    let wiring = Wiring::open(global).await?;
    let catalog = wiring.catalog().await?;
    let name = &args.name;
    if catalog.providers.contains_key(name) {
        bail!("`{name}` is declared; remove its file first");
    }
    let owner = catalog
        .owner()
        .context("the repository has no name; give `metrom.yaml` a `metadata.name`")?;
    let key = Living::key(owner);
    let mut living = Living::parse(wiring.store.fact(&key).await?.as_deref());
    let Some(home) = living.forget(name) else {
        bail!("nothing is known to live on `{name}`");
    };
    wiring.store.put_fact(&key, &living.text()).await?;
    let names: Vec<&str> = home.environments.iter().map(|env| env.as_str()).collect();
    anstream::println!(
        "{name} is forgotten, with what lives there: {}",
        names.join(", ")
    );
    Ok(Exit::Done)
}

fn declared<'a>(
    providers: &'a std::collections::BTreeMap<ProviderName, ProviderSpec>,
    name: &ProviderName,
) -> Result<&'a HostSpec> {
    match providers.get(name) {
        Some(ProviderSpec::Host(host)) => Ok(host),
        Some(ProviderSpec::Cloud(_)) => {
            bail!("`{name}` is a cloud; `metrom inventory {name}` tells of it")
        }
        None => bail!("no host is called `{name}`; `metrom get providers` lists them"),
    }
}
