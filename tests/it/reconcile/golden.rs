//! Golden cases: `tests/cases/<a sentence>/{repo/, before/, live.yaml, plan.txt}`.
//!
//! `repo/` lies over `tests/cases/base/` and is what is declared; `before/`, where there is one,
//! likewise, and is what the live state was made from. `live.yaml` says how the live state differs
//! from that. `plan.txt` is the plan as people see it; `METROM_BLESS=1` writes it anew.

use std::path::{Path, PathBuf};

use metrom::manifest::schema::ProviderSpec;
use metrom::manifest::{Facts, Standing, load};
use metrom::model::{
    Desired, EnvName, Inventory, Memos, Part, Plan, ProviderName, Timestamp, Token,
};
use metrom::port::GuestReport;
use metrom::reconcile::observe::{add_guest, add_guest_gap, assemble};
use metrom::reconcile::{Attempt, Inventories, Prune, allow, keeper, plan};

use super::live::{Live, Start, edit, intent};
use super::support::{agreement, commit, desired, facts, snapshot};

fn cases() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn created() -> Timestamp {
    "2026-11-01T08:00:00Z".parse().unwrap()
}

#[test]
fn every_golden_case_has_its_plan() {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(cases())
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    folders.retain(|folder| folder.join("live.yaml").exists());
    folders.sort();
    assert!(
        folders.len() >= 20,
        "only {} cases were found",
        folders.len()
    );
    let wrong: Vec<String> = folders
        .iter()
        .filter_map(|folder| compare(folder))
        .collect();
    assert!(
        wrong.is_empty(),
        "{}\nMETROM_BLESS=1 takes them over",
        wrong.join("\n")
    );
}

#[test]
fn one_environment_has_the_same_plan_on_a_host_and_in_a_cloud() {
    let steps = |case: &str, place: &str| {
        let plan = plan_of(&cases().join(case));
        assert_eq!(plan.held, []);
        let shown = plan.steps.iter().map(ToString::to_string);
        let shown = shown.map(|step| step.replace(place, "there"));
        shown.collect::<Vec<_>>()
    };
    let on_host = steps("nothing_is_there_and_everything_is_made_in_order", "on lab");
    let in_cloud = steps(
        "the_same_environment_in_a_cloud_needs_no_image_brought",
        "on seoul",
    );
    // What each is prepared with is its own, and an image is brought to a host alone.
    for (step, part) in on_host[..3]
        .iter()
        .zip(["pool", "network", "provide debian-13"])
    {
        assert!(step.contains(part), "{step}");
    }
    assert!(in_cloud[0].contains("security group"), "{in_cloud:?}");
    assert_eq!(on_host[3..], in_cloud[1..]);
}

fn compare(folder: &Path) -> Option<String> {
    let path = folder.join("plan.txt");
    let plan = plan_of(folder).to_string();
    if std::env::var_os("METROM_BLESS").is_some() {
        std::fs::write(&path, &plan).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let name = folder.file_name().unwrap().to_str().unwrap();
    (plan != expected).then(|| format!("{name}:\nexpected\n{expected}but the plan is\n{plan}"))
}

fn plan_of(folder: &Path) -> Plan {
    let text = std::fs::read_to_string(folder.join("live.yaml")).unwrap();
    let live: Live = serde_yaml::from_str(&text).unwrap_or_else(|error| {
        panic!("{}: {error}", folder.display());
    });
    let env = EnvName::parse(&live.env).unwrap();
    let now = live
        .now
        .unwrap_or_else(|| "2026-11-22T12:00:00Z".parse().unwrap());
    let base = cases().join("base");
    let catalog = load(&snapshot(&[&base, &folder.join("repo")]));

    let (inventory, guest) = state(&live, folder, &env);
    let head = if live.pushed {
        commit('b')
    } else {
        commit('a')
    };
    let answer = live.unresolved.clone().map_or(Ok(head), Err);
    let wanted = match catalog.standing(&env) {
        Standing::Good => desired(&catalog, &env, now, &facts(&catalog, &env, &answer)),
        Standing::Absent => {
            let owner = catalog.owner().unwrap().clone();
            Desired::undeclared(owner, env.clone(), catalog.revision.clone())
        }
        Standing::Broken => panic!("{}: {:?}", folder.display(), catalog.diagnostics),
    };
    let provider = inventory.provider.clone();
    let observed = observed(&wanted, inventory, guest);
    let since = now;
    let intents: Vec<_> = live
        .intents
        .iter()
        .map(|b| intent(b, &provider, since))
        .collect();
    let prune = live
        .unsure
        .clone()
        .map_or(Prune::Allowed, |reason| Prune::Held { reason });
    let memos = Memos::default();
    let policy = match catalog.rules(&env) {
        Some(rules) => allow::declared(&catalog, &rules, &memos, wanted.is_expired(), now),
        None => allow::undeclared(&catalog, &memos, prune, now),
    };
    let attempt = Attempt {
        token: Token("attempt".to_owned()),
        at: now,
    };
    plan(&wanted, &observed, &intents, &policy, &attempt)
}

/// The live state that a case begins with.
fn state(live: &Live, folder: &Path, env: &EnvName) -> (Inventory, GuestReport) {
    let base = cases().join("base");
    let from = match live.start {
        Start::Before => folder.join("before"),
        Start::Agreement | Start::Nothing => folder.join("repo"),
    };
    let catalog = load(&snapshot(&[&base, &from]));
    let resolved: Facts = facts(&catalog, env, &Ok(commit('a')));
    let made = desired(&catalog, env, created(), &resolved);
    let (mut inventory, mut guest) = agreement(&made, created());
    if matches!(live.start, Start::Nothing) {
        inventory.objects.clear();
        inventory.images.clear();
        inventory.missing = match &catalog.providers[&inventory.provider] {
            ProviderSpec::Host(_) => [
                Part::Pool("metrom".to_owned()),
                Part::Network("metrom".to_owned()),
            ]
            .into(),
            ProviderSpec::Cloud(_) => [Part::SecurityGroup("metrom-seoul".to_owned())].into(),
        };
        guest.live.clear();
    }
    for change in &live.edits {
        edit(change, &mut inventory, &mut guest);
    }
    (inventory, guest)
}

fn observed(wanted: &Desired, inventory: Inventory, guest: GuestReport) -> metrom::model::Observed {
    let target: Option<&ProviderName> = wanted.provider.as_ref();
    // Where it is to be, there is nothing yet, unless the case says so.
    let elsewhere = target.filter(|target| **target != inventory.provider);
    let empty = elsewhere.map(|target| Inventory {
        gaps: Vec::new(),
        ..Inventory::unreachable(target.clone(), String::new())
    });
    let inventories = Inventories::new([inventory].into_iter().chain(empty).collect());
    let mut observed = assemble(&inventories, &wanted.owner, &wanted.env, target);
    let machine = keeper::machine(wanted, &observed);
    match machine
        .and_then(|live| live.fields.as_machine())
        .map(|machine| machine.power)
    {
        None => {}
        Some(metrom::model::Power::Running) => {
            add_guest(&mut observed, guest, &wanted.owner, &wanted.env);
        }
        Some(power) => add_guest_gap(&mut observed, format!("the machine is {power}")),
    }
    observed
}
