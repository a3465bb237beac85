//! A connection to Redis that is made when it is first needed, given up when it fails, and made anew for whoever asks
//! next. Nobody waits longer than their patience, however long Redis is away.
//!
//! The crate's own manager lets the first command after an outage fail with the error of an old attempt, and keeps a
//! connection whose peer vanished without a word; this one starts a fresh attempt and gives such a connection up.

pub(crate) mod listener;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, Pipeline, RedisError, RedisResult,
    ServerErrorKind, Value,
};

/// How long one attempt to connect may take, whatever the patience of those who wait for it.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a failed attempt speaks for those that follow, so that an outage is no storm of attempts.
const PAUSE: Duration = Duration::from_millis(200);
/// A connection that leaves a command unanswered and was silent for this long is given up.
const SILENCE: Duration = Duration::from_secs(1);

/// A Lua script and the hash that Redis knows it by.
pub(crate) struct Script {
    code: &'static str,
    hash: String,
}

impl Script {
    pub(crate) fn new(code: &'static str) -> Self {
        Self { code, hash: redis::Script::new(code).get_hash().to_owned() }
    }
}

/// One run of a script on the slot of one key.
pub(crate) struct Call<'a> {
    script: &'a Script,
    key: &'a str,
    args: Vec<Vec<u8>>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(script: &'a Script, key: &'a str) -> Self {
        Self { script, key, args: Vec::new() }
    }

    pub(crate) fn arg(mut self, arg: impl Into<Vec<u8>>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub(crate) fn number(self, number: impl ToString) -> Self {
        self.arg(number.to_string())
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.args.extend(args);
        self
    }

    fn command(&self, verb: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(verb);
        command.arg(script).arg(1).arg(self.key);
        for arg in &self.args {
            command.arg(arg.as_slice());
        }
        command
    }
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
        self.heard.store(millis, Ordering::Relaxed);
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

/// The connection, or the attempt to make it.
pub(crate) struct Link {
    client: Client,
    patience: Duration,
    current: Mutex<(u64, Option<Attempt>)>,
}

impl Link {
    /// A link to the server at `url`, which need not be there yet.
    pub(crate) fn open(url: &str, patience: Duration) -> Result<Self, String> {
        let client = Client::open(url).map_err(|error| format!("not a Redis address: {error}"))?;
        // TLS needs a provider; whoever installed one before is right.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self { client, patience, current: Mutex::new((0, None)) })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Runs scripts in one round trip, or two when the server does not know them yet; fails when one of them fails.
    pub(crate) async fn call(&self, calls: &[Call<'_>]) -> Result<Vec<Value>, String> {
        let work = async {
            let mut pipeline = Pipeline::with_capacity(calls.len());
            for call in calls {
                pipeline.add_command(call.command("EVALSHA", &call.script.hash));
            }
            let mut answers = self.ask(&mut pipeline).await?;
            let unknown: Vec<usize> = answers
                .iter()
                .enumerate()
                .filter(|(_, answer)| answer.as_ref().is_err_and(is_unknown_script))
                .map(|(place, _)| place)
                .collect();
            if !unknown.is_empty() {
                let mut pipeline = Pipeline::with_capacity(unknown.len());
                for call in unknown.iter().filter_map(|place| calls.get(*place)) {
                    pipeline.add_command(call.command("EVAL", call.script.code));
                }
                for (place, answer) in unknown.into_iter().zip(self.ask(&mut pipeline).await?) {
                    if let Some(slot) = answers.get_mut(place) {
                        *slot = answer;
                    }
                }
            }
            answers.into_iter().map(|answer| answer.map_err(|error| error.to_string())).collect()
        };
        self.patiently(work).await
    }

    /// Runs one script.
    pub(crate) async fn one(&self, call: Call<'_>) -> Result<Value, String> {
        let answers = self.call(&[call]).await?;
        answers.into_iter().next().ok_or_else(|| "no answer".to_owned())
    }

    /// Sends one command.
    pub(crate) async fn send(&self, command: Cmd) -> Result<Value, String> {
        let work = async {
            let mut pipeline = Pipeline::with_capacity(1);
            pipeline.add_command(command);
            match self.ask(&mut pipeline).await?.into_iter().next() {
                Some(answer) => answer.map_err(|error| error.to_string()),
                None => Err("no answer".to_owned()),
            }
        };
        self.patiently(work).await
    }

    async fn patiently<T>(
        &self,
        work: impl Future<Output = Result<T, String>>,
    ) -> Result<T, String> {
        match tokio::time::timeout(self.patience, work).await {
            Ok(answer) => answer,
            Err(_) => {
                self.doubt();
                Err(format!("no answer within {:?}", self.patience))
            }
        }
    }

    async fn ask(&self, pipeline: &mut Pipeline) -> Result<Vec<RedisResult<Value>>, String> {
        let (number, attempt) = self.attempt();
        let live = attempt.await.map_err(|failed| failed.why.to_string())?;
        let mut connection = live.connection.clone();
        let answers: RedisResult<Vec<RedisResult<Value>>> =
            pipeline.ignore_errors().query_async(&mut connection).await;
        match answers {
            Ok(answers) => {
                live.hear();
                // A demoted primary answers, but only another connection leads to its successor.
                if answers.iter().any(|answer| answer.as_ref().is_err_and(is_demoted)) {
                    self.give_up(number);
                }
                Ok(answers)
            }
            Err(error) => {
                self.give_up(number);
                Err(error.to_string())
            }
        }
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
        let attempt = connect(self.client.clone()).boxed().shared();
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

    fn doubt(&self) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = |attempt: &Attempt| matches!(attempt.peek(), Some(Ok(live)) if live.silent());
        if current.1.as_ref().is_some_and(silent) {
            current.1 = None;
        }
    }
}

async fn connect(client: Client) -> Result<Live, Failed> {
    // The callers' patience bounds answers; a limit here as well would only cut large ones short.
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let failed = |why: String| Failed { at: Instant::now(), why: why.into() };
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    match tokio::time::timeout(CONNECT, connection).await {
        Ok(Ok(connection)) => Ok(Live { connection, heard: Arc::default(), since: Instant::now() }),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed(format!("no connection within {CONNECT:?}"))),
    }
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

fn is_demoted(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}
