//! Base images as files on this machine: downloaded with a checksum, or built from Debian packages.
//!
//! An image is addressed by the digest of its declaration, made once, and kept until somebody
//! removes it. Nothing here knows providers: what they get is a folder of complete files.
//!
//! - `shelf` the folder: complete or not there, one maker at a time
//! - `download`, `qcow2`: a file from elsewhere, and whether it may be trusted
//! - `build`: a disk from Debian packages without loop devices, mounts of ours or a boot loader's installer
//! - `work`, `tool`: notes to the journal; external programs with deadlines

mod build;
mod download;
mod qcow2;
mod shelf;
mod tool;
mod work;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use crate::model::{Boot, BuildRecipe, Digest, ImageOrigin, ImageSpec};
use crate::port::{ImageError, ImageFiles, Images, Journal};
use shelf::Shelf;
use work::{Work, relay};

pub use build::BUILD_VERSION;
pub use shelf::Record;

/// Names the mirrors of Docker Hub that preloaded container images come from, separated by spaces.
pub const REGISTRY_MIRROR_VARIABLE: &str = "METROM_REGISTRY_MIRROR";

/// The images on this machine.
#[derive(Debug, Clone)]
pub struct ImageStore {
    shelf: Shelf,
    mirrors: Arc<[String]>,
}

impl ImageStore {
    /// The images in `folder`, which is made when the first image is.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let mirrors = std::env::var(REGISTRY_MIRROR_VARIABLE).unwrap_or_default();
        Self {
            shelf: Shelf::new(folder.into()),
            mirrors: mirrors.split_whitespace().map(str::to_owned).collect(),
        }
    }

    /// Takes preloaded container images from these mirrors, whatever the environment says.
    #[must_use]
    pub fn with_registry_mirrors(mut self, urls: impl IntoIterator<Item = String>) -> Self {
        self.mirrors = urls.into_iter().collect();
        self
    }

    /// All complete images, sorted by id.
    ///
    /// # Errors
    /// [`ImageError::File`] when the folder cannot be read; one that is not there holds none.
    pub fn list(&self) -> Result<Vec<Record>, ImageError> {
        self.shelf.list()
    }

    /// What is known about an image that is there.
    #[must_use]
    pub fn find(&self, image: &ImageSpec) -> Option<Record> {
        self.shelf.find(image, BUILD_VERSION)
    }

    /// Removes an image and what is left of its download; says whether it was there.
    ///
    /// # Errors
    /// [`ImageError::File`] when it cannot be removed.
    pub fn remove(&self, id: &str) -> Result<bool, ImageError> {
        self.shelf.remove(id)
    }

    fn make(&self, image: &ImageSpec, work: &Work) -> Result<Record, ImageError> {
        let id = image.id();
        self.shelf.sweep()?;
        let _lock = self.shelf.lock(&id, work)?;
        if let Some(record) = self.find(image) {
            return Ok(record);
        }
        match &image.origin {
            ImageOrigin::Url { url, sha256 } => self.fetch(image, url, sha256, work),
            ImageOrigin::Build(recipe) => self.build(image, recipe, work),
            ImageOrigin::Registered(_) => Err(ImageError::Format {
                image: image.name.clone(),
                reason: "its provider has it; there is nothing to download or to build".into(),
            }),
        }
    }

    fn fetch(
        &self,
        image: &ImageSpec,
        url: &str,
        sha256: &Digest,
        work: &Work,
    ) -> Result<Record, ImageError> {
        if image.boot == Boot::Kernel {
            return Err(ImageError::Format {
                image: image.name.clone(),
                reason: "it is downloaded and brings no kernel of its own; write `boot: disk`"
                    .into(),
            });
        }
        let id = image.id();
        let [part, note] = self.shelf.part(&id);
        work.phase("download", || {
            download::Download::new(work, url, sha256, &part, &note).run()
        })?;
        let making = self.shelf.begin(&id)?;
        let disk = making.file(shelf::DISK);
        std::fs::rename(&part, &disk).map_err(|e| work::file_error("create", &disk, &e))?;
        shelf::remove_file(&note)?;
        self.shelf
            .publish(making, image, None, sha256.clone(), work)
    }

    fn build(
        &self,
        image: &ImageSpec,
        recipe: &BuildRecipe,
        work: &Work,
    ) -> Result<Record, ImageError> {
        let making = self.shelf.begin(&image.id())?;
        let sha256 = build::build(recipe, &self.mirrors, &making, work)?;
        self.shelf
            .publish(making, image, Some(BUILD_VERSION), sha256, work)
    }
}

#[async_trait]
impl Images for ImageStore {
    async fn obtain(
        &self,
        image: &ImageSpec,
        journal: &dyn Journal,
    ) -> Result<ImageFiles, ImageError> {
        if let Some(record) = self.find(image) {
            return self.shelf.files(&record);
        }
        let (store, spec) = (self.clone(), image.clone());
        let record = relay(&image.name, journal, move |work| store.make(&spec, work)).await?;
        self.shelf.files(&record)
    }
}
