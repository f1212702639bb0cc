//! The smallest initrd that mounts the root file system: a static busybox, the modules that are
//! needed for that, and a script. Debian's own does the same seconds later where processors are
//! emulated.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{ROOT_LABEL, Tree, cpio};
use crate::image::tool::{self, Call};
use crate::image::work::Work;
use crate::port::ImageError;

/// Where it lies in the image, for the boot loader.
pub(super) const PATH: &str = "boot/initrd.img-metrom";

/// The disks of the machines that we make, and their file system. A kernel may have them built in.
const MODULES: [&str; 5] = [
    "virtio_pci",
    "virtio_mmio",
    "crc32c_generic", // ext4 asks for it by the name of an algorithm, which no list of needs shows
    "virtio_blk",
    "ext4",
];
/// Modules that some kernels do not have in any form.
const OPTIONAL: [&str; 2] = ["virtio_mmio", "crc32c_generic"];

/// A megabyte.
const XZ_TIMEOUT: Duration = Duration::from_secs(30);

/// Writes the initrd for this kernel into the tree.
pub(super) fn write(tree: &Tree, kernel: &str, work: &Work) -> Result<(), ImageError> {
    let folder = format!("usr/lib/modules/{kernel}");
    let text = |name: &str| -> Result<String, ImageError> {
        let bytes = tree.read(&format!("{folder}/{name}"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let modules = order(&text("modules.dep")?, &text("modules.builtin")?)
        .map_err(|words| work.failed("choose the modules of the initrd", words))?;
    let mut archive = cpio::Archive::new();
    for name in ["bin", "dev", "proc", "sys", "root", "modules"] {
        archive.folder(name);
    }
    archive.device("dev/console", 5, 1);
    archive.file("bin/busybox", 0o755, &tree.read("usr/bin/busybox")?);
    for (module, path) in &modules {
        let content = unpacked(tree, &format!("{folder}/{path}"), work)?;
        archive.file(&format!("modules/{module}.ko"), 0o644, &content);
    }
    archive.file("init", 0o755, script(&modules).as_bytes());
    tree.write(PATH, archive.finish())
}

/// The modules to load with their paths, each after those it needs.
fn order(dependencies: &str, builtin: &str) -> Result<Vec<(String, String)>, String> {
    let needs: BTreeMap<String, (&str, Vec<String>)> = dependencies
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(path, needs)| {
            let needs = needs.split_whitespace().map(module_name).collect();
            (module_name(path), (path, needs))
        })
        .collect();
    let is_builtin = |name: &str| builtin.lines().any(|path| module_name(path) == name);
    let mut chosen = Vec::new();
    for name in MODULES {
        match needs.contains_key(name) {
            true => add(name, &needs, &mut chosen),
            false if is_builtin(name) || OPTIONAL.contains(&name) => {}
            false => return Err(format!("the kernel has no module `{name}`")),
        }
    }
    Ok(chosen)
}

fn add(
    name: &str,
    needs: &BTreeMap<String, (&str, Vec<String>)>,
    chosen: &mut Vec<(String, String)>,
) {
    let Some((path, before)) = needs.get(name) else {
        return;
    };
    if chosen.iter().any(|(module, _)| module == name) {
        return;
    }
    // The list has no cycles: depmod refuses to write one.
    before.iter().for_each(|other| add(other, needs, chosen));
    chosen.push((name.to_owned(), (*path).to_owned()));
}

/// `kernel/fs/ext4/ext4.ko.xz` is `ext4`; modules are found by `_` whatever their file is called.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    let stem = file.split('.').next().unwrap_or(file);
    stem.replace('-', "_")
}

fn unpacked(tree: &Tree, path: &str, work: &Work) -> Result<Vec<u8>, ImageError> {
    if !path.ends_with(".xz") {
        return tree.read(path);
    }
    // busybox can load only what is not compressed.
    let copy = format!("{}.initrd", path.trim_end_matches(".xz"));
    std::fs::copy(tree.path(path), tree.path(&format!("{copy}.xz")))
        .map_err(|e| crate::image::work::file_error("copy", &tree.path(path), &e))?;
    Call::new(work, tool::XZ, "unpack a kernel module", XZ_TIMEOUT)
        .args(["--decompress", "--force", "--"])
        .args([tree.path(&format!("{copy}.xz"))])
        .run()?;
    let content = tree.read(&copy)?;
    crate::image::shelf::remove_file(&tree.path(&copy))?;
    Ok(content)
}

fn script(modules: &[(String, String)]) -> String {
    let load = Vec::from_iter(
        modules
            .iter()
            .map(|(module, _)| format!("insmod /modules/{module}.ko")),
    );
    format!(
        r#"#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
{load}
tries=100
while ! root=$(findfs LABEL={ROOT_LABEL} 2>/dev/null); do
  tries=$((tries - 1))
  if [ $tries = 0 ]; then
    echo "no file system has the label {ROOT_LABEL}; the kernel sees:" >/dev/console
    cat /proc/partitions >/dev/console
    poweroff -f
  fi
  sleep 0.1
done
mount -t ext4 -o rw,noatime "$root" /root || poweroff -f
mount --move /dev /root/dev
umount /proc /sys
exec switch_root /root /sbin/init
"#,
        load = load.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPENDENCIES: &str = "\
kernel/drivers/block/virtio_blk.ko.xz:
kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz kernel/lib/crc16.ko.xz
kernel/fs/jbd2/jbd2.ko.xz: kernel/lib/crc16.ko.xz
kernel/lib/crc16.ko.xz:
kernel/crypto/crc32c-generic.ko.xz:
";

    #[test]
    fn each_module_comes_after_those_it_needs() {
        let chosen = order(DEPENDENCIES, "kernel/drivers/virtio/virtio_pci.ko\n").unwrap();
        let names = Vec::from_iter(chosen.iter().map(|(name, _)| name.as_str()));
        assert_eq!(
            names,
            ["crc32c_generic", "virtio_blk", "crc16", "jbd2", "ext4"]
        );
    }

    #[test]
    fn a_kernel_that_cannot_read_our_disks_is_refused() {
        let words = order(DEPENDENCIES, "").unwrap_err();
        assert!(words.contains("virtio_pci"), "{words}");
    }
}
