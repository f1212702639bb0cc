//! The provider contract, as far as it needs no hypervisor: on libvirt's test driver, which lives
//! in this process, and on the world.

#![cfg(feature = "libvirt")]

use std::sync::Arc;

use metrom::manifest::schema::ProviderSpec;
use metrom::model::{Boot, LiveId, Part, Power, ProviderAction, ProviderName};
use metrom::port::{
    Actuator, ImageFiles, Observer, ProviderError, Providers, Seed, SeedError, SeedMaker,
    SeedRequest,
};
use metrom::provider::ProcessFacts;
use metrom::provider::libvirt::{
    Accelerator, Forward, Libvirt, LibvirtConfig, NetworkConfig, PoolConfig,
};
use metrom::world::{Flavor, World};

#[path = "../contract/provider.rs"]
#[allow(dead_code, reason = "the test driver plays only some of the parts")]
mod contract;

#[path = "../../examples/paper.rs"]
#[allow(dead_code, reason = "an example has a `main`")]
mod paper;

/// A host of libvirt's test driver, whose state is one connection's own.
const NODE: &str = "<node>
  <domain type='test'>
    <name>metrom-theirs</name>
    <uuid>00000000-0000-4000-8000-000000000001</uuid>
    <memory>262144</memory><vcpu>1</vcpu><os><type>hvm</type></os>
  </domain>
</node>";

struct NoSeeds;

impl SeedMaker for NoSeeds {
    fn make(&self, request: &SeedRequest) -> Result<Seed, SeedError> {
        Err(SeedError {
            env: request.env.clone(),
            reason: "this test makes no machine".into(),
        })
    }
}

struct Bed {
    provider: Libvirt,
    _folder: tempfile::TempDir,
}

fn bed(node: &str, path: Option<&str>) -> Bed {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("node.xml");
    std::fs::write(&file, node).unwrap();
    let config = LibvirtConfig {
        provider: ProviderName::parse("lab").unwrap(),
        uri: format!("test://{}", file.display()),
        door: None,
        bastion: None,
        accelerator: Accelerator::Auto,
        pool: PoolConfig {
            name: "metrom".into(),
            path: path.map(str::to_owned),
        },
        network: NetworkConfig {
            name: "metrom".into(),
            subnet: Some("10.77.0.0/24".parse().unwrap()),
            forward: Forward::Nat,
        },
    };
    Bed {
        provider: Libvirt::new(config, Arc::new(NoSeeds), Arc::new(ProcessFacts::default())),
        _folder: folder,
    }
}

#[tokio::test]
async fn the_test_driver_keeps_the_contract_as_far_as_it_can() {
    let bed = bed(NODE, Some("/var/lib/libvirt/images/metrom-contract"));
    let provider: &dyn Actuator = &bed.provider;
    contract::prepares_itself(provider).await;
    contract::makes_a_volume_once(provider, &contract::Env::new("shop")).await;
    let image = contract::image("debian-13", Boot::Disk);
    let theirs = contract::Env::new("theirs");
    contract::leaves_a_foreign_machine_alone(provider, &theirs, &image).await;
}

