//! What a sound repository comes to, and how every kind of mistake is met.

use metrom::manifest::Standing;
use metrom::model::Severity;

use super::support::{Repo, environment, lines, standing};

/// The findings of a small repository with one environment of that spec.
fn findings_of(spec: &str) -> Vec<String> {
    Repo::small()
        .with("environments/dev.yaml", environment("dev", spec))
        .findings()
}

#[test]
fn a_small_repository_is_sound() {
    let catalog = Repo::small()
        .with(
            "environments/dev.yaml",
            environment("dev", "{template: web}"),
        )
        .load();
    assert_eq!(lines(&catalog), [""; 0]);
    assert!(catalog.is_complete());
    assert_eq!(catalog.owner().unwrap().as_str(), "acme");
    assert_eq!(standing(&catalog, "dev"), Standing::Good);
    assert_eq!(standing(&catalog, "other"), Standing::Absent);
}

#[test]
fn the_folder_means_nothing_and_a_file_may_hold_many_documents() {
    let all = [
        super::support::METROM,
        super::support::HOST,
        super::support::IMAGE,
    ]
    .join("---\n");
    let dev = environment("dev", "{compose: {file: deep/er/compose.yaml}}");
    let catalog = Repo::empty()
        .with("somewhere/else.yml", all + "---\n" + &dev)
        .with("deep/er/compose.yaml", super::support::COMPOSE)
        .load();
    assert_eq!(lines(&catalog), [""; 0]);
    assert_eq!(standing(&catalog, "dev"), Standing::Good);
}

#[test]
fn yaml_of_others_is_none_of_our_business() {
    let repo = Repo::small()
        .with(
            "k8s/deployment.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n",
        )
        .with("charts/values.yaml", "{{ not yaml at all")
        .with(
            "projects/shop/docker-compose.yml",
            "services: {a: {image: b}}\n",
        )
        .with("environments/notes.yaml", "# taken out for now\n");
    assert_eq!(repo.findings(), [""; 0]);
}

#[test]
fn every_mistake_of_a_document_is_said_at_once_with_its_place() {
    let text = "\
apiVersion: metrom.dev/v1
kind: Environment
metadata:
  name: dev
spec:
  templat: web
  machine:
    cpus: many
    memory: 2GB
    disk: 0GiB
  sources:
    - name: App
      url: htps://x/app.git
    - url: https://x/app.git
      ref: -x
  expires: tomorrow
";
    assert_eq!(
        Repo::small().with("environments/dev.yaml", text).findings(),
        [
            "environments/dev.yaml:6:3: `spec` needs `template` or `compose`",
            "environments/dev.yaml:6:3: there is no field `templat` here; did you mean `template`?",
            "environments/dev.yaml:8:11: `spec.machine.cpus` must be a whole number, not a text",
            "environments/dev.yaml:9:13: `2GB` is not a size; did you mean `2GiB`?",
            "environments/dev.yaml:10:11: `0GiB` must be more than nothing",
            "environments/dev.yaml:12:13: `App` must not contain `A`; use a to z, 0 to 9 and `-`",
            "environments/dev.yaml:13:12: `htps://x/app.git` is not the URL of a git repository; write `https://host/path.git`, `ssh://user@host/path.git` or `user@host:path.git`",
            "environments/dev.yaml:14:7: `spec.sources[1].name` is missing; add `name: …` (what the checkout is called; compose finds its path in `METROM_SOURCE_<NAME>`)",
            "environments/dev.yaml:15:12: `-x` cannot be a branch, a tag or a commit; write the name as `git branch` shows it, or a full commit id",
            "environments/dev.yaml:16:12: `tomorrow` is not an instant; write date, time and zone, such as `2026-12-24T18:00:00Z` or `2026-12-24T18:00:00+09:00`",
        ]
    );
}

#[test]
fn a_diagnostic_carries_the_offending_line() {
    let catalog = Repo::small()
        .with(
            "environments/dev.yaml",
            environment("dev", "{template: wbe}"),
        )
        .load();
    let [found] = catalog.diagnostics.as_slice() else {
        panic!("{:?}", catalog.diagnostics)
    };
    assert_eq!(found.place.text, "spec: {template: wbe}");
    assert_eq!((found.place.line, found.place.column), (4, 18));
    assert_eq!(
        (found.code, found.severity),
        ("unknown-template", Severity::Error)
    );
}

