//! What a machine says on its serial console, for people.

/// What a person would see: without colours, cursor movements and other control characters.
#[must_use]
pub fn plain(bytes: &[u8]) -> String {
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
