//! The folder of complete images: an image is whole in it, or not in it at all.
//!
//! ```text
//! <folder>/<image id>/          disk.qcow2, image.json (+ vmlinuz, initrd.img, cmdline)
//! <folder>/<image id>.making/   under construction; only whoever holds the lock may be in there
//! <folder>/<image id>.part      a download that is not whole yet (+ .part.json: where it came from)
//! <folder>/.locks/<image id>    one process at a time makes an image
//! ```

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::work::{Work, file_error};
use crate::model::{Boot, Digest, ImageOrigin, ImageSpec, Timestamp};
use crate::port::image::KernelFiles;
use crate::port::{ImageError, ImageFiles};

pub(super) const DISK: &str = "disk.qcow2";
pub(super) const KERNEL: &str = "vmlinuz";
pub(super) const INITRD: &str = "initrd.img";
pub(super) const CMDLINE: &str = "cmdline";
const RECORD: &str = "image.json";
const MAKING: &str = ".making";

/// How often a taken lock is tried again.
const LOCK_EVERY: Duration = Duration::from_millis(200);

/// What is known about a complete image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub id: String,
    pub image: ImageSpec,
    /// Which builder made it; `None` for a download.
    pub build_version: Option<u32>,
    /// The checksum of the disk.
    pub sha256: Digest,
    /// The size of each file in bytes, by its name.
    pub files: BTreeMap<String, u64>,
    pub made: Timestamp,
    /// How long each part of the making took, in seconds.
    pub took: Vec<(String, f64)>,
}

impl Record {
    /// What the image takes on this machine, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.files.values().sum()
    }

    fn is_whole(&self, folder: &Path) -> bool {
        self.files.iter().all(|(name, size)| {
            std::fs::metadata(folder.join(name)).is_ok_and(|found| found.len() == *size)
        })
    }
}

/// The folder of images.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    folder: PathBuf,
}

/// The right to make one image; given back when dropped.
pub(super) struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

impl Shelf {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The image, if it is there, whole, and made by this builder.
    pub fn find(&self, image: &ImageSpec, build_version: u32) -> Option<Record> {
        let id = image.id();
        let record = self.read(&id)?;
        let version = match image.origin {
            ImageOrigin::Url { .. } | ImageOrigin::Registered(_) => None,
            ImageOrigin::Build(_) => Some(build_version),
        };
        (record.image == *image && record.build_version == version).then_some(record)
    }

    /// All complete images, by id.
    pub fn list(&self) -> Result<Vec<Record>, ImageError> {
        let mut ids = self.names()?;
        ids.sort();
        Ok(ids.iter().filter_map(|id| self.read(id)).collect())
    }

