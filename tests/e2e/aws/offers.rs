//! A machine that cannot be had in the first way is had in the next one that is declared: of another
//! type of just its size, or on demand where spot was wanted.

use metrom::model::{LiveFields, LiveId, LiveMachine, Market, Power, ProviderAction};
use metrom::port::{Actuator, ProviderError};
use metrom::provider::aws::{Aws, AwsConfig};

use super::bed::{Bed, kind, plain};
use super::contract::{self, Env, LARGE, SMALL};
use super::proxy::refusal::Refusal;
use super::proxy::trouble::{Often, On, Trouble};

/// With two types of one size, and one of another between them.
fn config(bed: &Bed) -> AwsConfig {
    AwsConfig {
        types: vec![
            kind("t3a.nano", SMALL),
            kind("t3.micro", LARGE),
            kind("t3.nano", SMALL),
        ],
        ..bed.config()
    }
}

async fn prepared(bed: &Bed) -> Aws {
    drop(bed.prepared().await);
    Bed::provider_with(config(bed))
}

fn create(provider: &dyn Actuator, market: Market) -> ProviderAction {
    let mut create = Env::new("shop").machine(provider, &plain(), &[]);
    if let ProviderAction::CreateMachine { spec, .. } = &mut create {
        spec.market = market;
    }
    create
}

fn refuse(bed: &Bed, times: u32, refusal: Refusal) {
    let trouble = Trouble::Refuse(refusal);
    let often = Often::Times(times);
    bed.proxy
        .arrange(On::Action("RunInstances"), often, trouble);
}

/// The SDK asks as often before it believes that there is no room: the answer is one of a server in
/// trouble.
async fn until_refused(bed: &Bed, provider: &dyn Actuator) -> u32 {
    refuse(bed, 99, Refusal::no_capacity());
    let before = bed.proxy.calls("RunInstances");
    let only = Env::new("probe").machine(provider, &plain(), &[]);
    contract::fails(provider, only).await;
    bed.proxy.calm();
    (bed.proxy.calls("RunInstances") - before) / 2
}

async fn machine(provider: &dyn Actuator, id: &LiveId) -> LiveMachine {
    let object = provider.machine(id).await.unwrap().expect("it is there");
    let LiveFields::Machine(machine) = object.fields else {
        panic!("it is a machine");
    };
    machine
}

/// What the console shows: the type, and how it was rented.
async fn shown(bed: &Bed) -> (String, String) {
    let machines = bed.instances().await;
    assert_eq!(machines.len(), 1, "{machines:?}");
    let market = machines[0].tag("metrom:market").unwrap_or_default();
    (
        machines[0].text_at("instanceType").to_owned(),
        market.to_owned(),
    )
}

#[tokio::test]
async fn a_further_type_of_just_the_size_is_tried_where_the_first_has_no_room() {
    let bed = Bed::new().await;
    let provider = prepared(&bed).await;
    let each = until_refused(&bed, &provider).await;
    refuse(&bed, each, Refusal::no_capacity());
    let id = contract::done(&provider, create(&provider, Market::OnDemand)).await;
    let machine = machine(&provider, &id.unwrap()).await;
    assert_eq!((machine.cpus, machine.memory_mib), SMALL);
    let is = shown(&bed).await;
    assert_eq!(is, ("t3.nano".to_owned(), "on-demand".to_owned()));
}

#[tokio::test]
async fn where_no_type_has_room_it_is_full_and_all_that_were_tried_are_named() {
    let bed = Bed::new().await;
    let provider = prepared(&bed).await;
    refuse(&bed, 99, Refusal::no_capacity());
    let error = contract::fails(&provider, create(&provider, Market::Spot)).await;
    assert!(matches!(error, ProviderError::Full { .. }), "{error}");
    let tried = "tried t3a.nano on spot, t3.nano on spot, t3a.nano, t3.nano";
    assert!(error.to_string().contains(tried), "{error}");
    assert_eq!(bed.instances().await, []);
}

