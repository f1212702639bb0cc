//! `metrom completion SHELL`: a script that completes the command line.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::exit::Exit;

/// Prints a completion script, such as for `source <(metrom completion bash)`
#[derive(Debug, Args)]
pub struct Completion {
    shell: Shell,
}

pub fn run(args: &Completion) -> Exit {
    let mut command = super::Cli::command();
    clap_complete::generate(args.shell, &mut command, "metrom", &mut std::io::stdout());
    Exit::Done
}
