//! `metrom inventory`: everything that lives on the providers, whoever made it.

use anyhow::{Result, bail};
use clap::Args;

use super::exit::Exit;
use super::output::{FAINT, Format, WARN, paint, table};
use super::span::age;
use super::system::SystemClock;
use super::wiring::Wiring;
use super::{Global, hosts};
use crate::http::view::{InventoryView, ObjectView, SumView};
use crate::model::text::mib;
use crate::model::{ProviderName, Timestamp};
use crate::port::Clock;
use crate::reconcile::Belongs;

/// Lists machines, volumes and addresses on every provider: ours, orphaned, of other repositories, foreign
///
/// What is not ours is shown and never touched. Below it, how the hosts are.
#[derive(Debug, Args)]
pub struct Inventory {
    /// Only of these providers
    providers: Vec<ProviderName>,
    /// Only what belongs to nobody that is declared: orphaned and foreign
    #[arg(long)]
    stray: bool,
}

pub async fn run(args: &Inventory, global: &Global) -> Result<Exit> {
    let wiring = Wiring::open(global).await?;
    let now = SystemClock.now();
    let tick = wiring.viewer().tick(now).await;
    if let Err(error) = &tick.head {
        anstream::eprintln!("{}: {error}", paint(WARN, "warning"));
    }
    if let Some(name) = args
        .providers
        .iter()
        .find(|name| !tick.providers.contains_key(name))
    {
        bail!("no host or cloud is called `{name}`; `metrom get providers` lists them");
    }
    let mut shown = InventoryView::new(&tick);
    shown.objects.retain(|object| is_asked_for(args, object));
    shown.gaps.retain(|gap| is_meant(args, &gap.provider));
    shown.hosts.retain(|host| is_meant(args, &host.provider));
    // Without a revision nobody knows where to look.
    let is_blind = tick.head.is_err() && tick.providers.is_empty();
    let is_whole = shown.gaps.is_empty() && !is_blind;
    for gap in &shown.gaps {
        anstream::eprintln!("{}: {}", paint(WARN, "not seen"), gap.reason);
    }
    if !global.output.print(&shown)? {
        let has_prices = tick.ledger.month.is_some();
        let listed = listed(&shown.objects, global.output, (now, has_prices));
        anstream::println!("{listed}");
        if !shown.hosts.is_empty() {
            anstream::println!("\n{}", hosts::listed(&shown.hosts));
        }
        hosts::warn(&shown.hosts);
    }
    Ok(if is_whole { Exit::Done } else { Exit::Failed })
}

fn is_asked_for(args: &Inventory, object: &ObjectView) -> bool {
    is_meant(args, &object.provider) && (object.belongs.is_stray() || !args.stray)
}

/// Whether that provider is one of those that were named, or none was.
fn is_meant(args: &Inventory, provider: &str) -> bool {
    let names = &args.providers;
    names.is_empty() || names.iter().any(|name| name.as_str() == provider)
}

fn listed(objects: &[ObjectView], format: Format, (now, has_prices): (Timestamp, bool)) -> String {
    let row = |object: &ObjectView| {
        let some = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let created = object.created.as_ref().and_then(|text| text.parse().ok());
        let mut cells = vec![
            object.provider.clone(),
            object.kind.to_owned(),
            object.name.clone(),
            belongs(object),
            whose(object),
            some(&object.type_name),
            size(object),
            object.state().to_owned(),
            created.map_or_else(|| "-".to_owned(), |created| age(created, now)),
        ];
        if has_prices {
            let costs = [
                &object.cost_full_month,
                &object.cost_month_to_date,
                &object.cost_month_forecast,
            ];
            cells.extend(costs.map(|cost| cost.as_ref().map_or("-".to_owned(), SumView::in_cents)));
        }
        if format == Format::Wide {
            let more = [&object.owner, &object.address, &object.machine].map(some);
            cells.extend(more.into_iter().chain([object.id.clone()]));
        }
        cells
    };
    let mut header = vec![
        "provider",
        "kind",
        "name",
        "belongs",
        "environment",
        "type",
        "size",
        "state",
        "age",
    ];
    if has_prices {
        header.extend(["a month", "to date", "forecast"]);
    }
    if format == Format::Wide {
        header.extend(["owner", "address", "machine", "id"]);
    }
    table(header, objects.iter().map(row))
}

fn belongs(object: &ObjectView) -> String {
    let style = match object.belongs {
        Belongs::Orphaned => WARN,
        Belongs::Foreign | Belongs::Theirs => FAINT,
        Belongs::Ours => return object.belongs.word().to_owned(),
    };
    paint(style, object.belongs.word())
}

/// Which environment, with the repository before it where it is another one's.
fn whose(object: &ObjectView) -> String {
    match (&object.environment, &object.owner) {
        (Some(env), Some(owner)) if object.belongs == Belongs::Theirs => format!("{owner}/{env}"),
        (Some(env), _) => env.clone(),
        (None, _) => "-".to_owned(),
    }
}

fn size(object: &ObjectView) -> String {
    match (object.cpus, object.memory_mib, object.size_mib) {
        // Of a type that nobody knows.
        (Some(0), _, _) => "-".to_owned(),
        (Some(cpus), Some(memory), _) => format!("{cpus} cpu, {}", mib(memory)),
        (_, _, Some(size)) => mib(size),
        (_, _, None) => "-".to_owned(),
    }
}
