//! The way to Redis, whatever it consists of: one server, a primary that sentinels know, or a cluster. Nobody waits
//! longer than their patience, however long Redis is away.
//!
//! The crate's own clients for clusters and sentinels are not used: a call that fails shall say so within the caller's
//! patience, an outage shall be no storm of attempts, and what was given up shall come back by itself, on all three alike.

mod cluster;
pub mod listener;
mod node;
mod script;
mod server;
mod slot;
pub mod stream;

use std::sync::Arc;
use std::time::Duration;

use redis::{Client, Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};

use self::cluster::Cluster;
use self::listener::{Heard, Listener};
use self::node::{Node, Target};
use self::script::{Ask, Plain, only};
pub use self::script::{Call, Script};
use self::server::Server;
use config::address::Topology;

/// How often a request may be sent elsewhere or in another form before it has failed.
const ROUNDS: usize = 8;
/// How long to wait where the node asks for a moment.
const MOMENT: Duration = Duration::from_millis(20);

/// The way to Redis.
pub struct Link {
    way: Way,
    patience: Duration,
}

/// What the way consists of.
#[derive(Clone)]
enum Way {
    /// A server that is named, or that sentinels name.
    One(Arc<Server>, Arc<Node>),
    /// As many as there are.
    Many(Arc<Cluster>),
}

impl Way {
    async fn node_of(&self, key: &str) -> Result<Arc<Node>, String> {
        match self {
            Self::One(_, node) => Ok(Arc::clone(node)),
            Self::Many(cluster) => cluster.node_of(key).await,
        }
    }

    fn mistrust(&self) {
        if let Self::Many(cluster) = self {
            cluster.mistrust();
        }
    }

    /// A client of a server on which everything is heard.
    async fn listening(&self) -> Result<Client, String> {
        match self {
            Self::One(server, _) => server.listening().await,
            Self::Many(cluster) => cluster.listening().await,
        }
    }
}

/// A request that has no answer yet.
struct Step {
    place: usize,
    /// Whether the node needs the whole script.
    whole: bool,
    /// The node that we were sent to.
    to: Option<Arc<Node>>,
    /// Whether it is to answer for a slot that it does not have yet.
    asking: bool,
}

/// What follows from an answer.
enum Next {
    Done(Value),
    Again(Step),
    Wait(Step),
    Failed(String),
}

impl Link {
    /// The way to what is at `url`, which need not be there yet.
    pub fn open(url: &str, patience: Duration) -> Result<Self, String> {
        let server = Arc::new(Server::new(url)?);
        let one = |target: Target| {
            Way::One(Arc::clone(&server), Arc::new(Node::new(Arc::clone(&server), target)))
        };
        let way = match (&server.address.topology, server.address.hosts.first()) {
            (Topology::Cluster, _) => Way::Many(Cluster::new(Arc::clone(&server))),
            (Topology::Single, Some(host)) => one(Target::Host(host.clone())),
            (Topology::Sentinel { .. }, _) | (Topology::Single, None) => one(Target::Primary),
        };
        Ok(Self { way, patience })
    }

    /// Starts to listen to `channels`, wherever on the way that is; `None` outside of a runtime.
    pub fn listen(
        &self,
        channels: Vec<String>,
        tell: impl FnMut(Heard) + Send + 'static,
    ) -> Option<Listener> {
        Listener::start(self.way.clone(), channels, tell)
    }

    /// Whether whoever publishes is told of all who listen: in a cluster they may listen to another node.
    pub fn is_heard_by_all(&self) -> bool {
        matches!(self.way, Way::One(..))
    }

    /// What it is, and which nodes serve these keys.
    pub fn place(&self, keys: &[&str]) -> String {
        match &self.way {
            Way::One(server, node) => {
                let at = node.at().map_or("not known yet".to_owned(), |host| host.to_string());
                match &server.address.topology {
                    Topology::Sentinel { name, .. } => format!("sentinel {name}, primary {at}"),
                    Topology::Single | Topology::Cluster => at,
                }
            }
            Way::Many(cluster) => {
                let mut hosts: Vec<String> = keys
                    .iter()
                    .map(|key| {
                        cluster
                            .place_of(key)
                            .map_or("not known yet".to_owned(), |at| at.to_string())
                    })
                    .collect();
                hosts.sort();
                hosts.dedup();
                format!("cluster, {}", hosts.join(", "))
            }
        }
    }

