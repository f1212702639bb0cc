//! `live.yaml` of a golden case: what is live, told as the difference to agreement.

use std::collections::BTreeSet;

use metrom::model::{
    Gap, Intent, IntentState, Inventory, Key, LiveFields, LiveId, Object, Power, ProviderName,
    Scope, Stamp, Timestamp, Token,
};
use metrom::port::GuestReport;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Live {
    pub env: String,
    pub start: Start,
    #[serde(default)]
    pub now: Option<Timestamp>,
    /// Why the references of the environment cannot be resolved.
    #[serde(default)]
    pub unresolved: Option<String>,
    /// The sources have moved on since the live state was made.
    #[serde(default)]
    pub pushed: bool,
    /// The documents of the repository cannot all be read.
    #[serde(default)]
    pub unsure: Option<String>,
    #[serde(default)]
    pub edits: Vec<Edit>,
    #[serde(default)]
    pub intents: Vec<Begun>,
}

/// What is live before the edits.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Start {
    /// Not even pool and network.
    Nothing,
    /// What `repo/` declares.
    Agreement,
    /// What `before/` declares.
    Before,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Edit {
    Remove(Key),
    Power(Power),
    MemoryMib(u64),
    VolumeMib(u64),
    /// The volume lost its attachment.
    Detach,
    /// A machine of our name that is not ours.
    Foreign(String),
    /// A second machine of ours.
    Second(String),
    /// The provider could not say everything, or anything.
    Gap(String),
    /// The machine does not answer.
    Silent(String),
    LocalWork(String),
    /// These services have no container.
    Gone(BTreeSet<String>),
    /// A stack or a checkout has lost its stamp.
    Unstamp(Key),
    /// No base image is there.
    NoImages,
}

/// A creation under way.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Begun {
    Ambiguous(Key),
    Confirmed(Key),
}

pub fn edit(edit: &Edit, inventory: &mut Inventory, guest: &mut GuestReport) {
    match edit {
        Edit::Remove(key) => {
            inventory
                .objects
                .retain(|object| key_of(object) != Some(key));
            guest.live.remove(key);
        }
        Edit::Power(power) => machine(inventory).power = *power,
        Edit::MemoryMib(mib) => machine(inventory).memory_mib = *mib,
        Edit::Detach => machine(inventory).volumes.clear(),
        Edit::VolumeMib(mib) => {
            for object in &mut inventory.objects {
                if let LiveFields::Volume(volume) = &mut object.fields {
                    volume.size_mib = *mib;
                }
            }
        }
        Edit::Foreign(id) => {
            let mut object = copy_of_machine(inventory, id);
            object.stamp = None;
            inventory
                .objects
                .retain(|o| key_of(o) != Some(&Key::Machine));
            inventory.objects.push(object);
        }
        Edit::Second(id) => {
            let object = copy_of_machine(inventory, id);
            inventory.objects.push(object);
        }
        Edit::Gap(reason) => inventory.gaps.push(Gap {
            scope: Scope::Provider(inventory.provider.clone()),
            reason: reason.clone(),
        }),
        Edit::Silent(reason) => {
            guest.live.clear();
            let scope = Scope::Guest;
            let reason = reason.clone();
            guest.gaps.push(Gap { scope, reason });
        }
        Edit::LocalWork(what) => {
            for (fields, _) in guest.live.values_mut() {
                if let LiveFields::Checkout(checkout) = fields {
                    checkout.local_work = Some(what.clone());
                }
            }
        }
        Edit::Gone(names) => {
            if let Some((LiveFields::Stack(stack), _)) = guest.live.get_mut(&Key::Stack) {
                stack
                    .services
                    .retain(|service| !names.contains(&service.name));
                stack.missing.extend(names.clone());
            }
        }
        Edit::Unstamp(key) => {
            if let Some((_, stamp)) = guest.live.get_mut(key) {
                *stamp = None;
            }
        }
        Edit::NoImages => inventory.images.clear(),
    }
}

fn key_of(object: &Object) -> Option<&Key> {
    object.stamp.as_ref().map(|stamp| &stamp.key)
}

fn machine(inventory: &mut Inventory) -> &mut metrom::model::LiveMachine {
    let mut objects = inventory.objects.iter_mut();
    let fields = objects.find_map(|object| match &mut object.fields {
        LiveFields::Machine(machine) => Some(machine),
        _ => None,
    });
    fields.expect("the case has a machine")
}

/// A machine like the one that is there, one hour younger.
fn copy_of_machine(inventory: &Inventory, id: &str) -> Object {
    let mut objects = inventory.objects.iter();
    let machine = objects.find(|o| key_of(o) == Some(&Key::Machine));
    let mut copy = machine.expect("the case has a machine").clone();
    copy.id = LiveId(id.to_owned());
    if let Some(stamp) = &mut copy.stamp {
        *stamp = Stamp {
            created: Timestamp::from_second(stamp.created.as_second() + 3600).unwrap(),
            ..stamp.clone()
        };
    }
    copy
}

pub fn intent(begun: &Begun, provider: &ProviderName, since: Timestamp) -> Intent {
    let (key, state) = match begun {
        Begun::Ambiguous(key) => (key, IntentState::Ambiguous),
        Begun::Confirmed(key) => {
            let id = LiveId("made-1".to_owned());
            (key, IntentState::Confirmed { id, inventories: 0 })
        }
    };
    Intent {
        token: Token("begun".to_owned()),
        key: key.clone(),
        provider: provider.clone(),
        since,
        state,
    }
}
