//! Everything that lives on the providers, whoever made it.

use serde::Serialize;
use utoipa::ToSchema;

use super::SumView;
use crate::model::{LiveFields, Object, ProviderName};
use crate::reconcile::{Belongs, Tick, cost_of};

/// What the providers have, and what could not be seen of them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct InventoryView {
    pub objects: Vec<ObjectView>,
    pub gaps: Vec<String>,
}

/// A machine or a volume.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ObjectView {
    pub provider: String,
    /// `machine` or `volume`.
    pub kind: &'static str,
    /// As the provider shows it.
    pub name: String,
    pub id: String,
    /// `ours`, `orphaned` (of an environment that is no longer declared), `theirs` (of another
    /// repository) or `foreign`.
    pub belongs: &'static str,
    /// The repository and the environment in its stamp.
    pub owner: Option<String>,
    pub environment: Option<String>,
    /// When it was made, as far as its stamp says.
    pub created: Option<String>,
    /// Of a machine.
    pub power: Option<String>,
    pub address: Option<String>,
    pub cpus: Option<u32>,
    pub memory_mib: Option<u64>,
    /// Of a volume.
    pub size_mib: Option<u64>,
    /// What a whole month of it costs, if it is of this repository and its provider has prices.
    pub cost_full_month: Option<SumView>,
    /// This calendar month until now.
    pub cost_month_to_date: Option<SumView>,
}

impl InventoryView {
    #[must_use]
    pub fn new(tick: &Tick) -> Self {
        let inventories = tick.inventories.iter();
        let objects = inventories.flat_map(|inventory| {
            let objects = inventory.objects.iter();
            objects.filter_map(|object| ObjectView::new(inventory.provider.as_str(), object, tick))
        });
        let mut objects: Vec<ObjectView> = objects.collect();
        objects.sort_by(|a, b| {
            (&a.provider, &a.environment, a.kind, &a.name).cmp(&(
                &b.provider,
                &b.environment,
                b.kind,
                &b.name,
            ))
        });
        Self {
            objects,
            gaps: tick
                .inventories
                .gaps()
                .map(|gap| gap.reason.clone())
                .collect(),
        }
    }
}

impl ObjectView {
    fn add_cost(&mut self, object: &Object, tick: &Tick) {
        let is_ours = matches!(Belongs::of(object, tick), Belongs::Ours | Belongs::Orphaned);
        let provider = ProviderName::parse(&self.provider).ok().filter(|_| is_ours);
        let cost = provider.and_then(|provider| cost_of(tick, object, &provider));
        if let Some((month, to_date)) = cost {
            self.cost_full_month = Some(SumView::from(&month));
            self.cost_month_to_date = Some(SumView::from(&to_date));
        }
    }

    /// `None` for what a provider does not have by itself.
    fn new(provider: &str, object: &Object, tick: &Tick) -> Option<Self> {
        let stamp = object.stamp.as_ref();
        let mut view = Self {
            provider: provider.to_owned(),
            kind: "machine",
            name: object.name.clone(),
            id: object.id.to_string(),
            belongs: Belongs::of(object, tick).word(),
            owner: stamp.map(|stamp| stamp.owner.to_string()),
            environment: stamp.map(|stamp| stamp.env.to_string()),
            created: stamp.map(|stamp| stamp.created.to_string()),
            power: None,
            address: None,
            cpus: None,
            memory_mib: None,
            size_mib: None,
            cost_full_month: None,
            cost_month_to_date: None,
        };
        view.add_cost(object, tick);
        match &object.fields {
            LiveFields::Machine(machine) => {
                view.power = Some(machine.power.to_string());
                view.address = machine.address.map(|address| address.to_string());
                view.cpus = Some(machine.cpus);
                view.memory_mib = Some(machine.memory_mib);
            }
            LiveFields::Volume(volume) => {
                view.kind = "volume";
                view.size_mib = Some(volume.size_mib);
            }
            LiveFields::Guest | LiveFields::Checkout(_) | LiveFields::Stack(_) => return None,
        }
        Some(view)
    }
}
