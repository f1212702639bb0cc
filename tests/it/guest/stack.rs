//! A stack that is stopped, and brought back although another machine had its data volume.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use metrom::guest::Guests;
use metrom::model::{ComposeSource, Digest, EnvName, GuestAction, StackSpec, Stamp};
use metrom::port::{GuestActuator, GuestError, Silent};
use serde_json::json;

use crate::guest::sshd::Sshd;

/// Writes down what it is asked; has the containers of the file `containers`, understands every
/// compose file as what is in `config`, and fails while there is a file `broken`.
const DOCKER: &str = r#"#!/bin/sh
at=${0%/bin/docker}
echo "$*" >>"$at/asked"
case $1 in
ps) cat "$at/containers" 2>/dev/null || : ;;
compose)
  [ ! -e "$at/broken" ] || { echo 'no space left' >&2; exit 1; }
  case " $* " in *" config "*) cat "$at/config" 2>/dev/null || : ;; esac ;;
esac
"#;

/// The files of the stack, with their modes.
const FILES: [(&str, &str, u32); 4] = [
    (".env", "SECRET=hunter2\n", 0o600),
    ("compose.yaml", "services: {}\n", 0o644),
    ("conf/site.conf", "listen 80;\n", 0o644),
    ("conf/start.sh", "exec nginx\n", 0o755),
];

/// A machine with a stack, and a Docker that only writes down what it is asked.
struct Bench {
    sshd: Sshd,
    guests: Guests,
}

impl Bench {
    fn new() -> Self {
        let bench = Self::without_stack();
        let stamps = bench.path("state/stamps");
        std::fs::create_dir_all(&stamps).unwrap();
        let digests = FILES.map(|(name, text, _)| (name, Digest::of_bytes(text.as_bytes())));
        let record = json!({
            "stamp": bench.stamp(), "project": "shop", "services": {},
            "files": BTreeMap::from(digests),
        });
        std::fs::write(stamps.join("stack.json"), record.to_string()).unwrap();
        for (name, text, mode) in FILES {
            bench.write(name, text);
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(bench.file(name), mode).unwrap();
        }
        bench
    }

