//! A cloud of five thousand machines: the inventory of it, and what office hours and lifetimes mean
//! for each. `scripts/custodian` runs it beside Cloud Custodian, on the same emulator.
//!
//! `declare FOLDER ENDPOINT NOW` writes the repository, and for the emulator what lives;
//! `evaluate FOLDER NOW LOOKS` takes the inventory and plans every environment, as `metrom plan` does, but
//! that nobody looks inside the machines, which Custodian does not do either; so often, a minute apart, as
//! `metrom serve` does. `ENDPOINT` is that of EC2, `NOW` an instant.
//!
//! Of each look it says what it took of the processor before the inventory (what is declared is read, the
//! first time), for the inventory, and after it, until everything is planned.
//!
//! Expected: at least 20 times less of the processor than Custodian needs for the evaluation, and under
//! 100 MiB.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use metrom::guest::NoCloud;
use metrom::manifest::schema::ProviderSpec;
use metrom::manifest::{Catalog, Facts, load, render};
use metrom::model::{
    Action, EnvName, Inventory, Key, LiveId, Object, ProviderAction, ProviderName, Spec, Stamp,
    Token,
};
use metrom::port::{Observer, Observers, ProviderError, Store};
use metrom::provider::aws::{Aws, AwsConfig, Credentials, InstanceType, Reach};
use metrom::reconcile::{Attempt, Viewer};
use metrom::source::folder;
use metrom::ssh::Identity;
use metrom::store::MemoryStore;
use metrom::world::World;
use serde::Serialize;
use serde_json::{Value, json};

const ENVIRONMENTS: usize = 5_000;
const ACCOUNT: &str = "123456789012";
const REGION: &str = "eu-central-1";
const AMI: &str = "ami-0a0a0a0a0a0a0a0a1";
const HOST_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHvbcKdxT0KD4n4o0cVQgkYQrPmw7rNHNBBpZnqcNbhi";
/// So many days a machine may live of which that is said, and so many those have that are too old.
const LIFETIME: i64 = 14;
const AGE: i64 = 20;
/// So many days the others have.
const YOUTH: i64 = 3;

/// As the program has it.
#[path = "../src/memory.rs"]
mod memory;

fn main() {
    memory::keep_large_buffers_apart();
    let runtime = tokio::runtime::Runtime::new().expect("there are threads");
    runtime.block_on(run());
}

async fn run() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["declare", folder, endpoint, now] => declare(Path::new(folder), endpoint, instant(now)),
        ["evaluate", folder, now, looks] => {
            let looks = looks.parse().expect("a number");
            evaluate(Path::new(folder), instant(now), looks).await;
        }
        _ => println!("run it by scripts/custodian"),
    }
}

fn instant(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

/// What an environment is there for in this bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// It runs, and its hours are over.
    Stops,
    /// It is off, and its hours begin.
    Starts,
    /// It runs, and its time is up.
    Ends,
    /// It runs, and may.
    Stays,
}

/// As many of each as say that number modulo five: two, one, one, one.
fn part(number: usize) -> Part {
    [
        Part::Stops,
        Part::Stops,
        Part::Starts,
        Part::Ends,
        Part::Stays,
    ][number % 5]
}

// --- what is declared, and what lives -------------------------------------------------------------

fn declare(folder: &Path, endpoint: &str, now: Timestamp) {
    let repository = folder.join("repository");
    fs::create_dir_all(repository.join("environments")).expect("a folder can be made");
    let write = |path: String, text: String| {
        fs::write(repository.join(path), text).expect("it can be written")
    };
    write("metrom.yaml".into(), settings(endpoint));
    write("template.yaml".into(), TEMPLATE.into());
    write(
        "docker-compose.yml".into(),
        "services: {web: {image: \"nginx:1\"}}\n".into(),
    );
    for number in 0..ENVIRONMENTS {
        write(
            format!("environments/e{number}.yaml"),
            environment(number, now),
        );
    }
    let instances = living(&repository, now);
    let text = serde_json::to_string(&instances).expect("it is plain");
    fs::write(folder.join("instances.json"), text).expect("it can be written");
}

const TEMPLATE: &str =
    "apiVersion: metrom.dev/v1\nkind: Template\nmetadata: {name: web}\nspec: {}\n";

fn settings(endpoint: &str) -> String {
    format!(
        "apiVersion: metrom.dev/v1\nkind: Repository\nmetadata: {{name: acme}}\nspec:\n  policies: \
         {{retain: nothing, deletions: {{atMost: {ENVIRONMENTS}, percent: 100}}}}\n---\n\
         apiVersion: metrom.dev/v1\nkind: Cloud\nmetadata: {{name: ec2}}\nspec:\n  provider: aws\n  \
         region: {REGION}\n  account: \"{ACCOUNT}\"\n  endpoint: {endpoint}\n  network: {{sshFrom: \
         [203.0.113.0/24]}}\n  images: {{debian-13: {{id: {AMI}}}}}\n  types: [{{name: t3.micro, \
         cpus: 2, memory: 1GiB}}]\n"
    )
}

