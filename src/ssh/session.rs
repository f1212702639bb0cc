//! One SSH connection to one machine: pinned, kept, multiplexed.
//!
//! The only file that speaks `russh`. A login costs seconds on an emulated machine, so a connection
//! is opened once and everything runs over it: programs, forwarded sockets, terminals. The host key
//! is compared with the one that the machine was given before its first boot; there is no way to
//! connect without that.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use russh::client::{self, Handle, Msg};
use russh::keys::ssh_key::HashAlg;
use russh::keys::{PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg, ChannelOpenFailure, ChannelWriteHalf};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::command::Command;
use super::dial::{Stream, dialled, shown};
use super::identity::Identity;
use super::output::{Lines, Tail};

/// The same from another machine, which has to answer as well.
const TUNNEL_WITHIN: Duration = Duration::from_secs(10);
/// Key exchange and login take 2 s on an idle emulated machine; busy ones need many times that.
const LOGIN_WITHIN: Duration = Duration::from_secs(90);
/// One round trip and a fork on the other side.
const OPEN_WITHIN: Duration = Duration::from_secs(30);
/// A silent peer is asked this often, and given up after [`KEEPALIVES`] unanswered questions.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVES: usize = 3;

/// Why there is no connection, or no longer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SshError {
    /// Nobody answers at the address, or not with SSH.
    Silent(String),
    /// Somebody answers who is not the machine that was meant.
    HostKey(String),
    /// The machine does not let us in.
    Refused(String),
    /// The connection ended before the program did.
    Lost(String),
    /// The program did not end in time.
    Late(Duration),
    /// The machine in between is not the one that was meant, or does not let us through.
    Barred(String),
}

/// Whom to log in as, and where sshd listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    pub port: u16,
}

impl Default for Login {
    /// Metrom's own account, at SSH's own port.
    fn default() -> Self {
        Self {
            user: super::LOGIN.to_owned(),
            port: 22,
        }
    }
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub code: u32,
    /// Standard output, when it was asked for; empty when it was told line by line.
    pub out: String,
    /// The last lines of what else it wrote.
    pub tail: String,
}

/// Bytes from a running program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk<'a> {
    Out(&'a [u8]),
    Err(&'a [u8]),
}

/// The size and kind of a person's terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// The value of `TERM`.
    pub kind: String,
    pub columns: u32,
    pub rows: u32,
}

/// What a person does at a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    Typed(Vec<u8>),
    Resized {
        columns: u32,
        rows: u32,
    },
    /// No more input will come.
    End,
}

/// An open, authenticated connection.
pub struct Session {
    handle: Handle<Pinned>,
    login: String,
    /// The connection within which this one is, as long as this one lasts.
    _through: Option<Arc<Session>>,
}

/// How a machine is dialled.
#[derive(Clone)]
pub enum Way {
    Direct,
    /// By a connection from that one.
    Through(Arc<Session>),
}

/// Accepts one host key.
struct Pinned {
    expected: PublicKey,
    /// The fingerprint that was offered instead.
    other: Arc<Mutex<Option<String>>>,
}

impl client::Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        offered: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        let found = match offered {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                if key.key_data() == self.expected.key_data() {
                    return Ok(true);
                }
                key.fingerprint(HashAlg::Sha256).to_string()
            }
            PublicKeyOrCertificate::Certificate(_) => "a certificate".to_owned(),
        };
        *self.other.lock().expect("no panic while it is held") = Some(found);
        Ok(false)
    }
}

