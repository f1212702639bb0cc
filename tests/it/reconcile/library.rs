//! What is remembered is what would be found out again.

use std::sync::Arc;

use metrom::manifest::{load, render};
use metrom::model::{EnvName, ProviderName, Timestamp};
use metrom::reconcile::Library;
use metrom::world::declare::{Declared, Environment};

use super::support::{commit, facts};

fn shop() -> EnvName {
    EnvName::parse("shop").unwrap()
}

fn declared() -> Declared {
    let lab = ProviderName::parse("lab").unwrap();
    let environment = Environment {
        source: Some("git://world/app".to_owned()),
        expires: Some("2027-06-01T00:00:00Z".to_owned()),
        ..Environment::on(&lab)
    };
    Declared {
        environments: [(shop(), environment)].into(),
        hosts: vec![lab],
        retain: "forever".to_owned(),
        template_version: 1,
        ..Declared::default()
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn what_cannot_have_changed_is_not_rendered_again() {
    let library = Library::default();
    let catalog = library.read(&declared().commit(0));
    let facts = facts(&catalog, &shop(), &Ok(commit('1')));
    let desired = |now| library.desired(&catalog, &shop(), at(now), facts.clone());
    let first = desired("2027-02-01T00:00:00Z");
    assert!(Arc::ptr_eq(&first, &desired("2027-03-01T00:00:00Z")));
}

#[test]
fn a_branch_that_moved_is_noticed() {
    let library = Library::default();
    let catalog = library.read(&declared().commit(0));
    let now = at("2027-02-01T00:00:00Z");
    for digit in ['1', '2', '1'] {
        let facts = facts(&catalog, &shop(), &Ok(commit(digit)));
        let desired = library.desired(&catalog, &shop(), now, facts.clone());
        assert_eq!(*desired, render(&catalog, &shop(), now, &facts));
    }
}

#[test]
fn an_end_that_has_come_is_noticed_and_so_is_a_clock_that_was_put_back() {
    let library = Library::default();
    let catalog = library.read(&declared().commit(0));
    let facts = facts(&catalog, &shop(), &Ok(commit('1')));
    let has_ended = |now| {
        let desired = library.desired(&catalog, &shop(), at(now), facts.clone());
        desired.is_expired()
    };
    assert!(!has_ended("2027-05-31T23:59:59Z"));
    assert!(has_ended("2027-06-01T00:00:00Z"));
    assert!(has_ended("2027-07-01T00:00:00Z"));
    assert!(!has_ended("2027-05-01T00:00:00Z"));
}

#[test]
fn a_revision_is_read_as_if_it_were_the_first() {
    let library = Library::default();
    let good = declared();
    let mut broken = good.clone();
    broken.environments.get_mut(&shop()).unwrap().is_broken = true;
    let mut unreadable = good.clone();
    unreadable.garbage = Some("environments/x.yaml".to_owned());
    for (number, declared) in (0..).zip([&good, &broken, &unreadable, &broken, &good]) {
        let snapshot = declared.commit(number);
        let (again, afresh) = (library.read(&snapshot), load(&snapshot));
        assert_eq!(format!("{again:?}"), format!("{afresh:?}"));
    }
}

#[test]
fn another_revision_comes_to_what_it_says() {
    let library = Library::default();
    let now = at("2027-02-01T00:00:00Z");
    let mut declared = declared();
    for (number, cpus) in (0..).zip([2, 2, 4, 2]) {
        declared.environments.get_mut(&shop()).unwrap().cpus = cpus;
        let catalog = library.read(&declared.commit(number));
        let facts = facts(&catalog, &shop(), &Ok(commit('1')));
        let desired = library.desired(&catalog, &shop(), now, facts.clone());
        assert_eq!(*desired, render(&catalog, &shop(), now, &facts));
    }
}
