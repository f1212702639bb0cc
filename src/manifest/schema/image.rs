//! Base images: downloaded, or built from Debian packages.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::unit::Size;

/// A base image: either `url` with `sha256`, or `build`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["url", "sha256"] }, { "required": ["build"] }]))]
pub struct ImageSpec {
    /// Where a qcow2 file is downloaded from.
    #[schemars(extend("format" = "http-url"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The SHA-256 of the file at `url`.
    #[schemars(extend("format" = "sha256"), regex(pattern = r"^[0-9a-fA-F]{64}$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// How the image is made from Debian packages on the machine where Metrom runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// How a machine finds its kernel; `kernel` for a built image, `disk` for a downloaded one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<Boot>,
}

/// How an image is made from Debian packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Build {
    /// Debian's code name.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9-]*$"))]
    pub suite: String,
    /// Packages beside those that every machine of Metrom needs.
    #[schemars(extend("items" = { "type": "string", "pattern": r"^[a-z0-9][a-z0-9.+:-]*$" }))]
    pub packages: BTreeSet<String>,
    /// Size of the root file system as built; it grows to the disk at the first boot.
    pub size: Size,
    /// Leaves out what costs boot time and serves no machine of ours.
    pub trim: bool,
    /// Container images, by their ordinary names, to be in the image's Docker from the start.
    #[schemars(extend("items" = { "type": "string", "minLength": 1 }))]
    pub containers: BTreeSet<String>,
}

impl Default for Build {
    fn default() -> Self {
        Self {
            suite: "trixie".to_owned(),
            packages: BTreeSet::new(),
            size: Size::from_mib(3 * 1024),
            trim: true,
            containers: BTreeSet::new(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Boot {
    /// By the boot loader on its disk.
    Disk,
    /// By the kernel and initrd that come with the image: no boot loader, seconds faster.
    Kernel,
}
