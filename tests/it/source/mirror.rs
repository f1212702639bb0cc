//! The mirror is only a cache: whatever happens to it, the answer is the same.

use std::fs;
use std::path::{Path, PathBuf};

use metrom::port::{Source as _, SourceError};

use super::origin::{Origin, git, paths, read};

/// The one mirror in the state folder.
fn mirror(origin: &Origin) -> PathBuf {
    let entries = fs::read_dir(origin.mirrors())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .into_iter()
        .find(|path| path.extension().is_some_and(|e| e == "git"))
        .unwrap()
}

fn packs(mirror: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(mirror.join("objects/pack")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|e| e == "pack"))
        .collect()
}

fn writable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn cut_packs(mirror: &Path) {
    for pack in packs(mirror) {
        writable(&pack);
        let half = fs::metadata(&pack).unwrap().len() / 2;
        fs::File::options()
            .write(true)
            .open(&pack)
            .unwrap()
            .set_len(half)
            .unwrap();
    }
}

fn flip_a_byte(mirror: &Path) {
    for pack in packs(mirror) {
        writable(&pack);
        let mut bytes = fs::read(&pack).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        fs::write(&pack, bytes).unwrap();
    }
}

fn remove_packs(mirror: &Path) {
    fs::remove_dir_all(mirror.join("objects/pack")).unwrap();
}

fn half_initialised(mirror: &Path) {
    fs::remove_file(mirror.join("HEAD")).unwrap();
    fs::remove_dir_all(mirror.join("refs")).unwrap();
}

fn a_file_in_its_place(mirror: &Path) {
    fs::remove_dir_all(mirror).unwrap();
    fs::write(mirror, "not a repository").unwrap();
}

fn garbage_as_reference(mirror: &Path) {
    fs::write(mirror.join("refs/metrom/target"), "garbage").unwrap();
}

#[tokio::test]
async fn a_damaged_mirror_is_made_anew_whether_anything_changed_or_not() {
    let damages: [fn(&Path); 6] = [
        cut_packs,
        flip_a_byte,
        remove_packs,
        half_initialised,
        a_file_in_its_place,
        garbage_as_reference,
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        let (origin, first) = Origin::with_a_file();
        read(&origin.source()).await.unwrap();

        damage(&mirror(&origin));
        let again = origin.source().snapshot(&first).await;
        assert_eq!(
            paths(&again.unwrap()),
            ["metrom.yaml"],
            "damage {number}, known revision"
        );

        damage(&mirror(&origin));
        origin.write("second", b"2");
        origin.push();
        let next = read(&origin.source()).await;
        assert_eq!(
            paths(&next.unwrap()),
            ["metrom.yaml", "second"],
            "damage {number}, new one"
        );
    }
}

#[tokio::test]
async fn a_damaged_mirror_stays_as_it_is_while_the_repository_is_away() {
    let (origin, first) = Origin::with_a_file();
    read(&origin.source()).await.unwrap();
    cut_packs(&mirror(&origin));
    let hidden = origin.folder().join("hidden.git");
    fs::rename(origin.bare(), &hidden).unwrap();

    let error = origin.source().snapshot(&first).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreadable { .. }), "{error}");
    assert!(error.to_string().contains(first.short()), "{error}");

    fs::rename(&hidden, origin.bare()).unwrap();
    assert_eq!(
        paths(&origin.source().snapshot(&first).await.unwrap()),
        ["metrom.yaml"]
    );
}

#[tokio::test]
async fn an_old_revision_is_fetched_by_its_id_when_the_mirror_is_gone() {
    let (origin, old) = Origin::with_a_file();
    origin.write("metrom.yaml", b"rewritten");
    origin.git(&["commit", "-q", "-a", "--amend", "-m", "rewritten"]);
    origin.push();

    let snapshot = origin.source().snapshot(&old).await.unwrap();
    assert_eq!(snapshot.revision, old);
}

#[tokio::test]
async fn a_revision_that_is_nowhere_is_unreadable() {
    let (origin, _) = Origin::with_a_file();
    let nowhere = metrom::model::Revision::parse(&"1234567890".repeat(4)).unwrap();
    let error = origin.source().snapshot(&nowhere).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreadable { .. }), "{error}");
    assert!(error.to_string().contains("revision 12345678"), "{error}");
    assert!(
        read(&origin.source()).await.is_ok(),
        "the mirror did not suffer"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_processes_share_one_mirror() {
    let (origin, revision) = Origin::with_a_file();
    // Each source has its own file handles, as another process would.
    let reads = (0..8).map(|_| {
        let source = origin.source();
        tokio::spawn(async move { read(&source).await.map(|s| s.revision.clone()) })
    });
    for read in reads.collect::<Vec<_>>() {
        assert_eq!(read.await.unwrap().unwrap(), revision);
    }
}

#[tokio::test]
async fn who_waits_too_long_for_another_process_says_so() {
    let (origin, _) = Origin::with_a_file();
    read(&origin.source()).await.unwrap();
    let lock = fs::File::create(mirror(&origin).with_extension("lock")).unwrap();
    lock.lock().unwrap();
    origin.write("more", b"");
    origin.push();
    let mut config = origin.config();
    config.patience = std::time::Duration::from_millis(300);

    assert!(super::origin::source(config).head().await.is_err());
    drop(lock);
    assert!(origin.source().head().await.is_ok());
}

#[tokio::test]
async fn many_fetches_do_not_make_many_packs_and_lose_no_revision() {
    let (origin, first) = Origin::with_a_file();
    let source = origin.source();
    source.head().await.unwrap();
    // Without parents, so that nothing but the mirror holds the older ones.
    for number in 0..24 {
        let message = number.to_string();
        let tree = "main^{tree}";
        let commit = git(&origin.bare(), &["commit-tree", "-m", &message, tree]);
        git(&origin.bare(), &["update-ref", "refs/heads/main", &commit]);
        source.head().await.unwrap();
    }
    git(&origin.bare(), &["gc", "-q", "--prune=now"]);

    let packs = packs(&mirror(&origin)).len();
    assert!(packs < 20, "{packs} packs");
    assert_eq!(
        paths(&source.snapshot(&first).await.unwrap()),
        ["metrom.yaml"]
    );
}
