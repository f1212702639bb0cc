//! What a machine is told at its first boot: who may log in, its own host key, its network, its
//! data volume.
//!
//! A NoCloud seed for cloud-init. User data are JSON, which is YAML too: no value can break out of
//! its quotes. Only what every cloud-init understands is used (write_files, users, ssh_keys,
//! runcmd), so that a trimmed image and an ordinary cloud image read it alike. What can be done
//! later over SSH is not done here: a seed is read once, a guest can be set up again.

use russh::keys::ssh_key::LineEnding;
use serde_json::{Value, json};

use super::data::{self, DATA, DOCKER_DROP_INS, DROP_IN, RULES, UDEV_RULES, mountpoint};
use super::fat;
use crate::port::seed::{Seed, SeedError, SeedMaker, SeedRequest};
use crate::ssh::identity::ed25519;
use crate::ssh::{Identity, LOGIN};

const MOUNT_VOLUME: &str = "/usr/local/sbin/metrom-mount-volume";
/// Only the key that was made for this machine is presented, whatever else the image generates.
const ONE_HOST_KEY: &str = "HostKey /etc/ssh/ssh_host_ed25519_key\n";

/// Makes seeds that let one identity in.
#[derive(Debug, Clone)]
pub struct NoCloud {
    identity: Identity,
}

impl NoCloud {
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self { identity }
    }
}

impl SeedMaker for NoCloud {
    fn make(&self, request: &SeedRequest) -> Result<Seed, SeedError> {
        let failed = |reason: String| SeedError {
            env: request.env.clone(),
            reason,
        };
        let key = ed25519(&request.hostname).map_err(failed)?;
        let private = key.to_openssh(LineEnding::LF);
        let private = private.map_err(|e| failed(e.to_string()))?;
        let public = key.public_key().to_openssh();
        let public = public.map_err(|e| failed(e.to_string()))?;

        let user = user_data(request, self.identity.public(), &private, &public);
        let user_data = cloud_config(&user);
        let meta_data = document(&meta_data(request));
        let network = request.mac.as_deref().map(network_config);
        let network = network.as_ref().map(document);
        let mut files: Vec<(&str, &[u8])> =
            vec![("user-data", &user_data), ("meta-data", &meta_data)];
        files.extend(network.iter().map(|n| ("network-config", n.as_slice())));
        let image = fat::image(*b"CIDATA     ", &files).map_err(|e| failed(e.to_string()))?;
        Ok(Seed {
            image,
            user_data,
            host_key_public: public,
        })
    }
}

fn user_data(request: &SeedRequest, login_key: &str, private: &str, public: &str) -> Value {
    json!({
        // A cloud's own meta data name a machine after its address.
        "hostname": request.hostname,
        "disable_root": true,
        "ssh_pwauth": false,
        "ssh_deletekeys": true,
        "ssh_keys": {"ed25519_private": private, "ed25519_public": format!("{public}\n")},
        "users": [{
            "name": LOGIN,
            "gecos": "Metrom",
            "shell": "/bin/bash",
            "lock_passwd": true,
            "sudo": "ALL=(ALL) NOPASSWD:ALL",
            "groups": "docker",
            "ssh_authorized_keys": [login_key],
        }],
        "write_files": written_files(request),
        "runcmd": mounts(request),
    })
}

fn written_files(request: &SeedRequest) -> Vec<Value> {
    let file = |path: &str, mode: &str, content: &str| json!({"path": path, "permissions": mode, "content": content});
    let hosts = format!(
        "127.0.0.1 localhost\n127.0.1.1 {}\n::1 localhost ip6-localhost ip6-loopback\n",
        request.hostname
    );
    let mut files = vec![
        file("/etc/hosts", "0644", &hosts),
        file(
            "/etc/ssh/sshd_config.d/10-metrom.conf",
            "0644",
            ONE_HOST_KEY,
        ),
    ];
    if request.volumes.contains_key(DATA) {
        let drop_in = format!("{DOCKER_DROP_INS}/{DROP_IN}");
        files.push(file(&drop_in, "0644", data::DOCKER_WAITS));
    }
    if !request.volumes.is_empty() {
        files.push(file(MOUNT_VOLUME, "0755", data::MOUNT_VOLUME));
        let rules = format!("{UDEV_RULES}/{RULES}");
        files.push(file(&rules, "0644", data::GROWS_LIVE));
    }
    files
}

/// One command per volume; the last of them decides what cloud-init reports, so `set -e` comes first.
fn mounts(request: &SeedRequest) -> Vec<Value> {
    let mut commands = vec![json!("set -e")];
    for (name, device) in &request.volumes {
        commands.push(json!([MOUNT_VOLUME, device, mountpoint(name)]));
    }
    commands
}

