//! Containers observed through a forwarded socket, from a Docker API that the test serves.

use std::collections::BTreeMap;

use metrom::guest::Guests;
use metrom::model::{Health, Key, LiveFields, LiveStack, Scope};
use metrom::port::GuestObserver;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::sshd::Sshd;

fn answer(path: &str) -> Value {
    let container = |service: &str, hash: &str| {
        json!({
            "Id": service, "ImageID": "sha256:feed", "Names": [format!("/shop-{service}-1")],
            "Labels": {
                "com.docker.compose.project": "shop",
                "com.docker.compose.service": service,
                "com.docker.compose.config-hash": hash,
            },
            "Ports": [
                {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
                {"IP": "::", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
                {"PrivatePort": 443, "Type": "tcp"},
            ],
        })
    };
    // An old daemon: the client has to come down to its version.
    let path = path.split('?').next().unwrap().trim_start_matches("/v1.41");
    match path {
        "/version" => json!({"ApiVersion": "1.41", "Version": "20.10.24"}),
        "/containers/json" => json!([container("web", "h1"), container("db", "changed")]),
        "/containers/web/json" => json!({
            "Name": "/shop-web-1", "RestartCount": 2, "Config": {"Image": "nginx:1"},
            "State": {"Status": "running", "ExitCode": 0, "Health": {"Status": "unhealthy"}},
        }),
        "/containers/db/json" => json!({
            "Name": "/shop-db-1", "Config": {"Image": "postgres:16"},
            "State": {"Status": "exited", "ExitCode": 3},
        }),
        "/containers/web/stats" => stats(2_000_000_000, 60_000_000_000),
        "/containers/db/stats" => json!({"read": "2026-11-23T10:00:00Z", "id": "db"}),
        other => panic!("unexpected request: {other}"),
    }
}

fn stats(used: u64, given: u64) -> Value {
    json!({
        "read": "2026-11-23T10:00:00.5Z", "preread": "0001-01-01T00:00:00Z", "id": "web",
        "cpu_stats": {"cpu_usage": {"total_usage": used}, "system_cpu_usage": given,
            "online_cpus": 2},
        "memory_stats": {"usage": 5000, "stats": {"inactive_file": 1000}},
        "networks": {"eth0": {"rx_bytes": 7, "tx_bytes": 8}},
    })
}

async fn serve(mut stream: UnixStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await.unwrap();
        request.push(byte);
    }
    let text = String::from_utf8(request).unwrap();
    let path = text.split(' ').nth(1).unwrap();
    let body = answer(path).to_string();
    let reply = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nApi-Version: 1.41\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(reply.as_bytes()).await.unwrap();
}

/// What an apply of `web`, `db` and `job` has left behind, with one of its files changed since.
fn applied(sshd: &Sshd) {
    let state = sshd.folder().join("state");
    let stack = sshd.folder().join("srv/stack");
    std::fs::create_dir_all(state.join("stamps")).unwrap();
    std::fs::create_dir_all(&stack).unwrap();
    let stamp = json!({"owner": "acme", "env": "shop", "key": "stack", "digest": null,
        "revision": null, "created": "2026-01-01T00:00:00Z"});
    let services = BTreeMap::from([("web", "h1"), ("db", "h2"), ("job", "h3")]);
    let images = json!({"web": {"name": "nginx:1", "id": "sha256:cafe"}});
    let record = json!({"stamp": stamp, "project": "shop", "services": services, "files": {},
        "images": images});
    std::fs::write(state.join("stamps/stack.json"), record.to_string() + "\n").unwrap();
    let sum = "0".repeat(64);
    std::fs::write(state.join("stack.sha256"), format!("{sum}  site.conf\n")).unwrap();
    std::fs::write(stack.join("site.conf"), "changed by hand").unwrap();
}

async fn stack(guests: &Guests, sshd: &Sshd) -> LiveStack {
    let report = guests.observe(&sshd.target()).await;
    assert_eq!(report.gaps, []);
    match &report.live[&Key::Stack] {
        (LiveFields::Stack(stack), Some(stamp)) => {
            assert_eq!(stamp.env.as_str(), "shop");
            stack.clone()
        }
        other => panic!("no stack: {other:?}"),
    }
}

#[tokio::test]
async fn containers_are_compared_with_what_was_applied() {
    let sshd = Sshd::start();
    let listener = UnixListener::bind(sshd.docker_socket()).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    applied(&sshd);
    let stack = stack(&sshd.guests(), &sshd).await;

    assert_eq!(Vec::from_iter(&stack.missing), ["job"]);
    assert_eq!(Vec::from_iter(&stack.changed_files), ["site.conf"]);
    let [db, web] = &stack.services[..] else {
        panic!("{:?}", stack.services);
    };
    assert_eq!(
        (web.health, web.altered, web.restarts),
        (Health::Unhealthy, false, 2)
    );
    assert_eq!((&*web.container, &*web.image), ("shop-web-1", "nginx:1"));
    assert_eq!(web.ports, ["8080:80/tcp"]);
    assert_eq!(web.image_digest, "sha256:feed");
    assert_eq!(web.resolved.as_deref(), Some("sha256:cafe"));
    assert_eq!(db.resolved, None);
    assert_eq!(
        (db.state.as_str(), db.exit_code, db.altered),
        ("exited", Some(3), true)
    );
}

#[tokio::test]
async fn what_containers_have_used_is_told_as_far_as_docker_knows_it() {
    let sshd = Sshd::start();
    let listener = UnixListener::bind(sshd.docker_socket()).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    let guests = sshd.guests();
    let without_stack = guests.containers(&sshd.target()).await.unwrap();
    assert_eq!(without_stack, [], "Docker is not even asked");
    applied(&sshd);
    let found = guests.containers(&sshd.target()).await.unwrap();
    let [db, web] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!((&*web.service, &*web.container), ("web", "shop-web-1"));
    let cpu = web.counters.cpu.unwrap();
    assert_eq!((cpu.used.as_secs(), cpu.given.unwrap().as_secs()), (2, 60));
    assert_eq!(web.counters.memory, Some(4000));
    assert_eq!(
        (web.counters.received, web.counters.sent),
        (Some(7), Some(8))
    );
    assert_eq!((db.counters.cpu, db.counters.memory), (None, None));
}

#[tokio::test]
async fn a_machine_without_docker_says_so_when_it_is_measured() {
    let sshd = Sshd::start();
    applied(&sshd);
    let error = sshd.guests().containers(&sshd.target()).await.unwrap_err();
    assert!(
        error.to_string().contains("Docker does not answer"),
        "{error}"
    );
}

#[tokio::test]
async fn a_docker_that_does_not_answer_is_a_gap_and_no_missing_containers() {
    let sshd = Sshd::start();
    applied(&sshd);
    let report = sshd.guests().observe(&sshd.target()).await;
    assert_eq!(report.gaps[0].scope, Scope::Guest);
    assert!(
        report.gaps[0].reason.contains("Docker"),
        "{:?}",
        report.gaps
    );
    assert!(!report.live.contains_key(&Key::Stack));
}

#[tokio::test]
async fn a_machine_on_which_nothing_was_done_yet_is_empty_and_no_gap() {
    let sshd = Sshd::start();
    let report = sshd.guests().observe(&sshd.target()).await;
    assert!(
        report.gaps.is_empty() && report.live.is_empty(),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_machine_that_does_not_answer_is_a_gap() {
    let sshd = Sshd::start();
    let (guests, target) = (sshd.guests(), sshd.target());
    drop(sshd);
    let report = guests.observe(&target).await;
    assert!(
        report.gaps[0].reason.contains("does not answer"),
        "{:?}",
        report.gaps
    );
}
