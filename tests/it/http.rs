//! The API over real HTTP on loopback, with a world in memory behind it.

mod support;

use metrom::model::{Timestamp, Trigger};
use metrom::reconcile::Wake;
use serde_json::{Value, json};

use support::{Bench, push, signed};

/// Every route there is, with something in place of its parameters.
const ROUTES: [(&str, &str); 16] = [
    ("get", "/api/v1/environments"),
    ("get", "/api/v1/environments/{name}"),
    ("get", "/api/v1/inventory"),
    ("get", "/api/v1/cost"),
    ("get", "/api/v1/usage"),
    ("get", "/api/v1/environments/{name}/usage"),
    ("get", "/api/v1/runs"),
    ("get", "/api/v1/runs/{id}"),
    ("get", "/api/v1/runs/{id}/log"),
    ("get", "/api/v1/plan"),
    ("post", "/api/v1/sync"),
    ("get", "/api/v1/events"),
    ("post", "/hooks/generic"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
];

#[tokio::test]
async fn the_description_lists_every_route_and_nothing_else() {
    let bench = Bench::new().await;
    let description = bench.get("/api/v1/openapi.json").await.json();
    let paths = description["paths"].as_object().unwrap();
    let listed = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().keys();
        methods.map(|method| (method.clone(), path.clone()))
    });
    let mut listed: Vec<_> = listed.collect();
    let mut expected = ROUTES.map(|(method, path)| (method.to_owned(), path.to_owned()));
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn an_environment_is_shown_as_it_is_before_and_after_its_first_apply() {
    let bench = Bench::new().await;
    let before = bench.get("/api/v1/environments/shop").await.json();
    assert_eq!(before["status"], "pending");
    assert_eq!(before["machine"], Value::Null);
    let plans = bench.get("/api/v1/plan?environment=shop").await.json();
    let steps = plans[0]["plan"]["steps"].as_array().unwrap().clone();
    assert!(steps.iter().any(|step| step["resource"] == "machine"));

    bench.apply("shop");
    let all = bench.get("/api/v1/environments").await.json();
    assert_eq!(all.as_array().unwrap().len(), 1);
    let after = &all[0];
    assert_eq!(after["status"], "healthy", "{after:#}");
    assert_eq!(after["machine"]["power"], "running");
    assert_eq!(after["template"], "web");
    assert_eq!(after["services"].as_array().unwrap().len(), 2);
    let plans = bench.get("/api/v1/plan").await.json();
    assert_eq!(plans[0]["plan"]["steps"], json!([]));
}

#[tokio::test]
async fn the_inventory_says_whose_everything_is() {
    let bench = Bench::new().await;
    bench.apply("shop");
    bench.put_volume("old", Some("acme"));
    bench.put_volume("other", Some("somebody"));
    bench.put_volume("nobody", None);
    let inventory = bench.get("/api/v1/inventory").await.json();
    assert_eq!(inventory["gaps"], json!([]));
    let objects = inventory["objects"].as_array().unwrap().iter();
    let told = objects.map(|object| {
        let text = |field: &str| object[field].as_str().unwrap_or("-").to_owned();
        ["environment", "kind", "belongs", "owner"]
            .map(text)
            .join(" ")
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            "- volume foreign -",
            "old volume orphaned acme",
            "other volume theirs somebody",
            "shop machine ours acme",
            "shop volume ours acme",
        ]
    );
}

/// One of the same size as ours, whose disks are told by themselves.
async fn what_is_foreign_costs_as_well(bench: &Bench, ours: &Value) {
    let long_ago = Timestamp::UNIX_EPOCH;
    bench.put_machine("known", Some(long_ago));
    bench.put_machine("unknown", None);
    let inventory = bench.get("/api/v1/inventory").await.json();
    let objects = inventory["objects"].as_array().unwrap();
    let find = |name: &str| {
        objects
            .iter()
            .find(|object| object["name"] == name)
            .unwrap()
    };
    let (known, unknown) = (find("known"), find("unknown"));
    assert_eq!(
        (&known["belongs"], &known["type"]),
        (&json!("foreign"), &json!("qemu"))
    );
    assert_eq!(known["created"], long_ago.to_string());
    for object in [known, unknown] {
        assert_eq!(object["cost_full_month"]["amounts"], ours["amounts"]);
    }
    // It runs on, so that the month as a whole is the month that is asked for.
    assert_eq!(known["cost_month_forecast"], known["cost_full_month"]);
    assert!(known["cost_month_to_date"]["amounts"]["USD"].is_string());
    for span in ["cost_month_to_date", "cost_month_forecast", "created"] {
        assert_eq!(unknown[span], Value::Null, "nobody knows since when");
    }
}

