//! Looks at everything of ours inside a machine, and touches nothing.
//!
//! One script for files, checkouts and records, and Docker's own API for containers. Whatever does
//! not answer is a gap with its reason; a machine that is still at its first boot is one too, for
//! what is not there yet may be there in a moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::checkout::{self, Survey};
use super::container::{self, Container};
use super::docker;
use super::operator::Operator;
use super::record::{self, CheckoutRecord, ContainersRecord, GuestRecord, StackRecord};
use crate::model::{Gap, Key, LiveCheckout, LiveFields, LiveStack, Scope, Stamp};
use crate::port::GuestReport;
use crate::ssh::Command;

const OBSERVE: &str = include_str!("scripts/observe.sh");
const DOING: &str = "looking at the machine";

/// What the script says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Facts {
    booting: bool,
    unmounted: Vec<String>,
    guest: Option<GuestRecord>,
    containers: Option<ContainersRecord>,
    stack: Option<StackRecord>,
    checkouts: BTreeMap<String, Survey>,
    changed_files: Vec<String>,
}

impl Facts {
    fn read(output: &str) -> Self {
        let mut facts = Self::default();
        let mut checkout: Option<&str> = None;
        for (name, value) in checkout::facts(output) {
            match name {
                "booting" => facts.booting = true,
                "unmounted" => facts.unmounted.push(value.to_owned()),
                "guest" => facts.guest = record::read(value),
                "containers" => facts.containers = record::read(value),
                "stack" => facts.stack = record::read(value),
                "file" => facts.changed_files.push(value.to_owned()),
                "checkout" => {
                    checkout = Some(value);
                    facts.checkouts.insert(value.to_owned(), Survey::default());
                }
                _ => {
                    let survey = checkout.and_then(|name| facts.checkouts.get_mut(name));
                    if let Some(survey) = survey {
                        survey.take(name, value);
                    }
                }
            }
        }
        facts
    }

    /// Why nothing can be concluded from what is not there.
    fn gap(&self) -> Option<String> {
        if self.booting {
            return Some("its first boot is not finished".to_owned());
        }
        let unmounted = self.unmounted.first()?;
        Some(format!(
            "{unmounted} is not mounted; look at `systemctl --failed` and `journalctl -b` on the machine"
        ))
    }
}

/// Everything of ours inside the machine.
pub(crate) async fn observe(op: &Operator<'_>) -> GuestReport {
    let layout = op.layout;
    let command = Command::script(OBSERVE)
        .args([
            layout.root.as_str(),
            layout.state.as_str(),
            checkout::SURVEY,
        ])
        .as_root();
    let facts = match op.ask(DOING, &command).await {
        Ok(output) => Facts::read(&output),
        Err(e) => return blind(e.to_string()),
    };
    if let Some(reason) = facts.gap() {
        return blind(reason);
    }
    let containers = match &facts.stack {
        Some(stack) => containers(op, &stack.project).await,
        None => Ok(Vec::new()),
    };
    match containers {
        Ok(containers) => report(facts, containers),
        Err(reason) => {
            let mut seen = report(facts, Vec::new());
            seen.live.remove(&Key::Stack);
            seen.gaps = blind(reason).gaps;
            seen
        }
    }
}

/// A report of nothing but why.
pub(crate) fn blind(reason: String) -> GuestReport {
    let scope = Scope::Guest;
    GuestReport {
        live: BTreeMap::new(),
        gaps: vec![Gap { scope, reason }],
    }
}

async fn containers(op: &Operator<'_>, project: &str) -> Result<Vec<Container>, String> {
    let failed = |e: bollard::errors::Error| format!("Docker does not answer: {e}");
    let docker = docker::connect(Arc::clone(&op.session), &op.layout.docker_socket);
    let docker = docker.await.map_err(failed)?;
    container::list(&docker, project).await.map_err(failed)
}

fn report(facts: Facts, containers: Vec<Container>) -> GuestReport {
    let mut live: BTreeMap<Key, (LiveFields, Option<Stamp>)> = BTreeMap::new();
    if let Some(guest) = facts.guest {
        live.insert(Key::Guest, (LiveFields::Guest, Some(guest.stamp)));
    }
    if let Some(ContainersRecord { stamp }) = facts.containers {
        live.insert(Key::Containers, (LiveFields::Guest, Some(stamp)));
    }
    for (name, survey) in facts.checkouts {
        let fields = LiveFields::Checkout(LiveCheckout {
            revision: survey.head.clone(),
            local_work: survey.local_work(),
        });
        let stamp = survey.record.map(|CheckoutRecord { stamp, .. }| stamp);
        live.insert(Key::Checkout(name), (fields, stamp));
    }
    if let Some(record) = facts.stack {
        let has = |service: &String| containers.iter().any(|c| c.service == *service);
        let missing = record
            .services
            .keys()
            .filter(|s| !has(s))
            .cloned()
            .collect();
        let stack = LiveStack {
            missing,
            changed_files: facts.changed_files.into_iter().collect(),
            services: containers.into_iter().map(|c| c.live(&record)).collect(),
        };
        live.insert(Key::Stack, (LiveFields::Stack(stack), Some(record.stamp)));
    }
    GuestReport {
        live,
        gaps: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, EnvName, OwnerName};

    fn stamp(key: Key) -> Stamp {
        Stamp {
            owner: OwnerName::parse("acme").unwrap(),
            env: EnvName::parse("shop").unwrap(),
            key,
            digest: Some(Digest::of_bytes(b"spec")),
            revision: None,
            created: "2026-01-01T00:00:00Z".parse().unwrap(),
            born: None,
        }
    }

    #[test]
    fn records_become_live_objects_with_their_stamps() {
        let guest = GuestRecord {
            stamp: stamp(Key::Guest),
            user: "dev".to_owned(),
            logins: Vec::new(),
            registries: false,
        };
        let stack = StackRecord {
            stamp: stamp(Key::Stack),
            project: "shop".to_owned(),
            services: BTreeMap::from([("web".to_owned(), "h".to_owned())]),
            images: BTreeMap::new(),
            files: BTreeMap::new(),
        };
        let head = "a".repeat(40);
        let output = format!(
            "guest\t{}\nstack\t{}\ncheckout\tapp\nhead\t{head}\nbranch\tmain\nrecord\t\nfile\tsite.conf\n",
            record::line(&guest),
            record::line(&stack),
        );
        let report = report(Facts::read(&output), Vec::new());
        assert!(report.gaps.is_empty());
        assert_eq!(
            report.live[&Key::Guest],
            (LiveFields::Guest, Some(guest.stamp))
        );
        let LiveFields::Stack(live) = &report.live[&Key::Stack].0 else {
            panic!("no stack");
        };
        assert!(live.missing.contains("web") && live.changed_files.contains("site.conf"));
        let (LiveFields::Checkout(tree), None) = &report.live[&Key::Checkout("app".into())] else {
            panic!("a checkout without a record is not ours");
        };
        assert_eq!(tree.revision.as_ref().unwrap().as_str(), head);
    }

    #[test]
    fn a_machine_that_is_not_ready_is_a_gap() {
        assert!(
            Facts::read("booting\t\n")
                .gap()
                .unwrap()
                .contains("first boot")
        );
        let facts = Facts::read("unmounted\t/srv/metrom\n");
        assert!(facts.gap().unwrap().contains("/srv/metrom is not mounted"));
        assert_eq!(Facts::read("").gap(), None);
    }

    #[test]
    fn a_record_that_cannot_be_read_counts_as_absent() {
        assert_eq!(Facts::read("guest\t{half\nstack\t\n"), Facts::default());
    }
}
