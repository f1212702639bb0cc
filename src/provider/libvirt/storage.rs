//! Volumes of the pool, by libvirt's calls and streams alone: no file of the host is ever opened,
//! so everything here works over a remote connection.

use std::io::Read;

use virt::connect::Connect;
use virt::storage_pool::StoragePool;
use virt::storage_vol::StorageVol;
use virt::stream::Stream;
use virt::sys;

use super::PoolConfig;
use super::fault::{Fault, found};
use super::xml::Node;
use crate::model::Timestamp;

pub const MIB: u64 = 1 << 20;

/// A qcow2 file without data needs no more than this for its tables, up to some TiB.
const TABLES: u64 = MIB;

/// One piece of a stream. libvirt cuts it into messages of its own.
const PIECE: usize = 1 << 20;

/// A volume as libvirt describes it.
#[derive(Debug, PartialEq, Eq)]
pub struct Described {
    /// Bytes as the guest sees them.
    pub capacity: u64,
    /// Such as `qcow2`.
    pub format: Option<String>,
    /// Where the file system keeps it and libvirt tells it.
    pub made: Option<Timestamp>,
}

impl Described {
    #[must_use]
    pub fn of(volume: &Node) -> Self {
        let capacity = volume.at("capacity");
        let format = volume.at("target/format");
        let born = volume.at("target/timestamps/btime");
        let seconds = born.and_then(|time| time.content().split('.').next()?.parse().ok());
        // One that is not known is written as the beginning of time.
        let seconds = seconds.filter(|seconds: &i64| *seconds > 0);
        Self {
            capacity: capacity.map_or(0, |bytes| bytes.content().parse().unwrap_or(0)),
            format: format.and_then(|f| f.attribute("type")).map(str::to_owned),
            made: seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()),
        }
    }
}

/// A volume to be made.
pub struct NewVolume<'a> {
    pub name: &'a str,
    pub format: Format<'a>,
    /// Bytes as the guest sees them.
    pub capacity: u64,
}

pub enum Format<'a> {
    Raw,
    Qcow2,
    /// A linked clone of the qcow2 volume at this path.
    Overlay {
        base: &'a str,
    },
}

/// The pool, which must be there and active.
///
/// # Errors
/// [`Fault::Moved`] when it is not.
pub fn pool(conn: &Connect, config: &PoolConfig) -> Result<StoragePool, Fault> {
    let missing = || Fault::Moved(format!("the storage pool `{}`", config.name));
    let pool = found(conn.lookup_storage_pool_by_name(&config.name))?.ok_or_else(missing)?;
    if pool.is_active()? {
        Ok(pool)
    } else {
        Err(missing())
    }
}

pub fn find(pool: &StoragePool, name: &str) -> Result<Option<StorageVol>, Fault> {
    found(pool.lookup_storage_vol_by_name(name))
}

/// Makes a volume; it must not exist.
pub fn create(pool: &StoragePool, new: &NewVolume<'_>) -> Result<StorageVol, Fault> {
    let made = StorageVol::create_xml(pool, &new.to_xml().to_string(), 0);
    made.map_err(|error| explain_room(pool, TABLES, error.into()))
}

/// Makes a volume with what another one contains; it must not exist.
pub fn create_copy(
    pool: &StoragePool,
    new: &NewVolume<'_>,
    from: &StorageVol,
) -> Result<StorageVol, Fault> {
    let xml = new.to_xml().to_string();
    let made = StorageVol::create_xml_from(pool, &xml, from, 0);
    let size = physical(from).unwrap_or(TABLES);
    made.map_err(|error| explain_room(pool, size, error.into()))
}

/// Makes a volume in place of what an interrupted attempt left under its name.
pub fn create_anew(pool: &StoragePool, new: &NewVolume<'_>) -> Result<StorageVol, Fault> {
    delete(pool, new.name)?;
    create(pool, new)
}

/// Deletes a volume if it is there.
pub fn delete(pool: &StoragePool, name: &str) -> Result<(), Fault> {
    match find(pool, name)? {
        Some(volume) => Ok(volume.delete(0)?),
        None => Ok(()),
    }
}

/// Bytes of the file that a volume is.
pub fn physical(volume: &StorageVol) -> Result<u64, Fault> {
    Ok(volume
        .info_flags(sys::VIR_STORAGE_VOL_GET_PHYSICAL)?
        .allocation)
}

/// Makes a small volume with these bytes, in place of whatever has its name.
pub fn put(
    conn: &Connect,
    pool: &StoragePool,
    name: &str,
    bytes: &[u8],
) -> Result<StorageVol, Fault> {
    let new = NewVolume {
        name,
        format: Format::Raw,
        capacity: bytes.len() as u64,
    };
    let volume = create_anew(pool, &new)?;
    upload(conn, pool, &volume, bytes, bytes.len() as u64, |_| {})?;
    Ok(volume)
}

