//! The environment repository as a person has it: a clone, commits, pushes.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::run;

/// A clone with its bare upstream.
pub struct Repository {
    work: PathBuf,
    upstream: PathBuf,
}

impl Repository {
    /// A repository of these files, with its first commit pushed to a new bare one.
    pub fn new(work: PathBuf, upstream: PathBuf) -> Self {
        git(
            &upstream,
            &["init", "--quiet", "--bare", "--initial-branch=main", "."],
        );
        git(&work, &["init", "--quiet", "--initial-branch=main", "."]);
        git(
            &work,
            &["remote", "add", "origin", &upstream.display().to_string()],
        );
        let repository = Self { work, upstream };
        repository.push("the first version");
        repository
    }

    pub fn upstream(&self) -> &Path {
        &self.upstream
    }

    /// Replaces a text that must be there.
    pub fn replace(&self, path: &str, from: &str, to: &str) {
        let file = self.work.join(path);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "`{from}` is not in {path}");
        std::fs::write(file, text.replace(from, to)).unwrap();
    }

    /// A file as it was before the last commit.
    pub fn before_last(&self, path: &str) -> String {
        git(&self.work, &["show", &format!("HEAD~1:{path}")])
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.work.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn remove(&self, path: &str) {
        std::fs::remove_file(self.work.join(path)).unwrap();
    }

    /// Commits everything as it is and pushes it; the revision.
    pub fn push(&self, message: &str) -> String {
        git(&self.work, &["add", "--all"]);
        git(&self.work, &["commit", "--quiet", "--message", message]);
        self.publish()
    }

    /// Takes the last commit back, in a new one.
    pub fn revert_last(&self) -> String {
        git(&self.work, &["revert", "--no-edit", "HEAD"]);
        self.publish()
    }

    fn publish(&self) -> String {
        git(&self.work, &["push", "--quiet", "origin", "HEAD:main"]);
        git(&self.work, &["rev-parse", "HEAD"]).trim().to_owned()
    }
}

/// Git as a stranger on this machine would have it: nobody's settings, a name of its own.
pub fn git(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).args(args);
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Alice");
        command.env(format!("GIT_{who}_EMAIL"), "alice@example.org");
    }
    run(&mut command)
}
