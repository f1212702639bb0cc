//! An sshd of this test's own, on loopback, as the user that runs the tests.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use metrom::guest::{Guests, Layout};
use metrom::model::{Bastion, EnvName, LiveId, OwnerName, SecretRef};
use metrom::port::{GuestTarget, SecretError, Secrets};
use metrom::ssh::{Connections, Identity, Login, identity};
use secrecy::SecretString;

pub struct Sshd {
    child: Child,
    port: u16,
    host_key: String,
    identity: Identity,
    folder: tempfile::TempDir,
    frozen: Vec<u32>,
}

/// Knows one secret.
pub struct OneSecret;

impl Secrets for OneSecret {
    fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        match reference {
            SecretRef::Env(name) if name == "KNOWN" => Ok("hunter2".into()),
            SecretRef::Env(name) => Err(SecretError::Unset(name.clone())),
            SecretRef::File(path) => Err(SecretError::Unset(path.display().to_string())),
        }
    }
}

impl Sshd {
    /// Starts it, and returns when it listens.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// With more lines of configuration.
    pub fn start_with(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let host = identity::load_or_create(&path("host_key")).unwrap();
        let identity = identity::load_or_create(&path("identity")).unwrap();
        std::fs::write(path("authorized_keys"), identity.public()).unwrap();
        // Where sshd as root wants to shut its unprivileged part in.
        let _ = std::fs::create_dir_all("/run/sshd");
        let port = free_port();
        let at = folder.path().display();
        // A test may put programs of its own before those of this machine.
        let programs = std::env::var("PATH").unwrap_or_default();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {at}/host_key\nPidFile none\nUsePAM no\n\
             AuthorizedKeysFile {at}/authorized_keys\nStrictModes no\n\
             PermitRootLogin prohibit-password\nSetEnv \"PATH={at}/bin:{programs}\"\n{more}\n"
        );
        std::fs::write(path("sshd_config"), config).unwrap();
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(path("sshd_config"))
            .stderr(std::fs::File::create(path("log")).unwrap())
            .stdin(Stdio::null())
            .spawn()
            .expect("these tests need the Debian package openssh-server");
        let mut sshd = Self {
            child,
            port,
            host_key: host.public().to_owned(),
            identity,
            folder,
            frozen: Vec::new(),
        };
        sshd.await_listening();
        sshd
    }

    fn await_listening(&mut self) {
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let ended = self.child.try_wait().unwrap();
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(ended.is_none(), "sshd does not start: {}", log());
            std::thread::yield_now();
        }
    }

    /// What is behind the connections stands still; new ones are answered.
    pub fn freeze_connections(&mut self) {
        self.frozen = below(self.child.id());
        assert!(!self.frozen.is_empty(), "there is a connection");
        signal("STOP", &self.frozen);
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn docker_socket(&self) -> PathBuf {
        self.folder().join("docker.sock")
    }

    pub fn target(&self) -> GuestTarget {
        GuestTarget {
            owner: OwnerName::parse("acme").unwrap(),
            env: EnvName::parse("shop").unwrap(),
            machine: LiveId("m-1".to_owned()),
            address: Ipv4Addr::LOCALHOST.into(),
            host_key: self.host_key.clone(),
            volumes: std::collections::BTreeMap::new(),
            bastion: None,
        }
    }

    /// It, as what others are reached through.
    pub fn bastion(&self) -> Bastion {
        Bastion {
            address: "127.0.0.1".to_owned(),
            port: self.port,
            user: user(),
            key: None,
            host_key: self.host_key.clone(),
            through: None,
        }
    }

    /// Lets another one in as well.
    pub fn admit(&self, other: &Self) {
        let path = self.folder.path().join("authorized_keys");
        let keys = [self.identity.public(), other.identity.public()].join("\n");
        std::fs::write(path, keys).unwrap();
    }

    /// What is listening is gone, with all connections.
    pub fn stop(&mut self) {
        let below = below(self.child.id());
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        signal("KILL", &below);
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    pub fn identity_path(&self) -> PathBuf {
        self.folder.path().join("identity")
    }

    pub fn guests(&self) -> Guests {
        self.guests_of(self.identity.clone())
    }

    pub fn guests_of(&self, identity: Identity) -> Guests {
        self.guests_with(identity, Arc::new(OneSecret))
    }

    pub fn guests_with(&self, identity: Identity, secrets: Arc<dyn Secrets>) -> Guests {
        let login = Login {
            user: user(),
            port: self.port,
        };
        let inside = |name: &str| self.folder().join(name).display().to_string();
        let layout = Layout {
            root: inside("srv"),
            state: inside("state"),
            docker_settings: inside("etc-docker"),
            docker_socket: inside("docker.sock"),
        };
        let connections = Arc::new(Connections::new(identity, secrets));
        Guests::reached_by(connections, login, layout)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        signal("KILL", &self.frozen);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processes that one has started, and those have.
fn below(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = std::fs::read_to_string(path).unwrap_or_default();
    let children = children.split_whitespace().map(|pid| pid.parse().unwrap());
    children
        .flat_map(|pid| [vec![pid], below(pid)].concat())
        .collect()
}

fn signal(name: &str, pids: &[u32]) {
    for pid in pids {
        let pid = pid.to_string();
        let _ = Command::new("kill").args(["-s", name, &pid]).status();
    }
}

/// The user that runs the tests.
pub fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}
