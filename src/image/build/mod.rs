//! A disk image from Debian packages, made with files and programs only: no loop device, no mount of
//! ours, no boot loader's installer.
//!
//! The packages are unpacked into a folder, `mkfs.ext4 -d` makes a file system of it, and partition
//! table and boot loader are written around that. The same disk boots by the kernel and initrd that
//! lie beside it, which is faster, and by its own boot loader, as any cloud image does.

mod apt;
mod configure;
mod containers;
mod cpio;
mod disk;
mod initrd;
mod packages;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::shelf::{self, Making};
use super::tool::{self, Call, Tool};
use super::work::{Work, file_error};
use crate::model::{BuildRecipe, Digest};
use crate::port::ImageError;

/// Rises when the same recipe would give another image, so that images of older builders are made
/// anew.
pub const BUILD_VERSION: u32 = 1;

/// Label of the root file system, by which kernel, boot loader and `fstab` find it.
const ROOT_LABEL: &str = "rootfs";
/// The kernel's command line, without the console. Fixed interface names save a rename at boot; a
/// service that is silent for three minutes is not broken where the processor is emulated.
const KERNEL_CMDLINE: &str =
    "root=LABEL=rootfs rw net.ifnames=0 systemd.service_watchdogs=no quiet";

/// Smallest root file system that holds what every guest needs.
const MIN_SIZE_MIB: u64 = 1536;
/// Reading the disk once.
const CHECKSUM_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// Builds the image into `making`; returns the checksum of its disk.
///
/// **Guarantees.** Nothing else is left in `making` than the files of the image.
pub(super) fn build(
    recipe: &BuildRecipe,
    mirrors: &[String],
    making: &Making,
    work: &Work,
) -> Result<Digest, ImageError> {
    check(recipe, making, work)?;
    let tree = Tree(making.file("root"));
    work.phase("mmdebstrap", || packages::unpack(recipe, &tree.0, work))?;
    work.phase("configure", || {
        configure::configure(recipe, &tree, work)?;
        let kernel = tree.kernel(work)?;
        initrd::write(&tree, &kernel, work)?;
        keep_boot_files(&tree, &kernel, making)
    })?;
    if !recipe.containers.is_empty() {
        let pull = || containers::preload(recipe, mirrors, &tree, work);
        work.phase("containers", pull)?;
    }
    let raw = making.file("disk.raw");
    work.phase("mkfs", || disk::format(&tree, recipe.size_mib, &raw, work))?;
    remove(&tree.0)?;
    let disk = making.file(shelf::DISK);
    work.phase("convert", || disk::convert(&raw, &disk, work))?;
    shelf::remove_file(&raw)?;
    work.phase("checksum", || checksum(&disk, work))
}

/// The future root file system as a folder.
struct Tree(PathBuf);

impl Tree {
    /// A path of the guest, as a path of this machine. `path` has no leading slash.
    fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// Writes a file and the folders above it.
    fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Result<(), ImageError> {
        let file = self.path(path);
        let folder = file.parent().expect("a file lies in a folder");
        std::fs::create_dir_all(folder).map_err(|e| file_error("create", folder, &e))?;
        // A symlink would lead out of the tree, to a file of this machine.
        shelf::remove_file(&file)?;
        std::fs::write(&file, content).map_err(|e| file_error("write", &file, &e))
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, ImageError> {
        let file = self.path(path);
        std::fs::read(&file).map_err(|e| file_error("read", &file, &e))
    }

    /// The names in a folder; none when it is not there.
    fn names(&self, path: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path(path)) else {
            return Vec::new();
        };
        let mut names =
            Vec::from_iter(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()));
        names.sort();
        names
    }

    /// The version of the newest kernel in it.
    fn kernel(&self, work: &Work) -> Result<String, ImageError> {
        self.names("boot")
            .iter()
            .filter_map(|name| name.strip_prefix("vmlinuz-").map(str::to_owned))
            .next_back()
            .ok_or_else(|| work.failed("find the kernel", "the packages brought none into /boot"))
    }
}

