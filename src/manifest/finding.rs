//! Findings on their way to becoming diagnostics.
//!
//! A finding is collected with a mark; the line of text is added at the very end, when it is known
//! which stretches of the file are secrets written in plain and must not be shown.

use std::collections::{BTreeMap, BTreeSet};

use super::yaml::{Fault, Mark};
use crate::model::{Diagnostic, Place, RepoPath, Severity, Snapshot};

/// Longest line shown, in characters.
const MAX_LINE: usize = 160;

/// A thing that can be broken by itself: a document, or a file that several documents use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct UnitId(pub usize);

/// Everything that was found, in the order of finding.
#[derive(Debug, Default)]
pub(super) struct Findings {
    found: Vec<(RepoPath, Option<UnitId>, Severity, Fault)>,
    masks: BTreeMap<RepoPath, Vec<(Mark, Mark)>>,
    broken: BTreeSet<UnitId>,
    /// A document may be hidden behind something that could not be read.
    incomplete: bool,
    units: usize,
}

impl Findings {
    pub fn new_unit(&mut self) -> UnitId {
        self.units += 1;
        UnitId(self.units)
    }

    /// An error in a unit, which cannot be used for it.
    pub fn error(&mut self, path: &RepoPath, unit: UnitId, fault: Fault) {
        self.broken.insert(unit);
        self.found
            .push((path.clone(), Some(unit), Severity::Error, fault));
    }

    pub fn warning(&mut self, path: &RepoPath, unit: UnitId, fault: Fault) {
        self.found
            .push((path.clone(), Some(unit), Severity::Warning, fault));
    }

    /// An error that hides what documents there are.
    pub fn unidentified(&mut self, path: &RepoPath, fault: Fault) {
        self.incomplete = true;
        self.found
            .push((path.clone(), None, Severity::Error, fault));
    }

    /// Some document could not be told.
    pub fn hide(&mut self) {
        self.incomplete = true;
    }

    /// Whether anything was found in that file.
    pub fn has_found(&self, path: &str) -> bool {
        self.found.iter().any(|(found, ..)| found.as_str() == path)
    }

    /// Never shows this stretch of a file.
    pub fn mask(&mut self, path: &RepoPath, from: Mark, to: Mark) {
        self.masks.entry(path.clone()).or_default().push((from, to));
    }

    pub fn is_broken(&self, unit: UnitId) -> bool {
        self.broken.contains(&unit)
    }

    pub fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// The diagnostics, sorted by place, each with the unit that it is about.
    pub fn finish(self, snapshot: &Snapshot) -> Vec<(Option<UnitId>, Diagnostic)> {
        let Self { found, masks, .. } = self;
        let mut texts: BTreeMap<RepoPath, Vec<String>> = BTreeMap::new();
        let mut diagnostics: Vec<_> = found
            .into_iter()
            .map(|(path, unit, severity, fault)| {
                let lines = texts
                    .entry(path.clone())
                    .or_insert_with(|| lines_of(snapshot, &path, masks.get(&path)));
                (unit, diagnostic(path, severity, fault, lines))
            })
            .collect();
        diagnostics.sort_by(|(_, a), (_, b)| (&a.place, &a.message).cmp(&(&b.place, &b.message)));
        diagnostics.dedup();
        diagnostics
    }
}

fn diagnostic(path: RepoPath, severity: Severity, fault: Fault, lines: &[String]) -> Diagnostic {
    let Fault {
        mark,
        code,
        message,
        help,
    } = fault;
    let text = lines.get(mark.line as usize - 1);
    Diagnostic {
        severity,
        code,
        message,
        place: Place {
            path,
            line: mark.line,
            column: mark.column,
            text: text.map_or(String::new(), |line| shorten(line)),
        },
        help,
    }
}

/// The lines of a file with its secrets blotted out; none when it is no text.
fn lines_of(
    snapshot: &Snapshot,
    path: &RepoPath,
    masks: Option<&Vec<(Mark, Mark)>>,
) -> Vec<String> {
    let Some(bytes) = snapshot.file(path) else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut lines: Vec<String> = text
        .split('\n')
        .map(|line| line.trim_end_matches('\r').to_owned())
        .collect();
    for (from, to) in masks.into_iter().flatten() {
        blot(&mut lines, *from, *to);
    }
    lines
}

fn blot(lines: &mut [String], from: Mark, to: Mark) {
    for number in from.line..=to.line {
        let Some(line) = lines.get_mut(number as usize - 1) else {
            return;
        };
        let start = if number == from.line {
            from.column as usize - 1
        } else {
            0
        };
        let end = if number == to.line {
            to.column as usize - 1
        } else {
            usize::MAX
        };
        // As many dots as characters, so that other columns of the line stay right.
        *line = line
            .chars()
            .enumerate()
            .map(|(i, c)| if (start..end).contains(&i) { '•' } else { c })
            .collect();
    }
}

fn shorten(line: &str) -> String {
    if line.chars().count() <= MAX_LINE {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(MAX_LINE).collect();
    short.push('…');
    short
}

/// "did you mean", for the one that is nearest to what was written; `None` when none is near.
pub(super) fn nearest<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let lower = written.to_lowercase();
    let length = |word: &str| word.chars().count();
    known
        .into_iter()
        .map(|word| (strsim::osa_distance(&lower, &word.to_lowercase()), word))
        .filter(|(distance, word)| *distance <= length(written).max(length(word)) / 3)
        .min()
        .map(|(_, word)| word)
}

/// The next move when a word is unknown: the one that was meant, or all that there are.
pub(super) fn meant<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    if let Some(word) = nearest(written, known.clone()) {
        return Some(format!("did you mean `{word}`?"));
    }
    let mut words: Vec<&str> = known.into_iter().collect();
    words.sort_unstable();
    let listed: Vec<String> = words
        .iter()
        .take(12)
        .map(|word| format!("`{word}`"))
        .collect();
    match (listed.len(), words.len()) {
        (0, _) => None,
        (some, all) if some < all => Some(format!("there are {} and others", listed.join(", "))),
        (1, _) => Some(format!("there is only {}", listed[0])),
        _ => Some(format!("there are {}", listed.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_meant_and_a_far_one_is_not() {
        assert_eq!(nearest("memry", ["memory", "disk"]), Some("memory"));
        assert_eq!(nearest("Memory", ["memory", "disk"]), Some("memory"));
        assert_eq!(nearest("web", ["node-postgres"]), None);
        assert_eq!(
            meant("x", ["a-far-one"]).unwrap(),
            "there is only `a-far-one`"
        );
        assert_eq!(meant("x", []), None);
    }

    #[test]
    fn a_blot_hides_what_it_covers_and_moves_nothing() {
        let mut lines = vec!["a: {b: geheim, c: 1}".to_owned()];
        blot(
            &mut lines,
            Mark { line: 1, column: 8 },
            Mark {
                line: 1,
                column: 14,
            },
        );
        assert_eq!(lines[0], "a: {b: ••••••, c: 1}");
    }
}
