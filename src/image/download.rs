//! One file over HTTP or from this machine: resumed where it broke off, checked while it is read.
//!
//! What has arrived stays in the `.part` file, also over a restart of Metrom; a note beside it keeps
//! the server's validator, and `If-Range` makes the server say whether the rest still fits.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use ureq::http::{HeaderMap, Response, StatusCode, header};

use super::qcow2;
use super::shelf::remove_file;
use super::work::{Work, file_error};
use crate::model::Digest;
use crate::port::ImageError;

/// A server that takes longer to be reached is down or filtered.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Servers may think before they answer, mirrors that fetch on demand above all.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// A transfer in which nothing arrives for so long is dead.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How often one call goes on where the connection broke off, each time having got further.
const RESUMES: usize = 20;
/// No base image is as large; whatever is larger is another file, or an attack on the disk.
const MAX_BYTES: u64 = 64 << 30;
const CHUNK: usize = 256 << 10;

/// One file on its way.
pub(super) struct Download<'a> {
    work: &'a Work,
    url: &'a str,
    expected: &'a Digest,
    part: &'a Path,
    note: &'a Path,
}

/// Where the content of a `.part` file came from.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    url: String,
    /// What `If-Range` sends: a strong `ETag`, or else `Last-Modified`.
    validator: String,
}

/// What has arrived so far, and its running checksum.
struct Part {
    file: File,
    hash: Sha256,
    len: u64,
}

/// How one attempt ended.
enum Attempt {
    Whole,
    /// The connection broke off, with these words.
    Broken(String),
}

impl<'a> Download<'a> {
    pub fn new(
        work: &'a Work,
        url: &'a str,
        expected: &'a Digest,
        part: &'a Path,
        note: &'a Path,
    ) -> Self {
        Self {
            work,
            url,
            expected,
            part,
            note,
        }
    }

    /// Brings the whole file, right by checksum and form, into the `.part` file.
    pub fn run(self) -> Result<(), ImageError> {
        let mut part = self.open()?;
        match self.url.split_once("://") {
            Some(("file", path)) => self.copy(&mut part, Path::new(path))?,
            Some(("http" | "https", _)) => self.fetch(&mut part)?,
            Some(_) | None => {
                return Err(self.failed("only http, https and file URLs can be downloaded"));
            }
        }
        self.work.progress("download", part.len, part.len);
        let verdict = self.judge(part);
        if verdict.is_err() {
            // Wrong content must not be the start of the next attempt.
            self.forget()?;
        }
        verdict
    }

    fn judge(&self, part: Part) -> Result<(), ImageError> {
        let found = hex::encode(part.hash.finalize());
        if found != self.expected.as_str() {
            return Err(ImageError::Checksum {
                image: self.work.image.clone(),
                url: self.url.to_owned(),
                expected: self.expected.to_string(),
                found,
            });
        }
        let size = qcow2::inspect(self.part).map_err(|reason| self.malformed(reason))?;
        self.work
            .line(format!("the image holds a disk of {} MiB", size >> 20));
        part.file
            .sync_all()
            .map_err(|e| file_error("write", self.part, &e))
    }

    // -- what has arrived before

