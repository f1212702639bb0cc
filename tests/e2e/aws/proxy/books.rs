//! What the proxy remembers beside the emulator: what is on its way, what nobody sees yet, and which
//! tokens were used.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::behind::{Behind, show_address};
use super::call::Call;
use super::lag::Lag;
use super::listing::Kind;
use super::pace::{Pace, hide_address};
use super::refusal::Refusal;
use super::rules::{Changed, Refused, Rules, named};
use super::spot::Requests;
use super::truth::Truth;
use super::wire::Answer;
use super::xml::Node;

pub struct Books {
    pub pace: Pace,
    pub lag: Lag,
    /// Real machines, if there are any.
    pub behind: Option<Arc<dyn Behind>>,
    /// So many things does a page of a listing hold at most.
    pub page: usize,
    changed: Changed,
    spot: Requests,
    tokens: BTreeMap<(String, String), (Call, Answer)>,
}

impl Default for Books {
    fn default() -> Self {
        Self {
            pace: Pace::default(),
            lag: Lag::default(),
            behind: None,
            page: 1000,
            changed: Changed::new(),
            spot: Requests::default(),
            tokens: BTreeMap::new(),
        }
    }
}

impl Books {
    /// The answer that the same token had before, and the same parameters.
    pub fn earlier(&self, call: &Call) -> Option<Result<Answer, Refusal>> {
        let (before, answer) = self.tokens.get(&token(call)?)?;
        if before != call {
            let message = "Arguments on this idempotent request are inconsistent with arguments used \
                 in previous request(s).";
            return Some(Err(Refusal::bad("IdempotentParameterMismatch", message)));
        }
        Some(Ok(answer.clone()))
    }

    /// Keeps the answer for the next with the same token.
    pub fn keep(&mut self, call: &Call, answer: &Answer) {
        if let Some(token) = token(call) {
            self.tokens.insert(token, (call.clone(), answer.clone()));
        }
    }

    /// Refuses what EC2 would; asking again and again brings the right state nearer.
    pub fn check(&mut self, call: &Call, truth: &Truth) -> Result<(), Refusal> {
        self.spot.check(call)?;
        let rules = Rules {
            truth,
            pace: &self.pace,
            lag: &self.lag,
            changed: &self.changed,
        };
        rules.check(call).map_err(|Refused { refusal, by }| {
            by.iter().for_each(|id| self.look(id));
            refusal
        })
    }

    /// The requests for spot machines, if they are asked for.
    pub fn requests(&self, call: &Call) -> Option<Node> {
        self.spot.list(call)
    }

    /// The answer to what is about requests for spot machines alone.
    pub fn cancel(&mut self, call: &Call) -> Option<Node> {
        self.spot.cancel(call)
    }

    fn look(&mut self, id: &str) {
        if self.lag.holds(id) {
            self.lag.look(id);
        } else if !self.behind.as_ref().is_some_and(|real| real.is_moving(id)) {
            self.pace.look(id);
        }
    }

    /// What a listing is made of.
    pub fn show(&self, kind: Kind, mut nodes: Vec<Node>) -> Vec<Node> {
        for node in &mut nodes {
            match kind {
                Kind::Instances => {
                    self.spot.show(node);
                    self.pace.show_instance(node);
                    if let Some(behind) = &self.behind {
                        show_address(node, &**behind);
                    }
                }
                Kind::Volumes => self.pace.show_volume(node),
            }
        }
        self.lag.show(nodes, kind.key())
    }

    /// Somebody has looked: at what the call names, or at all there is.
    pub fn looked(&mut self, kind: Kind, call: &Call, truth: &Truth) {
        let mut ids: Vec<String> = named(call).into_iter().map(str::to_owned).collect();
        if ids.is_empty() {
            let nodes = match kind {
                Kind::Instances => &truth.instances,
                Kind::Volumes => &truth.volumes,
            };
            let there = nodes.iter().map(|n| n.text_at(kind.key()).to_owned());
            ids = there.chain(self.lag.shown_as_it_was(kind.key())).collect();
            ids.sort();
            ids.dedup();
        }
        for id in ids {
            self.look(&id);
            // Who looks at an instance looks at what is attached to it.
            let node = truth.of(&id).filter(|_| kind == Kind::Instances);
            let disks = node.map_or(&[][..], |node| node.items("blockDeviceMapping"));
            let disks = disks
                .iter()
                .map(|item| item.text_at("ebs/volumeId").to_owned());
            for disk in disks.chain(self.pace.volumes_of(&id)) {
                self.pace.look(&disk);
            }
        }
    }

    /// A change was made; the answer to it is corrected where the emulator is ahead.
    pub fn note(&mut self, call: &Call, before: &Truth, answer: &mut Node) {
        for id in named(call) {
            self.lag.note(id, before.of(id));
        }
        match call.action.as_str() {
            "RunInstances" => self.launched(call, answer),
            "StartInstances" => self.begin(call, before, "stopped", "pending"),
            "StopInstances" => self.begin(call, before, "running", "stopping"),
            "TerminateInstances" => self.terminated(call, before),
            "CreateVolume" => self.created(answer),
            "AttachVolume" => self.pace.begin(answer.text_at("volumeId"), "attaching"),
            "DetachVolume" => self.detached(answer.text_at("volumeId"), before),
            "ModifyVolume" => {
                let id = answer.text_at("volumeModification/volumeId");
                self.changed.insert(id.to_owned());
            }
            _ => {}
        }
    }

    fn launched(&mut self, call: &Call, answer: &mut Node) {
        for instance in answer.items_mut("instancesSet") {
            self.spot.launched(call, instance);
            hide_address(instance);
            let id = instance.text_at("instanceId");
            self.pace.begin(id, "pending");
            self.lag.note(id, None);
            for item in instance.items("blockDeviceMapping") {
                self.lag.note(item.text_at("ebs/volumeId"), None);
            }
        }
    }

    fn begin(&mut self, call: &Call, before: &Truth, from: &str, phase: &'static str) {
        for id in call.list("InstanceId") {
            let state = before
                .of(id)
                .map_or("", |n| n.text_at("instanceState/name"));
            if state == from {
                self.pace.begin(id, phase);
            }
        }
    }

    fn terminated(&mut self, call: &Call, before: &Truth) {
        for id in call.list("InstanceId") {
            let instance = before.of(id);
            if instance.is_none_or(|n| n.text_at("instanceState/name") == "terminated") {
                continue;
            }
            self.pace.begin(id, "shutting-down");
            for disk in instance.map_or(&[][..], |n| n.items("blockDeviceMapping")) {
                let volume = disk.text_at("ebs/volumeId");
                self.lag.note(volume, before.of(volume));
                if disk.text_at("ebs/deleteOnTermination") != "true" {
                    self.detached(volume, before);
                }
            }
        }
    }

    fn created(&mut self, answer: &mut Node) {
        let id = answer.text_at("volumeId").to_owned();
        self.pace.begin(&id, "creating");
        self.pace.show_volume(answer);
        self.lag.note(&id, None);
    }

    fn detached(&mut self, volume: &str, before: &Truth) {
        let attachments = before
            .of(volume)
            .map_or(&[][..], |v| v.items("attachmentSet"));
        if let Some(attachment) = attachments.first() {
            self.pace.begin_detaching(volume, attachment.clone());
        }
    }
}

fn token(call: &Call) -> Option<(String, String)> {
    let token = call.get("ClientToken")?;
    let is_kept = ["RunInstances", "CreateVolume"].contains(&call.action.as_str());
    is_kept.then(|| (call.action.clone(), token.to_owned()))
}
