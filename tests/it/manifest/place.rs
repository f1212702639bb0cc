//! Several places for one environment, and places that do not take every one.

use metrom::manifest::{Catalog, What, differences};
use metrom::model::{Elsewhere, Timestamp};

use super::render::render_at_noon;
use super::support::{HOST, Repo, environment, lines};

/// A repository with two hosts, `lab` and `idc`, and this environment.
fn with(environment_spec: &str) -> Repo {
    Repo::small()
        .with("hosts/idc.yaml", HOST.replace("lab", "idc"))
        .with(
            "environments/dev.yaml",
            environment("dev", environment_spec),
        )
}

fn places(catalog: &Catalog) -> Vec<&str> {
    let places = catalog.places(&"dev".parse().unwrap()).unwrap();
    let names = places
        .machines
        .iter()
        .map(|machine| machine.provider.as_str());
    names.collect()
}

#[test]
fn a_list_names_places_in_their_order() {
    for placement in [
        "[idc, lab]",
        "{among: [idc, lab]}",
        "{among: [idc, lab], prefer: price}",
    ] {
        let catalog = with(&format!("{{template: web, placement: {placement}}}")).load();
        assert_eq!(lines(&catalog), [""; 0]);
        assert_eq!(places(&catalog), ["idc", "lab"]);
        let desired = render_at_noon(&catalog, "dev");
        assert_eq!(desired.provider.unwrap().as_str(), "idc");
    }
}

#[test]
fn a_place_with_a_state_is_where_it_runs_and_the_others_are_known() {
    let catalog = with(
        "{template: web, placement: [{name: lab, state: stopped}, {name: idc, state: running}]}",
    )
    .load();
    assert_eq!(lines(&catalog), [""; 0]);
    let desired = render_at_noon(&catalog, "dev");
    assert_eq!(desired.provider.unwrap().as_str(), "idc");
    let elsewhere: Vec<_> = desired.elsewhere.iter().collect();
    assert_eq!(elsewhere, [(&"lab".parse().unwrap(), &Elsewhere::Stopped)]);
    assert!(desired.waking.is_awake && !desired.has_own_data);
}

#[test]
fn what_is_wrong_with_places_is_named_where_it_is() {
    let findings =
        |placement: &str| with(&format!("{{template: web, placement: {placement}}}")).findings();
    assert_eq!(
        findings("[lab, idk]"),
        ["environments/dev.yaml:4:40: no host or cloud is called `idk`; did you mean `idc`?"]
    );
    assert_eq!(
        findings("[lab, idc, lab]"),
        ["environments/dev.yaml:4:45: `lab` is there twice; remove one of them"]
    );
    assert_eq!(
        findings("[]"),
        ["environments/dev.yaml:4:34: `spec.placement` must not be empty"]
    );
    assert_eq!(
        findings("[lab, {name: idc, state: running}]"),
        [
            "environments/dev.yaml:4:34: some places have a `state` and some have none; write one for each place, or for none"
        ]
    );
    assert_eq!(
        findings("[{name: lab, state: running}, {name: idc, state: running}]"),
        [
            "environments/dev.yaml:4:34: it is to run on `lab` and on `idc`; an environment has one machine: write `state: stopped` or `state: absent` for all places but one"
        ]
    );
    assert_eq!(
        findings("[{name: lab, state: absent}, {name: idc, state: stopped}]"),
        [
            "environments/dev.yaml:4:34: it is to run nowhere, and is not to be kept at its home either; write `state: stopped` for `lab`, or remove the environment"
        ]
    );
    assert_eq!(
        findings("[{name: lab, state: runing}]"),
        [
            "environments/dev.yaml:4:54: `runing` is no value of `spec.placement[0].state`; did you mean `running`?"
        ]
    );
    assert_eq!(
        findings("{among: [lab], prefer: cost}"),
        [
            "environments/dev.yaml:4:57: `cost` is no value of `spec.placement.prefer`; there are `order`, `price`"
        ]
    );
}

