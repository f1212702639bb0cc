//! What goes wrong on the way: which class of error comes of it, and that repeating ends in one machine
//! with one volume, also when what was said to have failed had been done.

use std::time::Duration;

use futures_util::future::join_all;
use metrom::model::{Class, LiveId, ProviderAction};
use metrom::port::{Actuator, ProviderError, Silent};

use super::bed::{Bed, plain};
use super::contract::{self, Env, GIB};
use super::proxy::refusal::Refusal;
use super::proxy::trouble::{Often, On, Trouble};

/// A machine with its data volume, in the calls it takes: two that make something, and one that may be
/// tried again until it is so.
const CREATIONS: [&str; 2] = ["CreateVolume", "RunInstances"];
const ATTACH: &str = "AttachVolume";

/// More than any client tries by itself.
const LONG: Often = Often::Times(50);
/// More than the SDK does.
const A_WHILE: Often = Often::Times(8);

/// So long is one answer waited for, here where some never come.
const ANSWER: Duration = Duration::from_secs(3);

async fn make(provider: &dyn Actuator, env: &Env) -> Result<LiveId, ProviderError> {
    let volume = env.volume(provider, GIB, 1_764_000_000);
    let volume = provider.perform(&volume, None, &Silent).await?;
    let volume = volume.id.expect("a creation tells the id");
    let machine = env.machine(provider, &plain(), &[volume]);
    let machine = provider.perform(&machine, None, &Silent).await?;
    Ok(machine.id.expect("a creation tells the id"))
}

/// One machine is there, and one volume, which it has.
async fn is_one(bed: &Bed, said: &str) {
    let (machines, volumes) = (bed.instances().await, bed.volumes().await);
    assert_eq!((machines.len(), volumes.len()), (1, 1), "{said}");
    let holder = volumes[0].text_at("attachmentSet/item/instanceId");
    assert_eq!(holder, machines[0].text_at("instanceId"), "{said}");
}

/// Trouble on a call; then repeating in calm, as the same process and as a new one.
async fn meets(call: &'static str, often: Often, trouble: Trouble) -> Option<ProviderError> {
    let said = format!("{trouble:?} on {call}");
    let bed = Bed::new().await.patient_for(ANSWER);
    let provider = bed.prepared().await;
    let env = Env::new("shop");
    bed.proxy.arrange(On::Action(call), often, trouble);
    let error = make(&provider, &env).await.err();
    bed.proxy.calm();
    let id = make(&provider, &env).await;
    let id = id.unwrap_or_else(|e| panic!("{said}, then calm: {e}"));
    let again = make(&bed.provider(), &env).await.unwrap();
    assert_eq!(again, id, "{said}");
    is_one(&bed, &said).await;
    error
}

/// The same on each of the calls, at the same time; the errors of those that gave up.
async fn on_each_call(trouble: Trouble) -> Vec<ProviderError> {
    let creations = CREATIONS.map(|call| meets(call, LONG, trouble.clone()));
    let attached = meets(ATTACH, A_WHILE, trouble.clone());
    let (creations, attached) = tokio::join!(join_all(creations), attached);
    let failed = |error: Option<_>| error.unwrap_or_else(|| panic!("{trouble:?} was no error"));
    let creations = creations.into_iter().map(failed);
    creations.chain(attached).collect()
}

#[tokio::test]
async fn throttled_for_long_it_is_transient_and_repeated() {
    for error in on_each_call(Trouble::Refuse(Refusal::throttled())).await {
        assert_eq!(error.class(), Class::Transient, "{error}");
    }
}

#[tokio::test]
async fn an_internal_error_is_transient_and_repeated() {
    for error in on_each_call(Trouble::Refuse(Refusal::internal())).await {
        assert_eq!(error.class(), Class::Transient, "{error}");
        assert!(!error.is_certain(), "it may have been done: {error}");
    }
}

#[tokio::test]
async fn a_page_for_people_in_place_of_an_answer_is_transient_and_repeated() {
    for error in on_each_call(Trouble::Html).await {
        assert_eq!(error.class(), Class::Transient, "{error}");
        assert!(!error.is_certain(), "it may have been done: {error}");
    }
}

#[tokio::test]
async fn a_connection_that_ends_before_the_answer_is_transient_and_repeated() {
    for error in on_each_call(Trouble::Cut).await {
        assert_eq!(error.class(), Class::Transient, "{error}");
        assert!(!error.is_certain(), "it may have been done: {error}");
    }
}

#[tokio::test]
async fn what_was_done_without_an_answer_is_not_done_twice() {
    for error in on_each_call(Trouble::Lose).await {
        assert_eq!(error.class(), Class::Transient, "{error}");
        assert!(!error.is_certain(), "it was done: {error}");
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_is_not_waited_for_without_end() {
    for error in on_each_call(Trouble::Hang).await {
        assert_eq!(error.class(), Class::Transient, "{error}");
        assert!(!error.is_certain(), "it was done: {error}");
    }
}

#[tokio::test]
async fn a_single_lost_answer_is_nobodys_trouble() {
    let each = [CREATIONS[0], CREATIONS[1], ATTACH].map(|call| async move {
        let bed = Bed::new().await;
        let provider = bed.prepared().await;
        let on = On::Action(call);
        bed.proxy.arrange(on, Often::Times(1), Trouble::Lose);
        make(&provider, &Env::new("shop")).await.unwrap();
        is_one(&bed, call).await;
    });
    join_all(each).await;
}

#[tokio::test]
async fn without_room_or_quota_it_is_full_and_the_next_move_is_said() {
    let refusals = [
        (Refusal::no_capacity(), "t3.nano"),
        (Refusal::quota(), "quota"),
    ];
    for (refusal, word) in refusals {
        let error = meets("RunInstances", LONG, Trouble::Refuse(refusal)).await;
        let error = error.expect("it is no good");
        assert!(matches!(error, ProviderError::Full { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test]
async fn a_lost_answer_to_an_end_is_an_end_all_the_same() {
    let bed = Bed::new().await;
    let provider = bed.prepared().await;
    let env = Env::new("shop");
    let id = make(&provider, &env).await.unwrap();
    let volume = bed.volumes().await[0].text_at("volumeId").to_owned();
    let volume = LiveId(volume);
    for (call, action) in [
        (
            "StopInstances",
            ProviderAction::StopMachine { id: id.clone() },
        ),
        (
            "StartInstances",
            ProviderAction::StartMachine { id: id.clone() },
        ),
        ("TerminateInstances", ProviderAction::DeleteMachine { id }),
        ("DeleteVolume", ProviderAction::DeleteVolume { id: volume }),
    ] {
        bed.proxy.arrange(On::Action(call), LONG, Trouble::Lose);
        let error = provider.perform(&action, None, &Silent).await;
        if let Err(error) = error {
            assert_eq!(error.class(), Class::Transient, "{error}");
        }
        bed.proxy.calm();
        contract::done(&provider, action).await;
    }
    assert_eq!(
        (bed.instances().await, bed.volumes().await),
        (vec![], vec![])
    );
}
