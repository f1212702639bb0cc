//! A warm machine becomes that of an environment: first its mark, then its data volumes, then it runs.
//!
//! Killed in between, it is still marked as ready to be claimed, and the next sync claims it again.

use super::attach::{attach, meant};
use super::end;
use super::fault::Fault;
use super::link::Link;
use super::machine::{self, gone, put_mark, put_unready};
use super::tag::Mark;
use super::{power, protect};
use crate::model::{LiveId, Stamp, Subject, Warm};

/// Claims the machine for the environment of the stamp.
///
/// **Guarantees.** Nobody else's data is on it: it is refused unless it is a warm machine, which has
/// none, or was claimed for the same environment before.
///
/// # Errors
/// [`Fault::Moved`] when it is no longer that warm machine, [`Fault::Foreign`] for a volume of another
/// environment, [`Fault::Refused`] when somebody has the volume.
pub async fn claim(
    link: &Link,
    warm: &Warm,
    stamp: &Stamp,
    volumes: &[Subject],
    is_protected: bool,
) -> Result<LiveId, Fault> {
    let (machine, mark) = machine::settled(link, &warm.id).await?;
    // EC2 protects none that it may take back itself.
    let is_protected = is_protected && !machine.is_spot;
    let is_again = mark.stamp.is_of(&stamp.owner, &stamp.env);
    if !is_again && !mark.stamp.is_of(&stamp.owner, &warm.env) {
        return Err(gone(&warm.id));
    }
    let mark = match is_again {
        true => mark,
        false => Mark {
            stamp: stamp.clone(),
            ..mark
        },
    };
    if !is_again {
        put_mark(link, &warm.id, &mark)
            .await
            .map_err(Fault::once_begun)?;
    }
    finish(link, &warm.id, mark, volumes, is_protected)
        .await
        .map_err(Fault::once_begun)?;
    Ok(warm.id.clone())
}

async fn finish(
    link: &Link,
    id: &LiveId,
    mut mark: Mark,
    volumes: &[Subject],
    is_protected: bool,
) -> Result<(), Fault> {
    for subject in volumes {
        let volume = meant(link, subject, &mark.stamp).await?;
        attach(link, &volume.id, id).await?;
    }
    if is_protected {
        mark = protect::put(link, id, mark, true).await?;
    }
    power::start(link, id).await?;
    put_unready(link, id, mark).await
}

/// Ends a warm machine, if nobody has claimed it.
pub async fn give_back(link: &Link, warm: &Warm) -> Result<(), Fault> {
    let Some(found) = machine::find(link, &warm.id).await? else {
        return Ok(());
    };
    match found.mark {
        Some(mark) if mark.stamp.env == warm.env => end::delete(link, &warm.id).await,
        Some(_) | None => Err(gone(&warm.id)),
    }
}
