//! Wake-ups of the queue in the store: within this process at once, between processes as the engine can.

use std::collections::HashMap;
use std::sync::{Mutex, Weak};
use std::time::Duration;

use sqlx::{MySqlPool, PgPool};
use tokio::sync::{Notify, watch};

use crate::Store;
use crate::queues::number;
use domain::job::QueueName;

/// Tells the workers of this process, and of others where the engine can, that jobs have come.
pub struct Wake {
    queues: HashMap<QueueName, watch::Sender<u64>>,
    outward: Notify,
    stirred: Mutex<Vec<QueueName>>,
}

impl Default for Wake {
    fn default() -> Self {
        let queues =
            QueueName::ALL.into_iter().map(|queue| (queue, watch::Sender::new(0))).collect();
        Self { queues, outward: Notify::new(), stirred: Mutex::default() }
    }
}

impl Wake {
    fn stir(&self, queue: QueueName) {
        if let Some(sender) = self.queues.get(&queue) {
            sender.send_modify(|count| *count += 1);
        }
    }

    pub(super) fn subscribe(&self, queue: QueueName) -> watch::Receiver<u64> {
        self.queues.get(&queue).map_or_else(|| watch::channel(0).1, watch::Sender::subscribe)
    }

    /// Whether a worker of this process waits for jobs of the queue in the store.
    fn is_awaited(&self) -> bool {
        self.queues.values().any(|sender| sender.receiver_count() > 0)
    }
}

/// The channel that PostgreSQL carries wake-ups on.
const CHANNEL: &str = "bellbuoy_jobs";

/// How often a process on MySQL or MariaDB looks for jobs that another has pushed. A job is to be started within 250 ms,
/// and the start itself takes a little.
const LOOK: Duration = Duration::from_millis(240);

impl Store {
    /// Says that jobs of `queue` have come.
    pub(crate) fn wake(&self, queue: QueueName) {
        self.wakeups.stir(queue);
        if self.engine.postgres().is_some() {
            if let Ok(mut stirred) = self.wakeups.stirred.lock()
                && !stirred.contains(&queue)
            {
                stirred.push(queue);
            }
            self.wakeups.outward.notify_one();
        }
    }

    /// Carries wake-ups between processes: PostgreSQL does so by itself; on MySQL and MariaDB each process looks.
    pub(crate) fn listen(&self) {
        let wake = std::sync::Arc::downgrade(&self.wakeups);
        if let Some(pool) = self.engine.postgres() {
            tokio::spawn(tell(pool.clone(), wake.clone()));
            tokio::spawn(listen(pool.clone(), wake));
        } else if let Some(pool) = self.engine.mysql() {
            tokio::spawn(look(pool.clone(), wake));
        }
    }
}

/// Tells other processes, outside the verbs' own transactions, because a NOTIFY inside one makes all commits wait in a
/// row. One that is lost costs a poll's wait.
async fn tell(pool: PgPool, telling: Weak<Wake>) {
    while let Some(wake) = telling.upgrade() {
        let told = tokio::time::timeout(Duration::from_secs(1), wake.outward.notified()).await;
        let queues =
            wake.stirred.lock().map(|mut all| std::mem::take(&mut *all)).unwrap_or_default();
        drop(wake);
        if told.is_err() && queues.is_empty() {
            continue;
        }
        for queue in queues {
            let sent = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(queue.as_str());
            if let Err(error) = sent.execute(&pool).await {
                tracing::debug!(%error, "a wake-up was not sent; the poll will find the job");
            }
        }
    }
}

async fn listen(pool: PgPool, wake: Weak<Wake>) {
    while wake.strong_count() > 0 && !pool.is_closed() {
        if let Err(error) = hear(&pool, &wake).await {
            tracing::debug!(%error, "wake-ups are not heard; workers poll meanwhile");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn hear(pool: &PgPool, wake: &Weak<Wake>) -> sqlx::Result<()> {
    let mut listener = sqlx::postgres::PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        let told = tokio::time::timeout(Duration::from_secs(5), listener.recv()).await;
        let Some(wake) = wake.upgrade() else { return Ok(()) };
        match told {
            Ok(told) => {
                if let Some(queue) = QueueName::parse(told?.payload()) {
                    wake.stir(queue);
                }
            }
            Err(_) if pool.is_closed() => return Ok(()),
            Err(_) => {}
        }
    }
}

/// One question about all queues at once, and none while nobody here waits for an answer.
async fn look(pool: MySqlPool, wake: Weak<Wake>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(wake) = wake.upgrade() else { return };
        if pool.is_closed() {
            return;
        }
        if !wake.is_awaited() {
            continue;
        }
        let text = "SELECT q.queue FROM (SELECT 1 AS queue UNION ALL SELECT 2 UNION ALL SELECT 3) q
                    WHERE EXISTS (SELECT 1 FROM jobs j WHERE j.queue = q.queue)";
        match sqlx::query_as::<_, (i64,)>(text).fetch_all(&pool).await {
            Ok(filled) => QueueName::ALL
                .into_iter()
                .filter(|queue| filled.contains(&(i64::from(number(*queue)),)))
                .for_each(|queue| wake.stir(queue)),
            Err(error) => {
                tracing::debug!(%error, "nobody could look for jobs; workers poll meanwhile");
            }
        }
    }
}
