//! `metrom image build|list`: base images on this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::exit::Exit;
use super::output::{GOOD, paint};
use super::progress::{Alone, Detail};
use super::{Global, check, get, place, wiring};
use crate::image::ImageStore;
use crate::manifest::Catalog;
use crate::model::{ImageName, ImageSpec};
use crate::port::Images;

/// Makes and lists base images
#[derive(Debug, Args)]
pub struct Image {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Downloads or builds images of the repository ahead of their first use
    Build {
        /// Images [default: all that are declared]
        images: Vec<ImageName>,
        /// Reads the declarations from this folder as it is, committed or not, instead of the repository
        #[arg(long, value_name = "FOLDER")]
        from: Option<PathBuf>,
    },
    /// Lists the images on this machine
    List,
}

pub async fn run(args: &Image, global: &Global) -> Result<Exit> {
    match &args.action {
        Action::Build { images, from } => build(images, from.as_deref(), global).await,
        Action::List => get::images(global).map(|()| Exit::Done),
    }
}

async fn build(asked: &[ImageName], from: Option<&Path>, global: &Global) -> Result<Exit> {
    let catalog = match from {
        Some(folder) => check::catalog(folder).await?,
        None => wiring::catalog(global).await?,
    };
    let wanted = wanted(&catalog, asked)?;
    let store = ImageStore::new(place::state(global.state.as_deref())?.join("images"));
    let mut made = Vec::new();
    for image in wanted {
        let detail = match global.verbose {
            0 => Detail::Steps,
            1.. => Detail::Lines,
        };
        let journal = Arc::new(Alone::new(&image.id(), detail));
        if store.find(image).is_none() {
            journal.say("is being made, which takes minutes");
        }
        let files = store.obtain(image, &*journal).await;
        journal.finish();
        let files = files?;
        if global.output.is_for_people() {
            let ready = paint(GOOD, "ready");
            anstream::println!("{}: {ready} in {}", image.id(), files.disk.display());
        }
        made.push(json!({"id": image.id(), "disk": files.disk}));
    }
    global.output.print(&made)?;
    Ok(Exit::Done)
}

fn wanted<'a>(catalog: &'a Catalog, asked: &[ImageName]) -> Result<Vec<&'a ImageSpec>> {
    if asked.is_empty() {
        return Ok(catalog.images.values().collect());
    }
    let find = |name: &ImageName| match catalog.images.get(name) {
        Some(image) => Ok(image),
        None => {
            let known: Vec<&str> = catalog.images.keys().map(ImageName::as_str).collect();
            bail!(
                "there is no image `{name}`; there are: {}",
                known.join(", ")
            )
        }
    };
    asked.iter().map(find).collect()
}
