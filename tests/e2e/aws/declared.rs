//! What is declared of an account reaches EC2, and a machine has no more than that.

use std::path::Path;
use std::process::Command;

use metrom::provider::aws::{AwsConfig, Reach};

use super::bed::{Bed, PUBLISHER, plain};
use super::contract::{self, Env, GIB};
use super::emulator::REGION;
use super::proxy::xml::Node;

/// The security groups that carry our tag.
async fn our_groups(bed: &Bed) -> Vec<Node> {
    let ours = [
        ("Filter.1.Name", "tag-key"),
        ("Filter.1.Value.1", "metrom:provider"),
    ];
    let found = bed.console.ask("DescribeSecurityGroups", &ours).await;
    found.items("securityGroupInfo").to_vec()
}

#[tokio::test]
async fn our_own_security_group_lets_in_ssh_from_where_it_is_declared_and_nothing_else() {
    let bed = Bed::new().await;
    bed.prepared().await;
    let groups = our_groups(&bed).await;
    let [group] = &groups[..] else {
        panic!("one group: {groups:?}");
    };
    let rules = group.items("ipPermissions");
    let [rule] = rules else {
        panic!("one rule: {rules:?}");
    };
    let is = ["ipProtocol", "fromPort", "toPort", "ipRanges/item/cidrIp"];
    let is = is.map(|path| rule.text_at(path));
    assert_eq!(is, ["tcp", "22", "22", "203.0.113.0/24"]);
    assert_eq!(rule.items("ipRanges").len(), 1);
}

#[tokio::test]
async fn a_machine_has_the_declared_network_and_key_and_everything_on_it_is_encrypted() {
    let bed = Bed::new().await;
    let subnets = bed.console.ask("DescribeSubnets", &[]).await;
    let subnet = subnets.items("subnetSet")[1].clone();
    let group = [
        ("GroupName", "theirs"),
        ("GroupDescription", "made by hand"),
        ("VpcId", subnet.text_at("vpcId")),
    ];
    let group = bed.console.ask("CreateSecurityGroup", &group).await;
    let group = group.text_at("groupId").to_owned();
    let key = [("KeyName", "ops")];
    bed.console.ask("CreateKeyPair", &key).await;
    let provider = Bed::provider_with(AwsConfig {
        subnet: Some(subnet.text_at("subnetId").to_owned()),
        security_groups: vec![group.clone()],
        key_pair: Some("ops".to_owned()),
        reach: Reach::Private,
        ..bed.config()
    });
    let missing = contract::seen(&provider).await.missing;
    assert!(missing.is_empty(), "all of it is given: {missing:?}");
    let env = Env::new("shop");
    let volume = env.volume(&provider, GIB, 1_764_000_000);
    let volume = contract::done(&provider, volume).await.expect("an id");
    let create = env.machine(&provider, &plain(), &[volume]);
    contract::done(&provider, create).await;

    let machine = &bed.instances().await[0];
    assert_eq!(machine.text_at("keyName"), "ops");
    assert_eq!(machine.text_at("subnetId"), subnet.text_at("subnetId"));
    let interface = machine.at("networkInterfaceSet/item").unwrap();
    assert_eq!(interface.text_at("groupSet/item/groupId"), group);
    assert_eq!(interface.items("groupSet").len(), 1);
    assert_eq!(machine.text_at("metadataOptions/httpTokens"), "required");
    assert_eq!(machine.tag("team"), Some("shop"), "as `tags` says");
    assert_eq!(our_groups(&bed).await, [], "none of our own is needed");
    let volumes = bed.console.ask("DescribeVolumes", &[]).await;
    let volumes = volumes.items("volumeSet");
    assert_eq!(volumes.len(), 2, "its disk and its data");
    for volume in volumes {
        assert_eq!(volume.text_at("encrypted"), "true", "{volume}");
    }
    let inventory = contract::seen(&provider).await;
    let object = inventory
        .objects
        .iter()
        .find(|o| o.fields.as_machine().is_some());
    let address = object.unwrap().fields.as_machine().unwrap().address;
    let address = address.expect("it runs").to_string();
    assert_eq!(address, machine.text_at("privateIpAddress"));
}

/// How `metrom inventory` ends, and what it says, with credentials in a file alone.
fn inventory_of(bed: &Bed) -> (Option<i32>, String) {
    let folder = bed.folder.path();
    let mut command = Command::new(env!("CARGO_BIN_EXE_metrom"));
    command
        .arg("inventory")
        .arg("--repo")
        .arg(folder.join("repository"));
    command.env("METROM_STATE", folder.join("state"));
    command.env("AWS_SHARED_CREDENTIALS_FILE", folder.join("credentials"));
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        command.env_remove(name);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

fn commit(folder: &Path) {
    let git = git2::Repository::init(folder).unwrap();
    let mut index = git.index().unwrap();
    let all = git2::IndexAddOption::DEFAULT;
    index.add_all(["*"], all, None).unwrap();
    let tree = git.find_tree(index.write_tree().unwrap()).unwrap();
    let who = git2::Signature::now("test", "test@example.org").unwrap();
    git.commit(Some("HEAD"), &who, &who, "first", &tree, &[])
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_a_profile_are_read_where_the_clouds_own_tools_have_them() {
    let bed = Bed::new().await;
    let folder = bed.folder.path();
    let repository = folder.join("repository");
    std::fs::create_dir_all(&repository).unwrap();
    let files = format!(
        "apiVersion: metrom.dev/v1\nkind: Repository\nmetadata: {{name: acme}}\nspec: {{}}\n---\n\
         apiVersion: metrom.dev/v1\nkind: Cloud\nmetadata: {{name: lab}}\nspec:\n  provider: aws\n  \
         region: {REGION}\n  endpoint: {}\n  credentials: {{from: profile, profile: work}}\n  \
         network: {{sshFrom: [203.0.113.0/24]}}\n  images: {{plain: {{owner: \"{PUBLISHER}\", name: \
         plain-amd64-*}}}}\n  types: [{{name: t3.nano, cpus: 1, memory: 256MiB}}]\n",
        bed.proxy.endpoint()
    );
    std::fs::write(repository.join("metrom.yaml"), files).unwrap();
    let (code, said) = inventory_of(&bed);
    assert_eq!(code, Some(1), "it is no repository yet: {said}");
    commit(&repository);
    let secrets = folder.join("credentials");
    let (code, said) = inventory_of(&bed);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("`work`"), "the profile is named: {said}");

    let profile =
        "[work]\naws_access_key_id = AKIDMETROMTESTS\naws_secret_access_key = not-a-secret\n";
    std::fs::write(&secrets, profile).unwrap();
    let (code, said) = inventory_of(&bed);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("not-a-secret"));
}
