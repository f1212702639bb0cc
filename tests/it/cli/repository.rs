//! A repository of environments in a folder of its own, and the program to run on it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use metrom::model::Memo;
use metrom::port::{Store, StoreError};
use metrom::store::SqliteStore;
use tempfile::TempDir;

const SETTINGS: &str = "\
apiVersion: metrom.dev/v1
kind: Repository
metadata: {name: acme}
spec:
  defaults:
    machine: {image: debian-13, cpus: 1, memory: 512MiB, disk: 4GiB, data: 1GiB}
  access: {user: dev}
---
apiVersion: metrom.dev/v1
kind: Host
metadata: {name: lab}
spec:
  uri: test:///default
  accelerator: emulation
  pool: {name: default-pool}
  network: {name: default}
---
apiVersion: metrom.dev/v1
kind: Image
metadata: {name: debian-13}
spec: {build: {suite: trixie}, boot: kernel}
";

const TEMPLATE: &str = "\
apiVersion: metrom.dev/v1
kind: Template
metadata: {name: web}
spec:
  description: a web server
  parameters:
    PORT: {type: integer, default: 8080}
    PASSWORD: {type: string, secret: true}
";

const COMPOSE: &str = "\
services:
  web:
    image: nginx:1
    ports: [\"${PORT}:80\"]
    environment: {PASSWORD: \"${PASSWORD}\"}
";

const ENVIRONMENT: &str = "\
apiVersion: metrom.dev/v1
kind: Environment
metadata: {name: shop}
spec:
  placement: lab
  template: web
  parameters: {PASSWORD: {fromEnv: SHOP_PASSWORD}}
";

/// A git repository with committed files, and a state folder beside it.
pub struct Repository {
    root: TempDir,
}

/// What the program said and how it ended.
#[derive(Debug)]
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Repository {
    /// One environment that is as it should be.
    pub fn good() -> Self {
        let root = tempfile::tempdir().unwrap();
        git2::Repository::init(root.path().join("repo")).unwrap();
        let repository = Self { root };
        repository.write("metrom.yaml", SETTINGS);
        repository.write("templates/web/template.yaml", TEMPLATE);
        repository.write("templates/web/docker-compose.yml", COMPOSE);
        repository.write("environments/shop.yaml", ENVIRONMENT);
        repository.commit("first");
        repository
    }

    fn folder(&self) -> std::path::PathBuf {
        self.root.path().join("repo")
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.folder().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.folder().join(path)).unwrap()
    }

    pub fn remove(&self, path: &str) {
        std::fs::remove_file(self.folder().join(path)).unwrap();
    }

    pub fn replace(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{from} is not in {path}");
        self.write(path, &text.replace(from, to));
    }

    /// Commits everything as it is.
    pub fn commit(&self, message: &str) {
        let git = git2::Repository::open(self.folder()).unwrap();
        let mut index = git.index().unwrap();
        index
            .add_all(["*"], git2::IndexAddOption::DEFAULT, None)
            .unwrap();
        index.update_all(["*"], None).unwrap();
        index.write().unwrap();
        let tree = git.find_tree(index.write_tree().unwrap()).unwrap();
        let who = git2::Signature::now("test", "test@example.org").unwrap();
        let parent = git.head().ok().map(|head| head.peel_to_commit().unwrap());
        let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
        git.commit(Some("HEAD"), &who, &who, message, &tree, &parents)
            .unwrap();
    }

    /// Runs the program in the repository.
    pub fn metrom(&self, args: &[&str]) -> Output {
        metrom_in(&self.folder(), args)
    }

    /// Lets it remember that of an environment.
    pub fn remember(&self, env: &str, memo: &Memo) {
        let path = self.root.path().join("state/metrom.db");
        let written = async {
            let store = SqliteStore::open(&path).await?;
            store.put_memo(&env.parse().unwrap(), memo).await?;
            store.close().await;
            Ok::<_, StoreError>(())
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(written).unwrap();
    }

    /// Starts the program in the repository.
    pub fn start(&self, args: &[&str]) -> Running {
        let mut child = command(&self.folder(), args).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        Running { child, lines }
    }
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metrom"));
    command.args(args).current_dir(folder);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let ours = std::env::vars_os().map(|(name, _)| name);
    for name in ours.filter(|name| name.to_string_lossy().starts_with("METROM_")) {
        command.env_remove(name);
    }
    command
        .env("METROM_STATE", folder.join("../state"))
        .env_remove("NO_COLOR");
    command
}

/// Runs the program in a folder.
pub fn metrom_in(folder: &Path, args: &[&str]) -> Output {
    let output = command(folder, args).output().unwrap();
    Output {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Output {
    pub fn json(&self) -> serde_json::Value {
        let wrong = |error| panic!("{error}: {self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(wrong)
    }

    /// Whether some line begins so and holds that.
    pub fn has_line(&self, begin: &str, held: &str) -> bool {
        let begins = |line: &&str| line.trim_start().starts_with(begin.trim_start());
        self.stdout
            .lines()
            .filter(begins)
            .any(|line| line.contains(held))
    }
}

/// The program while it runs; ended when it is dropped.
pub struct Running {
    child: Child,
    lines: BufReader<ChildStderr>,
}

impl Running {
    /// The first line of its log that holds this text.
    pub fn line_with(&mut self, text: &str) -> serde_json::Value {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).unwrap();
            all += &line;
            assert!(read > 0, "it ended without saying `{text}`: {all}");
            if line.contains(text) {
                return serde_json::from_str(&line).unwrap();
            }
        }
    }

    /// Asks it to stop, as systemd does, and waits.
    pub fn stop(mut self) -> Output {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let mut stderr = String::new();
        self.lines.read_to_string(&mut stderr).unwrap();
        Output {
            code: self.child.wait().unwrap().code().unwrap(),
            stdout: String::new(),
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer as it came.
pub fn http_get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
