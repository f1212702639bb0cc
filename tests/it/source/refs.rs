//! Where branches and tags of other repositories stand.

use metrom::port::{Refs as _, SourceError};
use metrom::source::TickRefs;

use super::http::Server;
use super::origin::{Origin, git, source};

#[tokio::test]
async fn branches_tags_and_commits_stand_for_commits_without_a_download() {
    let (origin, first) = Origin::with_a_file();
    origin.git(&["tag", "light"]);
    origin.git(&["tag", "-a", "v1.0", "-m", "one"]);
    origin.git(&["push", "-q", "--tags", "origin"]);
    origin.write("second", b"2");
    let second = origin.push();
    let url = origin.bare().display().to_string();
    let refs = origin.source();

    for (reference, expected) in [
        ("main", &second),
        ("HEAD", &second),
        ("refs/heads/main", &second),
        ("light", &first),
        ("v1.0", &first),
        (first.as_str(), &first),
    ] {
        assert_eq!(
            &refs.resolve(&url, reference).await.unwrap(),
            expected,
            "{reference}"
        );
    }
    assert!(!origin.mirrors().exists(), "nothing is downloaded");
}

#[tokio::test]
async fn a_reference_that_is_not_there_names_the_nearest() {
    let (origin, _) = Origin::with_a_file();
    git(&origin.bare(), &["branch", "develop", "main"]);
    let url = origin.bare().display().to_string();
    let error = origin.source().resolve(&url, "develpo").await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("`develpo`; did you mean `develop`?"),
        "{error}"
    );
}

#[tokio::test]
async fn odd_references_are_only_not_found() {
    let (origin, _) = Origin::with_a_file();
    let url = origin.bare().display().to_string();
    for reference in [
        "",
        "../..",
        "--upload-pack=id",
        "ma\0in",
        "refs/heads/",
        "*",
    ] {
        let error = origin.source().resolve(&url, reference).await.unwrap_err();
        assert!(
            matches!(error, SourceError::NoReference { .. }),
            "{reference:?}: {error}"
        );
    }
}

#[tokio::test]
async fn within_a_tick_a_server_is_asked_once() {
    let (origin, revision) = Origin::with_a_file();
    let server = Server::start(&origin, None).await;
    let url = server.url("origin.git");
    let refs = TickRefs::new(origin.source());
    let (a, b) = tokio::join!(refs.resolve(&url, "main"), refs.resolve(&url, "main"));
    assert_eq!((a.unwrap(), b.unwrap()), (revision.clone(), revision));
    assert!(refs.resolve(&url, "nowhere").await.is_err());
    assert_eq!(server.requests(), 1);

    let next = TickRefs::new(source(origin.config()));
    next.resolve(&url, "main").await.unwrap();
    assert_eq!(server.requests(), 2);
}
