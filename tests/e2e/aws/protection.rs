//! EC2's own protection from being ended: whose it is, and what becomes of it behind our back.

use metrom::model::{Key, LiveId, ProviderAction, Subject, Token, Warm};
use metrom::port::Actuator;

use super::bed::{Bed, plain};
use super::contract::{self, Env, SMALL};

async fn is_protected(provider: &dyn Actuator, id: &LiveId) -> Option<bool> {
    let object = provider.machine(id).await.unwrap().expect("it is there");
    object.fields.as_machine().unwrap().is_protected
}

async fn protected(provider: &dyn Actuator) -> LiveId {
    let mut create = Env::new("shop").machine(provider, &plain(), &[]);
    if let ProviderAction::CreateMachine { spec, .. } = &mut create {
        spec.is_protected = true;
    }
    contract::done(provider, create).await.expect("an id")
}

#[tokio::test]
async fn a_protection_that_somebody_took_off_is_seen_to_be_off() {
    let bed = Bed::new().await;
    let provider = bed.prepared().await;
    let id = protected(&provider).await;
    assert_eq!(is_protected(&provider, &id).await, Some(true));
    let off = [
        ("InstanceId", id.0.as_str()),
        ("DisableApiTermination.Value", "false"),
    ];
    bed.console.ask("ModifyInstanceAttribute", &off).await;
    assert_eq!(is_protected(&provider, &id).await, Some(false));
}

#[tokio::test]
async fn only_machines_that_we_protect_are_asked_about() {
    let bed = Bed::new().await;
    let provider = bed.prepared().await;
    let create = Env::new("blog").machine(&provider, &plain(), &[]);
    contract::done(&provider, create).await;
    contract::seen(&provider).await;
    assert_eq!(bed.proxy.calls("DescribeInstanceAttribute"), 0);
    protected(&provider).await;
    contract::seen(&provider).await;
    assert_eq!(bed.proxy.calls("DescribeInstanceAttribute"), 1);
}

#[tokio::test]
async fn a_warm_machine_is_protected_when_a_protected_environment_claims_it() {
    let bed = Bed::new().await;
    let provider = bed.prepared().await;
    let (pool, shop) = (Env::new("warm-web-1"), Env::new("shop"));
    let create = pool.machine(&provider, &plain(), &[]);
    let id = contract::done(&provider, create).await.expect("an id");
    let volume = shop.volume(&provider, 1024, 1_764_000_000);
    let volume = contract::done(&provider, volume).await.expect("an id");
    for _ in 0..2 {
        let claim = ProviderAction::ClaimMachine {
            warm: Warm {
                id: id.clone(),
                env: pool.name.clone(),
                memory_mib: SMALL.1,
                is_ready: true,
            },
            stamp: shop.stamp(Key::Machine, 1_764_000_001),
            volumes: vec![Subject::Live(volume.clone())],
            token: Token("claim".into()),
            is_protected: true,
        };
        contract::done(&provider, claim).await;
        assert_eq!(is_protected(&provider, &id).await, Some(true));
    }
}
