//! States that take time. The emulator knows only where things end; here they are on their way until
//! somebody has looked a number of times, which is the same on every machine, however slow.

use std::collections::BTreeMap;

use super::xml::Node;

#[derive(Debug, Default)]
pub struct Pace {
    /// So many looks does each state last.
    pub looks: u32,
    phases: BTreeMap<String, Phase>,
}

#[derive(Debug)]
struct Phase {
    name: &'static str,
    left: u32,
    /// How it was attached, of a volume that is being detached.
    attachment: Option<Node>,
}

impl Pace {
    pub fn begin(&mut self, id: &str, name: &'static str) {
        self.put(id, name, None);
    }

    pub fn begin_detaching(&mut self, id: &str, attachment: Node) {
        self.put(id, "detaching", Some(attachment));
    }

    fn put(&mut self, id: &str, name: &'static str, attachment: Option<Node>) {
        self.phases.remove(id);
        let left = self.looks;
        let phase = Phase {
            name,
            left,
            attachment,
        };
        if left > 0 {
            self.phases.insert(id.to_owned(), phase);
        }
    }

    /// The state that it is in on its way to another.
    pub fn of(&self, id: &str) -> Option<&'static str> {
        self.phases.get(id).map(|phase| phase.name)
    }

    pub fn look(&mut self, id: &str) {
        if let Some(phase) = self.phases.get_mut(id) {
            phase.left -= 1;
            if phase.left == 0 {
                self.phases.remove(id);
            }
        }
    }

    /// The volumes that are attached to an instance, or no longer quite, or not quite yet.
    pub fn volumes_of(&self, instance: &str) -> Vec<String> {
        let is_of = |phase: &Phase| {
            let attachment = phase.attachment.as_ref();
            attachment.is_some_and(|a| a.text_at("instanceId") == instance)
        };
        let found = self.phases.iter().filter(|(_, phase)| is_of(phase));
        found.map(|(id, _)| id.clone()).collect()
    }

    pub fn show_instance(&self, node: &mut Node) {
        let id = node.text_at("instanceId").to_owned();
        let code = match self.of(&id) {
            Some("pending") => {
                hide_address(node);
                "0"
            }
            Some("shutting-down") => "32",
            Some("stopping") => "64",
            _ => node.text_at("instanceState/code"),
        }
        .to_owned();
        let name = self.of(&id).unwrap_or(node.text_at("instanceState/name"));
        let name = name.to_owned();
        node.set("instanceState/code", &code);
        node.set("instanceState/name", &name);
        for item in node.items_mut("blockDeviceMapping") {
            if self.of(item.text_at("ebs/volumeId")) == Some("attaching") {
                item.set("ebs/status", "attaching");
            }
        }
        for volume in self.volumes_of(&id) {
            let attachment = self.phases[&volume].attachment.as_ref().unwrap();
            let mut item = Node::new("item");
            item.set("deviceName", attachment.text_at("device"));
            item.set("ebs/volumeId", &volume);
            item.set("ebs/status", "detaching");
            item.set("ebs/deleteOnTermination", "false");
            node.make("blockDeviceMapping").children.push(item);
        }
    }

    pub fn show_volume(&self, node: &mut Node) {
        let Some(phase) = self.phases.get(node.text_at("volumeId")) else {
            return;
        };
        match (phase.name, &phase.attachment) {
            ("attaching", _) => {
                for item in node.items_mut("attachmentSet") {
                    item.set("status", "attaching");
                }
            }
            ("detaching", Some(attachment)) => {
                node.set("status", "in-use");
                let mut item = attachment.clone();
                item.set("status", "detaching");
                node.make("attachmentSet").children.push(item);
            }
            (name, _) => node.set("status", name),
        }
    }
}

/// An instance has no public address before it runs.
pub fn hide_address(instance: &mut Node) {
    instance.remove("ipAddress");
    instance.set("dnsName", "");
    for interface in instance.items_mut("networkInterfaceSet") {
        interface.remove("association");
        for address in interface.items_mut("privateIpAddressesSet") {
            address.remove("association");
        }
    }
}
