//! What `metrom check` and `metrom plan` do with a thousand environments of a mirror that lies on
//! disk: time and peak memory of a process that does nothing else, beside the time in which `git`
//! reads the same files. `cargo bench --bench check_plan`.
//!
//! Expected: under 1 s, under 100 MiB.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use metrom::manifest::schema::ProviderSpec;
use metrom::model::{Entry, EnvName, Inventory, LiveId, Object, ProviderName, Snapshot, Token};
use metrom::port::{Observer, Observers, ProviderError, Source as _, Store};
use metrom::reconcile::{Attempt, Viewer};
use metrom::secrets::LocalSecrets;
use metrom::source::{GitConfig, GitSource};
use metrom::store::MemoryStore;
use metrom::world::World;
use metrom::world::declare::{Declared, Environment};

mod repository;

const ENVIRONMENTS: usize = 1_000;
const TIMES: usize = 7;
/// Names the folder to a process that measures itself.
const MEASURED: &str = "CHECK_PLAN_IN";

fn main() {
    match std::env::var_os(MEASURED) {
        Some(folder) => measure(Path::new(&folder)),
        None => compare(),
    }
}

fn compare() {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    repository::make(&folder.path().join("origin.git"), &files());
    fill_the_mirror(folder.path());
    let (mut ours, mut gits, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let (took, peak) = measured(folder.path());
        ours.push(took);
        peaks.push(peak);
        gits.push(read_by_git(&folder.path().join("origin.git")));
    }
    let (ours, git) = (median(ours), median(gits));
    let ratio = ours.as_secs_f64() / git.as_secs_f64();
    let peak = peaks.iter().max().expect("it was measured");
    println!("check and plan of {ENVIRONMENTS} environments, the median of {TIMES}");
    println!("  time         {ours:>10.1?}");
    println!("  git archive  {git:>10.1?}   ratio {ratio:.1}");
    println!("  peak memory  {:>6} MiB", peak / 1024);
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Runs this program again as the one that is measured: its time, and its peak memory in KiB.
fn measured(folder: &Path) -> (Duration, u64) {
    let program = std::env::current_exe().expect("it runs");
    let output = Command::new(program)
        .env(MEASURED, folder)
        .stderr(Stdio::inherit())
        .output()
        .expect("it is there");
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).expect("two numbers");
    let mut numbers = said
        .split_whitespace()
        .map(|word| word.parse().expect("a number"));
    let mut next = || numbers.next().expect("two numbers");
    (Duration::from_micros(next()), next())
}

fn measure(folder: &Path) {
    let start = Instant::now();
    let steps = runtime().block_on(check_and_plan(folder));
    let took = start.elapsed();
    assert!(steps >= 4 * ENVIRONMENTS, "{steps}");
    println!("{} {}", took.as_micros(), peak_kib());
}

async fn check_and_plan(folder: &Path) -> usize {
    let nowhere = Arc::new(World::new(1, &[]));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let source = Arc::new(source(folder));
    let viewer = Viewer::new(
        source,
        nowhere.clone(),
        Arc::new(Bare),
        nowhere,
        Arc::new(store),
    );
    let now = "2027-01-15T08:00:00Z".parse().expect("a time");
    let attempt = Attempt {
        token: Token("bench".to_owned()),
        at: now,
    };
    let tick = viewer.tick(now).await;
    let catalog = tick.head.as_ref().expect("the repository is there");
    assert!(catalog.diagnostics.is_empty(), "{:?}", catalog.diagnostics);
    let environments = viewer.environments(&tick).await;
    assert_eq!(environments.len(), ENVIRONMENTS);
    let mut steps = 0;
    for env in &environments {
        let view = viewer
            .view(&tick, env, &attempt)
            .await
            .expect("memory answers");
        steps += view.aim.expect("it is declared").plan.steps.len();
    }
    steps
}

/// The most that this process has had in memory.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("Linux tells")
}

/// A host with nothing on it.
struct Bare;

#[async_trait]
impl Observers for Bare {
    async fn observer(
        &self,
        name: &ProviderName,
        _: &ProviderSpec,
    ) -> Result<Arc<dyn Observer>, ProviderError> {
        Ok(Arc::new(Nothing(name.clone())))
    }
}

struct Nothing(ProviderName);

#[async_trait]
impl Observer for Nothing {
    fn provider(&self) -> &ProviderName {
        &self.0
    }

    async fn console(&self, _: &LiveId) -> Result<String, ProviderError> {
        Ok(String::new())
    }

    async fn inventory(&self) -> Inventory {
        Inventory {
            provider: self.0.clone(),
            objects: Vec::new(),
            addresses: Ok(Vec::new()),
            images: Default::default(),
            missing: Default::default(),
            free_memory_mib: None,
            has_unique_names: true,
            health: None,
            gaps: Vec::new(),
        }
    }

    async fn machine(&self, _: &LiveId) -> Result<Option<Object>, ProviderError> {
        Ok(None)
    }
}

fn files() -> Vec<(String, String)> {
    let lab = ProviderName::parse("lab").expect("a name");
    let one = |n| {
        let name = EnvName::parse(&format!("env-{n}")).expect("a name");
        (name, Environment::on(&lab))
    };
    let declared = Declared {
        environments: (0..ENVIRONMENTS).map(one).collect(),
        hosts: vec![lab.clone()],
        retain: "forever".to_owned(),
        template_version: 1,
        ..Declared::default()
    };
    let Snapshot { entries, .. } = declared.commit(0);
    let text = |entry| match entry {
        Entry::File { bytes, .. } => String::from_utf8(bytes.to_vec()).expect("it is text"),
        Entry::TooLarge { .. } | Entry::Symlink { .. } | Entry::Submodule => unreachable!(),
    };
    let entries = entries.into_iter();
    entries
        .map(|(path, entry)| (path.to_string(), text(entry)))
        .collect()
}

fn fill_the_mirror(folder: &Path) {
    runtime()
        .block_on(source(folder).head())
        .expect("the repository has a commit");
}

fn source(folder: &Path) -> GitSource {
    let origin = folder.join("origin.git").display().to_string();
    let config = GitConfig::new(origin, folder.join("mirrors"));
    GitSource::new(config, Arc::new(LocalSecrets)).expect("a path is a good URL")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().expect("threads can be started")
}

fn read_by_git(repository: &Path) -> Duration {
    let start = Instant::now();
    let status = Command::new("git")
        .arg("--git-dir")
        .arg(repository)
        .args(["archive", "--format=tar", "main"])
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("`git` is installed").success());
    start.elapsed()
}
