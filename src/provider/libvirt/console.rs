//! The end of a machine's serial console.
//!
//! libvirt copies what the machine says into a volume of the pool, so it is read by an ordinary
//! download: over any connection, while the machine runs and after it has died.

use virt::connect::Connect;

use super::fault::Fault;
use super::{LibvirtConfig, machine, name, storage};
use crate::model::LiveId;

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

/// What a person would see: without colours, cursor movements and other control characters.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' => skip_sequence(&mut rest),
            '\n' | '\t' => plain.push(character),
            _ if character.is_control() => {}
            _ => plain.push(character),
        }
    }
    plain
}

/// Skips the rest of an escape sequence: `[`, parameters, and one letter that ends it.
fn skip_sequence(rest: &mut std::str::Chars<'_>) {
    if rest.next() == Some('[') {
        rest.find(|c| c.is_ascii_alphabetic());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_carriage_returns_are_not_for_people() {
        let raw = b"\x1b[0;32m  OK  \x1b[0m] Started\r\n\x1bclogin:\xff";
        assert_eq!(plain(raw), "  OK  ] Started\nlogin:\u{fffd}");
    }
}
