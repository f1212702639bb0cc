//! The bed of [`crate::story`], with two bare machines beside its host.

use std::ops::{Deref, DerefMut};

use serde_json::Value;

use crate::bare::{BareMachine, Order};
use crate::story::bed::{Bed as Story, ENV};

pub const FILE: &str = "environments/journal.yaml";
/// Its image, its disk and its data have to fit.
const DISK_MIB: u64 = 12 << 10;

pub struct Bed {
    story: Story,
    pub machines: [BareMachine; 2],
}

impl Bed {
    pub fn new() -> Self {
        let story = Story::new();
        let machines = ["idc-1", "idc-2"].map(|name| Order::named(name).disk_mib(DISK_MIB).start());
        Self { story, machines }
    }

    /// Lets the program in to a machine, as the one who rents it does.
    pub fn admit(&self, public_key: &str) {
        for machine in &self.machines {
            machine.root(&format!(
                "echo '{public_key}' >> /home/admin/.ssh/authorized_keys"
            ));
        }
    }

    /// The domains on the first machine, as libvirt there tells them.
    pub fn domains(&self) -> String {
        self.machines[0]
            .root("virsh -q list --all --name")
            .trim()
            .to_owned()
    }

    /// The environment as the program tells it.
    pub fn told(&self) -> Value {
        let told = self.metrom(&["get", "environments", ENV, "-o", "json"]);
        told.json()[0].clone()
    }

    /// What a program on the environment's machine says.
    pub fn inside(&self, script: &str) -> String {
        let said = self.metrom(&["exec", ENV, "--", "sh", "-c", script]);
        said.with_code(0).text()
    }
}

impl Deref for Bed {
    type Target = Story;

    fn deref(&self) -> &Story {
        &self.story
    }
}

impl DerefMut for Bed {
    fn deref_mut(&mut self) -> &mut Story {
        &mut self.story
    }
}
