//! What a qcow2 file says about itself, and whether it may be used as a base image.
//!
//! A downloaded file is not trusted: one that names a backing file or an external data file would
//! make QEMU read any file of the host into a machine.

use std::io::Read;
use std::path::Path;

/// The first bytes of every qcow2 file.
pub(super) const MAGIC: [u8; 4] = *b"QFI\xfb";
/// Length of the header of version 3; version 2 has a shorter one, but no file is as short.
const HEADER: usize = 104;

const BACKING_FILE_OFFSET: usize = 8;
const VIRTUAL_SIZE: usize = 24;
const CRYPT_METHOD: usize = 32;
const INCOMPATIBLE_FEATURES: usize = 72;

const FEATURE_CORRUPT: u64 = 1 << 1;
const FEATURE_EXTERNAL_DATA: u64 = 1 << 2;

/// Why a file may not be a base image, or the size in bytes of the disk it holds.
pub(super) fn inspect(path: &Path) -> Result<u64, String> {
    let mut header = Vec::with_capacity(HEADER);
    std::fs::File::open(path)
        .and_then(|file| file.take(HEADER as u64).read_to_end(&mut header))
        .map_err(|e| e.to_string())?;
    judge(&header)
}

fn judge(header: &[u8]) -> Result<u64, String> {
    if !header.starts_with(&MAGIC) {
        return Err(describe(header));
    }
    let header: &[u8; HEADER] = header
        .first_chunk()
        .ok_or("it ends within its header; download it again")?;
    let version = u32_at(header, 4);
    if !matches!(version, 2 | 3) {
        return Err(format!("it is of version {version}; convert it to 3"));
    }
    if u64_at(header, BACKING_FILE_OFFSET) != 0 {
        return Err("it needs a backing file; flatten it with `qemu-img convert`".into());
    }
    if u32_at(header, CRYPT_METHOD) != 0 {
        return Err("it is encrypted; decrypt it with `qemu-img convert`".into());
    }
    let features = match version {
        2 => 0,
        _ => u64_at(header, INCOMPATIBLE_FEATURES),
    };
    if features & FEATURE_EXTERNAL_DATA != 0 {
        return Err("its data is in another file; convert it with `qemu-img convert`".into());
    }
    if features & FEATURE_CORRUPT != 0 {
        return Err("it is marked as corrupt; download or make it again".into());
    }
    match u64_at(header, VIRTUAL_SIZE) {
        0 => Err("its disk is empty; download or make it again".into()),
        size => Ok(size),
    }
}

/// Says what the file is instead, for the kinds that people mistake for a disk image.
pub(super) fn describe(start: &[u8]) -> String {
    let text = String::from_utf8_lossy(&start[..start.len().min(64)]).to_ascii_lowercase();
    let text = text.trim_start();
    let known = [
        (text.starts_with("<!doctype html") || text.starts_with("<html"))
            .then_some("it is an HTML page; check the URL"),
        start
            .starts_with(b"\xfd7zXZ")
            .then_some("it is compressed with xz; unpack it and declare the unpacked file"),
        start
            .starts_with(b"\x28\xb5\x2f\xfd")
            .then_some("it is compressed with zstd; unpack it and declare the unpacked file"),
        start
            .starts_with(b"\x1f\x8b")
            .then_some("it is compressed with gzip; unpack it and declare the unpacked file"),
        start.is_empty().then_some("it is empty"),
    ];
    known.into_iter().flatten().next().map_or_else(
        || {
            "its first bytes are not those of qcow2; convert it with `qemu-img convert -O qcow2`"
                .into()
        },
        str::to_owned,
    )
}

fn u32_at(header: &[u8; HEADER], at: usize) -> u32 {
    u32::from_be_bytes(header[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(header: &[u8; HEADER], at: usize) -> u64 {
    u64::from_be_bytes(header[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(change: impl FnOnce(&mut [u8; HEADER])) -> Result<u64, String> {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[7] = 3;
        bytes[VIRTUAL_SIZE..VIRTUAL_SIZE + 8].copy_from_slice(&(1u64 << 30).to_be_bytes());
        change(&mut bytes);
        judge(&bytes)
    }

    #[test]
    fn a_plain_file_tells_its_size() {
        assert_eq!(header(|_| {}), Ok(1 << 30));
    }

    #[test]
    fn a_file_that_reaches_for_others_is_refused() {
        let backing = header(|h| h[BACKING_FILE_OFFSET + 7] = 104).unwrap_err();
        assert!(backing.contains("backing file"), "{backing}");
        let data = header(|h| h[INCOMPATIBLE_FEATURES + 7] = 4).unwrap_err();
        assert!(data.contains("another file"), "{data}");
    }

    #[test]
    fn the_feature_bits_of_version_2_are_not_read() {
        let old = header(|h| {
            h[7] = 2;
            h[INCOMPATIBLE_FEATURES + 7] = 4;
        });
        assert_eq!(old, Ok(1 << 30));
    }

    #[test]
    fn what_is_no_qcow2_is_named() {
        for (start, word) in [
            (&b"<!DOCTYPE html><html>"[..], "HTML"),
            (b"\xfd7zXZ\x00", "xz"),
            (b"", "empty"),
            (b"MBR?", "convert"),
        ] {
            let words = judge(start).unwrap_err();
            assert!(words.contains(word), "{words}");
        }
        assert!(judge(&MAGIC).unwrap_err().contains("within its header"));
    }
}
