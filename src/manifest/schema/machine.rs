//! What a machine is like, as far as somebody said so.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::unit::Size;
use crate::model::ImageName;

/// What a machine is like. What is left out comes from the template, then from the defaults of the
/// repository, then from Metrom: 2 cpus, 1GiB of memory, 8GiB of disk, 4GiB of data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MachineShape {
    /// The image that its disk is cloned from; may be left out while there is only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageName>,
    /// Virtual processors.
    #[schemars(range(min = 1, max = 512))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// Memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    /// Its own disk, which is made anew with the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<Size>,
    /// The data volume, which outlives the machine and holds Docker's volumes and the sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Size>,
    /// How it is rented in a cloud; a host takes no notice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub market: Option<Market>,
}

/// How a machine of a cloud is rented. It counts when a machine is made: one that runs stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Market {
    /// For as long as it is wanted.
    OnDemand,
    /// Out of what the cloud has to spare: cheaper, and stopped when it needs the room itself. On
    /// demand when it has none to spare.
    Spot,
    /// The same, and no machine while the cloud has none to spare.
    SpotOnly,
}

impl MachineShape {
    /// What Metrom takes where nobody said anything; no image, since there is no good guess.
    pub const BUILT_IN: Self = Self {
        image: None,
        cpus: Some(2),
        memory: Some(Size::from_mib(1024)),
        disk: Some(Size::from_mib(8 * 1024)),
        data: Some(Size::from_mib(4 * 1024)),
        market: Some(Market::OnDemand),
    };

    /// This shape, with its gaps filled from another.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let Self {
            image,
            cpus,
            memory,
            disk,
            data,
            market,
        } = self;
        Self {
            image: image.clone().or_else(|| other.image.clone()),
            cpus: cpus.or(other.cpus),
            memory: memory.or(other.memory),
            disk: disk.or(other.disk),
            data: data.or(other.data),
            market: market.or(other.market),
        }
    }
}
