//! Fingerprints of declared things.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A SHA-256 as 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut digits = [0; 64];
        hex::encode_to_slice(Sha256::digest(bytes), &mut digits).expect("a SHA-256 has 32 bytes");
        Self(String::from_utf8_lossy(&digits).into_owned())
    }

    /// The digest of a value, by its JSON form: struct fields in their order, maps sorted.
    ///
    /// **Assumptions.** The value holds no `HashMap`, whose order would differ between runs.
    #[must_use]
    pub fn of<T: Serialize>(value: &T) -> Self {
        let json = serde_json::to_vec(value).expect("model types serialise to JSON");
        Self::of_bytes(&json)
    }

    /// One digest of two halves that can later be compared on their own: the first 128 bits of
    /// each, enough to notice a change.
    #[must_use]
    pub fn of_halves(first: &Self, second: &Self) -> Self {
        Self(format!("{}{}", &first.0[..32], &second.0[..32]))
    }

    /// The halves of a digest made by [`Digest::of_halves`].
    #[must_use]
    pub fn halves(&self) -> (&str, &str) {
        self.0.split_at(32)
    }

    /// Takes 64 hexadecimal digits as a digest; `None` when the text is anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        is_hex.then(|| Self(text.to_ascii_lowercase()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, for names and for people.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}
