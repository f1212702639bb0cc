//! `metrom serve`: the loop, with the API beside it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::system::SystemClock;
use super::wiring::Wiring;
use super::{Global, place};
use crate::http::{App, Board, Metrics, TimedLocks, WatchedSource};
use crate::manifest::schema::Span;
use crate::model::{SecretRef, Trigger};
use crate::port::{SecretError, Secrets};
use crate::reconcile::{Library, Reconciler, Runner, Wake};
use crate::secrets::LocalSecrets;
use crate::source::watch;
use crate::usage::{Ask, Sampler};

/// Where the secret of webhooks is found.
const WEBHOOK_SECRET: &str = "METROM_WEBHOOK_SECRET";

/// How long running steps may go on after a stop was asked for; systemd's own patience is longer.
const GRACE: Duration = Duration::from_secs(90);

/// How long open answers may take after a stop was asked for.
const ANSWERS_GRACE: Duration = Duration::from_secs(5);

/// Keeps all environments as they are declared, and serves the API
#[derive(Debug, Args)]
pub struct Serve {
    /// Where the API listens
    #[arg(
        long,
        env = "METROM_LISTEN",
        default_value = "127.0.0.1:8181",
        value_name = "ADDR:PORT"
    )]
    listen: SocketAddr,
    /// Listens on more than loopback although the API asks nobody who they are
    #[arg(long)]
    without_authentication: bool,
    /// How often it measures what environments use
    #[arg(
        long,
        env = "METROM_MEASURE_EVERY",
        default_value = "1m",
        value_name = "TIME"
    )]
    measure_every: Span,
    /// Measures nothing
    #[arg(long, conflicts_with = "measure_every")]
    without_measuring: bool,
}

pub async fn run(args: &Serve, global: &Global) -> Result<Exit> {
    if !args.listen.ip().is_loopback() && !args.without_authentication {
        bail!(
            "{} is not loopback and the API has no authentication yet; listen on 127.0.0.1, put a \
             proxy that authenticates in front, or say `--without-authentication`",
            args.listen
        );
    }
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    let wiring = Wiring::open(global).await?;
    let metrics = Metrics::default();
    let board = Board::new(metrics.clone());
    // Who hangs is known to the loop and to the API alike.
    let library = Arc::<Library>::default();
    let (reconciler, source) = reconciler(&wiring, &metrics, &board);
    let reconciler = Arc::new(reconciler.sharing(Arc::clone(&library)).hurrying());
    let stopping = reconciler.stopping().clone();
    let (runner, wake) = Runner::new(reconciler.clone(), GRACE);
    let viewer = wiring.viewer().sharing(library);
    let viewer = viewer.hurrying(Arc::new(SystemClock));
    let app = App {
        store: wiring.store.clone(),
        viewer: Arc::new(viewer),
        source,
        wake: wake.clone(),
        webhook_secret: webhook_secret()?,
        repository: wiring.url.clone(),
        metrics,
        waiting: runner.waiting(),
        ledger: Arc::default(),
        stopping: stopping.clone(),
    };
    greet(&wiring, &listener, &app)?;
    let watching = watch_local(global, &wake);
    stop_on_signals(stopping.clone())?;
    let count = tokio::spawn(app.clone().count_events());
    let measuring = sampler(args, &app, &runner).map(|sampler| tokio::spawn(sampler.run()));
    let answering = tokio::spawn(answer(listener, app, stopping));
    runner.run().await;
    tracing::info!("stopping: no step runs any more");
    if let Some(measuring) = measuring {
        // It only writes down its last hours.
        let _ = tokio::time::timeout(ANSWERS_GRACE, measuring).await;
    }
    let answered = tokio::time::timeout(ANSWERS_GRACE, answering).await;
    count.abort();
    drop(watching);
    match answered {
        Ok(ended) => ended.context("the API was cut short")??,
        Err(_) => tracing::warn!("requests were still open at the end of the grace time"),
    }
    Ok(Exit::Done)
}

/// The reconciler with everything that counts and remembers around its ports.
fn reconciler(
    wiring: &Wiring,
    metrics: &Metrics,
    board: &Arc<Board>,
) -> (Reconciler, Arc<WatchedSource>) {
    let mut ports = wiring.ports();
    let source = WatchedSource::new(ports.source, metrics.clone());
    let source = Arc::new(source);
    ports.source = source.clone();
    ports.locks = Arc::new(TimedLocks::new(ports.locks, metrics.clone()));
    let reconciler = Reconciler::new(ports).watched_by(board.clone());
    (reconciler, source)
}

/// What measures beside the loop.
fn sampler(args: &Serve, app: &App, runner: &Runner) -> Option<Sampler> {
    let ask = Ask {
        providers: app.viewer.providers().clone(),
        guests: app.viewer.guests().clone(),
        clock: Arc::new(SystemClock),
    };
    let sampler = Sampler {
        ask,
        store: app.store.clone(),
        ledger: app.ledger.clone(),
        looks: runner.looks(),
        interval: args.measure_every.duration(),
        stopping: app.stopping.clone(),
    };
    (!args.without_measuring).then_some(sampler)
}

/// The secret that webhooks are signed with; without one they are refused.
fn webhook_secret() -> Result<Option<SecretString>> {
    match LocalSecrets.resolve(&SecretRef::Env(WEBHOOK_SECRET.to_owned())) {
        Ok(secret) => Ok(Some(secret)),
        Err(SecretError::Unset(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What a person should know at the start.
fn greet(wiring: &Wiring, listener: &TcpListener, app: &App) -> Result<()> {
    let address = listener.local_addr().context("cannot tell the address")?;
    let (repository, state) = (&wiring.url, wiring.state.display());
    tracing::info!(%repository, %state, "metrom {} follows {repository}", env!("CARGO_PKG_VERSION"));
    tracing::warn!(%address, "the API at http://{address} has no authentication: whoever reaches it sees all and may wake syncs");
    if app.webhook_secret.is_none() {
        tracing::info!(
            "webhooks are refused, since {WEBHOOK_SECRET} is not set; the poll finds every change"
        );
    }
    Ok(())
}

/// Wakes the loop when a repository on this machine changes.
fn watch_local(
    global: &Global,
    wake: &UnboundedSender<Wake>,
) -> Option<tokio::task::JoinHandle<()>> {
    let url = place::repository(global.repo.as_deref()).ok()?;
    let path = std::path::PathBuf::from(url.strip_prefix("file://").unwrap_or(&url));
    if !path.is_dir() {
        return None;
    }
    let mut changes = match watch::watch(&path) {
        Ok(changes) => changes,
        Err(error) => {
            tracing::warn!(%error, "changes are found by the poll alone");
            return None;
        }
    };
    let wake = wake.clone();
    Some(tokio::spawn(async move {
        while changes.recv().await.is_some() {
            if wake.send(Wake::Repository(Trigger::Watch)).is_err() {
                return;
            }
        }
    }))
}

fn stop_on_signals(stopping: CancellationToken) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let context = "cannot listen to signals";
    let mut terminate = signal(SignalKind::terminate()).context(context)?;
    let mut interrupt = signal(SignalKind::interrupt()).context(context)?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to stop: running steps finish, no other begins");
        stopping.cancel();
    });
    Ok(())
}

async fn answer(listener: TcpListener, app: App, stopping: CancellationToken) -> Result<()> {
    let server = axum::serve(listener, crate::http::router(app));
    let server = server.with_graceful_shutdown(stopping.cancelled_owned());
    server.await.context("the API ended")
}
