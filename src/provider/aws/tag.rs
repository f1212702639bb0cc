//! Our mark on what EC2 has: tags, which go with an object from the call that makes it. Pure.
//!
//! An empty tag says that there is nothing to say: so one call overwrites a whole mark, and nothing
//! is ever taken off.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};

use crate::model::{Digest, EnvName, Key, OwnerName, Revision, Stamp, Token};

pub const OWNER: &str = "metrom:owner";
pub const ENV: &str = "metrom:env";
pub const KEY: &str = "metrom:key";
/// The client token that something was made with.
pub const TOKEN: &str = "metrom:token";
/// On a disk that goes with its machine: its own, or one in place of a data volume.
pub const PART: &str = "metrom:part";
/// On a disk in place of a data volume, before it is taken off: the machine that has it.
pub const MACHINE: &str = "metrom:machine";
/// On what belongs to the cloud as declared and to no environment.
pub const PROVIDER: &str = "metrom:provider";
/// How a machine was rented, for people.
pub const MARKET: &str = "metrom:market";
/// What people see in AWS's console.
pub const NAME: &str = "Name";

const DIGEST: &str = "metrom:digest";
const REVISION: &str = "metrom:revision";
const CREATED: &str = "metrom:created";
const BORN: &str = "metrom:born";
const IMAGE: &str = "metrom:image";
const HOST_KEY: &str = "metrom:host-key";
const READY: &str = "metrom:ready";
/// On a machine that has not all of its data volumes yet.
const BEGUN: &str = "metrom:begun";
/// On a machine that we keep from being ended.
const PROTECTED: &str = "metrom:protected";
/// What a tag says that says yes.
const YES: &str = "yes";
/// Before the name of a data volume: the device of the disk that a machine has in its place.
const SCRATCH: &str = "metrom:scratch:";

/// What EC2 allows on one object, and in one tag.
const MOST: usize = 50;
const LONGEST: usize = 256;
/// What EC2 allows of a client token.
const LONGEST_TOKEN: usize = 64;

pub type Tags = BTreeMap<String, String>;

/// The tags of a stamp, and the name that people see.
#[must_use]
pub fn of_stamp(stamp: &Stamp) -> Tags {
    let Stamp {
        owner,
        env,
        key,
        digest,
        revision,
        created,
        born,
    } = stamp;
    let text = |value: Option<String>| value.unwrap_or_default();
    tags([
        (NAME, name(env)),
        (OWNER, owner.to_string()),
        (ENV, env.to_string()),
        (KEY, key.to_string()),
        (DIGEST, text(digest.as_ref().map(ToString::to_string))),
        (REVISION, text(revision.as_ref().map(ToString::to_string))),
        (CREATED, created.to_string()),
        (BORN, text(born.map(|born| born.to_string()))),
    ])
}

/// The stamp that tags say; half a stamp is none.
#[must_use]
pub fn stamp(tags: &Tags) -> Option<Stamp> {
    let said = |name: &str| tags.get(name).filter(|text| !text.is_empty());
    Some(Stamp {
        owner: OwnerName::parse(said(OWNER)?).ok()?,
        env: EnvName::parse(said(ENV)?).ok()?,
        key: said(KEY)?.parse().ok()?,
        digest: said(DIGEST).and_then(|text| Digest::parse(text)),
        revision: said(REVISION).and_then(|text| Revision::parse(text)),
        created: said(CREATED)?.parse().ok()?,
        born: said(BORN).and_then(|text| text.parse().ok()),
    })
}

/// What a machine of ours carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub stamp: Stamp,
    /// The base image, by [`crate::model::ImageSpec::id`].
    pub image: String,
    /// The machine's public host key.
    pub host_key: String,
    /// What a warm machine was made ready for.
    pub ready: Option<Digest>,
    /// The device names of the disks that it has in place of data volumes, by the volume's name.
    pub scratch: BTreeMap<String, String>,
    /// It has not all of its data volumes yet.
    pub is_begun: bool,
    /// It is kept from being ended, or just about to be.
    pub is_protected: bool,
}

impl Mark {
    #[must_use]
    pub fn tags(&self) -> Tags {
        let Self {
            stamp,
            image,
            host_key,
            ready,
            scratch,
            is_begun,
            is_protected,
        } = self;
        let ready = ready.as_ref().map(ToString::to_string);
        let mut all = of_stamp(stamp);
        all.extend(tags([
            (IMAGE, image.clone()),
            (HOST_KEY, host_key.clone()),
            (READY, ready.unwrap_or_default()),
            (BEGUN, yes(*is_begun)),
            (PROTECTED, yes(*is_protected)),
        ]));
        let scratch = scratch.iter();
        all.extend(scratch.map(|(name, device)| (format!("{SCRATCH}{name}"), device.clone())));
        all
    }

    /// The mark of a machine, if its tags say a whole one.
    #[must_use]
    pub fn of(tags: &Tags) -> Option<Self> {
        let stamp = stamp(tags).filter(|stamp| stamp.key == Key::Machine)?;
        let scratch = tags.iter().filter_map(|(tag, device)| {
            let name = tag.strip_prefix(SCRATCH)?;
            Some((name.to_owned(), device.clone()))
        });
        Some(Self {
            stamp,
            image: tags.get(IMAGE)?.clone(),
            host_key: tags.get(HOST_KEY)?.clone(),
            ready: tags.get(READY).and_then(|text| Digest::parse(text)),
            scratch: scratch.collect(),
            is_begun: is_yes(tags, BEGUN),
            is_protected: is_yes(tags, PROTECTED),
        })
    }
}

fn yes(is_so: bool) -> String {
    if is_so { YES } else { "" }.to_owned()
}

fn is_yes(tags: &Tags, tag: &str) -> bool {
    tags.get(tag).is_some_and(|text| text == YES)
}

