//! `metrom ssh ENV`: a shell on the machine of an environment.

use std::io::{IsTerminal, Write};

use anyhow::{Result, bail};
use clap::Args;

use super::exit::Exit;
use super::reach::Reached;
use super::terminal::{self, Raw};
use super::{Global, exec};
use crate::model::EnvName;
use crate::ssh::{Chunk, Command};

/// Opens a shell on the machine of an environment
///
/// Goes through Metrom's own login with the pinned host key, and becomes the people's account.
#[derive(Debug, Args)]
pub struct Ssh {
    env: EnvName,
    /// As this account [default: `access.user` of the repository or environment]
    #[arg(long, value_name = "ACCOUNT")]
    user: Option<String>,
    /// What somebody wants to run there, as with `ssh`; another command does that
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    command: Vec<String>,
}

pub async fn run(args: &Ssh, global: &Global) -> Result<Exit> {
    if !args.command.is_empty() {
        bail!(
            "a shell takes no command; use `metrom exec {} -- {}`",
            args.env,
            args.command.join(" ")
        );
    }
    if !std::io::stdin().is_terminal() {
        bail!(
            "standard input is no terminal; to run a program use `metrom exec {} -- …`",
            args.env
        );
    }
    let reached = Reached::find(global, &args.env).await?;
    let user = reached.user(args.user.as_deref()).await?;
    // `sudo` stays in the folder of whoever calls it: people begin at home.
    let shell = Command::new("bash")
        .args(["-c", "cd && exec bash --login"])
        .as_user(&user);
    let shape = terminal::terminal()?;
    let raw = Raw::enter()?;
    let mut keys = terminal::keys()?;
    let code = reached
        .guests
        .shell(&reached.target, Some(&shell), &shape, &mut keys, &mut show)
        .await;
    drop(raw);
    let code = exec::exit(code?);
    // The thread that reads the terminal would keep the process until the next key.
    std::process::exit(i32::from(code.code()));
}

/// Bytes from the machine, as they are.
pub fn show(chunk: Chunk<'_>) {
    // When nobody listens any more there is nobody to tell either.
    let _ = match chunk {
        Chunk::Out(bytes) => {
            let mut out = std::io::stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush())
        }
        Chunk::Err(bytes) => std::io::stderr().lock().write_all(bytes),
    };
}
