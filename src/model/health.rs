//! How a host is: its load, its room, its clock; and from when on people are told.

use serde::Serialize;

use super::text::mib;

/// A disk with less than this share free is soon full, in percent.
pub const LOW_PERCENT: u64 = 15;
/// With less than this, what is written next may fail, in percent.
pub const FULL_PERCENT: u64 = 5;
/// A clock that is further off than this makes certificates and leases doubtful, in seconds.
pub const SKEW_S: u64 = 60;

/// How a host is, as far as it says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HostHealth {
    /// Its processors.
    pub cpus: Option<u32>,
    /// The mean length of its run queue over the last minute, in hundredths.
    pub load_centi: Option<u64>,
    pub memory_mib: Option<u64>,
    /// Of that, what its kernel could give out.
    pub available_mib: Option<u64>,
    /// The file system in which the pool lies, or will lie.
    pub disk: Option<Space>,
    /// The storage pool, as libvirt counts it.
    pub pool: Option<Space>,
    /// The version of libvirt, such as `11.3.0`.
    pub libvirt: Option<String>,
    /// So far its clock is ahead of ours, in seconds; negative: behind.
    pub skew_s: Option<i64>,
}

/// Room for files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Space {
    pub size_mib: u64,
    pub free_mib: u64,
}

/// Something that works now and may not for long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthWarning {
    pub about: Ailment,
    pub severity: Severeness,
    /// With the next move, for people.
    pub said: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ailment {
    Room,
    Clock,
    /// It is not declared any more while environments live there.
    Undeclared,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severeness {
    Warning,
    /// To be seen to at once.
    Severe,
}

impl HostHealth {
    /// Where disks of machines go: what the pool says counts more than what lies beneath it.
    #[must_use]
    pub fn room(&self) -> Option<Space> {
        self.pool.or(self.disk)
    }

    /// What people are told of, the gravest of each kind.
    #[must_use]
    pub fn warnings(&self) -> Vec<HealthWarning> {
        let room = self.room().and_then(|room| room.warning());
        let clock = self.skew_s.and_then(of_clock);
        room.into_iter().chain(clock).collect()
    }
}

impl Space {
    /// Rounded down; what has no size has no share that is free.
    #[must_use]
    pub fn free_percent(self) -> u64 {
        let percent = self.free_mib.saturating_mul(100).checked_div(self.size_mib);
        percent.unwrap_or_default()
    }

    fn warning(self) -> Option<HealthWarning> {
        let severity = match self.free_percent() {
            ..FULL_PERCENT => Severeness::Severe,
            FULL_PERCENT..LOW_PERCENT => Severeness::Warning,
            _ => return None,
        };
        let told = match severity {
            Severeness::Severe => "machines stand still when nothing is left: make room there now",
            Severeness::Warning => "make room there before it is full",
        };
        Some(HealthWarning {
            about: Ailment::Room,
            severity,
            said: format!(
                "{} % of its disk are free, {} of {}; {told}",
                self.free_percent(),
                mib(self.free_mib),
                mib(self.size_mib)
            ),
        })
    }
}

fn of_clock(skew_s: i64) -> Option<HealthWarning> {
    let side = if skew_s > 0 { "ahead of" } else { "behind" };
    let off = skew_s.unsigned_abs();
    (off > SKEW_S).then(|| HealthWarning {
        about: Ailment::Clock,
        severity: Severeness::Warning,
        said: format!("its clock is {off} s {side} ours; set up NTP there"),
    })
}

/// How far a clock is off that was read between two instants of ours, all in seconds: nothing while it
/// may be right.
#[must_use]
pub fn skew(read: i64, (asked, answered): (i64, i64)) -> i64 {
    match read {
        early if early < asked => early.saturating_sub(asked),
        late if late > answered => late.saturating_sub(answered),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(free_mib: u64) -> HostHealth {
        HostHealth {
            disk: Some(Space {
                size_mib: 1000,
                free_mib,
            }),
            ..HostHealth::default()
        }
    }

    fn gravest(health: &HostHealth) -> Option<Severeness> {
        health.warnings().into_iter().map(|w| w.severity).max()
    }

    #[test]
    fn a_disk_is_told_of_in_two_steps_before_it_is_full() {
        assert_eq!(gravest(&with(150)), None);
        assert_eq!(gravest(&with(149)), Some(Severeness::Warning));
        assert_eq!(gravest(&with(50)), Some(Severeness::Warning));
        assert_eq!(gravest(&with(49)), Some(Severeness::Severe));
        let warnings = with(120).warnings();
        assert_eq!(
            warnings[0].said,
            "12 % of its disk are free, 120 MiB of 1000 MiB; make room there before it is full"
        );
    }

    #[test]
    fn the_pool_counts_more_than_the_file_system_beneath_it() {
        let full = Space {
            size_mib: 1000,
            free_mib: 10,
        };
        let health = HostHealth {
            pool: Some(full),
            ..with(900)
        };
        assert_eq!(gravest(&health), Some(Severeness::Severe));
        assert_eq!(health.warnings().len(), 1);
    }

    #[test]
    fn nothing_is_said_of_what_is_not_known() {
        assert_eq!(HostHealth::default().warnings(), []);
    }

    #[test]
    fn a_clock_is_off_only_by_what_the_way_there_does_not_explain() {
        assert_eq!(skew(105, (100, 110)), 0);
        assert_eq!(skew(95, (100, 110)), -5);
        assert_eq!(skew(3710, (100, 110)), 3600);
    }

    #[test]
    fn a_clock_an_hour_apart_is_told_of_with_its_side() {
        let of = |skew_s| HostHealth {
            skew_s: Some(skew_s),
            ..HostHealth::default()
        };
        assert_eq!(of(60).warnings(), []);
        let said = &of(-3600).warnings()[0].said;
        assert_eq!(said, "its clock is 3600 s behind ours; set up NTP there");
        let said = &of(3600).warnings()[0].said;
        assert_eq!(said, "its clock is 3600 s ahead of ours; set up NTP there");
    }
}