/// Hours as of one region each, so that none is evaluated for all.
fn environment(number: usize, now: Timestamp) -> String {
    let hour = |from: i64| {
        let at = now + from.hours();
        at.to_zoned(TimeZone::UTC).strftime("%H:00").to_string()
    };
    let hours = match part(number) {
        Part::Stops => format!("  officeHours: daily {}-{} UTC\n", hour(-8), hour(0)),
        Part::Starts => format!("  officeHours: daily {}-{} UTC\n", hour(0), hour(8)),
        Part::Ends => String::new(),
        Part::Stays => format!("  officeHours: daily {}-{} UTC\n", hour(-4), hour(4)),
    };
    format!(
        "apiVersion: metrom.dev/v1\nkind: Environment\nmetadata: {{name: e{number}}}\nspec:\n  \
         placement: ec2\n  template: web\n  lifetime: {LIFETIME}d\n{hours}  machine: {{image: \
         debian-13, cpus: 2, memory: 1GiB, disk: 8GiB}}\n"
    )
}

/// Every machine as it would be when Metrom had made it, with a schedule for Custodian beside.
fn living(repository: &Path, now: Timestamp) -> Vec<Value> {
    let snapshot = folder::snapshot(repository).expect("it was written");
    let catalog = load(&snapshot);
    assert!(catalog.diagnostics.is_empty(), "{:?}", catalog.diagnostics);
    let one = |number: usize| instance(&catalog, number, now);
    (0..ENVIRONMENTS).map(one).collect()
}

fn instance(catalog: &Catalog, number: usize, now: Timestamp) -> Value {
    let age = match part(number) {
        Part::Ends => AGE,
        Part::Stops | Part::Starts | Part::Stays => YOUTH,
    };
    let born = now - (24 * age).hours();
    let env = EnvName::parse(&format!("e{number}")).expect("a name");
    let desired = render(catalog, &env, born, &Facts::default());
    let machine = desired.machine().expect("it has a machine");
    let mut tags = stamped(&desired.stamp(&Key::Machine, born), number);
    tags.extend([
        ("metrom:image".to_owned(), machine.image.id()),
        ("metrom:host-key".to_owned(), HOST_KEY.to_owned()),
        ("metrom:ready".to_owned(), String::new()),
        ("metrom:begun".to_owned(), String::new()),
        ("metrom:protected".to_owned(), String::new()),
        ("metrom:market".to_owned(), "on-demand".to_owned()),
        ("maid_offhours".to_owned(), schedule(number, now)),
    ]);
    let volumes = desired.resources.iter().filter_map(|(key, resource)| {
        let Spec::Volume(volume) = &resource.spec else {
            return None;
        };
        let tags = stamped(&desired.stamp(key, born), number);
        Some(json!({"size": volume.size_mib / 1024, "tags": tags}))
    });
    json!({
        "image": AMI,
        "type": "t3.micro",
        "is_stopped": part(number) == Part::Starts,
        "launched": born.to_string(),
        "tags": tags,
        "disk": {
            "Name": format!("metrom-{env}"), "metrom:owner": "acme", "metrom:part": "machine",
        },
        "volumes": volumes.collect::<Vec<Value>>(),
    })
}

