//! A whole reconciler on a real provider, for machines whose insides are only played: what would lie on
//! a machine's own disk is a file, so that it outlives the process as the disk would.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use metrom::manifest::schema::ProviderSpec;
use metrom::model::{
    ContainerReading, Digest, GuestAction, Health, ImageSpec, Inventory, Key, LiveFields, LiveId,
    LiveService, LiveStack, Object, Power, ProviderAction, ProviderName, RunId, StackSpec, Stamp,
    Timestamp, Token,
};
use metrom::port::{
    Actuator, Clock, GuestActuator, GuestError, GuestObserver, GuestReport, GuestTarget, Ids,
    ImageError, ImageFiles, Images, Journal, Made, Observer, Observers, ProviderError, Providers,
};
use metrom::reconcile::{Ports, Reconciler};
use metrom::source::folder;
use metrom::store::SqliteStore;
use metrom::world::World;

/// What is declared in the folder `repository` of this one, on that provider; every image is brought
/// to it by this file.
pub async fn reconciler(
    folder: &Path,
    provider: Arc<dyn Actuator>,
    image: ImageFiles,
) -> Reconciler {
    let world = World::new(1, &[]);
    world.push(folder::snapshot(&folder.join("repository")).unwrap());
    let world = Arc::new(world);
    let store = SqliteStore::open(&folder.join("metrom.db")).await;
    Reconciler::new(Ports {
        source: world.clone(),
        refs: world.clone(),
        providers: Arc::new(Host(Arc::new(Reachable(provider)))),
        guests: Arc::new(Played(folder.join("insides"))),
        images: Arc::new(Given(image)),
        store: Arc::new(store.unwrap()),
        locks: world,
        clock: Arc::new(Now),
        ids: Arc::new(Chance),
    })
}

/// Machines without a system have no address; they get one here.
struct Reachable(Arc<dyn Actuator>);

fn reachable(mut object: Object) -> Object {
    if let LiveFields::Machine(machine) = &mut object.fields {
        let is_on = machine.power == Power::Running;
        machine.address = is_on.then_some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    object
}

#[async_trait]
impl Observer for Reachable {
    fn provider(&self) -> &ProviderName {
        self.0.provider()
    }

    async fn inventory(&self) -> Inventory {
        let mut inventory = self.0.inventory().await;
        inventory.objects = inventory.objects.into_iter().map(reachable).collect();
        inventory
    }

    async fn machine(&self, id: &LiveId) -> Result<Option<Object>, ProviderError> {
        Ok(self.0.machine(id).await?.map(reachable))
    }

    async fn console(&self, id: &LiveId) -> Result<String, ProviderError> {
        self.0.console(id).await
    }
}

#[async_trait]
impl Actuator for Reachable {
    async fn perform(
        &self,
        action: &ProviderAction,
        image: Option<&ImageFiles>,
        journal: &dyn Journal,
    ) -> Result<Made, ProviderError> {
        self.0.perform(action, image, journal).await
    }
}

struct Host(Arc<Reachable>);

#[async_trait]
impl Observers for Host {
    async fn observer(
        &self,
        _: &ProviderName,
        _: &ProviderSpec,
    ) -> Result<Arc<dyn Observer>, ProviderError> {
        Ok(self.0.clone())
    }
}

#[async_trait]
impl Providers for Host {
    async fn actuator(
        &self,
        _: &ProviderName,
        _: &ProviderSpec,
    ) -> Result<Arc<dyn Actuator>, ProviderError> {
        Ok(self.0.clone())
    }
}

struct Given(ImageFiles);

#[async_trait]
impl Images for Given {
    async fn obtain(&self, _: &ImageSpec, _: &dyn Journal) -> Result<ImageFiles, ImageError> {
        Ok(self.0.clone())
    }
}

struct Now;

#[async_trait]
impl Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// Pauses spare a provider that others use as well; this one nobody does.
    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time.min(Duration::from_millis(50))).await;
    }
}

