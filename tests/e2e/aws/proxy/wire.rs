//! HTTP on both sides of the proxy: one request, one connection.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Request, Response, header};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::call::Call;
use super::xml::Node;

/// What is asked of a service that speaks JSON.
pub const TARGET: &str = "x-amz-target";

/// More than any answer here.
const LIMIT: usize = 64 << 20;

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub kind: String,
    pub body: String,
}

impl Answer {
    pub fn xml(status: u16, document: &Node) -> Self {
        Self {
            status,
            kind: "text/xml;charset=UTF-8".to_owned(),
            body: format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{document}"),
        }
    }

    /// What something between us and EC2 says when it is out of order.
    pub fn html() -> Self {
        Self {
            status: 502,
            kind: "text/html".to_owned(),
            body: "<html><head><title>502 Bad Gateway</title></head><body><hr></body></html>"
                .into(),
        }
    }

    pub fn is_done(&self) -> bool {
        self.status == 200
    }

    pub fn into_response(self) -> Response<Body> {
        Response::builder()
            .status(self.status)
            .header(header::CONTENT_TYPE, self.kind)
            .body(Body::from(self.body))
            .unwrap()
    }
}

/// The emulator, as one account of it that no other test has.
#[derive(Debug, Clone)]
pub struct Moto {
    pub address: SocketAddr,
    pub account: String,
    pub region: String,
    /// How often anything was changed, by whomever; the same for all who look at the account.
    changes: Arc<AtomicU64>,
}

impl Moto {
    pub fn new(address: SocketAddr, account: String, region: &str) -> Self {
        Self {
            address,
            account,
            region: region.to_owned(),
            changes: Arc::default(),
        }
    }

    /// The same account at another address.
    pub fn by_way_of(&self, address: SocketAddr) -> Self {
        Self {
            address,
            ..self.clone()
        }
    }

    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// Hands a request on, for this account whatever its signature says.
    pub async fn forward(&self, headers: &HeaderMap, call: &Call) -> Answer {
        let answer = self.send(headers, call).await;
        answer.unwrap_or_else(|e| panic!("the emulator does not answer: {e}"))
    }

    async fn send(&self, headers: &HeaderMap, call: &Call) -> Result<Answer, Box<dyn Error>> {
        let authorization = headers.get(header::AUTHORIZATION).cloned();
        let authorization = authorization.unwrap_or_else(|| self.authorization(call));
        let request = Request::post("/")
            .header(header::HOST, self.address.to_string())
            .header(header::AUTHORIZATION, authorization)
            .header("x-moto-account-id", &self.account);
        let kind = header::CONTENT_TYPE;
        let request = match &call.json {
            None => request
                .header(kind, "application/x-www-form-urlencoded")
                .body(Body::from(call.form())),
            Some((target, body)) => request
                .header(kind, "application/x-amz-json-1.1")
                .header(TARGET, target)
                .body(Body::from(body.clone())),
        };
        let request = request.unwrap();
        let stream = TcpStream::connect(self.address).await?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = to_bytes(Body::new(body), LIMIT).await?;
        connection.abort();
        if call.is_change() {
            self.changes.fetch_add(1, Ordering::SeqCst);
        }
        let kind = head.headers.get(header::CONTENT_TYPE);
        Ok(Answer {
            status: head.status.as_u16(),
            kind: kind.map_or("", |k| k.to_str().unwrap_or("")).to_owned(),
            body: String::from_utf8(body.to_vec())?,
        })
    }

    /// What is answered, if anything is.
    pub async fn call(&self, action: &str, params: &[(&str, &str)]) -> Option<Answer> {
        let call = Call::new(action, params);
        self.send(&HeaderMap::new(), &call).await.ok()
    }

    /// Asks as somebody else of the same account would.
    pub async fn ask(&self, action: &str, params: &[(&str, &str)]) -> Node {
        let call = Call::new(action, params);
        let answer = self.forward(&HeaderMap::new(), &call).await;
        assert!(answer.is_done(), "{action} {params:?}: {}", answer.body);
        Node::parse(&answer.body)
    }

    /// Writes a parameter that others read.
    pub async fn put_parameter(&self, name: &str, value: &str) {
        let body = format!(r#"{{"Name":"{name}","Value":"{value}","Type":"String"}}"#);
        let call = Call::of_json("AmazonSSM.PutParameter", &body);
        let answer = self.forward(&HeaderMap::new(), &call).await;
        assert!(answer.is_done(), "{}", answer.body);
    }

    pub async fn forget_parameter(&self, name: &str) {
        let body = format!(r#"{{"Name":"{name}"}}"#);
        let call = Call::of_json("AmazonSSM.DeleteParameter", &body);
        let answer = self.forward(&HeaderMap::new(), &call).await;
        assert!(answer.is_done(), "{}", answer.body);
    }

    /// Nobody looks at the signature, only at what it is for.
    fn authorization(&self, call: &Call) -> HeaderValue {
        let service = match &call.json {
            Some(_) => "ssm",
            None if call.is_of_sts() => "sts",
            None => "ec2",
        };
        let scope = format!("20260101/{}/{service}/aws4_request", self.region);
        let text = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDCONSOLE/{scope}, SignedHeaders=host, Signature=0"
        );
        HeaderValue::from_str(&text).unwrap()
    }
}

/// The whole of a request's body.
pub async fn body_of(body: hyper::body::Incoming) -> io::Result<Bytes> {
    to_bytes(Body::new(body), LIMIT)
        .await
        .map_err(io::Error::other)
}
