//! Repositories over smart HTTP, from the real `git http-backend`, and from servers that are odd.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use base64::Engine as _;
use metrom::model::SecretRef;
use metrom::port::{Source as _, SourceError};
use metrom::source::GitConfig;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::origin::{Origin, TOKEN, paths, read, source};

/// A web server that hands everything to `git http-backend`.
pub struct Server {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Backend {
    root: std::path::PathBuf,
    password: Option<&'static str>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    /// Serves the folder of a repository; with a password, to those alone who know it.
    pub async fn start(origin: &Origin, password: Option<&'static str>) -> Self {
        let requests = Arc::new(AtomicUsize::new(0));
        let backend = Backend {
            root: origin.folder().to_owned(),
            password,
            requests: Arc::clone(&requests),
        };
        let router = Router::new().fallback(serve).with_state(backend);
        Self::run(router, requests).await
    }

    /// Answers everything with the same.
    async fn answering(status: u16, content_type: &'static str, body: &'static str) -> Self {
        let requests = Arc::new(AtomicUsize::new(0));
        let answer = move || async move {
            let response = Response::builder()
                .status(status)
                .header("content-type", content_type);
            response.body(Body::from(body)).unwrap()
        };
        Self::run(Router::new().fallback(answer), requests).await
    }

    async fn run(router: Router, requests: Arc<AtomicUsize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async move { axum::serve(listener, router).await.unwrap() };
        let task = tokio::spawn(serve);
        Self {
            address,
            requests,
            task,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    fn config(&self, origin: &Origin) -> GitConfig {
        GitConfig::new(self.url("origin.git"), origin.mirrors())
    }
}

async fn serve(State(backend): State<Backend>, request: Request) -> Response<Body> {
    backend.requests.fetch_add(1, Ordering::SeqCst);
    let (parts, body) = request.into_parts();
    if backend
        .password
        .is_some_and(|password| !knows(&parts.headers, password))
    {
        let refused = Response::builder().status(StatusCode::UNAUTHORIZED);
        let refused = refused.header("www-authenticate", "Basic realm=\"git\"");
        return refused.body(Body::empty()).unwrap();
    }
    let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let header = |name: &str| parts.headers.get(name).map_or("", |v| v.to_str().unwrap());
    let mut backend = tokio::process::Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &backend.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("CONTENT_TYPE", header("content-type"))
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`git http-backend` is installed");
    backend
        .stdin
        .take()
        .unwrap()
        .write_all(&body)
        .await
        .unwrap();
    let output = backend.wait_with_output().await.unwrap();
    from_cgi(Bytes::from(output.stdout))
}

fn knows(headers: &HeaderMap, password: &str) -> bool {
    let expected = base64::engine::general_purpose::STANDARD.encode(format!("git:{password}"));
    headers
        .get("authorization")
        .is_some_and(|v| v.as_bytes() == format!("Basic {expected}").as_bytes())
}

/// The answer of a CGI program: header lines, an empty line, the body.
fn from_cgi(output: Bytes) -> Response<Body> {
    let end = output
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .expect("CGI has a header");
    let head = std::str::from_utf8(&output[..end]).unwrap();
    let mut response = Response::builder();
    for (name, value) in head.lines().map(|line| line.split_once(": ").unwrap()) {
        response = match name {
            "Status" => response.status(value[..3].parse::<u16>().unwrap()),
            _ => response.header(name, value),
        };
    }
    response.body(Body::from(output.slice(end + 4..))).unwrap()
}

fn token() -> Option<SecretRef> {
    Some(SecretRef::Env("GIT_TOKEN".to_owned()))
}

async fn failing(config: GitConfig) -> SourceError {
    let error = source(config).head().await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(TOKEN), "{error}");
    error
}

#[tokio::test]
async fn a_repository_is_followed_over_http_and_asked_once_when_nothing_changed() {
    let (origin, first) = Origin::with_a_file();
    let server = Server::start(&origin, None).await;
    let source = source(server.config(&origin));
    assert_eq!(source.head().await.unwrap(), first);

    let before = server.requests();
    assert_eq!(source.head().await.unwrap(), first);
    assert_eq!(
        server.requests(),
        before + 1,
        "a list of references, no download"
    );

    origin.write("second", b"2");
    origin.push();
    assert_eq!(
        paths(&read(&source).await.unwrap()),
        ["metrom.yaml", "second"]
    );
}

#[tokio::test]
async fn a_token_opens_a_private_repository() {
    let (origin, revision) = Origin::with_a_file();
    let server = Server::start(&origin, Some(TOKEN)).await;
    let mut config = server.config(&origin);
    config.token = token();
    assert_eq!(source(config).head().await.unwrap(), revision);
}

#[tokio::test]
async fn without_a_token_or_with_a_wrong_one_the_message_says_what_to_do() {
    let (origin, _) = Origin::with_a_file();
    let server = Server::start(&origin, Some("another")).await;
    let error = failing(server.config(&origin)).await;
    assert!(matches!(error, SourceError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("no token is given"), "{error}");

    let mut config = server.config(&origin);
    config.token = token();
    let error = failing(config).await;
    assert!(
        error.to_string().contains("does not accept the token"),
        "{error}"
    );

    let mut config = server.config(&origin);
    config.token = Some(SecretRef::Env("NOT_THERE".to_owned()));
    let error = failing(config).await;
    assert!(
        error.to_string().contains("`NOT_THERE` is not set"),
        "{error}"
    );
}

#[tokio::test]
async fn a_token_never_goes_to_another_server() {
    use metrom::port::Refs as _;
    let (origin, _) = Origin::with_a_file();
    let other = Server::start(&origin, Some(TOKEN)).await;
    let mut config = origin.config();
    config.url = "https://git.example.org/environments.git".to_owned();
    config.token = token();
    let error = source(config)
        .resolve(&other.url("origin.git"), "main")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("for another server"), "{error}");
    assert_eq!(
        other.requests(),
        1,
        "no second request, with the token, was made"
    );
}

#[tokio::test]
async fn a_web_page_is_not_a_repository() {
    let (origin, _) = Origin::with_a_file();
    let server = Server::answering(200, "text/html", "<html>log in, please</html>").await;
    let error = failing(server.config(&origin)).await;
    assert!(matches!(error, SourceError::Unreadable { .. }), "{error}");
    assert!(error.to_string().contains("text/html"), "{error}");
    assert!(error.to_string().contains("check the URL"), "{error}");
}

#[tokio::test]
async fn what_looks_like_git_and_is_not_is_an_error() {
    let (origin, _) = Origin::with_a_file();
    let kind = "application/x-git-upload-pack-advertisement";
    for body in ["", "garbage", "001e# service=git-upload-pack\n0000", "ffff"] {
        let server = Server::answering(200, kind, body).await;
        let error = failing(server.config(&origin)).await;
        let is_fault = match &error {
            SourceError::Unreachable { .. } | SourceError::Unreadable { .. } => true,
            SourceError::Empty { .. }
            | SourceError::Refused { .. }
            | SourceError::HostKey { .. }
            | SourceError::NoReference { .. } => false,
        };
        assert!(is_fault, "{body:?}: {error}");
    }
}

#[tokio::test]
async fn answers_of_a_web_server_are_told_apart() {
    let (origin, _) = Origin::with_a_file();
    for (status, expected) in [
        (404, "there is no repository at this URL"),
        (403, "we may not read it"),
        (502, "cannot reach"),
    ] {
        let server = Server::answering(status, "text/plain", "").await;
        let error = failing(server.config(&origin)).await;
        assert!(error.to_string().contains(expected), "{status}: {error}");
    }
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let (origin, _) = Origin::with_a_file();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x.git", listener.local_addr().unwrap());
    drop(listener);
    let error = failing(GitConfig::new(url, origin.mirrors())).await;
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let (origin, _) = Origin::with_a_file();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x.git", listener.local_addr().unwrap());
    let silent = tokio::spawn(async move { listener.accept().await.unwrap().0 });
    let mut config = GitConfig::new(url, origin.mirrors());
    config.patience = Duration::from_millis(300);

    let error = failing(config).await;
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("in time"), "{error}");
    // The connection is closed here, so that the abandoned thread ends with the test.
    drop(silent.await.unwrap());
}
