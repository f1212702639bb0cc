//! An account of its own for each test, the provider that works in it through the proxy, and a console
//! past the proxy: the independent witness.

use std::collections::BTreeMap;
use std::sync::{Arc, Once};
use std::time::Duration;

use metrom::model::{
    Boot, ImageName, ImageOrigin, ImageSpec, ProviderAction, ProviderName, RegisteredImage,
};
use metrom::port::{Observer as _, Seed, SeedError, SeedMaker, SeedRequest};
use metrom::provider::aws::{Aws, AwsConfig, Credentials, InstanceType, Reach};
use tempfile::TempDir;

use super::contract::{self, LARGE, SMALL};
use super::emulator::{REGION, account};
use super::proxy::Proxy;
use super::proxy::wire::Moto;
use super::proxy::xml::Node;

/// AMIs of `images.json`.
pub const AMD64: &str = "ami-0a0a0a0a0a0a0a0a1";
pub const NEWER: &str = "ami-0a0a0a0a0a0a0a0a2";
pub const ARM64: &str = "ami-0a0a0a0a0a0a0a0a3";
pub const PUBLISHER: &str = "136693071363";

/// How long one answer is waited for on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a real machine would be given, without a system that could read it.
pub struct Seeds;

impl SeedMaker for Seeds {
    fn make(&self, request: &SeedRequest) -> Result<Seed, SeedError> {
        Ok(Seed {
            image: vec![b's'; 64 << 10],
            user_data: b"#cloud-config\n{}\n".to_vec(),
            host_key_public: format!("ssh-ed25519 AAAA {}", request.instance),
        })
    }
}

pub struct Bed {
    pub proxy: Proxy,
    /// The account as a person sees it in the provider's own tools.
    pub console: Moto,
    pub folder: TempDir,
    /// How long one answer is waited for.
    answer: Duration,
}

impl Bed {
    pub async fn new() -> Self {
        Self::with_seed(1).await
    }

    /// With chances that fall as the seed says.
    pub async fn with_seed(seed: u64) -> Self {
        give_credentials();
        let console = account();
        Self {
            proxy: Proxy::start(console.clone(), seed).await,
            console,
            folder: tempfile::tempdir().unwrap(),
            answer: PATIENCE,
        }
    }

    pub fn patient_for(mut self, answer: Duration) -> Self {
        self.answer = answer;
        self
    }

    pub fn config(&self) -> AwsConfig {
        AwsConfig {
            provider: ProviderName::parse("lab").unwrap(),
            region: REGION.to_owned(),
            account: Some(self.console.account.clone()),
            endpoint: Some(self.proxy.endpoint()),
            credentials: Credentials::Environment,
            zone: None,
            subnet: None,
            security_groups: Vec::new(),
            ssh_from: vec!["203.0.113.0/24".to_owned()],
            reach: Reach::Public,
            bastion: None,
            key_pair: None,
            types: vec![kind("t3.nano", SMALL), kind("t3.micro", LARGE)],
            tags: BTreeMap::from([("team".to_owned(), "shop".to_owned())]),
        }
    }

    pub fn provider_with(config: AwsConfig) -> Aws {
        Aws::new(config, Arc::new(Seeds)).with_stop_patience(Duration::from_secs(20))
    }

    pub fn provider(&self) -> Aws {
        Self::provider_with(self.config()).with_answer_patience(self.answer)
    }

    /// With its own security group.
    pub async fn prepared(&self) -> Aws {
        let provider = self.provider();
        for part in provider.inventory().await.missing {
            contract::done(&provider, ProviderAction::Prepare { part }).await;
        }
        provider
    }

    /// The machines that are there or will be, as the console shows them.
    pub async fn instances(&self) -> Vec<Node> {
        let found = self.console.ask("DescribeInstances", &[]).await;
        let reservations = found.items("reservationSet").iter();
        let instances = reservations.flat_map(|r| r.items("instancesSet").to_vec());
        instances
            .filter(|i| i.text_at("instanceState/name") != "terminated")
            .collect()
    }

    /// All volumes that are no machine's own disk.
    pub async fn volumes(&self) -> Vec<Node> {
        let found = self.console.ask("DescribeVolumes", &[]).await;
        let volumes = found.items("volumeSet").iter();
        let is_root = |v: &&Node| v.text_at("attachmentSet/item/device") == "/dev/xvda";
        volumes.filter(|v| !is_root(v)).cloned().collect()
    }

    /// Whose instances carry that tag, by id.
    pub async fn tagged(&self, key: &str, value: &str) -> Vec<String> {
        let instances = self.instances().await;
        let found = instances.iter().filter(|i| i.tag(key) == Some(value));
        found.map(|i| i.text_at("instanceId").to_owned()).collect()
    }
}

pub fn kind(name: &str, (cpus, memory_mib): (u32, u64)) -> InstanceType {
    InstanceType {
        name: name.to_owned(),
        cpus,
        memory_mib,
    }
}

/// An image that the cloud has.
pub fn image(registered: RegisteredImage) -> ImageSpec {
    ImageSpec {
        name: ImageName::parse("plain").unwrap(),
        origin: ImageOrigin::Registered(registered),
        boot: Boot::Disk,
    }
}

pub fn plain() -> ImageSpec {
    image(RegisteredImage::Id(AMD64.to_owned()))
}

/// Any will do for the emulator; those of whoever runs the tests are never looked for.
pub fn give_credentials() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let nowhere = "/nonexistent/metrom-tests";
        let variables = [
            ("AWS_ACCESS_KEY_ID", "AKIDMETROMTESTS"),
            ("AWS_SECRET_ACCESS_KEY", "not-a-secret"),
            ("AWS_CONFIG_FILE", nowhere),
            ("AWS_SHARED_CREDENTIALS_FILE", nowhere),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        for (name, value) in variables {
            // SAFETY: Rust's own readers of the environment share a lock with this, and no C code that
            // these tests run reads it while the first of them begins.
            unsafe { std::env::set_var(name, value) };
        }
    });
}
