//! The program itself, run on repositories of its own; not at a terminal.

mod people;
mod repository;

use std::time::{Duration, Instant};

use repository::{Output, Repository};

#[test]
fn a_good_repository_is_good() {
    let repository = Repository::good();
    let output = repository.metrom(&["check"]);
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!(
        output.stdout,
        "good: 1 environment, 1 template, 1 provider\n"
    );
}

#[test]
fn a_mistake_is_shown_with_its_line_its_reason_and_the_next_move() {
    let repository = Repository::good();
    repository.replace("environments/shop.yaml", "template: web", "tempalte: web");
    let output = repository.metrom(&["check"]);
    assert_eq!(output.code, 1);
    for expected in [
        "environments/shop.yaml:6",
        "tempalte: web",
        "template",
        "error",
    ] {
        assert!(output.stdout.contains(expected), "{expected} in {output:?}");
    }
    let json = repository.metrom(&["check", "-o", "json"]);
    assert_eq!(json.code, 1);
    let json = json.json();
    let mut all = json["diagnostics"].as_array().unwrap().iter();
    let found = all.find(|found| found["place"]["line"] == 6).unwrap();
    assert_eq!(found["place"]["path"], "environments/shop.yaml");
    assert!(found["help"].is_string(), "{found}");
}

#[test]
fn outside_of_a_repository_the_next_move_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let output = repository::metrom_in(folder.path(), &["check"]);
    assert_eq!(output.code, 1);
    assert!(
        output
            .stderr
            .starts_with("error: there is no git repository")
    );
    assert!(output.stderr.contains("METROM_REPO"));
}

#[test]
fn a_command_line_that_makes_no_sense_has_a_code_of_its_own() {
    let repository = Repository::good();
    assert_eq!(repository.metrom(&["plan", "--no-such-flag"]).code, 64);
    assert_eq!(repository.metrom(&["plan", "Not_A_Name"]).code, 64);
    let help = repository.metrom(&["--help"]);
    assert_eq!(help.code, 0);
    assert!(help.stdout.contains("Exit codes:"));
    assert!(help.stdout.contains("METROM_STATE"));
}

#[cfg(feature = "libvirt")]
#[test]
fn a_plan_has_a_line_for_each_step_and_its_exit_code_says_that_there_are_some() {
    let repository = Repository::good();
    let output = repository.metrom(&["plan"]);
    assert_eq!(output.code, 2, "{output:?}");
    assert!(output.stdout.starts_with("shop at "), "{output:?}");
    assert!(output.has_line("  + machine", "create 1 cpu, 512 MiB memory"));
    assert!(output.has_line("  + volume/data", "create 1 GiB on lab"));
    assert!(output.stdout.contains("1 environment: "));
    assert!(!output.stdout.contains('\u{1b}'), "a pipe gets no colours");
    let coloured = repository.metrom(&["plan", "--color", "always"]);
    assert!(coloured.stdout.contains('\u{1b}'));
}

#[cfg(feature = "libvirt")]
#[test]
fn a_plan_is_there_for_programs() {
    let repository = Repository::good();
    let output = repository.metrom(&["plan", "shop", "-o", "json"]);
    assert_eq!(output.code, 2);
    let plans = output.json();
    let steps = plans[0]["plan"]["steps"].as_array().unwrap();
    let machine = steps
        .iter()
        .find(|step| step["resource"] == "machine")
        .unwrap();
    assert_eq!(machine["sign"], "+");
    assert_eq!(machine["risk"], "safe");
    assert!(
        repository
            .metrom(&["plan", "-o", "yaml"])
            .stdout
            .contains("environment: shop")
    );
}

#[test]
fn a_host_that_cannot_be_reached_holds_what_is_on_it() {
    let repository = Repository::good();
    repository.replace(
        "metrom.yaml",
        "test:///default",
        "qemu+unix:///system?socket=/no/such",
    );
    repository.commit("another host");
    let output = repository.metrom(&["plan"]);
    assert_eq!(output.code, 3, "{output:?}");
    assert!(output.stdout.contains("held"), "{output:?}");
}

#[test]
fn a_broken_environment_stalls_with_the_place_of_the_mistake() {
    let repository = Repository::good();
    repository.replace("environments/shop.yaml", "template: web", "template: wbe");
    repository.commit("broken");
    let output = repository.metrom(&["plan"]);
    assert_eq!(output.code, 1, "{output:?}");
    assert!(
        output.stdout.contains("environments/shop.yaml:6:"),
        "{output:?}"
    );
}

