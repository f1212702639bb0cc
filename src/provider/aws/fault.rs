//! What can go wrong on the way to EC2, and what it means to a plan. Pure.
//!
//! Actions speak [`Fault`]; [`Fault::explain`] turns it into the port's error. EC2's refusals are
//! told apart by their codes alone, never by their words.

use super::code::{
    is_absence, is_breakdown, is_of_another_state, is_throttling, next_move, no_room,
};
use crate::model::ProviderName;
use crate::port::ProviderError;

/// The same token came with other parameters before: something was made with it.
pub const MISMATCH: &str = "IdempotentParameterMismatch";

/// Follows with a blob that only an administrator can decode, and nobody wants to read.
const BLOB: &str = "Encoded authorization failure message";

#[derive(Debug)]
pub enum Fault {
    /// EC2 said no, for a reason that is known by its code.
    Answer(Answer),
    /// Nobody could be asked: nothing was done.
    Closed(String),
    /// The answer did not come or said nothing: it may have been done.
    Lost(String),
    Refused(String),
    Full(String),
    Foreign(String),
    /// What the plan saw is not there any more.
    Moved(String),
}

/// A refusal of EC2 in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub code: String,
    words: String,
}

impl Answer {
    #[must_use]
    pub fn new(code: &str, message: &str) -> Self {
        let (words, _) = message.split_once(BLOB).unwrap_or((message, ""));
        Self {
            code: code.to_owned(),
            words: words.trim().trim_end_matches('.').to_owned(),
        }
    }

    #[must_use]
    pub fn text(&self) -> String {
        match self.words.as_str() {
            "" => self.code.clone(),
            words => format!("{}: {words}", self.code),
        }
    }
}

impl Fault {
    /// Whether EC2 said no for one of these reasons.
    #[must_use]
    pub fn is(&self, codes: &[&str]) -> bool {
        match self {
            Self::Answer(answer) => codes.contains(&answer.code.as_str()),
            Self::Closed(_)
            | Self::Lost(_)
            | Self::Refused(_)
            | Self::Full(_)
            | Self::Foreign(_)
            | Self::Moved(_) => false,
        }
    }