/// The host key that is offered at an address, in OpenSSH's one-line form, and its fingerprint. Nothing
/// else is asked or told: it proves nothing until a person has compared it.
///
/// # Errors
/// [`SshError::Silent`].
pub async fn offered_key(address: &str, port: u16, way: Way) -> Result<(String, String), SshError> {
    let offered = Arc::new(Mutex::new(None));
    let looker = Looker(Arc::clone(&offered));
    let stream = match way {
        Way::Direct => dialled(address, port).await?,
        Way::Through(session) => session.tunnel(address, port).await?,
    };
    let connecting = client::connect_stream(Arc::default(), stream, looker);
    let ended = timeout(LOGIN_WITHIN, connecting).await;
    let key = offered.lock().expect("no panic while it is held").take();
    key.ok_or_else(|| {
        let shown = shown(address, port);
        let why = match ended {
            Ok(Ok(_)) => "no key".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no key in time".to_owned(),
        };
        SshError::Silent(format!("{shown}: {why}"))
    })
}

/// Takes down the key that is offered, and leaves.
struct Looker(Arc<Mutex<Option<(String, String)>>>);

impl client::Handler for Looker {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        offered: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        if let PublicKeyOrCertificate::PublicKey { key, .. } = offered {
            let mut key = key.clone();
            key.set_comment("");
            let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
            let line = key.to_openssh().map_err(|_| russh::Error::UnknownKey)?;
            *self.0.lock().expect("no panic while it is held") = Some((line, fingerprint));
        }
        Ok(false)
    }
}

impl Session {
    /// Connects and logs in.
    ///
    /// **Guarantees.** No byte of ours is sent to a peer that does not hold the private part of
    /// `host_key`.
    ///
    /// # Errors
    /// [`SshError::Silent`], [`SshError::HostKey`], [`SshError::Refused`].
    pub async fn open(
        address: &str,
        host_key: &str,
        login: &Login,
        identity: &Identity,
        way: Way,
    ) -> Result<Self, SshError> {
        let expected = PublicKey::from_openssh(host_key)
            .map_err(|e| SshError::HostKey(format!("the recorded host key is no key: {e}")))?;
        let other = Arc::new(Mutex::new(None));
        let pin = Pinned {
            expected,
            other: Arc::clone(&other),
        };
        let (stream, through) = match way {
            Way::Direct => (dialled(address, login.port).await?, None),
            Way::Through(session) => {
                let stream = session.tunnel(address, login.port).await?;
                (stream, Some(session))
            }
        };
        let address = shown(address, login.port);
        match timeout(LOGIN_WITHIN, Self::log_in(stream, pin, login, identity)).await {
            Ok(Ok(session)) => Ok(Self {
                _through: through,
                ..session
            }),
            Ok(Err(e)) => Err(
                match other.lock().expect("no panic while it is held").take() {
                    Some(found) => SshError::HostKey(format!("{address} offers {found}")),
                    None => e,
                },
            ),
            Err(_) => Err(SshError::Silent(format!(
                "{address}: no login in {} s",
                LOGIN_WITHIN.as_secs()
            ))),
        }
    }

    async fn log_in(
        stream: Box<dyn Stream>,
        pin: Pinned,
        login: &Login,
        identity: &Identity,
    ) -> Result<Self, SshError> {
        let silent = |e: russh::Error| SshError::Silent(e.to_string());
        let config = client::Config {
            keepalive_interval: Some(KEEPALIVE),
            keepalive_max: KEEPALIVES,
            nodelay: true,
            ..client::Config::default()
        };
        let mut handle = client::connect_stream(Arc::new(config), stream, pin)
            .await
            .map_err(silent)?;
        let key = PrivateKeyWithHashAlg::new(identity.private(), None);
        let answer = handle
            .authenticate_publickey(login.user.clone(), key)
            .await
            .map_err(silent)?;
        if !answer.success() {
            let user = &login.user;
            return Err(SshError::Refused(format!(
                "account `{user}` does not accept {}",
                identity.public()
            )));
        }
        Ok(Self {
            handle,
            login: login.user.clone(),
            _through: None,
        })
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Runs a program and gives its exit code; a signal counts as 128.
    ///
    /// # Errors
    /// [`SshError::Lost`], and [`SshError::Late`] after `within`; the program may then still run.
    pub async fn exec(
        &self,
        command: &Command,
        within: Duration,
        on_output: &mut (dyn for<'a> FnMut(Chunk<'a>) + Send),
    ) -> Result<u32, SshError> {
        let running = async {
            let channel = self.channel().await?;
            let line = command.line(&self.login);
            channel.exec(true, line).await.map_err(lost)?;
            let (read, write) = channel.split();
            let feed = async {
                // A program that ends without reading its input is no error of ours.
                if write.data(&command.stdin.0[..]).await.is_ok() {
                    let _ = write.eof().await;
                }
                std::future::pending().await
            };
            tokio::select! {
                exit = follow(read, on_output) => exit,
                () = feed => Err(SshError::Lost("input ended".to_owned())),
            }
        };
        timeout(within, running)
            .await
            .unwrap_or(Err(SshError::Late(within)))
    }

