//! What of a serial console is worth reading in an error.

/// So many lines show the last messages of a boot and still fit a terminal.
const LINES: usize = 20;

/// The last lines of a console, without the control sequences that would disturb a terminal.
#[must_use]
pub fn last_lines(text: &str) -> String {
    let plain = without_escapes(text);
    let lines: Vec<&str> = plain
        .lines()
        .map(str::trim_end)
        .filter(|l| !l.is_empty())
        .collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            if rest.next_if_eq(&'[').is_some() {
                // A control sequence ends with its first byte from `@` to `~`.
                while rest.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
            }
        } else if c == '\n' || c == '\t' || !c.is_control() {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_carriage_returns_are_left_out() {
        assert_eq!(
            last_lines("\u{1b}[0;1;31mFAILED\u{1b}[0m to start\r\n\r\nlogin: "),
            "FAILED to start\nlogin:"
        );
    }

    #[test]
    fn only_the_end_is_shown() {
        let text: Vec<String> = (0..50).map(|n| n.to_string()).collect();
        let end = last_lines(&text.join("\n"));
        assert_eq!(end.lines().count(), LINES);
        assert!(end.ends_with("49"));
    }
}
