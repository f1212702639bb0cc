//! Docker's own settings file, of which only the registries are ours.

use serde_json::{Map, Value, json};

use crate::model::RegistrySpec;

/// The file with our registries in it, or `None` when it is right as it is.
///
/// `ours` says that the registries in it were written by us: then they are removed when none are
/// declared; otherwise they may be the image's own and stay.
///
/// # Errors
/// What is wrong with the file, when it is not a JSON object.
pub(crate) fn merged(
    existing: &str,
    registries: &RegistrySpec,
    ours: bool,
) -> Result<Option<String>, String> {
    let before: Map<String, Value> = match existing.trim() {
        "" => Map::new(),
        text => serde_json::from_str(text).map_err(|e| e.to_string())?,
    };
    let mut after = before.clone();
    let RegistrySpec {
        mirrors,
        insecure,
        logins: _,
    } = registries;
    for (key, wanted) in [
        ("registry-mirrors", mirrors),
        ("insecure-registries", insecure),
    ] {
        if !wanted.is_empty() {
            after.insert(key.to_owned(), json!(wanted));
        } else if ours {
            after.remove(key);
        }
    }
    if after == before {
        return Ok(None);
    }
    let text = serde_json::to_string_pretty(&after).expect("a JSON object serialises");
    Ok(Some(text + "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registries(mirrors: &[&str]) -> RegistrySpec {
        RegistrySpec {
            mirrors: mirrors.iter().map(ToString::to_string).collect(),
            insecure: Vec::new(),
            logins: Vec::new(),
        }
    }

    #[test]
    fn settings_of_others_stay() {
        let text = merged(r#"{"debug": true}"#, &registries(&["http://m:5000"]), false)
            .unwrap()
            .unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            value,
            json!({"debug": true, "registry-mirrors": ["http://m:5000"]})
        );
        assert_eq!(
            merged(&text, &registries(&["http://m:5000"]), true),
            Ok(None)
        );
    }

    #[test]
    fn registries_go_when_they_were_ours_and_stay_when_not() {
        let existing = r#"{"registry-mirrors": ["http://m:5000"]}"#;
        assert_eq!(merged(existing, &registries(&[]), false), Ok(None));
        assert_eq!(
            merged(existing, &registries(&[]), true),
            Ok(Some("{}\n".to_owned()))
        );
        assert_eq!(merged("", &registries(&[]), false), Ok(None));
    }

    #[test]
    fn a_file_that_is_not_json_is_not_overwritten() {
        assert!(merged("{oops", &registries(&["http://m"]), false).is_err());
    }
}
