//! What a guest of ours has beyond its packages, as tables of files, links and units.
//!
//! Every image is made ready to be cloned: no identity, no host key, no trace of the machine that
//! built it. A trimmed one also leaves out what costs seconds at boot where processors are emulated,
//! and stays an ordinary Debian with cloud-init and Docker.

use std::os::unix::fs::symlink;
use std::time::Duration;

use super::{ROOT_LABEL, Tree};
use crate::image::shelf::remove_file;
use crate::image::tool::{self, Call};
use crate::image::work::{Work, file_error};
use crate::model::BuildRecipe;
use crate::port::ImageError;

/// A program of the tree that links or caches a few files.
const CHROOT_TIMEOUT: Duration = Duration::from_secs(2 * 60);

/// Files of every image.
const FILES: [(&str, &str); 8] = [
    ("etc/hostname", "debian\n"),
    (
        "etc/hosts",
        "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
    ),
    ("etc/machine-id", ""),
    ("etc/apt/sources.list", ""),
    (
        "etc/ssh/sshd_config.d/50-metrom.conf",
        "# Machines are entered by key alone.\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n",
    ),
    (
        "etc/cloud/cloud.cfg.d/90_metrom.cfg",
        "datasource_list: [NoCloud, ConfigDrive, None]\nlocale: false\n",
    ),
    // Emulated on a busy host, whatever starts is slow and not broken.
    (
        "etc/systemd/system.conf.d/50-metrom.conf",
        "[Manager]\nDefaultTimeoutStartSec=10min\nDefaultDeviceTimeoutSec=10min\n",
    ),
    // Docker waits until cloud-init has mounted the volumes that it keeps its own in.
    (
        "etc/systemd/system/docker.service.d/50-metrom.conf",
        "[Unit]\nAfter=cloud-final.service\n",
    ),
];

/// Files of a trimmed image.
const TRIMMED_FILES: [(&str, &str); 3] = [
    (
        "etc/systemd/journald.conf.d/50-metrom.conf",
        "[Journal]\nStorage=volatile\n",
    ),
    // Only what seeds of ours ask for: each module is Python to be imported.
    (
        "etc/cloud/cloud.cfg.d/91_metrom_modules.cfg",
        "cloud_init_modules: [bootcmd, write_files, growpart, resizefs, disk_setup, mounts, \
         set_hostname, update_etc_hosts, ca_certs, users_groups, ssh]\n\
         cloud_config_modules: [timezone, runcmd]\n\
         cloud_final_modules: [write_files_deferred, scripts_user, final_message]\n",
    ),
    // Writes systemd-networkd's files itself instead of calling netplan.
    (
        "etc/cloud/cloud.cfg.d/92_metrom_network.cfg",
        "system_info:\n  network: {renderers: [networkd]}\n",
    ),
];

/// What the build, or the machine it ran on, left behind.
const LEFTOVERS: [(&str, &str); 9] = [
    ("etc/apt/sources.list.d", ""),
    ("etc/apt/apt.conf.d", "99mmdebstrap"),
    ("etc/dpkg/dpkg.cfg.d", "99mmdebstrap"),
    ("etc/ssh", "ssh_host_"),
    ("var/cache/apt", ""),
    ("var/lib/apt/lists", ""),
    ("var/lib/systemd", "random-seed"),
    ("var/lib/dbus", "machine-id"),
    ("var/log", ""),
];

const ENABLED: [&str; 5] = [
    "systemd-networkd.service",
    "systemd-resolved.service",
    "ssh.service",
    "docker.socket",
    "qemu-guest-agent.service",
];

/// Units that are not to start with the others: containerd starts when Docker asks for it.
const UNLINKED: [&str; 2] = [
    "etc/systemd/system/multi-user.target.wants/containerd.service",
    "etc/systemd/system/multi-user.target.wants/docker.service",
];
/// Docker belongs to the target that comes after cloud-init's last stage; in the usual one, each
/// would wait for the other.
const DOCKER_START: (&str, &str) = (
    "etc/systemd/system/cloud-init.target.wants/docker.service",
    "/usr/lib/systemd/system/docker.service",
);

/// Units that serve no guest of ours.
const MASKED: [&str; 6] = [
    "apparmor.service", // Docker needs its parser, not its profiles
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "systemd-timesyncd.service", // the clock is the host's
];

/// Units that cost time at boot and serve no guest of ours.
const TRIMMED_UNITS: [&str; 35] = [
    "cloud-init-hotplugd.socket",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "e2scrub_reap.service",
    "getty@tty1.service",
    "ldconfig.service",
    "modprobe@configfs.service",
    "modprobe@dm_mod.service",
    "modprobe@drm.service",
    "modprobe@efi_pstore.service",
    "modprobe@fuse.service",
    "modprobe@loop.service",
    "netplan-ovs-cleanup.service",
    "proc-sys-fs-binfmt_misc.automount",
    "serial-getty@ttyS0.service", // nobody has a password
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
    "systemd-binfmt.service",
    "systemd-firstboot.service",
    "systemd-hibernate-clear.service",
    "systemd-hwdb-update.service",
    "systemd-journal-catalog-update.service",
    "systemd-network-generator.service",
    "systemd-pcrmachine.service",
    "systemd-pcrphase-sysinit.service",
    "systemd-pcrphase.service",
    "systemd-pstore.service",
    "systemd-tpm2-setup-early.service",
    "systemd-tpm2-setup.service",
    "systemd-update-utmp-runlevel.service",
    "systemd-update-utmp.service",
];

