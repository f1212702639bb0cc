//! One contract for every store, and what only a file can go through.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use metrom::model::{
    Bucket, Class, EnvName, EventKind, Intent, IntentState, Key, LiveId, Outcome, Phase,
    ProviderName, Revision, Run, RunId, RunState, Sample, StepId, StepRecord, Timestamp, Token,
    Trigger, Usage,
};
use metrom::port::Store;
use metrom::store::{LOG_CUT, MemoryStore, Retention, SqliteStore};
use tempfile::TempDir;

/// Small enough that every limit is met in a test.
const LITTLE: Retention = Retention {
    runs_per_environment: 3,
    runs: 5,
    events: 4,
    log_lines_per_run: 5,
    hours: 6,
};

/// Both stores, and the folder that the file of one lies in.
async fn stores() -> (TempDir, [Arc<dyn Store>; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrom.db");
    let file = SqliteStore::open_with(&path, LITTLE).await.unwrap();
    let memory = MemoryStore::with_retention(LITTLE);
    let stores: [Arc<dyn Store>; 2] = [Arc::new(file), Arc::new(memory)];
    (folder, stores)
}

fn env(name: &str) -> EnvName {
    EnvName::parse(name).unwrap()
}

fn revision(digit: char) -> Revision {
    Revision::parse(&digit.to_string().repeat(40)).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::new(1_700_000_000 + second, 123_456_789).unwrap()
}

fn run(id: &str, of: &str) -> Run {
    let step = |id, key, line: &str| StepRecord {
        id: StepId(id),
        key,
        line: line.to_owned(),
        outcome: None,
    };
    Run {
        id: RunId(id.to_owned()),
        env: env(of),
        revision: revision('a'),
        trigger: Trigger::Webhook,
        state: RunState::Running,
        started: at(0),
        ended: None,
        steps: vec![
            step(1, Key::Volume("data".into()), "+ volume/data"),
            step(2, Key::Stack, "~ stack"),
        ],
        held: vec!["! machine 'quoted'".to_owned()],
    }
}

#[tokio::test]
async fn a_run_is_read_as_it_was_written_with_its_outcomes() {
    let (_folder, stores) = stores().await;
    for store in stores {
        let mut expected = run("r1", "shop");
        store.begin_run(&expected).await.unwrap();
        assert_eq!(store.run(&expected.id).await.unwrap().unwrap(), expected);

        let done = Outcome::Done {
            took: Duration::from_millis(1500),
            phases: vec![Phase {
                name: "boot".into(),
                took: Duration::from_secs(1),
            }],
        };
        let failed = Outcome::Failed {
            took: Duration::from_secs(2),
            class: Class::Terminal,
            chain: "compose up failed: no such image".into(),
        };
        for (step, outcome) in [(1, &done), (2, &failed)] {
            let ended = store.end_step(&expected.id, StepId(step), outcome);
            ended.await.unwrap();
        }
        let ended = store.end_run(&expected.id, RunState::Failed, at(9));
        ended.await.unwrap();

        expected.steps[0].outcome = Some(done);
        expected.steps[1].outcome = Some(failed);
        expected.state = RunState::Failed;
        expected.ended = Some(at(9));
        assert_eq!(store.run(&expected.id).await.unwrap().unwrap(), expected);
        assert_eq!(store.runs(None, 10).await.unwrap(), [expected]);
    }
}

#[tokio::test]
async fn what_was_never_begun_cannot_end() {
    let (_folder, stores) = stores().await;
    for store in stores {
        let nobody = RunId("nobody".into());
        let skipped = Outcome::Skipped { because: StepId(1) };
        let end_step = store.end_step(&nobody, StepId(1), &skipped).await;
        assert!(end_step.is_err());
        let end_run = store.end_run(&nobody, RunState::Succeeded, at(1)).await;
        assert!(end_run.is_err());
        let output = store.append_log(&nobody, StepId(1), &["x".into()]).await;
        assert!(output.is_err());
        assert_eq!(store.run(&nobody).await.unwrap(), None);
    }
}

#[tokio::test]
async fn runs_are_listed_newest_first_by_environment_and_up_to_a_limit() {
    let (_folder, stores) = stores().await;
    for store in stores {
        for (id, of) in [("r1", "a"), ("r3", "a"), ("r2", "b")] {
            store.begin_run(&run(id, of)).await.unwrap();
        }
        assert_eq!(ids(&*store, None, 10).await, ["r3", "r2", "r1"]);
        assert_eq!(ids(&*store, Some("a"), 10).await, ["r3", "r1"]);
        assert_eq!(ids(&*store, Some("a"), 1).await, ["r3"]);
        assert!(ids(&*store, Some("c"), 10).await.is_empty());
    }
}

async fn ids(store: &dyn Store, of: Option<&str>, limit: u32) -> Vec<String> {
    let of = of.map(env);
    let runs = store.runs(of.as_ref(), limit).await.unwrap();
    runs.into_iter().map(|run| run.id.0).collect()
}

#[tokio::test]
async fn a_run_left_running_is_interrupted_and_others_are_not_touched() {
    let (_folder, stores) = stores().await;
    for store in stores {
        for (id, of) in [("r1", "a"), ("r2", "a"), ("r3", "b")] {
            store.begin_run(&run(id, of)).await.unwrap();
        }
        let first = RunId("r1".into());
        let ended = store.end_run(&first, RunState::Succeeded, at(1));
        ended.await.unwrap();
        assert_eq!(store.interrupt_runs(&env("a"), at(5)).await.unwrap(), 1);
        assert_eq!(store.interrupt_runs(&env("a"), at(6)).await.unwrap(), 0);
        let runs = store.runs(None, 10).await.unwrap();
        let states: Vec<_> = runs.iter().map(|run| (run.state, run.ended)).collect();
        let expected = [
            (RunState::Running, None),
            (RunState::Interrupted, Some(at(5))),
            (RunState::Succeeded, Some(at(1))),
        ];
        assert_eq!(states, expected);
    }
}

#[tokio::test]
async fn only_so_many_runs_are_kept_and_their_logs_go_with_them() {
    let (_folder, stores) = stores().await;
    for store in stores {
        for id in ["r1", "r2", "r3", "r4"] {
            store.begin_run(&run(id, "a")).await.unwrap();
            let line = [format!("of {id}")];
            let id = RunId(id.into());
            store.append_log(&id, StepId(1), &line).await.unwrap();
        }
        assert_eq!(ids(&*store, None, 10).await, ["r4", "r3", "r2"]);
        let gone = RunId("r1".into());
        assert!(store.log(&gone, 0, 10).await.unwrap().is_empty());
        for id in ["r5", "r6", "r7"] {
            store.begin_run(&run(id, "b")).await.unwrap();
        }
        assert_eq!(ids(&*store, Some("a"), 10).await, ["r4", "r3"]);
        assert_eq!(ids(&*store, None, 10).await.len(), 5);
    }
}

#[tokio::test]
async fn a_log_is_read_from_a_position_and_ends_with_a_mark_at_its_limit() {
    let (_folder, stores) = stores().await;
    for store in stores {
        let id = RunId("r1".into());
        store.begin_run(&run("r1", "a")).await.unwrap();
        say(&*store, &id, 1, &["one", "two"]).await;
        say(&*store, &id, 2, &["three"]).await;

        let log = store.log(&id, 0, 10).await.unwrap();
        let texts: Vec<_> = log
            .iter()
            .map(|(_, step, line)| (step.0, &**line))
            .collect();
        assert_eq!(texts, [(1, "one"), (1, "two"), (2, "three")]);
        let rest = store.log(&id, log[0].0, 1).await.unwrap();
        assert_eq!(rest, log[1..2]);

        for _ in 0..2 {
            say(&*store, &id, 2, &["4", "5", "6"]).await;
        }
        let log = store.log(&id, 0, 10).await.unwrap();
        let texts: Vec<_> = log.iter().map(|(_, _, line)| &**line).collect();
        assert_eq!(texts, ["one", "two", "three", "4", LOG_CUT]);
    }
}

async fn say(store: &dyn Store, run: &RunId, step: u32, lines: &[&str]) {
    let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    store.append_log(run, StepId(step), &lines).await.unwrap();
}

#[tokio::test]
async fn an_intent_is_replaced_by_its_token_and_stays_until_dropped() {
    let (_folder, stores) = stores().await;
    for store in stores {
        let mut intent = Intent {
            token: Token("t1".into()),
            key: Key::Machine,
            provider: ProviderName::parse("lab").unwrap(),
            since: at(0),
            state: IntentState::Ambiguous,
        };
        let shop = env("shop");
        store.put_intent(&shop, &intent).await.unwrap();
        intent.state = IntentState::Confirmed {
            id: LiveId("uuid".into()),
            inventories: 2,
        };
        store.put_intent(&shop, &intent).await.unwrap();
        let other = Intent {
            token: Token("t2".into()),
            ..intent.clone()
        };
        store.put_intent(&env("other"), &other).await.unwrap();
        assert_eq!(store.intents(&shop).await.unwrap(), [intent.clone()]);
        store.drop_intent(&intent.token).await.unwrap();
        store.drop_intent(&intent.token).await.unwrap();
        assert!(store.intents(&shop).await.unwrap().is_empty());
        assert_eq!(store.intents(&env("other")).await.unwrap(), [other]);
    }
}

#[tokio::test]
async fn good_revisions_and_facts_are_the_last_ones_written() {
    let (_folder, stores) = stores().await;
    for store in stores {
        let (a, b) = (env("a"), env("b"));
        assert_eq!(store.good_revision(&a).await.unwrap(), None);
        for digit in ['1', '2'] {
            let digit = revision(digit);
            store.put_good_revision(&b, &digit).await.unwrap();
            store.put_good_revision(&a, &digit).await.unwrap();
        }
        assert_eq!(store.good_revision(&a).await.unwrap(), Some(revision('2')));
        let known = store.known_environments().await.unwrap();
        assert_eq!(known, [a.clone(), b.clone()]);
        store.forget_environment(&a).await.unwrap();
        assert_eq!(store.known_environments().await.unwrap(), [b]);

        assert_eq!(store.fact("kvm").await.unwrap(), None);
        store.put_fact("kvm", "yes").await.unwrap();
        store.put_fact("kvm", "no").await.unwrap();
        assert_eq!(store.fact("kvm").await.unwrap().as_deref(), Some("no"));
    }
}

#[tokio::test]
async fn events_are_numbered_in_order_and_only_so_many_are_kept() {
    let (_folder, stores) = stores().await;
    for store in stores {
        let shop = env("shop");
        for number in 1..=6 {
            let kind = EventKind::SourceFault {
                message: format!("line {number}"),
            };
            let of = (number % 2 == 0).then_some(&shop);
            let event = store.put_event(at(number), of, &kind).await.unwrap();
            assert_eq!(event.id, number);
        }
        let all = store.events(0, 10).await.unwrap();
        let numbers: Vec<_> = all.iter().map(|event| event.id).collect();
        assert_eq!(numbers, [3, 4, 5, 6]);
        assert_eq!((all[1].env.as_ref(), all[1].at), (Some(&shop), at(4)));
        assert_eq!(store.events(4, 1).await.unwrap(), all[2..3]);
    }
}

#[tokio::test]
async fn several_processes_may_open_and_write_one_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/metrom.db");
    let writers = (0..6).map(|writer| {
        let file = file.clone();
        tokio::spawn(async move {
            let store = SqliteStore::open(&file).await.unwrap();
            for number in 0..5 {
                let kind = EventKind::SourceFault {
                    message: format!("{writer}.{number}"),
                };
                store.put_event(at(number), None, &kind).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let store = SqliteStore::open(&file).await.unwrap();
    let numbers: Vec<_> = store.events(0, 100).await.unwrap();
    let numbers: Vec<_> = numbers.iter().map(|event| event.id).collect();
    assert_eq!(numbers, (1..=30).collect::<Vec<_>>());
}

fn hour(number: i64, cpu: f64) -> Bucket {
    let mut hour = Bucket::beginning(number * 3600);
    let sample = Sample {
        at: hour.begin(),
        over: Duration::from_secs(60),
        usage: Usage {
            cpu: Some(cpu),
            ..Usage::default()
        },
    };
    hour.add(&sample, 3600);
    hour
}

async fn hours(store: &dyn Store) -> Vec<(EnvName, Bucket)> {
    store.hours().await.unwrap()
}

#[tokio::test]
async fn hours_of_use_are_read_as_they_were_written_last() {
    let (_folder, stores) = stores().await;
    for store in stores {
        let first = [(env("shop"), hour(1, 0.1)), (env("test"), hour(1, 0.2))];
        store.put_hours(&first).await.unwrap();
        let again = (env("shop"), hour(1, 0.7));
        store.put_hours(std::slice::from_ref(&again)).await.unwrap();
        store.put_hours(&[]).await.unwrap();
        assert_eq!(hours(&*store).await, [again, first[1].clone()]);
    }
}

#[tokio::test]
async fn hours_of_use_are_bounded_in_number_and_in_age() {
    let (_folder, stores) = stores().await;
    for store in stores {
        for number in 1..=9 {
            let one = (env("shop"), hour(number, 0.5));
            store.put_hours(&[one]).await.unwrap();
        }
        let begins = |hours: Vec<(EnvName, Bucket)>| {
            let hours = hours.into_iter().map(|(_, hour)| hour.begin_s() / 3600);
            hours.collect::<Vec<_>>()
        };
        assert_eq!(begins(hours(&*store).await), [4, 5, 6, 7, 8, 9]);
        let month = 31 * 24;
        let later = (env("other"), hour(month + 6, 0.5));
        store.put_hours(&[later]).await.unwrap();
        let left = begins(hours(&*store).await);
        assert_eq!(left, [7, 8, 9, month + 6], "who is gone ages as well");
    }
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metrom.db");
    write_and_close(&file).await;
    let store = SqliteStore::open(&file).await.unwrap();
    assert_eq!(ids(&store, None, 10).await, ["r1"]);
}

#[tokio::test]
async fn deleting_the_file_at_rest_loses_history_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metrom.db");
    // One that was killed leaves its write-ahead log behind.
    let killed = SqliteStore::open(&file).await.unwrap();
    killed.begin_run(&run("r0", "shop")).await.unwrap();
    assert!(folder.path().join("metrom.db-wal").exists());
    std::fs::remove_file(&file).unwrap();

    write_and_close(&file).await;
    let store = SqliteStore::open(&file).await.unwrap();
    assert_eq!(ids(&store, None, 10).await, ["r1"]);
}

async fn write_and_close(file: &Path) {
    let store = SqliteStore::open(file).await.unwrap();
    store.begin_run(&run("r1", "shop")).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_with_the_next_move() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metrom.db");
    std::fs::write(&file, "<html>not found</html>".repeat(100)).unwrap();
    let Err(error) = SqliteStore::open(&file).await else {
        panic!("a file of HTML was taken for a database");
    };
    let message = error.to_string();
    assert!(message.contains("metrom.db: it is not a database; move it away"));
    assert!(
        std::fs::read_to_string(&file)
            .unwrap()
            .starts_with("<html>")
    );
}