#[test]
fn places_are_right_in_later_documents_behind_anchors_and_in_flow_style() {
    let text = "\
apiVersion: metrom.dev/v1
kind: Project
metadata: {name: shop}
spec:
  sources:
    - &app {name: app, url: https://x/app.git}
    - {<<: *app, name: 'b-'}
---
apiVersion: metrom.dev/v1
kind: Environment
metadata: {name: dev}
spec: {template: web, machine: &m {cpus: 0, ünknown: 1}, sources: []}
---
apiVersion: metrom.dev/v1
kind: Environment
metadata: {name: two}
spec:
  template: web
  machine: *nothing
";
    assert_eq!(
        Repo::small().with("environments/all.yaml", text).findings(),
        [
            "environments/all.yaml:7:24: `b-` must not end with `-`",
            "environments/all.yaml:12:42: `spec.machine.cpus` is 0, which is out of range; take one from 1 to 512",
            "environments/all.yaml:12:45: there is no field `ünknown` here; there are `cpus`, `data`, `disk`, `image`, `market`, `memory`",
            "environments/all.yaml:19:12: `*nothing` is not the alias of anything above it; mark the value that you mean with `&nothing`",
        ]
    );
}

#[test]
fn a_value_behind_an_alias_is_found_where_it_is_used() {
    let text = "\
apiVersion: metrom.dev/v1
kind: Environment
metadata: {name: &name dev}
spec:
  template: web
  machine:
    memory: *name
";
    assert_eq!(
        Repo::small().with("environments/dev.yaml", text).findings(),
        [
            "environments/dev.yaml:7:13: `dev` is not a size; write a whole number and MiB, GiB or TiB, such as `2GiB`"
        ]
    );
}

#[test]
fn anchors_and_merge_keys_work() {
    let text = "\
apiVersion: metrom.dev/v1
kind: Environment
metadata: {name: one}
spec:
  template: web
  machine: &big {cpus: 4, memory: 4GiB}
  sources:
    - &app {name: app, url: https://x/app.git}
    - <<: [*app]
      name: other
";
    let catalog = Repo::small().with("environments/one.yaml", text).load();
    assert_eq!(lines(&catalog), [""; 0]);
    let sources = &catalog.environments[&super::support::env("one")]
        .spec
        .sources;
    assert_eq!(
        (sources[1].name.as_str(), sources[1].url.as_str()),
        ("other", "https://x/app.git")
    );
}

#[test]
fn a_key_that_is_there_twice_is_an_error() {
    assert_eq!(
        findings_of("\n  template: web\n  machine: {cpus: 1, cpus: 2}\n  template: other"),
        [
            "environments/dev.yaml:6:22: `cpus` is there twice; the first is in line 6; keep one of them",
            "environments/dev.yaml:7:3: `template` is there twice; the first is in line 5; keep one of them",
        ]
    );
}

#[test]
fn a_field_without_a_value_and_a_text_that_looks_like_a_number_are_met_with_the_next_move() {
    assert_eq!(
        findings_of("{template: ~}"),
        ["environments/dev.yaml:4:18: `spec.template` has no value; write one, or remove the line"]
    );
    let template = super::support::TEMPLATE.replace("spec: {}", "spec: {version: 1.10}");
    assert_eq!(
        Repo::small()
            .with("templates/web/template.yaml", template)
            .findings(),
        [
            "templates/web/template.yaml:4:17: `spec.version` must be a text, not a number; quote it: \"1.10\""
        ]
    );
}

#[test]
fn an_unknown_kind_or_version_makes_the_catalog_incomplete() {
    let catalog = Repo::small()
        .with(
            "environments/a.yaml",
            environment("a", "{}").replace("Environment", "Enviroment"),
        )
        .with(
            "environments/b.yaml",
            environment("b", "{}").replace("/v1", "/v2"),
        )
        .with(
            "environments/c.yaml",
            environment("Not A Name", "{template: web}"),
        )
        .with(
            "environments/d.yaml",
            "kind: Environment\nmetadata: {name: d}\n",
        )
        .load();
    assert_eq!(
        lines(&catalog),
        [
            "environments/a.yaml:2:7: there is no kind `Enviroment`; did you mean `Environment`?",
            "environments/b.yaml:1:13: `apiVersion` is `metrom.dev/v2`, which this Metrom does not read; write `metrom.dev/v1`",
            "environments/c.yaml:3:18: `Not A Name` must not contain `N`; use a to z, 0 to 9 and `-`",
            "environments/d.yaml:1:1: `apiVersion` is missing; begin it with `apiVersion: metrom.dev/v1`",
        ]
    );
    assert!(!catalog.is_complete());
}
