//! `metrom inventory`: everything that lives on the providers, whoever made it.

use anyhow::{Result, bail};
use clap::Args;

use super::Global;
use super::exit::Exit;
use super::output::{FAINT, Format, WARN, paint, table};
use super::span::age;
use super::system::SystemClock;
use super::wiring::Wiring;
use crate::http::view::{InventoryView, ObjectView, SumView};
use crate::model::text::mib;
use crate::model::{ProviderName, Timestamp};
use crate::port::Clock;

/// Lists machines and volumes on every provider: ours, orphaned, of other repositories, foreign
///
/// What is not ours is shown and never touched.
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
    let is_whole = shown.gaps.is_empty();
    for gap in &shown.gaps {
        anstream::eprintln!("{}: {gap}", paint(WARN, "not seen"));
    }
    if !global.output.print(&shown)? {
        let has_prices = tick.ledger.month.is_some();
        let listed = listed(&shown.objects, global.output, (now, has_prices));
        anstream::println!("{listed}");
    }
    Ok(if is_whole { Exit::Done } else { Exit::Failed })
}

fn is_asked_for(args: &Inventory, object: &ObjectView) -> bool {
    let names = &args.providers;
    let is_there = names.is_empty() || names.iter().any(|name| name.as_str() == object.provider);
    let is_stray = ["orphaned", "foreign"].contains(&object.belongs);
    is_there && (is_stray || !args.stray)
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
            some(&object.environment),
            size(object),
            some(&object.power),
            created.map_or_else(|| "-".to_owned(), |created| age(created, now)),
        ];
        if has_prices {
            let costs = [&object.cost_full_month, &object.cost_month_to_date];
            cells.extend(costs.map(|cost| cost.as_ref().map_or("-".to_owned(), SumView::in_cents)));
        }
        if format == Format::Wide {
            let more = [&object.owner, &object.address].map(some);
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
        "size",
        "state",
        "age",
    ];
    if has_prices {
        header.extend(["a month", "to date"]);
    }
    if format == Format::Wide {
        header.extend(["owner", "address", "id"]);
    }
    table(header, objects.iter().map(row))
}

fn belongs(object: &ObjectView) -> String {
    let style = match object.belongs {
        "orphaned" => WARN,
        "foreign" | "theirs" => FAINT,
        _ => return object.belongs.to_owned(),
    };
    paint(style, object.belongs)
}

fn size(object: &ObjectView) -> String {
    match (object.cpus, object.memory_mib, object.size_mib) {
        (Some(cpus), Some(memory), _) => format!("{cpus} cpu, {}", mib(memory)),
        (_, _, Some(size)) => mib(size),
        (_, _, None) => "-".to_owned(),
    }
}
