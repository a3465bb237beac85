//! A webhook receiver that remembers what it was sent and answers as it is told.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

/// What was received.
#[derive(Clone, Debug)]
pub struct Hook {
    /// The message id.
    pub id: String,
    /// The headers, by their names in small letters.
    pub headers: BTreeMap<String, String>,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl Hook {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// What to answer: a status, headers and a body, or nothing at all.
pub type Behaviour = Box<dyn Fn(&Hook, usize) -> Reply + Send>;

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// A header besides.
    pub header: Option<(&'static str, String)>,
    /// The body.
    pub body: String,
    /// How long to wait before answering.
    pub after: std::time::Duration,
}

impl Reply {
    /// Only a status.
    pub const fn status(status: u16) -> Self {
        Self { status, header: None, body: String::new(), after: std::time::Duration::ZERO }
    }
}

#[derive(Default)]
struct Seen {
    hooks: Vec<Hook>,
    arrivals: HashMap<String, usize>,
    taken: HashMap<String, usize>,
    open: usize,
}

struct State {
    seen: Seen,
    behaviour: Behaviour,
}

impl Seen {
    fn arrive(&mut self, id: &str) -> usize {
        self.open += 1;
        let arrivals = self.arrivals.entry(id.to_owned()).or_default();
        *arrivals += 1;
        *arrivals - 1
    }
}

/// The receiver.
#[derive(Clone)]
pub struct Sink {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Sink {
    /// One that takes everything.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            seen: Seen::default(),
            behaviour: Box::new(|_, _| Reply::status(204)),
        }));
        let sink = Self { address, state };
        let serving = sink.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let sink = serving.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let sink = sink.clone();
                        async move { sink.take(request).await }
                    });
                    // A caller that hangs up is part of some tests.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(socket), service)
                        .await;
                });
            }
        });
        sink
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Answers like this from now on; the number says how often this message came before.
    pub fn answer(&self, behaviour: impl Fn(&Hook, usize) -> Reply + Send + 'static) {
        self.state.lock().expect("unpoisoned").behaviour = Box::new(behaviour);
    }

    /// Everything that came so far.
    pub fn hooks(&self) -> Vec<Hook> {
        self.state.lock().expect("unpoisoned").seen.hooks.clone()
    }

    /// How many came so far.
    pub fn count(&self) -> usize {
        self.state.lock().expect("unpoisoned").seen.hooks.len()
    }

    /// How often each message came so far.
    pub fn arrivals(&self) -> HashMap<String, usize> {
        self.state.lock().expect("unpoisoned").seen.arrivals.clone()
    }

    /// How often each message was taken: answered with success while its caller still listened.
    pub fn taken(&self) -> HashMap<String, usize> {
        self.state.lock().expect("unpoisoned").seen.taken.clone()
    }

    /// How many wait for their answer.
    pub fn open(&self) -> usize {
        self.state.lock().expect("unpoisoned").seen.open
    }

    async fn take(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let text =
            |value: &hyper::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers: BTreeMap<String, String> =
            request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let body = request.into_body().collect().await?.to_bytes().to_vec();
        let id = headers.get("webhook-id").cloned().unwrap_or_default();
        let hook = Hook { id: id.clone(), headers, body };
        let reply = {
            let mut state = self.state.lock().expect("unpoisoned");
            let before = state.seen.arrive(&id);
            let reply = (state.behaviour)(&hook, before);
            state.seen.hooks.push(hook);
            reply
        };
        let open = Open(self);
        tokio::time::sleep(reply.after).await;
        if (200..300).contains(&reply.status) {
            *self.state.lock().expect("unpoisoned").seen.taken.entry(id).or_default() += 1;
        }
        drop(open);
        let mut response = Response::builder().status(reply.status);
        if let Some((name, value)) = reply.header {
            response = response.header(name, value);
        }
        Ok(response.body(Full::new(Bytes::from(reply.body))).expect("a response"))
    }
}

/// A request that waits for its answer, until it is answered or its caller hangs up.
struct Open<'a>(&'a Sink);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.state.lock().expect("unpoisoned").seen.open -= 1;
    }
}