    /// Waits until no other process makes this image.
    pub fn lock(&self, id: &str, work: &Work) -> Result<Lock, ImageError> {
        let path = self.folder.join(".locks").join(id);
        let file = create_lock(&path)?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock(file)),
                Err(TryLockError::WouldBlock) => {
                    if !std::mem::replace(&mut told, true) {
                        work.line(format!("another process makes image {id}; waiting for it"));
                    }
                    work.check()?;
                    std::thread::sleep(LOCK_EVERY);
                }
                Err(TryLockError::Error(e)) => return Err(file_error("lock", &path, &e)),
            }
        }
    }

    /// Removes what killed processes left half made. What is still being made is locked, and stays.
    pub fn sweep(&self) -> Result<(), ImageError> {
        for name in self.names()? {
            let Some(id) = name.strip_suffix(MAKING) else {
                continue;
            };
            let lock = create_lock(&self.folder.join(".locks").join(id))?;
            if lock.try_lock().is_ok() {
                remove_folder(&self.folder.join(&name))?;
            }
        }
        Ok(())
    }

    /// An empty folder to make the image in. The caller holds the lock.
    pub fn begin(&self, id: &str) -> Result<Making, ImageError> {
        let path = self.folder.join(format!("{id}{MAKING}"));
        remove_folder(&path)?;
        std::fs::create_dir_all(&path).map_err(|e| file_error("create", &path, &e))?;
        Ok(Making { path })
    }

    /// Puts a made image on the shelf, in place of an older one. The caller holds the lock.
    pub fn publish(
        &self,
        making: Making,
        image: &ImageSpec,
        build_version: Option<u32>,
        sha256: Digest,
        work: &Work,
    ) -> Result<Record, ImageError> {
        let record = Record {
            id: image.id(),
            image: image.clone(),
            build_version,
            sha256,
            files: sizes(&making.path)?,
            made: Timestamp::now(),
            took: Vec::from_iter(work.took().into_iter().map(|(n, t)| (n, t.as_secs_f64()))),
        };
        let path = making.path.join(RECORD);
        let json = serde_json::to_vec_pretty(&record).expect("a record serialises");
        std::fs::write(&path, json).map_err(|e| file_error("write", &path, &e))?;
        let target = self.folder.join(&record.id);
        remove_folder(&target)?;
        std::fs::rename(&making.path, &target).map_err(|e| file_error("create", &target, &e))?;
        Ok(record)
    }

    /// Removes an image with everything that belongs to it; says whether there was any.
    pub fn remove(&self, id: &str) -> Result<bool, ImageError> {
        let folder = self.folder.join(id);
        let found = folder.join(RECORD).is_file();
        if found {
            // First it stops being complete, so that a crash leaves nothing that looks whole.
            let making = self.folder.join(format!("{id}{MAKING}"));
            remove_folder(&making)?;
            std::fs::rename(&folder, &making).map_err(|e| file_error("remove", &folder, &e))?;
            remove_folder(&making)?;
        }
        for file in self.part(id) {
            remove_file(&file)?;
        }
        Ok(found)
    }

    /// Where a download is collected, and the note about where it came from.
    pub fn part(&self, id: &str) -> [PathBuf; 2] {
        [".part", ".part.json"].map(|suffix| self.folder.join(format!("{id}{suffix}")))
    }

    /// The files of a complete image.
    pub fn files(&self, record: &Record) -> Result<ImageFiles, ImageError> {
        let folder = self.folder.join(&record.id);
        let kernel = match record.image.boot {
            Boot::Disk => None,
            Boot::Kernel => Some(KernelFiles {
                kernel: folder.join(KERNEL),
                initrd: folder.join(INITRD),
                cmdline: read_text(&folder.join(CMDLINE))?,
            }),
        };
        Ok(ImageFiles {
            disk: folder.join(DISK),
            kernel,
        })
    }

    fn read(&self, id: &str) -> Option<Record> {
        let folder = self.folder.join(id);
        let json = std::fs::read(folder.join(RECORD)).ok()?;
        let record: Record = serde_json::from_slice(&json).ok()?;
        (record.id == id && record.is_whole(&folder)).then_some(record)
    }

    fn names(&self) -> Result<Vec<String>, ImageError> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(file_error("list", &self.folder, &e)),
        };
        Ok(entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect())
    }
}

/// A folder under construction; removed when dropped before it was published.
pub(super) struct Making {
    path: PathBuf,
}

impl Making {
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        // The next `begin` or `sweep` removes what cannot be removed now, and reports it.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn create_lock(path: &Path) -> Result<File, ImageError> {
    let folder = path.parent().expect("a lock lies in a folder");
    std::fs::create_dir_all(folder).map_err(|e| file_error("create", folder, &e))?;
    File::create(path).map_err(|e| file_error("create", path, &e))
}

fn sizes(folder: &Path) -> Result<BTreeMap<String, u64>, ImageError> {
    let list = || -> std::io::Result<BTreeMap<String, u64>> {
        std::fs::read_dir(folder)?
            .map(|entry| {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                Ok((name, entry.metadata()?.len()))
            })
            .collect()
    };
    list().map_err(|e| file_error("list", folder, &e))
}

fn remove_folder(path: &Path) -> Result<(), ImageError> {
    missing_is_fine(std::fs::remove_dir_all(path)).map_err(|e| file_error("remove", path, &e))
}

pub(super) fn remove_file(path: &Path) -> Result<(), ImageError> {
    missing_is_fine(std::fs::remove_file(path)).map_err(|e| file_error("remove", path, &e))
}

fn missing_is_fine(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn read_text(path: &Path) -> Result<String, ImageError> {
    let text = std::fs::read_to_string(path).map_err(|e| file_error("read", path, &e))?;
    Ok(text.trim_end().to_owned())
}