    fn open(&self) -> Result<Part, ImageError> {
        if let Some(folder) = self.part.parent() {
            std::fs::create_dir_all(folder).map_err(|e| file_error("create", folder, &e))?;
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(self.part)
            .map_err(|e| file_error("create", self.part, &e))?;
        let mut part = Part {
            file,
            hash: Sha256::new(),
            len: 0,
        };
        if self.validator().is_none() {
            self.restart(&mut part)?;
        } else {
            self.read_again(&mut part)?;
        }
        Ok(part)
    }

    /// Brings the checksum up to what the file holds already.
    fn read_again(&self, part: &mut Part) -> Result<(), ImageError> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let n = part
                .file
                .read(&mut buffer)
                .map_err(|e| file_error("read", self.part, &e))?;
            if n == 0 {
                return Ok(());
            }
            part.hash.update(&buffer[..n]);
            part.len += n as u64;
        }
    }

    fn restart(&self, part: &mut Part) -> Result<(), ImageError> {
        part.hash = Sha256::new();
        part.len = 0;
        part.file
            .set_len(0)
            .and_then(|()| part.file.rewind())
            .map_err(|e| file_error("write", self.part, &e))
    }

    fn forget(&self) -> Result<(), ImageError> {
        remove_file(self.note)?;
        remove_file(self.part)
    }

    fn validator(&self) -> Option<String> {
        let json = std::fs::read(self.note).ok()?;
        let note: Note = serde_json::from_slice(&json).ok()?;
        (note.url == self.url).then_some(note.validator)
    }

    /// Notes what the rest of this answer will have to fit.
    fn remember(&self, headers: &HeaderMap) -> Result<(), ImageError> {
        let Some(validator) = validator_of(headers) else {
            return remove_file(self.note);
        };
        let url = self.url.to_owned();
        let json = serde_json::to_vec(&Note { url, validator }).expect("a note serialises");
        std::fs::write(self.note, json).map_err(|e| file_error("write", self.note, &e))
    }

    // -- the transfer

    fn fetch(&self, part: &mut Part) -> Result<(), ImageError> {
        let agent = agent();
        for _ in 0..RESUMES {
            let before = part.len;
            match self.attempt(&agent, part)? {
                Attempt::Whole => return Ok(()),
                Attempt::Broken(why) if part.len == before => return Err(self.failed(why)),
                Attempt::Broken(why) => self.work.line(format!(
                    "the download broke off after {} KiB ({why}); going on there",
                    part.len >> 10
                )),
            }
        }
        Err(self.failed(format!("the connection broke off {RESUMES} times")))
    }

    fn attempt(&self, agent: &ureq::Agent, part: &mut Part) -> Result<Attempt, ImageError> {
        // An encoded answer would have another length and other ranges than the file.
        let mut request = agent.get(self.url).header("accept-encoding", "identity");
        let validator = self.validator().filter(|_| part.len > 0);
        if let Some(validator) = &validator {
            request = request
                .header("range", format!("bytes={}-", part.len))
                .header("if-range", validator);
        }
        let response = match request.call() {
            Ok(response) => response,
            Err(e) => return Err(self.failed(explain(&e))),
        };
        if response.status().is_success() && is_html(response.headers()) {
            let reason = "the server answers with an HTML page, not with an image; check the URL";
            return Err(self.failed(reason));
        }
        match response.status() {
            StatusCode::OK => self.restart(part)?,
            StatusCode::PARTIAL_CONTENT if range_start(response.headers()) == Some(part.len) => {
                self.work
                    .line(format!("going on after {} KiB", part.len >> 10));
            }
            // What we have does not fit the file any more, or the server counts in its own way.
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE
                if validator.is_some() =>
            {
                self.restart(part)?;
                remove_file(self.note)?;
                return self.attempt(agent, part);
            }
            status => return Err(self.failed(refusal(status))),
        }
        self.receive(response, part)
    }

    fn receive(
        &self,
        response: Response<ureq::Body>,
        part: &mut Part,
    ) -> Result<Attempt, ImageError> {
        let headers = response.headers();
        let total = content_length(headers).map(|rest| part.len + rest);
        self.remember(headers)?;
        let mut body = response.into_body().into_reader();
        match self.drain(&mut body, part, total)? {
            None if total.is_some_and(|total| part.len < total) => {
                Ok(Attempt::Broken("the server closed the connection".into()))
            }
            None => Ok(Attempt::Whole),
            Some(why) => Ok(Attempt::Broken(why)),
        }
    }

    fn copy(&self, part: &mut Part, path: &Path) -> Result<(), ImageError> {
        self.restart(part)?;
        let mut source = File::open(path).map_err(|e| file_error("read", path, &e))?;
        let total = source.metadata().map(|found| found.len()).ok();
        match self.drain(&mut source, part, total)? {
            None => Ok(()),
            Some(why) => Err(self.failed(why)),
        }
    }

    /// Takes everything that comes; says why it broke off, when it did.
    fn drain(
        &self,
        from: &mut dyn Read,
        part: &mut Part,
        total: Option<u64>,
    ) -> Result<Option<String>, ImageError> {
        let mut buffer = vec![0; CHUNK];
        if total.is_some_and(|total| total > MAX_BYTES) {
            return Err(self.too_large());
        }
        loop {
            self.work.check()?;
            let n = match from.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(n) => n,
                Err(e) => return Ok(Some(e.to_string())),
            };
            if part.len == 0 && !buffer[..n].starts_with(&qcow2::MAGIC[..n.min(4)]) {
                self.forget()?;
                return Err(self.malformed(qcow2::describe(&buffer[..n])));
            }
            part.file
                .write_all(&buffer[..n])
                .map_err(|e| file_error("write", self.part, &e))?;
            part.hash.update(&buffer[..n]);
            part.len += n as u64;
            if part.len > MAX_BYTES {
                return Err(self.too_large());
            }
            self.work
                .progress("download", part.len, total.unwrap_or_default());
        }
    }

    // -- errors

    fn failed(&self, reason: impl Into<String>) -> ImageError {
        ImageError::Download {
            image: self.work.image.clone(),
            url: self.url.to_owned(),
            reason: reason.into(),
        }
    }

    fn malformed(&self, reason: String) -> ImageError {
        ImageError::Format {
            image: self.work.image.clone(),
            reason,
        }
    }

    fn too_large(&self) -> ImageError {
        self.failed(format!("it is larger than {} GiB", MAX_BYTES >> 30))
    }
}

