//! What should be, at an instant.

use std::collections::BTreeMap;
use std::time::Duration;

use metrom::manifest::{Catalog, Facts, references, render};
use metrom::model::{
    ComposeSource, Desired, ImageOrigin, Key, SecretRef, Spec, StackSpec, Strategy, Timestamp,
    Update, Variable,
};

use super::support::{COMPOSE, HOST, METROM, Repo, env, environment, lines, revision};

const NOON: &str = "2026-06-01T12:00:00Z";

pub fn render_at_noon(catalog: &Catalog, name: &str) -> Desired {
    render(
        catalog,
        &env(name),
        NOON.parse().unwrap(),
        &Facts::default(),
    )
}

fn keys(desired: &Desired) -> Vec<String> {
    desired.resources.keys().map(ToString::to_string).collect()
}

fn stack(desired: &Desired) -> &StackSpec {
    match &desired.resources[&Key::Stack].spec {
        Spec::Stack(stack) => stack,
        other => panic!("{other:?}"),
    }
}

fn facts(known: &[(&str, &str, char)]) -> Facts {
    let refs = known.iter().map(|(url, reference, digit)| {
        (
            ((*url).to_owned(), (*reference).to_owned()),
            Ok(revision(*digit)),
        )
    });
    Facts {
        refs: refs.collect(),
        ..Facts::default()
    }
}

/// A repository in which everything that can be said is said.
fn full() -> Repo {
    let settings = METROM.replace(
        "{}",
        "
  defaults:
    placement: lab
    machine: {image: debian-13, cpus: 3, memory: 3GiB, disk: 30GiB}
    update: {machine: phoenix, every: 4w}
  access: {user: team, authorizedKeys: [ssh-ed25519 AAAAone alice]}
  registries:
    mirrors: ['http://10.77.0.1:5000']
    insecure: ['10.77.0.1:5000']
    logins: [{server: r.example.org, username: bot, password: {fromEnv: REGISTRY_PASSWORD}}]
  policies: {retain: nothing, concurrency: 2}
  poll: 30s",
    );
    let project = "\
apiVersion: metrom.dev/v1
kind: Project
metadata: {name: shop}
spec:
  owners: [alice]
  sources:
    - {name: app, url: 'https://git.example.org/app.git'}
    - {name: shared-lib, url: 'git@git.example.org:lib.git', ref: v2}
";
    let spec = "
  project: shop
  template: web
  machine: {cpus: 5}
  sources: [{name: app, url: 'https://git.example.org/fork.git', ref: topic/x}]
  access: {authorizedKeys: [ssh-ed25519 AAAAtwo bob]}
  update: {stack: in-place, every: 1w}
  expires: 2026-12-24T18:00:00+09:00";
    Repo::small()
        .with("metrom.yaml", settings)
        .with("hosts/other.yaml", HOST.replace("lab", "other"))
        .with(
            "templates/web/template.yaml",
            super::support::TEMPLATE.replace("{}", "{machine: {cpus: 4, memory: 4GiB}}"),
        )
        .with("projects/shop/project.yaml", project)
        .with("environments/dev.yaml", environment("dev", spec))
}

