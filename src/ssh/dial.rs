//! What SSH runs over: a connection of this machine's own, or one within another.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::session::SshError;

/// A machine in the same network answers at once, or its kernel is not up.
const DIAL_WITHIN: Duration = Duration::from_secs(5);

/// What a connection runs over.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection of this machine's own.
///
/// # Errors
/// [`SshError::Silent`].
pub async fn dialled(address: &str, port: u16) -> Result<Box<dyn Stream>, SshError> {
    let shown = shown(address, port);
    let silent = |e: std::io::Error| SshError::Silent(format!("{shown}: {e}"));
    match timeout(DIAL_WITHIN, TcpStream::connect((address, port))).await {
        Ok(stream) => {
            let stream = stream.map_err(silent)?;
            stream.set_nodelay(true).map_err(silent)?;
            Ok(Box::new(stream))
        }
        Err(_) => {
            let waited = DIAL_WITHIN.as_secs();
            let reason = format!("{shown}: no answer in {waited} s");
            Err(SshError::Silent(reason))
        }
    }
}

/// As people write it.
pub fn shown(address: &str, port: u16) -> String {
    match address.contains(':') {
        true => format!("[{address}]:{port}"),
        false => format!("{address}:{port}"),
    }
}
