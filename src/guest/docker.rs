//! The Docker API of a machine, over its socket, through the SSH connection that is there already.

use std::sync::Arc;

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue};
use hyper::{Response, Uri};
use hyper_util::rt::TokioIo;

use crate::ssh::Session;

/// Seconds for one request: the first one may start the daemon.
const REQUEST_WITHIN_S: u64 = 240;

/// A client that speaks the newest API that both sides know.
///
/// # Errors
/// When the socket cannot be opened or its owner does not speak the Docker API.
pub(crate) async fn connect(session: Arc<Session>, socket: &str) -> Result<Docker, Error> {
    let socket: Arc<str> = socket.into();
    let transport =
        move |request: BollardRequest| send(Arc::clone(&session), Arc::clone(&socket), request);
    Docker::connect_with_custom_transport(
        transport,
        Some("http://docker"),
        REQUEST_WITHIN_S,
        API_DEFAULT_VERSION,
    )?
    .negotiate_version()
    .await
}

/// One request on a channel of its own.
async fn send(
    session: Arc<Session>,
    socket: Arc<str>,
    mut request: BollardRequest,
) -> Result<Response<Incoming>, Error> {
    let stream = session
        .forward(&socket)
        .await
        .map_err(|e| io(format!("cannot open {socket}: {e:?}")))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| io(e.to_string()))?;
    tokio::spawn(connection);
    // A daemon expects the path alone, as a server of the socket would see it.
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
    *request.uri_mut() = path.parse::<Uri>().map_err(|e| io(e.to_string()))?;
    let host = HeaderValue::from_static("docker");
    request.headers_mut().insert(HOST, host);
    sender
        .send_request(request)
        .await
        .map_err(|e| io(e.to_string()))
}

fn io(reason: String) -> Error {
    Error::IOError {
        err: std::io::Error::other(reason),
    }
}
