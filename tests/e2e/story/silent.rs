//! Another repository on the same host, whose one machine never answers. Giving it up takes as long
//! as the slowest boot may take, so it is waited for beside the story.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::bed::{Bed, clone_of};
use super::host;
use super::process::{Running, run};
use super::repository::Repository;
use super::wait::{COMMAND, SOON, seen, until};
use crate::boot_sector::boot_sector;

const DOMAIN: &str = "metrom-mute";
/// What its system says before it halts.
const LAST_WORDS: &str = "nobody is at home";
/// Where the image is offered, as a company's web server would.
const SHOP: &str = "127.0.0.1:8090";
/// Above what the program itself allows for a boot.
const GIVEN_UP: Duration = Duration::from_secs(1500);

/// The other repository while its machine is waited for.
pub struct Silent {
    folder: PathBuf,
    apply: Option<Running>,
}

impl Silent {
    /// Begins to make the environment.
    pub fn begin(root: &Path) -> Self {
        let folder = root.join("silent");
        for name in ["work", "repo.git"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
        }
        let disk = disk(&folder);
        declare(&folder.join("work"), &disk);
        Repository::new(folder.join("work"), folder.join("repo.git"));
        offer(disk);
        let mut silent = Self {
            folder,
            apply: None,
        };
        silent.apply = Some(silent.start(&["apply", "mute"]));
        silent
    }

    fn start(&self, args: &[&str]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_metrom"));
        command
            .args(args)
            .env("METROM_REPO", self.folder.join("repo.git"))
            .env("METROM_STATE", self.folder.join("state"));
        Running::start(&mut command, &self.folder.join(args[0]))
    }
}

pub fn a_machine_that_never_answers_is_begun(bed: &mut Bed) {
    let silent = Silent::begin(bed.root());
    until("the machine that never answers runs", SOON, || {
        silent.apply.as_ref().unwrap().require_running();
        seen(host::is_running(DOMAIN), "it does not")
    });
    bed.silent = Some(silent);
}

pub fn the_machine_that_never_answered_was_given_up_with_its_last_words(bed: &mut Bed) {
    let mut silent = bed.silent.take().expect("it was begun");
    let given_up = silent.apply.take().unwrap().wait(GIVEN_UP).with_code(1);
    for words in ["mute got no address within 900 s", LAST_WORDS] {
        assert!(given_up.stderr.contains(words), "{}", given_up.stderr);
    }
    assert_eq!(
        given_up.stderr.matches("failed after").count(),
        1,
        "once is enough"
    );
    assert!(host::is_running(DOMAIN), "it is left for who looks into it");
    let end = ["destroy", "mute", "--data", "--declared", "--yes"];
    silent.start(&end).wait(COMMAND).with_code(0);
    assert_eq!(host::domains("mute"), Vec::<String>::new());
}

/// A disk that talks and halts.
fn disk(folder: &Path) -> PathBuf {
    let (raw, disk) = (folder.join("raw"), folder.join("mute.qcow2"));
    let mut bytes = boot_sector(format!("{LAST_WORDS}\r\n").as_bytes());
    bytes.resize(64 << 20, 0);
    std::fs::write(&raw, bytes).unwrap();
    run(Command::new("qemu-img")
        .args(["convert", "-O", "qcow2"])
        .args([&raw, &disk]));
    disk
}

fn declare(repo: &Path, disk: &Path) {
    let sum = run(Command::new("sha256sum").arg(disk));
    let sum = sum.split_whitespace().next().unwrap();
    std::fs::copy(
        clone_of("example-repo/hosts/lab.yaml"),
        repo.join("lab.yaml"),
    )
    .unwrap();
    let api = "apiVersion: metrom.dev/v1";
    let files = [
        (
            "metrom.yaml",
            format!("{api}\nkind: Repository\nmetadata: {{name: quiet}}\nspec: {{}}\n"),
        ),
        (
            "image.yaml",
            format!(
                "{api}\nkind: Image\nmetadata: {{name: mute}}\nspec:\n  url: http://{SHOP}/mute.qcow2\n  \
                 sha256: {sum}\n"
            ),
        ),
        (
            "mute.yaml",
            format!(
                "{api}\nkind: Environment\nmetadata: {{name: mute}}\nspec:\n  placement: lab\n  \
                 compose: {{file: mute/docker-compose.yml}}\n  \
                 machine: {{image: mute, cpus: 1, memory: 512MiB, disk: 1GiB, data: 1GiB}}\n"
            ),
        ),
        (
            "mute/docker-compose.yml",
            "services: {web: {image: nginx:1.22}}\n".to_owned(),
        ),
    ];
    std::fs::create_dir(repo.join("mute")).unwrap();
    for (name, text) in files {
        std::fs::write(repo.join(name), text).unwrap();
    }
}

/// Gives the file to whoever asks, whatever it is asked for.
fn offer(file: PathBuf) {
    let shop = TcpListener::bind(SHOP).unwrap();
    std::thread::spawn(move || {
        for visitor in shop.incoming() {
            let (mut visitor, bytes) = (visitor.unwrap(), std::fs::read(&file).unwrap());
            let mut request = [0; 4096];
            // A visitor that goes away comes again or does not.
            let _ = visitor.read(&mut request);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                bytes.len()
            );
            let _ = visitor
                .write_all(head.as_bytes())
                .and_then(|()| visitor.write_all(&bytes));
        }
    });
}
