//! Stands between Metrom and the emulator of EC2, and adds what the real one has and this one lacks:
//! states that take time, operations that are refused in the wrong one, idempotent tokens, listings
//! that lag, and everything that goes wrong on the way.
//!
//! One request at a time, so that what a test sees does not depend on how fast the machine is.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex as Lock, MutexGuard};

use axum::body::Body;
use axum::http::{HeaderMap, Request, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

mod amend;
pub mod behind;
mod books;
pub mod call;
mod lag;
mod listing;
mod pace;
pub mod refusal;
mod rules;
mod spot;
pub mod trouble;
pub mod truth;
pub mod wire;
pub mod xml;

use amend::{complete, idle, images};
use behind::Behind;
use books::Books;
use call::Call;
use listing::Kind;
use refusal::Refusal;
use trouble::{Often, On, Trouble, Troubles};
use truth::Witness;
use wire::{Answer, Moto};
use xml::Node;

pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<Infallible>,
}

impl Proxy {
    /// Before this account of the emulator; chances fall as the seed says.
    pub async fn start(moto: Moto, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            moto,
            books: Mutex::default(),
            truth: Witness::default(),
            troubles: Lock::new(Troubles::new(seed)),
            total: watch::Sender::new(0),
        });
        let server = tokio::spawn(serve(listener, shared.clone()));
        Self {
            address,
            shared,
            server,
        }
    }

    /// The same account, seen through the proxy.
    pub fn account(&self) -> Moto {
        self.shared.moto.by_way_of(self.address)
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn arrange(&self, on: On, often: Often, trouble: Trouble) {
        self.shared.troubles().arrange(on, often, trouble);
    }

    /// From now on nothing goes wrong.
    pub fn calm(&self) {
        self.shared.troubles().calm();
    }

    /// How often an action was asked for, answered or not.
    pub fn calls(&self, action: &str) -> u32 {
        let troubles = self.shared.troubles();
        troubles.calls.get(action).copied().unwrap_or(0)
    }

    /// How often anything was to be changed.
    pub fn changes(&self) -> u32 {
        let troubles = self.shared.troubles();
        let changes = troubles.calls.iter();
        let changes = changes.filter(|(action, _)| Call::new(action, &[]).is_change());
        changes.map(|(_, count)| count).sum()
    }

    /// States last for so many looks.
    pub async fn slow(&self, looks: u32) {
        self.shared.books.lock().await.pace.looks = looks;
    }

    /// What is new is seen after so many looks, what is changed after so many.
    pub async fn lag(&self, fresh: u32, changed: u32) {
        let mut books = self.shared.books.lock().await;
        (books.lag.fresh, books.lag.changed) = (fresh, changed);
    }

    /// Real machines follow what is asked from now on; looks alone bring none of them further.
    pub async fn put_behind(&self, behind: Arc<dyn Behind>) {
        self.shared.books.lock().await.behind = Some(behind);
    }

    /// The open requests for spot machines, as the console shows them.
    pub async fn requests(&self) -> Vec<Node> {
        let all = Call::new("DescribeSpotInstanceRequests", &[]);
        let listed = self.shared.books.lock().await.requests(&all);
        listed.map_or_else(Vec::new, |listed| {
            listed.items("spotInstanceRequestSet").to_vec()
        })
    }

    /// Listings come in pages of so many.
    pub async fn pages(&self, size: usize) {
        self.shared.books.lock().await.page = size;
    }

    /// The moment at which the so-manieth request from now is there.
    pub fn at_call(&self, number: u32) -> impl Future<Output = ()> + use<> {
        let mut total = self.shared.total.subscribe();
        let goal = *total.borrow() + number;
        async move {
            let reached = total.wait_for(|total| *total >= goal).await;
            drop(reached.expect("the proxy counts as long as it is there"));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct Shared {
    moto: Moto,
    /// Held while a request is answered.
    books: Mutex<Books>,
    truth: Witness,
    troubles: Lock<Troubles>,
    total: watch::Sender<u32>,
}

/// What becomes of a request.
enum Fate {
    Answered(Answer),
    Cut,
    Hung,
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) -> Infallible {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let shared = shared.clone();
        let service = service_fn(move |request| respond(shared.clone(), request));
        // It ends in an error whenever it is cut, which is meant.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn respond(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Body>, io::Error> {
    let (head, body) = request.into_parts();
    let body = wire::body_of(body).await?;
    let body = std::str::from_utf8(&body).expect("a form is text");
    let call = match head.headers.get(wire::TARGET) {
        Some(target) => Call::of_json(target.to_str().expect("a target is text"), body),
        None => Call::parse(body),
    };
    // By itself: what was begun is done, also when whoever asked has gone away meanwhile.
    let fate = tokio::spawn(async move { shared.fate(&head.headers, call).await });
    match fate.await.map_err(io::Error::other)? {
        Fate::Answered(answer) => Ok(answer.into_response()),
        Fate::Cut => Err(io::ErrorKind::ConnectionReset.into()),
        Fate::Hung => pending().await,
    }
}

impl Shared {
    fn troubles(&self) -> MutexGuard<'_, Troubles> {
        self.troubles.lock().unwrap()
    }

    async fn fate(&self, headers: &HeaderMap, call: Call) -> Fate {
        let trouble = self.troubles().met(&call);
        self.total.send_modify(|total| *total += 1);
        match trouble {
            None => Fate::Answered(self.answer(headers, call).await),
            Some(Trouble::Refuse(refusal)) => Fate::Answered(refusal.answer(&call)),
            Some(Trouble::Html) => Fate::Answered(Answer::html()),
            Some(Trouble::Cut) => Fate::Cut,
            Some(Trouble::Lose) => {
                self.answer(headers, call).await;
                Fate::Cut
            }
            Some(Trouble::Hang) => {
                self.answer(headers, call).await;
                Fate::Hung
            }
        }
    }

    async fn answer(&self, headers: &HeaderMap, call: Call) -> Answer {
        let mut books = self.books.lock().await;
        let asked = call.clone();
        let answered = if let Some(kind) = Kind::of(&call) {
            self.list(&mut books, kind, &call).await
        } else if call.action == "DescribeImages" {
            Ok(images(self.moto.forward(headers, &call).await))
        } else if let Some(requests) = books.requests(&call) {
            Ok(Answer::xml(200, &requests))
        } else if let Some(console) = console(&books, &call) {
            Ok(console)
        } else if call.is_change() {
            self.change(&mut books, headers, call).await
        } else {
            Ok(self.moto.forward(headers, &call).await)
        };
        answered.unwrap_or_else(|refusal| refusal.answer(&asked))
    }

    async fn list(&self, books: &mut Books, kind: Kind, call: &Call) -> Result<Answer, Refusal> {
        let truth = self.truth.of(&self.moto).await;
        let there = match kind {
            Kind::Instances => truth.instances.clone(),
            Kind::Volumes => truth.volumes.clone(),
        };
        let seen = books.show(kind, there);
        let answer = listing::answer(kind, call, &seen, books.page);
        books.looked(kind, call, &truth);
        Ok(Answer::xml(200, &answer?))
    }

    async fn change(
        &self,
        books: &mut Books,
        headers: &HeaderMap,
        call: Call,
    ) -> Result<Answer, Refusal> {
        if let Some(earlier) = books.earlier(&call) {
            return earlier;
        }
        let before = self.truth.of(&self.moto).await;
        books.check(&call, &before)?;
        if let Some(answer) = books.cancel(&call) {
            return Ok(Answer::xml(200, &answer));
        }
        self.check_image(&call).await?;
        if let Some(answer) = idle(&call, &before) {
            return Ok(Answer::xml(200, &answer));
        }
        let answer = self.moto.forward(headers, &complete(&call, &before)).await;
        if !answer.is_done() {
            return Ok(answer);
        }
        let mut document = Node::parse(&answer.body);
        self.protect(&call, &document).await;
        books.note(&call, &before, &mut document);
        if let Some(behind) = &books.behind {
            behind.follow(&call, &before, &*self.truth.of(&self.moto).await);
        }
        let answer = Answer::xml(200, &document);
        books.keep(&call, &answer);
        Ok(answer)
    }

    /// The emulator takes no notice of it in a launch.
    async fn protect(&self, call: &Call, launched: &Node) {
        if call.get("DisableApiTermination") != Some("true") {
            return;
        }
        for instance in launched.items("instancesSet") {
            let on = [
                ("InstanceId", instance.text_at("instanceId")),
                ("DisableApiTermination.Value", "true"),
            ];
            self.moto.ask("ModifyInstanceAttribute", &on).await;
        }
    }

    /// A machine of one architecture cannot boot an image of another.
    async fn check_image(&self, call: &Call) -> Result<(), Refusal> {
        let (Some(image), Some(kind)) = (call.get("ImageId"), call.get("InstanceType")) else {
            return Ok(());
        };
        let asked = Call::new("DescribeImages", &[("ImageId.1", image)]);
        let answer = self.moto.forward(&HeaderMap::new(), &asked).await;
        if !answer.is_done() {
            return Ok(());
        }
        let images = Node::parse(&answer.body);
        let architecture = images.text_at("imagesSet/item/architecture");
        if rules::fits(kind, architecture) {
            return Ok(());
        }
        let message = format!(
            "The architecture of the instance type '{kind}' does not match the architecture \
             '{architecture}' of the specified AMI. Specify an instance type and an AMI that have \
             matching architectures, and try again."
        );
        Err(Refusal::bad("InvalidParameterValue", message))
    }
}

/// What a real machine says on its console, where there is one.
fn console(books: &Books, call: &Call) -> Option<Answer> {
    let behind = books.behind.as_ref()?;
    let instance = call.get("InstanceId")?;
    if call.action != "GetConsoleOutput" {
        return None;
    }
    let mut document = Node::new("GetConsoleOutputResponse");
    document.set("instanceId", instance);
    document.set("output", &STANDARD.encode(behind.console(instance)));
    Some(Answer::xml(200, &document))
}
