//! One connection to libvirt on a thread of its own, since every call of it blocks.
//!
//! A job is a closure that gets the connection. Jobs run one after another. A job that does not
//! come back in time is given up together with its thread, and the next one gets a new thread and
//! a new connection: a daemon that hangs holds up nobody for longer than the named limit.

use std::sync::{Arc, Once, mpsc};
use std::time::Duration;

use tokio::sync::{Mutex, oneshot, watch};
use virt::connect::Connect;

use super::super::Door;
use super::fault::Fault;
use crate::model::ProviderName;
use crate::port::ProviderError;

/// Looking: hundreds of machines over a slow line take seconds; more means that nobody answers.
pub const LOOK: Duration = Duration::from_secs(60);
/// Changing: a definition takes a minute where libvirt probes QEMU anew at each look-up.
pub const CHANGE: Duration = Duration::from_secs(180);
/// Moving data: so long without a single byte is a line that is dead.
pub const STALL: Duration = Duration::from_secs(120);

type Job = Box<dyn FnOnce(&mut Held) + Send>;

pub struct Link {
    provider: ProviderName,
    uri: String,
    /// Opened before each job; `None`: libvirt opens its connection by itself.
    door: Option<Arc<dyn Door>>,
    /// The thread that jobs are sent to. Locked while a job runs, although that is across an
    /// `.await`: it is the turnstile that lets one job in at a time, in the order of arrival.
    turn: Mutex<Option<mpsc::Sender<Job>>>,
}

/// Where a job tells that it is getting on, in bytes or any other number that rises.
pub struct Progress(watch::Sender<u64>);

impl Progress {
    pub fn tell(&self, done: u64) {
        self.0.send_replace(done);
    }
}

impl Link {
    #[must_use]
    pub fn new(provider: ProviderName, uri: String) -> Self {
        static QUIET: Once = Once::new();
        // libvirt prints every error on stderr unless told otherwise.
        QUIET.call_once(virt::error::clear_error_callback);
        Self {
            provider,
            uri,
            door: None,
            turn: Mutex::new(None),
        }
    }

    /// With a door on the way.
    #[must_use]
    pub fn behind(self, door: Option<Arc<dyn Door>>) -> Self {
        Self { door, ..self }
    }

    /// Runs a job that takes no longer than `limit`; `doing` is in the imperative.
    ///
    /// # Errors
    /// What the job says, and [`ProviderError::Unreachable`] or [`ProviderError::Unanswered`].
    pub async fn call<T: Send + 'static>(
        &self,
        doing: &str,
        limit: Duration,
        job: impl FnOnce(&Connect) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, ProviderError> {
        self.watched(doing, limit, |_| {}, move |conn, _| job(conn))
            .await
    }

    /// Runs a job that may take any time as long as it tells progress within each `stall`.
    ///
    /// # Errors
    /// As [`Link::call`].
    pub async fn watched<T: Send + 'static>(
        &self,
        doing: &str,
        stall: Duration,
        mut on_progress: impl FnMut(u64) + Send,
        job: impl FnOnce(&Connect, &Progress) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let mut turn = self.turn.lock().await;
        if let Some(door) = &self.door {
            let closed = door.open().await.map_err(Fault::Closed);
            closed.map_err(|fault| fault.explain(&self.provider, doing))?;
        }
        let (telling, mut told) = watch::channel(0);
        let (ending, mut ended) = oneshot::channel();
        let uri = self.uri.clone();
        self.send(
            &mut turn,
            Box::new(move |held| {
                let outcome = held.run(&uri, |conn| job(conn, &Progress(telling)));
                // Whoever asked may have given up; then nobody wants the outcome.
                let _ = ending.send(outcome);
            }),
        );
        loop {
            tokio::select! {
                biased;
                outcome = &mut ended => {
                    let outcome = outcome.unwrap_or_else(|_| {
                        *turn = None;
                        Err(Fault::Lost("the call broke down inside libvirt".into()))
                    });
                    return outcome.map_err(|fault| fault.explain(&self.provider, doing));
                }
                Ok(()) = told.changed() => on_progress(*told.borrow_and_update()),
                () = tokio::time::sleep(stall) => {
                    *turn = None;
                    let reason = format!("nothing came back within {} s", stall.as_secs());
                    return Err(Fault::Lost(reason).explain(&self.provider, doing));
                }
            }
        }
    }

    fn send(&self, turn: &mut Option<mpsc::Sender<Job>>, job: Job) {
        let Err(mpsc::SendError(job)) = turn.get_or_insert_with(start).send(job) else {
            return;
        };
        // The thread before this one broke down; a new one lives at least until its first job.
        let fresh = turn.insert(start());
        fresh
            .send(job)
            .expect("a new thread waits for its first job");
    }
}

