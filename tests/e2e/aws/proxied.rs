//! The proxy does what it says: without that, the other tests would prove less than they seem to.

use super::emulator::account;
use super::proxy::Proxy;
use super::proxy::refusal::Refusal;
use super::proxy::trouble::{Often, On, Trouble};
use super::proxy::wire::{Answer, Moto};
use super::proxy::xml::Node;

const IMAGE: &str = "ami-0a0a0a0a0a0a0a0a1";

const ZONE: &str = "eu-central-1a";

async fn proxy() -> (Proxy, Moto) {
    let proxy = Proxy::start(account(), 1).await;
    let ec2 = proxy.account();
    (proxy, ec2)
}

fn launch(token: &str) -> [(&'static str, String); 5] {
    let counts = [("MinCount", "1"), ("MaxCount", "1")];
    let kind = [("ImageId", IMAGE), ("InstanceType", "t3.nano")];
    let [a, b] = counts.map(|(name, value)| (name, value.to_owned()));
    let [c, d] = kind.map(|(name, value)| (name, value.to_owned()));
    [a, b, c, d, ("ClientToken", token.to_owned())]
}

async fn run(ec2: &Moto, token: &str) -> String {
    let params = launch(token);
    let params: Vec<_> = params.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let made = ec2.ask("RunInstances", &params).await;
    made.text_at("instancesSet/item/instanceId").to_owned()
}

async fn volume(ec2: &Moto, zone: &str) -> String {
    let params = [("Size", "1"), ("AvailabilityZone", zone)];
    let made = ec2.ask("CreateVolume", &params).await;
    made.text_at("volumeId").to_owned()
}

async fn instance(ec2: &Moto, id: &str) -> Node {
    let found = ec2.ask("DescribeInstances", &[("InstanceId.1", id)]).await;
    let found = found.at("reservationSet/item/instancesSet/item");
    found.expect("it is there").clone()
}

fn code(answer: Option<Answer>) -> String {
    let answer = answer.expect("an answer");
    let code = Node::parse(&answer.body);
    code.text_at("Errors/Error/Code").to_owned()
}

#[tokio::test]
async fn a_token_stands_for_one_machine_and_for_its_parameters() {
    let (_proxy, ec2) = proxy().await;
    let first = run(&ec2, "one").await;
    assert_eq!(run(&ec2, "one").await, first);
    assert_ne!(run(&ec2, "two").await, first);
    let other = [
        ("ImageId", IMAGE),
        ("InstanceType", "t3.micro"),
        ("ClientToken", "one"),
    ];
    let refused = code(ec2.call("RunInstances", &other).await);
    assert_eq!(refused, "IdempotentParameterMismatch");
}

#[tokio::test]
async fn a_machine_is_pending_for_some_looks_and_cannot_be_stopped_meanwhile() {
    let (proxy, ec2) = proxy().await;
    proxy.slow(3).await;
    let id = run(&ec2, "one").await;
    for _ in 0..2 {
        let seen = instance(&ec2, &id).await;
        assert_eq!(seen.text_at("instanceState/name"), "pending");
        assert_eq!(seen.text_at("ipAddress"), "");
    }
    let stop = [("InstanceId.1", id.as_str())];
    let refused = code(ec2.call("StopInstances", &stop).await);
    assert_eq!(refused, "IncorrectInstanceState");
    let seen = instance(&ec2, &id).await;
    assert_eq!(seen.text_at("instanceState/name"), "running");
    assert_ne!(seen.text_at("ipAddress"), "");
    ec2.ask("StopInstances", &stop).await;
    let seen = instance(&ec2, &id).await;
    assert_eq!(seen.text_at("instanceState/name"), "stopping");
}

#[tokio::test]
async fn a_volume_is_attached_and_detached_step_by_step_and_not_deleted_before() {
    let (proxy, ec2) = proxy().await;
    let (machine, volume) = (run(&ec2, "one").await, volume(&ec2, ZONE).await);
    proxy.slow(1).await;
    let named = [("VolumeId", volume.as_str())];
    let attach = [named[0], ("InstanceId", &machine), ("Device", "/dev/sdf")];
    let status = async || {
        let found = ec2.ask("DescribeVolumes", &[("VolumeId.1", &volume)]).await;
        let item = found.at("volumeSet/item").unwrap().clone();
        ["status", "attachmentSet/item/status"].map(|path| item.text_at(path).to_owned())
    };
    ec2.ask("AttachVolume", &attach).await;
    assert_eq!(status().await, ["in-use", "attaching"]);
    assert_eq!(status().await, ["in-use", "attached"]);
    assert_eq!(code(ec2.call("DeleteVolume", &named).await), "VolumeInUse");
    ec2.ask("DetachVolume", &named).await;
    let disks = instance(&ec2, &machine).await;
    let disks = disks.items("blockDeviceMapping").iter();
    let disks: Vec<_> = disks.map(|item| item.text_at("ebs/status")).collect();
    assert_eq!(disks, ["attached", "detaching"]);
    assert_eq!(status().await, ["available", ""]);
    ec2.ask("DeleteVolume", &named).await;
}

#[tokio::test]
async fn what_is_new_is_not_listed_at_first_and_what_was_deleted_still_is() {
    let (proxy, ec2) = proxy().await;
    proxy.lag(2, 1).await;
    let id = volume(&ec2, ZONE).await;
    let listed = async || {
        let found = ec2.ask("DescribeVolumes", &[]).await;
        found.items("volumeSet").len()
    };
    let named = [("VolumeId.1", id.as_str())];
    let refused = code(ec2.call("DescribeVolumes", &named).await);
    assert_eq!(
        (refused.as_str(), listed().await),
        ("InvalidVolume.NotFound", 0)
    );
    assert_eq!(listed().await, 1);
    ec2.ask("DeleteVolume", &[("VolumeId", &id)]).await;
    assert_eq!((listed().await, listed().await), (1, 0));
}

#[tokio::test]
async fn what_does_not_fit_together_is_refused() {
    let (_proxy, ec2) = proxy().await;
    let machine = run(&ec2, "one").await;
    let far = volume(&ec2, "eu-central-1b").await;
    let attach = [
        ("VolumeId", far.as_str()),
        ("InstanceId", machine.as_str()),
        ("Device", "/dev/sdf"),
    ];
    let refused = code(ec2.call("AttachVolume", &attach).await);
    assert_eq!(refused, "InvalidVolume.ZoneMismatch");
    let arm = [("ImageId", IMAGE), ("InstanceType", "t4g.nano")];
    let refused = code(ec2.call("RunInstances", &arm).await);
    assert_eq!(refused, "InvalidParameterValue");
    let unknown = [("ImageId", "ami-0123"), ("InstanceType", "t3.nano")];
    let refused = code(ec2.call("RunInstances", &unknown).await);
    assert_eq!(refused, "InvalidAMIID.NotFound");
}

#[tokio::test]
async fn listings_have_filters_and_pages() {
    let (proxy, ec2) = proxy().await;
    for token in ["one", "two", "three"] {
        run(&ec2, token).await;
    }
    let filter = [
        ("Filter.1.Name", "client-token"),
        ("Filter.1.Value.1", "t*"),
    ];
    proxy.pages(1).await;
    let first = ec2.ask("DescribeInstances", &filter).await;
    let next = first.text_at("nextToken");
    let second = [filter[0], filter[1], ("NextToken", next)];
    let second = ec2.ask("DescribeInstances", &second).await;
    let tokens = [&first, &second].map(|page| {
        assert_eq!(page.items("reservationSet").len(), 1);
        page.text_at("reservationSet/item/instancesSet/item/clientToken")
    });
    assert_eq!(tokens, ["two", "three"]);
    assert_eq!(second.text_at("nextToken"), "");
    let unknown = [("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")];
    let refused = code(ec2.call("DescribeVolumes", &unknown).await);
    assert_eq!(refused, "InvalidParameterValue");
}

#[tokio::test]
async fn trouble_comes_as_often_as_it_was_arranged_and_an_answer_is_lost_after_the_deed() {
    let (proxy, ec2) = proxy().await;
    let create = [("Size", "1"), ("AvailabilityZone", ZONE)];
    proxy.arrange(On::Changes, Often::Times(1), Trouble::Lose);
    assert!(ec2.call("CreateVolume", &create).await.is_none());
    let refusal = Trouble::Refuse(Refusal::throttled());
    proxy.arrange(On::Action("CreateVolume"), Often::Times(1), refusal);
    let refused = code(ec2.call("CreateVolume", &create).await);
    assert_eq!(refused, "RequestLimitExceeded");
    let listed = ec2.ask("DescribeVolumes", &[]).await;
    assert_eq!(listed.items("volumeSet").len(), 1);
    assert_eq!((proxy.calls("CreateVolume"), proxy.changes()), (2, 2));
}
