//! The containers of a compose project, as Docker reports them.

use std::collections::BTreeSet;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerInspectResponse, ContainerSummary, HealthStatusEnum, PortSummary};
use bollard::query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder};
use futures_util::future::try_join_all;

use super::compose::Model;
use super::record::StackRecord;
use crate::model::{Health, LiveService};

pub(crate) const PROJECT: &str = "com.docker.compose.project";
pub(crate) const SERVICE: &str = "com.docker.compose.service";
const ONE_OFF: &str = "com.docker.compose.oneoff";
const CONFIG_HASH: &str = "com.docker.compose.config-hash";

/// One container of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Container {
    pub service: String,
    pub name: String,
    pub image: String,
    pub image_digest: String,
    pub state: String,
    pub exit_code: Option<i64>,
    pub health: Checked,
    pub restarts: u32,
    pub ports: Vec<String>,
    pub config_hash: String,
}

/// What the container's own health check says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Checked {
    #[default]
    None,
    Starting,
    Healthy,
    Unhealthy,
}

/// How a stack stands, for someone who waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    Up,
    /// Some health check has not answered yet.
    Starting,
    /// What is wrong, by container; without one, no container of a wanted service is there.
    Failed(Vec<(String, Option<String>)>),
}

/// The containers of a project, without one-off runs.
///
/// # Errors
/// When Docker cannot be asked.
pub(crate) async fn list(docker: &Docker, project: &str) -> Result<Vec<Container>, Error> {
    let filter = vec![format!("{PROJECT}={project}")];
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&std::collections::HashMap::from([("label", filter)]))
        .build();
    let summaries = docker.list_containers(Some(options)).await?;
    let ours = summaries
        .into_iter()
        .filter(|s| label(s, ONE_OFF) != "True");
    let details = ours.map(|summary| async move {
        let id = summary.id.clone().unwrap_or_default();
        match docker
            .inspect_container(&id, None::<InspectContainerOptions>)
            .await
        {
            Ok(detail) => Ok(Some(container(&summary, detail))),
            // Removed since it was listed.
            Err(Error::DockerResponseServerError {
                status_code: 404, ..
            }) => Ok(None),
            Err(e) => Err(e),
        }
    });
    let mut found: Vec<Container> = try_join_all(details).await?.into_iter().flatten().collect();
    found.sort_by(|a, b| (&a.service, &a.name).cmp(&(&b.service, &b.name)));
    Ok(found)
}

pub(crate) fn label<'a>(summary: &'a ContainerSummary, name: &str) -> &'a str {
    let labels = summary.labels.as_ref();
    labels.and_then(|l| l.get(name)).map_or("", String::as_str)
}

fn container(summary: &ContainerSummary, detail: ContainerInspectResponse) -> Container {
    let state = detail.state.unwrap_or_default();
    let status = state.status.map(|s| s.to_string()).unwrap_or_default();
    let health = state.health.and_then(|h| h.status);
    Container {
        service: label(summary, SERVICE).to_owned(),
        name: detail
            .name
            .unwrap_or_default()
            .trim_start_matches('/')
            .to_owned(),
        image: detail.config.and_then(|c| c.image).unwrap_or_default(),
        image_digest: summary.image_id.clone().unwrap_or_default(),
        exit_code: state.exit_code.filter(|_| status == "exited"),
        state: status,
        health: match health {
            Some(HealthStatusEnum::HEALTHY) => Checked::Healthy,
            Some(HealthStatusEnum::UNHEALTHY) => Checked::Unhealthy,
            Some(HealthStatusEnum::STARTING) => Checked::Starting,
            Some(HealthStatusEnum::NONE | HealthStatusEnum::EMPTY) | None => Checked::None,
        },
        restarts: detail
            .restart_count
            .and_then(|n| n.try_into().ok())
            .unwrap_or(0),
        ports: ports(summary.ports.as_deref().unwrap_or_default()),
        config_hash: label(summary, CONFIG_HASH).to_owned(),
    }
}

/// Published ports, each once although Docker lists it for IPv4 and for IPv6.
fn ports(all: &[PortSummary]) -> Vec<String> {
    let published = all.iter().filter_map(|port| {
        let kind = port.typ.map_or_else(|| "tcp".to_owned(), |t| t.to_string());
        Some(format!(
            "{}:{}/{kind}",
            port.public_port?, port.private_port
        ))
    });
    published.collect::<BTreeSet<_>>().into_iter().collect()
}