    fn without_stack() -> Self {
        let sshd = Sshd::start();
        let guests = sshd.guests();
        let bench = Self { sshd, guests };
        let docker = bench.path("bin/docker");
        std::fs::create_dir(bench.path("bin")).unwrap();
        std::fs::write(&docker, DOCKER).unwrap();
        std::fs::set_permissions(&docker, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(bench.path("containers"), "c1\nc2\n").unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.sshd.folder().join(name)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path("srv/stack").join(name)
    }

    fn copy(&self) -> PathBuf {
        self.path("state/stack.saved.tar")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.file(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn stamp(&self) -> Stamp {
        let target = self.sshd.target();
        Stamp {
            owner: target.owner,
            env: target.env,
            key: "stack".parse().unwrap(),
            digest: None,
            revision: None,
            created: "2026-01-01T00:00:00Z".parse().unwrap(),
            born: None,
        }
    }

    async fn perform(&self, action: GuestAction) -> Result<(), GuestError> {
        let target = self.sshd.target();
        self.guests.perform(&target, &action, &Silent).await
    }

    async fn stop(&self) -> Result<(), GuestError> {
        self.perform(GuestAction::StopStack { project: project() })
            .await
    }

    async fn start(&self) -> Result<(), GuestError> {
        self.perform(GuestAction::StartStack { project: project() })
            .await
    }

    async fn apply(&self) -> Result<(), GuestError> {
        let spec = StackSpec {
            project: project(),
            compose: ComposeSource::Files {
                file: "compose.yaml".to_owned(),
            },
            files: BTreeMap::new(),
            variables: BTreeMap::new(),
            sources: BTreeMap::new(),
            services: BTreeSet::new(),
        };
        let apply = GuestAction::ApplyStack {
            spec: Box::new(spec),
            stamp: self.stamp(),
        };
        self.perform(apply).await
    }

    /// What compose was asked since the last time.
    fn asked(&self) -> Vec<String> {
        let asked = std::fs::read_to_string(self.path("asked")).unwrap_or_default();
        let _ = std::fs::remove_file(self.path("asked"));
        let of_compose = asked
            .lines()
            .filter_map(|line| line.split_once("--project-name shop "));
        of_compose.map(|(_, verb)| verb.to_owned()).collect()
    }

    fn assert_files(&self, expected: &[(&str, &str, u32)]) {
        for (name, text, mode) in expected {
            let path = self.file(name);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), *text, "{name}");
            let found = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(found & 0o777, *mode, "{name}");
        }
    }

    /// What another machine of the environment leaves on the data volume.
    fn use_elsewhere(&self) {
        self.write(".env", "SECRET=another\n");
        self.write("compose.yaml", "services: {new: {image: x}}\n");
        std::fs::remove_dir_all(self.file("conf")).unwrap();
        // Docker puts an empty folder where a mounted file is missing.
        std::fs::create_dir_all(self.file("conf/site.conf")).unwrap();
    }
}

fn project() -> EnvName {
    EnvName::parse("shop").unwrap()
}

#[tokio::test]
async fn a_stopped_stack_comes_back_with_the_files_that_it_had() {
    let bench = Bench::new();
    let record = || std::fs::read_to_string(bench.path("state/stamps/stack.json")).unwrap();
    let before = record();
    bench.stop().await.unwrap();
    assert_eq!(bench.asked(), ["stop"]);
    let copy = std::fs::metadata(bench.copy()).unwrap();
    assert_eq!(copy.permissions().mode() & 0o777, 0o600);

    bench.use_elsewhere();
    bench.start().await.unwrap();
    // Those that Docker has started at the boot have seen the files of the other machine.
    assert_eq!(bench.asked(), ["stop", "start"]);
    bench.assert_files(&FILES);
    assert!(!bench.copy().exists());
    assert_eq!(record(), before);
}

#[tokio::test]
async fn what_runs_is_not_stopped_by_a_start_that_comes_twice() {
    let bench = Bench::new();
    bench.stop().await.unwrap();
    bench.start().await.unwrap();
    bench.asked();
    bench.start().await.unwrap();
    assert_eq!(bench.asked(), ["start"]);
}

#[tokio::test]
async fn a_file_that_somebody_deleted_is_not_missed() {
    let bench = Bench::new();
    std::fs::remove_file(bench.file(FILES[0].0)).unwrap();
    bench.stop().await.unwrap();
    bench.use_elsewhere();
    bench.start().await.unwrap();
    bench.assert_files(&FILES[1..]);
}

#[tokio::test]
async fn a_second_stop_does_not_keep_the_files_of_another_machine() {
    let bench = Bench::new();
    bench.stop().await.unwrap();
    bench.use_elsewhere();
    bench.stop().await.unwrap();
    bench.start().await.unwrap();
    bench.assert_files(&FILES);
}

#[tokio::test]
async fn the_copy_stays_until_the_stack_has_started() {
    let bench = Bench::new();
    bench.stop().await.unwrap();
    std::fs::write(bench.path("broken"), "").unwrap();
    let error = bench.start().await.unwrap_err().to_string();
    assert!(error.contains("no space left"), "{error}");
    assert!(bench.copy().exists());
    std::fs::remove_file(bench.path("broken")).unwrap();
    bench.start().await.unwrap();
    assert!(!bench.copy().exists());
}

#[tokio::test]
async fn without_containers_nothing_is_stopped_and_nothing_started() {
    let bench = Bench::new();
    std::fs::remove_file(bench.path("containers")).unwrap();
    bench.stop().await.unwrap();
    bench.use_elsewhere();
    bench.start().await.unwrap();
    assert_eq!(bench.asked(), [""; 0]);
    bench.assert_files(&FILES);
    assert!(!bench.copy().exists());
}

#[tokio::test]
async fn a_machine_without_a_stack_is_left_alone() {
    let bench = Bench::without_stack();
    bench.stop().await.unwrap();
    assert!(!bench.path("asked").exists() && !bench.path("state").exists());
}

#[tokio::test]
async fn what_is_applied_takes_the_place_of_what_was_stopped() {
    let bench = Bench::new();
    bench.stop().await.unwrap();
    // This Docker does not say what is in a compose file; the files are written before that.
    bench.apply().await.unwrap_err();
    assert!(!bench.copy().exists());
}

#[tokio::test]
async fn the_name_of_an_image_means_what_it_meant_when_it_was_applied() {
    let bench = Bench::new();
    let path = bench.path("state/stamps/stack.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
    record["images"] = json!({
        "web": {"name": "nginx:1", "id": "sha256:cafe"},
        "db": {"name": "postgres:16", "id": "sha256:beef"},
        "pinned": {"name": "redis@sha256:feed", "id": "sha256:feed"},
    });
    std::fs::write(&path, record.to_string()).unwrap();
    let config = json!({"services": {
        "web": {"image": "nginx:1"},
        "db": {"image": "postgres:17"},
        "pinned": {"image": "redis@sha256:feed"},
    }});
    std::fs::write(bench.path("config"), config.to_string()).unwrap();
    // No daemon tells how the containers came out.
    bench.apply().await.unwrap_err();
    let asked = std::fs::read_to_string(bench.path("asked")).unwrap();
    let tags: Vec<_> = asked.lines().filter(|l| l.starts_with("tag ")).collect();
    assert_eq!(tags, ["tag sha256:cafe nginx:1"], "{asked}");
    let text = std::fs::read_to_string(&path).unwrap();
    let left: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        left["images"], record["images"],
        "it is not forgotten halfway"
    );
}

#[tokio::test]
async fn a_stack_that_is_removed_leaves_no_copy_of_its_files() {
    let bench = Bench::new();
    bench.stop().await.unwrap();
    let remove = GuestAction::RemoveStack { project: project() };
    bench.perform(remove).await.unwrap();
    assert_eq!(bench.asked(), ["stop", "down --remove-orphans"]);
    assert!(!bench.copy().exists());
    assert!(!bench.file(".env").exists());
}

#[tokio::test]
async fn the_volumes_of_another_environment_become_ours_with_its_data() {
    let bench = Bench::without_stack();
    let systemctl = bench.path("bin/systemctl");
    std::fs::write(
        &systemctl,
        "#!/bin/sh\necho \"$*\" >>\"${0%/bin/*}/asked\"\n",
    )
    .unwrap();
    std::fs::set_permissions(&systemctl, std::fs::Permissions::from_mode(0o755)).unwrap();
    let root = bench.path("srv");
    for volume in ["old_notes", "old_db", "older_db", "named", "shop_db"] {
        std::fs::create_dir_all(root.join("docker").join(volume).join("_data")).unwrap();
    }
    std::fs::write(root.join("docker/old_db/_data/rows"), "of old").unwrap();
    std::fs::write(root.join("docker/shop_db/_data/rows"), "of shop").unwrap();
    std::fs::write(root.join("project"), "old\n").unwrap();
    for _ in 0..2 {
        bench.apply().await.unwrap_err(); // this Docker does not say what is in a compose file
        let folders = std::fs::read_dir(root.join("docker")).unwrap();
        let mut names: Vec<_> = folders.map(|f| f.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(
            names,
            ["named", "old_db", "older_db", "shop_db", "shop_notes"]
        );
        let rows = std::fs::read_to_string(root.join("docker/shop_db/_data/rows")).unwrap();
        assert_eq!(rows, "of shop", "nothing is written over");
        assert_eq!(
            std::fs::read_to_string(root.join("project")).unwrap(),
            "shop\n"
        );
    }
    let asked = std::fs::read_to_string(bench.path("asked")).unwrap();
    let [stop, start] =
        ["stop", "start"].map(|verb| format!("{verb} docker.socket docker.service"));
    let of_systemd: Vec<_> = asked
        .lines()
        .filter(|line| line.contains(".socket"))
        .collect();
    assert_eq!(of_systemd, [stop, start], "once");
}
