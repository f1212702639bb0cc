//! One look at fifty hosts, each answer of which takes 50 ms; and the same with one that hangs.
//! `cargo bench --bench hosts`.
//!
//! The answers pass on the world's clock; ours is what the processor needs meanwhile. The baseline
//! asks one host after the other. Expected: under 1 s, and one that hangs costs the first look alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use metrom::model::{EnvName, ProviderName};
use metrom::reconcile::{Ports, Reconciler, Tick};
use metrom::world::declare::{Declared, Environment};
use metrom::world::{Flavor, World};

const HOSTS: usize = 50;
const ON_EACH: usize = 4;
const ROUND_TRIP: Duration = Duration::from_millis(50);
const HANGS: Duration = Duration::from_secs(3600);

fn main() {
    let hosts: Vec<ProviderName> = (0..HOSTS).map(host).collect();
    let flavors: Vec<_> = hosts.iter().map(|h| (h.clone(), Flavor::Named)).collect();
    let world = World::new(1, &flavors);
    let environments = hosts.iter().enumerate().flat_map(|(n, host)| {
        (0..ON_EACH).map(move |m| {
            let name = EnvName::parse(&format!("e{n}-{m}")).expect("a name");
            (name, Environment::on(host))
        })
    });
    let declared = Declared {
        environments: environments.collect(),
        hosts: hosts.clone(),
        retain: "7d".to_owned(),
        template_version: 1,
        ..Declared::default()
    };
    world.push(declared.commit(0));
    world.answer_after(ROUND_TRIP);
    let reconciler = reconciler(&world);
    // Reading the repository is measured elsewhere.
    look(&world, &reconciler);

    let all = look(&world, &reconciler);
    let baseline = ROUND_TRIP * u32::try_from(HOSTS).expect("fifty");
    println!(
        "{HOSTS} hosts seen in {:.0} ms; one after the other {:.0} ms: {:.1} times as fast",
        all.as_secs_f64() * 1e3,
        baseline.as_secs_f64() * 1e3,
        baseline.as_secs_f64() / all.as_secs_f64(),
    );
    world.slow_down(&hosts[0], HANGS);
    let (first, then) = (look(&world, &reconciler), look(&world, &reconciler));
    println!(
        "with one that hangs: the first look {:.0} ms, each further {:.0} ms",
        first.as_secs_f64() * 1e3,
        then.as_secs_f64() * 1e3,
    );
}

/// What passes on both clocks during one look.
fn look(world: &World, reconciler: &Reconciler) -> Duration {
    let (begin, began) = (world.now(), Instant::now());
    let tick: Tick = world.run(reconciler.tick()).expect("nobody dies");
    assert!(tick.inventories.complete().len() >= HOSTS - 1);
    world.now().duration_since(begin).unsigned_abs() + began.elapsed()
}

fn host(n: usize) -> ProviderName {
    ProviderName::parse(&format!("idc-{n}")).expect("a name")
}

fn reconciler(world: &World) -> Reconciler {
    let world = Arc::new(world.clone());
    let ports = Ports {
        source: world.clone(),
        refs: world.clone(),
        providers: world.clone(),
        guests: world.clone(),
        images: world.clone(),
        store: world.clone(),
        locks: world.clone(),
        clock: world.clone(),
        ids: world,
    };
    Reconciler::new(ports).hurrying()
}
