//! A connection to one server that is made when it is first needed, given up when it fails, and made anew for whoever
//! asks next.
//!
//! The crate's own manager lets the first command after an outage fail with the error of an old attempt, and keeps a
//! connection whose peer vanished without a word; this one starts a fresh attempt and gives such a connection up.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture, Shared};
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisResult, Value};

use super::server::{CONNECT, Server};
use config::address::Host;

/// How long a failed attempt speaks for those that follow, so that an outage is no storm of attempts.
pub(super) const PAUSE: Duration = Duration::from_millis(200);
/// A connection that leaves a command unanswered and was silent for this long is given up.
const SILENCE: Duration = Duration::from_secs(1);

/// Whom to connect to.
#[derive(Clone)]
pub(super) enum Target {
    /// Always this server.
    Host(Host),
    /// Whichever the sentinels say.
    Primary,
}

#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    /// Milliseconds from `since` to the last answer.
    heard: Arc<AtomicU64>,
    since: Instant,
}

impl Live {
    fn hear(&self) {
        let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        // Zero is for a connection on which nothing was answered yet.
        self.heard.store(millis.max(1), Ordering::Relaxed);
    }

    fn is_unproved(&self) -> bool {
        self.heard.load(Ordering::Relaxed) == 0
    }

    fn silent(&self) -> bool {
        let heard = Duration::from_millis(self.heard.load(Ordering::Relaxed));
        self.since.elapsed().saturating_sub(heard) >= SILENCE
    }
}

#[derive(Clone)]
struct Failed {
    at: Instant,
    why: Arc<str>,
}

type Attempt = Shared<BoxFuture<'static, Result<Live, Failed>>>;

/// One server, with the connection or the attempt to make it.
pub(super) struct Node {
    server: Arc<Server>,
    target: Target,
    current: Mutex<(u64, Option<Attempt>)>,
    /// Where the last connection led.
    at: Arc<Mutex<Option<Host>>>,
    /// Whether it left the last question without an answer.
    mute: AtomicBool,
}

impl Node {
    pub(super) fn new(server: Arc<Server>, target: Target) -> Self {
        let at = match &target {
            Target::Host(host) => Some(host.clone()),
            Target::Primary => None,
        };
        let (current, mute) = (Mutex::default(), AtomicBool::new(false));
        Self { server, target, current, at: Arc::new(Mutex::new(at)), mute }
    }

    /// Where it is, or was when last seen.
    pub(super) fn at(&self) -> Option<Host> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it left the last question without an answer.
    pub(super) fn is_mute(&self) -> bool {
        self.mute.load(Ordering::Relaxed)
    }

    /// Sends commands and answers each; whoever stops waiting for it lets the connection be doubted.
    pub(super) async fn ask(
        &self,
        pipeline: &mut Pipeline,
    ) -> Result<Vec<RedisResult<Value>>, String> {
        let mut waiting = Waiting { node: self, answered: false };
        let (number, attempt) = self.attempt();
        let asking = async {
            let live = attempt.await.map_err(|failed| failed.why.to_string())?;
            let mut connection = live.connection.clone();
            let answers: RedisResult<Vec<RedisResult<Value>>> =
                pipeline.ignore_errors().query_async(&mut connection).await;
            match answers {
                Ok(answers) => {
                    live.hear();
                    // A demoted primary answers, but only another connection leads to its successor.
                    if answers.iter().any(|answer| answer.as_ref().is_err_and(super::is_demoted)) {
                        self.give_up(number);
                    }
                    Ok(answers)
                }
                Err(error) => {
                    let why = error.to_string();
                    // Something before the server may take connections and close them at once: that is a failed attempt
                    // like any other, or an outage would be a storm of them.
                    match live.is_unproved() {
                        true => self.fail(number, &why),
                        false => self.give_up(number),
                    }
                    Err(why)
                }
            }
        };
        let answers = asking.await;
        waiting.answered = true;
        self.mute.store(answers.is_err(), Ordering::Relaxed);
        answers
    }

    /// The connection in use, or a new attempt: it runs on its own, so that it outlives the patience of its callers.
    fn attempt(&self) -> (u64, Attempt) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(attempt) = &current.1 {
            let stale = match attempt.peek() {
                Some(Err(failed)) => failed.at.elapsed() >= PAUSE,
                Some(Ok(_)) | None => false,
            };
            if !stale {
                return (current.0, attempt.clone());
            }
        }
        let (server, target, at) =
            (Arc::clone(&self.server), self.target.clone(), Arc::clone(&self.at));
        let attempt = connect(server, target, at).boxed().shared();
        tokio::spawn(attempt.clone().map(drop));
        *current = (current.0 + 1, Some(attempt.clone()));
        (current.0, attempt)
    }

    fn give_up(&self, number: u64) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0 == number {
            current.1 = None;
        }
    }

    /// Lets the attempt have failed, so that it speaks for those that follow.
    fn fail(&self, number: u64, why: &str) {
        let failed = Failed { at: Instant::now(), why: why.into() };
        let attempt = future::ready(Err(failed)).boxed().shared();
        // A shared future shows its outcome only after it was asked for it.
        let _ = attempt.clone().now_or_never();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0 == number {
            current.1 = Some(attempt);
        }
    }

    fn doubt(&self) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = |attempt: &Attempt| matches!(attempt.peek(), Some(Ok(live)) if live.silent());
        if current.1.as_ref().is_some_and(silent) {
            current.1 = None;
        }
    }
}

/// Doubts the connection when it goes before the answer came.
struct Waiting<'a> {
    node: &'a Node,
    answered: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.node.mute.store(true, Ordering::Relaxed);
            self.node.doubt();
        }
    }
}

async fn connect(
    server: Arc<Server>,
    target: Target,
    at: Arc<Mutex<Option<Host>>>,
) -> Result<Live, Failed> {
    let connecting = async {
        match target {
            Target::Host(host) => server.connect(&host).await,
            Target::Primary => {
                let (host, connection) = server.connect_primary().await?;
                let before =
                    at.lock().unwrap_or_else(PoisonError::into_inner).replace(host.clone());
                if before.as_ref().is_some_and(|before| *before != host) {
                    metrics::counter!("bellbuoy_redis_failovers_total").increment(1);
                    tracing::info!(primary = %host, "Redis has another primary");
                }
                Ok(connection)
            }
        }
    };
    let answer = tokio::time::timeout(CONNECT, connecting)
        .await
        .unwrap_or_else(|_| Err(format!("no connection within {CONNECT:?}")));
    let outcome = if answer.is_ok() { "made" } else { "failed" };
    metrics::counter!("bellbuoy_redis_connections_total", "outcome" => outcome).increment(1);
    match answer {
        Ok(connection) => Ok(Live { connection, heard: Arc::default(), since: Instant::now() }),
        Err(why) => Err(Failed { at: Instant::now(), why: why.into() }),
    }
}