/// Fails within a moment what would otherwise fail after minutes.
fn check(recipe: &BuildRecipe, making: &Making, work: &Work) -> Result<(), ImageError> {
    let refuse = |reason: String| Err(work.failed("check the recipe", reason));
    if std::env::consts::ARCH != "x86_64" {
        return refuse("images are built for x86_64 only, on such a machine".into());
    }
    if recipe.size_mib < MIN_SIZE_MIB {
        return refuse(format!(
            "{} MiB is too small; declare `size` as {MIN_SIZE_MIB}MiB or more",
            recipe.size_mib
        ));
    }
    let names = std::iter::once(&recipe.suite).chain(&recipe.packages);
    if let Some(bad) = names.into_iter().find(|name| !is_debian_name(name)) {
        return refuse(format!("`{bad}` is not the name of a suite or package"));
    }
    if let Some(bad) = recipe
        .containers
        .iter()
        .find(|name| !is_container_name(name))
    {
        return refuse(format!("`{bad}` is not the name of a container image"));
    }
    for tool in [
        tool::SETPRIV,
        tool::UNSHARE,
        tool::APT_CONFIG,
        tool::MMDEBSTRAP,
        tool::CHROOT,
        tool::XZ,
        tool::SFDISK,
        tool::MKFS,
        tool::GRUB_MKIMAGE,
        tool::QEMU_IMG,
        tool::SHA256SUM,
    ] {
        tool.find(work)?;
    }
    if !Path::new(disk::GRUB_FOLDER).join("boot.img").is_file() {
        return Err(disk::GRUB_FILES.missing(work));
    }
    let folder = making.file("");
    let owner = std::fs::metadata(&folder).map_err(|e| file_error("read", &folder, &e))?;
    if owner.uid() != 0 {
        return refuse(
            "unpacking packages needs root; run Metrom as root or download an image".into(),
        );
    }
    Ok(())
}

/// Names go into the arguments of programs that give some of them a meaning.
fn is_debian_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+.-".contains(&b))
}

fn is_container_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b))
}

fn keep_boot_files(tree: &Tree, kernel: &str, making: &Making) -> Result<(), ImageError> {
    let kernel = format!("boot/vmlinuz-{kernel}");
    for (from, to) in [
        (kernel.as_str(), shelf::KERNEL),
        (initrd::PATH, shelf::INITRD),
    ] {
        let to = making.file(to);
        std::fs::copy(tree.path(from), &to).map_err(|e| file_error("write", &to, &e))?;
    }
    let cmdline = making.file(shelf::CMDLINE);
    std::fs::write(&cmdline, format!("{KERNEL_CMDLINE}\n"))
        .map_err(|e| file_error("write", &cmdline, &e))
}

/// By coreutils' program: it reads a gigabyte in a second also where Metrom itself was built without
/// optimisation.
fn checksum(disk: &Path, work: &Work) -> Result<Digest, ImageError> {
    let doing = "read the checksum of the disk";
    let output = Call::new(work, tool::SHA256SUM, doing, CHECKSUM_TIMEOUT)
        .args([disk])
        .quiet()
        .run()?;
    output
        .split_whitespace()
        .next()
        .and_then(Digest::parse)
        .ok_or_else(|| work.failed(doing, output))
}

fn remove(folder: &Path) -> Result<(), ImageError> {
    std::fs::remove_dir_all(folder).map_err(|e| file_error("remove", folder, &e))
}

/// A `Tool` whose files are needed, not the program.
const fn files(what: &'static str, package: &'static str) -> Tool {
    Tool {
        program: what,
        package,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_be_an_option_or_a_pattern_is_refused() {
        for bad in ["--hook-dir=/tmp", "a,b", "?true", "", "a b", "A"] {
            assert!(!is_debian_name(bad), "{bad}");
        }
        assert!(is_debian_name("libstdc++-12-dev"));
        assert!(!is_container_name("--all-tags"));
        assert!(is_container_name("registry.example:5000/team/app:1.0"));
    }
}
