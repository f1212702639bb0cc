//! `metrom get KIND`: what there is, in a table.

use anyhow::Result;
use clap::{Args, ValueEnum};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};

use super::cost::warn_of_budgets;
use super::exit::Exit;
use super::output::{BAD, FAINT, Format, GOOD, WARN, paint, table};
use super::span::{age, took};
use super::system::SystemClock;
use super::wiring::{Wiring, view};
use super::{Global, chosen, hosts, place, top};
use crate::cost::Ledger;
use crate::http::view::{EnvironmentView, HostView, RunView, Status};
use crate::image::ImageStore;
use crate::manifest::schema::{CloudProvider, ProviderSpec};
use crate::model::{EnvName, Inventory, LiveFields, Part, ProviderName, Run, RunState, Timestamp};
use crate::port::Clock;
use crate::reconcile::{Tick, Viewer};

/// Machines that are looked into at once.
const AT_ONCE: usize = 8;

/// Lists environments, runs, providers, images or templates
#[derive(Debug, Args)]
pub struct Get {
    #[arg(value_enum, default_value = "environments")]
    kind: Kind,
    /// Only of these environments
    envs: Vec<EnvName>,
    /// At most so many runs
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    #[value(alias = "environment", alias = "envs", alias = "env")]
    Environments,
    #[value(alias = "run")]
    Runs,
    #[value(aliases = ["provider", "hosts", "host", "clouds", "cloud"])]
    Providers,
    #[value(alias = "image")]
    Images,
    #[value(alias = "template")]
    Templates,
}

pub async fn run(args: &Get, global: &Global) -> Result<Exit> {
    match args.kind {
        Kind::Environments => environments(args, global).await?,
        Kind::Runs => runs(args, global).await?,
        Kind::Providers => providers(global).await?,
        Kind::Images => images(global)?,
        Kind::Templates => templates(global).await?,
    }
    Ok(Exit::Done)
}

async fn environments(args: &Get, global: &Global) -> Result<()> {
    let wiring = Wiring::open(global).await?;
    let viewer = wiring.viewer();
    let tick = viewer.tick(SystemClock.now()).await;
    let envs = chosen::environments(&viewer, &tick, &args.envs).await?;
    let looks = envs.iter().map(|env| one(&wiring, &viewer, &tick, env));
    let shown: Vec<EnvironmentView> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    if global.output.print(&shown)? {
        return Ok(());
    }
    let now = SystemClock.now();
    let table = environment_table(&shown, &tick.ledger, global.output, now);
    anstream::println!("{table}");
    warn_of_budgets(&tick.ledger);
    for env in &shown {
        if let Some(since) = env.idle_since {
            anstream::eprintln!("{}: {}", env.name, top::idle(&env.name, since));
        }
    }
    Ok(())
}

/// One environment as programs and people see it.
///
/// # Errors
/// When the store cannot be read.
pub async fn one(
    wiring: &Wiring,
    viewer: &Viewer,
    tick: &Tick,
    env: &EnvName,
) -> Result<EnvironmentView> {
    let seen = view(viewer, tick, env).await?;
    let last = wiring.store.runs(Some(env), 1).await?.pop();
    let declared = tick
        .head
        .as_ref()
        .ok()
        .and_then(|c| c.environments.get(env));
    let shown = EnvironmentView::new(&seen, declared, last.as_ref());
    Ok(shown.with_cost(&tick.ledger, env))
}

