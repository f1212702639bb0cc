//! Base images: uploaded once, cloned by every machine.
//!
//! An image is several volumes; the marker is made last, so a machine is only ever cloned from an
//! image that is there completely. Killed in between, the next attempt finds no marker and begins
//! anew.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use virt::connect::Connect;
use virt::error::ErrorNumber;
use virt::storage_pool::StoragePool;
use virt::storage_vol::StorageVol;

use super::PoolConfig;
use super::domain::Kernel;
use super::fault::Fault;
use super::link::Progress;
use super::name::ImageVolumes;
use super::storage::{self, Format, MIB, NewVolume};
use crate::model::{Boot, ImageSpec};
use crate::port::ImageFiles;

/// The kernel's command line is one short line.
const MAX_CMDLINE: u64 = 16 << 10;

/// Uploads the image unless it is there; tells the bytes of the disk sent so far.
///
/// # Errors
/// [`Fault::Lost`] while another process uploads the same image: it is to be tried again.
pub fn provide(
    conn: &Connect,
    config: &PoolConfig,
    id: &str,
    files: &ImageFiles,
    progress: &Progress,
) -> Result<(), Fault> {
    let pool = storage::pool(conn, config)?;
    let names = ImageVolumes(id);
    if storage::find(&pool, &names.complete())?.is_some()
        && storage::find(&pool, &names.disk())?.is_some()
    {
        return Ok(());
    }
    let (disk, size) = open(&files.disk)?;
    storage::require_room(&pool, size)?;
    let volume = claim(&pool, &names)?;
    storage::upload(conn, &pool, &volume, disk, size, |sent| progress.tell(sent))?;
    if let Some(kernel) = &files.kernel {
        send_file(conn, &pool, &names.kernel(), &kernel.kernel)?;
        send_file(conn, &pool, &names.initrd(), &kernel.initrd)?;
        storage::put(conn, &pool, &names.cmdline(), kernel.cmdline.as_bytes())?;
    }
    // Another process that took us for dead has a file of its own under this name.
    if storage::physical(&volume)? < size {
        return Err(busy());
    }
    storage::put(conn, &pool, &names.complete(), b"complete\n")?;
    Ok(())
}

/// Makes the disk's volume, which libvirt lets only one do at a time.
fn claim(pool: &StoragePool, names: &ImageVolumes<'_>) -> Result<StorageVol, Fault> {
    let name = names.disk();
    if let Some(remains) = storage::find(pool, &name)? {
        if is_growing(&remains)? {
            return Err(busy());
        }
        remains.delete(0)?;
    }
    // Somebody deleted the disk of a complete image: it is not complete any more.
    storage::delete(pool, &names.complete())?;
    let new = NewVolume {
        name: &name,
        format: Format::Qcow2,
        // Its true size comes with the first bytes of the file.
        capacity: MIB,
    };
    match storage::create(pool, &new) {
        Err(Fault::Libvirt(error)) if error.code().is(ErrorNumber::StorageVolExist) => Err(busy()),
        made => made,
    }
}

fn busy() -> Fault {
    Fault::Lost("another process is uploading this image".to_owned())
}

/// An upload that adds nothing for so long is taken for dead.
const SILENCE: Duration = Duration::from_secs(5);

/// Whether somebody is writing the volume right now.
fn is_growing(volume: &StorageVol) -> Result<bool, Fault> {
    let (started, size) = (Instant::now(), storage::physical(volume)?);
    while started.elapsed() < SILENCE {
        std::thread::sleep(SILENCE / 20);
        if storage::physical(volume)? != size {
            return Ok(true);
        }
    }
    Ok(false)
}

fn send_file(conn: &Connect, pool: &StoragePool, name: &str, path: &Path) -> Result<(), Fault> {
    let (file, size) = open(path)?;
    let new = NewVolume {
        name,
        format: Format::Raw,
        capacity: size,
    };
    storage::require_room(pool, size)?;
    let volume = storage::create_anew(pool, &new)?;
    storage::upload(conn, pool, &volume, file, size, |_| {})
}

fn open(path: &Path) -> Result<(File, u64), Fault> {
    let failed = |e| Fault::Refused(format!("{} cannot be read: {e}", path.display()));
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    Ok((file, size))
}

/// A complete image, as a machine needs it.
#[derive(Debug, Clone)]
pub struct Base {
    /// Path of the disk on the host.
    pub disk: String,
    /// Bytes as the guest sees them.
    pub capacity: u64,
    pub kernel: Option<Kernel>,
}

/// Finds a complete image.
///
/// # Errors
/// [`Fault::Moved`] when it is not there any more.
pub fn base(conn: &Connect, pool: &StoragePool, image: &ImageSpec) -> Result<Base, Fault> {
    let id = image.id();
    let names = ImageVolumes(&id);
    let part = |name: String| {
        storage::find(pool, &name)?.ok_or_else(|| Fault::Moved(format!("the image {}", image.name)))
    };
    part(names.complete())?;
    let disk = part(names.disk())?;
    let kernel = match image.boot {
        Boot::Disk => None,
        Boot::Kernel => {
            let cmdline = storage::tail(conn, &part(names.cmdline())?, MAX_CMDLINE)?;
            Some(Kernel {
                kernel: part(names.kernel())?.path()?,
                initrd: part(names.initrd())?.path()?,
                cmdline: String::from_utf8_lossy(&cmdline).trim().to_owned(),
            })
        }
    };
    Ok(Base {
        disk: disk.path()?,
        capacity: disk.info()?.capacity,
        kernel,
    })
}
