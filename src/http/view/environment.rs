//! Environments: what is declared of them, what is there, and how they are.

use serde::Serialize;
use utoipa::ToSchema;

use super::{CostView, HeldView, RunView};
use crate::cost::Ledger;
use crate::manifest::Environment;
use crate::model::{
    Desired, EnvName, Health, Key, Live, LiveCheckout, LiveFields, LiveMachine, LiveService,
    LiveStack, LiveVolume, Run, RunState, Timestamp, WakingBy,
};
use crate::reconcile::{Aim, View, warm};

/// One environment as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EnvironmentView {
    pub name: String,
    pub status: Status,
    /// The revision that is the target.
    pub revision: Option<String>,
    pub project: Option<String>,
    pub template: Option<String>,
    /// Where it is declared, as `path:line`.
    pub declared_in: Option<String>,
    /// Where the machine is to be.
    pub provider: Option<String>,
    pub machine: Option<MachineView>,
    pub volumes: Vec<VolumeView>,
    pub checkouts: Vec<CheckoutView>,
    pub services: Vec<ServiceView>,
    /// Services that were applied and have no container now.
    pub missing_services: Vec<String>,
    /// Published ports, as `address:port/protocol` with the service.
    pub endpoints: Vec<EndpointView>,
    /// Steps that the next sync would take.
    pub pending: Vec<String>,
    pub held: Vec<HeldView>,
    /// What is wrong with the source or the files; the last good revision is the target then.
    pub faults: Vec<String>,
    /// What could not be found out.
    pub gaps: Vec<String>,
    /// Why its machine does not run and need not.
    pub asleep: Option<String>,
    /// Why nothing of it is changed.
    pub suspended: Option<String>,
    /// Since when nobody uses it, by the rule of the repository.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub idle_since: Option<Timestamp>,
    /// When its time is up, or was.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub end: Option<Timestamp>,
    /// When what should be changes by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// Absent where nothing has a price.
    pub cost: Option<CostView>,
    pub last_run: Option<RunView>,
}

/// How an environment is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Everything as declared, and no service says otherwise.
    Healthy,
    /// As declared, but a service is down or unhealthy.
    Degraded,
    /// A run is under way.
    Changing,
    /// There is something to do.
    Pending,
    /// The last run failed, and there still is something to do.
    Failed,
    /// Something is held that a person must see to.
    Held,
    /// What is inside the machine cannot be seen now.
    Unknown,
    /// Its files are not usable and never were.
    Stalled,
    /// As declared: its machine is off until somebody needs it.
    Asleep,
    /// A machine made ahead, paused until an environment claims it.
    Warm,
    /// It is not declared any more, or its time is up; its data is kept for a while.
    Kept,
    /// Nothing is declared and nothing is there.
    Absent,
}