/// The tags that say whose something is, as the provider writes them.
fn stamped(stamp: &Stamp, number: usize) -> BTreeMap<String, String> {
    let text = |value: Option<String>| value.unwrap_or_default();
    let tags = [
        ("Name", format!("metrom-{}", stamp.env)),
        ("metrom:owner", stamp.owner.to_string()),
        ("metrom:env", stamp.env.to_string()),
        ("metrom:key", stamp.key.to_string()),
        (
            "metrom:digest",
            text(stamp.digest.as_ref().map(ToString::to_string)),
        ),
        (
            "metrom:revision",
            text(stamp.revision.as_ref().map(ToString::to_string)),
        ),
        ("metrom:created", stamp.created.to_string()),
        ("metrom:born", text(stamp.born.map(|born| born.to_string()))),
        ("metrom:token", format!("token-{number}-{}", stamp.key)),
    ];
    tags.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The same hours as Custodian writes them. It acts in the hour of a change alone, so the next one is
/// named as well: it may begin meanwhile.
fn schedule(number: usize, now: Timestamp) -> String {
    let hour = |from: i64| i64::from((now + from.hours()).to_zoned(TimeZone::UTC).hour());
    let times = |at: i64| format!("[(M-U,{}),(M-U,{})]", hour(at), hour(at + 1));
    let (on, off) = match part(number) {
        Part::Stops => (-8, 0),
        Part::Starts => (0, 8),
        Part::Ends | Part::Stays => (-4, 4),
    };
    format!("off={};on={};tz=utc", times(off), times(on))
}

// --- what is measured -----------------------------------------------------------------------------

/// What a look took of the processor, in seconds.
#[derive(Clone, Copy, Default, Serialize)]
struct Took {
    before: f64,
    inventory: f64,
    after: f64,
}

async fn evaluate(folder: &Path, now: Timestamp, looks: i64) {
    let world = World::new(1, &[]);
    let repository = folder.join("repository");
    world.push(folder::snapshot(&repository).expect("it was written"));
    let nobody = Arc::new(world);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let inventory = Arc::new(Mutex::default());
    let viewer = Viewer::new(
        nobody.clone(),
        nobody.clone(),
        Arc::new(Cloud(Arc::clone(&inventory))),
        nobody,
        Arc::new(store),
    );
    let mut took = Vec::new();
    let mut found = Vec::new();
    for minute in 0..looks {
        let begins = processor();
        found.push(look(&viewer, now + minute.minutes()).await);
        let ends = processor();
        let (from, to) = *inventory.lock().expect("nothing panics");
        took.push(Took {
            before: from - begins,
            inventory: to - from,
            after: ends - to,
        });
    }
    println!("{}", json!({"found": found, "looks": took}));
}

/// What is to be done with how many machines.
async fn look(viewer: &Viewer, now: Timestamp) -> BTreeMap<&'static str, usize> {
    let attempt = Attempt {
        token: Token("bench".to_owned()),
        at: now,
    };
    let tick = viewer.tick(now).await;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for env in viewer.environments(&tick).await {
        let view = viewer.view(&tick, &env, &attempt).await;
        let aim = view.expect("memory answers").aim.expect("it is declared");
        let words = aim.plan.steps.iter().filter_map(|step| word(&step.action));
        words.for_each(|word| *counts.entry(word).or_default() += 1);
    }
    counts
}

fn word(action: &Action) -> Option<&'static str> {
    match action {
        Action::Provider { action, .. } => match action {
            ProviderAction::StopMachine { .. } => Some("stop"),
            ProviderAction::StartMachine { .. } => Some("start"),
            ProviderAction::DeleteMachine { .. } => Some("end"),
            _ => None,
        },
        Action::Guest { .. } => None,
    }
}

/// How many seconds of the processor were taken when the last inventory began, and when it ended.
type Span = Arc<Mutex<(f64, f64)>>;

/// The cloud as the program opens it, with a watch.
struct Cloud(Span);

#[async_trait]
impl Observers for Cloud {
    async fn observer(
        &self,
        name: &ProviderName,
        declared: &ProviderSpec,
    ) -> Result<Arc<dyn Observer>, ProviderError> {
        let ProviderSpec::Cloud(cloud) = declared else {
            unreachable!("there is no host")
        };
        let config = AwsConfig {
            provider: name.clone(),
            region: cloud.region.clone(),
            account: cloud.account.clone(),
            endpoint: cloud.endpoint.clone(),
            credentials: Credentials::Environment,
            zone: None,
            subnet: None,
            security_groups: Vec::new(),
            ssh_from: cloud.network.ssh_from.clone(),
            reach: Reach::Public,
            bastion: None,
            key_pair: None,
            types: vec![InstanceType {
                name: "t3.micro".to_owned(),
                cpus: 2,
                memory_mib: 1024,
            }],
            tags: BTreeMap::new(),
        };
        let seeds = NoCloud::new(Identity::fresh().expect("there is chance"));
        let aws = Aws::new(config, Arc::new(seeds)).with_answer_patience(PATIENCE);
        Ok(Arc::new(Weighed(aws, self.0.clone())))
    }
}

struct Weighed(Aws, Span);

#[async_trait]
impl Observer for Weighed {
    fn provider(&self) -> &ProviderName {
        self.0.provider()
    }

    /// Nothing else runs meanwhile.
    async fn inventory(&self) -> Inventory {
        let before = processor();
        let inventory = self.0.inventory().await;
        assert!(inventory.gaps.is_empty(), "{:?}", inventory.gaps);
        *self.1.lock().expect("nothing panics") = (before, processor());
        inventory
    }

    async fn machine(&self, id: &LiveId) -> Result<Option<Object>, ProviderError> {
        self.0.machine(id).await
    }

    async fn console(&self, id: &LiveId) -> Result<String, ProviderError> {
        self.0.console(id).await
    }
}

/// What the threads of this process have had of the processor, in seconds.
fn processor() -> f64 {
    let threads = fs::read_dir("/proc/self/task").expect("Linux tells");
    let nanoseconds = threads.map(|thread| {
        let path = thread.expect("Linux tells").path().join("schedstat");
        let text = fs::read_to_string(path).expect("no thread ends meanwhile");
        let first = text.split_whitespace().next();
        first.and_then(|number| number.parse::<f64>().ok())
    });
    let nanoseconds: f64 = nanoseconds.map(|n| n.expect("Linux tells")).sum();
    nanoseconds / 1e9
}

/// The emulator is slow; the real one answers within seconds.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(600);
