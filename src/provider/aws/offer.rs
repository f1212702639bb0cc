//! In which ways a machine can be had: of which type, and out of which market. Pure.
//!
//! Every type of just the declared size makes the same machine. Spot comes first where it is wanted,
//! of every type, and what is on demand only after that. Each offer has a client token of its own: EC2
//! refuses a token that comes again with other parameters.

use super::code::{is_capacity, no_room};
use super::fault::Fault;
use crate::model::{Digest, Market, Token};

/// One way to have a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer<'a> {
    /// The instance type.
    pub kind: &'a str,
    pub is_spot: bool,
}

/// The ways to have a machine of these types, in the order in which they are tried.
#[must_use]
pub fn offers<'a>(kinds: &[&'a str], market: Market) -> Vec<Offer<'a>> {
    let all = |is_spot| kinds.iter().map(move |kind| Offer { kind, is_spot });
    match market {
        Market::OnDemand => all(false).collect(),
        Market::Spot => all(true).chain(all(false)).collect(),
        Market::SpotOnly => all(true).collect(),
    }
}

impl Offer<'_> {
    /// Whether another offer may be had where this one certainly was not. A quota for spot is none for
    /// what is on demand.
    #[must_use]
    pub fn is_exhausted(&self, fault: &Fault) -> bool {
        let Fault::Answer(answer) = fault else {
            return false;
        };
        is_capacity(&answer.code) || (self.is_spot && no_room(&answer.code).is_some())
    }

    /// As people know it.
    #[must_use]
    pub fn name(&self) -> String {
        match self.is_spot {
            true => format!("{} on spot", self.kind),
            false => self.kind.to_owned(),
        }
    }
}

/// The token of an offer, by its place among them: that of the first is the attempt's own.
#[must_use]
pub fn token(attempt: &Token, place: usize) -> Token {
    match place {
        0 => attempt.clone(),
        _ => Token(Digest::of(&(&attempt.0, "offer", place)).as_str()[..40].to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::aws::fault::Answer;

    const KINDS: [&str; 2] = ["t3a.small", "t3.small"];

    fn names(market: Market) -> Vec<String> {
        offers(&KINDS, market).iter().map(Offer::name).collect()
    }

    #[test]
    fn spot_of_every_type_comes_before_what_is_on_demand() {
        assert_eq!(names(Market::OnDemand), ["t3a.small", "t3.small"]);
        let spot = ["t3a.small on spot", "t3.small on spot"];
        assert_eq!(names(Market::SpotOnly), spot);
        assert_eq!(names(Market::Spot), [&spot[..], &KINDS].concat());
    }

    #[test]
    fn another_is_tried_only_where_room_is_what_was_lacking() {
        let goes_on = |code: &str, is_spot| {
            let offer = Offer {
                kind: "t3.small",
                is_spot,
            };
            offer.is_exhausted(&Fault::Answer(Answer::new(code, "")))
        };
        for is_spot in [true, false] {
            assert!(goes_on("InsufficientInstanceCapacity", is_spot));
            assert!(!goes_on("UnauthorizedOperation", is_spot));
            assert!(!goes_on("RequestLimitExceeded", is_spot));
        }
        assert!(goes_on("MaxSpotInstanceCountExceeded", true));
        assert!(!goes_on("VcpuLimitExceeded", false));
        let lost = Fault::Lost("it may have been launched".into());
        let offer = offers(&KINDS, Market::Spot)[0];
        assert!(!offer.is_exhausted(&lost));
    }

    #[test]
    fn each_offer_has_a_token_of_its_own() {
        let attempt = Token("attempt".into());
        assert_eq!(token(&attempt, 0), attempt);
        assert_ne!(token(&attempt, 1), token(&attempt, 2));
        assert!(token(&attempt, 1).0.len() <= 64);
    }
}