impl Status {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Changing => "changing",
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Unknown => "unknown",
            Self::Stalled => "stalled",
            Self::Asleep => "asleep",
            Self::Warm => "warm",
            Self::Kept => "kept",
            Self::Absent => "absent",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MachineView {
    pub id: String,
    /// `running`, `paused` or `stopped`.
    pub power: String,
    pub address: Option<String>,
    pub cpus: u32,
    pub memory_mib: u64,
    pub image: Option<String>,
    /// Rented out of what the cloud has to spare, which it may take back.
    pub is_spot: bool,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub created: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct VolumeView {
    pub name: String,
    pub id: String,
    pub size_mib: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CheckoutView {
    pub name: String,
    pub revision: Option<String>,
    /// Why it cannot be moved forward without losing somebody's work.
    pub local_work: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ServiceView {
    pub name: String,
    pub container: String,
    pub image: String,
    pub image_digest: String,
    /// As Docker calls it, such as `running`.
    pub state: String,
    /// `healthy`, `unhealthy` or `unknown`.
    pub health: &'static str,
    pub restarts: u32,
    /// As `host:container/protocol`.
    pub ports: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EndpointView {
    pub service: String,
    /// `address:port`, or `address:port/udp`.
    pub address: String,
}

impl EnvironmentView {
    /// Puts together what was declared, what was seen and what was done last.
    #[must_use]
    pub fn new(view: &View, declared: Option<&Environment>, last: Option<&Run>) -> Self {
        let mut shown = Self::empty(view.env.to_string());
        shown.faults = view.faults.clone();
        shown.last_run = last.map(RunView::from);
        if let Some(declared) = declared {
            let spec = &declared.spec;
            shown.project = spec.project.as_ref().map(ToString::to_string);
            shown.template = spec.template.as_ref().map(ToString::to_string);
            shown.declared_in = Some(format!("{}:{}", declared.path, declared.line));
        }
        if let Some(aim) = &view.aim {
            shown.add_aim(aim);
        }
        shown.status = status(view, &shown, last);
        shown
    }

    /// With what it costs, if anything has a price, and which budget keeps it asleep.
    #[must_use]
    pub fn with_cost(mut self, ledger: &Ledger, env: &EnvName) -> Self {
        let spent = ledger.spent(env).map(str::to_owned);
        self.asleep = self.asleep.map(|asleep| spent.unwrap_or(asleep));
        let line = ledger.lines.get(env);
        self.cost = line.map(|line| CostView::from(&line.costs));
        self
    }

    fn empty(name: String) -> Self {
        Self {
            name,
            status: Status::Absent,
            revision: None,
            project: None,
            template: None,
            declared_in: None,
            provider: None,
            machine: None,
            volumes: Vec::new(),
            checkouts: Vec::new(),
            services: Vec::new(),
            missing_services: Vec::new(),
            endpoints: Vec::new(),
            pending: Vec::new(),
            held: Vec::new(),
            faults: Vec::new(),
            gaps: Vec::new(),
            asleep: None,
            suspended: None,
            idle_since: None,
            end: None,
            until: None,
            cost: None,
            last_run: None,
        }
    }

    fn add_aim(&mut self, aim: &Aim) {
        let Aim {
            desired,
            observed,
            plan,
            ..
        } = aim;
        self.revision = Some(desired.revision.to_string());
        self.provider = desired.provider.as_ref().map(ToString::to_string);
        self.asleep = asleep(desired);
        self.suspended = aim.policy.suspended.clone();
        self.idle_since = aim.idle;
        self.end = desired.end;
        self.until = aim.until;
        self.pending = plan.steps.iter().map(ToString::to_string).collect();
        self.held = plan.held.iter().map(HeldView::from).collect();
        self.gaps = observed.gaps.iter().map(|gap| gap.reason.clone()).collect();
        for (key, claims) in &observed.live {
            for live in claims.iter().filter(|live| live.stamp.is_some()) {
                self.add_live(key, live);
            }
        }
        self.endpoints = self.endpoints_of_services();
    }

    fn add_live(&mut self, key: &Key, live: &Live) {
        match &live.fields {
            LiveFields::Machine(machine) => self.machine = Some(machine_view(live, machine)),
            LiveFields::Volume(LiveVolume { size_mib }) => self.volumes.push(VolumeView {
                name: name_of(key),
                id: live.id.to_string(),
                size_mib: *size_mib,
            }),
            LiveFields::Checkout(LiveCheckout {
                revision,
                local_work,
            }) => self.checkouts.push(CheckoutView {
                name: name_of(key),
                revision: revision.as_ref().map(ToString::to_string),
                local_work: local_work.clone(),
            }),
            LiveFields::Stack(LiveStack {
                services,
                missing,
                changed_files: _,
            }) => {
                self.services.extend(services.iter().map(service_view));
                self.missing_services.extend(missing.iter().cloned());
            }
            LiveFields::Guest => {}
        }
    }

    /// Where the published ports of the services are to be reached.
    fn endpoints_of_services(&self) -> Vec<EndpointView> {
        let Some(address) = self.machine.as_ref().and_then(|m| m.address.as_ref()) else {
            return Vec::new();
        };
        let of_service = |service: &ServiceView| {
            let ports = service
                .ports
                .iter()
                .filter_map(|port| endpoint(address, port));
            let name = service.name.clone();
            let named = ports.map(move |address| EndpointView {
                service: name.clone(),
                address,
            });
            named.collect::<Vec<_>>()
        };
        self.services.iter().flat_map(of_service).collect()
    }
}

/// `10.77.0.5:8080` for the published port `8080:80/tcp`; `None` when it is bound to the machine's
/// own loopback.
fn endpoint(address: &str, port: &str) -> Option<String> {
    let (mapping, protocol) = port.rsplit_once('/').unwrap_or((port, "tcp"));
    let (host, _container) = mapping.rsplit_once(':')?;
    let (bound, number) = host.rsplit_once(':').unwrap_or(("", host));
    if bound.starts_with("127.") || bound == "[::1]" {
        return None;
    }
    let shown = if address.contains(':') {
        format!("[{address}]:{number}")
    } else {
        format!("{address}:{number}")
    };
    Some(match protocol {
        "tcp" => shown,
        other => format!("{shown}/{other}"),
    })
}

/// The part of a key after its kind.
fn name_of(key: &Key) -> String {
    match key {
        Key::Volume(name) | Key::Checkout(name) => name.clone(),
        Key::Image | Key::Machine | Key::Guest | Key::Containers | Key::Stack => key.to_string(),
    }
}

fn machine_view(live: &Live, machine: &LiveMachine) -> MachineView {
    let LiveMachine {
        power,
        cpus,
        memory_mib,
        image,
        volumes: _,
        address,
        host_key: _,
        devices: _,
        ready: _,
        is_finished: _,
        is_protected: _,
        is_spot,
        bastion: _,
    } = machine;
    MachineView {
        id: live.id.to_string(),
        power: power.to_string(),
        address: address.map(|address| address.to_string()),
        cpus: *cpus,
        memory_mib: *memory_mib,
        image: image.clone(),
        is_spot: *is_spot,
        created: live.stamp.as_ref().map(|stamp| stamp.created),
    }
}

fn service_view(service: &LiveService) -> ServiceView {
    let LiveService {
        name,
        container,
        image,
        image_digest,
        resolved: _,
        state,
        exit_code: _,
        health,
        restarts,
        ports,
        altered: _,
    } = service;
    ServiceView {
        name: name.clone(),
        container: container.clone(),
        image: image.clone(),
        image_digest: image_digest.clone(),
        state: state.clone(),
        health: match health {
            Health::Healthy => "healthy",
            Health::Unknown => "unknown",
            Health::Unhealthy => "unhealthy",
        },
        restarts: *restarts,
        ports: ports.clone(),
    }
}

/// The first that applies, the most telling first.
fn status(view: &View, shown: &EnvironmentView, last: Option<&Run>) -> Status {
    let Some(aim) = &view.aim else {
        return Status::Stalled;
    };
    let has_failed = last.is_some_and(|run| run.state == RunState::Failed);
    let is_bad = !shown.missing_services.is_empty() || any_service_is_bad(aim);
    let wants_nothing = aim.desired.resources.is_empty() && aim.observed.live.is_empty();
    match () {
        () if last.is_some_and(|run| run.state == RunState::Running) => Status::Changing,
        () if has_failed && !shown.pending.is_empty() => Status::Failed,
        () if !shown.pending.is_empty() => Status::Pending,
        () if !shown.gaps.is_empty() => Status::Unknown,
        () if wants_nothing => Status::Absent,
        () if is_only_data(aim) => Status::Kept,
        () if shown.asleep.is_some() => Status::Asleep,
        () if warm::rests(&aim.desired, &aim.observed) => Status::Warm,
        () if is_bad => Status::Degraded,
        () if !shown.held.is_empty() => Status::Held,
        () => Status::Healthy,
    }
}

/// Nothing should be, and nothing is left but data volumes.
fn is_only_data(aim: &Aim) -> bool {
    let is_data = |key: &Key| matches!(key, Key::Volume(_));
    aim.desired.provider.is_none() && aim.observed.live.keys().all(is_data)
}

/// Why a machine that is declared does not run and need not.
fn asleep(desired: &Desired) -> Option<String> {
    let is_asleep = desired.provider.is_some() && !desired.waking.is_awake;
    is_asleep.then(|| match desired.waking.by {
        WakingBy::OfficeHours => "outside its office hours".to_owned(),
        WakingBy::Placement => "its placement says so".to_owned(),
        WakingBy::Budget => "a budget is spent for this month".to_owned(),
        WakingBy::Person | WakingBy::Default => "a person wants it to sleep".to_owned(),
    })
}

fn any_service_is_bad(aim: &Aim) -> bool {
    let stacks = aim.observed.live.get(&Key::Stack).into_iter().flatten();
    let is_bad = |service: &LiveService| !service.is_up() || service.health == Health::Unhealthy;
    stacks.into_iter().any(|live| match &live.fields {
        LiveFields::Stack(stack) => stack.services.iter().any(is_bad),
        LiveFields::Machine(_)
        | LiveFields::Volume(_)
        | LiveFields::Guest
        | LiveFields::Checkout(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::endpoint;

    #[test]
    fn a_published_port_is_an_address_unless_it_is_bound_to_loopback() {
        let at = |port| endpoint("10.0.0.5", port);
        assert_eq!(at("8080:80/tcp").as_deref(), Some("10.0.0.5:8080"));
        assert_eq!(at("0.0.0.0:53:53/udp").as_deref(), Some("10.0.0.5:53/udp"));
        assert_eq!(at("127.0.0.1:5432:5432/tcp"), None);
        assert_eq!(at("80/tcp"), None);
        assert_eq!(
            endpoint("fd00::5", "80:80").as_deref(),
            Some("[fd00::5]:80")
        );
    }
}