    /// Runs a program, tells each line that it writes, and how it ended.
    ///
    /// # Errors
    /// As [`Session::exec`].
    pub async fn tell(
        &self,
        command: &Command,
        within: Duration,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Ended, SshError> {
        let (mut out, mut err, mut tail) = (Lines::default(), Lines::default(), Tail::default());
        let mut tell = |line: &str| {
            on_line(line);
            tail.push(line);
        };
        let mut take = |chunk: Chunk<'_>| {
            let lines = match chunk {
                Chunk::Out(bytes) => out.push(bytes),
                Chunk::Err(bytes) => err.push(bytes),
            };
            lines.iter().for_each(|line| tell(line));
        };
        let code = self.exec(command, within, &mut take).await?;
        let rest = [out.flush(), err.flush()];
        rest.iter().flatten().for_each(|line| tell(line));
        Ok(Ended {
            code,
            out: String::new(),
            tail: tail.text(),
        })
    }

    /// Runs a program and gives what it writes.
    ///
    /// # Errors
    /// As [`Session::exec`].
    pub async fn ask(&self, command: &Command, within: Duration) -> Result<Ended, SshError> {
        let (mut out, mut err, mut tail) = (Vec::new(), Lines::default(), Tail::default());
        let mut take = |chunk: Chunk<'_>| match chunk {
            Chunk::Out(bytes) => out.extend_from_slice(bytes),
            Chunk::Err(bytes) => err.push(bytes).iter().for_each(|line| tail.push(line)),
        };
        let code = self.exec(command, within, &mut take).await?;
        err.flush().iter().for_each(|line| tail.push(line));
        Ok(Ended {
            code,
            out: String::from_utf8_lossy(&out).into_owned(),
            tail: tail.text(),
        })
    }

    /// Starts a program, and gives its input and output as one connection.
    ///
    /// # Errors
    /// [`SshError::Lost`].
    pub async fn pipe(
        &self,
        command: &Command,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static + use<>, SshError> {
        let channel = self.channel().await?;
        let line = command.line(&self.login);
        channel.exec(true, line).await.map_err(lost)?;
        Ok(channel.into_stream())
    }

    /// Runs a program, or the login shell, at a terminal until it ends.
    ///
    /// # Errors
    /// [`SshError::Lost`].
    pub async fn interact(
        &self,
        command: Option<&Command>,
        terminal: &Terminal,
        keys: &mut tokio::sync::mpsc::Receiver<Keys>,
        on_output: &mut (dyn for<'a> FnMut(Chunk<'a>) + Send),
    ) -> Result<u32, SshError> {
        let channel = self.channel().await?;
        let Terminal {
            kind,
            columns,
            rows,
        } = terminal;
        channel
            .request_pty(false, kind, *columns, *rows, 0, 0, &[])
            .await
            .map_err(lost)?;
        match command {
            Some(command) => channel.exec(true, command.line(&self.login)).await,
            None => channel.request_shell(true).await,
        }
        .map_err(lost)?;
        let (read, write) = channel.split();
        tokio::select! {
            exit = follow(read, on_output) => exit,
            e = type_in(&write, keys) => Err(e),
        }
    }

    /// A connection to a unix socket on the machine.
    ///
    /// # Errors
    /// [`SshError::Lost`] when the machine does not open it.
    pub async fn forward(
        &self,
        socket: &str,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static, SshError> {
        let opening = self.handle.channel_open_direct_streamlocal(socket);
        Ok(opened(opening).await?.into_stream())
    }

    /// A connection to a port that a program on the machine listens at, on its loopback.
    ///
    /// # Errors
    /// [`SshError::Lost`] when nobody does.
    pub async fn port(
        &self,
        port: u16,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static + use<>, SshError> {
        let to = u32::from(port);
        let opening = self
            .handle
            .channel_open_direct_tcpip("127.0.0.1", to, "127.0.0.1", 0);
        Ok(opened(opening).await?.into_stream())
    }

    /// A connection from this machine to another one.
    async fn tunnel(&self, address: &str, port: u16) -> Result<Box<dyn Stream>, SshError> {
        let to = u32::from(port);
        let opening = self
            .handle
            .channel_open_direct_tcpip(address, to, "127.0.0.1", 0);
        let shown = shown(address, port);
        let late = || {
            let waited = TUNNEL_WITHIN.as_secs();
            SshError::Silent(format!(
                "{shown}: no answer through the bastion in {waited} s"
            ))
        };
        match timeout(TUNNEL_WITHIN, opening).await {
            Ok(Ok(channel)) => Ok(Box::new(channel.into_stream())),
            Ok(Err(russh::Error::ChannelOpenFailure(
                ChannelOpenFailure::AdministrativelyProhibited,
            ))) => Err(SshError::Barred(
                "the bastion opens no connections for us; see to `AllowTcpForwarding` and \
                 `PermitOpen` of its sshd"
                    .to_owned(),
            )),
            Ok(Err(e)) => Err(SshError::Silent(format!("{shown}: the bastion says: {e}"))),
            Err(_) => Err(late()),
        }
    }

    async fn channel(&self) -> Result<Channel<Msg>, SshError> {
        opened(self.handle.channel_open_session()).await
    }
}

/// A channel, on a connection whose other side is still there.
async fn opened(
    opening: impl Future<Output = Result<Channel<Msg>, russh::Error>>,
) -> Result<Channel<Msg>, SshError> {
    let silent = |_| {
        let waited = OPEN_WITHIN.as_secs();
        SshError::Lost(format!("it has not answered for {waited} s"))
    };
    let channel = timeout(OPEN_WITHIN, opening).await.map_err(silent)?;
    channel.map_err(lost)
}

/// Passes output on until the channel closes, and gives the exit code.
async fn follow(
    mut read: russh::ChannelReadHalf,
    on_output: &mut (dyn for<'a> FnMut(Chunk<'a>) + Send),
) -> Result<u32, SshError> {
    let mut exit = None;
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::Data { data } => on_output(Chunk::Out(&data)),
            ChannelMsg::ExtendedData { data, .. } => on_output(Chunk::Err(&data)),
            ChannelMsg::ExitStatus { exit_status } => exit = Some(exit_status),
            ChannelMsg::ExitSignal { .. } => exit = Some(128),
            ChannelMsg::Failure => {
                return Err(SshError::Lost("the machine does not start it".to_owned()));
            }
            _ => {}
        }
    }
    exit.ok_or_else(|| SshError::Lost("the connection ended".to_owned()))
}

/// Sends what a person types; ends only when the connection does.
async fn type_in(
    write: &ChannelWriteHalf<Msg>,
    keys: &mut tokio::sync::mpsc::Receiver<Keys>,
) -> SshError {
    loop {
        let sent = match keys.recv().await {
            Some(Keys::Typed(bytes)) => write.data(&bytes[..]).await,
            Some(Keys::Resized { columns, rows }) => write.window_change(columns, rows, 0, 0).await,
            Some(Keys::End) | None => {
                let _ = write.eof().await;
                return std::future::pending().await;
            }
        };
        if let Err(e) = sent {
            return lost(e);
        }
    }
}

fn lost(error: russh::Error) -> SshError {
    SshError::Lost(error.to_string())
}
