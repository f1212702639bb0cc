//! Takes one step of a plan.
//!
//! Decides nothing: who is meant, what is done and with what is in the step.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::apply::Hands;
use super::console::last_lines;
use crate::model::{
    Action, Class, EnvName, GuestAction, Intent, IntentState, Key, LiveId, Power, ProviderAction,
    ProviderName, Stamp, Step, StepId, Subject, Token,
};
use crate::port::{
    Actuator, GuestError, GuestTarget, ImageError, Journal, Lock, LockError, ProviderError,
    StoreError,
};

/// From starting a machine to its first boot being finished. Emulated on a busy machine that takes
/// several minutes; after a quarter of an hour it is no longer slow but stuck.
pub const BOOT: Duration = Duration::from_secs(900);

/// Between two looks for the address of a machine: a lease is renewed no faster.
pub const ADDRESS_PAUSE: Duration = Duration::from_secs(1);

/// Between two looks whether a machine that is waited for still runs.
pub const POWER_PAUSE: Duration = Duration::from_secs(5);

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error(transparent)]
    Guest(#[from] GuestError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{provider} is not declared any more")]
    NoProvider { provider: ProviderName },
    #[error("{env} got no address within {} s; look at its console and at the network", BOOT.as_secs())]
    NoAddress { env: EnvName },
    /// It has not become ready within [`BOOT`].
    #[error(transparent)]
    NeverReady(GuestError),
    #[error("the machine of {env} is gone")]
    Gone { env: EnvName },
    #[error("the machine of {env} is another environment's now")]
    Taken { env: EnvName },
    #[error("{env} is being worked on; another one is taken, or a new one made")]
    InUse { env: EnvName },
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("the machine of {env} is {power}")]
    NotRunning { env: EnvName, power: Power },
    #[error("{source}\nthe end of its console:\n{console}")]
    Unready {
        #[source]
        source: Box<StepError>,
        console: String,
    },
}

impl StepError {
    /// What it means for the next attempt.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Provider(error) => error.class(),
            Self::Guest(error) => error.class(),
            Self::Image(error) => error.class(),
            Self::Store(_) | Self::Lock(_) => Class::Transient,
            // It was waited for longer than any machine takes: a person has to look.
            Self::NoAddress { .. } | Self::NeverReady(_) => Class::Terminal,
            Self::NoProvider { .. }
            | Self::Gone { .. }
            | Self::Taken { .. }
            | Self::InUse { .. }
            | Self::NotRunning { .. } => Class::Conflict,
            Self::Unready { source, .. } => source.class(),
        }
    }
}

/// What earlier steps of the same plan made.
pub type Made = BTreeMap<StepId, LiveId>;

/// Takes the step and says what it made, if anything.
///
/// # Errors
/// [`StepError`]; its class says what it means for the next attempt.
pub async fn take(
    hands: &Hands<'_>,
    step: &Step,
    made: &Made,
    journal: &dyn Journal,
) -> Result<Option<LiveId>, StepError> {
    match &step.action {
        Action::Provider { provider, action } => {
            let actuator = hands.actuator(provider).await?;
            let action = resolved(action, made);
            on_provider(hands, &*actuator, &step.key, &action, journal).await
        }
        Action::Guest {
            machine,
            provider,
            action,
        } => {
            let actuator = hands.actuator(provider).await?;
            let id = live(machine, made);
            in_guest(hands, &*actuator, &id, action, journal).await?;
            Ok(None)
        }
    }
}

fn live(subject: &Subject, made: &Made) -> LiveId {
    match subject {
        Subject::Live(id) => id.clone(),
        Subject::MadeBy(step) => {
            let id = made.get(step);
            id.expect("a step is taken after those that make what it needs")
                .clone()
        }
    }
}

/// The action with every subject named.
fn resolved(action: &ProviderAction, made: &Made) -> ProviderAction {
    let mut action = action.clone();
    if let ProviderAction::CreateMachine { volumes, .. }
    | ProviderAction::ClaimMachine { volumes, .. } = &mut action
    {
        for volume in volumes {
            *volume = Subject::Live(live(volume, made));
        }
    }
    action
}

