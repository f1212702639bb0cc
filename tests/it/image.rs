//! Images over a real HTTP server that misbehaves in every way that servers do.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrom::image::ImageStore;
use metrom::model::{Boot, BuildRecipe, Class, Digest, ImageName, ImageOrigin, ImageSpec};
use metrom::port::{ImageError, ImageFiles, Images, Journal, Silent};

/// Large enough to break in the middle, small enough for a checksum in a build without optimisation.
const UNIT: usize = 64 << 10;

// -- a server

/// Answers the n-th request (from 0) with these bytes and closes the connection.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answer: impl Fn(usize, &str) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/disk.qcow2", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = read_request(&stream);
                let number = heard.lock().unwrap().len();
                heard.lock().unwrap().push(request.clone());
                // A client that goes away early is part of the tests.
                let _ = stream.write_all(&answer(number, &request));
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn read_request(stream: &TcpStream) -> String {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let lines = lines.take_while(|line| !line.is_empty());
    Vec::from_iter(lines.map(|line| line.to_lowercase())).join("\n")
}

/// A whole answer; `headers` are lines without their ends.
fn answer(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    promise(status, headers, body.len(), body)
}

/// An answer that promises `length` bytes and gives these.
fn promise(status: &str, headers: &[&str], length: usize, body: &[u8]) -> Vec<u8> {
    let mut head =
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n");
    for line in headers {
        head += &format!("{line}\r\n");
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// What a server that knows ranges answers.
fn ranged(request: &str, etag: &str, body: &[u8]) -> Vec<u8> {
    let tag = format!("etag: {etag}");
    let fits = request.contains(&format!("if-range: {etag}"));
    let from = request
        .lines()
        .find_map(|line| line.strip_prefix("range: bytes=")?.strip_suffix('-'));
    match from {
        Some(from) if fits => {
            let start: usize = from.parse().unwrap();
            let range = format!(
                "content-range: bytes {start}-{}/{}",
                body.len() - 1,
                body.len()
            );
            answer("206 Partial Content", &[&tag, &range], &body[start..])
        }
        _ => answer("200 OK", &[&tag], body),
    }
}

// -- an image

fn qcow2(size: usize) -> Vec<u8> {
    let mut bytes = Vec::from_iter((0..size).map(|i| (i % 251) as u8));
    bytes[..104].fill(0);
    bytes[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
    bytes[24..32].copy_from_slice(&(1u64 << 30).to_be_bytes());
    bytes
}

fn spec(url: &str, content: &[u8]) -> ImageSpec {
    ImageSpec {
        name: ImageName::parse("debian-13").unwrap(),
        origin: ImageOrigin::Url {
            url: url.to_owned(),
            sha256: Digest::of_bytes(content),
        },
        boot: Boot::Disk,
    }
}

fn recipe(change: impl FnOnce(&mut BuildRecipe)) -> ImageSpec {
    let mut recipe = BuildRecipe {
        suite: "trixie".into(),
        packages: [].into(),
        size_mib: 3072,
        trim: true,
        containers: [].into(),
    };
    change(&mut recipe);
    ImageSpec {
        name: ImageName::parse("built").unwrap(),
        origin: ImageOrigin::Build(recipe),
        boot: Boot::Kernel,
    }
}

#[derive(Default)]
struct Heard {
    lines: Mutex<Vec<String>>,
    progress: Mutex<Vec<(u64, u64)>>,
    phases: Mutex<Vec<String>>,
}

impl Journal for Heard {
    fn line(&self, text: &str) {
        self.lines.lock().unwrap().push(text.to_owned());
    }
    fn progress(&self, _: &str, done: u64, total: u64) {
        self.progress.lock().unwrap().push((done, total));
    }
    fn phase(&self, name: &str, _: Duration) {
        self.phases.lock().unwrap().push(name.to_owned());
    }
}

async fn obtain(folder: &Path, spec: &ImageSpec) -> Result<ImageFiles, ImageError> {
    ImageStore::new(folder).obtain(spec, &Silent).await
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names = Vec::from_iter(names.filter(|name| name != ".locks"));
    names.sort();
    names
}

/// The words of a failed download; nothing that looks like an image may be left of it.
async fn failure(
    answers: impl Fn(usize, &str) -> Vec<u8> + Send + 'static,
) -> (ImageError, String) {
    let server = Server::start(answers);
    let state = tempfile::tempdir().unwrap();
    let error = obtain(state.path(), &spec(&server.url, &qcow2(UNIT)))
        .await
        .unwrap_err();
    assert!(ImageStore::new(state.path()).list().unwrap().is_empty());
    assert!(
        !names(state.path())
            .iter()
            .any(|name| name.ends_with(".making"))
    );
    let words = error.to_string();
    (error, words)
}

// -- what works

#[tokio::test]
async fn an_image_is_downloaded_once_and_known_afterwards() {
    let content = qcow2(UNIT);
    let body = content.clone();
    let server = Server::start(move |_, _| answer("200 OK", &[], &body));
    let state = tempfile::tempdir().unwrap();
    let store = ImageStore::new(state.path());
    let (spec, heard) = (spec(&server.url, &content), Heard::default());

    let files = store.obtain(&spec, &heard).await.unwrap();
    assert_eq!(std::fs::read(&files.disk).unwrap(), content);
    assert_eq!(files.kernel, None);
    assert_eq!(*heard.phases.lock().unwrap(), ["download"]);
    let last = heard.progress.lock().unwrap().last().copied();
    assert_eq!(last, Some((UNIT as u64, UNIT as u64)));

    assert_eq!(store.obtain(&spec, &Silent).await.unwrap(), files);
    assert_eq!(server.requests().len(), 1);
    let [record] = &store.list().unwrap()[..] else {
        panic!("one image is listed");
    };
    assert_eq!(record.id, spec.id());
    assert_eq!(record.size_bytes(), UNIT as u64);
    assert_eq!(record.sha256, Digest::of_bytes(&content));
    assert_eq!(names(state.path()), [spec.id()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_want_one_image_at_once_fetch_it_once() {
    let content = qcow2(UNIT);
    let body = content.clone();
    let server = Server::start(move |_, _| answer("200 OK", &[], &body));
    let state = tempfile::tempdir().unwrap();
    let spec = spec(&server.url, &content);
    let (one, other) = tokio::join!(obtain(state.path(), &spec), obtain(state.path(), &spec));
    assert_eq!(one.unwrap(), other.unwrap());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_file_of_this_machine_is_an_image_too() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("mine.qcow2");
    std::fs::write(&file, qcow2(UNIT)).unwrap();
    let spec = spec(&format!("file://{}", file.display()), &qcow2(UNIT));
    let files = obtain(&state.path().join("images"), &spec).await.unwrap();
    assert_eq!(std::fs::read(files.disk).unwrap(), qcow2(UNIT));
    assert!(file.exists(), "the user's own file stays");
}

#[tokio::test]
async fn a_redirect_is_followed() {
    let server = Server::start(|number, _| match number {
        0 => answer("302 Found", &["location: /elsewhere.qcow2"], b""),
        _ => answer("200 OK", &[], &qcow2(UNIT)),
    });
    let state = tempfile::tempdir().unwrap();
    obtain(state.path(), &spec(&server.url, &qcow2(UNIT)))
        .await
        .unwrap();
    assert!(server.requests()[1].starts_with("get /elsewhere.qcow2"));
}

// -- broken connections

#[tokio::test]
async fn a_download_that_breaks_off_goes_on_where_it_stopped() {
    let server = Server::start(|number, request| match number {
        0 => promise(
            "200 OK",
            &["etag: \"one\""],
            2 * UNIT,
            &qcow2(2 * UNIT)[..UNIT],
        ),
        _ => ranged(request, "\"one\"", &qcow2(2 * UNIT)),
    });
    let state = tempfile::tempdir().unwrap();
    let heard = Heard::default();
    let files = ImageStore::new(state.path())
        .obtain(&spec(&server.url, &qcow2(2 * UNIT)), &heard)
        .await
        .unwrap();
    assert_eq!(std::fs::read(files.disk).unwrap(), qcow2(2 * UNIT));
    assert!(server.requests()[1].contains(&format!("range: bytes={UNIT}-")));
    let lines = heard.lines.lock().unwrap().join("\n");
    assert!(lines.contains("broke off after 64 KiB"), "{lines}");
}

#[tokio::test]
async fn what_arrived_before_a_restart_is_not_fetched_again() {
    let server = Server::start(|number, request| match number {
        0 => promise(
            "200 OK",
            &["etag: \"one\""],
            2 * UNIT,
            &qcow2(2 * UNIT)[..UNIT],
        ),
        1 => answer("503 Service Unavailable", &[], b""),
        _ => ranged(request, "\"one\"", &qcow2(2 * UNIT)),
    });
    let state = tempfile::tempdir().unwrap();
    let spec = spec(&server.url, &qcow2(2 * UNIT));
    let words = obtain(state.path(), &spec).await.unwrap_err().to_string();
    assert!(words.contains("503"), "{words}");
    let files = obtain(state.path(), &spec).await.unwrap();
    assert_eq!(std::fs::read(files.disk).unwrap(), qcow2(2 * UNIT));
    assert!(server.requests()[2].contains("if-range: \"one\""));
    assert_eq!(names(state.path()), [spec.id()], "the parts are gone");
}

#[tokio::test]
async fn a_file_that_changed_meanwhile_is_fetched_from_its_start() {
    let server = Server::start(|number, request| match number {
        0 => promise("200 OK", &["etag: \"old\""], 2 * UNIT, &qcow2(UNIT)),
        _ => ranged(request, "\"new\"", &qcow2(2 * UNIT)),
    });
    let state = tempfile::tempdir().unwrap();
    let spec = spec(&server.url, &qcow2(2 * UNIT));
    let files = obtain(state.path(), &spec).await.unwrap();
    assert_eq!(std::fs::read(files.disk).unwrap(), qcow2(2 * UNIT));
}

#[tokio::test]
async fn a_server_that_refuses_the_rest_is_asked_for_the_whole() {
    let server = Server::start(|number, _| match number {
        0 => promise(
            "200 OK",
            &["etag: \"one\""],
            2 * UNIT,
            &qcow2(2 * UNIT)[..UNIT],
        ),
        1 => answer("416 Range Not Satisfiable", &[], b""),
        _ => answer("200 OK", &[], &qcow2(2 * UNIT)),
    });
    let state = tempfile::tempdir().unwrap();
    let spec = spec(&server.url, &qcow2(2 * UNIT));
    obtain(state.path(), &spec).await.unwrap();
    assert!(!server.requests()[2].contains("range:"));
}

#[tokio::test]
async fn without_a_validator_nothing_is_resumed() {
    let server = Server::start(|number, _| match number {
        0 => promise(
            "200 OK",
            &["etag: W/\"weak\""],
            2 * UNIT,
            &qcow2(2 * UNIT)[..UNIT],
        ),
        _ => answer("200 OK", &[], &qcow2(2 * UNIT)),
    });
    let state = tempfile::tempdir().unwrap();
    let spec = spec(&server.url, &qcow2(2 * UNIT));
    let files = obtain(state.path(), &spec).await.unwrap();
    assert_eq!(std::fs::read(files.disk).unwrap(), qcow2(2 * UNIT));
    assert!(!server.requests()[1].contains("range:"));
}

#[tokio::test]
async fn a_connection_that_always_breaks_is_given_up() {
    let (error, words) =
        failure(|_, _| promise("200 OK", &[], 2 * UNIT, &qcow2(2 * UNIT)[..UNIT])).await;
    assert!(matches!(error, ImageError::Download { .. }), "{words}");
    assert_eq!(error.class(), Class::Transient);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_nobody_waits_for_stops() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/endless.qcow2", listener.local_addr().unwrap());
    let (tell, told) = channel();
    std::thread::spawn(move || pour_until_closed(&listener, &tell));
    let state = tempfile::tempdir().unwrap();
    let (folder, spec) = (state.path().to_owned(), spec(&url, b"never"));
    let waiting = tokio::spawn(async move { obtain(&folder, &spec).await });
    assert_eq!(told.recv().unwrap(), "started");
    waiting.abort();
    let end = told.recv_timeout(Duration::from_secs(20));
    assert_eq!(end, Ok("closed"));
}

/// Sends an endless file slowly enough to fill no disk.
fn pour_until_closed(listener: &TcpListener, tell: &Sender<&'static str>) {
    let (mut stream, _) = listener.accept().unwrap();
    read_request(&stream);
    let mut sent = stream.write_all(&promise("200 OK", &[], 32 << 30, &qcow2(UNIT)));
    let _ = tell.send("started");
    while sent.is_ok() {
        std::thread::sleep(Duration::from_millis(10));
        sent = stream.write_all(&[0; 1024]);
    }
    let _ = tell.send("closed");
}

// -- wrong answers

#[tokio::test]
async fn a_wrong_checksum_names_both_and_leaves_nothing() {
    let server = Server::start(|_, _| answer("200 OK", &["etag: \"x\""], &qcow2(UNIT + 1)));
    let state = tempfile::tempdir().unwrap();
    let error = obtain(state.path(), &spec(&server.url, &qcow2(UNIT)))
        .await
        .unwrap_err();
    let words = error.to_string();
    assert!(
        words.contains(Digest::of_bytes(&qcow2(UNIT)).as_str()),
        "{words}"
    );
    assert!(
        words.contains(Digest::of_bytes(&qcow2(UNIT + 1)).as_str()),
        "{words}"
    );
    assert_eq!(error.class(), Class::Terminal);
    assert_eq!(names(state.path()), [""; 0]);
}

#[tokio::test]
async fn a_missing_file_is_told_with_its_url() {
    let (_, words) = failure(|_, _| answer("404 Not Found", &[], b"no")).await;
    assert!(
        words.contains("404") && words.contains("/disk.qcow2"),
        "{words}"
    );
}

#[tokio::test]
async fn a_page_in_place_of_an_image_is_called_one() {
    let page = b"<!DOCTYPE html><p>log in";
    let (_, told) = failure(|_, _| answer("200 OK", &["content-type: text/html"], page)).await;
    assert!(told.contains("HTML page"), "{told}");
    let (_, seen) = failure(|_, _| answer("200 OK", &[], page)).await;
    assert!(seen.contains("HTML page"), "{seen}");
}

#[tokio::test]
async fn a_compressed_image_is_not_taken_for_a_disk() {
    let (error, words) = failure(|_, _| answer("200 OK", &[], b"\xfd7zXZ\0....")).await;
    assert!(matches!(error, ImageError::Format { .. }));
    assert!(words.contains("xz"), "{words}");
}

#[tokio::test]
async fn an_image_that_reaches_for_other_files_is_refused() {
    let mut evil = qcow2(UNIT);
    evil[15] = 104; // offset of the name of a backing file
    let body = evil.clone();
    let server = Server::start(move |_, _| answer("200 OK", &[], &body));
    let state = tempfile::tempdir().unwrap();
    let error = obtain(state.path(), &spec(&server.url, &evil))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("backing file"), "{error}");
    assert_eq!(names(state.path()), [""; 0]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/disk.qcow2", listener.local_addr().unwrap());
    drop(listener);
    let state = tempfile::tempdir().unwrap();
    let error = obtain(state.path(), &spec(&url, b"")).await.unwrap_err();
    assert!(matches!(error, ImageError::Download { .. }));
    assert!(error.to_string().contains(&url), "{error}");
}

#[tokio::test]
async fn a_missing_local_file_and_an_unknown_scheme_are_told() {
    let state = tempfile::tempdir().unwrap();
    let missing = obtain(state.path(), &spec("file:///no/such.qcow2", b"")).await;
    assert!(missing.unwrap_err().to_string().contains("/no/such.qcow2"));
    let odd = obtain(state.path(), &spec("ftp://x/y", b"")).await;
    assert!(
        odd.unwrap_err()
            .to_string()
            .contains("http, https and file")
    );
}

#[tokio::test]
async fn a_downloaded_image_has_no_kernel_to_boot_by() {
    let state = tempfile::tempdir().unwrap();
    let mut spec = spec("http://127.0.0.1:1/x", b"");
    spec.boot = Boot::Kernel;
    let error = obtain(state.path(), &spec).await.unwrap_err();
    assert!(error.to_string().contains("boot: disk"), "{error}");
}

// -- the folder

#[tokio::test]
async fn a_damaged_image_is_made_again() {
    let server = Server::start(|_, _| answer("200 OK", &[], &qcow2(UNIT)));
    let state = tempfile::tempdir().unwrap();
    let spec = spec(&server.url, &qcow2(UNIT));
    let files = obtain(state.path(), &spec).await.unwrap();
    std::fs::write(&files.disk, b"QFI").unwrap();
    assert!(ImageStore::new(state.path()).list().unwrap().is_empty());
    obtain(state.path(), &spec).await.unwrap();
    assert_eq!(std::fs::read(files.disk).unwrap(), qcow2(UNIT));
}

#[tokio::test]
async fn what_a_killed_process_left_is_swept_and_what_lives_stays() {
    let server = Server::start(|_, _| answer("200 OK", &[], &qcow2(UNIT)));
    let state = tempfile::tempdir().unwrap();
    let folder = state.path();
    for name in ["dead.making", "alive.making", ".locks"] {
        std::fs::create_dir(folder.join(name)).unwrap();
    }
    let lock = std::fs::File::create(folder.join(".locks/alive")).unwrap();
    lock.lock().unwrap();
    let spec = spec(&server.url, &qcow2(UNIT));
    obtain(folder, &spec).await.unwrap();
    assert_eq!(names(folder), ["alive.making".to_owned(), spec.id()]);
}

#[tokio::test]
async fn a_removed_image_is_gone_and_says_so_once() {
    let server = Server::start(|_, _| answer("200 OK", &[], &qcow2(UNIT)));
    let state = tempfile::tempdir().unwrap();
    let store = ImageStore::new(state.path());
    let spec = spec(&server.url, &qcow2(UNIT));
    obtain(state.path(), &spec).await.unwrap();
    assert!(store.remove(&spec.id()).unwrap());
    assert!(!store.remove(&spec.id()).unwrap());
    assert_eq!(names(state.path()), [""; 0]);
}

// -- recipes that cannot be built

#[tokio::test]
async fn a_recipe_that_would_be_an_option_is_refused_before_anything_runs() {
    for spec in [
        recipe(|r| r.suite = "--hook-dir=/tmp".into()),
        recipe(|r| r.packages = ["a,b".into()].into()),
        recipe(|r| r.containers = ["--all-tags".into()].into()),
        recipe(|r| r.size_mib = 64),
    ] {
        let state = tempfile::tempdir().unwrap();
        let error = obtain(state.path(), &spec).await.unwrap_err();
        let words = error.to_string();
        assert!(words.contains("check the recipe"), "{words}");
        assert_eq!(names(state.path()), [""; 0], "nothing is left");
    }
}

#[test]
fn every_tool_that_builds_an_image_is_among_the_packages_that_are_installed() {
    // What Debian marks as essential is everywhere.
    const ESSENTIAL: [&str; 3] = ["apt", "coreutils", "util-linux"];
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let (source, script) = (read("src/image/tool.rs"), read("scripts/packages"));
    let words: Vec<&str> = script.split([' ', '\n', '"']).collect();
    let tool = regex::Regex::new(r#"Tool = tool\("[^"]+", "([^"]+)"\)"#).unwrap();
    let source = source.split("mod tests").next().unwrap();
    let packages: Vec<_> = tool
        .captures_iter(source)
        .map(|c| c[1].to_owned())
        .collect();
    assert!(packages.len() > 8, "{packages:?}");
    for package in packages {
        let is_there = ESSENTIAL.contains(&package.as_str()) || words.contains(&package.as_str());
        assert!(is_there, "scripts/packages does not install {package}");
    }
}
