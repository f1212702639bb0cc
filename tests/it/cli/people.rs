//! What people say beside git, and what they ask about the past.

#[cfg(feature = "libvirt")]
use metrom::model::Memo;

use super::repository::Repository;

#[cfg(feature = "libvirt")]
#[test]
fn a_suspended_environment_is_shown_as_that_and_nothing_of_it_is_planned() {
    let repository = Repository::good();
    let suspended = repository.metrom(&["suspend", "shop", "--reason", "a demo"]);
    assert_eq!(suspended.code, 0, "{suspended:?}");
    assert!(suspended.stdout.contains("until `metrom resume shop`"));
    let plan = repository.metrom(&["plan", "shop"]);
    assert_eq!(plan.code, 3, "only held: {plan:?}");
    assert!(
        plan.stdout.contains("(a demo); `metrom resume` ends that"),
        "{plan:?}"
    );
    let described = repository.metrom(&["describe", "shop"]);
    assert!(described.has_line("suspended", "(a demo)"), "{described:?}");
    assert!(
        described.stdout.contains("suspend: a demo"),
        "it is on the record: {described:?}"
    );
}

#[cfg(feature = "libvirt")]
#[test]
fn asleep_by_a_wish_it_is_not_made_and_resumed_it_still_sleeps() {
    let repository = Repository::good();
    let slept = repository.metrom(&["sleep", "shop", "--for", "5h"]);
    assert_eq!(slept.code, 0, "{slept:?}");
    let table = repository.metrom(&["get"]);
    assert!(table.has_line("shop", "asleep"), "{table:?}");
    assert_eq!(repository.metrom(&["plan"]).code, 0);
    assert_eq!(
        repository.metrom(&["resume", "shop"]).code,
        1,
        "it is not suspended"
    );
    repository.metrom(&["suspend", "shop"]);
    let resumed = repository.metrom(&["resume", "shop"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
}

#[cfg(feature = "libvirt")]
#[test]
fn who_wakes_what_a_spent_budget_keeps_asleep_is_told_why_and_what_to_do() {
    let repository = Repository::good();
    let money = "uri: test:///default\n  prices: {cpuHour: 9 EUR, memoryGibHour: 0 EUR, \
                 diskGibHour: 0 EUR}\n  budget: {month: 0 EUR, over: stop}";
    repository.replace("metrom.yaml", "uri: test:///default", money);
    repository.commit("no money");
    assert_eq!(repository.metrom(&["plan"]).code, 3, "it is held");
    repository.remember("shop", &Memo::Born("2020-01-01T00:00:00Z".parse().unwrap()));
    let woken = repository.metrom(&["wake", "shop"]);
    let words = "warning: shop: budget of lab: 0.00 EUR are spent, and it sleeps until ";
    assert!(woken.stderr.contains(words), "{woken:?}");
    let words = "raise `budget` in metrom.yaml, or write `protect: true`";
    assert!(woken.stderr.contains(words), "{woken:?}");
    let described = repository.metrom(&["describe", "shop"]);
    assert!(described.has_line("asleep", words), "{described:?}");
    let slept = repository.metrom(&["sleep", "shop"]);
    assert!(!slept.stderr.contains("warning"), "{slept:?}");
}

#[cfg(feature = "libvirt")]
#[test]
fn what_nobody_waits_for_cannot_be_agreed_to() {
    let repository = Repository::good();
    for (args, words) in [
        (
            &["approve", "shop", "0123456789ab"][..],
            "no plan of shop waits",
        ),
        (
            &["approve", "shop"],
            "`metrom plan shop` shows its fingerprint",
        ),
        (
            &["approve", "--deletions", "0123456789ab"],
            "no deletions wait",
        ),
        (&["trash", "purge", "shop"], "no data of `shop` is kept"),
        (&["wake", "shpo"], "did you mean `shop`?"),
    ] {
        let output = repository.metrom(args);
        assert_eq!(output.code, 1, "{output:?}");
        assert!(output.stderr.contains(words), "{output:?}");
    }
    assert_eq!(repository.metrom(&["wake", "shop", "--for", "0s"]).code, 64);
    let trash = repository.metrom(&["trash", "list"]);
    assert_eq!(
        (trash.code, trash.stdout.as_str()),
        (0, "nothing is kept\n")
    );
}

#[test]
fn the_difference_between_revisions_is_told_by_environment_and_field() {
    let repository = Repository::good();
    repository.replace(
        "environments/shop.yaml",
        "template: web",
        "template: web\n  machine: {memory: 2GiB}\n  lifetime: 14d",
    );
    let blog = repository
        .read("environments/shop.yaml")
        .replace("name: shop", "name: blog");
    repository.write("environments/blog.yaml", &blog);
    repository.commit("second");
    let told = repository.metrom(&["diff", "HEAD~1..HEAD"]);
    assert_eq!(told.code, 2, "{told:?}");
    assert!(told.stdout.contains("blog is new"), "{told:?}");
    assert!(
        told.has_line("~ machine", "memory_mib 512 → 2048"),
        "{told:?}"
    );
    assert!(
        told.has_line("~ machine", "lifetime nothing → 2w"),
        "{told:?}"
    );
    let back = repository.metrom(&["diff", "HEAD..HEAD~1", "blog"]);
    assert!(
        back.stdout.contains("blog is gone") && !back.stdout.contains("shop"),
        "{back:?}"
    );
    let same = repository.metrom(&["diff", "HEAD..HEAD"]);
    assert_eq!(
        (same.code, same.stdout.as_str()),
        (0, "no environment differs\n")
    );
    let none = repository.metrom(&["diff", "nonsense..HEAD"]);
    assert_eq!(none.code, 1);
    assert!(
        none.stderr.contains("there is no revision `nonsense`"),
        "{none:?}"
    );
    let json = repository.metrom(&["diff", "HEAD~1", "-o", "json"]).json();
    assert_eq!(json[0]["env"], "blog");
    assert_eq!(json[0]["what"], "added");
}

#[test]
fn without_a_run_the_history_says_so() {
    let repository = Repository::good();
    let history = repository.metrom(&["history", "shop"]);
    assert_eq!(
        (history.code, history.stdout.as_str()),
        (0, "nothing was done to shop yet\n")
    );
}

#[cfg(feature = "libvirt")]
#[test]
fn what_cannot_be_seen_is_not_called_gone() {
    let repository = Repository::good();
    let destroy = ["destroy", "shop", "--declared", "--yes"];
    let output = repository.metrom(&destroy);
    assert_eq!(output.code, 0, "nothing was there: {output:?}");
    repository.replace("metrom.yaml", "test:///default", "test:///nowhere");
    repository.commit("a host that is out of reach");
    let output = repository.metrom(&destroy);
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.contains("shop may not be gone"), "{output:?}");
    assert!(!output.stdout.contains("shop: gone"), "{output:?}");
}
