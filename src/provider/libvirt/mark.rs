//! Our mark in a domain's metadata: whose machine it is and how it is pinned. Pure.

use uuid::Uuid;

use super::name::{self, Slot};
use super::xml::Node;
use crate::model::{Digest, EnvName, Key, Stamp};

/// The XML namespace of our element; changing it would make every machine foreign.
pub const NAMESPACE: &str = "https://metrom.dev/xmlns/libvirt/1";

/// What a domain of ours carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub stamp: Stamp,
    /// The environment that it was made for, after which everything of it is called: another one
    /// than that of the stamp when it has been claimed.
    pub home: EnvName,
    /// Where it lives; not written, since its identity says it.
    pub slot: Slot,
    /// The base image, by [`crate::model::ImageSpec::id`].
    pub image: String,
    /// The machine's public host key.
    pub host_key: String,
    /// What a warm machine was made ready for.
    pub ready: Option<Digest>,
}

impl Mark {
    /// The mark of a machine in the place of an environment of its own.
    #[must_use]
    pub fn new(stamp: Stamp, slot: Slot, image: String, host_key: String) -> Self {
        Self {
            home: stamp.env.clone(),
            stamp,
            slot,
            image,
            host_key,
            ready: None,
        }
    }

    /// The identity of the machine.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        name::machine_uuid(&self.stamp.owner, &self.home, self.slot)
    }

    /// The `metadata` element of a domain.
    #[must_use]
    pub fn metadata(&self) -> Node {
        let machine = self.element("metrom:");
        Node::new("metadata").child(machine.with("xmlns:metrom", NAMESPACE))
    }

    /// Our element, its names with this before them; libvirt's own call wants them without any.
    #[must_use]
    pub fn element(&self, prefix: &str) -> Node {
        let Self {
            stamp,
            home,
            slot: _,
            image,
            host_key,
            ready,
        } = self;
        let named = |name: &str| Node::new(&format!("{prefix}{name}"));
        let stamp_text = serde_json::to_string(stamp).expect("a stamp serialises to JSON");
        let is_claimed = *home != stamp.env;
        let home = is_claimed.then(|| named("home").text(home));
        let ready = ready.as_ref().map(|ready| named("ready").text(ready));
        named("machine")
            .child(named("stamp").text(stamp_text))
            .child(named("image").text(image))
            .child(named("hostkey").text(host_key))
            .children(home)
            .children(ready)
    }

    /// The mark of a domain, if it carries one that is meant for it.
    ///
    /// **Guarantees.** A copy of our machine, which has the metadata but another identity, is
    /// somebody else's.
    #[must_use]
    pub fn of(domain: &Node, uuid: Uuid) -> Option<Self> {
        let machine = domain.at("metadata/metrom:machine")?;
        if machine.attribute("xmlns:metrom") != Some(NAMESPACE) {
            return None;
        }
        let stamp: Stamp = serde_json::from_str(machine.at("metrom:stamp")?.content()).ok()?;
        let text = |name| machine.at(name).map(|node| node.content().to_owned());
        let home = match text("metrom:home") {
            Some(home) => EnvName::parse(&home).ok()?,
            None => stamp.env.clone(),
        };
        let slot = Slot::of(&stamp.owner, &home, uuid)?;
        (stamp.key == Key::Machine).then_some(Self {
            stamp,
            home,
            slot,
            image: text("metrom:image")?,
            host_key: text("metrom:hostkey")?,
            ready: text("metrom:ready").and_then(|text| Digest::parse(&text)),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{OwnerName, Timestamp};

    pub fn mark() -> Mark {
        Mark::new(
            Stamp {
                owner: OwnerName::parse("acme").unwrap(),
                env: EnvName::parse("shop-dev").unwrap(),
                key: Key::Machine,
                digest: Some(Digest::of_bytes(b"spec")),
                revision: None,
                created: Timestamp::from_second(1_764_000_000).unwrap(),
                born: None,
            },
            Slot::FIRST,
            "debian-13-0123456789ab".into(),
            "ssh-ed25519 AAAA root@shop".into(),
        )
    }

    fn read(metadata: Node, uuid: Uuid) -> Option<Mark> {
        let domain = Node::new("domain").child(metadata).to_string();
        Mark::of(&Node::parse(&domain).unwrap(), uuid)
    }

    #[test]
    fn a_mark_survives_the_way_through_xml_in_any_slot() {
        for slot in Slot::all() {
            let mark = Mark { slot, ..mark() };
            assert_eq!(read(mark.metadata(), mark.uuid()), Some(mark));
        }
    }

    #[test]
    fn a_machine_that_was_claimed_keeps_its_identity() {
        let warm = Mark {
            ready: Some(Digest::of_bytes(b"ready")),
            ..mark()
        };
        assert_eq!(read(warm.metadata(), warm.uuid()), Some(warm.clone()));
        let mut claimed = warm.clone();
        claimed.stamp.env = EnvName::parse("shop-test").unwrap();
        assert_eq!(read(claimed.metadata(), warm.uuid()), Some(claimed));
    }

    #[test]
    fn a_cloned_domain_is_not_ours_although_it_copied_the_mark() {
        let mark = mark();
        assert_eq!(read(mark.metadata(), Uuid::from_u128(7)), None);
    }

    #[test]
    fn an_element_of_another_namespace_is_not_our_mark() {
        let mark = mark();
        let theirs = mark.metadata().to_string().replace("metrom.dev", "x.dev");
        assert_eq!(read(Node::parse(&theirs).unwrap(), mark.uuid()), None);
    }
}
