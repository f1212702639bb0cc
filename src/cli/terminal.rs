//! A person's own terminal, while a program on a machine has it.
//!
//! `stty` does what would otherwise need unsafe code; it is part of every system's coreutils.

use std::io::Read;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::ssh::{Keys, Terminal};

/// Rows and columns of a terminal that does not know its own.
const CLASSIC: (u32, u32) = (24, 80);

/// Typed bytes that wait to be sent.
const TYPED_AHEAD: usize = 64;

/// The terminal passes every key on, until this is dropped.
pub struct Raw {
    before: String,
}

impl Raw {
    /// Puts the terminal into raw mode.
    ///
    /// # Errors
    /// When standard input is no terminal.
    pub fn enter() -> Result<Self> {
        let before = stty(&["-g"])?;
        stty(&["raw", "-echo"])?;
        Ok(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Err(error) = stty(&[&self.before]) {
            tracing::warn!("cannot put the terminal back, `reset` does it: {error:#}");
        }
    }
}

/// The kind and the present size of the terminal.
///
/// # Errors
/// When standard input is no terminal.
pub fn terminal() -> Result<Terminal> {
    let (rows, columns) = size()?;
    let kind = std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned());
    Ok(Terminal {
        kind,
        columns,
        rows,
    })
}

fn size() -> Result<(u32, u32)> {
    let text = stty(&["size"])?;
    let mut numbers = text.split_whitespace().map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        // Such as `script` and serial lines are: nobody has ever said how large they are.
        (Some(Ok(0)), Some(Ok(_))) | (Some(Ok(_)), Some(Ok(0))) => Ok(CLASSIC),
        (Some(Ok(rows)), Some(Ok(columns))) => Ok((rows, columns)),
        _ => bail!("the terminal does not tell its size"),
    }
}

fn stty(args: &[&str]) -> Result<String> {
    let output = Command::new("stty")
        .args(args)
        .stdin(Stdio::inherit())
        .output()
        .context("cannot run `stty`")?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!("standard input is no terminal: {}", reason.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What is typed, and each change of the size, until the input or the receiver ends.
///
/// # Errors
/// When changes of the size cannot be followed.
pub fn keys() -> Result<Receiver<Keys>> {
    let (send, keys) = mpsc::channel(TYPED_AHEAD);
    let mut resized = signal(SignalKind::window_change()).context("cannot follow the terminal")?;
    let typed = send.clone();
    // A thread of its own: it waits for the next key even after the program has ended.
    std::thread::spawn(move || type_into(&typed));
    tokio::spawn(async move {
        while resized.recv().await.is_some() {
            if let Ok((rows, columns)) = size()
                && send.send(Keys::Resized { columns, rows }).await.is_err()
            {
                return;
            }
        }
    });
    Ok(keys)
}

fn type_into(keys: &Sender<Keys>) {
    let mut input = std::io::stdin().lock();
    let mut buffer = [0; 4096];
    loop {
        let key = match input.read(&mut buffer) {
            Ok(0) | Err(_) => Keys::End,
            Ok(bytes) => Keys::Typed(buffer[..bytes].to_vec()),
        };
        let is_end = key == Keys::End;
        if keys.blocking_send(key).is_err() || is_end {
            return;
        }
    }
}
