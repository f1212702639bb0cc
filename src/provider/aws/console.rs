//! The end of a machine's serial console, as EC2 keeps it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::answer::look;
use super::fault::Fault;
use super::link::Link;
use super::machine;
use crate::model::LiveId;

/// Enough for the whole of a failed boot's last minute.
const END: usize = 16 << 10;

/// The end of what the machine has said, or nothing when nobody has kept it.
pub async fn end(link: &Link, id: &LiveId) -> Result<String, Fault> {
    machine::require(link, id).await?;
    let asked = link
        .ec2
        .get_console_output()
        .instance_id(&id.0)
        .latest(true);
    let answer = asked.send().await.map_err(look)?;
    let said = STANDARD.decode(answer.output().unwrap_or_default());
    // What cannot be read is as good as nothing, for people who look for a reason.
    let said = said.unwrap_or_default();
    let end = &said[said.len().saturating_sub(END)..];
    Ok(plain(end))
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
