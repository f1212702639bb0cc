//! References between documents, and to files.

use metrom::manifest::Standing;

use super::support::{COMPOSE, HOST, IMAGE, Repo, environment, lines, standing};

fn findings_of(spec: &str) -> Vec<String> {
    Repo::small()
        .with("environments/dev.yaml", environment("dev", spec))
        .findings()
}

#[test]
fn a_reference_to_nothing_is_named_with_what_was_meant() {
    assert_eq!(
        findings_of("{project: shop, template: web, placement: labb, machine: {image: debian-12}}"),
        [
            "environments/dev.yaml:4:17: project `shop` is not defined",
            "environments/dev.yaml:4:49: no host or cloud is called `labb`; did you mean `lab`?",
            "environments/dev.yaml:4:72: image `debian-12` is not defined; did you mean `debian-13`?",
        ]
    );
    assert_eq!(
        findings_of(
            "{compose: {source: ap, file: c.yaml}, sources: [{name: app, url: 'https://x/a'}]}"
        ),
        ["environments/dev.yaml:4:26: source `ap` is not defined; did you mean `app`?"]
    );
    assert_eq!(
        findings_of("{compose: {source: app, file: c.yaml}}"),
        [
            "environments/dev.yaml:4:26: source `app` is not defined; add it to `sources`, here or in the project"
        ]
    );
}

#[test]
fn a_host_or_an_image_must_be_named_only_when_there_are_several() {
    let repo = Repo::small()
        .with("hosts/two.yaml", HOST.replace("lab", "two"))
        .with("images/two.yaml", IMAGE.replace("debian-13", "two"))
        .with(
            "environments/dev.yaml",
            environment("dev", "{template: web}"),
        );
    assert_eq!(
        repo.findings(),
        [
            "environments/dev.yaml:4:7: no host or cloud is named for this environment; write `placement: lab`, or set `defaults.placement` in `metrom.yaml`",
            "environments/dev.yaml:4:7: no image is named for the machine of this environment; write `image: debian-13` in `machine`, here or in the defaults of `metrom.yaml`",
        ]
    );
}

#[test]
fn a_broken_host_stalls_those_on_it_and_says_so_once() {
    let catalog = Repo::small()
        .with(
            "hosts/bad.yaml",
            HOST.replace("lab", "bad").replace("uri", "url"),
        )
        .with(
            "environments/a.yaml",
            environment("a", "{template: web, placement: bad}"),
        )
        .with(
            "environments/b.yaml",
            environment("b", "{template: web, placement: lab}"),
        )
        .load();
    assert_eq!(
        lines(&catalog),
        [
            "hosts/bad.yaml:4:7: `spec` needs `uri` or `ssh`",
            "hosts/bad.yaml:4:8: there is no field `url` here; did you mean `uri`?",
        ]
    );
    assert_eq!(standing(&catalog, "a"), Standing::Broken);
    assert_eq!(standing(&catalog, "b"), Standing::Good);
    assert!(catalog.is_complete());
}

#[test]
fn a_compose_file_must_be_there_and_have_a_folder_of_its_own() {
    let repo = |spec: &str| {
        Repo::small()
            .with("compose.yaml", COMPOSE)
            .with("projects/p/docker-compose.yml", COMPOSE)
            .with("environments/dev.yaml", environment("dev", spec))
            .findings()
    };
    assert_eq!(
        repo("{compose: {file: projects/p/docker-compose.yaml}}"),
        [
            "environments/dev.yaml:4:24: there is no file `projects/p/docker-compose.yaml` in this repository; did you mean `docker-compose.yml`?"
        ]
    );
    assert_eq!(
        repo("{compose: {file: compose.yaml}}"),
        [
            "environments/dev.yaml:4:24: `compose.yaml` lies at the root, where everything would belong to the stack; move it into a folder of its own, such as `projects/<name>/`"
        ]
    );
    assert_eq!(
        repo("{compose: {file: ../x.yaml}}"),
        [
            "environments/dev.yaml:4:24: `../x.yaml` is not a path inside the repository; write it without `.`, `..` and a leading `/`"
        ]
    );
}

#[test]
fn contradictions_are_named() {
    assert_eq!(
        findings_of("{template: web, compose: {file: a/b.yaml}}"),
        [
            "environments/dev.yaml:4:23: `spec` can have only `template` or `compose`; remove all but one of them"
        ]
    );
    let image = IMAGE.replace("{build: {suite: trixie}}", "{url: 'https://x/i.qcow2'}");
    assert_eq!(
        Repo::small().with("images/debian.yaml", image).findings(),
        [
            "images/debian.yaml:4:7: `spec.sha256` is missing, which belongs to `url`; add `sha256: …` (the SHA-256 of the file at `url`)"
        ]
    );
}

#[test]
fn a_disk_must_have_room_for_its_image() {
    assert_eq!(
        findings_of("{template: web, machine: {disk: 2GiB}}"),
        [
            "environments/dev.yaml:4:39: a disk of 2 GiB is smaller than the image `debian-13`, which needs 3 GiB; write `disk: 3GiB` or more"
        ]
    );
}

#[test]
fn networks_and_pools_are_checked() {
    let spec = "{uri: system, pool: {name: a b, path: pool/}, network: {name: n, subnet: 10.77.0.1/24, forward: bridge}}";
    let host = HOST.replace("{uri: 'qemu:///system'}", spec);
    assert_eq!(
        Repo::small().with("hosts/lab.yaml", host).findings(),
        [
            "hosts/lab.yaml:4:13: `system` is not a libvirt connection; write `qemu:///system` for this machine",
            "hosts/lab.yaml:4:34: `a b` cannot be the name of a pool or a network; use letters, digits, `-`, `_` and `.`",
            "hosts/lab.yaml:4:45: `pool/` is not an absolute path; begin it with `/`, and leave out `.`, `..` and `/` at the end",
            "hosts/lab.yaml:4:80: `10.77.0.1/24` is an address within a subnet; did you mean `10.77.0.0/24`?",
            "hosts/lab.yaml:4:103: `bridge` is no value of `spec.network.forward`; there are `nat`, `none`",
        ]
    );
}
