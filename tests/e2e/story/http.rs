//! As much of HTTP as it takes to ask and to post.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use serde_json::Value;

/// A look at everything asks an emulated machine as well; the program itself gives up before this.
const ANSWER_WITHIN: Duration = Duration::from_secs(150);
/// Longer than a peer on the same machine takes, whatever else runs.
const CONNECT_WITHIN: Duration = Duration::from_secs(20);

/// An answer with its status.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("no JSON: {e}: {self:?}"))
    }
}

/// What is at a path, or why there is no answer.
pub fn get(server: &str, path: &str) -> Result<Answer, String> {
    ask(
        server,
        &format!("GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n"),
    )
}

/// Posts JSON with one more header line, if any.
pub fn post(server: &str, path: &str, header: &str, body: &str) -> Result<Answer, String> {
    let length = body.len();
    let extra = if header.is_empty() {
        String::new()
    } else {
        format!("{header}\r\n")
    };
    let head = format!("POST {path} HTTP/1.0\r\nHost: {server}\r\nContent-Type: application/json");
    ask(
        server,
        &format!("{head}\r\nContent-Length: {length}\r\n{extra}\r\n{body}"),
    )
}

fn ask(server: &str, request: &str) -> Result<Answer, String> {
    let said = |e: std::io::Error| format!("{server}: {e}");
    let address = server
        .to_socket_addrs()
        .map_err(said)?
        .next()
        .ok_or("no such server")?;
    let mut stream = TcpStream::connect_timeout(&address, CONNECT_WITHIN).map_err(said)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN)).map_err(said)?;
    stream.write_all(request.as_bytes()).map_err(said)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(said)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("half an answer")?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| format!("no status: {head}"))?;
    Ok(Answer {
        status,
        body: body.to_owned(),
    })
}
