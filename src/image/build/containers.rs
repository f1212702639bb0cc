//! Container images in the image's own Docker from the start, so that a stack comes up where no
//! registry can be reached.
//!
//! The tree's own `dockerd` pulls them into the tree: the same version that will read them, and no
//! Docker is needed on this machine. It runs in a mount namespace that ends with it, without bridge
//! and firewall rules, so that nothing on this machine notices.

use std::time::{Duration, Instant};

use super::Tree;
use crate::image::shelf::remove_file;
use crate::image::tool::{self, Call, Running};
use crate::image::work::{Work, file_error};
use crate::model::BuildRecipe;
use crate::port::ImageError;

/// Starting is a matter of seconds, also on a busy disk.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// One image, of a gigabyte perhaps, over a slow line.
const PULL_TIMEOUT: Duration = Duration::from_secs(30 * 60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Where the daemon listens, in the tree. Relative paths keep sockets below their longest name.
const SOCKET: &str = "run/metrom-docker.sock";
/// What of Docker's folder is worth keeping; the rest tells of this machine.
const KEPT: [&str; 2] = ["image", "overlay2"];

/// Makes the tree a place where a daemon can run and reach the network, and runs one in it.
/// Arguments: the tree, then those of the daemon. Docker unpacks only where its root is a mount.
const ENTER: &str = r#"
tree=$1
shift
mount --bind "$tree" "$tree"
for folder in proc sys dev; do mount --rbind "/$folder" "$tree/$folder"; done
for path in etc/hosts etc/ssl/certs; do mount --bind "/$path" "$tree/$path"; done
mkdir -p "$tree/run/systemd/resolve"
cat /etc/resolv.conf > "$tree/run/systemd/resolve/stub-resolv.conf"
exec chroot "$tree" dockerd "$@"
"#;

/// Pulls the declared container images into the tree.
pub(super) fn preload(
    recipe: &BuildRecipe,
    mirrors: &[String],
    tree: &Tree,
    work: &Work,
) -> Result<(), ImageError> {
    let mut daemon = start(tree, mirrors, work)?;
    for image in &recipe.containers {
        let doing = format!("pull the container image `{image}`");
        let pulled = Call::new(work, tool::CHROOT, &doing, PULL_TIMEOUT)
            .args([&tree.0])
            .args(["docker", "--host"])
            .args([format!("unix:///{SOCKET}")])
            .args(["pull", image])
            .run();
        pulled.map_err(|error| with_log(error, &mut daemon))?;
    }
    daemon.end()?;
    clean(tree)
}

/// The client names only what went wrong last; which mirror was asked and why it did not serve is
/// known to the daemon.
fn with_log(error: ImageError, daemon: &mut Running<'_>) -> ImageError {
    daemon.is_alive();
    match error {
        ImageError::Build {
            image,
            doing,
            output,
        } => ImageError::Build {
            image,
            doing,
            output: format!("{output}\nDocker's log:\n{}", daemon.output()),
        },
        other => other,
    }
}

fn start<'a>(tree: &Tree, mirrors: &[String], work: &'a Work) -> Result<Running<'a>, ImageError> {
    let doing = "start Docker for the container images";
    let mut daemon = Call::new(work, tool::UNSHARE, doing, START_TIMEOUT)
        .args(["--mount", "--propagation", "private", "--"])
        .args(["/bin/sh", "-ec", ENTER, "sh"])
        .args([&tree.0])
        .args(options(mirrors))
        .start()?;
    let until = Instant::now() + START_TIMEOUT;
    while !tree.path(SOCKET).exists() {
        work.check()?;
        if !daemon.is_alive() || Instant::now() > until {
            return Err(work.failed(doing, daemon.output()));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(daemon)
}

fn options(mirrors: &[String]) -> Vec<String> {
    let mut options = Vec::from_iter(
        [
            "--data-root=/var/lib/docker",
            "--exec-root=/run/metrom-docker",
            "--pidfile=/run/metrom-docker.pid",
            "--storage-driver=overlay2",
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
            "--ip-forward=false",
            "--ip-masq=false",
            "--log-level=info",
        ]
        .map(str::to_owned),
    );
    options.push(format!("--host=unix:///{SOCKET}"));
    for mirror in mirrors {
        options.push(format!("--registry-mirror={mirror}"));
        if let Some(host) = mirror.strip_prefix("http://") {
            let host = host.trim_end_matches('/');
            options.push(format!("--insecure-registry={host}"));
        }
    }
    options
}

/// Removes what the daemon left beside the images: its identity, its networks, its sockets.
fn clean(tree: &Tree) -> Result<(), ImageError> {
    let docker = "var/lib/docker";
    let rest = tree.names(docker).into_iter();
    let rest = rest
        .filter(|name| !KEPT.contains(&name.as_str()))
        .map(|name| format!("{docker}/{name}"));
    let run = tree
        .names("run")
        .into_iter()
        .map(|name| format!("run/{name}"));
    for path in rest.chain(run).chain(["etc/docker/key.json".to_owned()]) {
        let path = tree.path(&path);
        let is_folder = std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
        match is_folder {
            true => std::fs::remove_dir_all(&path).map_err(|e| file_error("remove", &path, &e))?,
            false => remove_file(&path)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_without_tls_is_also_declared_insecure() {
        let mirrors = [
            "http://10.0.0.1:5000/".to_owned(),
            "https://m.example".to_owned(),
        ];
        let options = options(&mirrors);
        let insecure = Vec::from_iter(options.iter().filter(|o| o.starts_with("--insecure")));
        assert_eq!(insecure, ["--insecure-registry=10.0.0.1:5000"]);
        assert!(options.contains(&"--registry-mirror=https://m.example".to_owned()));
    }
}
