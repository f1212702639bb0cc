//! A repository that somebody pushes to, made by the real `git`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use metrom::model::{Entry, RepoPath, Revision, SecretRef, Snapshot};
use metrom::port::{SecretError, Secrets, Source as _, SourceError};
use metrom::source::{GitConfig, GitSource};
use secrecy::SecretString;

/// A bare repository with a clone beside it, in which commits are made and pushed.
pub struct Origin {
    folder: tempfile::TempDir,
}

impl Origin {
    /// An empty repository, whose `HEAD` names `main`.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let origin = Self { folder };
        let at = origin.folder.path();
        git(at, &["init", "-q", "--bare", "-b", "main", "origin.git"]);
        git(at, &["init", "-q", "-b", "main", "work"]);
        origin.git(&["remote", "add", "origin", "../origin.git"]);
        origin
    }

    /// One commit with one file, pushed.
    pub fn with_a_file() -> (Self, Revision) {
        let origin = Self::new();
        origin.write("metrom.yaml", b"kind: Repository\n");
        let revision = origin.push();
        (origin, revision)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn bare(&self) -> PathBuf {
        self.folder.path().join("origin.git")
    }

    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub fn mirrors(&self) -> PathBuf {
        self.folder.path().join("state/mirrors")
    }

    /// The configuration that follows this repository by its path.
    pub fn config(&self) -> GitConfig {
        GitConfig::new(self.bare().to_string_lossy(), self.mirrors())
    }

    pub fn source(&self) -> GitSource {
        source(self.config())
    }

    pub fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.work().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Commits everything and forces the branch to it.
    pub fn push(&self) -> Revision {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "change"]);
        self.git(&["push", "-q", "--force", "origin", "HEAD"]);
        Revision::parse(&self.git(&["rev-parse", "HEAD"])).unwrap()
    }

    /// Runs `git` in the clone.
    pub fn git(&self, args: &[&str]) -> String {
        git(&self.work(), args)
    }
}

/// Runs `git` without the settings of whoever runs the test.
pub fn git(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .envs(["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"].map(|name| (name, "tester")))
        .envs(["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"].map(|name| (name, "tester@example.org")))
        .output()
        .expect("`git` is installed");
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {args:?}: {problem}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub const TOKEN: &str = "s3cret-token";

/// Knows one secret, by the name `GIT_TOKEN`.
pub struct OneSecret;

impl Secrets for OneSecret {
    fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        match reference {
            SecretRef::Env(name) if name == "GIT_TOKEN" => Ok(TOKEN.into()),
            SecretRef::Env(name) => Err(SecretError::Unset(name.clone())),
            SecretRef::File(path) => Err(SecretError::Unreadable {
                path: path.display().to_string(),
                reason: "there is none".to_owned(),
            }),
        }
    }
}

pub fn source(config: GitConfig) -> GitSource {
    GitSource::new(config, Arc::new(OneSecret)).unwrap()
}

/// The files where the branch stands now.
pub async fn read(source: &GitSource) -> Result<Arc<Snapshot>, SourceError> {
    let head = source.head().await?;
    source.snapshot(&head).await
}

/// The paths of a snapshot, in their order.
pub fn paths(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.entries.keys().map(RepoPath::as_str).collect()
}

pub fn entry<'a>(snapshot: &'a Snapshot, path: &str) -> &'a Entry {
    &snapshot.entries[&RepoPath::parse(path).unwrap()]
}

pub fn file(bytes: &[u8]) -> Entry {
    Entry::File {
        bytes: bytes.into(),
        executable: false,
    }
}
