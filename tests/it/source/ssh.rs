//! Repositories over SSH, from the real `sshd`, with pinned host keys.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use metrom::port::{Source as _, SourceError};
use metrom::source::GitConfig;
use tokio::net::TcpListener;

use super::origin::{Origin, paths, read, source};

const SSHD: &str = "/usr/sbin/sshd";

/// An `sshd` for each connection to a loopback port, with throw-away keys.
struct Server {
    folder: PathBuf,
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(origin: &Origin) -> Self {
        assert!(
            std::path::Path::new(SSHD).exists(),
            "install the Debian package openssh-server"
        );
        // Where sshd separates its privileges; Debian's unit makes it, and only root needs it.
        let _ = std::fs::create_dir_all("/run/sshd");
        let folder = origin.folder().to_owned();
        for name in ["host", "user", "stranger"] {
            make_key(&folder.join(name));
        }
        std::fs::copy(folder.join("user.pub"), folder.join("authorized_keys")).unwrap();
        let at = folder.display();
        let settings = format!(
            "HostKey {at}/host\nAuthorizedKeysFile {at}/authorized_keys\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPidFile none\n\
             PermitRootLogin prohibit-password\nLogLevel ERROR\n"
        );
        std::fs::write(folder.join("sshd_config"), settings).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(accept(listener, folder.join("sshd_config")));
        Self { folder, port, task }
    }

    fn host_key(&self) -> String {
        std::fs::read_to_string(self.folder.join("host.pub")).unwrap()
    }

    fn write_known_hosts(&self, line: &str) -> PathBuf {
        let path = self.folder.join("known_hosts");
        std::fs::write(&path, line).unwrap();
        path
    }

    /// Logs in with the right key to a host that is pinned rightly.
    fn config(&self, origin: &Origin) -> GitConfig {
        let user =
            String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let path = origin.bare();
        let url = format!(
            "ssh://{}@127.0.0.1:{}{}",
            user.trim(),
            self.port,
            path.display()
        );
        let mut config = GitConfig::new(url, origin.mirrors());
        config.identity = Some(self.folder.join("user"));
        let pin = format!("[127.0.0.1]:{} {}", self.port, self.host_key());
        config.known_hosts = Some(self.write_known_hosts(&pin));
        config
    }
}

fn make_key(path: &std::path::Path) {
    let mut keygen = Command::new("ssh-keygen");
    keygen
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path);
    assert!(
        keygen
            .status()
            .expect("`ssh-keygen` is installed")
            .success()
    );
}

async fn accept(listener: TcpListener, settings: PathBuf) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = stream.into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        let socket = OwnedFd::from(stream);
        let mut sshd = tokio::process::Command::new(SSHD);
        sshd.arg("-i").arg("-f").arg(&settings);
        sshd.stdin(socket.try_clone().unwrap())
            .stdout(socket)
            .stderr(Stdio::null());
        let mut session = sshd.spawn().unwrap();
        tokio::spawn(async move { session.wait().await });
    }
}

#[tokio::test]
async fn a_repository_is_followed_over_ssh_with_a_pinned_host_key() {
    let (origin, _) = Origin::with_a_file();
    let server = Server::start(&origin).await;
    let source = source(server.config(&origin));
    assert_eq!(paths(&read(&source).await.unwrap()), ["metrom.yaml"]);
    origin.write("second", b"2");
    origin.push();
    assert_eq!(
        paths(&read(&source).await.unwrap()),
        ["metrom.yaml", "second"]
    );
}

#[tokio::test]
async fn an_unknown_host_is_refused_and_the_line_that_is_offered_pins_it() {
    let (origin, revision) = Origin::with_a_file();
    let server = Server::start(&origin).await;
    let config = server.config(&origin);
    server.write_known_hosts("");

    let error = source(config.clone()).head().await.unwrap_err();
    assert!(matches!(error, SourceError::HostKey { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("SHA256:"), "{message}");
    let line = message.rsplit('`').nth(1).unwrap();
    assert!(
        server.host_key().contains(line.rsplit(' ').next().unwrap()),
        "{message}"
    );

    server.write_known_hosts(line);
    assert_eq!(source(config).head().await.unwrap(), revision);
}

#[tokio::test]
async fn a_host_with_another_key_than_the_pinned_one_is_refused() {
    let (origin, _) = Origin::with_a_file();
    let server = Server::start(&origin).await;
    let config = server.config(&origin);
    let stranger = std::fs::read_to_string(server.folder.join("stranger.pub")).unwrap();
    server.write_known_hosts(&format!("[127.0.0.1]:{} {stranger}", server.port));
    let error = source(config.clone()).head().await.unwrap_err();
    assert!(matches!(error, SourceError::HostKey { .. }), "{error}");
    assert!(
        error.to_string().contains("known_hosts:1 has another"),
        "{error}"
    );

    let mut given = config;
    given.host_key = Some(stranger);
    let error = source(given).head().await.unwrap_err();
    assert!(matches!(error, SourceError::HostKey { .. }), "{error}");
}

#[tokio::test]
async fn a_hashed_list_and_a_key_given_directly_pin_as_well() {
    let (origin, revision) = Origin::with_a_file();
    let server = Server::start(&origin).await;
    let config = server.config(&origin);
    let list = server.folder.join("known_hosts");
    let hash = Command::new("ssh-keygen")
        .arg("-H")
        .arg("-f")
        .arg(&list)
        .output()
        .unwrap();
    assert!(hash.status.success());
    assert!(std::fs::read_to_string(&list).unwrap().starts_with("|1|"));
    assert_eq!(source(config.clone()).head().await.unwrap(), revision);

    server.write_known_hosts("");
    let mut given = config;
    given.host_key = Some(server.host_key());
    assert_eq!(source(given).head().await.unwrap(), revision);
}

#[tokio::test]
async fn a_key_that_is_not_accepted_is_shown_to_be_added() {
    let (origin, _) = Origin::with_a_file();
    let server = Server::start(&origin).await;
    let mut config = server.config(&origin);
    config.identity = Some(server.folder.join("stranger"));
    let error = source(config.clone()).head().await.unwrap_err();
    assert!(matches!(error, SourceError::Refused { .. }), "{error}");
    assert!(
        error.to_string().contains("deploy key: ssh-ed25519 AAAA"),
        "{error}"
    );

    config.identity = Some(server.folder.join("nowhere"));
    let error = source(config).head().await.unwrap_err();
    assert!(
        error.to_string().contains("cannot read the identity"),
        "{error}"
    );
}

#[tokio::test]
async fn a_path_that_is_no_repository_is_an_error_with_its_url() {
    let (origin, _) = Origin::with_a_file();
    let server = Server::start(&origin).await;
    let mut config = server.config(&origin);
    config.url = config.url.replace("origin.git", "nothing.git");
    let error = source(config).head().await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("nothing.git"), "{error}");
}
