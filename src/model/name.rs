//! Names that people write, made only by parsing.
//!
//! Every name ends up in host names, volume names and labels of providers, so one rule serves all:
//! a DNS label (RFC 1123) of at most 40 characters that starts with a letter.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest name in characters; leaves room for prefixes within the 63 of a DNS label.
pub const MAX_NAME: usize = 40;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a name must not be empty")]
    Empty,
    #[error("`{0}` is longer than {MAX_NAME} characters")]
    TooLong(String),
    #[error("`{0}` must start with a letter from a to z")]
    BadStart(String),
    #[error("`{name}` must not contain `{found}`; use a to z, 0 to 9 and `-`")]
    BadCharacter { name: String, found: char },
    #[error("`{0}` must not end with `-`")]
    BadEnd(String),
}

fn check(text: &str) -> Result<(), NameError> {
    let owned = || text.to_owned();
    let Some(first) = text.chars().next() else {
        return Err(NameError::Empty);
    };
    if text.chars().count() > MAX_NAME {
        return Err(NameError::TooLong(owned()));
    }
    if let Some(found) = text
        .chars()
        .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-'))
    {
        return Err(NameError::BadCharacter {
            name: owned(),
            found,
        });
    }
    if !first.is_ascii_lowercase() {
        return Err(NameError::BadStart(owned()));
    }
    if text.ends_with('-') {
        return Err(NameError::BadEnd(owned()));
    }
    Ok(())
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Makes the name, or says what is wrong with the text.
            ///
            /// # Errors
            /// [`NameError`] when the text is not a DNS label of at most 40 characters.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                check(text)?;
                Ok(Self(text.to_owned()))
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    )*};
}

names! {
    /// The name of an environment, unique in its repository.
    EnvName;
    /// The name of a template.
    TemplateName;
    /// The name of a machine image.
    ImageName;
    /// The name of a provider: a hypervisor host or a cloud account.
    ProviderName;
    /// The name of a project.
    ProjectName;
    /// The name of the repository that owns a live object; part of every stamp.
    OwnerName;
}

/// What the names of all warm machines begin with.
const OF_POOL: &str = "warm-";

impl EnvName {
    /// The name of a warm machine for environments of that template; they are numbered from 1.
    ///
    /// # Errors
    /// [`NameError`] when the name of the template leaves no room for it.
    pub fn of_pool(template: &TemplateName, number: u32) -> Result<Self, NameError> {
        Self::parse(&format!("{OF_POOL}{template}-{number}"))
    }

    /// Whether it is the name of a warm machine, which no file can give to an environment.
    #[must_use]
    pub fn is_of_pool(&self) -> bool {
        self.0.starts_with(OF_POOL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dns_label_is_a_name() {
        assert_eq!(EnvName::parse("shop-dev2").unwrap().as_str(), "shop-dev2");
    }

    #[test]
    fn each_mistake_has_its_words() {
        assert_eq!(EnvName::parse(""), Err(NameError::Empty));
        assert!(matches!(
            EnvName::parse("2fast"),
            Err(NameError::BadStart(_))
        ));
        assert!(matches!(EnvName::parse("a-"), Err(NameError::BadEnd(_))));
        assert!(matches!(
            EnvName::parse("Shop"),
            Err(NameError::BadCharacter { found: 'S', .. })
        ));
        assert!(matches!(
            EnvName::parse("a/../b"),
            Err(NameError::BadCharacter { found: '/', .. })
        ));
        assert!(matches!(
            EnvName::parse(&"a".repeat(41)),
            Err(NameError::TooLong(_))
        ));
    }
}