/// Starts a thread that ends when nobody can send to it any more.
fn start() -> mpsc::Sender<Job> {
    let (sender, jobs) = mpsc::channel::<Job>();
    std::thread::spawn(move || {
        let mut held = Held::default();
        for job in jobs {
            job(&mut held);
        }
    });
    sender
}

/// The connection as its thread holds it: opened at need, and again when it was lost.
#[derive(Default)]
struct Held(Option<Connect>);

impl Held {
    fn run<T>(
        &mut self,
        uri: &str,
        job: impl FnOnce(&Connect) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let conn = self.connect(uri)?;
        let outcome = job(conn);
        match outcome {
            Err(Fault::Libvirt(error)) if !is_open(conn) => {
                self.0 = None;
                Err(Fault::Lost(error.message().to_owned()))
            }
            outcome => outcome,
        }
    }

    /// A connection that answered just now, so that a daemon that was restarted between two jobs
    /// is not noticed by anybody.
    fn connect(&mut self, uri: &str) -> Result<&Connect, Fault> {
        if !self.0.as_ref().is_some_and(is_open) {
            self.0 = None;
        }
        match &mut self.0 {
            Some(conn) => Ok(conn),
            empty => {
                let conn = Connect::open(Some(uri))
                    .map_err(|error| Fault::Closed(error.message().to_owned()))?;
                Ok(empty.insert(conn))
            }
        }
    }
}

/// Whether the other side still answers: one small round trip.
fn is_open(conn: &Connect) -> bool {
    conn.lib_version().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(uri: &str) -> Link {
        Link::new(ProviderName::parse("lab").unwrap(), uri.to_owned())
    }

    #[tokio::test]
    async fn a_job_that_hangs_is_given_up_and_the_next_one_works() {
        let link = link("test:///default");
        let (release, hang) = mpsc::channel::<()>();
        let limit = Duration::from_millis(50);
        let stuck = link.call("hang", limit, move |_| {
            let _ = hang.recv();
            Ok(())
        });
        let error = stuck.await.unwrap_err();
        assert!(matches!(error, ProviderError::Unanswered { .. }), "{error}");
        let next = link.call("ask", LOOK, |conn| Ok(conn.hostname()?)).await;
        assert!(next.is_ok());
        drop(release);
    }

    #[tokio::test]
    async fn progress_keeps_a_long_job_alive() {
        let link = link("test:///default");
        let mut seen = 0;
        // Far longer than a busy machine keeps a thread waiting, and shorter than the job.
        let stall = Duration::from_secs(3);
        let job = link.watched(
            "crawl",
            stall,
            |done| seen = done,
            move |_, progress| {
                let began = std::time::Instant::now();
                let mut done = 0;
                while began.elapsed() < stall + stall / 2 {
                    done += 1;
                    progress.tell(done);
                    std::thread::sleep(stall / 300);
                }
                Ok(done)
            },
        );
        let done = job.await.unwrap();
        assert!(seen > done / 2, "{seen} of {done} were told");
    }

    #[tokio::test]
    async fn a_job_that_panics_takes_nothing_with_it() {
        let link = link("test:///default");
        let broken = link.call("break", LOOK, |_| -> Result<(), Fault> {
            panic!("as libvirt's drop may")
        });
        assert!(matches!(
            broken.await,
            Err(ProviderError::Unanswered { .. })
        ));
        assert!(link.call("ask", LOOK, |_| Ok(())).await.is_ok());
    }

    #[tokio::test]
    async fn an_unreachable_host_is_said_to_be_unreachable() {
        let link = link("qemu+unix:///system?socket=/nonexistent/libvirt-sock");
        let error = link.call("ask", LOOK, |_| Ok(())).await.unwrap_err();
        assert!(
            matches!(error, ProviderError::Unreachable { .. }),
            "{error}"
        );
        assert!(error.is_certain());
    }
}
