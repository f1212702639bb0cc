//! One image in the making: who is told about it, and whether anybody still waits for it.
//!
//! Making an image blocks (downloads, external programs, gigabytes of files), so it runs on a
//! blocking thread, while the journal belongs to the asynchronous caller. [`relay`] carries the notes
//! from one to the other. When the caller goes away, the thread notices and stops.

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::model::ImageName;
use crate::port::{ImageError, Journal};

/// How often progress is told at most; people read no faster.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// The making of one image, as seen from the blocking thread.
pub(super) struct Work {
    pub image: ImageName,
    notes: UnboundedSender<Note>,
    told: Mutex<Option<Instant>>,
    took: Mutex<Vec<(String, Duration)>>,
}

pub(super) enum Note {
    Line(String),
    Progress { what: String, done: u64, total: u64 },
    Phase { name: String, took: Duration },
}

/// Runs `job` on a blocking thread and tells the journal what it notes.
///
/// **Guarantees.** Dropping the returned future makes [`Work::check`] fail in the job.
pub(super) async fn relay<T: Send + 'static>(
    image: &ImageName,
    journal: &dyn Journal,
    job: impl FnOnce(&Work) -> Result<T, ImageError> + Send + 'static,
) -> Result<T, ImageError> {
    let (notes, mut inbox) = unbounded_channel();
    let work = Work::new(image.clone(), notes);
    let task = tokio::task::spawn_blocking(move || job(&work));
    while let Some(note) = inbox.recv().await {
        match note {
            Note::Line(text) => journal.line(&text),
            Note::Progress { what, done, total } => journal.progress(&what, done, total),
            Note::Phase { name, took } => journal.phase(&name, took),
        }
    }
    match task.await {
        Ok(result) => result,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

impl Work {
    pub fn new(image: ImageName, notes: UnboundedSender<Note>) -> Self {
        Self {
            image,
            notes,
            told: Mutex::default(),
            took: Mutex::default(),
        }
    }

    pub fn line(&self, text: impl Into<String>) {
        self.tell(Note::Line(text.into()));
    }

    /// Tells how far it has come, unless that was told a moment ago; the end is always told.
    pub fn progress(&self, what: &str, done: u64, total: u64) {
        let mut told = self.told.lock().expect("no holder of this lock panics");
        let recent = told.is_some_and(|at| at.elapsed() < PROGRESS_EVERY);
        if recent && done != total {
            return;
        }
        *told = Some(Instant::now());
        self.tell(Note::Progress {
            what: what.to_owned(),
            done,
            total,
        });
    }

    /// Does one named part of the work and remembers how long it took.
    pub fn phase<T>(
        &self,
        name: &str,
        part: impl FnOnce() -> Result<T, ImageError>,
    ) -> Result<T, ImageError> {
        self.check()?;
        let start = Instant::now();
        let made = part()?;
        let took = start.elapsed();
        let name = name.to_owned();
        self.took
            .lock()
            .expect("no holder of this lock panics")
            .push((name.clone(), took));
        self.tell(Note::Phase { name, took });
        Ok(made)
    }

    /// The parts done so far, in their order.
    pub fn took(&self) -> Vec<(String, Duration)> {
        self.took
            .lock()
            .expect("no holder of this lock panics")
            .clone()
    }

    /// Whether the caller has gone away.
    pub fn is_abandoned(&self) -> bool {
        self.notes.is_closed()
    }

    /// Fails when the caller has gone away, so that long work stops.
    pub fn check(&self) -> Result<(), ImageError> {
        if self.is_abandoned() {
            return Err(self.failed("make the image", "nobody waits for it any more"));
        }
        Ok(())
    }

    /// The error of a build, or of anything that is no download and no file.
    pub fn failed(&self, doing: &str, output: impl Into<String>) -> ImageError {
        ImageError::Build {
            image: self.image.clone(),
            doing: doing.to_owned(),
            output: output.into(),
        }
    }

    fn tell(&self, note: Note) {
        // A closed inbox is no fault of this line: `check` ends the work at its next look.
        let _ = self.notes.send(note);
    }
}

/// The error of a file operation, with a next move where the disk is full.
pub(super) fn file_error(doing: &str, path: &Path, cause: &std::io::Error) -> ImageError {
    let reason = match cause.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            format!("{cause}; free some space or choose another state folder")
        }
        _ => cause.to_string(),
    };
    ImageError::File {
        doing: doing.to_owned(),
        path: path.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_comes_with_a_next_move() {
        let full = std::io::Error::from_raw_os_error(28);
        let words = file_error("write", Path::new("/x"), &full).to_string();
        assert!(words.contains("free some space"), "{words}");
    }
}
