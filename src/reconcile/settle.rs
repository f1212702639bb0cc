//! Syncs again and again until there is nothing left to do: what `metrom apply` calls.

use std::time::Duration;

use super::gate::DataVolumes;
use super::sync::{End, Reconciler, SyncReport};
use crate::model::{Class, EnvName, Trigger};

/// A first creation takes two syncs, a restart that reveals drift three, a second machine that takes
/// the place of the first seven. What is not settled after ten moves by itself.
pub const ROUNDS: usize = 10;

/// Between two tries while another process works on the environment.
pub const BUSY_PAUSE: Duration = Duration::from_secs(2);

/// How long another process may take: a whole first creation, emulated.
pub const BUSY_PATIENCE: Duration = Duration::from_secs(1800);

/// Between a failure that may pass by itself and the next try.
pub const RETRY_PAUSE: Duration = Duration::from_secs(5);

impl Reconciler {
    /// Syncs an environment until it is as declared, but for what is held.
    ///
    /// Returns the reports of all rounds that did anything, and the last one.
    pub async fn apply_until_settled(&self, env: &EnvName, trigger: Trigger) -> Vec<SyncReport> {
        self.rounds(env, None, trigger).await
    }

    /// Ends an environment because a person asked for it, until nothing is left but what is held.
    pub async fn destroy_until_gone(&self, env: &EnvName, data: DataVolumes) -> Vec<SyncReport> {
        self.rounds(env, Some(data), Trigger::Person).await
    }

    async fn rounds(
        &self,
        env: &EnvName,
        end: Option<DataVolumes>,
        trigger: Trigger,
    ) -> Vec<SyncReport> {
        let mut reports = Vec::new();
        let mut waited = Duration::ZERO;
        while reports.len() < ROUNDS {
            let tick = self.tick().await;
            let report = match end {
                None => self.sync(&tick, env, trigger).await,
                Some(data) => self.destroy(&tick, env, data).await,
            };
            let pause = match report.end {
                End::Settled | End::Stalled | End::Stopped => None,
                End::Failed(Class::Terminal, _) => None,
                End::Busy if waited >= BUSY_PATIENCE => None,
                End::Busy => {
                    waited += BUSY_PAUSE;
                    self.clock().sleep(BUSY_PAUSE).await;
                    continue;
                }
                End::Applied | End::Failed(Class::Conflict, _) => Some(Duration::ZERO),
                End::Failed(Class::Transient | Class::NoRoom, _) => Some(RETRY_PAUSE),
            };
            reports.push(report);
            match pause {
                None => break,
                Some(Duration::ZERO) => {}
                Some(pause) => self.clock().sleep(pause).await,
            }
        }
        reports
    }
}
