//! `metrom top`: what environments use just now.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;

use super::exit::Exit;
use super::output::{FAINT, GOOD, WARN, paint, table};
use super::system::SystemClock;
use super::wiring::Wiring;
use super::{Global, chosen};
use crate::http::view::{ContainerUseView, NowView, UsageNumbers};
use crate::manifest::schema::Span;
use crate::model::text::minute;
use crate::model::{EnvName, Timestamp};
use crate::port::{Clock, Store};
use crate::reconcile::{Tick, Viewer};
use crate::usage::{Ask, Depth, Watch, machines};

/// How often `--watch` looks anew at which machines there are.
const FRESH: Duration = Duration::from_secs(30);

/// Shows what environments use: processors, memory, disks, network
///
/// It looks twice, some seconds apart, and shows what was used between. Clouds tell the last five
/// minutes instead, and nothing of memory.
#[derive(Debug, Args)]
pub struct Top {
    /// Only these environments
    envs: Vec<EnvName>,
    /// The containers of each as well
    #[arg(long)]
    containers: bool,
    /// Goes on until it is interrupted
    #[arg(long)]
    watch: bool,
    /// The time between two looks
    #[arg(long, default_value = "3s", value_name = "TIME")]
    every: Span,
}

pub async fn run(args: &Top, global: &Global) -> Result<Exit> {
    if args.watch && !global.output.is_for_people() {
        bail!("`--watch` is for people; leave out `-o`, or run it again and again");
    }
    let wiring = Wiring::open(global).await?;
    let viewer = wiring.viewer();
    let mut watch = watch(&viewer, args);
    let mut tick = viewer.tick(SystemClock.now()).await;
    let envs = chosen::environments(&viewer, &tick, &args.envs).await?;
    let mut envs: BTreeSet<EnvName> = envs.into_iter().collect();
    for gap in tick.inventories.gaps() {
        anstream::eprintln!("{}: {}", paint(WARN, "not seen"), gap.reason);
    }
    look(&mut watch, &tick, &envs).await;
    loop {
        tokio::time::sleep(args.every.duration()).await;
        let shown = look(&mut watch, &tick, &envs).await;
        let shown = with_idle(shown, &*wiring.store).await?;
        let is_hidden = tick.inventories.gaps().next().is_some();
        // What is not seen may be there all the same.
        let without = if is_hidden { "unknown" } else { "absent" };
        if !global.output.print(&shown)? {
            show(&shown, args, without);
        }
        if !args.watch {
            let is_whole = !is_hidden && shown.iter().all(|now| now.faults.is_empty());
            return Ok(if is_whole { Exit::Done } else { Exit::Failed });
        }
        let now = SystemClock.now();
        if now.duration_since(tick.at).unsigned_abs() > FRESH {
            tick = viewer.tick(now).await;
            if args.envs.is_empty() {
                envs = viewer.environments(&tick).await;
            }
        }
    }
}

fn watch(viewer: &Viewer, args: &Top) -> Watch {
    let ask = Ask {
        providers: viewer.providers().clone(),
        guests: viewer.guests().clone(),
        clock: Arc::new(SystemClock),
    };
    let depth = match args.containers {
        true => Depth::Containers,
        false => Depth::Machines,
    };
    Watch::new(ask, depth)
}

/// Those that were asked for, with a machine or without.
async fn look(watch: &mut Watch, tick: &Tick, envs: &BTreeSet<EnvName>) -> Vec<NowView> {
    let mut machines = machines(tick);
    machines.retain(|env, _| envs.contains(env));
    let found = watch.look(&tick.providers, &machines).await;
    let mut shown: Vec<NowView> = found.iter().map(NowView::from).collect();
    let without = envs.iter().filter(|env| !machines.contains_key(*env));
    shown.extend(without.map(|env| NowView::absent(env.to_string())));
    shown.sort_by(|a, b| a.environment.cmp(&b.environment));
    shown
}

/// What `metrom serve` has found out about them.
async fn with_idle(mut shown: Vec<NowView>, store: &dyn Store) -> Result<Vec<NowView>> {
    for now in &mut shown {
        let env = EnvName::parse(&now.environment)?;
        now.idle_since = store.memos(&env).await?.idle;
    }
    Ok(shown)
}

fn show(shown: &[NowView], args: &Top, without: &str) {
    if args.watch && std::io::stdout().is_terminal() {
        // Home, and everything below it empty.
        anstream::print!("\x1b[H\x1b[2J");
    }
    anstream::println!("{}", listed(shown, args.containers, without));
}

/// `without` is what is said of those that have no machine.
fn listed(shown: &[NowView], with_containers: bool, without: &str) -> String {
    let mut rows = Vec::new();
    for now in shown {
        rows.push(row(now, without));
        if with_containers {
            rows.extend(now.containers.iter().map(container));
        }
    }
    let header = [
        "environment",
        "state",
        "cpu",
        "memory",
        "read",
        "written",
        "in",
        "out",
        "note",
    ];
    table(header, rows)
}

