//! What the API and `-o json` show: plain words and numbers, snake_case, times in RFC 3339.
//!
//! Kept apart from the model, so that the model may change without breaking anybody's script.

mod cost;
mod environment;
mod host;
mod inventory;
mod plan;
mod run;
mod usage;

pub use cost::{
    BudgetView, CostChangeView, CostView, EnvironmentCost, LedgerView, MonthCost, SumView,
};
pub use environment::{
    CheckoutView, EndpointView, EnvironmentView, MachineView, ServiceView, Status, VolumeView,
};
pub use host::{HostView, SpaceView, WarningView};
pub use inventory::{InventoryView, ObjectView};
pub use plan::{FieldView, HeldView, PlanView, PlannedStep};
pub use run::{FailureView, LogLine, PhaseView, RunView, StepView};
pub use usage::{ContainerUseView, NowView, PointView, SeriesView, UsageNumbers};

/// A span in milliseconds.
fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
