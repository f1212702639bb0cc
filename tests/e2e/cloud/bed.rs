//! The bed of [`crate::story`], with a cloud beside its host.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::aws::bed::{AMD64, PUBLISHER, give_credentials};
use crate::aws::emulator::{REGION, account};
use crate::aws::proxy::Proxy;
use crate::aws::proxy::wire::Moto;
use crate::aws::proxy::xml::Node;
use crate::story::bed::{Bed as Story, ENV};
use crate::story::http;
use crate::story::wait::seen;

use super::guests::Guests;

pub const FILE: &str = "environments/journal.yaml";

pub struct Bed {
    story: Story,
    pub guests: Arc<Guests>,
    /// The account as a person sees it in the provider's own tools.
    console: Moto,
    /// An instance that is not ours.
    foreign: Node,
    /// What was done on the host, step by step.
    pub on_host: Vec<String>,
    /// The instance and the volume of the environment, when it was last looked.
    pub instance: String,
    pub volume: String,
    /// What was in the data volume before the instance ended.
    pub kept: String,
    _proxy: Proxy,
    // Behind what runs on it.
    runtime: Runtime,
}

impl Bed {
    pub fn new() -> Self {
        give_credentials();
        let story = Story::new();
        let guests = Arc::new(Guests::new(&image()));
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let console = account();
        let launch = [("ImageId", AMD64), ("InstanceType", "t3.nano")];
        let launched = runtime.block_on(console.ask("RunInstances", &launch));
        let foreign = launched.text_at("instancesSet/item/instanceId").to_owned();
        let proxy = runtime.block_on(async {
            let proxy = Proxy::start(console.clone(), 1).await;
            proxy.slow(1).await;
            proxy.put_behind(guests.clone()).await;
            proxy
        });
        story
            .repository
            .write("clouds/ec2.yaml", &cloud(&proxy, &console.account));
        story.repository.replace(
            FILE,
            "  template: journal\n",
            "  template: journal\n  placement: lab\n",
        );
        story.repository.push("a cloud beside the host");
        let mut bed = Self {
            story,
            guests,
            console,
            foreign: Node::default(),
            on_host: Vec::new(),
            instance: String::new(),
            volume: String::new(),
            kept: String::new(),
            _proxy: proxy,
            runtime,
        };
        bed.foreign = bed.described(&foreign);
        bed
    }

    /// What EC2 says without the program.
    pub fn ask(&self, action: &str, params: &[(&str, &str)]) -> Node {
        self.runtime.block_on(self.console.ask(action, params))
    }

    pub fn described(&self, instance: &str) -> Node {
        let found = self.ask("DescribeInstances", &[("InstanceId.1", instance)]);
        let found = found.at("reservationSet/item/instancesSet/item");
        found.expect("it is there").clone()
    }

    /// The instances of the environment that have not ended.
    pub fn instances(&self) -> Vec<Node> {
        let found = self.ask("DescribeInstances", &[]);
        let reservations = found.items("reservationSet").iter();
        let instances = reservations.flat_map(|r| r.items("instancesSet").to_vec());
        let is_there = |i: &Node| i.text_at("instanceState/name") != "terminated";
        instances
            .filter(|i| i.tag("metrom:env") == Some(ENV) && is_there(i))
            .collect()
    }

    /// Its data volumes.
    pub fn volumes(&self) -> Vec<Node> {
        let found = self.ask("DescribeVolumes", &[]);
        let volumes = found.items("volumeSet").to_vec().into_iter();
        volumes
            .filter(|v| v.tag("metrom:env") == Some(ENV))
            .collect()
    }

    /// Looks which instance and which volume are the environment's: one of each.
    pub fn note(&mut self) {
        let (instances, volumes) = (self.instances(), self.volumes());
        assert_eq!((instances.len(), volumes.len()), (1, 1), "{instances:?}");
        self.instance = instances[0].text_at("instanceId").to_owned();
        self.volume = volumes[0].text_at("volumeId").to_owned();
    }

    /// What is not ours in the account is as it was.
    pub fn require_untouched(&self) {
        let id = self.foreign.text_at("instanceId");
        assert_eq!(self.described(id), self.foreign);
        self.story.foreign.require_untouched();
    }

    /// The address of the machine as people are told it.
    pub fn told_address(&self) -> Result<String, String> {
        let shown = self.metrom(&["get", "environments", ENV, "-o", "json"]);
        let shown: Value = shown.json();
        let address = shown[0]["machine"]["address"].as_str();
        address.map(str::to_owned).ok_or_else(|| shown.to_string())
    }

    /// The text at a path of the environment's web server, wherever its machine is.
    pub fn page(&self, path: &str) -> Result<String, String> {
        let answer = http::get(&format!("{}:80", self.told_address()?), path)?;
        seen(answer.status == 200, format!("{path}: {answer:?}"))?;
        Ok(answer.body)
    }

    /// What a program on the machine says.
    pub fn inside(&self, script: &str) -> String {
        let said = self.metrom(&["exec", ENV, "--", "sh", "-c", script]);
        said.with_code(0).text().trim().to_owned()
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

impl Drop for Bed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- the consoles of the instances\n{}",
                self.guests.consoles()
            );
        }
    }
}

/// The image of example-repo, as `scripts/machine-image` has made it.
fn image() -> PathBuf {
    let made = std::fs::read_dir(crate::story::bed::cache().join("images")).unwrap();
    let mut made: Vec<PathBuf> = made.map(|entry| entry.unwrap().path()).collect();
    made.retain(|folder| folder.join("image.json").is_file());
    let age = |folder: &PathBuf| folder.join("image.json").metadata().unwrap().modified();
    let newest = made.into_iter().max_by_key(|folder| age(folder).unwrap());
    newest.expect("the story has looked for one")
}

fn cloud(proxy: &Proxy, account: &str) -> String {
    format!(
        "apiVersion: metrom.dev/v1\nkind: Cloud\nmetadata:\n  name: ec2\nspec:\n  provider: aws\n  \
         region: {REGION}\n  account: \"{account}\"\n  endpoint: {}\n  credentials: {{from: \
         environment}}\n  network: {{sshFrom: [10.88.0.1/32]}}\n  images:\n    debian-13: {{owner: \
         \"{PUBLISHER}\", name: plain-amd64-*}}\n  types:\n    - {{name: t3.micro, cpus: 2, memory: \
         1GiB}}\n    - {{name: t3.small, cpus: 2, memory: 2GiB}}\n",
        proxy.endpoint()
    )
}
