//! Clouds: what is declared of them, and what an environment comes to there.

use metrom::manifest::Standing;
use metrom::manifest::schema::ProviderSpec;
use metrom::model::{
    Boot, ImageOrigin, Key, MachineSpec, Market, RegisteredImage, Spec, VolumeSpec,
};

use super::render::render_at_noon;
use super::support::{Repo, environment, lines, standing};

const CLOUD: &str = "\
apiVersion: metrom.dev/v1
kind: Cloud
metadata: {name: seoul}
spec:
  provider: aws
  region: ap-northeast-2
  account: \"123456789012\"
  network: {sshFrom: [203.0.113.0/24]}
  images:
    debian-13: {owner: \"136693071363\", name: debian-13-amd64-*}
    own: {id: ami-0123456789abcdef0}
  types:
    - {name: t3.small, cpus: 2, memory: 2GiB}
    - {name: t3.large, cpus: 2, memory: 8GiB}
";

fn with_cloud(cloud: &str) -> Repo {
    Repo::small().with("clouds/seoul.yaml", cloud)
}

fn findings(cloud: &str, environment_spec: &str) -> Vec<String> {
    let dev = environment("dev", environment_spec);
    let catalog = with_cloud(cloud).with("environments/dev.yaml", dev).load();
    assert_eq!(standing(&catalog, "dev"), Standing::Broken);
    lines(&catalog)
}

/// The machine and its data volume.
fn machine_of(environment_spec: &str) -> (MachineSpec, VolumeSpec) {
    let dev = environment("dev", environment_spec);
    let catalog = with_cloud(CLOUD).with("environments/dev.yaml", dev).load();
    assert_eq!(lines(&catalog), [""; 0]);
    let desired = render_at_noon(&catalog, "dev");
    let spec = |key: &Key| desired.resources[key].spec.clone();
    match (spec(&Key::Machine), spec(&Key::Volume("data".into()))) {
        (Spec::Machine(machine), Spec::Volume(volume)) => (machine, volume),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cloud_is_a_place_like_a_host() {
    let catalog = with_cloud(CLOUD).load();
    assert_eq!(lines(&catalog), [""; 0]);
    let kinds: Vec<_> = catalog.providers.iter().collect();
    assert!(matches!(kinds[0], (name, ProviderSpec::Host(_)) if name.as_str() == "lab"));
    assert!(matches!(kinds[1], (name, ProviderSpec::Cloud(_)) if name.as_str() == "seoul"));
}

#[test]
fn a_machine_has_the_first_type_with_room_and_volumes_of_whole_gib() {
    let (machine, volume) = machine_of(
        "{template: web, placement: seoul, machine: {image: debian-13, memory: 1GiB, disk: 9000MiB, data: 100MiB}}",
    );
    assert_eq!((machine.cpus, machine.memory_mib), (2, 2048));
    assert_eq!((machine.disk_mib, volume.size_mib), (9 * 1024, 1024));
    assert_eq!(machine.image.boot, Boot::Disk);
    let newest = RegisteredImage::Newest {
        owner: "136693071363".to_owned(),
        name: "debian-13-amd64-*".to_owned(),
    };
    assert_eq!(machine.image.origin, ImageOrigin::Registered(newest));

    let (machine, _) =
        machine_of("{template: web, placement: seoul, machine: {image: own, memory: 3GiB}}");
    assert_eq!((machine.cpus, machine.memory_mib), (2, 8192));
    let own = RegisteredImage::Id("ami-0123456789abcdef0".to_owned());
    assert_eq!(machine.image.origin, ImageOrigin::Registered(own));
}

#[test]
fn what_the_cloud_does_not_have_is_named_with_a_next_move() {
    assert_eq!(
        findings(
            CLOUD,
            "{template: web, placement: seoul, machine: {image: debian-12, cpus: 64}}"
        ),
        [
            "environments/dev.yaml:4:58: the cloud `seoul` does not say what `debian-12` is there; did you mean `debian-13`?"
        ]
    );
    assert_eq!(
        findings(
            CLOUD,
            "{template: web, placement: seoul, machine: {image: own, cpus: 64}}"
        ),
        [
            "environments/dev.yaml:4:50: no type of the cloud `seoul` has 64 cpus and 1 GiB of memory; ask for less, or add a larger one to its `types`"
        ]
    );
    assert_eq!(
        findings(CLOUD, "{template: web, placement: seul}"),
        ["environments/dev.yaml:4:34: no host or cloud is called `seul`; did you mean `seoul`?"]
    );
}

#[test]
fn a_cloud_in_which_no_machine_could_be_reached_is_refused() {
    let cloud = CLOUD.replace("{sshFrom: [203.0.113.0/24]}", "{reach: public}");
    assert_eq!(
        findings(
            &cloud,
            "{template: web, placement: seoul, machine: {image: own}}"
        ),
        [
            "clouds/seoul.yaml:8:12: no machine could be reached in this network; name the network that Metrom comes from in `sshFrom`, or your own `securityGroups`"
        ]
    );
}

#[test]
fn ssh_is_let_in_from_one_address_or_from_a_whole_network_of_either_kind() {
    let found = |network: &str| {
        let cloud = CLOUD.replace("203.0.113.0/24", &format!("\"{network}\""));
        lines(&with_cloud(&cloud).load())
    };
    for network in ["203.0.113.7/32", "10.0.0.0/8", "0.0.0.0/0", "2001:db8::/64"] {
        assert_eq!(found(network), [""; 0], "{network}");
    }
    for (network, said) in [
        ("203.0.113.7", "`203.0.113.7` is not a network"),
        ("203.0.113.0/33", "`203.0.113.0/33` is not a network"),
        ("203.0.113.7/24", "did you mean `203.0.113.0/24`?"),
        ("2001:db8::1/64", "did you mean `2001:db8::/64`?"),
    ] {
        let found = found(network);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("clouds/seoul.yaml:8:23: "),
            "{found:?}"
        );
        assert!(found[0].contains(said), "{found:?}");
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    let cloud = CLOUD.replace(
        "  images:",
        "  credentials: {profile: work}\n  tags: {team: shop, \"metrom:env\": other}\n  images:",
    );
    assert_eq!(
        findings(
            &cloud,
            "{template: web, placement: seoul, machine: {image: own}}"
        ),
        [
            "clouds/seoul.yaml:9:26: this profile is not used; write `from: profile` beside it",
            "clouds/seoul.yaml:10:36: this tag is written by Metrom or by the cloud itself; choose another name for it",
        ]
    );
    let twin = CLOUD.replace("{name: seoul}", "{name: lab}");
    assert_eq!(
        findings(&twin, "{template: web, placement: lab}"),
        [
            "clouds/seoul.yaml:3:18: another host is called `lab` as well, at hosts/lab.yaml:3:18; rename or remove one of them",
            "hosts/lab.yaml:3:18: another cloud is called `lab` as well, at clouds/seoul.yaml:3:18; rename or remove one of them",
        ]
    );
}

#[test]
fn an_image_is_by_id_or_by_owner_and_name() {
    let cloud = CLOUD.replace(
        "{id: ami-0123456789abcdef0}",
        "{id: ami-1, owner: self, name: x}",
    );
    let found = findings(
        &cloud,
        "{template: web, placement: seoul, machine: {image: own}}",
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("clouds/seoul.yaml:11:"), "{found:?}");
}

#[test]
fn an_image_may_be_named_by_a_parameter_and_by_one_thing_alone() {
    let parameter = "/aws/service/debian/release/13/latest/amd64";
    let cloud = CLOUD.replace(
        "{id: ami-0123456789abcdef0}",
        &format!("{{parameter: {parameter}}}"),
    );
    let dev = environment(
        "dev",
        "{template: web, placement: seoul, machine: {image: own}}",
    );
    let catalog = with_cloud(&cloud).with("environments/dev.yaml", dev).load();
    assert_eq!(lines(&catalog), [""; 0]);
    let desired = render_at_noon(&catalog, "dev");
    let Spec::Machine(machine) = &desired.resources[&Key::Machine].spec else {
        panic!("it is a machine");
    };
    let meant = RegisteredImage::Parameter(parameter.to_owned());
    assert_eq!(machine.image.origin, ImageOrigin::Registered(meant));

    let both = CLOUD.replace(
        "{id: ami-0123456789abcdef0}",
        "{id: ami-0123456789abcdef0, parameter: /aws/service/x}",
    );
    let spec = "{template: web, placement: seoul, machine: {image: debian-13}}";
    let found = findings(&both, spec);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("clouds/seoul.yaml:11:"), "{found:?}");
    assert!(found[0].contains("`parameter`"), "{found:?}");
}

#[test]
fn a_machine_is_rented_as_its_environment_or_template_says_where_machines_are() {
    let market = |environment_spec: &str| machine_of(environment_spec).0.market;
    let on = |market| {
        format!("{{template: web, placement: seoul, machine: {{image: own, market: {market}}}}}")
    };
    let plain = "{template: web, placement: seoul, machine: {image: own}}";
    assert_eq!(market(plain), Market::OnDemand);
    assert_eq!(market(&on("spot")), Market::Spot);
    assert_eq!(market(&on("spotOnly")), Market::SpotOnly);
    let host = "{template: web, placement: lab, machine: {image: debian-13, market: spot}}";
    assert_eq!(market(host), Market::OnDemand);
}

#[test]
fn what_is_protected_is_not_rented_on_spot() {
    let spec =
        "{template: web, placement: seoul, protect: true, machine: {image: own, market: spot}}";
    assert_eq!(
        findings(CLOUD, spec),
        [
            "environments/dev.yaml:4:50: a protected environment has no spot machine: the cloud may end that; write `market: onDemand` in `machine`, or take `protect` off"
        ]
    );
}

const HOST_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHvbcKdxT0KD4n4o0cVQgkYQrPmw7rNHNBBpZnqcNbhi";

fn with_bastion(network: &str) -> String {
    CLOUD.replace("{sshFrom: [203.0.113.0/24]}", network)
}

#[test]
fn ssh_may_come_from_one_address_and_from_a_network_that_is_one() {
    let spec = "{template: web, placement: seoul, machine: {image: own}}";
    for from in ["203.0.113.7/32", "2001:db8::/48", "0.0.0.0/0"] {
        let cloud = CLOUD.replace("203.0.113.0/24", &format!("\"{from}\""));
        let dev = environment("dev", spec);
        let catalog = with_cloud(&cloud).with("environments/dev.yaml", dev).load();
        assert_eq!(lines(&catalog), [""; 0], "{from}");
    }
    let found = |from: &str| findings(&CLOUD.replace("203.0.113.0/24", from), spec);
    assert_eq!(
        found("203.0.113.7/24"),
        [
            "clouds/seoul.yaml:8:23: `203.0.113.7/24` is an address within a network; did you mean `203.0.113.0/24`?"
        ]
    );
    assert_eq!(
        found("203.0.113.7"),
        [
            "clouds/seoul.yaml:8:23: `203.0.113.7` is not a network; write a network such as `192.0.2.0/24`, or one address such as `192.0.2.7/32`"
        ]
    );
}

#[test]
fn a_bastion_needs_its_host_key_and_private_addresses_behind_it() {
    let spec = "{template: web, placement: seoul, machine: {image: own}}";
    let bastion = |rest: &str| with_bastion(&format!("{{sshFrom: [10.0.0.5/32], {rest}}}"));
    let good = bastion(&format!(
        "reach: private, bastion: {{address: jump.example.com, user: metrom, key: {{fromFile: /etc/metrom/jump}}, hostKey: {HOST_KEY}}}"
    ));
    let dev = environment("dev", spec);
    let catalog = with_cloud(&good).with("environments/dev.yaml", dev).load();
    assert_eq!(lines(&catalog), [""; 0]);
    let seoul = catalog.providers.iter().find_map(|(_, spec)| match spec {
        ProviderSpec::Cloud(cloud) => cloud.network.bastion.clone(),
        ProviderSpec::Host(_) => None,
    });
    assert_eq!(seoul.unwrap().port, 22);

    let public = bastion(&format!(
        "bastion: {{address: jump, user: metrom, hostKey: {HOST_KEY}}}"
    ));
    let found = findings(&public, spec);
    assert!(
        found[0].contains("without a bastion; write `reach: private`"),
        "{found:?}"
    );

    let unpinned = bastion("reach: private, bastion: {address: jump, user: metrom}");
    let found = findings(&unpinned, spec);
    assert!(
        found[0].contains("`hostKey`") || found[0].contains("hostKey"),
        "{found:?}"
    );

    let no_key =
        bastion("reach: private, bastion: {address: jump, user: metrom, hostKey: yes-it-is}");
    let found = findings(&no_key, spec);
    assert!(
        found[0].contains("hostKey") || found[0].contains("key"),
        "{found:?}"
    );
}
