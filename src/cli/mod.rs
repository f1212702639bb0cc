//! The command line: one file per command, and the only place that knows every adapter.
//!
//! Results go to standard output, everything else to standard error. A person at a terminal gets
//! colour, progress and a next move; a pipe gets plain lines, or `-o json`.

mod apply;
mod approve;
mod check;
mod chosen;
mod completion;
mod cost;
mod describe;
mod destroy;
mod diagnostics;
mod diff;
mod exec;
mod exit;
mod forward;
mod get;
mod history;
mod host;
mod hosts;
mod image;
mod inventory;
mod locks;
mod logs;
mod new;
mod next_moves;
mod output;
mod person;
mod place;
mod plan;
mod plan_text;
mod progress;
mod providers;
mod reach;
mod schema;
mod serve;
mod span;
mod ssh;
mod suspend;
mod system;
mod telemetry;
mod terminal;
mod top;
mod trash;
mod wake;
mod wiring;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use exit::Exit;
use output::{BAD, Colour, Format, paint};
use telemetry::{Audience, LogFormat};

/// Complete environments from a git repository, on your own machines
#[derive(Debug, Parser)]
#[command(name = "metrom", version, after_help = Exit::table(), max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// The environment repository: a URL or a path [default: the git repository around the current
    /// folder that has a metrom.yaml]
    #[arg(
        long,
        global = true,
        env = "METROM_REPO",
        value_name = "URL|PATH",
        hide_env_values = true
    )]
    pub repo: Option<String>,
    /// The branch to follow [default: the one that the repository has checked out]
    #[arg(long, global = true, env = "METROM_BRANCH", value_name = "NAME")]
    pub branch: Option<String>,
    /// The folder of history, keys, images and mirrors [default: /var/lib/metrom for root,
    /// ~/.local/state/metrom for others]
    #[arg(long, global = true, env = "METROM_STATE", value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// How results are written
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value = "text",
        value_name = "FORMAT"
    )]
    pub output: Format,
    /// When output is coloured
    #[arg(
        long = "color",
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "WHEN"
    )]
    pub colour: Colour,
    /// Says more: the output of each step, and with -vv what the program thinks
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// How log messages are written
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "FORMAT"
    )]
    pub log_format: LogFormat,
    #[command(flatten)]
    pub access: Access,
}

/// How the repository is got at, where it asks.
#[derive(Debug, Args)]
#[command(next_help_heading = "Access to the repository (a token is taken from METROM_GIT_TOKEN)")]
pub struct Access {
    /// The private key for `ssh://`
    #[arg(long, global = true, env = "METROM_GIT_IDENTITY", value_name = "FILE")]
    pub git_identity: Option<PathBuf>,
    /// Pinned host keys in OpenSSH's format [default: OpenSSH's own lists]
    #[arg(
        long,
        global = true,
        env = "METROM_GIT_KNOWN_HOSTS",
        value_name = "FILE"
    )]
    pub git_known_hosts: Option<PathBuf>,
    /// The host key of the server, as `ssh-ed25519 AAAA…`
    #[arg(long, global = true, env = "METROM_GIT_HOST_KEY", value_name = "KEY")]
    pub git_host_key: Option<String>,
    /// The user name that goes with the token, where a server insists on one
    #[arg(long, global = true, env = "METROM_GIT_USERNAME", value_name = "NAME")]
    pub git_username: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Check),
    Plan(plan::Planned),
    Apply(apply::Apply),
    Serve(serve::Serve),
    Get(get::Get),
    Inventory(inventory::Inventory),
    Cost(cost::Cost),
    Top(top::Top),
    Describe(describe::Describe),
    Host(host::Host),
    Logs(logs::Logs),
    History(history::History),
    Diff(diff::Diff),
    Ssh(ssh::Ssh),
    Exec(exec::Exec),
    Forward(forward::Forward),
    Wake(wake::Wake),
    Sleep(wake::Sleep),
    Suspend(suspend::Suspend),
    Resume(suspend::Resume),
    Approve(approve::Approve),
    Destroy(destroy::Destroy),
    Trash(trash::Trash),
    New(new::New),
    Image(image::Image),
    Schema(schema::Schema),
    Completion(completion::Completion),
}

/// Parses, runs and reports; the exit code is one of those in `--help`.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error).into(),
    };
    cli.global.colour.set();
    match run(&cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            report(&error);
            Exit::Failed.into()
        }
    }
}

/// `--help` and `--version` are no mistakes, everything else is.
fn explain(error: &clap::Error) -> Exit {
    // Nowhere is left to report that the help could not be printed.
    let _ = error.print();
    match error.use_stderr() {
        true => Exit::Usage,
        false => Exit::Done,
    }
}

/// An error and its causes, each once.
fn report(error: &anyhow::Error) {
    let mut said = error.to_string();
    anstream::eprintln!("{}: {said}", paint(BAD, "error"));
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !said.contains(&cause) {
            anstream::eprintln!("  because {cause}");
            said = cause;
        }
    }
}

fn run(cli: &Cli) -> Result<Exit> {
    let (level, audience) = logging(cli);
    telemetry::start(level, cli.global.log_format, audience);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.context("cannot start the runtime")?;
    let exit = runtime.block_on(dispatch(cli));
    // A thread that waits for the terminal must not keep the process.
    runtime.shutdown_background();
    exit
}

/// People who wait for a command see what it shows; `serve` has nothing but its log.
fn logging(cli: &Cli) -> (&'static str, Audience) {
    match (&cli.command, cli.global.verbose) {
        (Command::Serve(_), 0) => ("info", Audience::Collector),
        (Command::Serve(_), 1..) => ("debug", Audience::Collector),
        (_, 0 | 1) => ("error", Audience::People),
        (_, 2) => ("debug", Audience::People),
        (_, 3..) => ("trace", Audience::People),
    }
}

async fn dispatch(cli: &Cli) -> Result<Exit> {
    let global = &cli.global;
    match &cli.command {
        Command::Check(args) => check::run(args, global).await,
        Command::Plan(args) => plan::run(args, global).await,
        Command::Apply(args) => apply::run(args, global).await,
        Command::Serve(args) => serve::run(args, global).await,
        Command::Get(args) => get::run(args, global).await,
        Command::Inventory(args) => inventory::run(args, global).await,
        Command::Cost(args) => cost::run(args, global).await,
        Command::Top(args) => top::run(args, global).await,
        Command::Describe(args) => describe::run(args, global).await,
        Command::Host(args) => host::run(args, global).await,
        Command::Logs(args) => logs::run(args, global).await,
        Command::History(args) => history::run(args, global).await,
        Command::Diff(args) => diff::run(args, global).await,
        Command::Ssh(args) => ssh::run(args, global).await,
        Command::Exec(args) => exec::run(args, global).await,
        Command::Forward(args) => forward::run(args, global).await,
        Command::Wake(args) => wake::wake(args, global).await,
        Command::Sleep(args) => wake::sleep(args, global).await,
        Command::Suspend(args) => suspend::suspend(args, global).await,
        Command::Resume(args) => suspend::resume(args, global).await,
        Command::Approve(args) => approve::run(args, global).await,
        Command::Destroy(args) => destroy::run(args, global).await,
        Command::Trash(args) => trash::run(args, global).await,
        Command::New(args) => new::run(args, global).await,
        Command::Image(args) => image::run(args, global).await,
        Command::Schema(args) => schema::run(args, global),
        Command::Completion(args) => Ok(completion::run(args)),
    }
}
