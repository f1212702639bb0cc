//! Asking meters and machines, each within a time of its own: what hangs keeps nobody waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};

use crate::manifest::schema::ProviderSpec;
use crate::model::{ContainerReading, LiveId, ProviderName, Reading};
use crate::port::{Clock, GuestObserver, GuestTarget, Observers};

/// Hundreds of machines are told in a few answers; more means that nobody answers.
const METER_WITHIN: Duration = Duration::from_secs(40);

/// A login on a busy emulated machine, and two questions.
const GUEST_WITHIN: Duration = Duration::from_secs(60);

/// The ways to ask; none of them can change anything.
#[derive(Clone)]
pub struct Ask {
    pub providers: Arc<dyn Observers>,
    pub guests: Arc<dyn GuestObserver>,
    pub clock: Arc<dyn Clock>,
}

/// What a provider said.
#[derive(Debug)]
pub struct Told {
    /// How long it takes until there is something new.
    pub pace: Duration,
    pub readings: BTreeMap<LiveId, Reading>,
}

impl Ask {
    /// What these machines of a provider have used.
    ///
    /// # Errors
    /// Why that is not known, for people.
    pub async fn provider(
        &self,
        name: &ProviderName,
        declared: &ProviderSpec,
        machines: &BTreeSet<LiveId>,
    ) -> Result<Told, String> {
        let asking = async {
            let observer = self.providers.observer(name, declared).await;
            let observer = observer.map_err(|error| error.to_string())?;
            let Some(meter) = observer.meter() else {
                return Err(format!("{name} does not tell how much machines use"));
            };
            let readings = meter.measure(machines).await;
            Ok(Told {
                pace: meter.pace(),
                readings: readings.map_err(|error| error.to_string())?,
            })
        };
        let late = || format!("{name} has not answered in {} s", METER_WITHIN.as_secs());
        self.within(METER_WITHIN, asking)
            .await
            .unwrap_or_else(|| Err(late()))
    }

    /// What the containers of a machine have used.
    ///
    /// # Errors
    /// Why that is not known, for people.
    pub async fn containers(&self, target: &GuestTarget) -> Result<Vec<ContainerReading>, String> {
        let env = &target.env;
        let asking = self.guests.containers(target);
        match self.within(GUEST_WITHIN, asking).await {
            Some(answer) => answer.map_err(|error| error.to_string()),
            None => Err(format!(
                "{env} has not answered in {} s",
                GUEST_WITHIN.as_secs()
            )),
        }
    }

    async fn within<T>(&self, time: Duration, work: impl Future<Output = T>) -> Option<T> {
        match select(pin!(work), self.clock.sleep(time)).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(((), _)) => None,
        }
    }
}
