//! `metrom forward ENV PORT`: a port of an environment's machine on this one, over SSH, so that no
//! route to it is needed.

use std::net::Ipv4Addr;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use super::Global;
use super::exit::Exit;
use super::output::{FAINT, GOOD, WARN, paint};
use super::reach::Reached;
use crate::model::EnvName;

/// Lets this machine reach ports of an environment, until it is interrupted
#[derive(Debug, Args)]
#[command(
    after_help = "metrom forward shop 8080        127.0.0.1:8080 here is 8080 there\n\
                        metrom forward shop 8080:80 5432   and several at once"
)]
pub struct Forward {
    env: EnvName,
    /// A port there, or one here and one there as `HERE:THERE`; 0 here is any that is free
    #[arg(required = true, value_name = "[HERE:]THERE")]
    ports: Vec<Ports>,
}

/// A port here and one there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ports {
    here: u16,
    there: u16,
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (here, there) = text.split_once(':').unwrap_or((text, text));
        let port = |text: &str| {
            text.parse::<u16>()
                .map_err(|_| format!("`{text}` is no port"))
        };
        let (here, there) = (port(here)?, port(there)?);
        match there {
            0 => Err("there is no port 0 there".to_owned()),
            there => Ok(Self { here, there }),
        }
    }
}

pub async fn run(args: &Forward, global: &Global) -> Result<Exit> {
    let reached = Arc::new(Reached::find(global, &args.env).await?);
    for ports in &args.ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, ports.here)).await;
        let listener = listener.with_context(|| {
            let Ports { here, there } = ports;
            format!("cannot listen at 127.0.0.1:{here}; name another port here: `0:{there}` takes a free one")
        })?;
        let here = listener
            .local_addr()
            .context("cannot tell where it listens")?;
        anstream::println!(
            "{} {} of {}",
            paint(GOOD, here),
            paint(FAINT, format!("→ port {}", ports.there)),
            args.env
        );
        tokio::spawn(listen(listener, reached.clone(), ports.there));
    }
    tokio::signal::ctrl_c()
        .await
        .context("cannot wait for an interrupt")?;
    Ok(Exit::Done)
}

async fn listen(listener: TcpListener, reached: Arc<Reached>, there: u16) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(pass(stream, reached.clone(), there));
    }
}

async fn pass(mut stream: TcpStream, reached: Arc<Reached>, there: u16) {
    let Reached { guests, target } = &*reached;
    match guests.tunnel(target, there).await {
        // However it ends, both ends are closed.
        Ok(mut tunnel) => drop(copy_bidirectional(&mut stream, &mut tunnel).await),
        Err(error) => anstream::eprintln!("{} {error}", paint(WARN, "!")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_the_same_unless_two_are_named() {
        let ports = |text: &str| text.parse::<Ports>().map(|ports| (ports.here, ports.there));
        assert_eq!(ports("8080"), Ok((8080, 8080)));
        assert_eq!(ports("8080:80"), Ok((8080, 80)));
        assert_eq!(ports("0:80"), Ok((0, 80)));
        for bad in ["", "0", "80:0", "web", "1:2:3", "70000"] {
            assert!(ports(bad).is_err(), "{bad}");
        }
    }
}
