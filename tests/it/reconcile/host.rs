//! Hosts: what is told of them.

use std::time::Duration;

use metrom::model::{EventKind, HostHealth, Space};
use metrom::port::{Clock as _, Store as _};
use metrom::reconcile::Runner;
use metrom::world::World;

use super::time::{declared, lab, world};
use super::worlds::reconciler;

fn with_room(free_mib: u64) -> HostHealth {
    HostHealth {
        pool: Some(Space {
            size_mib: 1000,
            free_mib,
        }),
        ..HostHealth::default()
    }
}

/// Lives so long while the loop runs.
fn serve(world: &World, change: impl AsyncFn()) -> Vec<String> {
    let reconciler = std::sync::Arc::new(reconciler(world));
    let (runner, _wake) = Runner::new(reconciler.clone(), Duration::from_secs(120));
    let story = async {
        change().await;
        reconciler.stopping().cancel();
    };
    world
        .run(futures_util::future::join(runner.run(), story))
        .unwrap();
    let events = world.run(async { world.events(0, 999).await.unwrap() });
    let told = events.unwrap().into_iter();
    let told = told.filter_map(|event| match event.kind {
        EventKind::HostWarned { provider, message } => Some(format!("{provider}: {message}")),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_disk_that_fills_is_told_of_once_and_again_when_it_is_worse() {
    let world = world(&declared(&[]));
    let told = serve(&world, async || {
        for free in [900, 140, 120, 30, 20] {
            world.set_health(&lab(), with_room(free));
            world.sleep(Duration::from_secs(300)).await;
        }
        // Out of sight for a while, it is as it was.
        world.cut_off(&lab(), 5);
        world.sleep(Duration::from_secs(600)).await;
    });
    let starts: Vec<&str> = told.iter().map(|line| &line[..10]).collect();
    assert_eq!(starts, ["lab: 14 % ", "lab: 3 % o"], "{told:?}");
}
