//! What a program on a machine writes, cut into lines, and the end of it kept for messages.

use std::collections::VecDeque;

/// Lines of output that a message carries when a program fails.
const KEPT: usize = 25;

/// Cuts bytes into lines. A carriage return ends a line too: it is how progress is drawn.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Takes the next bytes and gives every line that is complete now.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' | b'\r' => lines.extend(self.flush()),
                _ => self.rest.push(*byte),
            }
        }
        lines
    }

    /// What was written after the last line end.
    pub fn flush(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.rest);
        (!line.is_empty()).then(|| String::from_utf8_lossy(&line).into_owned())
    }
}

/// The last lines of an output.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    lines: VecDeque<String>,
}

impl Tail {
    pub fn push(&mut self, line: &str) {
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
    }

    pub fn text(&self) -> String {
        let lines: Vec<&str> = self.lines.iter().map(String::as_str).collect();
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_whatever_the_packets() {
        let mut lines = Lines::default();
        assert!(lines.push("wör".as_bytes()).is_empty());
        assert_eq!(lines.push(b"ld\none\r\n\ntw"), ["wörld", "one"]);
        assert_eq!(lines.flush().as_deref(), Some("tw"));
        assert_eq!(lines.flush(), None);
    }

    #[test]
    fn a_character_that_is_split_between_packets_arrives() {
        let mut lines = Lines::default();
        let snow = "☃\n".as_bytes();
        assert!(lines.push(&snow[..1]).is_empty());
        assert_eq!(lines.push(&snow[1..]), ["☃"]);
    }

    #[test]
    fn the_tail_is_the_end() {
        let mut tail = Tail::default();
        for n in 0..100 {
            tail.push(&n.to_string());
        }
        let text = tail.text();
        assert_eq!(text.lines().count(), KEPT);
        assert!(text.ends_with("98\n99"));
    }
}
