//! A hundred environments that are declared at once, on a provider and machines that take as long
//! as real ones: how much of the time until all of them are well is our own.
//! `cargo bench --bench fleet`.
//!
//! The time of the provider and of the machines passes on the world's clock; ours is what the
//! processor needs meanwhile, the world's own part included. Expected: under 5 %.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join;
use metrom::model::{EnvName, ProviderName, RunState};
use metrom::port::{Clock as _, Store};
use metrom::reconcile::{Ports, Reconciler, Runner};
use metrom::world::declare::{Declared, Environment};
use metrom::world::{Flavor, World};

const ENVIRONMENTS: usize = 100;
/// A call of libvirt or of a cloud, one after another.
const CALL: Duration = Duration::from_millis(500);
/// One step inside a machine: software, a checkout, compose.
const WORK: Duration = Duration::from_secs(15);
/// More than there can be.
const MOST_RUNS: u32 = 10_000;
/// Between two looks whether all are well.
const PAUSE: Duration = Duration::from_secs(5);

fn main() {
    let lab = ProviderName::parse("lab").expect("a name");
    let world = World::new(1, &[(lab.clone(), Flavor::Named)]);
    world.answer_after(CALL);
    world.work_for(WORK);
    let name = |n| EnvName::parse(&format!("e{n}")).expect("a name");
    let declared = Declared {
        environments: (0..ENVIRONMENTS)
            .map(|n| (name(n), Environment::on(&lab)))
            .collect(),
        hosts: vec![lab],
        retain: "7d".to_owned(),
        template_version: 1,
        ..Declared::default()
    };
    world.push(declared.commit(0));

    let (begin, began) = (world.now(), Instant::now());
    let reconciler = Arc::new(reconciler(&world));
    let (runner, _wake) = Runner::new(Arc::clone(&reconciler), WORK);
    let mut well_after = Duration::ZERO;
    let story = async {
        while well(&world).await < ENVIRONMENTS {
            world.sleep(PAUSE).await;
        }
        well_after = world.now().duration_since(begin).unsigned_abs();
        reconciler.stopping().cancel();
    };
    world.run(join(runner.run(), story)).expect("nobody dies");
    let own = began.elapsed();
    println!(
        "{ENVIRONMENTS} environments well after {:.0} s; our own time {:.2} s: {:.2} %",
        well_after.as_secs_f64(),
        own.as_secs_f64(),
        100.0 * own.as_secs_f64() / well_after.as_secs_f64(),
    );
}

/// How many environments have had a run that succeeded.
async fn well(world: &World) -> usize {
    let runs = Store::runs(world, None, MOST_RUNS).await;
    let mut well: Vec<EnvName> = runs
        .expect("the store of the world answers")
        .into_iter()
        .filter(|run| run.state == RunState::Succeeded)
        .map(|run| run.env)
        .collect();
    well.sort();
    well.dedup();
    well.len()
}

fn reconciler(world: &World) -> Reconciler {
    let world = Arc::new(world.clone());
    Reconciler::new(Ports {
        source: world.clone(),
        refs: world.clone(),
        providers: world.clone(),
        guests: world.clone(),
        images: world.clone(),
        store: world.clone(),
        locks: world.clone(),
        clock: world.clone(),
        ids: world,
    })
}
