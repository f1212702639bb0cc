//! Everything in the account, whoever made it, with what people want to know of it.

use metrom::model::{KeptAddress, LiveId, Object, Timestamp};
use metrom::port::Observer as _;

use super::bed::{AMD64, Bed, plain};
use super::contract::{self, Env, GIB};
use super::proxy::refusal::Refusal;
use super::proxy::trouble::{Often, On, Trouble};

/// So old may be what was made within a test.
const AGE_S: i64 = 600;

async fn launched_by_somebody(bed: &Bed, kind: &str) -> LiveId {
    let launch = [("ImageId", AMD64), ("InstanceType", kind)];
    let made = bed.console.ask("RunInstances", &launch).await;
    LiveId(made.text_at("instancesSet/item/instanceId").to_owned())
}

fn is_new(object: &Object) -> bool {
    let made = object.about.made.expect("EC2 knows when it was made");
    (0..AGE_S).contains(&(Timestamp::now().as_second() - made.as_second()))
}

fn type_name(object: &Object) -> &str {
    object.about.type_name.as_deref().unwrap_or("-")
}

#[tokio::test]
async fn what_is_foreign_is_shown_with_its_type_its_age_and_who_has_it() {
    let bed = Bed::new().await;
    let provider = bed.prepared().await;
    let machine = launched_by_somebody(&bed, "m5.large").await;
    let create = [
        ("Size", "3"),
        ("AvailabilityZone", "eu-central-1a"),
        ("VolumeType", "gp3"),
    ];
    let volume = bed.console.ask("CreateVolume", &create).await;
    let volume = LiveId(volume.text_at("volumeId").to_owned());

    let inventory = contract::seen(&provider).await;
    let find = |id: &LiveId| inventory.objects.iter().find(|o| o.id == *id).unwrap();
    assert!(is_new(find(&machine)) && is_new(find(&volume)));
    assert_eq!(type_name(find(&machine)), "m5.large");
    let size = find(&machine).fields.as_machine().unwrap();
    assert_eq!((size.cpus, size.memory_mib), (2, 8192), "as AWS says of it");
    assert_eq!(type_name(find(&volume)), "gp3");
    assert_eq!(find(&volume).about.holder, None);
    let disk = inventory
        .objects
        .iter()
        .find(|o| o.about.holder.as_ref() == Some(&machine));
    let disk = disk.expect("its disk is a volume of its own");
    assert!(disk.fields.as_volume().is_some() && disk.stamp.is_none());
}

#[tokio::test]
async fn what_is_ours_says_of_which_type_it_is_and_which_machine_has_a_volume() {
    let bed = Bed::new().await;
    let provider = bed.prepared().await;
    let env = Env::new("shop");
    let volume = env.volume(&provider, GIB, 1_764_000_000);
    let volume = contract::done(&provider, volume).await.expect("an id");
    let machine = env.machine(&provider, &plain(), &[volume.clone()]);
    let machine = contract::done(&provider, machine).await.expect("an id");
    let inventory = contract::seen(&provider).await;
    let find = |id: &LiveId| inventory.objects.iter().find(|o| o.id == *id).unwrap();
    assert_eq!(type_name(find(&machine)), "t3.nano");
    assert_eq!(type_name(find(&volume)), "gp3");
    assert_eq!(find(&volume).about.holder.as_ref(), Some(&machine));
}

#[tokio::test]
async fn addresses_that_somebody_keeps_are_listed_with_the_machine_that_has_them() {
    let bed = Bed::new().await;
    let provider = bed.prepared().await;
    assert_eq!(contract::seen(&provider).await.addresses, Ok(vec![]));
    let machine = launched_by_somebody(&bed, "t3.nano").await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let made = bed
            .console
            .ask("AllocateAddress", &[("Domain", "vpc")])
            .await;
        ids.push(made.text_at("allocationId").to_owned());
    }
    let give = [
        ("AllocationId", ids[0].as_str()),
        ("InstanceId", machine.0.as_str()),
    ];
    bed.console.ask("AssociateAddress", &give).await;
    let named = [
        ("ResourceId.1", ids[1].as_str()),
        ("Tag.1.Key", "Name"),
        ("Tag.1.Value", "mail"),
    ];
    bed.console.ask("CreateTags", &named).await;

    let kept = contract::seen(&provider).await.addresses.unwrap();
    let find = |id: &str| kept.iter().find(|kept| kept.id.0 == id).unwrap();
    let holder = |kept: &KeptAddress| kept.about.holder.clone();
    assert_eq!(kept.len(), 2);
    assert_eq!(holder(find(&ids[0])), Some(machine));
    assert_eq!(
        (holder(find(&ids[1])), find(&ids[1]).name.as_str()),
        (None, "mail")
    );
}

#[tokio::test]
async fn addresses_that_may_not_be_listed_are_said_and_nothing_waits_for_them() {
    let bed = Bed::new().await;
    let provider = bed.prepared().await;
    let refusal = Trouble::Refuse(Refusal::unauthorized());
    let on = On::Action("DescribeAddresses");
    bed.proxy.arrange(on, Often::Always, refusal);
    let inventory = provider.inventory().await;
    assert_eq!(inventory.gaps, [], "what decides is seen");
    let reason = inventory.addresses.unwrap_err();
    assert!(reason.contains("ec2:DescribeAddresses"), "{reason}");
    let create = Env::new("shop").machine(&provider, &plain(), &[]);
    contract::done(&provider, create).await;
}
