//! How a host is.

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::health::Severeness;
use crate::model::{HostHealth, Inventory, Space};

/// How a host is, as far as it says. What it does not say is `null`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HostView {
    pub provider: String,
    pub cpus: Option<u32>,
    /// The mean length of its run queue over the last minute.
    pub load: Option<f64>,
    pub memory_mib: Option<u64>,
    /// Of that, what its kernel could give out.
    pub available_mib: Option<u64>,
    /// The file system in which the pool lies, or will lie.
    pub disk: Option<SpaceView>,
    /// The storage pool, as libvirt counts it.
    pub pool: Option<SpaceView>,
    pub libvirt_version: Option<String>,
    /// So far its clock is ahead of ours, in seconds; negative: behind.
    pub clock_skew_seconds: Option<i64>,
    /// What works now and may not for long, with the next move.
    pub warnings: Vec<WarningView>,
}

/// Room for files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct SpaceView {
    pub size_mib: u64,
    pub free_mib: u64,
}

/// Something that is about to fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WarningView {
    /// `warning` or `severe`.
    #[schema(value_type = String)]
    pub severity: Severeness,
    pub message: String,
}

impl HostView {
    /// `None` for what is no host, or does not say how it is.
    #[must_use]
    pub fn new(inventory: &Inventory) -> Option<Self> {
        let health = inventory.health.clone()?;
        let warnings = health.warnings().into_iter();
        let warnings = warnings.map(|warning| WarningView {
            severity: warning.severity,
            message: warning.said,
        });
        let warnings = warnings.collect();
        let HostHealth {
            cpus,
            load_centi,
            memory_mib,
            available_mib,
            disk,
            pool,
            libvirt,
            skew_s,
        } = health;
        Some(Self {
            provider: inventory.provider.to_string(),
            cpus,
            load: load_centi.map(|load| load as f64 / 100.0),
            memory_mib,
            available_mib,
            disk: disk.map(SpaceView::from),
            pool: pool.map(SpaceView::from),
            libvirt_version: libvirt,
            clock_skew_seconds: skew_s,
            warnings,
        })
    }

    /// Where disks of machines go.
    #[must_use]
    pub fn room(&self) -> Option<SpaceView> {
        self.pool.or(self.disk)
    }
}

impl From<Space> for SpaceView {
    fn from(Space { size_mib, free_mib }: Space) -> Self {
        Self { size_mib, free_mib }
    }
}
