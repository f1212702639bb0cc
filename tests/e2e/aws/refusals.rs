//! Bad input and bad circumstances: each is said in words that a person can act upon, and nothing
//! is changed.

use std::collections::BTreeMap;
use std::process::Command;

use metrom::model::{Class, Inventory, ProviderAction, RegisteredImage};
use metrom::port::{Actuator, Observer as _, ProviderError};
use metrom::provider::aws::{AwsConfig, Credentials};

use super::bed::{ARM64, Bed, give_credentials, image, kind, plain};
use super::contract::{self, Env, GIB, SMALL};
use super::proxy::refusal::Refusal;
use super::proxy::trouble::{Often, On, Trouble};

/// Everything that is not known, in words.
fn gaps(inventory: &Inventory) -> String {
    assert!(inventory.objects.is_empty(), "{:?}", inventory.objects);
    let reasons = inventory.gaps.iter().map(|gap| gap.reason.clone());
    reasons.collect::<Vec<_>>().join("\n")
}

fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

/// Sees nothing and changes nothing, and both say these words.
async fn is_locked_out(bed: &Bed, config: AwsConfig, words: &[&str]) -> ProviderError {
    let provider = Bed::provider_with(config);
    says(&gaps(&provider.inventory().await), words);
    let volume = Env::new("shop").volume(&provider, GIB, 1_764_000_000);
    let error = contract::fails(&provider, volume).await;
    says(&error.to_string(), words);
    assert_eq!(bed.volumes().await, []);
    error
}

/// A machine is refused for good, and these words are said.
async fn is_refused(provider: &dyn Actuator, action: ProviderAction, words: &[&str]) {
    let error = contract::fails(provider, action).await;
    assert!(matches!(error, ProviderError::Refused { .. }), "{error}");
    assert_eq!(error.class(), Class::Terminal);
    says(&error.to_string(), words);
}

#[tokio::test]
async fn a_profile_that_is_not_there_is_named() {
    let bed = Bed::new().await;
    let config = AwsConfig {
        credentials: Credentials::Profile("nobody".into()),
        ..bed.config()
    };
    is_locked_out(&bed, config, &["`nobody`", "credentials"]).await;
    assert_eq!(bed.proxy.changes(), 0);
}

#[tokio::test]
async fn without_credentials_in_the_environment_it_is_said_what_to_set() {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "aws::refusals::looks_without_credentials"])
        .args(["--ignored", "--nocapture"])
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&status.stderr);
    assert!(status.status.success(), "{said}");
}

#[tokio::test]
#[ignore = "started by another test, without what this process has in its environment"]
async fn looks_without_credentials() {
    let provider = Bed::provider_with(AwsConfig {
        provider: metrom::model::ProviderName::parse("lab").unwrap(),
        region: "eu-central-1".into(),
        account: None,
        endpoint: Some("http://127.0.0.1:9".into()),
        credentials: Credentials::Environment,
        zone: None,
        subnet: None,
        security_groups: Vec::new(),
        ssh_from: Vec::new(),
        bastion: None,
        reach: metrom::provider::aws::Reach::Public,
        key_pair: None,
        types: vec![kind("t3.nano", SMALL)],
        tags: BTreeMap::new(),
    });
    says(&gaps(&provider.inventory().await), &["AWS_ACCESS_KEY_ID"]);
}

#[tokio::test]
async fn expired_credentials_are_a_gap_and_a_reason_to_renew_them() {
    let bed = Bed::new().await;
    let refusal = Trouble::Refuse(Refusal::expired());
    bed.proxy.arrange(On::Everything, Often::Always, refusal);
    is_locked_out(&bed, bed.config(), &["expired", "credentials"]).await;
}

#[tokio::test]
async fn credentials_that_nobody_knows_are_a_gap() {
    let bed = Bed::new().await;
    let refusal = Trouble::Refuse(Refusal::unknown_credentials());
    bed.proxy.arrange(On::Everything, Often::Always, refusal);
    is_locked_out(&bed, bed.config(), &["credentials", "`region`"]).await;
}

const ROLE: &str = "arn:aws:iam::123456789012:role/metrom";

fn by_role(bed: &Bed) -> AwsConfig {
    AwsConfig {
        credentials: Credentials::Role {
            arn: ROLE.to_owned(),
            external_id: Some("shop".to_owned()),
            from: Box::new(Credentials::Environment),
        },
        ..bed.config()
    }
}

