//! Waiting for states. The limits are for what never comes: no machine is so slow as to reach them.

use std::time::{Duration, Instant};

/// What a program on this machine does without asking another.
pub const SOON: Duration = Duration::from_secs(300);
/// A command that looks into a machine, and the end of a program that has to finish its steps.
pub const COMMAND: Duration = Duration::from_secs(600);
/// What happens in a machine that runs: a look, an `up`, a health check.
pub const CHANGE: Duration = Duration::from_secs(1200);
/// What takes a boot, with everything after it.
pub const BOOT: Duration = Duration::from_secs(2700);

/// Between two looks at something that costs nothing to look at.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two looks into a machine: each of them takes its time from what is waited for.
const LOOK_PAUSE: Duration = Duration::from_secs(2);
/// Between two looks for something that is to be met in its middle.
const GLANCE_PAUSE: Duration = Duration::from_millis(2);

/// Looks until the state is there; until then a look says what is there instead.
pub fn until<T>(what: &str, within: Duration, look: impl FnMut() -> Result<T, String>) -> T {
    looking_each(PAUSE, what, within, look)
}

/// As [`until`], for looks into a machine.
pub fn until_inside<T>(what: &str, within: Duration, look: impl FnMut() -> Result<T, String>) -> T {
    looking_each(LOOK_PAUSE, what, within, look)
}

/// As [`until`], for what passes by.
pub fn until_met<T>(what: &str, within: Duration, look: impl FnMut() -> Result<T, String>) -> T {
    looking_each(GLANCE_PAUSE, what, within, look)
}

fn looking_each<T>(
    pause: Duration,
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> Result<T, String>,
) -> T {
    let began = Instant::now();
    loop {
        let seen = match look() {
            Ok(found) => return found,
            Err(seen) => seen,
        };
        let limit = within.as_secs();
        assert!(
            began.elapsed() < within,
            "not within {limit} s: {what}; seen last: {seen}"
        );
        std::thread::sleep(pause);
    }
}

/// The state, or the words for what is there instead.
pub fn seen(is_so: bool, instead: impl std::fmt::Display) -> Result<(), String> {
    match is_so {
        true => Ok(()),
        false => Err(instead.to_string()),
    }
}