async fn on_provider(
    hands: &Hands<'_>,
    actuator: &dyn Actuator,
    key: &Key,
    action: &ProviderAction,
    journal: &dyn Journal,
) -> Result<Option<LiveId>, StepError> {
    require_ours(hands, actuator, action).await?;
    let _lock = lock_of_warm(hands, action).await?;
    let image = match action {
        ProviderAction::ProvideImage { image } => Some(hands.images.obtain(image, journal).await?),
        _ => None,
    };
    match token(action) {
        None => Ok(actuator.perform(action, image.as_ref(), journal).await?.id),
        Some(token) => create(hands, actuator, key, action, token, journal).await,
    }
}

/// Makes sure that a machine has not become another environment's since the plan was made: a warm
/// one may have been claimed.
async fn require_ours(
    hands: &Hands<'_>,
    actuator: &dyn Actuator,
    action: &ProviderAction,
) -> Result<(), StepError> {
    let (ProviderAction::StartMachine { id }
    | ProviderAction::StopMachine { id }
    | ProviderAction::PauseMachine { id, .. }
    | ProviderAction::ResizeMachine { id, .. }
    | ProviderAction::ProtectMachine { id, .. }
    | ProviderAction::DeleteMachine { id }) = action
    else {
        return Ok(());
    };
    let machine = actuator.machine(id).await?;
    match machine.and_then(|machine| machine.stamp) {
        Some(stamp) if !stamp.is_of(hands.owner, hands.env) => Err(taken(hands)),
        // One that is gone or foreign is the provider's to tell.
        Some(_) | None => Ok(()),
    }
}

fn taken(hands: &Hands<'_>) -> StepError {
    let env = hands.env.clone();
    StepError::Taken { env }
}

/// The warm machine that is claimed or given back to ourselves, so that nobody goes on making it
/// ready meanwhile.
async fn lock_of_warm(
    hands: &Hands<'_>,
    action: &ProviderAction,
) -> Result<Option<Lock>, StepError> {
    let (ProviderAction::ClaimMachine { warm, .. } | ProviderAction::GiveBack { warm }) = action
    else {
        return Ok(None);
    };
    if warm.env == *hands.env {
        return Ok(None); // It was ours already when we began.
    }
    match hands.locks.try_lock(&warm.env).await? {
        Some(lock) => Ok(Some(lock)),
        None => Err(StepError::InUse {
            env: warm.env.clone(),
        }),
    }
}

fn token(action: &ProviderAction) -> Option<&Token> {
    match action {
        ProviderAction::CreateVolume { token, .. }
        | ProviderAction::CreateMachine { token, .. }
        | ProviderAction::ClaimMachine { token, .. } => Some(token),
        ProviderAction::Prepare { .. }
        | ProviderAction::ProvideImage { .. }
        | ProviderAction::GrowVolume { .. }
        | ProviderAction::DeleteVolume { .. }
        | ProviderAction::StartMachine { .. }
        | ProviderAction::StopMachine { .. }
        | ProviderAction::PauseMachine { .. }
        | ProviderAction::GiveBack { .. }
        | ProviderAction::MoveVolume { .. }
        | ProviderAction::ResizeMachine { .. }
        | ProviderAction::ProtectMachine { .. }
        | ProviderAction::DeleteMachine { .. } => None,
    }
}

/// Makes something exactly once: noted before, confirmed after, forgotten only when it was
/// certainly not done and never tried before.
async fn create(
    hands: &Hands<'_>,
    actuator: &dyn Actuator,
    key: &Key,
    action: &ProviderAction,
    token: &Token,
    journal: &dyn Journal,
) -> Result<Option<LiveId>, StepError> {
    let before = hands.intents.iter().find(|intent| intent.token == *token);
    let intent = match before {
        Some(intent) => intent.clone(),
        None => {
            let intent = Intent {
                token: token.clone(),
                key: key.clone(),
                provider: actuator.provider().clone(),
                since: hands.at,
                state: IntentState::Ambiguous,
            };
            hands.store.put_intent(hands.env, &intent).await?;
            intent
        }
    };
    match actuator.perform(action, None, journal).await {
        Ok(made) => {
            if let Some(id) = made.id.clone() {
                let inventories = 0;
                let state = IntentState::Confirmed { id, inventories };
                let intent = Intent { state, ..intent };
                hands.store.put_intent(hands.env, &intent).await?;
            }
            Ok(made.id)
        }
        Err(error) => {
            // Had an earlier attempt been done, the provider would have recognised its token.
            let is_full = matches!(error, ProviderError::Full { .. });
            if error.is_certain() && (before.is_none() || is_full) {
                hands.store.drop_intent(token).await?;
            }
            Err(error.into())
        }
    }
}

