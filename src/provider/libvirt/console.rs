//! The end of a machine's serial console.
//!
//! libvirt copies what the machine says into a volume of the pool, so it is read by an ordinary
//! download: over any connection, while the machine runs and after it has died.

use virt::connect::Connect;

use super::fault::Fault;
use super::{LibvirtConfig, machine, name, storage};
use crate::model::LiveId;
use crate::provider::console::plain;

/// Enough for the whole of a failed boot's last minute.
const END: u64 = 16 << 10;

/// The end of what the machine has said, or nothing when nobody has kept it.
pub fn end(conn: &Connect, config: &LibvirtConfig, id: &LiveId) -> Result<String, Fault> {
    let (_, mark) = machine::require(conn, id)?;
    let pool = storage::pool(conn, &config.pool)?;
    let name = name::console_volume(&mark.home, mark.slot);
    let volume = storage::find(&pool, &name)?;
    match volume {
        Some(volume) => Ok(plain(&storage::tail(conn, &volume, END)?)),
        None => Ok(String::new()),
    }
}
