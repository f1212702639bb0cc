//! What our objects are called on a libvirt host, and what their names say. Pure.
//!
//! See the table in `ARCHITECTURE.md`. Names of environments, owners and volumes are DNS labels,
//! so a dot separates without doubt.

use std::fmt;

use uuid::Uuid;

use crate::model::{Digest, EnvName, Key, OwnerName, Stamp, Timestamp};

/// All identities of machines are made from this one; changing it would orphan every machine.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d65_7472_6f6d_5f8a_9d0e_3b1c_55d2_7a41);

/// virtio-blk tells the guest no more of a serial than this many characters.
const MAX_SERIAL: usize = 20;

/// One of the places that an environment has for a machine, from 1: a new one is tried in the place
/// that is free, and stays there when it is proven. A warm machine keeps its place when it is
/// claimed, for a machine that runs cannot be renamed; so pools need more than two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(u8);

impl Slot {
    pub const FIRST: Self = Self(1);
    pub const SECOND: Self = Self(2);
    const MOST: u8 = 64;

    pub fn all() -> impl Iterator<Item = Self> {
        (1..=Self::MOST).map(Self)
    }

    /// The slot that has this identity; `None`: it is no machine of that environment.
    #[must_use]
    pub fn of(owner: &OwnerName, env: &EnvName, uuid: Uuid) -> Option<Self> {
        Self::all().find(|slot| machine_uuid(owner, env, *slot) == uuid)
    }

    /// What it adds to a name.
    fn suffix(self) -> String {
        match self {
            Self::FIRST => String::new(),
            Self(number) => format!(".{number}"),
        }
    }
}

#[must_use]
pub fn domain(env: &EnvName, slot: Slot) -> String {
    format!("metrom-{env}{}", slot.suffix())
}

/// The identity of the machine in a slot: the same after every rebuild, on every host.
#[must_use]
pub fn machine_uuid(owner: &OwnerName, env: &EnvName, slot: Slot) -> Uuid {
    let path = format!("{owner}/{env}/{}{}", Key::Machine, slot.suffix());
    Uuid::new_v5(&NAMESPACE, path.as_bytes())
}

/// The hardware address that belongs to a machine, in QEMU's own range.
#[must_use]
pub fn mac(machine: Uuid) -> String {
    let [.., a, b, c] = machine.into_bytes();
    format!("52:54:00:{a:02x}:{b:02x}:{c:02x}")
}

#[must_use]
pub fn root_volume(env: &EnvName, slot: Slot) -> String {
    format!("{}.root.qcow2", domain(env, slot))
}

#[must_use]
pub fn seed_volume(env: &EnvName, slot: Slot) -> String {
    format!("{}.seed.img", domain(env, slot))
}

/// Where the serial console is written to; a volume, so that it can be read over any connection.
#[must_use]
pub fn console_volume(env: &EnvName, slot: Slot) -> String {
    format!("{}.console.log", domain(env, slot))
}

/// The empty volume that a machine has in place of a data volume while it is tried.
#[must_use]
pub fn scratch_volume(env: &EnvName, slot: Slot, volume: &str) -> String {
    format!("{}.{volume}.scratch.qcow2", domain(env, slot))
}

/// Whether a volume of this name is such an empty one of that machine.
#[must_use]
pub fn is_scratch_of(name: &str, env: &EnvName, slot: Slot) -> bool {
    name.strip_prefix(&domain(env, slot))
        .and_then(|rest| rest.strip_prefix('.'))
        .and_then(|rest| rest.strip_suffix(".scratch.qcow2"))
        .is_some_and(is_label)
}

/// What the guest calls a data volume: the end of its path below `/dev/disk/by-id/`.
#[must_use]
pub fn serial(volume: &str) -> String {
    let plain = format!("metrom-{volume}");
    if plain.len() <= MAX_SERIAL {
        return plain;
    }
    format!("metrom-{}", Digest::of_bytes(volume.as_bytes()).short())
}

/// Where the guest finds a data volume.
#[must_use]
pub fn device(volume: &str) -> String {
    format!("/dev/disk/by-id/virtio-{}", serial(volume))
}

/// The name of a data volume, which is its stamp, since libvirt's volumes carry no metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataVolume {
    pub env: EnvName,
    pub volume: String,
    pub owner: OwnerName,
    /// Seconds since 1970.
    pub created: i64,
}

