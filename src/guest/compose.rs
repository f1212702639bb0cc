//! What `docker compose config` says of a stack, and what is concluded from it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::model::Digest;

/// The label that makes compose recreate a service when a file that it mounts has changed: its own
/// configuration hash covers the path of a mount, not what lies there.
const MOUNTED: &str = "dev.metrom.mounted";

/// A stack as compose has understood it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Model {
    pub services: BTreeMap<String, Service>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Service {
    pub builds: bool,
    /// Where it names one; a service that builds may name what is built.
    pub image: Option<String>,
    /// At least one container of it should be there.
    pub wanted: bool,
    /// Absolute paths on the machine that its containers see.
    pub mounts: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    services: BTreeMap<String, WrittenService>,
    #[serde(default)]
    configs: BTreeMap<String, WrittenFile>,
    #[serde(default)]
    secrets: BTreeMap<String, WrittenFile>,
}

#[derive(Deserialize)]
struct WrittenService {
    build: Option<Value>,
    image: Option<String>,
    scale: Option<u64>,
    deploy: Option<WrittenDeploy>,
    #[serde(default)]
    volumes: Vec<WrittenMount>,
    #[serde(default)]
    configs: Vec<WrittenUse>,
    #[serde(default)]
    secrets: Vec<WrittenUse>,
}

#[derive(Deserialize)]
struct WrittenDeploy {
    replicas: Option<u64>,
}

#[derive(Deserialize)]
struct WrittenMount {
    #[serde(rename = "type")]
    kind: String,
    source: Option<String>,
}

#[derive(Deserialize)]
struct WrittenUse {
    source: String,
}

#[derive(Deserialize)]
struct WrittenFile {
    file: Option<String>,
}

impl Model {
    /// Reads the output of `docker compose config --format json`.
    ///
    /// # Errors
    /// What is not as expected.
    pub fn read(config: &str) -> Result<Self, String> {
        let written: Written = serde_json::from_str(config).map_err(|e| e.to_string())?;
        let Written {
            services,
            configs,
            secrets,
        } = written;
        let understood = |service: WrittenService| {
            let binds = service
                .volumes
                .into_iter()
                .filter(|mount| mount.kind == "bind");
            let mut mounts: BTreeSet<String> = binds.filter_map(|mount| mount.source).collect();
            for (uses, files) in [(&service.configs, &configs), (&service.secrets, &secrets)] {
                let named = uses.iter().filter_map(|used| files.get(&used.source));
                mounts.extend(named.filter_map(|file| file.file.clone()));
            }
            let replicas = service.deploy.and_then(|deploy| deploy.replicas);
            Service {
                builds: service.build.is_some(),
                image: service.image,
                wanted: service.scale.or(replicas) != Some(0),
                mounts,
            }
        };
        let services = services.into_iter().map(|(name, s)| (name, understood(s)));
        Ok(Self {
            services: services.collect(),
        })
    }

    pub fn builds(&self) -> bool {
        self.services.values().any(|service| service.builds)
    }

    /// Service and image of those that have to be pulled.
    pub fn pulled(&self) -> impl Iterator<Item = (&str, &str)> {
        let pulled = self.services.iter().filter(|(_, s)| s.wanted && !s.builds);
        pulled.filter_map(|(name, service)| Some((name.as_str(), service.image.as_deref()?)))
    }

    /// A second compose file that marks each service with a digest of what it mounts; `None` when
    /// no service mounts anything of `content`, which maps absolute paths to fingerprints.
    pub fn overlay(&self, content: &BTreeMap<String, String>) -> Option<String> {
        let mut services = serde_json::Map::new();
        for (name, service) in &self.services {
            let sees = |path: &str| service.mounts.iter().any(|m| touches(m, path));
            let seen: BTreeMap<_, _> = content.iter().filter(|(path, _)| sees(path)).collect();
            if !seen.is_empty() {
                let digest = Digest::of(&seen);
                let labels = json!({"labels": {MOUNTED: digest.short()}});
                services.insert(name.clone(), labels);
            }
        }
        (!services.is_empty()).then(|| json!({"services": services}).to_string())
    }
}

/// Whether a mounted path and another one are the same or one lies inside the other.
fn touches(mount: &str, path: &str) -> bool {
    let inside = |inner: &str, outer: &str| {
        inner
            .strip_prefix(outer.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    inside(path, mount) || inside(mount, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{
      "name": "s",
      "configs": {"c": {"name": "s_c", "file": "/srv/metrom/stack/site.conf"}},
      "services": {
        "web": {"image": "nginx", "configs": [{"source": "c"}], "command": null,
          "volumes": [{"type": "bind", "source": "/srv/metrom/stack/html", "target": "/h"},
                      {"type": "volume", "source": "data", "target": "/d"}]},
        "app": {"build": {"context": "/srv/metrom/src/app"},
          "volumes": [{"type": "bind", "source": "/srv/metrom/src/app/static", "target": "/s"}]},
        "off": {"image": "x", "scale": 0},
        "db": {"image": "postgres", "deploy": {"replicas": 1}}
      }
    }"#;

    fn content(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let own = |(path, mark): &(&str, &str)| ((*path).to_owned(), (*mark).to_owned());
        pairs.iter().map(own).collect()
    }

    #[test]
    fn what_is_built_or_not_wanted_is_not_pulled() {
        let model = Model::read(CONFIG).unwrap();
        let pulled: Vec<_> = model.pulled().collect();
        assert_eq!(pulled, [("db", "postgres"), ("web", "nginx")]);
    }

    #[test]
    fn what_is_needed_is_read() {
        let model = Model::read(CONFIG).unwrap();
        assert!(model.builds());
        assert!(!model.services["off"].wanted && model.services["db"].wanted);
        let mounts: Vec<_> = model.services["web"].mounts.iter().collect();
        assert_eq!(
            mounts,
            ["/srv/metrom/stack/html", "/srv/metrom/stack/site.conf"]
        );
    }

    #[test]
    fn a_changed_file_marks_the_services_that_mount_it_and_no_other() {
        let model = Model::read(CONFIG).unwrap();
        let overlay = |mark| model.overlay(&content(&[("/srv/metrom/stack/html/a.html", mark)]));
        let (one, two) = (overlay("1").unwrap(), overlay("2").unwrap());
        assert_ne!(one, two);
        assert!(
            one.contains("web") && !one.contains("app") && !one.contains("db"),
            "{one}"
        );
        let elsewhere = content(&[("/srv/metrom/stack/html2/a.html", "1")]);
        assert_eq!(model.overlay(&elsewhere), None);
    }

    #[test]
    fn a_new_commit_marks_the_services_that_mount_the_checkout() {
        let model = Model::read(CONFIG).unwrap();
        let overlay = model
            .overlay(&content(&[("/srv/metrom/src/app", "abc")]))
            .unwrap();
        assert!(
            overlay.contains("app") && !overlay.contains("web"),
            "{overlay}"
        );
    }
}
