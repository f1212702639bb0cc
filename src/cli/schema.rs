//! `metrom schema`: the JSON Schema of every kind, for editors and for CI.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::Global;
use super::exit::Exit;
use super::output::Format;
use crate::manifest::schema::json_schemas;

/// Prints or writes the JSON Schema of what people write
#[derive(Debug, Args)]
pub struct Schema {
    /// One file alone, such as `environment` [default: all of them, by file name]
    kind: Option<String>,
    /// Writes the files into a folder instead
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

pub fn run(args: &Schema, global: &Global) -> Result<Exit> {
    let mut files = json_schemas();
    if let Some(kind) = &args.kind {
        let name = format!("{}.json", kind.to_lowercase().trim_end_matches(".json"));
        let Some(found) = files.remove(&name) else {
            let known: Vec<&str> = files
                .keys()
                .map(|name| name.trim_end_matches(".json"))
                .collect();
            bail!("there is no kind `{kind}`; there are {}", known.join(", "));
        };
        files = [(name, found)].into();
    }
    if let Some(folder) = &args.write {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        for (name, schema) in &files {
            let path = folder.join(name);
            let text = format!("{}\n", serde_json::to_string_pretty(schema)?);
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
            anstream::println!("{}", path.display());
        }
        return Ok(Exit::Done);
    }
    // A schema is for programs whatever the format that was asked for.
    let format = match global.output {
        Format::Yaml => Format::Yaml,
        Format::Text | Format::Wide | Format::Json => Format::Json,
    };
    match (&args.kind, files.values().next()) {
        (Some(_), Some(one)) => format.print(one)?,
        _ => format.print(&files)?,
    };
    Ok(Exit::Done)
}