#[tokio::test]
async fn a_role_is_assumed_and_used_for_all_that_follows() {
    let bed = Bed::new().await;
    let provider = Bed::provider_with(by_role(&bed));
    contract::prepares_itself(&provider).await;
    let assumed = bed.proxy.calls("AssumeRole");
    assert!(assumed > 0);
    contract::makes_a_volume_once(&provider, &Env::new("once")).await;
    assert_eq!(bed.proxy.calls("AssumeRole"), assumed);
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_is_named() {
    let bed = Bed::new().await;
    let refusal = Trouble::Refuse(Refusal::role_denied(ROLE));
    let on = On::Action("AssumeRole");
    bed.proxy.arrange(on, Often::Always, refusal);
    is_locked_out(&bed, by_role(&bed), &[ROLE]).await;
    assert_eq!(bed.proxy.changes(), 0);
}

#[tokio::test]
async fn an_endpoint_where_nobody_is_cannot_be_reached() {
    let bed = Bed::new().await;
    let config = AwsConfig {
        endpoint: Some("http://127.0.0.1:9".into()),
        ..bed.config()
    };
    let error = is_locked_out(&bed, config, &["cannot reach lab"]).await;
    assert_eq!(error.class(), Class::Transient);
}

#[tokio::test]
async fn a_region_that_is_not_there_is_named() {
    give_credentials();
    let bed = Bed::new().await;
    let config = AwsConfig {
        region: "eu-nowhere-1".into(),
        endpoint: None,
        ..bed.config()
    };
    let words = ["cannot reach lab", "`region` is eu-nowhere-1"];
    let error = is_locked_out(&bed, config, &words).await;
    assert_eq!(error.class(), Class::Transient);
    assert_eq!(bed.proxy.changes(), 0);
}

#[tokio::test]
async fn a_region_that_is_not_switched_on_is_named() {
    let bed = Bed::new().await;
    let message = "You are not subscribed to this service";
    let refusal = Trouble::Refuse(Refusal::bad("OptInRequired", message));
    bed.proxy.arrange(On::Everything, Often::Always, refusal);
    is_locked_out(&bed, bed.config(), &["may not use this region", "console"]).await;
}

#[tokio::test]
async fn in_another_account_than_the_declared_one_nothing_is_touched() {
    let bed = Bed::new().await;
    let config = AwsConfig {
        account: Some("999999999999".into()),
        ..bed.config()
    };
    let words = ["999999999999", bed.console.account.as_str()];
    is_locked_out(&bed, config, &words).await;
    assert_eq!(bed.proxy.changes(), 0);
}

#[tokio::test]
async fn an_account_that_may_only_be_read_is_seen_and_refuses_changes() {
    let bed = Bed::new().await;
    let provider = bed.prepared().await;
    let refusal = Trouble::Refuse(Refusal::unauthorized());
    bed.proxy.arrange(On::Changes, Often::Always, refusal);
    let env = Env::new("shop");
    let volume = env.volume(&provider, GIB, 1_764_000_000);
    is_refused(&provider, volume, &["ec2:CreateVolume"]).await;
    let machine = env.machine(&provider, &plain(), &[]);
    is_refused(&provider, machine, &["ec2:RunInstances"]).await;
    contract::seen(&provider).await;
}

#[tokio::test]
async fn a_type_that_the_region_lacks_is_named() {
    let bed = Bed::new().await;
    bed.prepared().await;
    let provider = Bed::provider_with(AwsConfig {
        types: vec![kind("t3.colossal", SMALL)],
        ..bed.config()
    });
    let machine = Env::new("shop").machine(&provider, &plain(), &[]);
    is_refused(&provider, machine, &["t3.colossal", "`types`"]).await;
    assert_eq!(bed.instances().await, []);
}

#[tokio::test]
async fn a_size_that_no_declared_type_has_is_refused_before_anything_is_asked() {
    let bed = Bed::new().await;
    bed.prepared().await;
    let changes = bed.proxy.changes();
    let provider = Bed::provider_with(AwsConfig {
        types: vec![kind("t3.large", (2, 8192))],
        ..bed.config()
    });
    let machine = Env::new("shop").machine(&provider, &plain(), &[]);
    is_refused(&provider, machine, &["`types`"]).await;
    assert_eq!(bed.proxy.changes(), changes);
}

#[tokio::test]
async fn an_image_of_another_architecture_is_refused() {
    let bed = Bed::new().await;
    let provider = bed.prepared().await;
    let arm = image(RegisteredImage::Id(ARM64.into()));
    let machine = Env::new("shop").machine(&provider, &arm, &[]);
    is_refused(&provider, machine, &["arm64", "t3.nano"]).await;
    assert_eq!(bed.instances().await, []);
}

#[tokio::test]
async fn an_image_that_is_not_there_is_named() {
    let bed = Bed::new().await;
    let provider = bed.prepared().await;
    let unknown = image(RegisteredImage::Id("ami-0123456789abcdef0".into()));
    let machine = Env::new("shop").machine(&provider, &unknown, &[]);
    is_refused(&provider, machine, &["ami-0123456789abcdef0"]).await;
    let nobodys = image(RegisteredImage::Newest {
        owner: "self".into(),
        name: "plain-*".into(),
    });
    let machine = Env::new("shop").machine(&provider, &nobodys, &[]);
    is_refused(&provider, machine, &["`plain-*`", "self"]).await;
    assert_eq!(bed.instances().await, []);
}

#[tokio::test]
async fn more_tags_than_a_resource_can_have_are_refused() {
    let bed = Bed::new().await;
    bed.prepared().await;
    let tag = |n: usize| (format!("tag-{n}"), "x".to_owned());
    let provider = Bed::provider_with(AwsConfig {
        tags: (0..50).map(tag).collect(),
        ..bed.config()
    });
    let env = Env::new("shop");
    let volume = env.volume(&provider, GIB, 1_764_000_000);
    is_refused(&provider, volume, &["tags", "50"]).await;
    let machine = env.machine(&provider, &plain(), &[]);
    is_refused(&provider, machine, &["tags", "50"]).await;
}

#[tokio::test]
async fn a_volume_in_another_zone_than_the_machine_is_refused_and_kept() {
    let bed = Bed::new().await;
    bed.prepared().await;
    let in_zone = |zone: &str| {
        Bed::provider_with(AwsConfig {
            zone: Some(zone.to_owned()),
            ..bed.config()
        })
    };
    let env = Env::new("shop");
    let far = in_zone("eu-central-1b");
    let volume = contract::done(&far, env.volume(&far, GIB, 1_764_000_000)).await;
    let near = in_zone("eu-central-1a");
    let machine = env.machine(&near, &plain(), &[volume.unwrap()]);
    is_refused(&near, machine, &["eu-central-1a", "eu-central-1b"]).await;
    assert_eq!(
        (bed.volumes().await.len(), bed.instances().await.len()),
        (1, 0)
    );
}
