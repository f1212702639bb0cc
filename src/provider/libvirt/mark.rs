//! Our mark in a domain's metadata: whose machine it is and how it is pinned. Pure.

use uuid::Uuid;

use super::name::Slot;
use super::xml::Node;
use crate::model::{Key, Stamp};

/// The XML namespace of our element; changing it would make every machine foreign.
const NAMESPACE: &str = "https://metrom.dev/xmlns/libvirt/1";

/// What a domain of ours carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub stamp: Stamp,
    /// Where it lives; not written, since its identity says it.
    pub slot: Slot,
    /// The base image, by [`crate::model::ImageSpec::id`].
    pub image: String,
    /// The machine's public host key.
    pub host_key: String,
}

impl Mark {
    /// The `metadata` element of a domain.
    #[must_use]
    pub fn metadata(&self) -> Node {
        let Self {
            stamp,
            slot: _,
            image,
            host_key,
        } = self;
        let stamp = serde_json::to_string(stamp).expect("a stamp serialises to JSON");
        let machine = Node::new("metrom:machine")
            .with("xmlns:metrom", NAMESPACE)
            .child(Node::new("metrom:stamp").text(stamp))
            .child(Node::new("metrom:image").text(image))
            .child(Node::new("metrom:hostkey").text(host_key));
        Node::new("metadata").child(machine)
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
        let slot = Slot::of(&stamp.owner, &stamp.env, uuid)?;
        let text = |name| machine.at(name).map(|node| node.content().to_owned());
        (stamp.key == Key::Machine).then_some(Self {
            stamp,
            slot,
            image: text("metrom:image")?,
            host_key: text("metrom:hostkey")?,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::name;
    use super::*;
    use crate::model::{Digest, EnvName, OwnerName, Timestamp};

    pub fn mark() -> Mark {
        Mark {
            stamp: Stamp {
                owner: OwnerName::parse("acme").unwrap(),
                env: EnvName::parse("shop-dev").unwrap(),
                key: Key::Machine,
                digest: Some(Digest::of_bytes(b"spec")),
                revision: None,
                created: Timestamp::from_second(1_764_000_000).unwrap(),
                born: None,
            },
            slot: Slot::First,
            image: "debian-13-0123456789ab".into(),
            host_key: "ssh-ed25519 AAAA root@shop".into(),
        }
    }

    fn uuid(mark: &Mark) -> Uuid {
        name::machine_uuid(&mark.stamp.owner, &mark.stamp.env, mark.slot)
    }

    fn read(metadata: Node, uuid: Uuid) -> Option<Mark> {
        let domain = Node::new("domain").child(metadata).to_string();
        Mark::of(&Node::parse(&domain).unwrap(), uuid)
    }

    #[test]
    fn a_mark_survives_the_way_through_xml_in_either_slot() {
        for slot in Slot::ALL {
            let mark = Mark { slot, ..mark() };
            assert_eq!(read(mark.metadata(), uuid(&mark)), Some(mark));
        }
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
        assert_eq!(read(Node::parse(&theirs).unwrap(), uuid(&mark)), None);
    }
}
