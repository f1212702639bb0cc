//! libvirt of another machine on a socket of this one: what is written there goes through the SSH
//! connection that is kept to it.
//!
//! On the other side `virt-ssh-helper`, which comes with libvirt, finds the daemon's socket, whether it
//! is one daemon for everything or one of several.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::words;
use crate::model::Bastion;
use crate::provider::Door;
use crate::ssh::{Command, Connections, SshError};

/// A socket behind which libvirt of a host answers.
pub struct Forwarded {
    way: Arc<Way>,
    /// Nobody else may enter it.
    folder: TempDir,
    listening: Mutex<Option<JoinHandle<()>>>,
}

/// How to get there.
struct Way {
    connections: Arc<Connections>,
    host: Bastion,
}

impl Forwarded {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// When there is no place for a socket.
    pub fn new(connections: Arc<Connections>, host: Bastion) -> io::Result<Self> {
        // The path of a socket has a hundred letters at most, so it is not put in the state folder.
        let folder = tempfile::Builder::new().prefix("metrom-").tempdir()?;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700))?;
        Ok(Self {
            way: Arc::new(Way { connections, host }),
            folder,
            listening: Mutex::default(),
        })
    }

    /// What libvirt is opened with.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("qemu+unix:///system?socket={}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("libvirt")
    }
}

#[async_trait]
impl Door for Forwarded {
    async fn open(&self) -> Result<(), String> {
        let connected = self.way.connections.host(&self.way.host).await;
        connected.map_err(|error| words::of(&self.way.host, error))?;
        let mut listening = self.listening.lock().await;
        if listening.as_ref().is_none_or(JoinHandle::is_finished) {
            let socket = self.socket();
            let _ = std::fs::remove_file(&socket); // it is there only if an earlier listener broke down
            let listener = UnixListener::bind(&socket)
                .map_err(|error| format!("cannot listen on {}: {error}", socket.display()))?;
            *listening = Some(tokio::spawn(listen(listener, Arc::clone(&self.way))));
        }
        Ok(())
    }
}

impl Drop for Forwarded {
    fn drop(&mut self) {
        if let Some(listening) = self.listening.get_mut().take() {
            listening.abort();
        }
    }
}

async fn listen(listener: UnixListener, way: Arc<Way>) {
    while let Ok((stream, _)) = listener.accept().await {
        let way = Arc::clone(&way);
        tokio::spawn(async move {
            // libvirt tells the caller that its connection broke.
            if let Err(error) = pass(stream, &way).await {
                tracing::debug!(
                    host = way.host.address,
                    ?error,
                    "libvirt's connection ended"
                );
            }
        });
    }
}

async fn pass(mut stream: UnixStream, way: &Way) -> Result<(), SshError> {
    let helper = Command::new("virt-ssh-helper")
        .arg("qemu:///system")
        .as_root();
    let mut there = way.connections.pipe(&way.host, &helper).await?;
    // However it ends, both ends are closed.
    let _ = copy_bidirectional(&mut stream, &mut there).await;
    Ok(())
}