struct Chance;

impl Ids for Chance {
    fn run(&self) -> RunId {
        let now = Timestamp::now().as_microsecond();
        RunId(format!("{now:016x}-{}", uuid::Uuid::new_v4()))
    }

    fn token(&self) -> Token {
        Token(uuid::Uuid::new_v4().to_string())
    }
}

/// The insides of machines, one file each: which keys are there, by which stamps.
struct Played(PathBuf);

type Inside = BTreeMap<Key, (Stamp, BTreeSet<String>)>;

impl Played {
    /// Each machine has a host key of its own, also when it is made anew in the place of another.
    fn file(&self, target: &GuestTarget) -> PathBuf {
        let name = Digest::of_bytes(target.host_key.as_bytes());
        self.0.join(format!("{}.json", name.short()))
    }

    fn read(&self, target: &GuestTarget) -> Inside {
        let text = std::fs::read_to_string(self.file(target));
        let text = text.unwrap_or_else(|_| "{}".to_owned());
        serde_json::from_str(&text).unwrap()
    }

    /// In one step: a process may be killed at any time.
    fn write(&self, target: &GuestTarget, inside: &Inside) {
        std::fs::create_dir_all(&self.0).unwrap();
        let part = self.file(target).with_extension("part");
        std::fs::write(&part, serde_json::to_string(inside).unwrap()).unwrap();
        std::fs::rename(part, self.file(target)).unwrap();
    }
}

#[async_trait]
impl GuestObserver for Played {
    async fn observe(&self, target: &GuestTarget) -> GuestReport {
        let inside = self.read(target).into_iter();
        let live = inside.map(|(key, (stamp, services))| {
            let fields = match key {
                Key::Stack => LiveFields::Stack(stack(&services)),
                _ => LiveFields::Guest,
            };
            (key, (fields, Some(stamp)))
        });
        GuestReport {
            live: live.collect(),
            gaps: Vec::new(),
        }
    }

    async fn containers(&self, _: &GuestTarget) -> Result<Vec<ContainerReading>, GuestError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl GuestActuator for Played {
    async fn await_ready(
        &self,
        _: &GuestTarget,
        _: Duration,
        _: &dyn Journal,
    ) -> Result<(), GuestError> {
        Ok(())
    }

    async fn perform(
        &self,
        target: &GuestTarget,
        action: &GuestAction,
        _: &dyn Journal,
    ) -> Result<(), GuestError> {
        let mut inside = self.read(target);
        match action {
            GuestAction::Configure { stamp, .. } => {
                inside.insert(Key::Guest, (stamp.clone(), BTreeSet::new()));
            }
            GuestAction::ApplyStack { spec, stamp } => {
                let StackSpec { services, .. } = &**spec;
                inside.insert(Key::Stack, (stamp.clone(), services.clone()));
            }
            GuestAction::RemoveStack { .. } => drop(inside.remove(&Key::Stack)),
            // They come back as they were.
            GuestAction::StopStack { .. } | GuestAction::StartStack { .. } => {}
            GuestAction::AwaitReady
            | GuestAction::PullImages { .. }
            | GuestAction::SyncCheckout { .. } => panic!("not in this play: {action}"),
        }
        self.write(target, &inside);
        Ok(())
    }
}

fn stack(services: &BTreeSet<String>) -> LiveStack {
    let service = |name: &String| LiveService {
        name: name.clone(),
        container: format!("{name}-1"),
        image: name.clone(),
        image_digest: format!("sha256:{name}"),
        resolved: None,
        state: "running".to_owned(),
        exit_code: None,
        health: Health::Healthy,
        restarts: 0,
        ports: Vec::new(),
        altered: false,
    };
    LiveStack {
        services: services.iter().map(service).collect(),
        missing: BTreeSet::new(),
        changed_files: BTreeSet::new(),
    }
}
