//! Sends events: so many at once (each connection has one under way), or one at a time with pauses.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};

use crate::event;
use crate::http::Wire;

/// What to send, where, and how.
#[derive(Clone)]
pub struct Load {
    /// Who listens.
    pub target: SocketAddr,
    /// The API key.
    pub key: String,
    /// The status that says that it went well.
    pub expect: u16,
    /// How many connections; each sends again when it has its answer.
    pub connections: usize,
    /// The number of the first event.
    pub first: u64,
    /// How many events.
    pub count: u64,
    /// How long a connection rests after an answer.
    pub pause: Duration,
    /// How long all of it may take.
    pub limit: Duration,
}

/// An event that was answered.
pub struct Sent {
    /// Its number.
    pub number: u64,
    /// When its request was begun.
    pub began: Instant,
    /// How long until its answer was there.
    pub took: Duration,
}

/// What was sent, in no order.
pub struct Outcome {
    /// When the first request was begun.
    pub began: Instant,
    /// How long until the last answer.
    pub took: Duration,
    /// Every event.
    pub sent: Vec<Sent>,
}

/// Sends all of it, on a thread of its own: a single one costs least, and its wake-ups don't mix with those of what is
/// measured in this process.
///
/// # Errors
/// When anything is answered in another way than expected, or it takes too long.
pub async fn run(load: Load) -> anyhow::Result<Outcome> {
    let (tell, told) = oneshot::channel();
    std::thread::Builder::new().name("load".to_owned()).spawn(move || {
        // Nobody listens any more only when the bench is being ended.
        let _ = tell.send(on_one_thread(&load));
    })?;
    told.await.context("the thread of the load ended")?
}

fn on_one_thread(load: &Load) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(LocalSet::new().run_until(async {
        let all = tokio::time::timeout(load.limit, all(load)).await;
        all.with_context(|| format!("{} events were not sent within {:?}", load.count, load.limit))?
    }))
}

async fn all(load: &Load) -> anyhow::Result<Outcome> {
    let mut wires = Vec::with_capacity(load.connections);
    for _ in 0..load.connections {
        wires.push(Wire::connect(load.target).await.context("the target does not listen")?);
    }
    let next = Rc::new(Cell::new(load.first));
    let began = Instant::now();
    let mut running = JoinSet::new();
    for wire in wires {
        running.spawn_local(one(load.clone(), wire, Rc::clone(&next)));
    }
    let mut sent = Vec::with_capacity(usize::try_from(load.count)?);
    while let Some(done) = running.join_next().await {
        sent.extend(done??);
    }
    Ok(Outcome { began, took: began.elapsed(), sent })
}

async fn one(load: Load, mut wire: Wire, next: Rc<Cell<u64>>) -> anyhow::Result<Vec<Sent>> {
    let mut sent = Vec::new();
    while next.get() < load.first + load.count {
        let number = next.replace(next.get() + 1);
        let request = request(&load, number);
        let began = Instant::now();
        wire.send(request.as_bytes()).await?;
        let answer = wire.receive().await?.context("the target hung up")?;
        if answer.status() != load.expect {
            let body = String::from_utf8_lossy(answer.body);
            bail!("answered {}, not {}: {body}", answer.status(), load.expect);
        }
        sent.push(Sent { number, began, took: began.elapsed() });
        if !load.pause.is_zero() {
            tokio::time::sleep(load.pause).await;
        }
    }
    Ok(sent)
}

/// Half of the requests have an idempotency key, as the specification of the benchmark wants it.
fn request(load: &Load, number: u64) -> String {
    let body = event::body(number);
    let idempotency = match number % 2 {
        0 => format!("idempotency-key: bench-{number}\r\n"),
        _ => String::new(),
    };
    format!(
        "POST /api/v1/events HTTP/1.1\r\nhost: {}\r\nx-api-key: {}\r\ncontent-type: application/json\r\n\
         {idempotency}content-length: {}\r\n\r\n{body}",
        load.target,
        load.key,
        body.len()
    )
}
