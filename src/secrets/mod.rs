//! Secrets from the environment of the process and from files.
//!
//! They are read when they are needed and kept by nobody, so that a changed one is used at once. A
//! value leaves here as a [`SecretString`] alone, and no error ever holds one.

use std::path::Path;

use secrecy::SecretString;

use crate::model::SecretRef;
use crate::port::{SecretError, Secrets};

/// The largest file that is taken for a secret; a key or a token is far smaller.
const FILE_BYTES: u64 = 1 << 20;

/// Looks secrets up where `fromEnv` and `fromFile` say.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalSecrets;

impl Secrets for LocalSecrets {
    fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        match reference {
            SecretRef::Env(name) => from_env(name),
            SecretRef::File(path) => from_file(path).map_err(|reason| SecretError::Unreadable {
                path: path.display().to_string(),
                reason,
            }),
        }
    }
}

/// A variable that is not UTF-8 counts as unset: its error would carry the value.
fn from_env(name: &str) -> Result<SecretString, SecretError> {
    let is_name = !name.is_empty() && !name.contains(['=', '\0']);
    is_name
        .then(|| std::env::var(name).ok())
        .flatten()
        .map(SecretString::from)
        .ok_or_else(|| SecretError::Unset(name.to_owned()))
}

fn from_file(path: &Path) -> Result<SecretString, String> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    let mut limited = file.take(FILE_BYTES + 1);
    limited.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > FILE_BYTES {
        return Err(
            "it is larger than 1 MiB; name the file that holds the secret alone".to_owned(),
        );
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(SecretString::from(line.strip_suffix('\r').unwrap_or(line)))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn file_with(bytes: &[u8]) -> (SecretRef, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, bytes).unwrap();
        (SecretRef::File(path), folder)
    }

    #[test]
    fn a_file_is_a_secret_without_its_last_newline() {
        for (bytes, value) in [
            (&b"s3cret"[..], "s3cret"),
            (b"s3cret\n", "s3cret"),
            (b"s3cret\r\n", "s3cret"),
            (b" two\nlines \n\n", " two\nlines \n"),
            (b"", ""),
        ] {
            let (reference, _folder) = file_with(bytes);
            let secret = LocalSecrets.resolve(&reference).unwrap();
            assert_eq!(secret.expose_secret(), value);
        }
    }

    #[test]
    fn a_variable_of_the_process_is_a_secret() {
        let secret = LocalSecrets
            .resolve(&SecretRef::Env("PATH".to_owned()))
            .unwrap();
        assert_eq!(secret.expose_secret(), std::env::var("PATH").unwrap());
    }

    #[test]
    fn what_is_missing_is_named_with_the_next_move() {
        for name in ["METROM_TEST_UNSET", "", "A=B", "A\0B"] {
            let error = LocalSecrets
                .resolve(&SecretRef::Env(name.to_owned()))
                .unwrap_err();
            assert!(
                matches!(error, SecretError::Unset(ref unset) if unset == name),
                "{error}"
            );
        }
        let missing = SecretRef::File("/nowhere/secret".into());
        let error = LocalSecrets.resolve(&missing).unwrap_err().to_string();
        assert!(error.contains("/nowhere/secret"), "{error}");
    }

    #[test]
    fn a_value_is_in_no_text_that_anybody_prints() {
        let (reference, _folder) = file_with(b"hunter2");
        let secret = LocalSecrets.resolve(&reference);
        assert!(!format!("{secret:?} {reference:?}").contains("hunter2"));

        for bytes in [&b"hunter2\xff"[..], &b"hunter2".repeat(200_000)] {
            let (reference, _folder) = file_with(bytes);
            let error = LocalSecrets.resolve(&reference).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