fn environment_table(
    shown: &[EnvironmentView],
    ledger: &Ledger,
    format: Format,
    now: Timestamp,
) -> String {
    let cost = |env: &EnvironmentView| {
        let line = EnvName::parse(&env.name).ok();
        let line = line.and_then(|name| ledger.lines.get(&name));
        let forecast = line.map_or_else(|| "-".to_owned(), |line| line.costs.forecast.to_string());
        ledger.month.map(|_| forecast)
    };
    let some = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let row = |env: &EnvironmentView| {
        let machine = env.machine.as_ref();
        let created = machine.and_then(|machine| machine.created);
        let power = machine.map(|machine| machine.power.clone());
        let cells = [
            env.name.clone(),
            status(env.status),
            some(&power),
            some(&machine.and_then(|machine| machine.address.clone())),
            some(
                &env.revision
                    .as_ref()
                    .map(|revision| revision[..8].to_owned()),
            ),
            created.map_or("-".to_owned(), |created| age(created, now)),
        ];
        cells.into_iter().chain(cost(env)).collect::<Vec<_>>()
    };
    let mut header = vec![
        "environment",
        "status",
        "machine",
        "address",
        "revision",
        "age",
    ];
    // Where nothing has a price, nobody wants to read so.
    header.extend(ledger.month.map(|_| "this month"));
    match format {
        Format::Wide => {
            let wide = ["provider", "template", "services", "endpoints"];
            let rows = shown
                .iter()
                .map(|env| [&row(env)[..], &more(env)[..]].concat());
            table([&header[..], &wide[..]].concat(), rows)
        }
        Format::Text | Format::Json | Format::Yaml => table(header, shown.iter().map(row)),
    }
}

/// The columns that only `-o wide` has.
fn more(env: &EnvironmentView) -> [String; 4] {
    let up = env
        .services
        .iter()
        .filter(|service| service.state == "running");
    let endpoints = env
        .endpoints
        .iter()
        .map(|endpoint| endpoint.address.clone());
    [
        env.provider.clone().unwrap_or_else(|| "-".to_owned()),
        env.template.clone().unwrap_or_else(|| "-".to_owned()),
        format!("{}/{}", up.count(), env.services.len()),
        endpoints.collect::<Vec<_>>().join(" "),
    ]
}

/// The status in its colour.
#[must_use]
pub fn status(status: Status) -> String {
    let style = match status {
        Status::Healthy | Status::Warm => GOOD,
        Status::Changing | Status::Pending | Status::Held | Status::Unknown => WARN,
        Status::Degraded | Status::Failed | Status::Stalled => BAD,
        Status::Asleep | Status::Kept | Status::Absent => FAINT,
    };
    paint(style, status.word())
}

async fn runs(args: &Get, global: &Global) -> Result<()> {
    let store = Wiring::store(global).await?;
    let mut found: Vec<Run> = Vec::new();
    match args.envs.is_empty() {
        true => found = store.runs(None, args.limit).await?,
        false => {
            for env in &args.envs {
                found.extend(store.runs(Some(env), args.limit).await?);
            }
            found.sort_by(|a, b| b.id.cmp(&a.id));
            found.truncate(args.limit as usize);
        }
    }
    let shown: Vec<RunView> = found.iter().map(RunView::from).collect();
    if global.output.print(&shown)? {
        return Ok(());
    }
    let now = SystemClock.now();
    let rows = found.iter().map(|run| {
        let end = run.ended.unwrap_or(now);
        let spent = end.duration_since(run.started).unsigned_abs();
        [
            run.id.to_string(),
            run.env.to_string(),
            run_state(run.state),
            run.steps.len().to_string(),
            took(spent),
            age(run.started, now),
            run.revision.short().to_owned(),
        ]
    });
    let header = [
        "run",
        "environment",
        "state",
        "steps",
        "took",
        "age",
        "revision",
    ];
    anstream::println!("{}", table(header, rows));
    Ok(())
}

fn run_state(state: RunState) -> String {
    let style = match state {
        RunState::Succeeded => GOOD,
        RunState::Running | RunState::Interrupted => WARN,
        RunState::Failed => BAD,
    };
    paint(style, state)
}

async fn providers(global: &Global) -> Result<()> {
    let wiring = Wiring::open(global).await?;
    let tick = wiring.viewer().tick(SystemClock.now()).await;
    if let Err(error) = &tick.head {
        anstream::eprintln!("{}: {error}", paint(WARN, "warning"));
    }
    hosts::warn_of_left(&tick);
    let found: Vec<Provider> = tick
        .providers
        .iter()
        .map(|(name, spec)| Provider::new(name, spec, tick.inventories.of_provider(name)))
        .collect();
    let shown: Vec<Value> = found.iter().map(Provider::json).collect();
    if global.output.print(&shown)? {
        return Ok(());
    }
    let header = ["provider", "place", "machines", "foreign", "state"];
    let rows = found.iter().map(Provider::row);
    let table = match global.output {
        Format::Wide => {
            let header = [&header[..], &hosts::HEADER[..]].concat();
            let more = found.iter().map(|found| hosts::cells(found.host.as_ref()));
            table(
                header,
                rows.zip(more)
                    .map(|(row, more)| [&row[..], &more[..]].concat()),
            )
        }
        Format::Text | Format::Json | Format::Yaml => table(header, rows),
    };
    anstream::println!("{table}");
    hosts::warn(
        &found
            .into_iter()
            .filter_map(|found| found.host)
            .collect::<Vec<_>>(),
    );
    Ok(())
}

