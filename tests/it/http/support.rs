//! A world with one environment, the API in front of it, and a client that speaks plain HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, Mac as _};
use metrom::http::{App, Board, Metrics, TimedLocks, WatchedSource, router};
use metrom::model::{
    About, EnvName, EventKind, HostHealth, Key, LiveFields, LiveId, LiveMachine, LiveVolume,
    Object, OwnerName, Power, ProviderName, Revision, Sample, Space, Stamp, Timestamp, Trigger,
    Usage,
};
use metrom::port::Store;
use metrom::reconcile::{Ports, Reconciler, Viewer, Wake};
use metrom::store::MemoryStore;
use metrom::usage::machines;
use metrom::world::declare::{Declared, Environment};
use metrom::world::{Faults, Flavor, World};
use secrecy::SecretString;
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

const SECRET: &str = "a secret of this test";

/// Longest wait for anything: far more than an answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn env(name: &str) -> EnvName {
    EnvName::parse(name).unwrap()
}

/// The API of one world.
pub struct Bench {
    pub store: Arc<dyn Store>,
    pub app: App,
    world: World,
    board: Arc<Board>,
    wakes: UnboundedReceiver<Wake>,
    address: SocketAddr,
}

impl Bench {
    pub async fn new() -> Self {
        Self::with_secret(Some(SecretString::from(SECRET))).await
    }

    pub async fn without_secret() -> Self {
        Self::with_secret(None).await
    }

