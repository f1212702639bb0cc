//! Waiting for a state: EC2 does everything a little later than it says, and shows it later still.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::fault::Fault;

/// For a machine to come up, to shut down by force or to end: minutes in bad hours.
pub const STATE: Duration = Duration::from_secs(600);
/// For a volume to be made, attached or detached; another machine may have to end before.
pub const VOLUME: Duration = Duration::from_secs(300);
/// For what was just made or changed to be shown: EC2's listings lag by seconds.
pub const SHOWN: Duration = Duration::from_secs(60);
/// For a snapshot of a data volume: a hundred GiB take the better part of an hour.
pub const COPY: Duration = Duration::from_secs(3600);

/// Between the first two looks; the pauses grow from there, since looks are rationed.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Looks again and again until there is something.
///
/// # Errors
/// What a look says, and [`Fault::Lost`] with `late` when nothing came within `patience`.
pub async fn until<T, F>(
    patience: Duration,
    late: &str,
    look: impl FnMut() -> F,
) -> Result<T, Fault>
where
    F: Future<Output = Result<Option<T>, Fault>>,
{
    let seen = within(patience, look).await?;
    seen.ok_or_else(|| Fault::Lost(format!("{late} within {} s", patience.as_secs())))
}

/// The same; `None` when nothing came in time.
///
/// # Errors
/// What a look says.
pub async fn within<T, F>(
    patience: Duration,
    mut look: impl FnMut() -> F,
) -> Result<Option<T>, Fault>
where
    F: Future<Output = Result<Option<T>, Fault>>,
{
    let deadline = Instant::now() + patience;
    let mut pause = FIRST;
    loop {
        if let Some(seen) = look().await? {
            return Ok(Some(seen));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST);
    }
}

/// The outcome of a change within a wait that goes on looking: what came too early or too late for the
/// state that it is about will be seen, and asked for again.
///
/// # Errors
/// Every other error.
pub fn asked<T>(outcome: Result<T, Fault>, untimely: &[&str]) -> Result<(), Fault> {
    match outcome {
        Err(fault) if fault.is(untimely) => Ok(()),
        outcome => outcome.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_looked_until_there_is_something_and_not_for_ever() {
        let mut looks = 0;
        let third = until(SHOWN, "nothing came", || {
            looks += 1;
            let seen = (looks == 3).then_some(looks);
            async move { Ok(seen) }
        });
        assert_eq!(third.await.unwrap(), 3);
        let never = until::<(), _>(Duration::ZERO, "nothing came", || async { Ok(None) });
        assert_eq!(never.await.unwrap_err().words(), "nothing came within 0 s");
    }
}
