//! How fast 10,000 files come out of a bare pack; expected under 0.2 s.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use metrom::port::Source as _;
use metrom::secrets::LocalSecrets;
use metrom::source::{GitConfig, GitSource};

mod repository;

const FILES: usize = 10_000;

fn files() -> Vec<(String, String)> {
    let file = |number: usize| {
        let folder = number / 100;
        let path = format!("environments/team-{folder}/env-{number}.yaml");
        let text = format!(
            "apiVersion: metrom.dev/v1\nkind: Environment\nmetadata:\n  name: env-{number}\nspec:\n  \
             project: shop\n  template: node-postgres\n  parameters:\n    number: {number}\n"
        );
        (path, text)
    };
    (0..FILES).map(file).collect()
}

fn snapshot(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let bare = folder.path().join("origin.git");
    repository::make(&bare, &files());
    let config = GitConfig::new(bare.display().to_string(), folder.path().join("mirrors"));
    let fresh =
        || GitSource::new(config.clone(), Arc::new(LocalSecrets)).expect("a path is a good URL");
    let head = runtime
        .block_on(fresh().head())
        .expect("the repository has a commit");

    let mut group = criterion.benchmark_group("source");
    group.sample_size(20);
    group.bench_function("snapshot of 10,000 files", |bencher| {
        bencher.iter(|| {
            let snapshot = runtime
                .block_on(fresh().snapshot(&head))
                .expect("the mirror has it");
            assert_eq!(black_box(snapshot).entries.len(), FILES);
        });
    });
    group.bench_function("poll without a change", |bencher| {
        bencher.iter(|| runtime.block_on(fresh().head()).expect("it is still there"));
    });
    group.finish();
}

criterion_group!(benches, snapshot);
criterion_main!(benches);
