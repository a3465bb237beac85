//! A producer that does as it should: it repeats what was not answered, under the same idempotency key.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bellbuoy_harness::Chance;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

/// How long an event may take to be accepted, whatever goes on.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was answered.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// The id that each key was accepted under.
    pub accepted: BTreeMap<String, Uuid>,
    /// How often each status came.
    pub statuses: BTreeMap<u16, usize>,
    /// How many requests had no answer.
    pub unanswered: usize,
    /// What should not have been.
    pub wrong: Vec<String>,
}

/// The producer's way to the API.
pub struct Client {
    http: reqwest::Client,
    bases: Vec<String>,
    key: String,
    answers: Mutex<Answers>,
}

impl Client {
    /// One that knows these addresses.
    pub fn new(bases: Vec<String>, key: String) -> Self {
        let http =
            reqwest::Client::builder().timeout(Duration::from_secs(10)).build().expect("a client");
        Self { http, bases, key, answers: Mutex::default() }
    }

    /// What was answered so far.
    pub fn answers(&self) -> Answers {
        self.answers.lock().expect("unpoisoned").clone()
    }

    /// How many events were accepted so far.
    pub fn accepted(&self) -> usize {
        self.answers.lock().expect("unpoisoned").accepted.len()
    }

    /// Sends an event until it is accepted.
    pub async fn send(&self, key: &str, body: &Value, chance: &mut Chance) {
        let started = Instant::now();
        while !self.try_once(key, body, chance.pick::<String>(&self.bases)).await {
            assert!(
                started.elapsed() < PATIENCE,
                "event {key} is not accepted: {:?}",
                self.answers().statuses
            );
            tokio::time::sleep(Duration::from_millis(20 + chance.below(30))).await;
        }
    }

    async fn try_once(&self, key: &str, body: &Value, base: &str) -> bool {
        let request =
            self.http.post(format!("{base}/api/v1/events")).header("x-api-key", &self.key);
        let answer = request.header("idempotency-key", key).json(body).send().await;
        let Ok(answer) = answer else {
            self.answers.lock().expect("unpoisoned").unanswered += 1;
            return false;
        };
        let status = answer.status().as_u16();
        let advised = answer.headers().contains_key("retry-after");
        // Its head may have come, and then nothing any more.
        let body: Option<Value> = answer.json().await.ok();
        let mut answers = self.answers.lock().expect("unpoisoned");
        *answers.statuses.entry(status).or_default() += 1;
        match (status, body) {
            (202, Some(body)) => {
                let id = body["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
                answers.accepted.insert(key.to_owned(), id);
                return true;
            }
            (_, None) => {}
            (503, Some(_)) if advised => {}
            (_, Some(body)) => {
                answers.wrong.push(format!("{status}, retry-after: {advised}, {body}"))
            }
        }
        false
    }

    /// Sends many events at once, which are not repeated.
    pub async fn batch(&self, events: &[Value]) {
        let request = self
            .http
            .post(format!("{}/api/v1/events/batch", self.bases[0]))
            .header("x-api-key", &self.key);
        let answer = request.json(&json!({ "events": events })).send().await.expect("an answer");
        let (status, body) = (answer.status(), answer.json::<Value>().await.expect("JSON"));
        let items = body["items"].as_array().unwrap_or_else(|| panic!("{status}: {body}"));
        let all = items.iter().all(|item| item["status"] == "accepted");
        assert!(all && items.len() == events.len(), "{status}: {body}");
    }
}

/// Events that are sent by several producers until they are told to stop.
pub struct Load {
    /// Their way.
    pub client: Arc<Client>,
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Load {
    /// Starts `producers`; together they stop after `most` events.
    pub fn start(client: Arc<Client>, producers: usize, most: usize, chance: &mut Chance) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let next = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..producers {
            let (client, stop, next, mut chance) =
                (Arc::clone(&client), Arc::clone(&stop), Arc::clone(&next), chance.branch());
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= most {
                        return;
                    }
                    let body = event(&mut chance);
                    client.send(&format!("event-{number}"), &body, &mut chance).await;
                }
            });
        }
        Self { client, stop, tasks }
    }

    /// Waits until so many events are accepted.
    pub async fn reach(&self, count: usize) {
        let (mut before, mut moved) = (0, Instant::now());
        loop {
            let accepted = self.client.accepted();
            if accepted >= count {
                return;
            }
            if accepted > before {
                (before, moved) = (accepted, Instant::now());
            }
            let statuses = || self.client.answers().statuses;
            assert!(moved.elapsed() < PATIENCE, "the load does not get on: {:?}", statuses());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lets every producer bring its last event to its end; answers what was answered.
    pub async fn end(mut self) -> Answers {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no panic");
        }
        self.client.answers()
    }
}

/// One event: mostly nothing special, sometimes what a rule waits for.
pub fn event(chance: &mut Chance) -> Value {
    let group = format!("g{}", chance.below(6));
    match chance.below(10) {
        0 | 1 => {
            json!({ "type": "payment", "payload": { "amount": chance.below(400), "group": group } })
        }
        2 | 3 => json!({ "type": "login.failed", "payload": { "group": group } }),
        _ => json!({ "type": "heartbeat", "payload": { "group": group, "n": chance.below(1000) } }),
    }
}
