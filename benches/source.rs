//! How fast 10,000 files come out of a bare pack; expected under 0.2 s.

use std::sync::Arc;

use divan::{Bencher, black_box};
use metrom::model::Revision;
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

/// A bare repository of that many files beside an empty folder of mirrors.
struct Bed {
    runtime: tokio::runtime::Runtime,
    config: GitConfig,
    _folder: tempfile::TempDir,
}

impl Bed {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let bare = folder.path().join("origin.git");
        repository::make(&bare, &files());
        Self {
            runtime: tokio::runtime::Runtime::new().expect("threads can be started"),
            config: GitConfig::new(bare.display().to_string(), folder.path().join("mirrors")),
            _folder: folder,
        }
    }

    fn source(&self) -> GitSource {
        GitSource::new(self.config.clone(), Arc::new(LocalSecrets)).expect("a path is a good URL")
    }

    fn head(&self) -> Revision {
        let head = self.runtime.block_on(self.source().head());
        head.expect("the repository has a commit")
    }
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn snapshot_of_10_000_files(bencher: Bencher) {
    let bed = Bed::new();
    let head = bed.head();
    bencher.bench_local(|| {
        let snapshot = bed.runtime.block_on(bed.source().snapshot(&head));
        let snapshot = black_box(snapshot).expect("the mirror has it");
        assert_eq!(snapshot.entries.len(), FILES);
    });
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn poll_without_a_change(bencher: Bencher) {
    let bed = Bed::new();
    bed.head();
    bencher.bench_local(|| black_box(bed.head()));
}

fn main() {
    divan::main();
}
