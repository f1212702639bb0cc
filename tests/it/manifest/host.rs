//! Hosts that are reached by SSH: what is declared of them.

use metrom::manifest::schema::{Install, ProviderSpec};

use super::support::{Repo, lines};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHvbcKdxT0KD4n4o0cVQgkYQrPmw7rNHNBBpZnqcNbhi";
const OTHER: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

fn host(name: &str, spec: &str) -> String {
    format!("apiVersion: metrom.dev/v1\nkind: Host\nmetadata: {{name: {name}}}\nspec: {spec}\n")
}

fn said(spec: &str) -> Vec<String> {
    lines(
        &Repo::small()
            .with("hosts/idc.yaml", host("idc", spec))
            .load(),
    )
}

#[test]
fn an_address_and_a_key_are_enough() {
    let spec = format!("{{ssh: {{address: 192.0.2.10, hostKey: {KEY}}}}}");
    let repo = Repo::small().with("hosts/idc.yaml", host("idc", &spec));
    let catalog = repo.load();
    assert_eq!(lines(&catalog), [""; 0]);
    let ProviderSpec::Host(idc) = &catalog.providers.values().next().unwrap() else {
        panic!("it is a host")
    };
    assert_eq!(idc.location(), "root@192.0.2.10:22");
    assert_eq!(idc.pool().path.as_deref(), Some("/var/lib/libvirt/metrom"));
    assert_eq!(idc.network().subnet.as_deref(), Some("10.177.0.0/24"));
    assert!(idc.packages.is_none());
}

#[test]
fn everything_may_be_said() {
    let spec = format!(
        "{{ssh: {{address: idc-1.example, port: 2222, user: admin, key: {{fromFile: /etc/metrom/idc}}, \
         hostKey: {KEY}, bastion: {{address: 203.0.113.1, user: jump, hostKey: {OTHER}}}}}, \
         packages: {{install: never, sources: [deb http://mirror.example/debian trixie main]}}, \
         accelerator: emulation}}"
    );
    let repo = Repo::small().with("hosts/idc.yaml", host("idc", &spec));
    let catalog = repo.load();
    assert_eq!(lines(&catalog), [""; 0]);
    let ProviderSpec::Host(idc) = &catalog.providers.values().next().unwrap() else {
        panic!("it is a host")
    };
    let way = metrom::model::Bastion::from(idc.ssh.clone().unwrap());
    assert_eq!((way.port, way.user.as_str()), (2222, "admin"));
    assert_eq!(way.through.unwrap().address, "203.0.113.1");
    assert_eq!(idc.packages.as_ref().unwrap().install, Install::Never);
}

#[test]
fn one_way_and_no_other() {
    let found = said(&format!(
        "{{uri: 'qemu:///system', ssh: {{address: a, hostKey: {KEY}}}}}"
    ));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("`uri`") && found[0].contains("`ssh`"),
        "{found:?}"
    );
    let found = said("{accelerator: kvm}");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("`uri`") && found[0].contains("`ssh`"),
        "{found:?}"
    );
}

#[test]
fn without_its_key_a_machine_is_never_connected_to() {
    let found = said("{ssh: {address: 192.0.2.10}}");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("`spec.ssh.hostKey` is missing"),
        "{found:?}"
    );
    assert!(found[0].contains("metrom host scan"), "{found:?}");
    assert_eq!(
        said("{ssh: {address: 192.0.2.10, hostKey: 'SHA256:abc'}}").len(),
        1
    );
}

#[test]
fn two_files_for_one_machine_are_refused() {
    let two = |second: &str| {
        let first = format!("{{ssh: {{address: 192.0.2.10, hostKey: {KEY}}}}}");
        let repo = Repo::small().with("hosts/a.yaml", host("a", &first));
        lines(&repo.with("hosts/b.yaml", host("b", second)).load())
    };
    let found = two(&format!(
        "{{ssh: {{address: 192.0.2.10, hostKey: {OTHER}}}}}"
    ));
    assert_eq!(
        found,
        [
            "hosts/b.yaml:4:23: the host `a` is at this address; keep one of the two files, or look at the machine behind `a`"
        ]
    );
    let found = two(&format!(
        "{{ssh: {{address: idc-1.example, hostKey: {KEY} root@idc-1}}}}"
    ));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("the host `a` has this key"), "{found:?}");
    assert_eq!(
        two(&format!(
            "{{ssh: {{address: 192.0.2.10, port: 2222, hostKey: {OTHER}}}}}"
        )),
        [""; 0]
    );
}

#[test]
fn package_sources_of_a_host_that_is_given_no_software_are_told() {
    let found = said("{uri: 'qemu:///system', packages: {install: missing}}");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("not used"), "{found:?}");
}
