//! How long to wait after a failure.

use std::time::Duration;

use crate::model::{Class, Digest, EnvName};

/// The first pause after a failure that may pass by itself.
const FIRST: Duration = Duration::from_secs(5);
/// The longest one: what comes back after an outage is found within minutes.
const LONGEST: Duration = Duration::from_secs(300);
/// What needs a person is looked at now and then, in case that one has come.
const TERMINAL: Duration = Duration::from_secs(900);
/// The world has moved: look again at once, but not in a tight loop.
const CONFLICT: Duration = Duration::from_secs(1);

/// The pause after so many failures in a row, spread a little so that environments which failed
/// together do not come back together.
#[must_use]
pub fn pause_after(class: Class, failures: u32, env: &EnvName) -> Duration {
    let doublings = failures.saturating_sub(1).min(10);
    let growing = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    match class {
        Class::Transient | Class::NoRoom => spread(growing, env, failures),
        // Conflicts that go on are no longer news of a moving world.
        Class::Conflict if failures <= 3 => CONFLICT,
        Class::Conflict => spread(growing, env, failures),
        Class::Terminal => spread(TERMINAL, env, failures),
    }
}

/// Takes up to a fifth off, by environment and turn: as good as chance, and the same in every run.
#[must_use]
pub fn spread(pause: Duration, env: &EnvName, turn: u32) -> Duration {
    let digest = Digest::of(&(env, turn));
    let byte = u32::from_str_radix(&digest.as_str()[..2], 16).unwrap_or(0);
    pause - pause * byte / (256 * 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_growing() {
        let env = EnvName::parse("shop").unwrap();
        let pause = |n| pause_after(Class::Transient, n, &env);
        assert!(pause(1) <= FIRST && pause(1) >= FIRST * 4 / 5);
        assert!(pause(4) > pause(1) * 4);
        assert!(pause(1000) <= LONGEST);
    }

    #[test]
    fn environments_that_fail_together_come_back_apart() {
        let pause = |name| pause_after(Class::Transient, 6, &EnvName::parse(name).unwrap());
        assert_ne!(pause("shop-a"), pause("shop-b"));
    }
}
