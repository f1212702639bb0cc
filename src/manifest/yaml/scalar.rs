//! What a plain scalar means: the core schema of YAML 1.2, as Compose reads it.

use super::node::Data;

/// The type that an unquoted text has by its looks.
///
/// A number with a leading zero stays text: half of the world reads it as octal.
pub(super) fn resolve(text: &str) -> Data {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Data::Null,
        "true" | "True" | "TRUE" => Data::Bool(true),
        "false" | "False" | "FALSE" => Data::Bool(false),
        _ => number(text).unwrap_or(Data::Text),
    }
}

fn number(text: &str) -> Option<Data> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(hex) = text.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok().map(Data::Integer);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return i64::from_str_radix(octal, 8).ok().map(Data::Integer);
    }
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        if digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        return Some(text.parse().map_or(Data::Float, Data::Integer));
    }
    is_float(digits).then_some(Data::Float)
}

/// `1.5`, `.5`, `1e3`, `.inf`, `.nan`.
fn is_float(digits: &str) -> bool {
    if matches!(digits, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let has_digit = digits.starts_with(|c: char| c.is_ascii_digit())
        || digits
            .strip_prefix('.')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let is_numeric = digits
        .bytes()
        .all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    has_digit && is_numeric && digits.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_have_the_type_that_compose_sees() {
        assert_eq!(resolve("16"), Data::Integer(16));
        assert_eq!(resolve("-3"), Data::Integer(-3));
        assert_eq!(resolve("0x10"), Data::Integer(16));
        assert_eq!(resolve("true"), Data::Bool(true));
        assert_eq!(resolve("~"), Data::Null);
        assert_eq!(resolve("1.10"), Data::Float);
        assert_eq!(resolve("99999999999999999999"), Data::Float);
        for text in [
            "yes",
            "on",
            "0123",
            "2GiB",
            "16-alpine",
            "2026-12-24",
            "1.2.3",
            "-",
            "e1",
        ] {
            assert_eq!(resolve(text), Data::Text, "{text}");
        }
    }
}
