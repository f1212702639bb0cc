//! How long thinking takes: a plan of ten thousand resources, and a sync of a thousand
//! environments in which nothing changed. `cargo bench --bench plan`.

use std::sync::Arc;

use divan::{Bencher, black_box};
use futures_util::future::join_all;
use metrom::manifest::{Facts, load, render};
use metrom::model::{Desired, EnvName, Inventory, Observed, ProviderName, Token, Trigger};
use metrom::reconcile::observe::assemble;
use metrom::reconcile::{Attempt, Inventories, Policy, Ports, Reconciler, plan};
use metrom::world::declare::{Declared, Environment};
use metrom::world::{Flavor, World};

fn lab() -> ProviderName {
    ProviderName::parse("lab").expect("a name")
}

fn declared(environments: usize) -> Declared {
    let one = |n| {
        let name = EnvName::parse(&format!("e{n}")).expect("a name");
        (name, Environment::on(&lab()))
    };
    Declared {
        environments: (0..environments).map(one).collect(),
        hosts: vec![lab()],
        retain: "forever".to_owned(),
        template_version: 1,
        ..Declared::default()
    }
}

/// Five resources each: image, volume, machine, guest, stack.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn plan_10_000_resources(bencher: Bencher) {
    let catalog = load(&declared(2_000).commit(0));
    let now = "2027-01-15T08:00:00Z".parse().expect("a time");
    let names: Vec<&EnvName> = catalog.names().collect();
    let facts = Facts::default();
    let wanted: Vec<Desired> = names
        .iter()
        .map(|env| render(&catalog, env, now, &facts))
        .collect();
    let resources: usize = wanted.iter().map(|desired| desired.resources.len()).sum();
    assert_eq!(resources, 10_000);
    let empty = Inventory {
        provider: lab(),
        objects: Vec::new(),
        addresses: Ok(Vec::new()),
        images: Default::default(),
        missing: Default::default(),
        free_memory_mib: None,
        has_unique_names: true,
        health: None,
        gaps: Vec::new(),
    };
    let inventories = Inventories::new(vec![empty]);
    let policy = Policy::default();
    let attempt = Attempt {
        token: Token("bench".to_owned()),
        at: now,
    };
    bencher.bench_local(|| {
        for desired in &wanted {
            let target = desired.provider.as_ref();
            let observed: Observed = assemble(&inventories, &desired.owner, &desired.env, target);
            black_box(plan(desired, &observed, &[], &policy, &attempt));
        }
    });
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn sync_1_000_unchanged_environments(bencher: Bencher) {
    let world = World::new(1, &[(lab(), Flavor::Named)]);
    world.push(declared(1_000).commit(0));
    let shared = Arc::new(world.clone());
    let reconciler = Reconciler::new(Ports {
        source: shared.clone(),
        refs: shared.clone(),
        providers: shared.clone(),
        guests: shared.clone(),
        images: shared.clone(),
        store: shared.clone(),
        locks: shared.clone(),
        clock: shared.clone(),
        ids: shared,
    });
    let sync_all = || {
        world.run(async {
            let tick = reconciler.tick().await;
            let environments = reconciler.viewer().environments(&tick).await;
            let syncs = environments
                .iter()
                .map(|e| reconciler.sync(&tick, e, Trigger::Poll));
            join_all(syncs)
                .await
                .iter()
                .filter_map(|report| report.run.clone())
                .count()
        })
    };
    while sync_all() != Some(0) {}
    bencher.bench_local(|| black_box(sync_all()));
}

fn main() {
    divan::main();
}
