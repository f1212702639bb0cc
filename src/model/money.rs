//! Money: an exact amount in one currency.
//!
//! Amounts are whole billionths, so that sums are exact and no comparison hangs on the last bit of a
//! float. Amounts of different currencies are never added.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Billionths in one unit of a currency.
const UNIT: i128 = 1_000_000_000;
/// Digits behind the point that can be counted.
const DECIMALS: usize = 9;
/// Digits before the point that may be written.
const WHOLE: usize = 12;

/// Why a text is no amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error(
        "`{0}` is no amount of money; write a number and a currency of three capital letters, such \
         as `0.0208 USD`"
    )]
    NotMoney(String),
    #[error("`{0}` has no currency; write it behind the number, such as `{0} USD`")]
    NoCurrency(String),
    #[error("`{found}` is no amount of money; did you mean `{meant}`?")]
    MeantCurrency { found: String, meant: String },
    #[error("`{0}` is less than nothing")]
    Negative(String),
    #[error(
        "`{0}` cannot be counted exactly; write at most {WHOLE} digits before the point and \
         {DECIMALS} behind it"
    )]
    TooLong(String),
}

/// A currency by its three letters, such as `USD` (ISO 4217).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("made of capital letters")
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let letters: Result<[u8; 3], _> = text.as_bytes().try_into();
        letters
            .ok()
            .filter(|letters| letters.iter().all(u8::is_ascii_uppercase))
            .map(Self)
            .ok_or_else(|| MoneyError::NotMoney(text.to_owned()))
    }
}

impl TryFrom<String> for Currency {
    type Error = MoneyError;
    fn try_from(text: String) -> Result<Self, MoneyError> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.to_string()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How much, in whole billionths of a unit of some currency. Never less than nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i128);

impl Amount {
    pub const ZERO: Self = Self(0);

    /// So many times as much, in parts: `times / parts`, rounded to the nearest billionth. At most
    /// the largest amount there is.
    #[must_use]
    pub fn scaled(self, times: u128, parts: u128) -> Self {
        let (times, parts) = (
            i128::try_from(times).unwrap_or(i128::MAX),
            i128::try_from(parts).unwrap_or(i128::MAX).max(1),
        );
        match self.0.checked_mul(times) {
            Some(product) => Self(product.saturating_add(parts / 2) / parts),
            // Too large for exactness to matter.
            None => Self((self.0 / parts).saturating_mul(times)),
        }
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left without that; nothing when that is more.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }

    /// With two digits behind the point, rounded.
    #[must_use]
    pub fn in_cents(self) -> String {
        self.rounded(2)
    }

    /// With so many digits behind the point, at most nine, rounded.
    #[must_use]
    pub fn rounded(self, digits: u32) -> String {
        let parts = 10_i128.pow(digits.min(9));
        let step = UNIT / parts;
        let rounded = self.0.saturating_add(step / 2) / step;
        let width = digits.min(9) as usize;
        format!("{}.{:0width$}", rounded / parts, rounded % parts)
    }

    /// As a number that is near enough for a graph.
    #[must_use]
    pub fn approximately(self) -> f64 {
        self.0 as f64 / UNIT as f64
    }
}

/// Exact, with as many digits as it takes.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / UNIT, self.0 % UNIT);
        let digits = format!("{rest:09}");
        match digits.trim_end_matches('0') {
            "" => write!(f, "{whole}"),
            digits => write!(f, "{whole}.{digits}"),
        }
    }
}

impl Serialize for Amount {
    /// As a text, which no reader of JSON rounds.
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// An amount in a currency, as people write it: `0.0208 USD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Money {
    pub currency: Currency,
    pub amount: Amount,
}

