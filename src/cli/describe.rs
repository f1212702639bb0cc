//! `metrom describe ENV`: everything there is to know about one environment.

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::exit::Exit;
use super::output::{BOLD, FAINT, WARN, paint};
use super::span::age;
use super::system::SystemClock;
use super::wiring::Wiring;
use super::{Global, chosen, get, history, next_moves, plan_text, top};
use crate::http::view::{CostView, EnvironmentView, MachineView, RunView, ServiceView};
use crate::model::text::{count, mib, minute};
use crate::model::{EnvName, Event, EventKind, Run, Timestamp};
use crate::port::{Clock, Store};

/// Shows what is declared, what is there, what was done and where the time went
#[derive(Debug, Args)]
pub struct Describe {
    env: EnvName,
    /// So many of the last runs
    #[arg(long, default_value_t = 3)]
    runs: u32,
}

/// Events that are shown.
const EVENTS: usize = 10;

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    environment: EnvironmentView,
    runs: Vec<RunView>,
    events: Vec<Event>,
}

pub async fn run(args: &Describe, global: &Global) -> Result<Exit> {
    let wiring = Wiring::open(global).await?;
    let viewer = wiring.viewer();
    let tick = viewer.tick(SystemClock.now()).await;
    chosen::environments(&viewer, &tick, std::slice::from_ref(&args.env)).await?;
    let environment = get::one(&wiring, &viewer, &tick, &args.env).await?;
    let runs = wiring.store.runs(Some(&args.env), args.runs).await?;
    let events = events_of(&*wiring.store, &args.env).await?;
    if global.output.is_for_people() {
        people(&environment, &runs, &events);
        return Ok(Exit::Done);
    }
    let runs = runs.iter().map(RunView::from).collect();
    let shown = Shown {
        environment,
        runs,
        events,
    };
    global.output.print(&shown)?;
    Ok(Exit::Done)
}

/// The last events of one environment, oldest first.
async fn events_of(store: &dyn Store, env: &EnvName) -> Result<Vec<Event>> {
    let mut found = Vec::new();
    let mut after = 0;
    loop {
        let page = store.events(after, 1_000).await?;
        let Some(last) = page.last() else {
            let surplus = found.len().saturating_sub(EVENTS);
            return Ok(found.split_off(surplus));
        };
        after = last.id;
        found.extend(
            page.into_iter()
                .filter(|event| event.env.as_ref() == Some(env)),
        );
    }
}

fn people(env: &EnvironmentView, runs: &[Run], events: &[Event]) {
    let now = SystemClock.now();
    anstream::println!("{} {}", paint(BOLD, &env.name), get::status(env.status));
    for (name, value) in facts(env, now) {
        anstream::println!("  {name:<12} {value}");
    }
    section("services", env.services.iter().map(service));
    let missing = env.missing_services.iter();
    section("without a container", missing.map(|name| paint(WARN, name)));
    section(
        "pending",
        env.pending.iter().map(|line| plan_text::recorded(line)),
    );
    let held = env.held.iter().map(|held| {
        paint(
            WARN,
            format!("{}: {}; {}", held.resource, held.what, held.reason),
        )
    });
    section("held", held);
    section("not known", env.gaps.iter().map(|gap| paint(WARN, gap)));
    section("faults", env.faults.iter().map(|fault| paint(WARN, fault)));
    section("events", events.iter().map(|event| event_line(event, now)));
    if !runs.is_empty() {
        anstream::println!("\n{}", paint(BOLD, "runs"));
    }
    for run in runs {
        anstream::println!("{}", history::timeline(run, now));
    }
    anstream::println!("\n{}", next_moves::of(env));
}