/// A provider as it was seen.
struct Provider {
    name: String,
    place: String,
    machines: usize,
    foreign: usize,
    state: String,
    host: Option<HostView>,
}

impl Provider {
    fn new(name: &ProviderName, spec: &ProviderSpec, inventory: Option<&Inventory>) -> Self {
        let objects = inventory.into_iter().flat_map(|i| &i.objects);
        let machines = objects.filter(|o| matches!(o.fields, LiveFields::Machine(_)));
        let (ours, foreign): (Vec<_>, Vec<_>) = machines.partition(|o| o.stamp.is_some());
        let gap = inventory.and_then(|inventory| inventory.gaps.first());
        let missing = inventory.map(|i| i.missing.iter().map(Part::to_string).collect::<Vec<_>>());
        let state = match (gap, missing) {
            (Some(gap), _) => gap.reason.clone(),
            (None, Some(missing)) if !missing.is_empty() => {
                format!("ready; will make {}", missing.join(" and "))
            }
            (None, _) => "ready".to_owned(),
        };
        Self {
            name: name.to_string(),
            place: location(spec),
            machines: ours.len(),
            foreign: foreign.len(),
            state,
            host: inventory.and_then(HostView::new),
        }
    }

    fn json(&self) -> Value {
        let Self {
            name,
            place,
            machines,
            foreign,
            state,
            host,
        } = self;
        json!({
            "name": name, "place": place, "machines": machines, "foreign_machines": foreign,
            "state": state, "host": host,
        })
    }

    fn row(&self) -> [String; 5] {
        [
            self.name.clone(),
            self.place.clone(),
            self.machines.to_string(),
            self.foreign.to_string(),
            self.state.clone(),
        ]
    }
}

/// Where a provider is: the connection of a host, the region and account of a cloud.
fn location(spec: &ProviderSpec) -> String {
    match spec {
        ProviderSpec::Host(host) => host.location(),
        ProviderSpec::Cloud(cloud) => {
            let CloudProvider::Aws = cloud.provider;
            let account = cloud.account.iter().map(|account| format!("/{account}"));
            format!("aws:{}{}", cloud.region, account.collect::<String>())
        }
    }
}

/// The base images on this machine.
///
/// # Errors
/// When their folder cannot be read.
pub fn images(global: &Global) -> Result<()> {
    let state = place::state(global.state.as_deref())?;
    let found = ImageStore::new(state.join("images")).list()?;
    if global.output.print(&found)? {
        return Ok(());
    }
    let now = SystemClock.now();
    let rows = found.iter().map(|record| {
        [
            record.id.clone(),
            indicatif::BinaryBytes(record.size_bytes()).to_string(),
            age(record.made, now),
        ]
    });
    anstream::println!("{}", table(["image", "size", "age"], rows));
    Ok(())
}

async fn templates(global: &Global) -> Result<()> {
    let catalog = super::wiring::catalog(global).await?;
    let rows: Vec<[String; 4]> = catalog
        .templates
        .iter()
        .map(|(name, template)| {
            let spec = &template.spec;
            let parameters: Vec<&str> = spec.parameters.keys().map(|name| name.as_str()).collect();
            [
                name.to_string(),
                spec.version.clone().unwrap_or_default(),
                parameters.join(", "),
                spec.description.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let shown: Vec<Value> = rows.iter().map(|[name, version, _, description]| {
        json!({"name": name, "version": version, "description": description})
    }).collect();
    if !global.output.print(&shown)? {
        let header = ["template", "version", "parameters", "description"];
        anstream::println!("{}", table(header, rows));
    }
    Ok(())
}
