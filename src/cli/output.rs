//! Output for people and for programs.

use anstream::adapter::strip_str;
use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::Serialize;

/// How results are written to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For people, with more columns.
    Wide,
    Json,
    Yaml,
}

impl Format {
    /// Writes the value for a program; false when the output is for people.
    ///
    /// # Errors
    /// When the value cannot be expressed.
    pub fn print<T: Serialize>(self, value: &T) -> Result<bool> {
        let text = match self {
            Self::Text | Self::Wide => return Ok(false),
            Self::Json => serde_json::to_string_pretty(value).context("cannot write JSON")?,
            Self::Yaml => serde_yaml::to_string(value).context("cannot write YAML")?,
        };
        anstream::println!("{}", text.trim_end());
        Ok(true)
    }

    #[must_use]
    pub fn is_for_people(self) -> bool {
        match self {
            Self::Text | Self::Wide => true,
            Self::Json | Self::Yaml => false,
        }
    }
}

/// When output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

impl Colour {
    /// Decides it for the whole process.
    pub fn set(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

pub const GOOD: Style = AnsiColor::Green.on_default();
pub const WARN: Style = AnsiColor::Yellow.on_default();
pub const BAD: Style = AnsiColor::Red.on_default();
pub const FAINT: Style = Style::new().dimmed();
pub const BOLD: Style = Style::new().bold();

/// A text in a style, for `anstream`'s macros, which drop the style where it is not wanted.
#[must_use]
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A table without lines, as `get` prints it; colours in cells do not count as width.
#[must_use]
pub fn table<H: AsRef<[&'static str]>, R: AsRef<[String]>>(
    header: H,
    rows: impl IntoIterator<Item = R>,
) -> String {
    let header = header.as_ref().iter().map(|title| title.to_uppercase());
    let mut lines: Vec<Vec<String>> = vec![header.collect()];
    lines.extend(rows.into_iter().map(|row| row.as_ref().to_vec()));
    let columns = lines[0].len();
    let widest = |column: usize| lines.iter().map(|line| width(&line[column])).max();
    let widths: Vec<usize> = (0..columns)
        .map(|column| widest(column).unwrap_or(0))
        .collect();
    let padded = lines.iter().map(|line| {
        let cells = line.iter().zip(&widths);
        let cells = cells.map(|(cell, wide)| format!("{cell}{:1$}", "", wide - width(cell)));
        cells.collect::<Vec<_>>().join("   ").trim_end().to_owned()
    });
    padded.collect::<Vec<_>>().join("\n")
}

/// What a text takes on a terminal, in characters.
fn width(text: &str) -> usize {
    strip_str(text).to_string().chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_their_colours() {
        let rows = [
            [paint(GOOD, "healthy"), "a".to_owned()],
            ["bad".to_owned(), paint(BAD, "b")],
        ];
        let text = strip_str(&table(["status", "name"], rows)).to_string();
        assert_eq!(text, "STATUS    NAME\nhealthy   a\nbad       b");
    }
}