    async fn with_secret(webhook_secret: Option<SecretString>) -> Self {
        let world = world();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let metrics = Metrics::default();
        let (wake, wakes) = tokio::sync::mpsc::unbounded_channel();
        let shared = Arc::new(world.clone());
        let source = WatchedSource::new(shared.clone(), metrics.clone());
        let source = Arc::new(source);
        let viewer = Viewer::new(
            source.clone(),
            shared.clone(),
            shared.clone(),
            shared,
            Arc::new(store.clone()),
        );
        let app = App {
            store: store.clone(),
            viewer: Arc::new(viewer),
            source,
            wake,
            webhook_secret,
            repository: "https://git.example/acme/environments".to_owned(),
            metrics: metrics.clone(),
            waiting: Arc::default(),
            ledger: Arc::default(),
            stopping: CancellationToken::new(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = router(app.clone());
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self {
            store,
            app,
            world,
            board: Board::new(metrics),
            wakes,
            address,
        }
    }

    /// Applies an environment as `serve` would.
    pub fn apply(&self, name: &str) {
        let shared = Arc::new(self.world.clone());
        let locks = TimedLocks::new(shared.clone(), self.app.metrics.clone());
        let ports = Ports {
            source: self.app.source.clone(),
            refs: shared.clone(),
            providers: shared.clone(),
            guests: shared.clone(),
            images: shared.clone(),
            store: self.store.clone(),
            locks: Arc::new(locks),
            clock: shared.clone(),
            ids: shared,
        };
        let reconciler = Reconciler::new(ports).watched_by(self.board.clone());
        let name = env(name);
        let applied = reconciler.apply_until_settled(&name, Trigger::Person);
        self.world.run(applied).unwrap();
    }

    /// Hardly anything is left of the pool of a host.
    pub fn fill_disk(&self, provider: &str) {
        let health = HostHealth {
            load_centi: Some(50),
            pool: Some(Space {
                size_mib: 1000,
                free_mib: 40,
            }),
            ..HostHealth::default()
        };
        self.world
            .set_health(&ProviderName::parse(provider).unwrap(), health);
    }

    /// A volume that nobody here has asked for, with the stamp of a repository or without any.
    pub fn put_volume(&self, name: &str, owner: Option<&str>) {
        let stamp = owner.map(|owner| Stamp {
            owner: OwnerName::parse(owner).unwrap(),
            env: env(name),
            key: Key::Volume("data".to_owned()),
            digest: None,
            revision: None,
            created: Timestamp::UNIX_EPOCH,
            born: None,
        });
        let object = Object {
            id: LiveId(name.to_owned()),
            name: name.to_owned(),
            fields: LiveFields::Volume(LiveVolume { size_mib: 1024 }),
            about: About::default(),
            stamp,
        };
        let lab = ProviderName::parse("lab").unwrap();
        self.world.put_foreign(&lab, object);
    }

    /// A running machine of two cpus and a GiB that somebody else made, at a time that is known or not.
    pub fn put_machine(&self, name: &str, made: Option<Timestamp>) {
        let machine = LiveMachine {
            power: Power::Running,
            cpus: 2,
            memory_mib: 1024,
            image: None,
            volumes: BTreeSet::new(),
            address: None,
            host_key: None,
            devices: BTreeMap::new(),
            ready: None,
            is_finished: true,
            is_protected: None,
            is_spot: false,
            bastion: None,
        };
        let object = Object {
            id: LiveId(name.to_owned()),
            name: name.to_owned(),
            fields: LiveFields::Machine(machine),
            about: About {
                type_name: Some("qemu".to_owned()),
                made,
                holder: None,
            },
            stamp: None,
        };
        let lab = ProviderName::parse("lab").unwrap();
        self.world.put_foreign(&lab, object);
    }

    /// It has used half of its processors in the last minute.
    pub async fn use_half(&self, name: &str) {
        let now = Timestamp::now();
        let tick = self.app.viewer.tick(now).await;
        self.app.ledger.see(&machines(&tick), now);
        let sample = Sample {
            at: now,
            over: Duration::from_secs(60),
            usage: Usage {
                cpu: Some(0.5),
                ..Usage::default()
            },
        };
        self.app.ledger.add(&env(name), &[sample], now);
    }

    /// From now on the repository of the world cannot be reached.
    pub fn break_source(&self) {
        self.world.set_faults(Faults {
            source: 100,
            ..Faults::default()
        });
    }

    pub async fn event(&self, line: &str) {
        let line = line.to_owned();
        let fault = EventKind::SourceFault { message: line };
        let put = self.store.put_event(Timestamp::UNIX_EPOCH, None, &fault);
        put.await.unwrap();
    }

    /// Everything that was woken since the last call.
    pub fn woken(&mut self) -> Vec<Wake> {
        std::iter::from_fn(|| self.wakes.try_recv().ok()).collect()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"").await
    }

    pub async fn post(&self, path: &str) -> Answer {
        self.ask("POST", path, &[], b"").await
    }

    pub async fn hook(&self, body: &[u8], signature: &str) -> Answer {
        let headers = [("X-Metrom-Signature-256", signature)];
        self.ask("POST", "/hooks/generic", &headers, body).await
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = self.send(method, path, headers, body).await;
        let mut bytes = Vec::new();
        let reading = stream.read_to_end(&mut bytes);
        // A server that refuses a large body may close before it was all sent.
        let _ = tokio::time::timeout(PATIENCE, reading)
            .await
            .expect("an answer in time");
        Answer::parse(&String::from_utf8(bytes).unwrap())
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        // As above.
        let _ = stream.write_all(body).await;
        stream
    }

    /// Opens the stream of events.
    pub async fn listen(&self, last: Option<&str>) -> Listening {
        let headers: Vec<_> = last
            .map(|last| ("Last-Event-ID", last))
            .into_iter()
            .collect();
        let stream = self.send("GET", "/api/v1/events", &headers, b"").await;
        Listening {
            stream,
            heard: String::new(),
        }
    }

    /// Waits until events are counted: an event of ours is.
    pub async fn counting_has_begun(&self) {
        let mut number = 0;
        loop {
            number += 1;
            let run = metrom::model::RunId(format!("probe-{number}"));
            let kind = EventKind::RunEnded { run, ok: false };
            let put = self.store.put_event(Timestamp::UNIX_EPOCH, None, &kind);
            put.await.unwrap();
            let text = self.get("/metrics").await.body;
            if !text.contains("metrom_runs_total{result=\"failed\"} 0") {
                return;
            }
            assert!(number < 10_000, "events are never counted");
        }
    }

    /// The metrics, once this number is not zero any more.
    pub async fn metrics_with(&self, number: &str) -> String {
        let waiting = async {
            loop {
                let text = self.get("/metrics").await.body;
                if text.contains(number) && !text.contains(&format!("{number}0")) {
                    return text;
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("it is counted in time")
    }
}

/// One environment on one provider, with a source that it checks out.
fn world() -> World {
    let lab = ProviderName::parse("lab").unwrap();
    let world = World::new(1, &[(lab.clone(), Flavor::Named)]);
    let url = "https://git.example/acme/app.git";
    world.set_branch(url, Revision::parse(&"a".repeat(40)));
    let shop = Environment {
        source: Some(url.to_owned()),
        ..Environment::on(&lab)
    };
    let declared = Declared {
        environments: [(env("shop"), shop)].into(),
        hosts: vec![lab],
        retain: "forever".to_owned(),
        template_version: 1,
        host_fields: vec![
            "prices: {cpuHour: 0.05 USD, memoryGibHour: 0.01 USD}".to_owned(),
            "budget: {month: 1 USD}".to_owned(),
        ],
        ..Declared::default()
    };
    world.push(declared.commit(1));
    world
}

pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Self {
            status: status.unwrap_or_else(|| panic!("no HTTP answer: {text}")),
            body: body.to_owned(),
        }
    }

    pub fn json(&self) -> serde_json::Value {
        let wrong = |error| panic!("{error} in an answer {}: {}", self.status, self.body);
        serde_json::from_str(&self.body).unwrap_or_else(wrong)
    }
}

/// An open stream of events.
pub struct Listening {
    stream: TcpStream,
    heard: String,
}

impl Listening {
    /// Reads until this was heard; gives all that was heard so far.
    pub async fn until(&mut self, text: &str) -> String {
        let reading = async {
            let mut buffer = [0; 4096];
            while !self.heard.contains(text) {
                let read = self.stream.read(&mut buffer).await.unwrap();
                assert!(read > 0, "the stream ended after {}", self.heard);
                self.heard += std::str::from_utf8(&buffer[..read]).unwrap();
            }
        };
        let heard = tokio::time::timeout(PATIENCE, reading).await;
        heard.unwrap_or_else(|_| panic!("`{text}` was not heard in time"));
        self.heard.clone()
    }
}

/// A push to a repository, as most servers tell it.
pub fn push(url: &str) -> Vec<u8> {
    let body = serde_json::json!({"ref": "refs/heads/main", "repository": {"clone_url": url}});
    body.to_string().into_bytes()
}

/// The header that goes with a body.
pub fn signed(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}