    /// The same after something was begun: that nobody could be asked any more no longer says that
    /// nothing was done.
    #[must_use]
    pub fn once_begun(self) -> Self {
        match self {
            Self::Closed(reason) => Self::Lost(reason),
            other => other,
        }
    }

    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Answer(answer) => answer.text(),
            Self::Closed(words)
            | Self::Lost(words)
            | Self::Refused(words)
            | Self::Full(words)
            | Self::Foreign(words)
            | Self::Moved(words) => words,
        }
    }

    /// Says it in the words and classes of the port; `doing` is in the imperative.
    #[must_use]
    pub fn explain(self, provider: &ProviderName, doing: &str) -> ProviderError {
        let (provider, doing) = (provider.clone(), doing.to_owned());
        match self {
            Self::Answer(answer) => sort(&answer).explain(&provider, &doing),
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

/// What a code means, with the next move before EC2's own words.
#[must_use]
pub fn sort(answer: &Answer) -> Fault {
    let text = answer.text();
    if let Some(next) = no_room(&answer.code) {
        return Fault::Full(format!("{next} ({text})"));
    }
    if is_of_another_state(&answer.code) {
        return Fault::Moved(format!("what we asked for ({text})"));
    }
    if is_throttling(&answer.code) {
        return Fault::Closed(text);
    }
    if is_breakdown(&answer.code) || answer.code == MISMATCH {
        return Fault::Lost(text);
    }
    match next_move(&answer.code) {
        Some(next) => Fault::Refused(format!("{next} ({text})")),
        None => Fault::Refused(text),
    }
}

/// Turns "it is not there" into `None`.
///
/// # Errors
/// Every other error.
pub fn found<T>(asked: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match asked {
        Ok(thing) => Ok(Some(thing)),
        Err(Fault::Answer(answer)) if is_absence(&answer.code) => Ok(None),
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Class;

    fn explained(code: &str) -> ProviderError {
        let provider = ProviderName::parse("seoul").unwrap();
        Fault::Answer(Answer::new(code, "Some words.")).explain(&provider, "create a machine")
    }

    #[test]
    fn every_code_has_its_class_and_tells_whether_it_was_done() {
        let (transient, terminal, conflict) = (Class::Transient, Class::Terminal, Class::Conflict);
        let table = [
            ("InsufficientInstanceCapacity", Class::NoRoom, true),
            ("VcpuLimitExceeded", Class::NoRoom, true),
            ("SpotMaxPriceTooLow", Class::NoRoom, true),
            ("MaxSpotInstanceCountExceeded", Class::NoRoom, true),
            ("IncorrectSpotRequestState", Class::NoRoom, true),
            ("InstanceLimitExceeded", Class::NoRoom, true),
            ("VolumeLimitExceeded", Class::NoRoom, true),
            ("InsufficientFreeAddressesInSubnet", Class::NoRoom, true),
            ("RequestLimitExceeded", transient, true),
            ("Throttling", transient, true),
            ("InternalError", transient, false),
            ("Unavailable", transient, false),
            ("IdempotentParameterMismatch", transient, false),
            ("UnauthorizedOperation", terminal, true),
            ("AuthFailure", terminal, true),
            ("InvalidClientTokenId", terminal, true),
            ("RequestExpired", terminal, true),
            ("OptInRequired", terminal, true),
            ("InvalidAMIID.NotFound", terminal, true),
            ("InvalidAMIID.Unavailable", terminal, true),
            ("Unsupported", terminal, true),
            ("TagLimitExceeded", terminal, true),
            ("InvalidParameterValue", terminal, true),
            ("InvalidParameterCombination", terminal, true),
            ("SomethingNobodyHasHeardOf", terminal, true),
            ("InvalidInstanceID.NotFound", conflict, true),
            ("InvalidVolume.NotFound", conflict, true),
            ("IncorrectInstanceState", conflict, true),
            ("VolumeInUse", conflict, true),
        ];
        for (code, class, is_certain) in table {
            let error = explained(code);
            assert_eq!(
                (error.class(), error.is_certain()),
                (class, is_certain),
                "{error}"
            );
            assert!(error.to_string().contains(code), "{error}");
        }
    }

    #[test]
    fn no_capacity_and_no_quota_are_told_from_everything_else() {
        let full = [
            "InsufficientInstanceCapacity",
            "InsufficientHostCapacity",
            "InsufficientVolumeCapacity",
            "InsufficientFreeAddressesInSubnet",
            "ReservationCapacityExceeded",
            "UnfulfillableCapacity",
            "InstanceLimitExceeded",
            "VcpuLimitExceeded",
            "VolumeLimitExceeded",
            "MaxSpotInstanceCountExceeded",
            "SpotMaxPriceTooLow",
        ];
        for code in full {
            let error = explained(code);
            assert!(matches!(error, ProviderError::Full { .. }), "{error}");
        }
        for code in [
            "UnauthorizedOperation",
            "RequestLimitExceeded",
            "TagLimitExceeded",
            "Whatever",
        ] {
            let error = explained(code);
            assert!(!matches!(error, ProviderError::Full { .. }), "{error}");
        }
    }

    #[test]
    fn a_refusal_says_the_next_move_and_no_blob() {
        let message = "You are not authorized to perform this operation. Encoded authorization \
                       failure message: 4WnjVg-c2VjcmV0";
        let answer = Answer::new("UnauthorizedOperation", message);
        let error = Fault::Answer(answer).explain(&ProviderName::parse("seoul").unwrap(), "stop");
        assert_eq!(
            error.to_string(),
            "seoul cannot stop: the credentials may not do this; `deploy/aws-policy.json` is what \
             they need (UnauthorizedOperation: You are not authorized to perform this operation)"
        );
    }

    #[test]
    fn what_is_not_there_is_no_error_when_it_is_looked_for() {
        let asked = |code| found::<()>(Err(Fault::Answer(Answer::new(code, ""))));
        assert!(asked("InvalidInstanceID.NotFound").unwrap().is_none());
        assert!(asked("UnauthorizedOperation").is_err());
    }

    #[test]
    fn once_begun_nothing_is_certain_any_more() {
        let lost = Fault::Closed("connection refused".into()).once_begun();
        assert!(matches!(lost, Fault::Lost(_)));
    }
}