impl DataVolume {
    /// The name for a stamp; `None` when its key is no volume or cannot be part of a name.
    #[must_use]
    pub fn of(stamp: &Stamp) -> Option<Self> {
        let Key::Volume(volume) = &stamp.key else {
            return None;
        };
        is_label(volume).then(|| Self {
            env: stamp.env.clone(),
            volume: volume.clone(),
            owner: stamp.owner.clone(),
            created: stamp.created.as_second(),
        })
    }

    /// Reads a name; `None` when it is not one of ours.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let inner = name.strip_prefix("metrom-")?.strip_suffix(".data.qcow2")?;
        let mut parts = inner.split('.');
        let (env, volume) = (parts.next()?, parts.next()?);
        let (owner, created) = (parts.next()?, parts.next()?);
        if parts.next().is_some() || !is_label(volume) {
            return None;
        }
        let parsed = Self {
            env: EnvName::parse(env).ok()?,
            volume: volume.to_owned(),
            owner: OwnerName::parse(owner).ok()?,
            created: created.parse().ok()?,
        };
        // `007` and `+7` would be read as well, and are not what we write.
        (parsed.to_string() == name).then_some(parsed)
    }

    /// The stamp as far as a name can hold it.
    #[must_use]
    pub fn stamp(&self) -> Option<Stamp> {
        Some(Stamp {
            owner: self.owner.clone(),
            env: self.env.clone(),
            key: Key::Volume(self.volume.clone()),
            digest: None,
            revision: None,
            created: Timestamp::from_second(self.created).ok()?,
            born: None,
        })
    }

    /// Whether both are the same resource, whenever they were created.
    #[must_use]
    pub fn is_same_resource(&self, other: &Self) -> bool {
        let Self {
            env,
            volume,
            owner,
            created: _,
        } = self;
        (env, volume, owner) == (&other.env, &other.volume, &other.owner)
    }
}

impl fmt::Display for DataVolume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            env,
            volume,
            owner,
            created,
        } = self;
        write!(f, "metrom-{env}.{volume}.{owner}.{created}.data.qcow2")
    }
}

/// The volumes that one base image consists of.
pub struct ImageVolumes<'a>(pub &'a str);

impl ImageVolumes<'_> {
    #[must_use]
    pub fn disk(&self) -> String {
        format!("metrom-image.{}.qcow2", self.0)
    }

    #[must_use]
    pub fn kernel(&self) -> String {
        format!("metrom-image.{}.kernel", self.0)
    }

    #[must_use]
    pub fn initrd(&self) -> String {
        format!("metrom-image.{}.initrd", self.0)
    }

    /// The kernel's command line.
    #[must_use]
    pub fn cmdline(&self) -> String {
        format!("metrom-image.{}.cmdline", self.0)
    }

    /// Written last: with it the image is there completely.
    #[must_use]
    pub fn complete(&self) -> String {
        format!("metrom-image.{}.complete", self.0)
    }
}

/// The image whose completeness a volume of this name states.
#[must_use]
pub fn completed_image(name: &str) -> Option<&str> {
    name.strip_prefix("metrom-image.")?
        .strip_suffix(".complete")
}

/// There while a data volume of that name is being copied: what has it is half of a copy.
#[must_use]
pub fn copying(data_volume: &str) -> String {
    format!("{data_volume}.copying")
}

/// Whether a volume belongs to a machine or an image rather than being an object of its own.
#[must_use]
pub fn is_part(name: &str) -> bool {
    let is_of_machine = [".root.qcow2", ".seed.img", ".scratch.qcow2"]
        .iter()
        .any(|end| name.ends_with(end))
        || name.contains(".console.log")
        || name.ends_with(".copying");
    name.starts_with("metrom-image.") || (name.starts_with("metrom-") && is_of_machine)
}