fn agent() -> ureq::Agent {
    let tls = ureq::tls::TlsConfig::builder()
        .root_certs(ureq::tls::RootCerts::PlatformVerifier)
        .build();
    ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(ANSWER_TIMEOUT))
        .timeout_per_read(Some(READ_TIMEOUT))
        .http_status_as_error(false)
        .tls_config(tls)
        .build()
        .into()
}

/// What the server can compare a later request with. A weak tag does not promise equal bytes.
fn validator_of(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::to_owned);
    text(header::ETAG)
        .filter(|tag| !tag.starts_with("W/"))
        .or_else(|| text(header::LAST_MODIFIED))
}

/// The first byte of a `Content-Range: bytes 5-9/10`.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (start, _) = text.strip_prefix("bytes ")?.split_once('-')?;
    start.parse().ok()
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn is_html(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.trim_start().starts_with("text/html"))
}

fn refusal(status: StatusCode) -> String {
    let next = match status.as_u16() {
        401 | 403 | 407 => "; it wants a login, which image URLs cannot give",
        404 | 410 => "; check the URL",
        429 | 500.. => "; try again later",
        _ => "",
    };
    format!("the server answers {status}{next}")
}

fn explain(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "its host is not known; check the URL and the DNS".to_owned(),
        ureq::Error::Timeout(what) => format!("the server does not answer in time ({what})"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, header::HeaderValue::from_static(value))])
    }

    #[test]
    fn a_weak_tag_is_no_promise_of_equal_bytes() {
        assert_eq!(validator_of(&headers(header::ETAG, "W/\"1\"")), None);
        let strong = validator_of(&headers(header::ETAG, "\"1\""));
        assert_eq!(strong.as_deref(), Some("\"1\""));
    }

    #[test]
    fn the_start_of_a_range_is_read() {
        let good = headers(header::CONTENT_RANGE, "bytes 5-9/10");
        assert_eq!(range_start(&good), Some(5));
        let odd = headers(header::CONTENT_RANGE, "pages 5-9/10");
        assert_eq!(range_start(&odd), None);
    }
}
