//! Files as snapshots, and what is live when everything is as declared.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use metrom::manifest::{Catalog, Facts, references, render};
use metrom::model::{
    About, Desired, Digest, Entry, EnvName, Health, Inventory, Key, LiveCheckout, LiveFields,
    LiveId, LiveMachine, LiveService, LiveStack, LiveVolume, Object, Power, RepoPath, Revision,
    Snapshot, Spec, Stamp, Timestamp,
};
use metrom::port::GuestReport;

/// The files of several folders, later ones over earlier ones.
pub fn snapshot(folders: &[&Path]) -> Snapshot {
    let mut entries = BTreeMap::new();
    for folder in folders {
        read(folder, folder, &mut entries);
    }
    let names: Vec<String> = entries.keys().map(ToString::to_string).collect();
    Snapshot {
        revision: Revision::parse(&Digest::of(&names).as_str()[..40]).unwrap(),
        entries,
    }
}

fn read(root: &Path, folder: &Path, entries: &mut BTreeMap<RepoPath, Entry>) {
    let Ok(listing) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in listing {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(root, &path, entries);
            continue;
        }
        let name = path.strip_prefix(root).unwrap().to_str().unwrap();
        let bytes = std::fs::read(&path).unwrap().into();
        let executable = false;
        entries.insert(
            RepoPath::parse(name).unwrap(),
            Entry::File { bytes, executable },
        );
    }
}

/// The commit that every reference of a test stands for.
pub fn commit(digit: char) -> Revision {
    Revision::parse(&digit.to_string().repeat(40)).unwrap()
}

pub fn desired(catalog: &Catalog, env: &EnvName, now: Timestamp, facts: &Facts) -> Desired {
    let errors: Vec<String> = catalog.stalled_by(env).map(ToString::to_string).collect();
    assert!(
        errors.is_empty(),
        "the repository of the case is not good: {errors:?}"
    );
    render(catalog, env, now, facts)
}

pub fn facts(catalog: &Catalog, env: &EnvName, answer: &Result<Revision, String>) -> Facts {
    let refs = references(catalog, env)
        .into_iter()
        .map(|wanted| (wanted, answer.clone()));
    Facts {
        refs: refs.collect(),
        ..Facts::default()
    }
}

/// What a provider and a machine report when everything is as declared.
pub fn agreement(desired: &Desired, created: Timestamp) -> (Inventory, GuestReport) {
    let provider = desired.provider.clone().expect("something is declared");
    let mut inventory = Inventory {
        provider,
        objects: Vec::new(),
        addresses: Ok(Vec::new()),
        images: BTreeSet::new(),
        missing: BTreeSet::new(),
        free_memory_mib: None,
        has_unique_names: true,
        health: None,
        gaps: Vec::new(),
    };
    let mut report = GuestReport::default();
    for (key, resource) in &desired.resources {
        let stamp = Stamp {
            owner: desired.owner.clone(),
            env: desired.env.clone(),
            key: key.clone(),
            digest: Some(resource.digest.clone()),
            revision: Some(desired.revision.clone()),
            created,
            born: None,
        };
        let fields = live(&resource.spec);
        match (key, fields) {
            (Key::Image, _) | (_, None) => {}
            (Key::Volume(_) | Key::Machine, Some(fields)) => inventory.objects.push(Object {
                id: LiveId(format!("{key}-1")),
                name: format!("metrom-{}", desired.env),
                fields,
                about: About::default(),
                stamp: Some(stamp),
            }),
            (Key::Guest | Key::Containers | Key::Checkout(_) | Key::Stack, Some(fields)) => {
                report.live.insert(key.clone(), (fields, Some(stamp)));
            }
        }
        if let Spec::Image(image) = &resource.spec {
            inventory.images.insert(image.id());
        }
    }
    (inventory, report)
}

fn live(spec: &Spec) -> Option<LiveFields> {
    Some(match spec {
        Spec::Image(_) => return None,
        Spec::Volume(spec) => LiveFields::Volume(LiveVolume {
            size_mib: spec.size_mib,
        }),
        Spec::Machine(spec) => LiveFields::Machine(LiveMachine {
            power: Power::Running,
            cpus: spec.cpus,
            memory_mib: spec.memory_mib,
            image: Some(spec.image.id()),
            volumes: spec
                .volumes
                .iter()
                .map(|key| LiveId(format!("{key}-1")))
                .collect(),
            address: Some(IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2))),
            host_key: Some("ssh-ed25519 AAAA".to_owned()),
            devices: BTreeMap::new(),
            ready: None,
            is_finished: true,
            is_protected: None,
            is_spot: false,
            bastion: None,
        }),
        Spec::Guest(_) | Spec::Containers(_) => LiveFields::Guest,
        Spec::Checkout(spec) => LiveFields::Checkout(LiveCheckout {
            revision: spec.revision.clone(),
            local_work: None,
        }),
        Spec::Stack(spec) => LiveFields::Stack(LiveStack {
            services: spec.services.iter().map(|name| service(name)).collect(),
            missing: BTreeSet::new(),
            changed_files: BTreeSet::new(),
        }),
    })
}

fn service(name: &str) -> LiveService {
    LiveService {
        name: name.to_owned(),
        container: format!("{name}-1"),
        image: name.to_owned(),
        image_digest: String::new(),
        resolved: None,
        state: "running".to_owned(),
        exit_code: None,
        health: Health::Healthy,
        restarts: 0,
        ports: Vec::new(),
        altered: false,
    }
}