async fn in_guest(
    hands: &Hands<'_>,
    actuator: &dyn Actuator,
    machine: &LiveId,
    action: &GuestAction,
    journal: &dyn Journal,
) -> Result<(), StepError> {
    if *action != GuestAction::AwaitReady {
        let target = find(hands, actuator, machine).await?;
        let target = target.ok_or_else(|| no_address(hands))?;
        return Ok(hands.guests.perform(&target, action, journal).await?);
    }
    match await_ready(hands, actuator, machine, journal).await {
        Ok(()) => Ok(()),
        Err(error) => Err(with_console(actuator, machine, error).await),
    }
}

async fn await_ready(
    hands: &Hands<'_>,
    actuator: &dyn Actuator,
    machine: &LiveId,
    journal: &dyn Journal,
) -> Result<(), StepError> {
    let since = hands.clock.now();
    let waited = || Duration::try_from(hands.clock.now().duration_since(since)).unwrap_or_default();
    let target = loop {
        if let Some(target) = find(hands, actuator, machine).await? {
            break target;
        }
        if waited() >= BOOT {
            return Err(no_address(hands));
        }
        hands.clock.sleep(ADDRESS_PAUSE).await;
    };
    journal.phase("address", waited());
    let patience = BOOT.saturating_sub(waited()).max(ADDRESS_PAUSE);
    let ready = pin!(hands.guests.await_ready(&target, patience, journal));
    let stopped = pin!(until_stopped(hands, actuator, machine));
    match select(ready, stopped).await {
        Either::Left((Err(error @ GuestError::Silent { .. }), _)) => {
            Err(StepError::NeverReady(error))
        }
        Either::Left((ready, _)) => Ok(ready?),
        Either::Right((error, _)) => Err(error),
    }
}

/// Watches a machine that is waited for: one that does not run any more will never answer.
async fn until_stopped(hands: &Hands<'_>, actuator: &dyn Actuator, id: &LiveId) -> StepError {
    loop {
        hands.clock.sleep(POWER_PAUSE).await;
        match find(hands, actuator, id).await {
            Err(
                error @ (StepError::Gone { .. }
                | StepError::Taken { .. }
                | StepError::NotRunning { .. }),
            ) => return error,
            // Whether its provider answers says nothing about it.
            Ok(_) | Err(_) => {}
        }
    }
}

fn no_address(hands: &Hands<'_>) -> StepError {
    let env = hands.env.clone();
    StepError::NoAddress { env }
}

/// How to reach the machine; `None` while it has no address.
///
/// # Errors
/// [`StepError::Gone`] and [`StepError::NotRunning`], or why the provider cannot be asked.
async fn find(
    hands: &Hands<'_>,
    actuator: &dyn Actuator,
    id: &LiveId,
) -> Result<Option<GuestTarget>, StepError> {
    let gone = || {
        let env = hands.env.clone();
        StepError::Gone { env }
    };
    let object = actuator.machine(id).await?.ok_or_else(gone)?;
    let is_ours = |stamp: &Stamp| stamp.is_of(hands.owner, hands.env);
    if object.stamp.as_ref().is_some_and(|stamp| !is_ours(stamp)) {
        return Err(taken(hands));
    }
    let machine = object.fields.into_machine().ok_or_else(gone)?;
    if machine.power != Power::Running {
        let (env, power) = (hands.env.clone(), machine.power);
        return Err(StepError::NotRunning { env, power });
    }
    let (Some(address), Some(host_key)) = (machine.address, machine.host_key) else {
        return Ok(None);
    };
    Ok(Some(GuestTarget {
        owner: hands.owner.clone(),
        env: hands.env.clone(),
        machine: id.clone(),
        address,
        host_key,
        volumes: machine.devices,
        bastion: machine.bastion,
    }))
}

/// The error with the end of the serial console, which is where a machine that does not answer
/// says why.
async fn with_console(actuator: &dyn Actuator, id: &LiveId, error: StepError) -> StepError {
    match actuator.console(id).await {
        Ok(text) if !text.trim().is_empty() => StepError::Unready {
            console: last_lines(&text),
            source: Box::new(error),
        },
        Ok(_) | Err(_) => error,
    }
}
