//! A pool and a network of one test on the sandbox's libvirt, and the programs that look at it.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrom::model::{ProviderAction, ProviderName};
use metrom::port::{ImageFiles, Observer as _, Seed, SeedError, SeedMaker, SeedRequest};
use metrom::provider::ProcessFacts;
use metrom::provider::libvirt::{
    Accelerator, Forward, Libvirt, LibvirtConfig, NetworkConfig, PoolConfig,
};

use super::contract;

/// How long a state may take to come on a busy machine; waiting ends as soon as it is there.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What a real machine would be given, without a system that could read it.
struct Seeds;

impl SeedMaker for Seeds {
    fn make(&self, request: &SeedRequest) -> Result<Seed, SeedError> {
        Ok(Seed {
            image: vec![b's'; 64 << 10],
            user_data: b"#cloud-config\n{}\n".to_vec(),
            host_key_public: format!("ssh-ed25519 AAAA {}", request.instance),
        })
    }
}

/// A pool and a network of one test, in the sandbox's own libvirt.
pub struct Bed {
    pub name: String,
    pub folder: PathBuf,
    pub is_owner: bool,
}

impl Bed {
    pub fn new(name: &str) -> Self {
        let first = std::fs::read_to_string("/proc/1/cmdline").unwrap();
        assert!(
            first.contains("scripts/namespaces"),
            "these tests change libvirt; run them by tests/bed/sandbox"
        );
        let folder = PathBuf::from("/var/lib/libvirt/images").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self {
            name: name.to_owned(),
            folder,
            is_owner: true,
        }
    }

    pub fn pool(&self) -> PathBuf {
        self.folder.join("pool")
    }

    pub fn config(&self) -> LibvirtConfig {
        // Each test has a subnet of its own; the sum of its letters is one below 250.
        let number = self.name.bytes().fold(0_u32, |sum, b| sum + u32::from(b)) % 250;
        LibvirtConfig {
            provider: ProviderName::parse("lab").unwrap(),
            uri: "qemu:///system".into(),
            door: None,
            bastion: None,
            accelerator: Accelerator::Auto,
            pool: PoolConfig {
                name: self.name.clone(),
                path: Some(self.pool().display().to_string()),
            },
            network: NetworkConfig {
                name: self.name.clone(),
                subnet: Some(format!("10.78.{number}.0/24").parse().unwrap()),
                forward: Forward::None,
            },
        }
    }

    pub fn provider_with(&self, seeds: Arc<dyn SeedMaker>) -> Libvirt {
        Libvirt::new(self.config(), seeds, Arc::new(ProcessFacts::default()))
            .with_stop_patience(Duration::from_secs(1))
    }

    pub fn provider(&self) -> Libvirt {
        self.provider_with(Arc::new(Seeds))
    }

    pub async fn prepared(&self) -> Libvirt {
        let provider = self.provider();
        for part in provider.inventory().await.missing {
            contract::done(&provider, ProviderAction::Prepare { part }).await;
        }
        provider
    }

    /// Names of the files in the pool.
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.pool()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// A qcow2 disk of so many MiB of this content, and its ordinary company.
    pub fn image_of(&self, content: &[u8], mib: usize) -> ImageFiles {
        let (raw, disk) = (self.folder.join("raw"), self.folder.join("disk.qcow2"));
        let mut bytes = content.to_vec();
        bytes.resize(mib << 20, 0);
        std::fs::write(&raw, bytes).unwrap();
        run(Command::new("qemu-img")
            .args(["convert", "-O", "qcow2"])
            .args([&raw, &disk]));
        ImageFiles { disk, kernel: None }
    }

    /// Bytes without any pattern, so that none of them is left out of the file.
    pub fn noise(&self, mib: usize) -> ImageFiles {
        let mut noise = vec![0; mib << 20];
        let mut source = std::fs::File::open("/dev/urandom").unwrap();
        source.read_exact(&mut noise).unwrap();
        self.image_of(&noise, mib)
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if !self.is_owner {
            return;
        }
        for command in [
            "pool-destroy",
            "pool-undefine",
            "net-destroy",
            "net-undefine",
        ] {
            let _ = Command::new("virsh")
                .args(["-q", command, &self.name])
                .stderr(Stdio::null())
                .status();
        }
        let _ = Command::new("umount")
            .arg(&self.folder)
            .stderr(Stdio::null())
            .status();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

pub fn virsh(args: &[&str]) -> String {
    run(Command::new("virsh")
        .args(["-q", "-c", "qemu:///system"])
        .args(args))
}

/// Waits for a state; how long that takes is nobody's promise.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
