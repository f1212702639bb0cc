//! Base images as files on this machine, downloaded or built.

use std::path::PathBuf;

use async_trait::async_trait;

use super::journal::Journal;
use crate::model::{Class, ImageName, ImageSpec};

/// A complete base image on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFiles {
    /// A qcow2 file.
    pub disk: PathBuf,
    /// Present when the image boots by [`crate::model::Boot::Kernel`].
    pub kernel: Option<KernelFiles>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelFiles {
    pub kernel: PathBuf,
    pub initrd: PathBuf,
    /// Kernel command line, without the console.
    pub cmdline: String,
}

#[async_trait]
pub trait Images: Send + Sync {
    /// Downloads or builds the image, unless it is there already.
    ///
    /// **Guarantees.** What is returned is complete and, for a download, has its checksum.
    /// Two calls for one image at the same time make it once.
    ///
    /// # Errors
    /// [`ImageError`].
    async fn obtain(
        &self,
        image: &ImageSpec,
        journal: &dyn Journal,
    ) -> Result<ImageFiles, ImageError>;
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum ImageError {
    #[error("cannot download image {image} from {url}: {reason}")]
    Download {
        image: ImageName,
        url: String,
        reason: String,
    },
    #[error(
        "image {image} from {url} has the checksum {found}, not {expected}; correct `sha256` or the file"
    )]
    Checksum {
        image: ImageName,
        url: String,
        expected: String,
        found: String,
    },
    #[error("image {image} cannot be used: {reason}")]
    Format { image: ImageName, reason: String },
    #[error("cannot build image {image}: {doing}: {output}")]
    Build {
        image: ImageName,
        doing: String,
        output: String,
    },
    #[error("building image {image} needs `{program}`; install the Debian package {package}")]
    Tool {
        image: ImageName,
        program: String,
        package: String,
    },
    #[error("cannot {doing} {path}: {reason}")]
    File {
        doing: String,
        path: PathBuf,
        reason: String,
    },
}

impl ImageError {
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Download { .. } | Self::File { .. } | Self::Build { .. } => Class::Transient,
            Self::Checksum { .. } | Self::Format { .. } | Self::Tool { .. } => Class::Terminal,
        }
    }
}
