//! The AWS provider with the real SDK on an emulator of EC2, behind a proxy that makes it as slow,
//! forgetful and moody as the real one.
//!
//! Needs neither root nor a sandbox, only `scripts/emulator install` once: everything is on loopback.

#[path = "../contract/provider.rs"]
#[allow(
    dead_code,
    reason = "a cloud takes no uploads, and names are no keys there"
)]
mod contract;

pub mod bed;
mod convergence;
mod declared;
pub mod emulator;
mod faults;
mod inventory;
mod offers;
mod pages;
mod parameters;
mod protection;
mod proxied;
pub mod proxy;
mod refusals;
mod strangers;
mod usage;

use bed::{Bed, plain};
use contract::Env;

async fn keeps_the_contract(bed: &Bed) {
    let provider = bed.provider();
    contract::prepares_itself(&provider).await;
    contract::makes_a_volume_once(&provider, &Env::new("once")).await;
    contract::leads_a_machine_through_its_life(&provider, &Env::new("shop"), &plain()).await;
    contract::hands_data_over_to_a_second_machine(&provider, &Env::new("twin"), &plain()).await;
    let [pool, one, two] = ["warm-web-1", "one", "two"].map(Env::new);
    contract::lets_a_warm_machine_be_claimed(&provider, (&pool, &one, &two), &plain()).await;
    contract::keeps_a_machine_from_being_ended(&provider, &Env::new("kept"), &plain()).await;
    assert_eq!(bed.instances().await, [], "no machine is left");
    assert_eq!(bed.volumes().await, [], "and no volume");
}

#[tokio::test]
async fn ec2_keeps_the_contract() {
    keeps_the_contract(&Bed::new().await).await;
}

#[tokio::test]
async fn ec2_keeps_the_contract_while_every_state_takes_its_time() {
    let bed = Bed::new().await;
    bed.proxy.slow(3).await;
    keeps_the_contract(&bed).await;
}

#[tokio::test]
async fn ec2_keeps_the_contract_while_what_is_new_is_not_listed_yet() {
    let bed = Bed::new().await;
    bed.proxy.slow(1).await;
    bed.proxy.lag(2, 0).await;
    keeps_the_contract(&bed).await;
}

#[tokio::test]
async fn ec2_keeps_the_contract_while_what_was_changed_is_shown_as_it_was() {
    let bed = Bed::new().await;
    bed.proxy.slow(1).await;
    bed.proxy.lag(1, 2).await;
    keeps_the_contract(&bed).await;
}
