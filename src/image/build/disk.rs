//! The disk around the root file system: partition table and boot loader, written by hand.
//!
//! ```text
//! sector 0     GRUB's boot.img (440 bytes), partition table
//! sector 2048  GRUB's core.img, in a BIOS boot partition
//! sector 4096  the root file system, to the end: it grows with the disk at the first boot
//! ```

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use super::{KERNEL_CMDLINE, ROOT_LABEL, Tree, files, initrd};
use crate::image::tool::{self, Call, Tool};
use crate::image::work::{Work, file_error};
use crate::port::ImageError;

const SECTOR: u64 = 512;
const BOOT_START: u64 = 2048;
const BOOT_SECTORS: u64 = 2048;
const ROOT_START: u64 = BOOT_START + BOOT_SECTORS;
/// Room for the second copy of the partition table at the end.
const TAIL_MIB: u64 = 1;
const SECTORS_PER_MIB: u64 = (1 << 20) / SECTOR;

const BIOS_BOOT_TYPE: &str = "21686148-6449-6E6F-744E-656564454649";
const LINUX_ROOT_TYPE: &str = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709";

pub(super) const GRUB_FOLDER: &str = "/usr/lib/grub/i386-pc";
pub(super) const GRUB_FILES: Tool = files("grub/i386-pc/boot.img", "grub-pc-bin");
/// What GRUB needs to read a kernel from the root file system.
const GRUB_MODULES: [&str; 9] = [
    "biosdisk",
    "configfile",
    "ext2",
    "gzio",
    "linux",
    "normal",
    "part_gpt",
    "search_label",
    "serial",
];

/// Of boot.img, the code before the partition table.
const BOOT_CODE: usize = 440;
/// Of boot.img, where it keeps the sector of core.img.
const BOOT_KERNEL_SECTOR: usize = 0x5c;
/// Of boot.img, a jump that would override the drive given by the BIOS.
const BOOT_DRIVE_CHECK: usize = 0x66;
/// Of core.img's first sector, the list of its other sectors: first sector, then count.
const CORE_BLOCK_LIST: usize = 0x1f4;

/// Writes some hundred megabytes.
const FORMAT_TIMEOUT: Duration = Duration::from_secs(10 * 60);
const CONVERT_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// Works on a few kilobytes.
const SMALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Makes a raw disk of the tree that boots by itself.
pub(super) fn format(
    tree: &Tree,
    size_mib: u64,
    raw: &Path,
    work: &Work,
) -> Result<(), ImageError> {
    let kernel = tree.kernel(work)?;
    tree.write("boot/grub/grub.cfg", grub_config(&kernel))?;
    let core = grub_core(raw, work)?;
    let loader = Path::new(GRUB_FOLDER).join("boot.img");
    let boot = std::fs::read(&loader).map_err(|e| file_error("read", &loader, &e))?;
    let (boot, core) =
        patched(boot, core).map_err(|words| work.failed("prepare the boot loader", words))?;

    let io = |e: std::io::Error| file_error("write", raw, &e);
    let disk = OpenOptions::new()
        .create_new(true)
        .write(true)
        .open(raw)
        .map_err(io)?;
    disk.set_len((ROOT_START * SECTOR) + ((size_mib + TAIL_MIB) << 20))
        .map_err(io)?;
    Call::new(
        work,
        tool::SFDISK,
        "write the partition table",
        SMALL_TIMEOUT,
    )
    .args(["--quiet"])
    .args([raw])
    .stdin(partitions(size_mib))
    .run()?;
    make_root(tree, size_mib, raw, work)?;
    disk.write_all_at(&boot, 0)
        .and_then(|()| disk.write_all_at(&core, BOOT_START * SECTOR))
        .map_err(io)
}

/// Converts the raw disk to qcow2, without its holes.
pub(super) fn convert(raw: &Path, disk: &Path, work: &Work) -> Result<(), ImageError> {
    Call::new(work, tool::QEMU_IMG, "convert the disk", CONVERT_TIMEOUT)
        .args(["convert", "-f", "raw", "-O", "qcow2"])
        .args([raw, disk])
        .run()?;
    Ok(())
}

fn make_root(tree: &Tree, size_mib: u64, raw: &Path, work: &Work) -> Result<(), ImageError> {
    let offset = ROOT_START * SECTOR;
    Call::new(
        work,
        tool::MKFS,
        "make the root file system",
        FORMAT_TIMEOUT,
    )
    .args(["-q", "-F", "-L", ROOT_LABEL])
    // Features that the boot loaders and the file system tools of older releases do not know.
    .args(["-O", "^metadata_csum_seed,^orphan_file"])
    .args([
        "-E".to_owned(),
        format!("offset={offset},lazy_itable_init=1,lazy_journal_init=1"),
    ])
    .args([Path::new("-d"), &tree.0, raw])
    .args([format!("{size_mib}M")])
    .run()
    .map(|_| ())
    .map_err(|e| with_hint(e, size_mib))
}