/// What there is to say in one line each; empty things are left out.
fn facts(env: &EnvironmentView, now: Timestamp) -> Vec<(&'static str, String)> {
    let volumes = env
        .volumes
        .iter()
        .map(|v| format!("{} {}", v.name, mib(v.size_mib)));
    let checkouts = env.checkouts.iter().map(|checkout| {
        let at = checkout
            .revision
            .as_deref()
            .map_or("?", |revision| &revision[..8]);
        let work = checkout.local_work.as_deref();
        let work = work.map_or(String::new(), |work| format!(" ({work})"));
        format!("{} at {at}{work}", checkout.name)
    });
    let facts = [
        ("declared in", env.declared_in.clone()),
        ("revision", env.revision.clone()),
        ("project", env.project.clone()),
        ("template", env.template.clone()),
        ("provider", env.provider.clone()),
        (
            "machine",
            env.machine
                .as_ref()
                .map(|machine| machine_line(machine, now)),
        ),
        ("volumes", some(volumes.collect())),
        ("checkouts", some(checkouts.collect())),
        ("asleep", env.asleep.clone()),
        ("suspended", env.suspended.clone()),
        (
            "idle",
            env.idle_since.map(|since| top::idle(&env.name, since)),
        ),
        ("ends", env.end.map(minute)),
        ("next change", env.until.map(minute)),
        ("this month", env.cost.as_ref().map(this_month)),
        ("full month", env.cost.as_ref().map(full_month)),
    ];
    let said = facts
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    said.collect()
}

fn this_month(cost: &CostView) -> String {
    let (spent, all) = (&cost.month_to_date, &cost.month_forecast);
    format!("{} so far, {} in all", spent.in_cents(), all.in_cents())
}

fn full_month(cost: &CostView) -> String {
    let month = &cost.full_month;
    match month.unpriced.is_empty() {
        true => month.in_cents(),
        false => format!("{} ({})", month.in_cents(), month.unpriced.join(", ")),
    }
}

fn some(parts: Vec<String>) -> Option<String> {
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn machine_line(machine: &MachineView, now: Timestamp) -> String {
    let address = machine.address.as_deref().unwrap_or("no address");
    let old = machine
        .created
        .map_or(String::new(), |at| format!(", {} old", age(at, now)));
    format!(
        "{} at {address}, {}, {} memory{old} {}",
        machine.power,
        count(machine.cpus as usize, "cpu"),
        mib(machine.memory_mib),
        paint(FAINT, &machine.id)
    )
}

fn service(service: &ServiceView) -> String {
    let restarts = match service.restarts {
        0 => String::new(),
        restarts => format!(", {restarts} restarts"),
    };
    let ports = service.ports.join(" ");
    format!(
        "{:<16} {} {}{restarts} {} {ports}",
        service.name,
        service.state,
        service.health,
        paint(FAINT, &service.image),
    )
}

fn section(title: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        return;
    }
    anstream::println!("\n{}", paint(BOLD, title));
    for line in lines {
        anstream::println!("  {line}");
    }
}

fn event_line(event: &Event, now: Timestamp) -> String {
    let ago = format!("{:>4} ago", age(event.at, now));
    let said = match &event.kind {
        EventKind::SourceMoved { revision } => format!("the repository is at {revision}"),
        EventKind::SourceFault { message } => message.clone(),
        EventKind::RunStarted { run, steps } => format!("run {run} began with {steps} steps"),
        EventKind::StepEnded { line, ok: true, .. } => format!("done: {line}"),
        EventKind::StepEnded { line, message, .. } => format!("not done: {line}: {message}"),
        EventKind::Idle { since } => format!("nobody uses it since {}", minute(*since)),
        EventKind::EndsSoon { end } => format!("its time is up at {}", minute(*end)),
        EventKind::BudgetShort { message } => message.clone(),
        EventKind::HostWarned { provider, message } => format!("{provider}: {message}"),
        EventKind::PersonSaid { by, what } => format!("{by}: {what}"),
        EventKind::RunEnded { run, ok: true } => format!("run {run} succeeded"),
        EventKind::RunEnded { run, ok: false } => format!("run {run} failed"),
    };
    format!("{} {said}", paint(FAINT, ago))
}
