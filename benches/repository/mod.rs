//! Makes a bare repository with one commit by `git fast-import`: packed at once, whatever its size.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// A bare repository at `path`, whose `main` holds these files.
pub fn make(path: &Path, files: &[(String, String)]) {
    let status = Command::new("git")
        .args(["init", "-q", "--bare", "-b", "main"])
        .arg(path)
        .status();
    assert!(status.expect("`git` is installed").success());
    let mut import = Command::new("git")
        .args(["fast-import", "--quiet"])
        .current_dir(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("`git` is installed");
    let mut stream = import.stdin.take().expect("it is piped");
    stream
        .write_all(&commit(files))
        .expect("`git fast-import` reads it");
    drop(stream);
    assert!(import.wait().expect("it was started").success());
}

fn commit(files: &[(String, String)]) -> Vec<u8> {
    let mut text = String::from(
        "commit refs/heads/main\ncommitter bench <bench@example.org> 0 +0000\ndata 0\n",
    );
    for (path, content) in files {
        text.push_str(&format!(
            "M 100644 inline {path}\ndata {}\n{content}\n",
            content.len()
        ));
    }
    text.into_bytes()
}
