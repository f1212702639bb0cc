//! Diagnostics with the offending line.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::exit::Exit;
use crate::model::text::count;
use crate::model::{Diagnostic, Severity};

/// All findings, each as a small picture, for `anstream`'s macros.
#[must_use]
pub fn picture(diagnostics: &[Diagnostic]) -> String {
    let pictures: Vec<String> = diagnostics.iter().map(one).collect();
    pictures.join("\n\n")
}

fn one(diagnostic: &Diagnostic) -> String {
    let place = &diagnostic.place;
    let level = match diagnostic.severity {
        Severity::Warning => Level::WARNING,
        Severity::Error => Level::ERROR,
    };
    let snippet = Snippet::source(place.text.as_str())
        .line_start(place.line as usize)
        .path(place.path.as_str())
        .annotation(AnnotationKind::Primary.span(span(&place.text, place.column)));
    let title = level
        .primary_title(diagnostic.message.as_str())
        .id(diagnostic.code);
    let mut group = title.element(snippet);
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    Renderer::styled()
        .decor_style(DecorStyle::Unicode)
        .render(&[group])
}

/// The bytes of the word that starts at a column, counted in characters from 1.
fn span(line: &str, column: u32) -> std::ops::Range<usize> {
    let skipped = (column as usize).saturating_sub(1);
    let start = line
        .char_indices()
        .nth(skipped)
        .map_or(line.len(), |(at, _)| at);
    let is_end = |c: char| c.is_whitespace() || matches!(c, ':' | ',' | '}' | ']');
    let rest = &line[start..];
    let first = rest.chars().next().map_or(0, char::len_utf8);
    let length = rest[first..]
        .find(is_end)
        .map_or(rest.len(), |at| at + first);
    start..start + length
}

/// `2 errors and 1 warning`; `None` when there is nothing to say.
#[must_use]
pub fn summary(diagnostics: &[Diagnostic]) -> Option<String> {
    let errors = number(diagnostics, Severity::Error);
    let warnings = number(diagnostics, Severity::Warning);
    match (errors, warnings) {
        (0, 0) => None,
        (errors, 0) => Some(count(errors, "error")),
        (0, warnings) => Some(count(warnings, "warning")),
        (errors, warnings) => Some(format!(
            "{} and {}",
            count(errors, "error"),
            count(warnings, "warning")
        )),
    }
}

/// Errors are a failure, warnings are not.
#[must_use]
pub fn exit(diagnostics: &[Diagnostic]) -> Exit {
    match number(diagnostics, Severity::Error) {
        0 => Exit::Done,
        _ => Exit::Failed,
    }
}

fn number(diagnostics: &[Diagnostic], severity: Severity) -> usize {
    let of_it = |diagnostic: &&Diagnostic| diagnostic.severity == severity;
    diagnostics.iter().filter(of_it).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_at_the_column_is_marked_even_after_wide_characters() {
        let line = "  größe: 3, x";
        assert_eq!(&line[span(line, 3)], "größe");
        assert_eq!(&line[span(line, 10)], "3");
        assert_eq!(span(line, 99), line.len()..line.len());
        assert_eq!(span("", 1), 0..0);
    }
}
