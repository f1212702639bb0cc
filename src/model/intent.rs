//! Notes of creations under way, so that nothing is made twice.
//!
//! A listing may lag behind what was just made, and a reply may be lost after the work was done.
//! So an attempt is written down, with its token, before it is made, and the note stays until the
//! object has been seen.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Key, LiveId, ProviderName, Timestamp};

/// What a provider uses to recognise a repeated creation; at most 64 ASCII characters (EC2's limit).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub String);

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What is known of a creation that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum IntentState {
    /// It may have worked: the reply was lost, or we died. To be retried with the same token.
    Ambiguous,
    /// The provider said that it worked. To be waited for until an inventory shows it, or until
    /// so many complete inventories have not shown it that it must be gone.
    Confirmed { id: LiveId, inventories: u32 },
}

/// A creation that was begun and not yet seen in an inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    pub token: Token,
    pub key: Key,
    pub provider: ProviderName,
    pub since: Timestamp,
    #[serde(flatten)]
    pub state: IntentState,
}