    /// Runs scripts in one round trip to each node that has their keys, or more when it does not know them yet or has
    /// given the keys away; fails when one of them fails.
    pub async fn call(&self, calls: &[Call<'_>]) -> Result<Vec<Value>, String> {
        self.ask(&calls.iter().map(|call| call as &dyn Ask).collect::<Vec<_>>()).await
    }

    /// Runs one script.
    pub async fn one(&self, call: Call<'_>) -> Result<Value, String> {
        only(self.ask(&[&call]).await?)
    }

    /// Sends one command to where `key` is.
    pub async fn send(&self, key: &str, command: Cmd) -> Result<Value, String> {
        only(self.ask(&[&Plain { key, command }]).await?)
    }

    /// Asks every node that has one of these keys whether it is there.
    pub async fn ping(&self, keys: &[&str]) -> Result<(), String> {
        let keys = match self.way {
            Way::One(..) => keys.get(..1).unwrap_or(keys),
            Way::Many(_) => keys,
        };
        let pings: Vec<Plain<'_>> =
            keys.iter().map(|key| Plain { key, command: redis::cmd("PING") }).collect();
        self.ask(&pings.iter().map(|ping| ping as &dyn Ask).collect::<Vec<_>>()).await.map(drop)
    }

    async fn ask(&self, asks: &[&dyn Ask]) -> Result<Vec<Value>, String> {
        let answer = match tokio::time::timeout(self.patience, self.walk(asks)).await {
            Ok(answer) => answer,
            Err(_) => {
                let keys: Vec<&str> = asks.iter().map(|ask| ask.key()).collect();
                Err(format!("no answer from {} within {:?}", self.place(&keys), self.patience))
            }
        };
        if answer.is_err() {
            self.way.mistrust();
        }
        answer
    }

    async fn walk(&self, asks: &[&dyn Ask]) -> Result<Vec<Value>, String> {
        let mut answers: Vec<Option<Value>> = vec![None; asks.len()];
        let begin = |place| Step { place, whole: false, to: None, asking: false };
        let mut open: Vec<Step> = (0..asks.len()).map(begin).collect();
        let mut why = "no answer".to_owned();
        for _ in 0..ROUNDS {
            let groups = self.groups(asks, std::mem::take(&mut open)).await?;
            let sent = groups.into_iter().map(|(node, steps)| send(node, steps, asks));
            let mut wait = false;
            for (node, steps, got) in futures_util::future::join_all(sent).await {
                for (step, answer) in steps.into_iter().zip(got?) {
                    let place = step.place;
                    let key = asks.get(place).map_or("", |ask| ask.key());
                    match self.judge(&node, key, step, answer, &mut why) {
                        Next::Done(value) => {
                            if let Some(slot) = answers.get_mut(place) {
                                *slot = Some(value);
                            }
                        }
                        Next::Again(step) => open.push(step),
                        Next::Wait(step) => {
                            wait = true;
                            open.push(step);
                        }
                        Next::Failed(why) => return Err(why),
                    }
                }
            }
            if open.is_empty() {
                let all: Option<Vec<Value>> = answers.into_iter().collect();
                return all.ok_or_else(|| "fewer answers than requests".to_owned());
            }
            if wait {
                tokio::time::sleep(MOMENT).await;
            }
        }
        Err(format!("sent from node to node too often: {why}"))
    }

    /// The requests by the node that has their keys, in their order.
    async fn groups(
        &self,
        asks: &[&dyn Ask],
        open: Vec<Step>,
    ) -> Result<Vec<(Arc<Node>, Vec<Step>)>, String> {
        let mut groups: Vec<(Arc<Node>, Vec<Step>)> = Vec::new();
        for step in open {
            let node = match (&step.to, asks.get(step.place)) {
                (Some(node), _) => Arc::clone(node),
                (None, Some(ask)) => self.way.node_of(ask.key()).await?,
                (None, None) => continue,
            };
            match groups.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &node)) {
                Some((_, steps)) => steps.push(step),
                None => groups.push((node, vec![step])),
            }
        }
        Ok(groups)
    }

    fn judge(
        &self,
        node: &Arc<Node>,
        key: &str,
        step: Step,
        answer: RedisResult<Value>,
        why: &mut String,
    ) -> Next {
        let error = match answer {
            Ok(value) => return Next::Done(value),
            Err(error) => error,
        };
        *why = error.to_string();
        let ErrorKind::Server(kind) = error.kind() else { return Next::Failed(why.clone()) };
        let moving = kind == ServerErrorKind::Ask;
        match (kind, &self.way) {
            (ServerErrorKind::NoScript, _) if !step.whole => {
                Next::Again(Step { whole: true, to: Some(Arc::clone(node)), ..step })
            }
            (ServerErrorKind::Moved, Way::One(..)) => Next::Failed(format!(
                "this is a node of a cluster, which needs redis+cluster:// in its address ({why})"
            )),
            (ServerErrorKind::Moved | ServerErrorKind::Ask, Way::Many(cluster)) => {
                match cluster.redirected(node, key, &error, moving) {
                    Some(node) => Next::Again(Step { to: Some(node), asking: moving, ..step }),
                    None => Next::Failed(why.clone()),
                }
            }
            (ServerErrorKind::TryAgain, Way::Many(_)) => {
                Next::Wait(Step { to: None, asking: false, ..step })
            }
            _ => Next::Failed(why.clone()),
        }
    }
}

type Got = (Arc<Node>, Vec<Step>, Result<Vec<RedisResult<Value>>, String>);

async fn send(node: Arc<Node>, steps: Vec<Step>, asks: &[&dyn Ask]) -> Got {
    let mut pipeline = Pipeline::with_capacity(steps.len());
    for step in &steps {
        if step.asking {
            pipeline.add_command(redis::cmd("ASKING"));
        }
        if let Some(ask) = asks.get(step.place) {
            pipeline.add_command(ask.command(step.whole));
        }
    }
    let got = node.ask(&mut pipeline).await.map(|answers| {
        // What ASKING is answered is of no interest: the answer behind it tells.
        let mut answers = answers.into_iter();
        steps
            .iter()
            .map_while(|step| if step.asking { answers.nth(1) } else { answers.next() })
            .collect()
    });
    (node, steps, got)
}

/// Whether the answer says that another server is the primary by now. Before version 7 that comes as the text of a
/// script's error.
fn is_demoted(error: &RedisError) -> bool {
    let demoted = [ServerErrorKind::ReadOnly, ServerErrorKind::MasterDown].map(ErrorKind::Server);
    demoted.contains(&error.kind()) || error.detail().is_some_and(|text| text.contains("-READONLY"))
}
