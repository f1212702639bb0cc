//! What is not ours, or no longer as we left it: it is seen, and it is left alone.

use metrom::model::{LiveFields, LiveId, OwnerName, Power, ProviderAction, RegisteredImage, Stamp};
use metrom::port::{Observer as _, ProviderError};

use super::bed::{AMD64, Bed, NEWER, PUBLISHER, image, plain};
use super::contract::{self, Env, GIB, LARGE};

async fn launched_by_somebody(bed: &Bed, name: &str) -> LiveId {
    let launch = [
        ("ImageId", AMD64),
        ("InstanceType", "t3.nano"),
        ("TagSpecification.1.ResourceType", "instance"),
        ("TagSpecification.1.Tag.1.Key", "Name"),
        ("TagSpecification.1.Tag.1.Value", name),
    ];
    let made = bed.console.ask("RunInstances", &launch).await;
    LiveId(made.text_at("instancesSet/item/instanceId").to_owned())
}

/// Nothing that ends or changes it is done to it.
async fn is_left_alone(provider: &dyn metrom::port::Actuator, id: &LiveId) {
    for action in [
        ProviderAction::StopMachine { id: id.clone() },
        ProviderAction::StartMachine { id: id.clone() },
        ProviderAction::DeleteMachine { id: id.clone() },
    ] {
        let error = contract::fails(provider, action).await;
        assert!(matches!(error, ProviderError::Foreign { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_machine_of_the_same_name_that_is_not_ours_stays_as_it_was_beside_ours() {
    let bed = Bed::new().await;
    let provider = bed.prepared().await;
    let theirs = launched_by_somebody(&bed, "metrom-shop").await;
    let before = bed.instances().await;
    let env = Env::new("shop");
    let create = env.machine(&provider, &plain(), &[]);
    let ours = contract::done(&provider, create).await.expect("an id");
    assert_ne!(ours, theirs);
    is_left_alone(&provider, &theirs).await;
    let object = provider
        .machine(&theirs)
        .await
        .unwrap()
        .expect("it is seen");
    assert_eq!(object.stamp, None);
    assert!(bed.instances().await.contains(&before[0]));
}

#[tokio::test]
async fn a_volume_that_is_not_ours_is_never_deleted() {
    let bed = Bed::new().await;
    let provider = bed.prepared().await;
    let create = [("Size", "1"), ("AvailabilityZone", "eu-central-1a")];
    let made = bed.console.ask("CreateVolume", &create).await;
    let id = LiveId(made.text_at("volumeId").to_owned());
    let error = contract::fails(&provider, ProviderAction::DeleteVolume { id }).await;
    assert!(matches!(error, ProviderError::Foreign { .. }), "{error}");
    assert_eq!(bed.volumes().await.len(), 1);
}

#[tokio::test]
async fn a_machine_whose_tags_somebody_removed_is_no_longer_ours() {
    let bed = Bed::new().await;
    let provider = bed.prepared().await;
    let create = Env::new("shop").machine(&provider, &plain(), &[]);
    let id = contract::done(&provider, create).await.expect("an id");
    let instance = &bed.instances().await[0];
    for tag in instance.items("tagSet") {
        let delete = [
            ("ResourceId.1", id.0.as_str()),
            ("Tag.1.Key", tag.text_at("key")),
        ];
        bed.console.ask("DeleteTags", &delete).await;
    }
    let inventory = contract::seen(&provider).await;
    let object = inventory.objects.iter().find(|o| o.id == id);
    assert_eq!(object.expect("it is seen").stamp, None);
    is_left_alone(&provider, &id).await;
    assert_eq!(bed.instances().await.len(), 1);
}

#[tokio::test]
async fn a_machine_that_somebody_stopped_and_made_larger_is_seen_as_it_is() {
    let bed = Bed::new().await;
    let provider = bed.prepared().await;
    let create = Env::new("shop").machine(&provider, &plain(), &[]);
    let id = contract::done(&provider, create).await.expect("an id");
    bed.console
        .ask("StopInstances", &[("InstanceId.1", &id.0)])
        .await;
    let larger = [
        ("InstanceId", id.0.as_str()),
        ("InstanceType.Value", "t3.micro"),
    ];
    bed.console.ask("ModifyInstanceAttribute", &larger).await;
    let object = provider.machine(&id).await.unwrap().expect("it is there");
    assert!(object.stamp.is_some(), "it is still ours");
    let machine = object.fields.into_machine().expect("a machine");
    assert_eq!((machine.cpus, machine.memory_mib), LARGE);
    assert_eq!((machine.power, machine.address), (Power::Stopped, None));
}

#[tokio::test]
async fn a_machine_that_somebody_protected_is_not_ended_and_the_reason_is_said() {
    let bed = Bed::new().await;
    let provider = bed.prepared().await;
    let create = Env::new("shop").machine(&provider, &plain(), &[]);
    let id = contract::done(&provider, create).await.expect("an id");
    let protect = [
        ("InstanceId", id.0.as_str()),
        ("DisableApiTermination.Value", "true"),
    ];
    bed.console.ask("ModifyInstanceAttribute", &protect).await;
    let error = contract::fails(&provider, ProviderAction::DeleteMachine { id }).await;
    assert!(matches!(error, ProviderError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("protected"), "{error}");
    assert_eq!(bed.instances().await.len(), 1);
}

#[tokio::test]
async fn a_machine_that_somebody_terminated_is_gone() {
    let bed = Bed::new().await;
    let provider = bed.prepared().await;
    let env = Env::new("shop");
    let create = env.machine(&provider, &plain(), &[]);
    let id = contract::done(&provider, create).await.expect("an id");
    bed.console
        .ask("TerminateInstances", &[("InstanceId.1", &id.0)])
        .await;
    assert_eq!(provider.machine(&id).await.unwrap(), None);
    contract::done(&provider, ProviderAction::DeleteMachine { id: id.clone() }).await;
    let error = contract::fails(&provider, ProviderAction::StartMachine { id }).await;
    assert!(matches!(error, ProviderError::Moved { .. }), "{error}");
}

/// The same action for another repository.
fn of_owner(mut action: ProviderAction, name: &str) -> ProviderAction {
    let theirs = |stamp: &mut Stamp| stamp.owner = OwnerName::parse(name).unwrap();
    match &mut action {
        ProviderAction::CreateVolume { stamp, token, .. }
        | ProviderAction::CreateMachine { stamp, token, .. } => {
            theirs(stamp);
            token.0 = format!("{name}-{}", token.0);
        }
        _ => unreachable!("it is a creation"),
    }
    action
}

#[tokio::test]
async fn two_owners_with_an_environment_of_one_name_have_a_machine_and_a_volume_each() {
    let bed = Bed::new().await;
    let provider = bed.prepared().await;
    let env = Env::new("shop");
    let mut machines = Vec::new();
    for owner in ["acme", "globex"] {
        let volume = of_owner(env.volume(&provider, GIB, 1_764_000_000), owner);
        let volume = contract::done(&provider, volume).await.expect("an id");
        let machine = env.machine(&provider, &plain(), &[volume]);
        let machine = of_owner(machine, owner);
        machines.push(contract::done(&provider, machine).await.expect("an id"));
    }
    assert_ne!(machines[0], machines[1]);
    assert_eq!(
        (bed.instances().await.len(), bed.volumes().await.len()),
        (2, 2)
    );
    let inventory = contract::seen(&provider).await;
    for (id, owner) in machines.iter().zip(["acme", "globex"]) {
        let object = inventory.objects.iter().find(|o| o.id == *id).unwrap();
        let stamp = object.stamp.as_ref().expect("both are Metrom's");
        assert_eq!(stamp.owner.as_str(), owner);
        let LiveFields::Machine(machine) = &object.fields else {
            panic!("a machine");
        };
        assert_eq!(machine.volumes.len(), 1);
    }
}

#[tokio::test]
async fn the_newest_image_of_an_owner_is_taken_when_a_machine_is_made() {
    let bed = Bed::new().await;
    let provider = bed.prepared().await;
    let newest = image(RegisteredImage::Newest {
        owner: PUBLISHER.into(),
        name: "plain-amd64-*".into(),
    });
    let create = Env::new("shop").machine(&provider, &newest, &[]);
    contract::done(&provider, create).await;
    assert_eq!(bed.instances().await[0].text_at("imageId"), NEWER);
}
