//! The life of a serving process: its roles, the operations port, and a graceful end.

use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::preflight;
use config::{Config, Profile, Sources};
use domain::clock::Clock;
use telemetry::ops;

/// What went wrong, whoever says it.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A role that runs.
pub type Run = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Something that a process does until it is told to stop.
pub struct Role {
    /// Its name, for logs and the registry.
    pub name: &'static str,
    /// Starts it.
    pub run: Box<dyn FnOnce(Arc<App>, CancellationToken) -> Run + Send>,
}

impl Role {
    /// A role that runs like this.
    pub fn new<F, R, E>(name: &'static str, run: F) -> Self
    where
        F: FnOnce(Arc<App>, CancellationToken) -> R + Send + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Failure>,
    {
        let run = |app, stop| {
            let running = run(app, stop);
            let run: Run = Box::pin(async move { running.await.map_err(Into::into) });
            run
        };
        Self { name, run: Box::new(run) }
    }
}

/// Roles that were started.
pub struct Running {
    /// What they work with.
    pub app: Arc<App>,
    /// Ends them all.
    pub stop: CancellationToken,
    tasks: JoinSet<Result<(), Failure>>,
}

/// Opens every door and starts the roles.
///
/// # Errors
/// When a door does not open or the process may not serve.
pub async fn start(config: Config, roles: Vec<Role>, clock: Clock) -> Result<Running, Failure> {
    let names: Vec<&str> = roles.iter().map(|role| role.name).collect();
    let app = App::start(config, clock, &names.join("+")).await?;
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    for role in roles {
        let name = role.name;
        let running = (role.run)(Arc::clone(&app), stop.clone());
        tasks
            .spawn(async move { running.await.map_err(|error| format!("{name}: {error}").into()) });
    }
    Ok(Running { app, stop, tasks })
}

impl Running {
    /// Waits until a role fails or `stop` ends them all, then closes what they worked with.
    ///
    /// # Errors
    /// The first role's failure.
    pub async fn wait(mut self) -> Result<(), Failure> {
        let mut outcome = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            let ended =
                ended.unwrap_or_else(|panic| Err(format!("a role panicked: {panic}").into()));
            if outcome.is_ok() {
                outcome = ended;
            }
            // One role without the others is no service.
            self.app.health.drain();
            self.stop.cancel();
        }
        self.app.close().await;
        outcome
    }
}

/// Runs a command on a runtime of its own.
///
/// # Errors
/// What the command fails with.
pub fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    telemetry::install_tls();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let answer = runtime.block_on(command);
    // What still runs then is beyond waiting for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    answer
}

/// Serves until a signal: the whole of a role's `main`.
///
/// # Errors
/// When it can't start or a role fails.
pub fn serve(config: Config, roles: Vec<Role>) -> Result<(), Failure> {
    preflight::check(&config)?;
    let telemetry = telemetry::init(&config.log, &config.otlp)?;
    let served = block_on(live(config, roles, telemetry.metrics()));
    telemetry.shutdown(Duration::from_secs(3));
    served
}

/// The `main` of a binary that has one role and no commands: configuration from the usual places.
pub fn single(role: impl FnOnce(&mut Config) -> Result<Role, Failure>) -> ExitCode {
    let run = || {
        let mut config = Config::load(Sources::from_process(None))?;
        let role = role(&mut config)?;
        serve(config, vec![role])
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If nobody hears it, that is all the same.
            let _ = writeln!(std::io::stderr(), "bellbuoy: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn live(
    mut config: Config,
    roles: Vec<Role>,
    metrics: PrometheusHandle,
) -> Result<(), Failure> {
    let clock = clock(&config)?;
    // From here on: whoever asks us to end while the roles start finds them ending in order, too.
    let mut signals = Signals::listen();
    let ops_port =
        listen(config.ops.listen).await.map_err(|error| format!("ops.listen: {error}"))?;
    // What tells where it is tells the port that it really has.
    config.ops.listen = ops_port.local_addr()?;
    let running = tokio::select! {
        running = start(config, roles, clock) => running?,
        () = signals.next() => return Ok(()),
    };
    let (health, stop) = (Arc::clone(&running.app.health), running.stop.clone());
    let ops_stop = CancellationToken::new();
    let ops = tokio::spawn(ops::serve(Arc::clone(&health), metrics, ops_port, ops_stop.clone()));
    tokio::spawn(async move {
        signals.next().await;
        tracing::info!("stopping: what runs is finished first");
        health.drain();
        stop.cancel();
        signals.next().await;
        tracing::warn!("stopping at once");
        std::process::exit(130);
    });
    let served = running.wait().await;
    // The operations port answers to the end, so that it can be seen how far the draining is.
    ops_stop.cancel();
    ops.await??;
    served
}

async fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}"))
}

/// The machine's clock, or in development the one that a test shares between processes.
fn clock(config: &Config) -> Result<Clock, Failure> {
    match std::env::var_os("BELLBUOY_TEST_CLOCK") {
        Some(path) if config.profile == Profile::Development => Ok(Clock::following(path.into())?),
        _ => Ok(Clock::System),
    }
}

/// What asks a process to end.
struct Signals {
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
}

impl Signals {
    /// Listens from now on. A signal that can't be listened to ends the process, as it does by itself.
    fn listen() -> Self {
        let hear = |kind| {
            signal(kind).inspect_err(|error| tracing::warn!(%error, "a signal is not heard")).ok()
        };
        Self { terminate: hear(SignalKind::terminate()), interrupt: hear(SignalKind::interrupt()) }
    }

    async fn next(&mut self) {
        tokio::select! {
            () = one(&mut self.terminate) => {}
            () = one(&mut self.interrupt) => {}
        }
    }
}

async fn one(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