impl Container {
    /// The container as the model has it; `applied` is what was written down after the last apply.
    pub fn live(self, applied: &StackRecord) -> LiveService {
        let altered = match applied.services.get(&self.service) {
            Some(hash) => *hash != self.config_hash,
            None => !applied.services.is_empty(),
        };
        let resolved = applied.images.get(&self.service);
        let resolved = resolved.filter(|image| image.name == self.image);
        let resolved = resolved.map(|image| image.id.clone());
        LiveService {
            name: self.service,
            container: self.name,
            image: self.image,
            image_digest: self.image_digest,
            resolved,
            state: self.state,
            exit_code: self.exit_code,
            health: match self.health {
                Checked::Healthy => Health::Healthy,
                Checked::Unhealthy => Health::Unhealthy,
                Checked::None | Checked::Starting => Health::Unknown,
            },
            restarts: self.restarts,
            ports: self.ports,
            altered,
        }
    }

    /// What is wrong with it; `None` when nothing is, or not yet.
    fn fault(&self) -> Option<String> {
        match (self.state.as_str(), self.exit_code) {
            ("running", _) if self.health == Checked::Unhealthy => Some("is unhealthy".to_owned()),
            ("running", _) | ("exited", Some(0)) => None,
            ("exited", Some(code)) => Some(format!("exited with code {code}")),
            ("created", _) => Some("was never started".to_owned()),
            ("restarting", _) => Some("keeps restarting".to_owned()),
            (other, _) => Some(format!("is {other}")),
        }
    }
}

/// How the containers of a stack stand.
pub(crate) fn standing(model: &Model, containers: &[Container]) -> Standing {
    let mut faults = Vec::new();
    for (service, _) in model.services.iter().filter(|(_, s)| s.wanted) {
        if !containers.iter().any(|c| c.service == *service) {
            faults.push((format!("service `{service}` has no container"), None));
        }
    }
    for container in containers {
        if let Some(fault) = container.fault() {
            let name = &container.name;
            faults.push((format!("`{name}` {fault}"), Some(name.clone())));
        }
    }
    if !faults.is_empty() {
        return Standing::Failed(faults);
    }
    let is_starting = |c: &Container| c.state == "running" && c.health == Checked::Starting;
    if containers.iter().any(is_starting) {
        Standing::Starting
    } else {
        Standing::Up
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn model() -> Model {
        Model::read(r#"{"services": {"web": {}, "job": {}, "off": {"scale": 0}}}"#).unwrap()
    }

    fn one(service: &str, state: &str, exit_code: Option<i64>, health: Checked) -> Container {
        Container {
            service: service.to_owned(),
            name: format!("s-{service}-1"),
            state: state.to_owned(),
            exit_code,
            health,
            config_hash: "h1".to_owned(),
            ..Container::default()
        }
    }

    #[test]
    fn a_task_that_came_to_its_end_does_not_keep_a_stack_from_being_up() {
        let job = one("job", "exited", Some(0), Checked::None);
        let web = |health| one("web", "running", None, health);
        let stands = |web| standing(&model(), &[web, job.clone()]);
        assert_eq!(stands(web(Checked::Healthy)), Standing::Up);
        assert_eq!(stands(web(Checked::None)), Standing::Up);
        assert_eq!(stands(web(Checked::Starting)), Standing::Starting);
    }

    #[test]
    fn each_fault_has_its_words() {
        let containers = [
            one("job", "exited", Some(3), Checked::None),
            one("web", "running", None, Checked::Unhealthy),
        ];
        let Standing::Failed(faults) = standing(&model(), &containers) else {
            panic!("nothing found");
        };
        let words: Vec<_> = faults.iter().map(|(words, _)| words.as_str()).collect();
        assert_eq!(
            words,
            ["`s-job-1` exited with code 3", "`s-web-1` is unhealthy"]
        );
        let missing = standing(&model(), &containers[1..]);
        assert!(format!("{missing:?}").contains("service `job` has no container"));
    }

    #[test]
    fn a_container_that_somebody_changed_is_altered() {
        let web = one("web", "running", None, Checked::None);
        assert!(!web.clone().live(&applied(&[("web", "h1")])).altered);
        assert!(
            !web.clone().live(&applied(&[])).altered,
            "nothing was applied yet"
        );
        assert!(web.live(&applied(&[("web", "h2")])).altered);
        let extra = one("extra", "running", None, Checked::None);
        assert!(extra.live(&applied(&[("web", "h1")])).altered);
    }

    fn applied(services: &[(&str, &str)]) -> StackRecord {
        let own = |(name, hash): &(&str, &str)| ((*name).to_owned(), (*hash).to_owned());
        let record = serde_json::json!({
            "stamp": {"owner": "acme", "env": "shop", "key": "stack", "digest": null,
                "revision": null, "created": "2026-01-01T00:00:00Z"},
            "project": "shop", "files": {},
            "services": services.iter().map(own).collect::<BTreeMap<_, _>>(),
        });
        serde_json::from_value(record).unwrap()
    }
}