#[tokio::test]
async fn the_world_keeps_the_contract_in_both_of_its_flavours() {
    let host = serde_yaml::from_str("uri: 'test:///default'").unwrap();
    let host = ProviderSpec::Host(host);
    let image = contract::image("debian-13", Boot::Disk);
    let files = ImageFiles {
        disk: "/images/disk.qcow2".into(),
        kernel: None,
    };
    for (name, flavor) in [("named", Flavor::Named), ("tokens", Flavor::Tokens)] {
        let name = ProviderName::parse(name).unwrap();
        let world = World::new(1, &[(name.clone(), flavor)]);
        let provider = world.actuator(&name, &host).await.expect("it is there");
        contract::prepares_itself(&*provider).await;
        contract::makes_a_volume_once(&*provider, &contract::Env::new("shop")).await;
        let env = contract::Env::new("blog");
        contract::takes_an_image(&*provider, &image, &files).await;
        contract::leads_a_machine_through_its_life(&*provider, &env, &image).await;
        let env = contract::Env::new("twin");
        contract::hands_data_over_to_a_second_machine(&*provider, &env, &image).await;
        let [pool, one, two] = ["warm-web-1", "one", "two"].map(contract::Env::new);
        contract::lets_a_warm_machine_be_claimed(&*provider, (&pool, &one, &two), &image).await;
        if flavor == Flavor::Tokens {
            let env = contract::Env::new("kept");
            contract::keeps_a_machine_from_being_ended(&*provider, &env, &image).await;
        }
        assert_eq!(world.violations(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn nothing_is_done_to_a_machine_without_our_mark_even_by_its_id() {
    let bed = bed(NODE, Some("/var/lib/libvirt/images/metrom-contract"));
    let provider: &dyn Actuator = &bed.provider;
    contract::prepares_itself(provider).await;
    let theirs = contract::foreign(&contract::seen(provider).await, "metrom-theirs");
    let id = theirs.id.clone();
    for action in [
        ProviderAction::StopMachine { id: id.clone() },
        ProviderAction::DeleteMachine { id: id.clone() },
        ProviderAction::StartMachine { id: id.clone() },
    ] {
        let error = contract::fails(provider, action).await;
        assert!(matches!(error, ProviderError::Foreign { .. }), "{error}");
    }
    let after = contract::foreign(&contract::seen(provider).await, "metrom-theirs");
    assert_eq!(after, theirs);
    assert_eq!(after.fields.as_machine().unwrap().power, Power::Running);
}

#[tokio::test]
async fn a_volume_that_does_not_carry_our_name_is_never_deleted() {
    let bed = bed(NODE, Some("/var/lib/libvirt/images/metrom-contract"));
    let provider: &dyn Actuator = &bed.provider;
    contract::prepares_itself(provider).await;
    let id = LiveId("/var/lib/libvirt/images/metrom-contract/theirs.qcow2".into());
    let error = contract::fails(provider, ProviderAction::DeleteVolume { id }).await;
    assert!(matches!(error, ProviderError::Foreign { .. }), "{error}");
}

#[tokio::test]
async fn a_pool_that_is_neither_there_nor_declared_with_a_path_is_a_gap_with_a_next_move() {
    let bed = bed("<node/>", None);
    let inventory = bed.provider.inventory().await;
    let reasons: Vec<_> = inventory
        .gaps
        .iter()
        .map(|gap| gap.reason.as_str())
        .collect();
    assert!(
        reasons.iter().any(|r| r.contains("declare `pool.path`")),
        "{reasons:?}"
    );
    let part = Part::Pool("metrom".to_owned());
    let error = contract::fails(&bed.provider, ProviderAction::Prepare { part }).await;
    assert!(error.to_string().contains("`pool.path`"), "{error}");
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_is_one_gap_and_no_objects() {
    let config = LibvirtConfig {
        provider: ProviderName::parse("lab").unwrap(),
        uri: "qemu+unix:///system?socket=/nonexistent/sock".into(),
        door: None,
        bastion: None,
        accelerator: Accelerator::Auto,
        pool: PoolConfig {
            name: "metrom".into(),
            path: None,
        },
        network: NetworkConfig {
            name: "metrom".into(),
            subnet: None,
            forward: Forward::None,
        },
    };
    let facts = Arc::new(ProcessFacts::default());
    let provider = Libvirt::new(config, Arc::new(NoSeeds), facts);
    let inventory = provider.inventory().await;
    assert_eq!((inventory.objects.len(), inventory.gaps.len()), (0, 1));
    let reason = &inventory.gaps[0].reason;
    assert!(reason.starts_with("cannot reach lab: "), "{reason}");
    let error = provider.machine(&LiveId("x".into())).await.unwrap_err();
    assert_eq!(error.class(), metrom::model::Class::Transient);
}

#[tokio::test]
async fn a_provider_on_paper_keeps_the_contract() {
    let provider = paper::Paper::new(ProviderName::parse("paper").unwrap());
    let image = contract::image("debian-13", Boot::Disk);
    let files = ImageFiles {
        disk: "/images/disk.qcow2".into(),
        kernel: None,
    };
    contract::prepares_itself(&provider).await;
    contract::takes_an_image(&provider, &image, &files).await;
    contract::makes_a_volume_once(&provider, &contract::Env::new("shop")).await;
    let env = contract::Env::new("blog");
    contract::leads_a_machine_through_its_life(&provider, &env, &image).await;
    let env = contract::Env::new("twin");
    contract::hands_data_over_to_a_second_machine(&provider, &env, &image).await;
    let [pool, one, two] = ["warm-web-1", "one", "two"].map(contract::Env::new);
    contract::lets_a_warm_machine_be_claimed(&provider, (&pool, &one, &two), &image).await;
    contract::has_none_to_spare(&provider, &contract::Env::new("cheap"), &image).await;
}
