//! The key by which machines know Metrom, and how keys are made.
//!
//! One file in the state folder, made at first need. It is never replaced: machines that were made
//! with its public part would not let us in any more.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::TryRngCore as _;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;

/// Metrom's own key pair.
#[derive(Clone)]
pub struct Identity {
    key: Arc<PrivateKey>,
    public: String,
}

/// The identity cannot be read or made.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot {doing} the identity {path}: {reason}")]
pub struct IdentityError {
    doing: &'static str,
    path: PathBuf,
    reason: String,
}

impl Identity {
    /// A pair that is kept nowhere.
    ///
    /// # Errors
    /// The reason, when the system gives no randomness.
    pub fn fresh() -> Result<Self, String> {
        Self::of(ed25519("metrom")?)
    }

    /// The pair of a private key in OpenSSH's form.
    ///
    /// # Errors
    /// Why it is none, without a word of what was given.
    pub fn read(pem: &[u8]) -> Result<Self, String> {
        Self::of(PrivateKey::from_openssh(pem).map_err(text)?)
    }

    fn of(key: PrivateKey) -> Result<Self, String> {
        let public = key.public_key().to_openssh().map_err(text)?;
        Ok(Self {
            key: Arc::new(key),
            public,
        })
    }

    /// The public part in OpenSSH's one-line form.
    #[must_use]
    pub fn public(&self) -> &str {
        &self.public
    }

    pub(crate) fn private(&self) -> Arc<PrivateKey> {
        Arc::clone(&self.key)
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.public)
    }
}

/// Reads the identity, or makes it when there is none.
///
/// **Guarantees.** The file is complete or absent at any instant and readable by its owner only;
/// two processes that start at once end with the same key.
///
/// # Errors
/// [`IdentityError`] when the file is there and is no key, or cannot be written.
pub fn load_or_create(path: &Path) -> Result<Identity, IdentityError> {
    let failed = |doing, reason| IdentityError {
        doing,
        path: path.to_owned(),
        reason,
    };
    if !path.exists() {
        create(path).map_err(|reason| failed("make", reason))?;
    }
    let pem = std::fs::read(path).map_err(|e| failed("read", text(e)))?;
    Identity::read(&pem).map_err(|reason| failed("read", reason))
}

fn create(path: &Path) -> Result<(), String> {
    let pem = ed25519("metrom")?
        .to_openssh(LineEnding::LF)
        .map_err(text)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    if !folder.as_os_str().is_empty() {
        let mut private = std::fs::DirBuilder::new();
        private.recursive(true).mode(0o700);
        private.create(folder).map_err(text)?;
    }
    let draft = path.with_extension(format!("{}.part", std::process::id()));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .map_err(text)?;
    file.write_all(pem.as_bytes()).map_err(text)?;
    file.sync_all().map_err(text)?;
    // A link, not a rename: it does not replace the key of a process that was faster.
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft).map_err(text)?;
    match linked {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(text(e)),
        _ => Ok(()),
    }
}

/// A new ed25519 pair from the system's randomness.
///
/// # Errors
/// The reason, when the system gives none.
pub(crate) fn ed25519(comment: &str) -> Result<PrivateKey, String> {
    let mut seed = [0_u8; 32];
    rand::rngs::OsRng.try_fill_bytes(&mut seed).map_err(text)?;
    let mut key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
    key.set_comment(comment);
    Ok(key)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_identity_is_made_once_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/identity");
        let made = load_or_create(&path).unwrap();
        let again = load_or_create(&path).unwrap();
        assert_eq!(made.public(), again.public());
        assert!(made.public().starts_with("ssh-ed25519 "));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let files = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(files, 1, "no draft stays behind");
    }

    #[test]
    fn a_file_that_is_no_key_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity");
        std::fs::write(&path, "not a key").unwrap();
        let error = load_or_create(&path).unwrap_err().to_string();
        assert!(error.contains("identity"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"not a key");
    }

    #[test]
    fn the_private_part_does_not_print() {
        let identity = Identity::fresh().unwrap();
        assert_eq!(
            format!("{identity:?}"),
            format!("Identity({})", identity.public())
        );
    }
}