/// Whether a text can be a part of a name.
#[must_use]
pub fn is_label(text: &str) -> bool {
    EnvName::parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> EnvName {
        EnvName::parse(name).unwrap()
    }

    fn owner(name: &str) -> OwnerName {
        OwnerName::parse(name).unwrap()
    }

    #[test]
    fn the_name_of_a_data_volume_is_its_stamp() {
        let name = "metrom-shop-dev.data.acme.1764000000.data.qcow2";
        let volume = DataVolume::parse(name).unwrap();
        assert_eq!(volume.to_string(), name);
        assert_eq!(DataVolume::of(&volume.stamp().unwrap()), Some(volume));
    }

    #[test]
    fn what_we_would_not_write_is_not_ours() {
        for name in [
            "metrom-shop.root.qcow2",
            "metrom-shop.data.scratch.qcow2",
            "metrom-shop.2.data.scratch.qcow2",
            "shop.data.acme.1.data.qcow2",
            "metrom-shop.data.acme.007.data.qcow2",
            "metrom-shop.data.acme.+7.data.qcow2",
            "metrom-shop.data.acme.x.data.qcow2",
            "metrom-shop.data.acme.1.2.data.qcow2",
            "metrom-SHOP.data.acme.1.data.qcow2",
            "metrom-shop..acme.1.data.qcow2",
            "metrom-shop.data.acme.1.data.qcow2.bak",
        ] {
            assert_eq!(DataVolume::parse(name), None, "{name}");
        }
    }

    #[test]
    fn machines_of_two_repositories_are_two_machines() {
        for slot in Slot::all() {
            let ours = machine_uuid(&owner("acme"), &env("shop"), slot);
            assert_eq!(ours, machine_uuid(&owner("acme"), &env("shop"), slot));
            assert_ne!(ours, machine_uuid(&owner("other"), &env("shop"), slot));
            assert_ne!(ours, machine_uuid(&owner("acme"), &env("shop2"), slot));
        }
    }

    #[test]
    fn two_machines_of_one_environment_have_nothing_in_common() {
        let (first, second) = (Slot::FIRST, Slot::SECOND);
        let (owner, env) = (owner("acme"), env("shop"));
        let uuid = |slot| machine_uuid(&owner, &env, slot);
        assert_ne!(uuid(first), uuid(second));
        assert_ne!(mac(uuid(first)), mac(uuid(second)));
        for name in [domain, root_volume, seed_volume, console_volume] {
            assert_ne!(name(&env, first), name(&env, second));
        }
        assert_eq!(domain(&env, second), "metrom-shop.2");
        assert_eq!(root_volume(&env, second), "metrom-shop.2.root.qcow2");
    }

    #[test]
    fn a_slot_is_known_by_the_identity_of_its_machine() {
        let (owner, env) = (owner("acme"), env("shop"));
        for slot in Slot::all() {
            let uuid = machine_uuid(&owner, &env, slot);
            assert_eq!(Slot::of(&owner, &env, uuid), Some(slot));
        }
        assert_eq!(Slot::of(&owner, &env, Uuid::from_u128(7)), None);
    }

    #[test]
    fn a_scratch_volume_is_a_part_of_one_machine() {
        let env = env("shop");
        for volume in ["data", "a2"] {
            for slot in Slot::all() {
                let name = scratch_volume(&env, slot, volume);
                assert!(is_part(&name), "{name}");
                assert!(is_scratch_of(&name, &env, slot), "{name}");
                let others = Slot::all().filter(|other| *other != slot);
                let is_theirs = |other| is_scratch_of(&name, &env, other);
                assert!(!others.into_iter().any(is_theirs), "{name}");
            }
        }
        assert!(!is_scratch_of("metrom-shop.root.qcow2", &env, Slot::FIRST));
    }

    #[test]
    fn the_identity_of_a_machine_never_changes() {
        // Another value here would make every existing machine foreign.
        let uuid = machine_uuid(&owner("acme"), &env("shop"), Slot::FIRST);
        assert_eq!(uuid.to_string(), "9dce712c-757a-5d96-8625-f4380af46db1");
        assert_eq!(mac(uuid), "52:54:00:f4:6d:b1");
    }

    #[test]
    fn a_serial_fits_into_what_virtio_can_tell() {
        assert_eq!(device("data"), "/dev/disk/by-id/virtio-metrom-data");
        let (long, other) = ("a".repeat(40), format!("{}b", "a".repeat(39)));
        assert!(serial(&long).len() <= MAX_SERIAL);
        assert_ne!(serial(&long), serial(&other));
    }

    #[test]
    fn an_image_is_complete_by_its_marker_alone() {
        assert_eq!(
            completed_image("metrom-image.d-13-0a.complete"),
            Some("d-13-0a")
        );
        assert_eq!(completed_image("metrom-image.d-13-0a.qcow2"), None);
        assert!(is_part("metrom-shop.console.log.0"));
        assert!(!is_part("metrom-shop.data.acme.1.data.qcow2"));
        assert!(!is_part("debian.root.qcow2"));
    }
}