#[test]
fn an_environment_is_a_chain_of_resources() {
    let catalog = full().load();
    assert_eq!(lines(&catalog), [""; 0]);
    let desired = render_at_noon(&catalog, "dev");
    assert_eq!(
        keys(&desired),
        [
            "image",
            "volume/data",
            "machine",
            "guest",
            "checkout/app",
            "checkout/shared-lib",
            "stack"
        ]
    );
    let needs = |key: Key| {
        desired.resources[&key]
            .needs
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(needs(Key::Machine), ["image", "volume/data"]);
    assert_eq!(needs(Key::Guest), ["machine"]);
    assert_eq!(needs(Key::Checkout("app".into())), ["guest"]);
    assert_eq!(
        needs(Key::Stack),
        ["guest", "checkout/app", "checkout/shared-lib"]
    );
    assert_eq!(
        (desired.owner.as_str(), desired.provider.unwrap().as_str()),
        ("acme", "lab")
    );
}

#[test]
fn values_come_from_the_environment_then_the_template_then_the_repository_then_metrom() {
    let desired = render_at_noon(&full().load(), "dev");
    let Spec::Machine(machine) = &desired.resources[&Key::Machine].spec else {
        panic!()
    };
    assert_eq!(machine.cpus, 5, "environment");
    assert_eq!(machine.memory_mib, 4096, "template");
    assert_eq!(machine.disk_mib, 30 * 1024, "repository");
    let Spec::Volume(volume) = &desired.resources[&Key::Volume("data".into())].spec else {
        panic!()
    };
    assert_eq!(volume.size_mib, 4 * 1024, "built in");
    assert!(
        matches!(&machine.image.origin, ImageOrigin::Build(recipe) if recipe.suite == "trixie")
    );
}

#[test]
fn an_environment_and_its_repository_say_together_how_it_is_updated() {
    let desired = render_at_noon(&full().load(), "dev");
    let expected = Update {
        machine: Strategy::Phoenix,
        stack: Strategy::InPlace,
        every: Some(Duration::from_secs(7 * 24 * 60 * 60)),
        within: None,
    };
    assert_eq!(desired.update, expected);
}

#[test]
fn the_guest_has_the_people_and_registries_of_repository_and_environment() {
    let desired = render_at_noon(&full().load(), "dev");
    let Spec::Guest(guest) = &desired.resources[&Key::Guest].spec else {
        panic!()
    };
    assert_eq!(guest.user, "team");
    assert_eq!(guest.authorized_keys.len(), 2);
    assert_eq!(guest.registries.mirrors, ["http://10.77.0.1:5000"]);
    assert_eq!(
        guest.registries.logins[0].password,
        SecretRef::Env("REGISTRY_PASSWORD".into())
    );
}

#[test]
fn sources_of_the_project_are_checked_out_unless_the_environment_has_its_own() {
    let catalog = full().load();
    let wanted = references(&catalog, &env("dev"));
    let pairs = [
        ("git@git.example.org:lib.git", "v2"),
        ("https://git.example.org/fork.git", "topic/x"),
    ];
    assert_eq!(
        wanted,
        pairs.map(|(url, reference)| (url.to_owned(), reference.to_owned()))
    );

    let known = facts(&[(pairs[0].0, pairs[0].1, 'b'), (pairs[1].0, pairs[1].1, 'c')]);
    let desired = render(&catalog, &env("dev"), NOON.parse().unwrap(), &known);
    assert_eq!(desired.unresolved, BTreeMap::new());
    let Spec::Checkout(app) = &desired.resources[&Key::Checkout("app".into())].spec else {
        panic!()
    };
    assert_eq!(
        (app.url.as_str(), app.revision.clone()),
        (pairs[1].0, Some(revision('c')))
    );
    let stack = stack(&desired);
    assert_eq!(stack.sources["shared-lib"], Some(revision('b')));
    let path = Variable::Plain("/srv/metrom/src/shared-lib".into());
    assert_eq!(stack.variables["METROM_SOURCE_SHARED_LIB"], path);
}

#[test]
fn a_reference_that_cannot_be_resolved_holds_its_checkout_and_the_stack() {
    let catalog = full().load();
    let mut known = facts(&[("git@git.example.org:lib.git", "v2", 'b')]);
    let fork = (
        "https://git.example.org/fork.git".to_owned(),
        "topic/x".to_owned(),
    );
    known.refs.insert(fork, Err("cannot reach it".into()));
    let desired = render(&catalog, &env("dev"), NOON.parse().unwrap(), &known);
    assert_eq!(
        desired
            .unresolved
            .iter()
            .map(|(k, v)| format!("{k}: {v}"))
            .collect::<Vec<_>>(),
        [
            "checkout/app: cannot reach it",
            "stack: checkout/app is not known: cannot reach it"
        ]
    );
}

#[test]
fn time_is_an_input() {
    let catalog = full().load();
    let end: Timestamp = "2026-12-24T09:00:00Z".parse().unwrap();
    let before = render_at_noon(&catalog, "dev");
    assert_eq!((before.until, before.is_expired()), (Some(end), false));
    let after = render(&catalog, &env("dev"), end, &Facts::default());
    assert_eq!(
        (after.until, after.is_expired(), after.provider.is_none()),
        (None, true, true)
    );
    assert_eq!(keys(&after), [""; 0]);
}

#[test]
fn a_compose_file_of_the_repository_brings_the_files_beside_it() {
    let catalog = Repo::small()
        .with("projects/shop/project.yaml", "apiVersion: metrom.dev/v1\nkind: Project\nmetadata: {name: shop}\nspec: {}\n")
        .with("projects/shop/docker-compose.yml", "services: {a: {image: b}, later: {image: c, profiles: [x]}}")
        .with("projects/shop/conf/nginx.conf", "listen 80;")
        .with("projects/shop/.env", "A=1")
        .with("environments/dev.yaml", environment("dev", "{project: shop, compose: {file: projects/shop/docker-compose.yml}, parameters: {GREETING: hi, N: 3}}"))
        .load();
    assert_eq!(lines(&catalog), [""; 0]);
    let desired = render_at_noon(&catalog, "dev");
    let stack = stack(&desired);
    assert_eq!(
        stack.compose,
        ComposeSource::Files {
            file: "docker-compose.yml".into()
        }
    );
    assert_eq!(
        stack.files.keys().collect::<Vec<_>>(),
        ["conf/nginx.conf", "docker-compose.yml"]
    );
    assert_eq!(stack.services.iter().collect::<Vec<_>>(), ["a"]);
    assert_eq!(stack.variables["GREETING"], Variable::Plain("hi".into()));
    assert_eq!(stack.variables["N"], Variable::Plain("3".into()));
}

#[test]
fn a_compose_file_of_a_source_is_read_on_the_machine() {
    let spec = "{sources: [{name: app, url: 'https://x/app.git'}], compose: {source: app, file: deploy/compose.yaml}}";
    let catalog = Repo::small()
        .with("environments/dev.yaml", environment("dev", spec))
        .load();
    assert_eq!(lines(&catalog), [""; 0]);
    let desired = render_at_noon(&catalog, "dev");
    let checkout = ComposeSource::Checkout {
        name: "app".into(),
        file: "deploy/compose.yaml".into(),
    };
    assert_eq!(stack(&desired).compose, checkout);
    assert!(stack(&desired).files.is_empty() && stack(&desired).services.is_empty());
}

#[test]
fn the_same_declaration_has_the_same_digests_and_a_changed_file_another() {
    let digest = |repo: Repo| {
        render_at_noon(&repo.load(), "dev").resources[&Key::Stack]
            .digest
            .clone()
    };
    let repo = Repo::small().with(
        "environments/dev.yaml",
        environment("dev", "{template: web}"),
    );
    let before = digest(repo.clone());
    assert_eq!(digest(repo.clone().with("README.md", "new")), before);
    assert_ne!(
        digest(repo.with(
            "templates/web/docker-compose.yml",
            format!("{COMPOSE}# new\n")
        )),
        before
    );
}

#[test]
fn policies_are_those_of_the_repository_and_keep_data_forever_while_they_cannot_be_read() {
    use metrom::manifest::schema::Retain;
    let policies = full().load().policies();
    assert_eq!(
        (policies.retain, policies.concurrency),
        (Retain::Nothing, 2)
    );
    assert_eq!(Repo::empty().load().policies().retain, Retain::Forever);
}

#[test]
fn a_thousand_environments_load_and_render() {
    let mut repo = full();
    for i in 0..1000 {
        let text = environment(
            &format!("e{i}"),
            "{project: shop, template: web, placement: lab}",
        );
        repo = repo.with(&format!("environments/team-{}/e{i}.yaml", i % 20), text);
    }
    let snapshot = repo.snapshot();
    let started = std::time::Instant::now();
    let catalog = metrom::manifest::load(&snapshot);
    let loaded = started.elapsed();
    let resources: usize = catalog
        .names()
        .map(|name| render_at_noon(&catalog, name.as_str()).resources.len())
        .sum();
    println!("load {loaded:?}, load and render {:?}", started.elapsed());
    assert_eq!((resources, lines(&catalog).len()), (1001 * 7, 0));
}