#[tokio::test]
async fn the_inventory_and_the_metrics_say_how_hosts_are_and_what_is_about_to_fail() {
    let bench = Bench::new().await;
    bench.fill_disk("lab");
    bench.apply("shop");
    let inventory = bench.get("/api/v1/inventory").await.json();
    let host = &inventory["hosts"][0];
    assert_eq!(host["provider"], "lab");
    assert_eq!(host["load"], 0.5);
    assert_eq!(host["pool"], json!({"size_mib": 1000, "free_mib": 40}));
    assert_eq!(host["memory_mib"], Value::Null);
    assert_eq!(host["warnings"][0]["severity"], "severe");
    let message = host["warnings"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("4 % of its disk are free"), "{message}");
    let metrics = bench.get("/metrics").await.body;
    for line in [
        "metrom_provider_up{provider=\"lab\"} 1",
        "metrom_host_pool_free_bytes{provider=\"lab\"} 41943040",
        "metrom_host_warnings{provider=\"lab\",severity=\"severe\"} 1",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn what_it_costs_is_told_with_what_has_no_price() {
    let bench = Bench::new().await;
    let plans = bench.get("/api/v1/plan").await.json();
    let change = &plans[0]["cost"];
    assert_eq!(change["before"]["amounts"], json!({}));
    let unpriced = json!(["no price for disk on lab"]);
    assert_eq!(change["after"]["unpriced"], unpriced);

    let cost = bench.get("/api/v1/cost").await.json();
    let shop = &cost["environments"][0];
    assert_eq!(shop["environment"], "shop");
    // Two cpus and a GiB of memory.
    assert_eq!(shop["cost"]["hour"]["amounts"], json!({"USD": "0.11"}));
    assert_eq!(shop["cost"]["hour"]["unpriced"], unpriced);
    assert_eq!(
        shop["cost"]["full_month"]["amounts"],
        change["after"]["amounts"]
    );
    assert_eq!(cost["providers"]["lab"], cost["total"]);
    let budget = &cost["budgets"][0];
    let told = ["of", "amount", "currency", "over"].map(|field| budget[field].as_str().unwrap());
    assert_eq!(told, ["lab", "1", "USD", "warn"]);
    assert_eq!(budget["uncounted"], unpriced);

    bench.apply("shop");
    let plans = bench.get("/api/v1/plan").await.json();
    assert_eq!(plans[0]["cost"], Value::Null, "nothing changes any more");
    let shown = bench.get("/api/v1/environments/shop").await.json();
    assert_eq!(shown["cost"]["hour"]["amounts"], json!({"USD": "0.11"}));
    let inventory = bench.get("/api/v1/inventory").await.json();
    let machine = &inventory["objects"][0];
    assert_eq!(machine["kind"], "machine");
    assert_eq!(
        machine["cost_full_month"]["amounts"],
        shown["cost"]["full_month"]["amounts"]
    );
    what_is_foreign_costs_as_well(&bench, &machine["cost_full_month"]).await;
    let metrics = bench.get("/metrics").await.body;
    assert!(
        metrics.contains("metrom_cost_full_month{currency=\"USD\"}"),
        "{metrics}"
    );
    for of in [
        "environment=\"shop\",project=\"-\",provider=\"lab\"",
        "project=\"-\"",
        "provider=\"lab\"",
    ] {
        let kind = of.split('=').next().unwrap();
        for span in [
            "month_to_date",
            "month_forecast",
            "next_month",
            "full_month",
        ] {
            let line = format!("metrom_{kind}_cost_{span}{{{of},currency=\"USD\"}} ");
            assert!(metrics.contains(&line), "{line} is not in {metrics}");
        }
    }
    assert!(
        metrics.contains("metrom_cost_unpriced_environments 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn runs_and_their_logs_are_there_to_be_read() {
    let bench = Bench::new().await;
    bench.apply("shop");
    let runs = bench
        .get("/api/v1/runs?environment=shop&limit=5")
        .await
        .json();
    let first = runs.as_array().unwrap().last().unwrap();
    assert_eq!(first["state"], "succeeded");
    assert_eq!(first["steps"][0]["outcome"], "done");
    assert!(first["started"].as_str().unwrap().ends_with('Z'));
    let id = first["id"].as_str().unwrap();
    let one = bench.get(&format!("/api/v1/runs/{id}")).await.json();
    assert_eq!(&one, first);
    assert!(
        bench
            .get(&format!("/api/v1/runs/{id}/log"))
            .await
            .json()
            .is_array()
    );
}

#[tokio::test]
async fn what_is_not_there_is_said_in_one_form() {
    let bench = Bench::new().await;
    for (path, status, code) in [
        ("/api/v1/environments/nobody", 404, "not_found"),
        ("/api/v1/environments/No_Name", 400, "bad_name"),
        ("/api/v1/runs/nothing", 404, "not_found"),
        ("/api/v1/runs/nothing/log", 404, "not_found"),
        ("/api/v1/plan?environment=nobody", 404, "not_found"),
        ("/api/v2/anything", 404, "not_found"),
        ("/api/v1/sync", 405, "method_not_allowed"),
    ] {
        let answer = bench.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        let body = answer.json();
        assert_eq!(body["code"], code, "{path}");
        assert!(!body["message"].as_str().unwrap().is_empty());
        assert!(body["details"].is_object());
    }
}

#[tokio::test]
async fn a_signed_push_to_the_repository_wakes_it() {
    let mut bench = Bench::new().await;
    let body = push("https://git.example/acme/environments.git");
    let answer = bench.hook(&body, &signed(&body)).await;
    assert_eq!(answer.status, 202);
    assert_eq!(
        answer.json(),
        json!({"repository": true, "environments": []})
    );
    assert_eq!(bench.woken(), [Wake::Repository(Trigger::Webhook)]);
}

#[tokio::test]
async fn a_signed_push_to_a_source_wakes_the_environments_that_check_it_out() {
    let mut bench = Bench::new().await;
    bench.get("/api/v1/environments").await;
    let body = push("git@git.example:acme/app.git");
    let answer = bench.hook(&body, &signed(&body)).await;
    assert_eq!(
        answer.json(),
        json!({"repository": false, "environments": ["shop"]})
    );
    let expected = Wake::Environment(support::env("shop"), Trigger::Webhook);
    assert_eq!(bench.woken(), [expected]);

    let stranger = push("https://git.example/acme/else.git");
    assert_eq!(bench.hook(&stranger, &signed(&stranger)).await.status, 202);
    assert!(bench.woken().is_empty());
}

#[tokio::test]
async fn a_forged_push_is_refused_and_has_no_effect() {
    let mut bench = Bench::new().await;
    let body = push("https://git.example/acme/environments.git");
    let other = signed(b"something else");
    for signature in ["", "sha256=", "sha256=00", "sha1=abc", &other] {
        let answer = bench.hook(&body, signature).await;
        assert_eq!(answer.status, 401, "{signature}");
        assert_eq!(answer.json()["code"], "bad_signature");
    }
    assert!(bench.woken().is_empty());
    assert!(bench.store.events(0, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_replayed_push_wakes_again_and_does_nothing_else() {
    let mut bench = Bench::new().await;
    let body = push("https://git.example/acme/environments.git");
    for _ in 0..3 {
        assert_eq!(bench.hook(&body, &signed(&body)).await.status, 202);
    }
    assert_eq!(bench.woken(), vec![Wake::Repository(Trigger::Webhook); 3]);
}

#[tokio::test]
async fn signed_garbage_is_a_bad_request_and_has_no_effect() {
    let mut bench = Bench::new().await;
    for body in [&b""[..], b"{", b"[1, 2]", b"\xff\xfe", b"<html></html>"] {
        let answer = bench.hook(body, &signed(body)).await;
        assert_eq!(answer.status, 400, "{body:?}");
        assert_eq!(answer.json()["code"], "no_repository");
    }
    assert!(bench.woken().is_empty());
}

#[tokio::test]
async fn without_a_secret_webhooks_are_off() {
    let mut bench = Bench::without_secret().await;
    let body = push("https://git.example/acme/environments.git");
    let answer = bench.hook(&body, &signed(&body)).await;
    assert_eq!(
        (answer.status, answer.json()["code"].clone()),
        (503, json!("webhooks_off"))
    );
    assert!(bench.woken().is_empty());
}

#[tokio::test]
async fn a_person_wakes_one_environment_or_all() {
    let mut bench = Bench::new().await;
    assert_eq!(bench.post("/api/v1/sync").await.status, 202);
    assert_eq!(
        bench.post("/api/v1/sync?environment=shop").await.status,
        202
    );
    let expected = [
        Wake::Repository(Trigger::Person),
        Wake::Environment(support::env("shop"), Trigger::Person),
    ];
    assert_eq!(bench.woken(), expected);
}

#[tokio::test]
async fn events_go_on_after_the_last_one_that_was_seen() {
    let bench = Bench::new().await;
    for line in ["one", "two"] {
        bench.event(line).await;
    }
    let mut stream = bench.listen(Some("1")).await;
    let second = stream.until("two").await;
    assert!(second.contains("id: 2"), "{second}");
    assert!(second.contains("event: source_fault"));
    assert!(!second.contains("one"));
    bench.event("three").await;
    assert!(stream.until("three").await.contains("id: 3"));
}

#[tokio::test]
async fn a_new_listener_hears_only_what_happens_from_now_on() {
    let bench = Bench::new().await;
    bench.event("before").await;
    let mut stream = bench.listen(None).await;
    stream.until("\r\n\r\n").await;
    bench.event("after").await;
    assert!(!stream.until("after").await.contains("before"));
}

#[tokio::test]
async fn a_listener_of_a_deleted_history_hears_all_of_the_new_one() {
    let bench = Bench::new().await;
    bench.event("one").await;
    let mut stream = bench.listen(Some("4711")).await;
    assert!(stream.until("one").await.contains("id: 1"));
}

#[tokio::test]
async fn it_is_ready_once_the_source_was_read() {
    let bench = Bench::new().await;
    assert_eq!(bench.get("/healthz").await.status, 200);
    assert_eq!(bench.get("/readyz").await.json()["code"], "not_ready");
    bench.get("/api/v1/environments").await;
    assert_eq!(bench.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn the_metrics_are_what_prometheus_reads() {
    let bench = Bench::new().await;
    let counting = tokio::spawn(bench.app.clone().count_events());
    bench.counting_has_begun().await;
    bench.apply("shop");
    let text = bench
        .metrics_with("metrom_runs_total{result=\"ok\"} ")
        .await;
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("metrom_"), "{line}");
        value.parse::<f64>().unwrap();
    }
    for expected in [
        "metrom_source_fault 0",
        "metrom_queue_length 0",
        "metrom_held_total ",
        "metrom_environments{state=\"settled\"} 1",
        "metrom_run_seconds_bucket{",
        "metrom_sync_seconds_bucket{",
        "metrom_steps_total{resource=\"machine\",result=\"ok\"} ",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    // What goes with its environment may have its name, and nothing else.
    let mut named = text.lines().filter(|line| line.contains("shop"));
    let stray = named.find(|line| !line.starts_with("metrom_environment_cost_"));
    assert_eq!(stray, None, "a name of a user is no label");
    counting.abort();
}

#[tokio::test]
async fn a_source_that_cannot_be_used_is_counted() {
    let bench = Bench::new().await;
    bench.break_source();
    bench.get("/api/v1/environments").await;
    assert!(
        bench
            .get("/metrics")
            .await
            .body
            .contains("metrom_source_fault 1")
    );
}

#[tokio::test]
async fn what_an_environment_uses_is_told_with_its_series_and_as_metrics() {
    let bench = Bench::new().await;
    bench.apply("shop");
    let nothing = bench.get("/api/v1/environments/shop/usage").await;
    assert_eq!(nothing.status, 404);
    assert!(nothing.body.contains("nothing was measured yet"));
    assert_eq!(bench.get("/api/v1/usage").await.json(), json!([]));

    bench.use_half("shop").await;
    let all = bench.get("/api/v1/usage").await.json();
    let shop = &all[0];
    assert_eq!(
        (&shop["environment"], &shop["power"]),
        (&json!("shop"), &json!("running"))
    );
    assert_eq!(
        (&shop["cpu"], &shop["memory_bytes"]),
        (&json!(0.5), &Value::Null)
    );
    let one = bench.get("/api/v1/environments/shop/usage").await.json();
    assert_eq!(&one["now"], shop);
    for resolution in ["minutes", "five_minutes", "hours"] {
        assert_eq!(one[resolution][0]["cpu"], 0.5, "{resolution}");
        assert_eq!(one[resolution][0]["measured_s"], 60);
    }
    assert_eq!(
        bench.get("/api/v1/environments/other/usage").await.status,
        404
    );
    let text = bench.get("/metrics").await.body;
    let line = "metrom_environment_cpu_ratio{environment=\"shop\",provider=\"lab\"} 0.5";
    assert!(text.lines().any(|l| l == line), "{text}");
}