/// The program's own words do not say that the declared size is too small.
fn with_hint(error: ImageError, size_mib: u64) -> ImageError {
    match error {
        ImageError::Build {
            image,
            doing,
            output,
        } if output.contains("Could not allocate") || output.contains("No space left") => {
            ImageError::Build {
                image,
                doing,
                output: format!(
                    "{output}\nthe packages do not fit into {size_mib} MiB; raise `size`"
                ),
            }
        }
        other => other,
    }
}

fn partitions(size_mib: u64) -> String {
    let root_sectors = size_mib * SECTORS_PER_MIB;
    format!(
        "label: gpt\n\
         start={BOOT_START}, size={BOOT_SECTORS}, type={BIOS_BOOT_TYPE}\n\
         start={ROOT_START}, size={root_sectors}, type={LINUX_ROOT_TYPE}\n"
    )
}

/// Shows no menu; what goes wrong is seen on the serial console.
fn grub_config(kernel: &str) -> String {
    let initrd = initrd::PATH;
    format!(
        "serial --unit=0 --speed=115200\n\
         terminal_output console serial\n\
         set timeout=0\n\
         linux /boot/vmlinuz-{kernel} {KERNEL_CMDLINE} console=tty0 console=ttyS0\n\
         initrd /{initrd}\n\
         boot\n"
    )
}

fn grub_core(raw: &Path, work: &Work) -> Result<Vec<u8>, ImageError> {
    let (config, core) = (raw.with_extension("grub.cfg"), raw.with_extension("core"));
    let early = format!("search.fs_label {ROOT_LABEL} root\nset prefix=($root)/boot/grub\n");
    std::fs::write(&config, early).map_err(|e| file_error("write", &config, &e))?;
    Call::new(
        work,
        tool::GRUB_MKIMAGE,
        "make the boot loader",
        SMALL_TIMEOUT,
    )
    .args(["--format=i386-pc", "--prefix=/boot/grub", "--config"])
    .args([&config])
    .args(["--output"])
    .args([&core])
    .args(GRUB_MODULES)
    .run()?;
    let bytes = std::fs::read(&core).map_err(|e| file_error("read", &core, &e))?;
    for path in [&config, &core] {
        crate::image::shelf::remove_file(path)?;
    }
    Ok(bytes)
}

/// Does to GRUB's two files what its installer does to them: tells each where the next part is.
fn patched(mut boot: Vec<u8>, mut core: Vec<u8>) -> Result<(Vec<u8>, Vec<u8>), String> {
    let sectors = (core.len() as u64).div_ceil(SECTOR);
    if boot.len() < BOOT_CODE || core.len() < SECTOR as usize {
        return Err("the files of GRUB are shorter than they can be; reinstall grub-pc-bin".into());
    }
    if sectors > BOOT_SECTORS {
        return Err(format!(
            "GRUB takes {sectors} sectors and has {BOOT_SECTORS}"
        ));
    }
    let rest = u16::try_from(sectors - 1).expect("fewer than the boot partition has");
    put(&mut boot, BOOT_KERNEL_SECTOR, &BOOT_START.to_le_bytes());
    // Two no-operations in place of the jump.
    put(&mut boot, BOOT_DRIVE_CHECK, &[0x90, 0x90]);
    put(&mut core, CORE_BLOCK_LIST, &(BOOT_START + 1).to_le_bytes());
    put(&mut core, CORE_BLOCK_LIST + 8, &rest.to_le_bytes());
    boot.truncate(BOOT_CODE);
    Ok((boot, core))
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_loader_is_told_where_its_parts_are() {
        let (boot, core) = patched(vec![0; 512], vec![0; 1000]).unwrap();
        assert_eq!(boot.len(), 440, "the partition table is not written over");
        assert_eq!(boot[0x5c..0x64], 2048u64.to_le_bytes());
        assert_eq!(boot[0x66..0x68], [0x90, 0x90]);
        assert_eq!(core[0x1f4..0x1fc], 2049u64.to_le_bytes());
        assert_eq!(core[0x1fc..0x1fe], 1u16.to_le_bytes());
    }

    #[test]
    fn a_boot_loader_that_does_not_fit_is_refused() {
        assert!(patched(vec![0; 512], vec![0; 2 << 20]).is_err());
        assert!(patched(vec![0; 100], vec![0; 1000]).is_err());
    }

    #[test]
    fn the_root_partition_has_the_declared_size() {
        let script = partitions(3);
        assert!(
            script.contains("start=4096, size=6144, type=4F68BCE3"),
            "{script}"
        );
    }
}
