//! `metrom exec ENV -- CMD…`: one program on the machine of an environment.

use std::io::Read;

use anyhow::{Context, Result};
use clap::Args;

use super::exit::Exit;
use super::reach::Reached;
use super::{Global, ssh};
use crate::model::EnvName;
use crate::ssh::Command;

/// Runs a program on the machine of an environment and passes on its exit code
#[derive(Debug, Args)]
pub struct Exec {
    env: EnvName,
    /// As this account [default: `access.user` of the repository or environment]
    #[arg(long, value_name = "ACCOUNT")]
    user: Option<String>,
    /// Gives the program what comes on standard input
    #[arg(short = 'i', long)]
    stdin: bool,
    /// The program and its arguments; nothing in them is interpreted by a shell
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

pub async fn run(args: &Exec, global: &Global) -> Result<Exit> {
    let reached = Reached::find(global, &args.env).await?;
    let user = reached.user(args.user.as_deref()).await?;
    let (program, arguments) = args
        .command
        .split_first()
        .context("there is no program to run")?;
    // As in a shell of `metrom ssh`: it begins at home.
    let mut command = Command::new("sh")
        .args(["-c", "cd && exec \"$@\"", "sh", program])
        .args(arguments)
        .as_user(&user);
    if args.stdin {
        command = command.stdin(read_all().await?);
    }
    let show = &mut ssh::show;
    let code = reached.guests.run(&reached.target, &command, show).await?;
    Ok(exit(code))
}

async fn read_all() -> Result<Vec<u8>> {
    let reading = tokio::task::spawn_blocking(|| {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    });
    let read = reading.await.context("reading was cut short")?;
    read.context("cannot read standard input")
}

/// The exit code of a program on a machine as ours; what has no place in a byte is a failure.
#[must_use]
pub fn exit(code: u32) -> Exit {
    u8::try_from(code).map_or(Exit::Failed, Exit::Of)
}