/// Fills a volume from its beginning; `on_progress` gets the bytes sent so far.
///
/// # Errors
/// [`Fault::Full`] when the pool has no room for what is left.
pub fn upload(
    conn: &Connect,
    pool: &StoragePool,
    volume: &StorageVol,
    mut from: impl Read,
    length: u64,
    mut on_progress: impl FnMut(u64),
) -> Result<(), Fault> {
    let flow = Flow::open(conn, |stream| volume.upload(stream, 0, length, 0))?;
    let mut sent = 0;
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece);
        let read = read.map_err(|e| Fault::Refused(format!("the file cannot be read: {e}")))?;
        if read == 0 {
            break;
        }
        flow.send(&piece[..read])
            .map_err(|fault| explain_room(pool, length.saturating_sub(sent), fault))?;
        sent += read as u64;
        on_progress(sent);
    }
    flow.finish()
        .map_err(|fault| explain_room(pool, TABLES, fault))
}

/// The last `limit` bytes of a raw volume that may be growing.
pub fn tail(conn: &Connect, volume: &StorageVol, limit: u64) -> Result<Vec<u8>, Fault> {
    let size = volume.info()?.capacity;
    let length = size.min(limit);
    if length == 0 {
        return Ok(Vec::new());
    }
    let flow = Flow::open(conn, |stream| {
        volume.download(stream, size - length, length, 0)
    })?;
    let mut bytes = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        let read = flow.receive(&mut piece)?;
        if read == 0 {
            break;
        }
        bytes.extend_from_slice(&piece[..read]);
    }
    flow.finish()?;
    Ok(bytes)
}

/// Refuses what would not fit, before the first byte is sent.
///
/// # Errors
/// [`Fault::Full`] with the numbers.
pub fn require_room(pool: &StoragePool, needed: u64) -> Result<(), Fault> {
    // What the pool says of itself is only as fresh as its last look; while something else is
    // being made in it, it does not look, and what it said before has to do.
    let _ = pool.refresh(0);
    let free = pool.info()?.available;
    if free >= needed {
        return Ok(());
    }
    let name = pool.name()?;
    Err(Fault::Full(format!(
        "{} MiB are needed and the storage pool `{name}` has {} MiB free; make room on its file system",
        needed.div_ceil(MIB),
        free / MIB
    )))
}

/// libvirt has no code for a full disk, but the pool knows: if what was needed does not fit, that
/// is why it failed.
fn explain_room(pool: &StoragePool, needed: u64, fault: Fault) -> Fault {
    match require_room(pool, needed) {
        Err(full @ Fault::Full(_)) => full,
        _ => fault,
    }
}

impl NewVolume<'_> {
    fn to_xml(&self) -> Node {
        let bytes = |name, amount| Node::new(name).with("unit", "bytes").text(amount);
        let format = |name| Node::new("format").with("type", name);
        let volume = Node::new("volume")
            .child(Node::new("name").text(self.name))
            .child(bytes("capacity", self.capacity))
            .child(bytes("allocation", 0));
        let target = |name| Node::new("target").child(format(name));
        match self.format {
            Format::Raw => volume.child(target("raw")),
            Format::Qcow2 => volume.child(target("qcow2")),
            Format::Overlay { base } => volume.child(target("qcow2")).child(
                Node::new("backingStore")
                    .child(Node::new("path").text(base))
                    .child(format("qcow2")),
            ),
        }
    }
}

/// A stream that is aborted unless it was finished, so that the daemon is not left waiting.
struct Flow(Option<Stream>);

impl Flow {
    fn open(
        conn: &Connect,
        begin: impl FnOnce(&Stream) -> Result<(), virt::error::Error>,
    ) -> Result<Self, Fault> {
        let stream = Stream::new(conn, 0)?;
        begin(&stream)?;
        Ok(Self(Some(stream)))
    }

    fn stream(&self) -> &Stream {
        self.0
            .as_ref()
            .expect("only `finish` takes it, and ends us")
    }

    fn send(&self, mut bytes: &[u8]) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let sent = self.stream().send(bytes)?;
            bytes = &bytes[usize::try_from(sent).unwrap_or(0)..];
        }
        Ok(())
    }

    fn receive(&self, piece: &mut [u8]) -> Result<usize, Fault> {
        Ok(usize::try_from(self.stream().recv(piece)?).unwrap_or(0))
    }

    fn finish(mut self) -> Result<(), Fault> {
        match self.0.take() {
            Some(stream) => Ok(stream.finish()?),
            None => Ok(()),
        }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        if let Some(stream) = self.0.take() {
            // There is nobody left to tell; the daemon drops it with the connection at the latest.
            let _ = stream.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(times: &str) -> Described {
        let xml = format!(
            "<volume type='file'><name>a</name><capacity unit='bytes'>3145728</capacity><target>\
             <format type='qcow2'/><timestamps><mtime>1764000001.5</mtime>{times}</timestamps>\
             </target></volume>"
        );
        Described::of(&Node::parse(&xml).unwrap())
    }

    #[test]
    fn a_volume_is_as_old_as_libvirt_says_and_of_no_age_where_it_does_not() {
        let told = described("<btime>1764000000.123456789</btime>");
        assert_eq!(
            (told.capacity, told.format.as_deref()),
            (3 * MIB, Some("qcow2"))
        );
        assert_eq!(told.made, Timestamp::from_second(1_764_000_000).ok());
        // When it was last written is not when it was made.
        assert_eq!(described("").made, None);
        assert_eq!(described("<btime>0</btime>").made, None);
    }
}