fn row(now: &NowView, without: &str) -> [String; 9] {
    let state = match now.power.as_deref() {
        Some("running") => paint(GOOD, "running"),
        Some(other) => paint(FAINT, other),
        None => paint(FAINT, without),
    };
    let [cpu, memory, read, written, received, sent] = numbers(&now.usage);
    let has = now.memory_mib.filter(|_| now.usage.memory_bytes.is_some());
    let memory = match has {
        Some(mib) => format!("{memory}/{}", bytes(mib as f64 * 1024.0 * 1024.0)),
        None => memory,
    };
    let name = now.environment.clone();
    [
        name,
        state,
        cpu,
        memory,
        read,
        written,
        received,
        sent,
        note(now),
    ]
}

fn container(container: &ContainerUseView) -> [String; 9] {
    let [cpu, memory, read, written, received, sent] = numbers(&container.usage);
    let name = format!("  {}", container.service);
    let what = paint(FAINT, &container.container);
    [
        name,
        String::new(),
        cpu,
        memory,
        read,
        written,
        received,
        sent,
        what,
    ]
}

fn numbers(usage: &UsageNumbers) -> [String; 6] {
    let some = |value: Option<f64>, text: fn(f64) -> String| value.map_or("-".to_owned(), text);
    [
        some(usage.cpu, percent),
        some(usage.memory_bytes, bytes),
        some(usage.disk_read_bytes_per_second, rate),
        some(usage.disk_written_bytes_per_second, rate),
        some(usage.received_bytes_per_second, rate),
        some(usage.sent_bytes_per_second, rate),
    ]
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// `0 B`, `512 KiB`, `1.4 GiB`.
fn bytes(bytes: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut amount = bytes;
    let mut unit = 0;
    while amount >= 1000.0 && unit + 1 < units.len() {
        amount /= 1024.0;
        unit += 1;
    }
    match amount < 10.0 && unit > 0 {
        true => format!("{amount:.1} {}", units[unit]),
        false => format!("{amount:.0} {}", units[unit]),
    }
}

fn rate(amount: f64) -> String {
    format!("{}/s", bytes(amount))
}

fn note(now: &NowView) -> String {
    let idle = now.idle_since.map(|since| idle(&now.environment, since));
    let faults = now.faults.iter().map(|fault| paint(WARN, fault));
    idle.into_iter()
        .chain(faults)
        .collect::<Vec<_>>()
        .join("; ")
}

/// What people read of an environment that nobody uses, with the next move.
#[must_use]
pub fn idle(env: &str, since: Timestamp) -> String {
    let since = minute(since);
    paint(
        WARN,
        format!("idle since {since}; `metrom sleep {env}` stops it"),
    )
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    fn now(name: &str) -> NowView {
        NowView {
            power: Some("running".to_owned()),
            memory_mib: Some(1024),
            usage: UsageNumbers {
                cpu: Some(0.125),
                memory_bytes: Some(536_870_912.0),
                disk_read_bytes_per_second: Some(0.0),
                disk_written_bytes_per_second: Some(1_468_006.4),
                received_bytes_per_second: Some(2048.0),
                sent_bytes_per_second: None,
            },
            ..NowView::absent(name.to_owned())
        }
    }

    #[test]
    fn a_row_says_what_is_used_and_what_is_not_known() {
        let shown = listed(
            &[now("shop"), NowView::absent("test".into())],
            false,
            "absent",
        );
        let text = strip_str(&shown).to_string();
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| {
                line.split("  ")
                    .map(str::trim)
                    .filter(|c| !c.is_empty())
                    .collect()
            })
            .collect();
        assert_eq!(
            lines[1],
            [
                "shop",
                "running",
                "12.5%",
                "512 MiB/1.0 GiB",
                "0 B/s",
                "1.4 MiB/s",
                "2.0 KiB/s",
                "-"
            ]
        );
        assert_eq!(lines[2], ["test", "absent", "-", "-", "-", "-", "-", "-"]);
    }

    #[test]
    fn containers_come_below_their_environment() {
        let mut shop = now("shop");
        shop.containers = vec![ContainerUseView {
            service: "web".to_owned(),
            container: "shop-web-1".to_owned(),
            usage: UsageNumbers::default(),
        }];
        let text = strip_str(&listed(&[shop.clone()], true, "absent")).to_string();
        assert!(text.lines().nth(2).unwrap().starts_with("  web"), "{text}");
        assert!(
            !strip_str(&listed(&[shop], false, "absent"))
                .to_string()
                .contains("web")
        );
    }

    #[test]
    fn what_is_idle_says_since_when() {
        let mut shop = now("shop");
        shop.idle_since = Some("2026-11-20T09:00:00Z".parse().unwrap());
        shop.faults = vec!["lab does not answer".to_owned()];
        let text = strip_str(&note(&shop)).to_string();
        assert_eq!(
            text,
            "idle since 2026-11-20 09:00 UTC; `metrom sleep shop` stops it; lab does not answer"
        );
    }
}