/// What people see in AWS's console.
#[must_use]
pub fn name(env: &EnvName) -> String {
    format!("metrom-{env}")
}

#[must_use]
pub fn tags<const N: usize>(tags: [(&str, String); N]) -> Tags {
    tags.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Adds the declared tags to ours, if an object takes them all.
///
/// # Errors
/// Why it does not, and the next move.
pub fn complete(ours: Tags, declared: &Tags) -> Result<Tags, String> {
    let mut all = declared.clone();
    all.extend(ours);
    if all.len() > MOST {
        let many = all.len();
        return Err(format!(
            "it would have {many} tags, and EC2 takes {MOST}; declare fewer in `tags` of the cloud"
        ));
    }
    match all
        .iter()
        .find(|(_, value)| value.chars().count() > LONGEST)
    {
        Some((tag, _)) => Err(format!(
            "the tag `{tag}` is longer than the {LONGEST} characters that EC2 takes"
        )),
        None => Ok(all),
    }
}

/// The client token of an attempt. When what was made with it has ended, the token is spent, and the
/// next generation takes its place: just as idempotent, and the same for whoever tries again.
#[must_use]
pub fn client_token(token: &Token, generation: u32) -> String {
    let Token(text) = token;
    match generation {
        0 if text.len() <= LONGEST_TOKEN => text.clone(),
        _ => Digest::of(&(text, generation)).to_string(),
    }
}

#[must_use]
pub fn read(tags: &[Tag]) -> Tags {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    tags.iter()
        .map(|tag| (text(tag.key()), text(tag.value())))
        .collect()
}

#[must_use]
pub fn written(tags: &Tags) -> Vec<Tag> {
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    tags.iter().map(tag).collect()
}

#[must_use]
pub fn specification(kind: ResourceType, tags: &Tags) -> TagSpecification {
    let tags = Some(written(tags));
    TagSpecification::builder()
        .resource_type(kind)
        .set_tags(tags)
        .build()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::Timestamp;

    pub fn mark() -> Mark {
        Mark {
            stamp: Stamp {
                owner: OwnerName::parse("acme").unwrap(),
                env: EnvName::parse("shop-dev").unwrap(),
                key: Key::Machine,
                digest: Some(Digest::of_bytes(b"spec")),
                revision: Revision::parse(&"c".repeat(40)),
                created: Timestamp::new(1_764_000_000, 123_456_789).unwrap(),
                born: Some(Timestamp::from_second(1_763_000_000).unwrap()),
            },
            image: "debian-13-0123456789ab".into(),
            host_key: "ssh-ed25519 AAAA root@shop".into(),
            ready: Some(Digest::of_bytes(b"ready")),
            scratch: BTreeMap::from([("data".into(), "/dev/sdf".into())]),
            is_begun: true,
            is_protected: true,
        }
    }

    #[test]
    fn a_mark_survives_the_way_through_tags() {
        let bare = Mark {
            stamp: Stamp {
                digest: None,
                revision: None,
                born: None,
                ..mark().stamp
            },
            ready: None,
            scratch: BTreeMap::new(),
            ..mark()
        };
        for mark in [mark(), bare] {
            assert_eq!(Mark::of(&read(&written(&mark.tags()))), Some(mark));
        }
        let volume = Stamp {
            key: Key::Volume("data".into()),
            ..mark().stamp
        };
        assert_eq!(stamp(&of_stamp(&volume)), Some(volume));
    }

    #[test]
    fn half_a_mark_is_none() {
        for missing in [OWNER, ENV, KEY, CREATED, IMAGE, HOST_KEY] {
            let mut tags = mark().tags();
            tags.remove(missing);
            assert_eq!(Mark::of(&tags), None, "{missing}");
        }
        let mut tags = mark().tags();
        tags.insert(OWNER.into(), String::new());
        assert_eq!(stamp(&tags), None);
    }

    #[test]
    fn a_later_mark_overwrites_an_earlier_one_whole() {
        let later = Mark {
            ready: None,
            stamp: Stamp {
                digest: None,
                ..mark().stamp
            },
            ..mark()
        };
        let mut tags = mark().tags();
        tags.extend(later.tags());
        assert_eq!(Mark::of(&tags), Some(later));
    }

    #[test]
    fn declared_tags_are_added_but_never_too_many_nor_over_ours() {
        let declared = |count: usize| (0..count).map(|n| (format!("t{n}"), "x".into())).collect();
        let few: Tags = declared(3);
        assert_eq!(
            complete(mark().tags(), &few).unwrap().len(),
            mark().tags().len() + 3
        );
        assert!(
            complete(mark().tags(), &declared(40))
                .unwrap_err()
                .contains("declare fewer")
        );
        let over = tags([(OWNER, "somebody".into())]);
        assert_eq!(
            Mark::of(&complete(mark().tags(), &over).unwrap()),
            Some(mark())
        );
        let long = tags([("cost-centre", "x".repeat(257))]);
        assert!(
            complete(mark().tags(), &long)
                .unwrap_err()
                .contains("cost-centre")
        );
    }

    #[test]
    fn a_client_token_is_never_too_long_and_another_in_every_generation() {
        let short = Token("machine-shop".into());
        assert_eq!(client_token(&short, 0), "machine-shop");
        let long = Token("x".repeat(65));
        let all = [
            (&short, 0),
            (&short, 1),
            (&short, 2),
            (&long, 0),
            (&long, 1),
        ];
        let all: std::collections::BTreeSet<_> = all
            .iter()
            .map(|(token, generation)| client_token(token, *generation))
            .collect();
        assert_eq!(all.len(), 5);
        assert!(all.iter().all(|token| token.len() <= LONGEST_TOKEN));
    }
}