#[tokio::test]
async fn a_quota_is_not_gone_around_and_neither_is_a_missing_permission() {
    let bed = Bed::new().await;
    let provider = prepared(&bed).await;
    let before = bed.proxy.calls("RunInstances");
    refuse(&bed, 1, Refusal::quota());
    let error = contract::fails(&provider, create(&provider, Market::OnDemand)).await;
    assert!(matches!(error, ProviderError::Full { .. }), "{error}");
    refuse(&bed, 1, Refusal::unauthorized());
    let error = contract::fails(&provider, create(&provider, Market::Spot)).await;
    assert!(matches!(error, ProviderError::Refused { .. }), "{error}");
    assert_eq!(bed.proxy.calls("RunInstances") - before, 2);
}

#[tokio::test]
async fn a_spot_machine_can_be_stopped_and_its_request_ends_before_it() {
    let bed = Bed::new().await;
    let provider = prepared(&bed).await;
    for _ in 0..2 {
        contract::done(&provider, create(&provider, Market::SpotOnly)).await;
    }
    assert_eq!(
        shown(&bed).await,
        ("t3a.nano".to_owned(), "spot".to_owned())
    );
    let id = contract::seen(&provider).await.objects[0].id.clone();
    assert!(machine(&provider, &id).await.is_spot);
    assert_eq!(machine(&provider, &id).await.is_protected, None);
    contract::done(&provider, ProviderAction::StopMachine { id: id.clone() }).await;
    assert_eq!(machine(&provider, &id).await.power, Power::Stopped);
    contract::done(&provider, ProviderAction::StartMachine { id: id.clone() }).await;
    for _ in 0..2 {
        let delete = ProviderAction::DeleteMachine { id: id.clone() };
        contract::done(&provider, delete).await;
    }
    assert_eq!(bed.instances().await, []);
    assert_eq!(bed.proxy.calls("CancelSpotInstanceRequests"), 1);
}

#[tokio::test]
async fn without_a_spot_quota_the_machine_is_on_demand_unless_only_spot_is_wanted() {
    let bed = Bed::new().await;
    let provider = prepared(&bed).await;
    refuse(&bed, 2, Refusal::no_spot_quota());
    let error = contract::fails(&provider, create(&provider, Market::SpotOnly)).await;
    assert!(matches!(error, ProviderError::Full { .. }), "{error}");
    refuse(&bed, 2, Refusal::no_spot_quota());
    let id = contract::done(&provider, create(&provider, Market::Spot)).await;
    assert_eq!(
        shown(&bed).await,
        ("t3a.nano".to_owned(), "on-demand".to_owned())
    );
    assert!(!machine(&provider, &id.unwrap()).await.is_spot);
}

#[tokio::test]
async fn what_ec2_took_back_starts_again_when_it_has_room() {
    let bed = Bed::new().await;
    let provider = prepared(&bed).await;
    let id = contract::done(&provider, create(&provider, Market::Spot)).await;
    let id = id.unwrap();
    let stop = [("InstanceId.1", id.0.as_str())];
    bed.console.ask("StopInstances", &stop).await;
    let message = "The spot request is in a state from which the instance cannot be started";
    let refusal = Refusal::bad("IncorrectSpotRequestState", message);
    let trouble = Trouble::Refuse(refusal);
    bed.proxy
        .arrange(On::Action("StartInstances"), Often::Times(1), trouble);
    let start = || ProviderAction::StartMachine { id: id.clone() };
    let error = contract::fails(&provider, start()).await;
    assert!(matches!(error, ProviderError::Full { .. }), "{error}");
    assert!(
        error.to_string().contains("took the machine back"),
        "{error}"
    );
    contract::done(&provider, start()).await;
    assert_eq!(machine(&provider, &id).await.power, Power::Running);
}
