//! Prices and budgets beyond their shape: what could never be compared is refused.

use std::collections::BTreeSet;

use super::super::finding::Findings;
use super::super::load::{Declared, Tables};
use super::super::schema::{Budget, CloudSpec, HostSpec, ProviderSpec};
use super::super::yaml::Fault;
use super::place::Place;
use crate::model::Currency;

/// Says what is wrong with price lists and budgets.
pub(super) fn look_at_money(tables: &Tables, findings: &mut Findings) {
    let mut known = BTreeSet::new();
    for host in tables.hosts.values() {
        let Some(spec) = &host.spec else { continue };
        let own = host_currencies(spec);
        refuse_mixture(host, &own, findings);
        refuse_foreign(host, spec.budget.as_ref(), &own, "this host", findings);
        known.extend(own);
    }
    for cloud in tables.clouds.values() {
        let Some(spec) = &cloud.spec else { continue };
        let own = cloud_currencies(spec);
        refuse_mixture(cloud, &own, findings);
        refuse_foreign(cloud, spec.budget.as_ref(), &own, "this cloud", findings);
        known.extend(own);
    }
    for project in tables.projects.values() {
        let budget = project.spec.as_ref().and_then(|spec| spec.budget.as_ref());
        refuse_foreign(project, budget, &known, "any host or cloud", findings);
    }
}

impl ProviderSpec {
    /// The currencies of its price list: one, if it has any price and is sound.
    #[must_use]
    pub fn currencies(&self) -> BTreeSet<Currency> {
        match self {
            Self::Host(host) => host_currencies(host),
            Self::Cloud(cloud) => cloud_currencies(cloud),
        }
    }
}

/// The currencies of a place's price list.
pub(super) fn currencies(place: &Place<'_>) -> BTreeSet<Currency> {
    let of_host = place.host.and_then(|host| host.spec.as_ref());
    let of_cloud = place.cloud.and_then(|cloud| cloud.spec.as_ref());
    match (of_host, of_cloud) {
        (Some(host), _) => host_currencies(host),
        (None, Some(cloud)) => cloud_currencies(cloud),
        (None, None) => BTreeSet::new(),
    }
}

fn host_currencies(host: &HostSpec) -> BTreeSet<Currency> {
    let prices = host.prices.iter();
    let prices = prices.flat_map(|p| [p.cpu_hour, p.memory_gib_hour, p.disk_gib_hour]);
    prices.flatten().map(|price| price.currency).collect()
}

fn cloud_currencies(cloud: &CloudSpec) -> BTreeSet<Currency> {
    let of_types = cloud.types.iter().map(|kind| kind.price);
    let prices = cloud.prices.iter();
    let prices = prices.flat_map(|p| [p.volume_gib_month, p.address_hour]);
    let all = of_types.chain(prices).flatten();
    all.map(|price| price.currency).collect()
}

pub(super) fn listed(currencies: &BTreeSet<Currency>) -> String {
    let words: Vec<&str> = currencies.iter().map(Currency::as_str).collect();
    words.join(" and ")
}

/// One machine is never paid in two currencies.
fn refuse_mixture<S>(
    document: &Declared<S>,
    currencies: &BTreeSet<Currency>,
    findings: &mut Findings,
) {
    if currencies.len() < 2 {
        return;
    }
    let fault = Fault {
        mark: document.node.nearest(&["spec", "prices"]).mark,
        code: "mixed-currencies",
        message: format!("the prices here are in {}", listed(currencies)),
        help: Some("write them all in one currency".to_owned()),
    };
    findings.error(&document.path, document.unit, fault);
}

/// A budget to which nothing could ever count.
fn refuse_foreign<S>(
    document: &Declared<S>,
    budget: Option<&Budget>,
    currencies: &BTreeSet<Currency>,
    whose: &str,
    findings: &mut Findings,
) {
    let Some(budget) = budget.filter(|b| !currencies.contains(&b.month.currency)) else {
        return;
    };
    let currency = budget.month.currency;
    let help = match currencies.is_empty() {
        true => "write `prices` first".to_owned(),
        false => format!("the prices are in {}", listed(currencies)),
    };
    let fault = Fault {
        mark: document.node.nearest(&["spec", "budget", "month"]).mark,
        code: "uncounted-budget",
        message: format!("this budget is in {currency}, and no price of {whose} is"),
        help: Some(help),
    };
    findings.error(&document.path, document.unit, fault);
}
