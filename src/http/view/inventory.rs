//! Everything that lives on the providers, whoever made it.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{HostView, SumView};
use crate::model::{Inventory, KeptAddress, LiveFields, LiveId, Object, ProviderName};
use crate::reconcile::{Belongs, Tick, cost_of, cost_of_address};

/// What the providers have, and what could not be seen of them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct InventoryView {
    pub objects: Vec<ObjectView>,
    /// How the hosts are that say so.
    pub hosts: Vec<HostView>,
    pub gaps: Vec<GapView>,
}

/// What could not be seen of a provider, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GapView {
    pub provider: String,
    pub reason: String,
}

/// A machine, a volume or an address.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ObjectView {
    pub provider: String,
    /// `machine`, `volume`, or `address` for one that is kept with a machine or without.
    pub kind: &'static str,
    /// As the provider shows it.
    pub name: String,
    pub id: String,
    /// `ours`, `orphaned` (of an environment that is no longer declared), `theirs` (of another
    /// repository) or `foreign`.
    #[schema(value_type = String)]
    pub belongs: Belongs,
    /// The repository and the environment in its stamp.
    pub owner: Option<String>,
    pub environment: Option<String>,
    /// When it was made, as its stamp says, or else the provider, where that knows.
    pub created: Option<String>,
    /// What the provider calls what is of that size or sort: `t3.small`, `gp3`, `qcow2`.
    #[serde(rename = "type")]
    pub type_name: Option<String>,
    /// Of a machine.
    pub power: Option<String>,
    /// Of a volume or an address: the id of the machine that has it.
    pub machine: Option<String>,
    pub address: Option<String>,
    pub cpus: Option<u32>,
    pub memory_mib: Option<u64>,
    /// Of a volume.
    pub size_mib: Option<u64>,
    /// What a whole month of it costs, if its provider has prices. What is not of this repository is
    /// counted as if it stayed what it is.
    pub cost_full_month: Option<SumView>,
    /// This calendar month until now, and as a whole; absent where nobody knows when it was made.
    pub cost_month_to_date: Option<SumView>,
    pub cost_month_forecast: Option<SumView>,
}

impl InventoryView {
    #[must_use]
    pub fn new(tick: &Tick) -> Self {
        let inventories = tick.inventories.iter();
        let objects = inventories.flat_map(|inventory| {
            let holders = holders(inventory);
            let provider = &inventory.provider;
            let objects = inventory.objects.iter();
            let objects = objects.filter_map(move |object| {
                let machine = holders.get(&object.id).copied();
                ObjectView::new(provider, (object, machine), tick)
            });
            let addresses = inventory.addresses.iter().flatten();
            objects.chain(addresses.map(|kept| ObjectView::of_address(provider, kept, tick)))
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
            hosts: tick.inventories.iter().filter_map(HostView::new).collect(),
            gaps: gaps(tick),
        }
    }
}

fn gaps(tick: &Tick) -> Vec<GapView> {
    let all = tick.inventories.iter().flat_map(|inventory| {
        let reasons = inventory.gaps.iter().map(|gap| &gap.reason);
        let reasons = reasons.chain(inventory.addresses.as_ref().err());
        reasons.map(|reason| GapView {
            provider: inventory.provider.to_string(),
            reason: reason.clone(),
        })
    });
    all.collect()
}

/// Which machine has a volume, as the one or the other tells.
fn holders(inventory: &Inventory) -> BTreeMap<&LiveId, &LiveId> {
    let mut holders = BTreeMap::new();
    for object in &inventory.objects {
        let holder = object.about.holder.as_ref();
        holders.extend(holder.map(|holder| (&object.id, holder)));
        let machine = object.fields.as_machine();
        let volumes = machine.into_iter().flat_map(|machine| &machine.volumes);
        holders.extend(volumes.map(|volume| (volume, &object.id)));
    }
    holders
}

impl ObjectView {
    /// In one word, where there is one: how the machine is, or whether one has it.
    #[must_use]
    pub fn state(&self) -> &str {
        match (&self.power, &self.machine) {
            (Some(power), _) => power,
            (None, Some(_)) => "used",
            (None, None) => "unused",
        }
    }

    fn add_cost(&mut self, object: &Object, provider: &ProviderName, tick: &Tick) {
        if let Some(cost) = cost_of(tick, object, provider) {
            self.cost_full_month = Some(SumView::from(&cost.full));
            self.cost_month_to_date = cost.to_date.as_ref().map(SumView::from);
            self.cost_month_forecast = cost.forecast.as_ref().map(SumView::from);
        }
    }

    fn of_address(provider: &ProviderName, kept: &KeptAddress, tick: &Tick) -> Self {
        let cost = cost_of_address(tick, kept, provider);
        Self {
            provider: provider.to_string(),
            kind: "address",
            name: kept.name.clone(),
            id: kept.id.to_string(),
            belongs: Belongs::Foreign, // Metrom keeps none
            owner: None,
            environment: None,
            created: kept.about.made.map(|made| made.to_string()),
            type_name: kept.about.type_name.clone(),
            power: None,
            machine: kept.about.holder.as_ref().map(ToString::to_string),
            address: Some(kept.address.to_string()),
            cpus: None,
            memory_mib: None,
            size_mib: None,
            cost_full_month: cost.as_ref().map(SumView::from),
            cost_month_to_date: None,
            cost_month_forecast: None,
        }
    }

    /// `None` for what a provider does not have by itself.
    fn new(
        provider: &ProviderName,
        (object, machine): (&Object, Option<&LiveId>),
        tick: &Tick,
    ) -> Option<Self> {
        let stamp = object.stamp.as_ref();
        let created = stamp.map(|stamp| stamp.created).or(object.about.made);
        let mut view = Self {
            provider: provider.to_string(),
            kind: "machine",
            name: object.name.clone(),
            id: object.id.to_string(),
            belongs: Belongs::of(object, tick),
            owner: stamp.map(|stamp| stamp.owner.to_string()),
            environment: stamp.map(|stamp| stamp.env.to_string()),
            created: created.map(|created| created.to_string()),
            type_name: object.about.type_name.clone(),
            power: None,
            machine: None,
            address: None,
            cpus: None,
            memory_mib: None,
            size_mib: None,
            cost_full_month: None,
            cost_month_to_date: None,
            cost_month_forecast: None,
        };
        view.add_cost(object, provider, tick);
        match &object.fields {
            LiveFields::Machine(machine) => {
                view.power = Some(machine.power.to_string());
                view.address = machine.address.map(|address| address.to_string());
                view.cpus = Some(machine.cpus);
                view.memory_mib = Some(machine.memory_mib);
            }
            LiveFields::Volume(volume) => {
                view.kind = "volume";
                view.machine = machine.map(ToString::to_string);
                view.size_mib = Some(volume.size_mib);
            }
            LiveFields::Guest | LiveFields::Checkout(_) | LiveFields::Stack(_) => return None,
        }
        Some(view)
    }
}
