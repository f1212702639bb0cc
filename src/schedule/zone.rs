//! Time zones by name, from the database that is built in.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::HoursError;
use crate::model::Timestamp;

/// Never the machine's own: the answer must not depend on where it is given.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Longer than any name in the database; what is longer is no misspelling of one.
const LONGEST_NAME: usize = 64;

/// A time zone of the IANA database, such as `Asia/Seoul`, spelt as there.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().expect("a zone is only made by its name")
    }

    /// What the clocks of the zone show at that instant.
    pub(super) fn wall_clock(&self, instant: Timestamp) -> DateTime {
        self.0.to_datetime(instant)
    }

    /// The instant at which the clocks of the zone show this.
    ///
    /// **Guarantees.** A time that does not exist, because the clocks are put forward over it,
    /// comes as much later as they are put forward; of a time that comes twice, it is the first one
    /// (what RFC 5545 does, and jiff calls compatible). What is before or after all that can be
    /// counted is the first or last instant that can.
    pub(super) fn instant(&self, wall_clock: DateTime) -> Timestamp {
        let outside = if wall_clock.year() < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        };
        self.0.to_timestamp(wall_clock).unwrap_or(outside)
    }
}

impl FromStr for Zone {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        match ZONES.get(text) {
            // The database itself does not care about upper and lower case.
            Ok(zone) if zone.iana_name() == Some(text) => Ok(Self(zone)),
            _ if is_offset(text) => Err(HoursError::Offset(text.to_owned())),
            _ => Err(meant_zone(text)),
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name())
    }
}

/// `+09:00`, `-5`, `UTC+9`, `GMT-03:30`.
fn is_offset(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    let bare = ["UTC", "GMT"]
        .iter()
        .find_map(|prefix| upper.strip_prefix(prefix))
        .unwrap_or(&upper);
    let digits = bare.strip_prefix(['+', '-']).unwrap_or_default();
    !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || c == ':')
}

/// Offers the nearest name of the database; a city alone is enough.
fn meant_zone(text: &str) -> HoursError {
    let found = text.to_owned();
    if text.len() > LONGEST_NAME {
        return HoursError::NotAZone(found);
    }
    let written = text.replace(' ', "_").to_lowercase();
    let furthest = if is_abbreviation(text) {
        0
    } else {
        written.chars().count() / 3
    };
    let names = ZONES.available().map(|name| name.to_string());
    let nearest = names
        .filter_map(|name| Some((distance(&written, &name, furthest)?, name)))
        .min();
    match nearest {
        Some((_, meant)) => HoursError::MeantZone { found, meant },
        None => HoursError::NotAZone(found),
    }
}

/// `KST` is near to the names of other zones, and means none of them.
fn is_abbreviation(text: &str) -> bool {
    text.len() <= 5 && text.chars().all(|c| c.is_ascii_uppercase())
}

/// How far what was written is from a name and whether only its city is that near; `None` if it
/// is too far to be meant. Old names without a place, such as `EST`, are not guessed.
fn distance(written: &str, name: &str, furthest: usize) -> Option<(usize, bool)> {
    let lower = name.to_lowercase();
    let city = lower.rsplit('/').next().unwrap_or(&lower);
    let to_name = strsim::osa_distance(written, &lower);
    let to_city = strsim::osa_distance(written, city);
    let distance = to_name.min(to_city);
    let is_place = name.contains('/') && !name.starts_with("Etc/");
    let furthest = if is_place { furthest } else { 0 };
    (distance <= furthest).then_some((distance, to_city < to_name))
}
