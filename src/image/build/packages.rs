//! The packages of a guest, unpacked into a folder by `mmdebstrap`.

use std::path::Path;
use std::time::Duration;

use super::apt;
use crate::image::tool::{self, Call};
use crate::image::work::Work;
use crate::model::BuildRecipe;
use crate::port::ImageError;

/// Four hundred packages from a slow mirror.
const UNPACK_TIMEOUT: Duration = Duration::from_secs(45 * 60);
/// Prints a few kilobytes.
const APT_CONFIG_TIMEOUT: Duration = Duration::from_secs(30);

/// What every guest has: a system that boots, lets us in, takes cloud-init's data and runs Docker.
const PACKAGES: [&str; 33] = [
    "apparmor", // docker.io refuses to start containers without its parser
    "bash-completion",
    "busybox-static", // the initrd
    "ca-certificates",
    "cloud-guest-utils", // growpart
    "cloud-init",
    "containerd",
    "curl",
    "dbus",
    "docker.io",
    "e2fsprogs",
    "fdisk",
    "git",
    "iproute2",
    "iptables",
    "iputils-ping",
    "kmod",
    "less",
    "linux-image-cloud-amd64",
    "nano",
    "netcat-openbsd", // cloud-init talks to itself with it
    "openssh-server",
    "openssh-sftp-server",
    "procps",
    "qemu-guest-agent",
    "runc",
    "sudo",
    "systemd",
    "systemd-resolved",
    "systemd-sysv",
    "udev",
    "util-linux",
    "zstd",
];
/// Compose, where the suite has the one that speaks the current compose file format.
const COMPOSE: [&str; 2] = ["docker-cli", "docker-compose"];
/// The last suites whose `docker-compose` is the old one.
const WITHOUT_COMPOSE: [&str; 2] = ["bullseye", "bookworm"];
/// Writes network configuration for guests that keep everything.
const UNTRIMMED: [&str; 1] = ["netplan.io"];

/// Documentation is most of the files and of no use where nobody sits; licences stay.
const DPKG_OPTIONS: [&str; 6] = [
    "force-unsafe-io",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
];

/// Unpacks and configures the packages into the folder `tree`, which must not exist.
pub(super) fn unpack(recipe: &BuildRecipe, tree: &Path, work: &Work) -> Result<(), ImageError> {
    let lines = apt::mirror_lines(Path::new("/"), &recipe.suite)
        .map_err(|words| work.failed("find the Debian mirror", words))?;
    let dump = Call::new(
        work,
        tool::APT_CONFIG,
        "read apt's settings",
        APT_CONFIG_TIMEOUT,
    )
    .args(["dump"])
    .quiet()
    .run()?;
    if WITHOUT_COMPOSE.contains(&recipe.suite.as_str()) {
        work.line(format!(
            "{} has no Docker Compose 2; add it to the image's machines before running stacks",
            recipe.suite
        ));
    }
    let apt_options = apt::settings(&dump);
    let apt_options = apt_options
        .into_iter()
        .chain(["Acquire::Languages \"none\";"]);
    // It starts others, mounts /proc and /sys into the tree and outlives signals to itself. In
    // namespaces of its own all of that ends with it, however it ends.
    let program = tool::MMDEBSTRAP.find(work)?;
    Call::new(work, tool::UNSHARE, "unpack the packages", UNPACK_TIMEOUT)
        .args(["--mount", "--pid", "--fork", "--kill-child", "--"])
        .args([program])
        // The kernel's package would make an initrd that nobody boots.
        .env("INITRD", "No")
        .args(["--mode=root", "--variant=minbase", "--format=directory"])
        .args([format!("--include={}", names(recipe).join(","))])
        .args(apt_options.map(|option| format!("--aptopt={option}")))
        .args(DPKG_OPTIONS.map(|option| format!("--dpkgopt={option}")))
        .args([recipe.suite.as_str()])
        .args([tree])
        .args(lines)
        .run()?;
    Ok(())
}

fn names(recipe: &BuildRecipe) -> Vec<&str> {
    let has_compose = !WITHOUT_COMPOSE.contains(&recipe.suite.as_str());
    let mut names = Vec::from(PACKAGES);
    names.extend(COMPOSE.into_iter().filter(|_| has_compose));
    names.extend(UNTRIMMED.into_iter().filter(|_| !recipe.trim));
    names.extend(recipe.packages.iter().map(String::as_str));
    names
}
