//! Where the webhooks end: takes them, answers 204, and knows which events came and whether any came twice.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::event;
use crate::http::{Message, Wire};

/// A listening sink; its thread ends with the process.
pub struct Sink {
    address: SocketAddr,
    arrived: Arc<Mutex<Arrived>>,
}

#[derive(Default)]
struct Arrived {
    /// The events that are waited for.
    range: Range<u64>,
    /// When each of them came first.
    events: HashMap<u64, Instant>,
    messages: HashSet<String>,
    /// The first things that should not be.
    wrong: Vec<String>,
}

impl Arrived {
    fn take(&mut self, message: &Message<'_>, at: Instant) {
        let id = message.header("webhook-id").unwrap_or_default();
        let fault = match event::number(message.body) {
            _ if !self.messages.insert(id.to_owned()) => Some(format!("message {id} came twice")),
            None => Some(format!("message {id} has no event of ours")),
            Some(number) if !self.range.contains(&number) => {
                Some(format!("event {number} came, which nobody had sent by then"))
            }
            Some(number) => {
                let before = self.events.insert(number, at);
                before.map(|_| format!("event {number} came in two messages"))
            }
        };
        self.wrong.extend(fault.filter(|_| self.wrong.len() < 10));
    }
}

/// How long nothing may arrive before it is clear that the rest will not: longer than a lost claim takes.
const SILENCE: Duration = Duration::from_secs(40);

impl Sink {
    /// Starts to listen on a free port, on a thread of its own as the load does.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start() -> anyhow::Result<Self> {
        let arrived = Arc::<Mutex<Arrived>>::default();
        let (tell, told) = oneshot::channel();
        let shared = Arc::clone(&arrived);
        std::thread::Builder::new().name("sink".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(listen(tell, shared))
        })?;
        let address = told.await.context("the sink does not listen")?;
        Ok(Self { address, arrived })
    }

    /// The URL of the endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// From now on these events are to come, each once, and no others.
    pub fn expect(&self, range: Range<u64>) {
        let mut arrived = self.arrived();
        let messages = std::mem::take(&mut arrived.messages);
        // The messages stay, so that a late second one is still told.
        *arrived = Arrived { range, messages, ..Arrived::default() };
    }

    /// Waits for what is expected; answers when the last of it came.
    ///
    /// # Errors
    /// When something of it does not come or comes twice, or something else comes.
    pub async fn wait(&self) -> anyhow::Result<Instant> {
        let count = self.arrived().range.clone().count();
        let (mut there, mut moved) = (0, Instant::now());
        while there < count {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let now = self.there()?;
            if now > there {
                (there, moved) = (now, Instant::now());
            } else if moved.elapsed() > SILENCE {
                bail!("{} of {count} accepted events never reached the sink", count - there);
            }
        }
        // A second delivery would follow closely, if it comes before a claim is lost.
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.there()?;
        self.arrived().events.values().max().copied().context("no event was waited for")
    }

    /// When an event came.
    pub fn when(&self, number: u64) -> Option<Instant> {
        self.arrived().events.get(&number).copied()
    }

    fn there(&self) -> anyhow::Result<usize> {
        let arrived = self.arrived();
        if !arrived.wrong.is_empty() {
            bail!("the sink got what it should not: {}", arrived.wrong.join("; "));
        }
        Ok(arrived.events.len())
    }

    fn arrived(&self) -> MutexGuard<'_, Arrived> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn listen(
    tell: oneshot::Sender<SocketAddr>,
    arrived: Arc<Mutex<Arrived>>,
) -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    // Whoever started us has gone: then the bench is over.
    let _ = tell.send(listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let arrived = Arc::clone(&arrived);
        tokio::spawn(async move {
            // A connection that breaks shows as events that do not come.
            let _ = serve(Wire::of(stream)?, &arrived).await;
            Ok::<_, std::io::Error>(())
        });
    }
}

async fn serve(mut wire: Wire, arrived: &Mutex<Arrived>) -> std::io::Result<()> {
    while let Some(message) = wire.receive().await? {
        let at = Instant::now();
        arrived.lock().unwrap_or_else(PoisonError::into_inner).take(&message, at);
        wire.send(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
    }
    Ok(())
}
