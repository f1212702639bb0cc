//! Everything as it really is, whoever may see it yet.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::pace::Pace;
use super::wire::Moto;
use super::xml::Node;

#[derive(Debug)]
pub struct Truth {
    pub instances: Vec<Node>,
    pub volumes: Vec<Node>,
}

impl Truth {
    pub fn of(&self, id: &str) -> Option<&Node> {
        let is_it =
            |node: &&Node| [node.text_at("instanceId"), node.text_at("volumeId")].contains(&id);
        self.instances.iter().chain(&self.volumes).find(is_it)
    }

    pub fn state<'a>(&'a self, pace: &Pace, id: &str) -> &'a str {
        let paths = ["instanceState/name", "status"];
        let node = self.of(id);
        let there = node.and_then(|node| paths.iter().find_map(|path| node.at(path)));
        pace.of(id).unwrap_or(there.map_or("", |node| &node.text))
    }
}

/// Asks the emulator, which is slow, and only when something was changed since.
#[derive(Debug, Default)]
pub struct Witness(Mutex<Option<(u64, Arc<Truth>)>>);

impl Witness {
    pub async fn of(&self, moto: &Moto) -> Arc<Truth> {
        let changes = moto.changes();
        let mut kept = self.0.lock().await;
        match &*kept {
            Some((at, truth)) if *at == changes => truth.clone(),
            _ => {
                let truth = Arc::new(ask(moto).await);
                *kept = Some((changes, truth.clone()));
                truth
            }
        }
    }
}

async fn ask(moto: &Moto) -> Truth {
    let instances = moto.ask("DescribeInstances", &[("MaxResults", "1000")]);
    let instances = instances.await;
    let reservations = instances.items("reservationSet").iter();
    let volumes = moto.ask("DescribeVolumes", &[]).await;
    Truth {
        instances: reservations
            .flat_map(|r| r.items("instancesSet").to_vec())
            .collect(),
        volumes: volumes.items("volumeSet").to_vec(),
    }
}
