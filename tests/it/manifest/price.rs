//! Prices and budgets as they are written.

use metrom::manifest::Standing;

use super::support::{HOST, Repo, environment, lines, standing};

const CLOUD: &str = "\
apiVersion: metrom.dev/v1
kind: Cloud
metadata: {name: seoul}
spec:
  provider: aws
  region: ap-northeast-2
  network: {sshFrom: [203.0.113.0/24]}
  images: {own: {id: ami-0123456789abcdef0}}
  types:
    - {name: t3.small, cpus: 2, memory: 2GiB, price: 0.0208 USD}
    - {name: t3.large, cpus: 2, memory: 8GiB}
  prices: {volumeGibMonth: 0.0912 USD, addressHour: 0.005 USD}
  budget: {month: 300 USD, over: stop}
";

fn host(spec: &str) -> String {
    HOST.replace(
        "{uri: 'qemu:///system'}",
        &format!("{{uri: 'qemu:///system', {spec}}}"),
    )
}

fn project(spec: &str) -> String {
    format!("apiVersion: metrom.dev/v1\nkind: Project\nmetadata: {{name: shop}}\nspec: {spec}\n")
}

/// What is found in a host with these fields, which keeps its environments from being touched.
fn found_in_host(spec: &str) -> Vec<String> {
    let dev = environment("dev", "{template: web}");
    let repo = Repo::small().with("environments/dev.yaml", dev);
    let catalog = repo.with("hosts/lab.yaml", host(spec)).load();
    assert_eq!(standing(&catalog, "dev"), Standing::Broken);
    lines(&catalog)
}

#[test]
fn prices_and_budgets_are_read_with_their_currency() {
    let repo = Repo::small()
        .with("clouds/seoul.yaml", CLOUD)
        .with(
            "hosts/lab.yaml",
            host("prices: {cpuHour: 0.01 EUR, memoryGibHour: 0 EUR, diskGibHour: 0.0001 EUR}"),
        )
        .with(
            "projects/shop.yaml",
            project("{budget: {month: 100 EUR, over: hold}}"),
        );
    let catalog = repo.load();
    assert_eq!(lines(&catalog), [""; 0]);
    let budgets = catalog.budgets.iter();
    let told = budgets.map(|b| format!("{} {} {}", b.whose, b.budget.month, b.path));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            "project shop 100 EUR projects/shop.yaml",
            "seoul 300 USD clouds/seoul.yaml"
        ]
    );
}

#[test]
fn a_price_without_a_currency_is_met_with_how_to_write_it() {
    assert_eq!(
        found_in_host("prices: {cpuHour: 0.01, memoryGibHour: 1}"),
        [
            "hosts/lab.yaml:4:49: `0.01` has no currency; write it behind the number, such as `0.01 USD`",
            "hosts/lab.yaml:4:70: `1` has no currency; write it behind the number, such as `1 USD`",
        ]
    );
}

#[test]
fn what_is_less_than_nothing_is_no_price() {
    assert_eq!(
        found_in_host("prices: {cpuHour: -0.01 USD}"),
        ["hosts/lab.yaml:4:49: `-0.01 USD` is less than nothing"]
    );
    assert_eq!(
        found_in_host("prices: {cpuHour: -1}"),
        ["hosts/lab.yaml:4:49: `-1` is less than nothing"]
    );
}

#[test]
fn prices_of_one_place_are_in_one_currency() {
    assert_eq!(
        found_in_host("prices: {cpuHour: 0.01 USD, memoryGibHour: 12 KRW}"),
        ["hosts/lab.yaml:4:39: the prices here are in KRW and USD; write them all in one currency"]
    );
}

#[test]
fn a_form_of_budget_that_nobody_knows_is_refused() {
    let prices = "prices: {cpuHour: 0.01 USD}";
    assert_eq!(
        found_in_host(&format!("{prices}, budget: {{month: 10 USD, over: block}}")),
        [
            "hosts/lab.yaml:4:90: `block` is no value of `spec.budget.over`; there are `hold`, `stop`, `warn`"
        ]
    );
    assert_eq!(
        found_in_host(&format!("{prices}, budget: {{year: 10 USD, month: 1 USD}}")),
        ["hosts/lab.yaml:4:69: there is no field `year` here; there are `month`, `over`"]
    );
    assert_eq!(
        found_in_host(&format!("{prices}, budget: {{over: hold}}")),
        [
            "hosts/lab.yaml:4:68: `spec.budget.month` is missing; add `month: …` (for a calendar month)"
        ]
    );
}

#[test]
fn a_budget_in_a_currency_that_no_price_has_is_refused() {
    assert_eq!(
        found_in_host("prices: {cpuHour: 0.01 USD}, budget: {month: 10 EUR}"),
        [
            "hosts/lab.yaml:4:76: this budget is in EUR, and no price of this host is; the prices are in USD"
        ]
    );
    let repo = Repo::small()
        .with("projects/shop.yaml", project("{budget: {month: 10 EUR}}"))
        .with(
            "environments/dev.yaml",
            environment("dev", "{template: web, project: shop}"),
        );
    let catalog = repo.load();
    assert_eq!(
        lines(&catalog),
        [
            "projects/shop.yaml:4:24: this budget is in EUR, and no price of any host or cloud is; write `prices` first"
        ]
    );
    assert_eq!(standing(&catalog, "dev"), Standing::Broken);
}