#[cfg(feature = "libvirt")]
#[test]
fn costs_are_told_where_there_are_prices_and_nowhere_else() {
    let repository = Repository::good();
    let none = repository.metrom(&["cost"]);
    assert_eq!(none.code, 0, "{none:?}");
    assert!(none.stdout.starts_with("nothing has a price"), "{none:?}");
    assert!(!repository.metrom(&["plan"]).stdout.contains("a month"));
    assert!(!repository.metrom(&["get"]).stdout.contains("THIS MONTH"));

    let prices = "  prices: {cpuHour: 0.05 USD, memoryGibHour: 0 USD, diskGibHour: 0 USD}\n  \
                  budget: {month: 0.01 USD, over: hold}\n  accelerator: emulation\n";
    repository.replace("metrom.yaml", "  accelerator: emulation\n", prices);
    repository.commit("prices");
    let cost = repository.metrom(&["cost"]);
    assert_eq!(cost.code, 0, "{cost:?}");
    assert!(cost.has_line("shop", "0.0500 USD"), "{cost:?}");
    assert!(cost.has_line("shop", "held"), "{cost:?}");
    assert!(cost.has_line("lab", "0.01 USD"), "{cost:?}");
    for by in ["project", "provider", "month"] {
        assert_eq!(repository.metrom(&["cost", "--by", by]).code, 0, "{by}");
    }
    let json = repository.metrom(&["cost", "-o", "json"]).json();
    assert_eq!(
        json["environments"][0]["cost"]["hour"]["amounts"]["USD"],
        "0.05"
    );
    let plan = repository.metrom(&["plan"]);
    assert!(plan.stdout.contains("budget of lab"), "{plan:?}");
    assert!(plan.stderr.contains("budget of lab"), "{plan:?}");
    repository.replace("metrom.yaml", "over: hold", "over: warn");
    repository.commit("a warning is enough");
    let plan = repository.metrom(&["plan"]);
    assert!(plan.has_line("  $ a month", "nothing → "), "{plan:?}");
    assert!(repository.metrom(&["get"]).stdout.contains("THIS MONTH"));
}

#[test]
fn a_name_that_is_not_there_is_nearly_guessed() {
    let repository = Repository::good();
    let output = repository.metrom(&["plan", "shpo"]);
    assert_eq!(output.code, 1);
    assert!(output.stderr.contains("did you mean `shop`?"), "{output:?}");
}

#[test]
fn a_repository_that_is_not_there_is_named() {
    let repository = Repository::good();
    let output = repository.metrom(&["plan", "--repo", "file:///no/such/repository"]);
    assert_eq!(output.code, 1);
    assert!(output.stderr.contains("/no/such/repository"), "{output:?}");
}

#[test]
fn every_schema_is_printed_or_written() {
    let repository = Repository::good();
    let one = repository.metrom(&["schema", "environment"]).json();
    assert!(one["$schema"].is_string());
    let all = repository.metrom(&["schema"]).json();
    assert_eq!(all["environment.json"], one);
    let written = repository.metrom(&["schema", "--write", "generated"]);
    assert_eq!(written.code, 0);
    let file = repository.read("generated/environment.json");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&file).unwrap(),
        one
    );
    assert_eq!(repository.metrom(&["schema", "nothing"]).code, 1);
}

#[test]
fn a_new_environment_is_written_once_and_is_good() {
    let repository = Repository::good();
    let args = [
        "new",
        "web",
        "blog",
        "--set",
        "PORT=8081",
        "--set",
        "PASSWORD=env:BLOG",
    ];
    let output = repository.metrom(&args);
    assert_eq!(output.code, 0, "{output:?}");
    let text = repository.read("environments/blog.yaml");
    assert!(
        text.contains("name: blog") && text.contains("PORT: 8081"),
        "{text}"
    );
    assert_eq!(repository.metrom(&["check"]).code, 0);
    let again = repository.metrom(&args);
    assert_eq!(again.code, 1);
    assert!(
        again
            .stderr
            .contains("there is an environment `blog` already")
    );
}

#[test]
fn a_new_environment_takes_no_secret_and_no_wrong_value() {
    let repository = Repository::good();
    for (set, reason) in [
        ("PASSWORD=hunter2", "say `env:NAME` or `file:PATH`"),
        ("PORT=many", "no whole number"),
        ("COLOUR=red", "has no parameter `COLOUR`"),
        ("PORT", "has no `=`"),
    ] {
        let output = repository.metrom(&["new", "web", "blog", "--set", set]);
        assert_eq!(output.code, 1, "{set}");
        assert!(output.stderr.contains(reason), "{output:?}");
        assert!(!output.stderr.contains("hunter2"));
    }
    assert!(
        repository
            .metrom(&["new", "wbe", "blog"])
            .stderr
            .contains("there are: web")
    );
}

#[test]
fn completion_knows_the_commands() {
    let repository = Repository::good();
    for shell in ["bash", "zsh", "fish"] {
        let output = repository.metrom(&["completion", shell]);
        assert_eq!(output.code, 0);
        assert!(output.stdout.contains("describe"), "{shell}");
    }
}

