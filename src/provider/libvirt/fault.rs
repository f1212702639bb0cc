//! What can go wrong inside a job on the connection, and what it means to a plan.
//!
//! Jobs speak [`Fault`]; [`Fault::explain`] turns it into the port's error. libvirt's errors are
//! told apart by their codes alone, never by their words.

use virt::error::{Error, ErrorDomain, ErrorNumber};

use super::xml::XmlError;
use crate::model::ProviderName;
use crate::port::ProviderError;

#[derive(Debug)]
pub enum Fault {
    /// libvirt's own words, to be told apart by their code.
    Libvirt(Error),
    /// The connection could not be opened: nothing was done.
    Closed(String),
    /// The connection broke, or the answer did not come in time: it may have been done.
    Lost(String),
    Refused(String),
    Full(String),
    Foreign(String),
    /// What the plan saw is not there any more.
    Moved(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Libvirt(error)
    }
}

impl From<XmlError> for Fault {
    fn from(error: XmlError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl Fault {
    /// Says it in the words and classes of the port; `doing` is in the imperative.
    #[must_use]
    pub fn explain(self, provider: &ProviderName, doing: &str) -> ProviderError {
        let (provider, doing) = (provider.clone(), doing.to_owned());
        match self {
            Self::Libvirt(error) => sort(&error).explain(&provider, &doing),
            Self::Closed(reason) => ProviderError::Unreachable { provider, reason },
            Self::Lost(reason) => ProviderError::Unanswered {
                provider,
                doing,
                reason,
            },
            Self::Refused(reason) => ProviderError::Refused {
                provider,
                doing,
                reason,
            },
            Self::Full(reason) => ProviderError::Full {
                provider,
                doing,
                reason,
            },
            Self::Foreign(what) => ProviderError::Foreign { provider, what },
            Self::Moved(what) => ProviderError::Moved { provider, what },
        }
    }
}

/// What libvirt's code means; the words go along for people.
fn sort(error: &Error) -> Fault {
    let words = error.message().to_owned();
    if error.domain().is(ErrorDomain::Rpc) {
        return Fault::Lost(words);
    }
    match error.code().unwrap_or(ErrorNumber::InternalError) {
        ErrorNumber::NoConnect | ErrorNumber::UnknownHost | ErrorNumber::InvalidConn => {
            Fault::Closed(words)
        }
        ErrorNumber::Rpc
        | ErrorNumber::OperationTimeout
        | ErrorNumber::OperationAborted
        | ErrorNumber::ResourceBusy
        | ErrorNumber::AgentUnresponsive => Fault::Lost(words),
        ErrorNumber::NoDomain
        | ErrorNumber::NoStoragePool
        | ErrorNumber::NoStorageVolume
        | ErrorNumber::NoNetwork
        | ErrorNumber::OperationInvalid => Fault::Moved(format!("what we asked for ({words})")),
        ErrorNumber::NoMemory => Fault::Full(words),
        _ => Fault::Refused(words),
    }
}

/// Turns "there is no such object" into `None`.
///
/// # Errors
/// Every other error.
pub fn found<T>(looked_up: Result<T, Error>) -> Result<Option<T>, Fault> {
    match looked_up {
        Ok(object) => Ok(Some(object)),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether libvirt says that the object is not there.
#[must_use]
pub fn is_absence(error: &Error) -> bool {
    [
        ErrorNumber::NoDomain,
        ErrorNumber::NoStoragePool,
        ErrorNumber::NoStorageVolume,
        ErrorNumber::NoNetwork,
    ]
    .iter()
    .any(|absent| error.code().is(*absent))
}
