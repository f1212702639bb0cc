//! The lines of an iCalendar file: `NAME;parameters:value`, folded where they are long.

use super::error::shown;
use super::{HolidaysError, Problem};

/// One line of content, unfolded.
#[derive(Debug)]
pub(super) struct ContentLine {
    /// Where it begins in the file, counted from 1.
    pub number: usize,
    /// In capitals.
    pub name: String,
    /// All that stands between name and value.
    pub parameters: String,
    pub value: String,
}

/// The lines of a file. A line that begins with a blank goes on with the one before; empty lines
/// are of no matter.
pub(super) fn content_lines(text: &str) -> Result<Vec<ContentLine>, HolidaysError> {
    let mut unfolded: Vec<(usize, String)> = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        match (line.strip_prefix([' ', '\t']), unfolded.last_mut()) {
            (Some(rest), Some((_, before))) => before.push_str(rest),
            _ if line.trim().is_empty() => {}
            _ => unfolded.push((number, line.to_owned())),
        }
    }
    let lines = unfolded.into_iter().map(|(number, line)| {
        parse(number, &line).ok_or_else(|| Problem::NotALine(shown(&line)).at(number))
    });
    lines.collect()
}

fn parse(number: usize, line: &str) -> Option<ContentLine> {
    let (head, value) = split_value(line)?;
    let (name, parameters) = head.split_once(';').unwrap_or((head, ""));
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (!name.is_empty() && name.chars().all(is_name)).then(|| ContentLine {
        number,
        name: name.to_ascii_uppercase(),
        parameters: parameters.to_ascii_uppercase(),
        value: value.trim().to_owned(),
    })
}

/// The value begins behind the first colon that does not stand in quotes.
fn split_value(line: &str) -> Option<(&str, &str)> {
    let mut is_quoted = false;
    let colon = line.find(|c| {
        is_quoted ^= c == '"';
        c == ':' && !is_quoted
    })?;
    Some((&line[..colon], &line[colon + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_put_together_and_keep_their_number() {
        let lines = content_lines("A:1\r\n\r\nSUMM\r\n ARY:a b\r\n\t c\r\nB:2\r\n").unwrap();
        let told: Vec<_> = lines
            .iter()
            .map(|line| (line.number, line.name.as_str(), line.value.as_str()))
            .collect();
        assert_eq!(
            told,
            [(1, "A", "1"), (3, "SUMMARY", "a b c"), (6, "B", "2")]
        );
    }

    #[test]
    fn a_colon_in_quotes_belongs_to_a_parameter() {
        let lines = content_lines("x-a;altrep=\"http://x;y\";v=1:2:3").unwrap();
        assert_eq!(lines[0].name, "X-A");
        assert_eq!(lines[0].parameters, "ALTREP=\"HTTP://X;Y\";V=1");
        assert_eq!(lines[0].value, "2:3");
    }

    #[test]
    fn what_is_no_line_is_told_where_it_stands() {
        for (text, line) in [("A:1\nno colon", 2), (":1", 1), ("A B:1", 1), (" A", 1)] {
            assert_eq!(content_lines(text).unwrap_err().line, line, "{text}");
        }
    }
}