#[test]
fn without_a_run_there_is_no_log_and_an_empty_table() {
    let repository = Repository::good();
    let logs = repository.metrom(&["logs", "shop"]);
    assert_eq!(logs.code, 1);
    assert!(logs.stderr.contains("`metrom apply shop` makes one"));
    let runs = repository.metrom(&["get", "runs"]);
    assert!(runs.stdout.starts_with("RUN"), "{runs:?}");
    assert_eq!(
        repository.metrom(&["get", "runs", "-o", "json"]).json(),
        serde_json::json!([])
    );
}

#[test]
fn a_command_for_a_shell_is_shown_where_it_belongs() {
    let repository = Repository::good();
    let output = repository.metrom(&["ssh", "shop", "--", "uname", "-a"]);
    assert_eq!(output.code, 1);
    let next = "`metrom exec shop -- uname -a`";
    assert!(output.stderr.contains(next), "{output:?}");
}

#[cfg(feature = "libvirt")]
#[test]
fn get_and_describe_tell_what_is_there() {
    let repository = Repository::good();
    let table = repository.metrom(&["get"]);
    assert_eq!(table.code, 0, "{table:?}");
    assert!(table.has_line("shop", "pending"), "{table:?}");
    let wide = repository.metrom(&["get", "environments", "-o", "wide"]);
    assert!(wide.has_line("ENVIRONMENT", "ENDPOINTS") && wide.has_line("shop", "web"));
    let hosts = repository.metrom(&["get", "providers"]);
    assert!(hosts.has_line("lab", "test:///default"), "{hosts:?}");
    let all = repository.metrom(&["inventory"]);
    assert_eq!(all.code, 0, "{all:?}");
    assert!(all.has_line("lab", "foreign"), "{all:?}");
    let stray = repository
        .metrom(&["inventory", "--stray", "-o", "json"])
        .json();
    assert_eq!(stray["objects"][0]["name"], "test", "{stray}");
    let described = repository.metrom(&["describe", "shop"]);
    assert!(
        described.has_line("declared in", "environments/shop.yaml:"),
        "{described:?}"
    );
    let json = repository
        .metrom(&["describe", "shop", "-o", "json"])
        .json();
    assert_eq!(json["status"], "pending");
    assert_eq!(json["runs"], serde_json::json!([]));
}

#[cfg(feature = "libvirt")]
#[test]
fn what_is_declared_is_not_destroyed_by_mistake() {
    let repository = Repository::good();
    let output = repository.metrom(&["destroy", "shop", "--yes"]);
    assert_eq!(output.code, 1);
    assert!(
        output
            .stderr
            .contains("`shop` is declared in environments/shop.yaml:"),
        "{output:?}"
    );
}

#[cfg(feature = "libvirt")]
#[test]
fn top_shows_every_environment_with_a_machine_or_without() {
    let repository = Repository::good();
    let table = repository.metrom(&["top", "--every", "1s"]);
    assert_eq!(table.code, 0, "{table:?}");
    assert!(table.has_line("shop", "absent"), "{table:?}");
    let json = repository.metrom(&["top", "shop", "--every", "1s", "-o", "json"]);
    let shown: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(shown[0]["environment"], "shop");
    assert_eq!(
        shown[0]["cpu"],
        serde_json::Value::Null,
        "not known, and not nothing"
    );
    let watched = repository.metrom(&["top", "--watch", "-o", "json"]);
    assert!(
        watched.stderr.contains("`--watch` is for people"),
        "{watched:?}"
    );
    let unknown = repository.metrom(&["top", "shpo"]);
    assert!(
        unknown.stderr.contains("did you mean `shop`?"),
        "{unknown:?}"
    );
}

#[test]
fn the_api_is_not_opened_to_the_world_without_a_word() {
    let repository = Repository::good();
    let output = repository.metrom(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(output.code, 1);
    assert!(
        output.stderr.contains("--without-authentication"),
        "{output:?}"
    );
}

#[cfg(feature = "libvirt")]
#[test]
fn serve_answers_says_that_it_has_no_authentication_and_stops_when_asked() {
    let repository = Repository::good();
    // Nothing is declared, so that the loop only looks.
    repository.remove("environments/shop.yaml");
    repository.commit("nothing left");
    let mut serve = repository.start(&["serve", "--listen", "127.0.0.1:0"]);
    let address = serve.line_with("has no authentication");
    let address = address["address"].as_str().unwrap().to_owned();
    assert!(repository::http_get(&address, "/healthz").ends_with("ok\n"));
    let until = Instant::now() + Duration::from_secs(60);
    while !repository::http_get(&address, "/readyz").starts_with("HTTP/1.1 200") {
        assert!(Instant::now() < until, "the source is never read");
    }
    let Output { code, stderr, .. } = serve.stop();
    assert_eq!(code, 0, "{stderr}");
}