impl Money {
    pub(crate) const PATTERN: &str = r"^[0-9]{1,12}(\.[0-9]{1,9})? [A-Z]{3}$";
}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let not_money = || MoneyError::NotMoney(text.to_owned());
        if text.starts_with('-') && text[1..].starts_with(|c: char| c.is_ascii_digit()) {
            return Err(MoneyError::Negative(text.to_owned()));
        }
        let is_number = |text: &str| digits(text).is_some();
        let Some((number, currency)) = text.split_once(' ') else {
            return Err(match is_number(text) {
                true => MoneyError::NoCurrency(text.to_owned()),
                false => not_money(),
            });
        };
        let (whole, part) = digits(number).ok_or_else(not_money)?;
        let currency = currency
            .parse()
            .map_err(|_| meant(text, number, currency))?;
        if whole.len() > WHOLE || part.len() > DECIMALS {
            return Err(MoneyError::TooLong(text.to_owned()));
        }
        let billionths: i128 = format!("{whole}{part:0<DECIMALS$}")
            .parse()
            .map_err(|_| not_money())?;
        Ok(Self {
            currency,
            amount: Amount(billionths),
        })
    }
}

/// `12` and `50` of `12.50`.
fn digits(number: &str) -> Option<(&str, &str)> {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match number.split_once('.') {
        None => is_digits(number).then_some((number, "")),
        Some((whole, part)) => (is_digits(whole) && is_digits(part)).then_some((whole, part)),
    }
}

/// `1 usd` has an obvious meaning; it is offered, never assumed.
fn meant(text: &str, number: &str, currency: &str) -> MoneyError {
    let upper = currency.trim().to_ascii_uppercase();
    match upper.parse::<Currency>() {
        Ok(meant) => MoneyError::MeantCurrency {
            found: text.to_owned(),
            meant: format!("{number} {meant}"),
        },
        Err(_) => MoneyError::NotMoney(text.to_owned()),
    }
}

impl TryFrom<String> for Money {
    type Error = MoneyError;
    fn try_from(text: String) -> Result<Self, MoneyError> {
        text.parse()
    }
}

impl From<Money> for String {
    fn from(money: Money) -> String {
        money.to_string()
    }
}

/// Exact, as it is written.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} {}", self.amount, self.currency))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_written_is_what_is_printed() {
        for text in [
            "0 USD",
            "0.0208 USD",
            "120 EUR",
            "0.000000001 KRW",
            "999999999999.5 JPY",
        ] {
            assert_eq!(money(text).to_string(), text);
        }
        assert_eq!(money("100.00 USD"), money("100 USD"));
    }

    #[test]
    fn what_is_no_money_is_met_with_what_it_should_be() {
        let words = |text: &str| text.parse::<Money>().unwrap_err().to_string();
        assert_eq!(
            words("0.02"),
            "`0.02` has no currency; write it behind the number, such as `0.02 USD`"
        );
        assert_eq!(words("-1 USD"), "`-1 USD` is less than nothing");
        assert_eq!(words("-1"), "`-1` is less than nothing");
        assert!(words("1 usd").ends_with("did you mean `1 USD`?"));
        assert!(words("0.0000000001 USD").contains("cannot be counted exactly"));
        assert!(words("1000000000000 USD").contains("cannot be counted exactly"));
        for text in [
            "",
            "USD",
            "1,5 USD",
            "1e3 USD",
            ".5 USD",
            "5. USD",
            "$5",
            "- USD",
            "5 dollars",
            "lots",
        ] {
            assert!(words(text).contains("is no amount of money"), "{text}");
        }
    }

    #[test]
    fn sums_are_exact_where_floats_are_not() {
        let tenth = money("0.1 USD").amount;
        let sum = (0..10).fold(Amount::ZERO, |sum, _| sum.plus(tenth));
        assert_eq!(sum, money("1 USD").amount);
        assert_eq!(tenth.scaled(2, 3).to_string(), "0.066666667");
        assert_eq!(tenth.scaled(u128::MAX, 1), Amount(i128::MAX));
        assert_eq!(tenth.minus(sum), Amount::ZERO);
    }

    #[test]
    fn cents_are_rounded() {
        assert_eq!(money("119.995 USD").amount.in_cents(), "120.00");
        assert_eq!(money("0.004 USD").amount.in_cents(), "0.00");
        assert_eq!(money("7 USD").amount.in_cents(), "7.00");
    }
}