fn meta_data(request: &SeedRequest) -> Value {
    json!({"instance-id": request.instance, "local-hostname": request.hostname})
}

/// By hardware address: not every renderer understands name patterns.
fn network_config(mac: &str) -> Value {
    json!({
        "version": 2,
        "ethernets": {"primary": {
            "match": {"macaddress": mac},
            "dhcp4": true,
            "dhcp6": false,
            "accept-ra": false,
        }},
    })
}

fn cloud_config(value: &Value) -> Vec<u8> {
    let mut bytes = b"#cloud-config\n".to_vec();
    bytes.extend(document(value));
    bytes
}

fn document(value: &Value) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("a JSON value serialises");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{Cursor, Read as _};

    use fatfs::{FileSystem, FsOptions};

    use super::*;
    use crate::model::{EnvName, OwnerName};

    fn request() -> SeedRequest {
        let device = "/dev/disk/by-id/virtio-metrom-0123456789ab";
        SeedRequest {
            owner: OwnerName::parse("acme").unwrap(),
            env: EnvName::parse("shop-dev").unwrap(),
            hostname: "shop-dev".to_owned(),
            instance: "i-1".to_owned(),
            mac: Some("52:54:00:12:34:56".to_owned()),
            volumes: BTreeMap::from([("data".to_owned(), device.to_owned())]),
        }
    }

    fn read(image: &[u8], name: &str) -> Value {
        let system = FileSystem::new(Cursor::new(image.to_vec()), FsOptions::new()).unwrap();
        let mut text = String::new();
        let mut file = system.root_dir().open_file(name).unwrap();
        file.read_to_string(&mut text).unwrap();
        serde_yaml::from_str(&text).unwrap()
    }

    #[test]
    fn the_machine_gets_the_host_key_that_is_pinned() {
        let maker = NoCloud::new(Identity::fresh().unwrap());
        let seed = maker.make(&request()).unwrap();
        let user = read(&seed.image, "user-data");
        let private = user["ssh_keys"]["ed25519_private"].as_str().unwrap();
        let private = russh::keys::PrivateKey::from_openssh(private).unwrap();
        assert_eq!(
            private.public_key().to_openssh().unwrap(),
            seed.host_key_public
        );
        let other = maker.make(&request()).unwrap();
        assert_ne!(other.host_key_public, seed.host_key_public);
    }

    #[test]
    fn only_metrom_may_log_in_and_only_by_key() {
        let identity = Identity::fresh().unwrap();
        let seed = NoCloud::new(identity.clone()).make(&request()).unwrap();
        let user = read(&seed.image, "user-data");
        let users = user["users"].as_array().unwrap();
        assert_eq!(users.len(), 1);
        assert_eq!(users[0]["name"], "metrom");
        assert_eq!(users[0]["lock_passwd"], true);
        assert_eq!(users[0]["ssh_authorized_keys"], json!([identity.public()]));
        assert_eq!(user["ssh_pwauth"], false);
    }

    #[test]
    fn network_and_name_are_those_of_the_request() {
        let seed = NoCloud::new(Identity::fresh().unwrap())
            .make(&request())
            .unwrap();
        let network = read(&seed.image, "network-config");
        let mac = &network["ethernets"]["primary"]["match"]["macaddress"];
        assert_eq!(mac, "52:54:00:12:34:56");
        let meta = read(&seed.image, "meta-data");
        assert_eq!(
            meta,
            json!({"instance-id": "i-1", "local-hostname": "shop-dev"})
        );
    }

    #[test]
    fn a_cloud_gets_the_same_user_data_and_no_word_about_the_network() {
        let mut request = request();
        request.mac = None;
        let seed = NoCloud::new(Identity::fresh().unwrap())
            .make(&request)
            .unwrap();
        let handed: Value = serde_yaml::from_slice(&seed.user_data).unwrap();
        assert_eq!(handed, read(&seed.image, "user-data"));
        assert!(seed.user_data.starts_with(b"#cloud-config\n"));
        assert_eq!(handed["hostname"], "shop-dev");
        // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html
        assert!(seed.user_data.len() < 16 * 1024);
        let system = FileSystem::new(Cursor::new(seed.image), FsOptions::new()).unwrap();
        assert!(system.root_dir().open_file("network-config").is_err());
    }

    #[test]
    fn without_a_data_volume_nothing_is_mounted() {
        let mut request = request();
        request.volumes.clear();
        let seed = NoCloud::new(Identity::fresh().unwrap())
            .make(&request)
            .unwrap();
        let user = read(&seed.image, "user-data");
        assert!(!user.to_string().contains(MOUNT_VOLUME));
        assert!(!user.to_string().contains("docker.service"));
    }
}