/// Programs that systemd runs at every boot, and for every session, to find units that no guest of
/// ours has.
const TRIMMED_GENERATORS: [&str; 9] = [
    "systemd-getty-generator",
    "systemd-gpt-auto-generator",
    "systemd-hibernate-resume-generator",
    "systemd-rc-local-generator",
    "systemd-run-generator",
    "systemd-ssh-generator",
    "systemd-system-update-generator",
    "systemd-sysv-generator",
    "systemd-tpm2-generator",
];

/// Starts a manager of units for each user who logs in.
const SESSIONS: (&str, &str) = ("etc/pam.d/common-session", "pam_systemd.so");

/// Makes a guest of the unpacked packages.
pub(super) fn configure(recipe: &BuildRecipe, tree: &Tree, work: &Work) -> Result<(), ImageError> {
    for (folder, prefix) in LEFTOVERS {
        clear(tree, folder, prefix)?;
    }
    write_all(tree, &FILES)?;
    let fstab = format!("LABEL={ROOT_LABEL} / ext4 rw,noatime,errors=remount-ro 0 1\n");
    tree.write("etc/fstab", fstab)?;
    // The resolver's own file, which also follows what DHCP says.
    link(
        tree,
        "etc/resolv.conf",
        "../run/systemd/resolve/stub-resolv.conf",
    )?;
    chroot(
        tree,
        work,
        "enable the units",
        &[&["systemctl", "--quiet", "enable"], &ENABLED[..]],
    )?;
    for path in UNLINKED {
        remove_file(&tree.path(path))?;
    }
    let (path, unit) = DOCKER_START;
    link(tree, path, unit)?;
    mask(tree, &MASKED)?;
    if recipe.trim {
        trim(tree, work)?;
    }
    Ok(())
}

fn trim(tree: &Tree, work: &Work) -> Result<(), ImageError> {
    write_all(tree, &TRIMMED_FILES)?;
    mask(tree, &TRIMMED_UNITS)?;
    for generator in TRIMMED_GENERATORS {
        let path = format!("etc/systemd/system-generators/{generator}");
        link(tree, &path, "/dev/null")?;
    }
    let (path, module) = SESSIONS;
    drop_lines(tree, path, module)?;
    chroot(tree, work, "cache the libraries", &[&["ldconfig"]])?;
    // Newer than /usr, so that the first boot finds nothing to update.
    for path in ["etc/.updated", "var/.updated"] {
        tree.write(path, "")?;
    }
    Ok(())
}

fn write_all(tree: &Tree, files: &[(&str, &str)]) -> Result<(), ImageError> {
    files
        .iter()
        .try_for_each(|(path, content)| tree.write(path, content))
}

/// Removes the files in a folder whose names begin with `prefix`, and those in folders below it.
/// Folders stay: packages expect theirs.
fn clear(tree: &Tree, folder: &str, prefix: &str) -> Result<(), ImageError> {
    for name in tree.names(folder) {
        if !name.starts_with(prefix) {
            continue;
        }
        let path = format!("{folder}/{name}");
        let is_folder = std::fs::symlink_metadata(tree.path(&path)).is_ok_and(|m| m.is_dir());
        match is_folder {
            true => clear(tree, &path, "")?,
            false => remove_file(&tree.path(&path))?,
        }
    }
    Ok(())
}

fn mask(tree: &Tree, units: &[&str]) -> Result<(), ImageError> {
    units
        .iter()
        .try_for_each(|unit| link(tree, &format!("etc/systemd/system/{unit}"), "/dev/null"))
}

fn link(tree: &Tree, path: &str, target: &str) -> Result<(), ImageError> {
    let path = tree.path(path);
    let folder = path.parent().expect("a link lies in a folder");
    std::fs::create_dir_all(folder).map_err(|e| file_error("create", folder, &e))?;
    remove_file(&path)?;
    symlink(target, &path).map_err(|e| file_error("create", &path, &e))
}

/// Takes the lines that contain `words` out of a file.
fn drop_lines(tree: &Tree, path: &str, words: &str) -> Result<(), ImageError> {
    let text = tree.read(path)?;
    let text = String::from_utf8_lossy(&text);
    let kept = text.lines().filter(|line| !line.contains(words));
    let kept: String = kept.map(|line| format!("{line}\n")).collect();
    tree.write(path, kept)
}

/// Runs a program of the tree in the tree.
fn chroot(tree: &Tree, work: &Work, doing: &str, words: &[&[&str]]) -> Result<(), ImageError> {
    Call::new(work, tool::CHROOT, doing, CHROOT_TIMEOUT)
        .args([&tree.0])
        .args(words.concat())
        .run()?;
    Ok(())
}
