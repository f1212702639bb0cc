//! The files of a stack: a folder of the repository, and the compose file in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;

use super::super::compose::{self, Outline};
use super::super::finding::{Findings, UnitId};
use super::super::yaml::{Fault, Mark};
use super::declared::Tables;
use super::files::{not_utf8, unreadable};
use crate::model::{Entry, FileContent, RepoPath, Snapshot};
use crate::schedule::{Holidays, HolidaysError};

/// What Metrom writes itself.
pub(in super::super) const DOT_ENV: &str = ".env";
/// Names under which Compose finds a file by itself.
const USUAL: [&str; 4] = [
    "docker-compose.yml",
    "docker-compose.yaml",
    "compose.yaml",
    "compose.yml",
];

/// Reads folders as stacks; each only once, however many environments use it.
pub(in super::super) struct Folders<'s> {
    snapshot: &'s Snapshot,
    documents: BTreeSet<RepoPath>,
    /// Folders of templates, which are no part of what lies around them.
    templates: BTreeSet<String>,
    files: BTreeMap<String, (UnitId, BTreeMap<String, FileContent>)>,
    outlines: BTreeMap<RepoPath, (UnitId, Option<Outline>)>,
    holidays: BTreeMap<RepoPath, (UnitId, Option<BTreeSet<Date>>)>,
}

impl<'s> Folders<'s> {
    pub fn new(snapshot: &'s Snapshot, tables: &Tables) -> Self {
        Self {
            snapshot,
            documents: tables.paths().cloned().collect(),
            templates: tables
                .templates
                .values()
                .map(|d| d.path.folder().to_owned())
                .collect(),
            files: BTreeMap::new(),
            outlines: BTreeMap::new(),
            holidays: BTreeMap::new(),
        }
    }

    /// Whether a regular file is there.
    pub fn has(&self, path: &RepoPath) -> bool {
        self.snapshot.file(path).is_some()
    }

    /// A compose file that lies in a folder under another usual name, if there is one.
    pub fn usual_compose(&self, folder: &str) -> Option<&'static str> {
        USUAL
            .into_iter()
            .find(|name| RepoPath::parse(&join(folder, name)).is_ok_and(|path| self.has(&path)))
    }

    /// The names of regular files directly in a folder.
    pub fn names(&self, folder: &str) -> Vec<&str> {
        let below = self.below(folder);
        below
            .map(|(rest, _, _)| rest)
            .filter(|rest| !rest.contains('/'))
            .collect()
    }

    /// The content of a file, if it is there and is text.
    pub fn text(&self, path: &RepoPath) -> Option<&'s str> {
        std::str::from_utf8(self.snapshot.file(path)?).ok()
    }

    /// The files of a folder and below, without documents of ours and without `.env`.
    pub fn files(
        &mut self,
        folder: &str,
        findings: &mut Findings,
    ) -> (UnitId, BTreeMap<String, FileContent>) {
        if let Some(known) = self.files.get(folder) {
            return known.clone();
        }
        let unit = findings.new_unit();
        let mut files = BTreeMap::new();
        for (rest, path, entry) in self.below(folder) {
            if rest == DOT_ENV || self.documents.contains(path) || self.is_of_another(folder, path)
            {
                continue;
            }
            match entry {
                Entry::File { bytes, executable } => {
                    let content = FileContent {
                        bytes: Arc::clone(bytes),
                        executable: *executable,
                    };
                    files.insert(rest.to_owned(), content);
                }
                Entry::TooLarge { .. } | Entry::Symlink { .. } | Entry::Submodule => {
                    findings.error(path, unit, unreadable(entry));
                }
            }
        }
        self.files.insert(folder.to_owned(), (unit, files.clone()));
        (unit, files)
    }

    /// What a compose file says; findings are about the file, in a unit of its own.
    pub fn outline(
        &mut self,
        path: &RepoPath,
        findings: &mut Findings,
    ) -> (UnitId, Option<Outline>) {
        if let Some(known) = self.outlines.get(path) {
            return known.clone();
        }
        let unit = findings.new_unit();
        let outline = match self.snapshot.file(path).map(|bytes| read_outline(bytes)) {
            Some(Ok(outline)) => Some(outline),
            Some(Err(fault)) => {
                findings.error(path, unit, fault);
                None
            }
            None => None,
        };
        self.outlines.insert(path.clone(), (unit, outline.clone()));
        (unit, outline)
    }

    /// The days of a calendar file; findings are about the file, in a unit of its own.
    pub fn holidays(
        &mut self,
        path: &RepoPath,
        findings: &mut Findings,
    ) -> (UnitId, Option<BTreeSet<Date>>) {
        if let Some(known) = self.holidays.get(path) {
            return known.clone();
        }
        let unit = findings.new_unit();
        let days = match self.snapshot.file(path).map(|bytes| Holidays::read(bytes)) {
            Some(Ok(holidays)) => {
                if holidays.timed_events > 0 {
                    findings.warning(path, unit, not_whole_days(holidays.timed_events));
                }
                Some(holidays.days)
            }
            Some(Err(error)) => {
                findings.error(path, unit, no_holidays(&error));
                None
            }
            None => None,
        };
        self.holidays.insert(path.clone(), (unit, days.clone()));
        (unit, days)
    }

    fn below(
        &self,
        folder: &str,
    ) -> impl Iterator<Item = (&'s str, &'s RepoPath, &'s Entry)> + use<'s> {
        let start = RepoPath::parse(folder).ok();
        let folder = folder.to_owned();
        let entries = match start {
            Some(start) => self.snapshot.entries.range(start..),
            None => self.snapshot.entries.range::<RepoPath, _>(..),
        };
        let prefix = folder.clone();
        entries
            .take_while(move |(path, _)| path.as_str().starts_with(&prefix))
            .filter_map(move |(path, entry)| {
                let rest = path.as_str().strip_prefix(&folder)?.strip_prefix('/')?;
                Some((rest, path, entry))
            })
    }

    /// Whether a file lies in the folder of a template below this one.
    fn is_of_another(&self, folder: &str, path: &RepoPath) -> bool {
        let mut inner = path.folder();
        while inner.len() > folder.len() {
            if self.templates.contains(inner) {
                return true;
            }
            inner = inner.rsplit_once('/').map_or("", |(outer, _)| outer);
        }
        false
    }
}

fn no_holidays(error: &HolidaysError) -> Fault {
    Fault {
        mark: Mark {
            line: u32::try_from(error.line).unwrap_or(u32::MAX),
            column: 1,
        },
        code: "bad-calendar",
        message: error.problem.to_string(),
        help: None,
    }
}

fn not_whole_days(count: usize) -> Fault {
    Fault {
        mark: Mark::START,
        code: "not-whole-days",
        message: match count {
            1 => "one event is no holiday: it begins at a time of day".to_owned(),
            count => format!("{count} events are no holidays: they begin at a time of day"),
        },
        help: Some("holidays are whole days, without a time".to_owned()),
    }
}

fn read_outline(bytes: &[u8]) -> Result<Outline, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error.valid_up_to()))?;
    let outline = compose::read(text)?;
    if outline.services.is_empty() && !outline.has_includes {
        return Err(Fault {
            mark: Mark::START,
            code: "no-services",
            message: "this compose file has no services".to_owned(),
            help: Some("declare at least one under `services:`".to_owned()),
        });
    }
    Ok(outline)
}

/// A path within a folder; the folder may be the root.
pub(in super::super) fn join(folder: &str, path: &str) -> String {
    match folder {
        "" => path.to_owned(),
        folder => format!("{folder}/{path}"),
    }
}
