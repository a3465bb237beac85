//! SQLite's one writer: verbs queue for it, and those that wait at the same time share a commit.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::SqlitePool;
use tokio::sync::{mpsc, oneshot};

use super::{Tx, sql};
use crate::{Result, StoreError};

/// How many verbs may share a commit: enough to make the flush cheap, few enough that the first does not wait long.
const SHARED: usize = 64;

/// The hand that writes.
#[derive(Clone)]
pub(crate) struct Writer {
    verbs: mpsc::Sender<Box<dyn Verb>>,
    pool: SqlitePool,
}

trait Verb: Send {
    /// Does its work; `false` when its changes must be undone.
    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> BoxFuture<'a, bool>;
    /// Tells the caller, after the commit.
    fn answer(self: Box<Self>, committed: std::result::Result<(), String>);
}

struct Asked<T, F> {
    work: Arc<F>,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Verb for Asked<T, F>
where
    T: Send + 'static,
    F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
{
    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let work = Arc::clone(&self.work);
            let outcome = AssertUnwindSafe(work(tx)).catch_unwind().await;
            let result = outcome.unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
            let fine = result.is_ok();
            self.result = Some(result);
            fine
        })
    }

    fn answer(self: Box<Self>, committed: std::result::Result<(), String>) {
        let result = match (self.result, committed) {
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(why)) => Err(StoreError::Again(why)),
            (None, Ok(())) => Err(StoreError::Unavailable("the verb did not run".into())),
        };
        // A caller that went away has no use for the answer.
        let _ = self.reply.send(result);
    }
}

fn panicked(panic: &(dyn Any + Send)) -> StoreError {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    StoreError::Corrupt(format!("a verb panicked: {}", text.unwrap_or_default()))
}

impl Writer {
    pub(super) fn start(pool: SqlitePool) -> Self {
        let (verbs, waiting) = mpsc::channel(1024);
        tokio::spawn(write(pool.clone(), waiting));
        Self { verbs, pool }
    }

    pub(super) async fn run<T, F>(&self, work: Arc<F>) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
    {
        let away = || StoreError::Unavailable("the store is closing".into());
        let (reply, answer) = oneshot::channel();
        self.verbs.send(Box::new(Asked { work, result: None, reply })).await.map_err(|_| away())?;
        answer.await.map_err(|_| away())?
    }

    pub(super) async fn durability(&self) -> Result<Vec<String>> {
        let (mode,) = self.run(Arc::new(synchronous)).await?;
        Ok(if mode < 2 { vec!["SQLite has synchronous below FULL".into()] } else { Vec::new() })
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

fn synchronous(tx: &mut Tx) -> BoxFuture<'_, Result<(i64,)>> {
    Box::pin(async move { sql!(tx, fetch_one as (i64,), "PRAGMA synchronous") })
}

async fn write(pool: SqlitePool, mut waiting: mpsc::Receiver<Box<dyn Verb>>) {
    let mut verbs = Vec::with_capacity(SHARED);
    while waiting.recv_many(&mut verbs, SHARED).await > 0 {
        let committed = match pool.acquire().await {
            Ok(connection) => commit(&mut Tx::sqlite(connection), &mut verbs).await,
            Err(error) => Err(error.into()),
        };
        let committed = committed.map_err(|error| error.to_string());
        for verb in verbs.drain(..) {
            verb.answer(committed.clone());
        }
    }
}

async fn commit(tx: &mut Tx, verbs: &mut [Box<dyn Verb>]) -> Result<()> {
    sql!(tx, execute, "BEGIN IMMEDIATE")?;
    let done = run_all(tx, verbs).await;
    match done {
        Ok(()) => match sql!(tx, execute, "COMMIT") {
            Ok(_) => Ok(()),
            Err(error) => {
                // The commit failed as a whole: nothing of it may stay open on the one connection.
                let _ = sql!(tx, execute, "ROLLBACK");
                Err(error)
            }
        },
        Err(error) => {
            let _ = sql!(tx, execute, "ROLLBACK");
            Err(error)
        }
    }
}

async fn run_all(tx: &mut Tx, verbs: &mut [Box<dyn Verb>]) -> Result<()> {
    for verb in verbs {
        sql!(tx, execute, "SAVEPOINT verb")?;
        if !verb.run(tx).await {
            sql!(tx, execute, "ROLLBACK TO verb")?;
        }
        sql!(tx, execute, "RELEASE verb")?;
    }
    Ok(())
}