#[test]
fn prices_that_cannot_be_compared_are_a_warning() {
    let priced = |host: &str, currency: &str| {
        let prices = format!("prices: {{cpuHour: 0.01 {currency}}}");
        host.replace("'}", &format!("', {prices}}}"))
    };
    let with = |currency: &str, placement: &str| {
        let repo = Repo::small()
            .with("hosts/lab.yaml", priced(HOST, "EUR"))
            .with(
                "hosts/idc.yaml",
                priced(&HOST.replace("lab", "idc"), currency),
            );
        let spec = format!("{{template: web, placement: {placement}}}");
        repo.with("environments/dev.yaml", environment("dev", &spec))
    };
    let by_price = "{among: [idc, lab], prefer: price}";
    let catalog = with("USD", by_price).load();
    assert_eq!(
        lines(&catalog),
        [
            "environments/dev.yaml:4:62: prices in EUR and USD cannot be compared; the first place with room is taken; write the prices of these places in one currency"
        ]
    );
    assert!(!catalog.has_errors());
    assert_eq!(places(&catalog), ["idc", "lab"]);
    assert_eq!(lines(&with("EUR", by_price).load()), [""; 0]);
    assert_eq!(lines(&with("USD", "[idc, lab]").load()), [""; 0]);
}

#[test]
fn a_place_takes_only_what_it_is_for() {
    let only = |only: &str| {
        let host = HOST.replace("lab", "idc");
        host.replace("'}", &format!("', only: {only}}}"))
    };
    let with = |only_of_idc: &str, spec: &str| {
        let repo = Repo::small().with("hosts/idc.yaml", only(only_of_idc));
        repo.with("environments/dev.yaml", environment("dev", spec))
    };
    assert_eq!(
        with("{purposes: [qa]}", "{template: web, placement: idc}").findings(),
        [
            "environments/dev.yaml:4:34: `idc` takes only environments for the purpose qa; name another place, or change its `only`"
        ]
    );
    let other = with("{purposes: [qa]}", "{template: web, placement: [idc, lab]}").load();
    assert_eq!(lines(&other), [""; 0]);
    assert_eq!(places(&other), ["lab"]);
    let meant = with(
        "{purposes: [qa]}",
        "{template: web, purpose: qa, placement: [idc, lab]}",
    );
    assert_eq!(places(&meant.load()), ["idc", "lab"]);
    let nowhere = with("{projects: [shop]}", "{template: web, placement: [idc]}");
    assert_eq!(
        nowhere.findings(),
        [
            "environments/dev.yaml:4:35: `idc` takes only environments of the project shop; name another place, or change its `only`"
        ]
    );
}

/// What `metrom diff` tells of another placement.
fn difference(before: &str, after: &str) -> Vec<String> {
    let of = |placement: &str| with(&format!("{{template: web, placement: {placement}}}")).load();
    let found = differences(&of(before), &of(after), Timestamp::UNIX_EPOCH);
    let Some(What::Changed(fields)) = found.first().map(|found| &found.what) else {
        assert_eq!(found, []);
        return Vec::new();
    };
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let told = fields.iter().map(|field| {
        let (from, to) = (text(&field.from), text(&field.to));
        format!("{} {}: {from} > {to}", field.key, field.field)
    });
    told.collect()
}

#[test]
fn another_list_of_places_is_a_difference() {
    assert_eq!(
        difference("lab", "[lab, idc]"),
        ["machine placement: lab > lab, idc"]
    );
    assert_eq!(
        difference("[lab, idc]", "{among: [lab, idc], prefer: price}"),
        ["machine placement: lab, idc > lab, idc (by price)"]
    );
    assert_eq!(
        difference("[lab, idc]", "[idc, lab]"),
        [
            "volume/data provider: lab > idc",
            "machine placement: lab, idc > idc, lab",
            "machine provider: lab > idc",
        ]
    );
    let up = "[{name: lab, state: stopped}, {name: idc, state: running, data: own}]";
    assert_eq!(
        difference(
            "[{name: lab, state: running}, {name: idc, state: absent}]",
            up
        ),
        [
            "volume/data provider: lab > idc",
            "machine placement: lab running, idc absent > idc running, lab stopped (data of its own)",
            "machine provider: lab > idc",
        ]
    );
    // One place says all by itself.
    assert_eq!(
        difference("lab", "idc"),
        [
            "volume/data provider: lab > idc",
            "machine provider: lab > idc"
        ]
    );
    assert_eq!(difference("[lab]", "{among: [lab]}"), [""; 0]);
}
