//! The tolerant reader of compose files, on what people ordinarily write.

use metrom::manifest::compose::{Outline, Port, read};

fn outline(text: &str) -> Outline {
    read(text).unwrap_or_else(|fault| panic!("{fault:?}\n{text}"))
}

fn ports(text: &str) -> Vec<(Option<String>, String)> {
    let file = format!("services: {{a: {{image: b, ports: [{text}]}}}}");
    let ports = outline(&file).services["a"].ports.clone();
    ports
        .into_iter()
        .map(|Port { published, target }| (published, target))
        .collect()
}

#[test]
fn short_and_long_forms_of_ports() {
    let table: [(&str, Option<&str>, &str); 11] = [
        ("80", None, "80"),
        ("'8080:80'", Some("8080"), "80"),
        ("'127.0.0.1:8080:80/tcp'", Some("8080"), "80"),
        ("'[::1]:8080:80'", Some("8080"), "80"),
        ("'127.0.0.1::80'", None, "80"),
        ("'3000-3005:3000-3005'", Some("3000-3005"), "3000-3005"),
        ("'${PORT:-8080}:80'", Some("${PORT:-8080}"), "80"),
        (
            "'${HOST:-0.0.0.0}:${PORT:?set it}:80/udp'",
            Some("${PORT:?set it}"),
            "80",
        ),
        ("{target: 80, published: 8080}", Some("8080"), "80"),
        (
            "{target: 80, published: '8080-8090', mode: host}",
            Some("8080-8090"),
            "80",
        ),
        ("{target: 80}", None, "80"),
    ];
    for (written, published, target) in table {
        assert_eq!(
            ports(written),
            [(published.map(str::to_owned), target.to_owned())],
            "{written}"
        );
    }
}

#[test]
fn anchors_merge_keys_extensions_and_variables() {
    let found = outline(
        "
x-common: &common
  restart: unless-stopped
  environment: &env {A: '1'}
  healthcheck: {test: [CMD, 'true']}
name: ${NAME:-shop}
services:
  web:
    <<: *common
    image: ${REGISTRY:-docker.io}/nginx:${TAG-latest}
    environment:
      <<: *env
      B: ${B:?must be set}
  worker:
    <<: [*common, {build: {context: ./worker, dockerfile: Dockerfile}}]
    deploy: {replicas: 2}
    healthcheck: {disable: true}
  odd: {build: .}
  empty:
volumes:
  data:
  cache: {driver: local}
networks: {default: {}}
",
    );
    let names: Vec<_> = found.services.keys().collect();
    assert_eq!(names, ["empty", "odd", "web", "worker"]);
    assert_eq!(
        found.services["web"].image.as_deref(),
        Some("${REGISTRY:-docker.io}/nginx:${TAG-latest}")
    );
    assert!(found.services["web"].has_healthcheck);
    assert!(!found.services["worker"].has_healthcheck);
    assert_eq!(found.services["worker"].build.as_deref(), Some("./worker"));
    assert_eq!(found.services["odd"].build.as_deref(), Some("."));
    assert_eq!(found.volumes.iter().collect::<Vec<_>>(), ["cache", "data"]);
}

#[test]
fn named_volumes_are_told_from_paths_and_anonymous_ones() {
    let found = outline(
        "
services:
  db:
    image: postgres:16
    volumes:
      - data:/var/lib/postgresql/data
      - ./init:/docker-entrypoint-initdb.d:ro
      - /etc/localtime:/etc/localtime
      - ~/x:/x
      - ${DIR:-./d}:/d
      - /anonymous
      - {type: volume, source: logs, target: /logs}
      - {type: bind, source: ./c, target: /c}
      - {type: tmpfs, target: /t}
",
    );
    assert_eq!(
        found.services["db"].volumes.iter().collect::<Vec<_>>(),
        ["data", "logs"]
    );
}

#[test]
fn services_of_a_profile_are_not_started() {
    let found = outline(
        "services: {a: {image: x}, b: {image: y, profiles: [debug]}, c: {image: z, profiles: []}}",
    );
    assert_eq!(found.started().collect::<Vec<_>>(), ["a", "c"]);
}

#[test]
fn what_is_unknown_odd_or_elsewhere_is_no_obstacle() {
    for text in [
        "",
        "# nothing",
        "version: '3'",
        "services:",
        "services: []",
        "services: {a: 5}",
        "services: {a: {ports: 80, volumes: x, healthcheck: no, build: [], image: {}}}",
        "services: {a: {image: !override x, ports: !reset []}}",
        "include: [other.yaml]",
        "services: {a: {extends: {file: b.yaml, service: c}}}",
        "services: {a: {image: b}}\n---\nservices: {c: {image: d}}",
        "services: {a: {labels: {x.y/z: 'a=b'}, command: [\"sh\", \"-c\", \"echo $$HOME\"]}}",
        "services: {a: {image: b, environment: [A=1, B], ports: [80, '443:443', {target: 1}]}}",
        "services:\n  a:\n    image: b\n    command: |\n      one\n      two\n    entrypoint: >-\n      three\n",
        "configs: {c: {content: \"x\"}}\nsecrets: {s: {environment: X}}\nmodels: {}\nservices: {a: {image: b, develop: {watch: []}}}",
    ] {
        assert!(read(text).is_ok(), "{text}");
    }
    let two = outline("services: {a: {image: b}}\n---\nservices: {c: {image: d}}");
    assert_eq!(two.services.len(), 2);
}

#[test]
fn what_compose_refuses_is_refused() {
    let fault = read("services:\n  a: {image: b}\n  a: {image: c}\n").unwrap_err();
    assert_eq!((fault.mark.line, fault.code), (3, "duplicate-key"));
    assert_eq!(read("services: {a: [}").unwrap_err().code, "bad-yaml");
}
