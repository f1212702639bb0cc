//! The `.env` file that brings values to compose byte for byte.
//!
//! Every value stands in double quotes, where compose first replaces backslash sequences and then
//! variables. So exactly the characters that mean something there are written as sequences; what
//! compose reads back is the value, whatever is in it. (In single quotes a value could not contain
//! its own quote; without quotes no `#`, no space at the end, no line end.)

/// A value that no environment variable can hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DotenvError {
    #[error("the value of `{0}` contains a NUL character, which no environment variable can hold")]
    Nul(String),
    #[error("`{0}` cannot be the name of a variable; use letters, digits and `_`")]
    Name(String),
}

/// One line for `.env`.
///
/// # Errors
/// [`DotenvError`] for what cannot be written so that it is read back.
pub(crate) fn line(name: &str, value: &str) -> Result<String, DotenvError> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.chars().all(is_word) {
        return Err(DotenvError::Name(name.to_owned()));
    }
    if value.contains('\0') {
        return Err(DotenvError::Nul(name.to_owned()));
    }
    let mut line = format!("{name}=\"");
    for c in value.chars() {
        match c {
            '\\' => line.push_str(r"\\"),
            '"' => line.push_str("\\\""),
            '$' => line.push_str(r"\$"),
            '\n' => line.push_str(r"\n"),
            '\r' => line.push_str(r"\r"),
            other => line.push(other),
        }
    }
    line.push_str("\"\n");
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_quotes_is_written_as_a_sequence() {
        let written = line("A", "a\"b\\c$d\ne\r").unwrap();
        assert_eq!(written, "A=\"a\\\"b\\\\c\\$d\\ne\\r\"\n");
        assert_eq!(line("B", "it's # fine ").unwrap(), "B=\"it's # fine \"\n");
    }

    #[test]
    fn what_cannot_be_a_variable_is_refused() {
        assert_eq!(line("A", "a\0b"), Err(DotenvError::Nul("A".to_owned())));
        for name in ["", "1A", "A B", "A=B", "ÄB", "A\nB"] {
            assert_eq!(line(name, "x"), Err(DotenvError::Name(name.to_owned())));
        }
    }
}
