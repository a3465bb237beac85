//! A cluster: which node has which slot, and a connection to each node that is used.
//!
//! What is known of the slots is used until somebody contradicts it, a node or the silence of one; then it is read anew,
//! and who finds that this takes longer goes on by what is known: a node that is gone delays nobody who does not need it.

mod map;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use redis::{Client, Pipeline, RedisError};

use self::map::Map;
use super::node::{Node, PAUSE, Target};
use super::server::Server;
use super::slot::slot;
use config::address::Host;

/// How long one node may take to tell who has which slot.
const TELL: Duration = Duration::from_millis(500);
/// How long to wait for what is read anew when there is something to go by already.
const SOON: Duration = Duration::from_millis(100);

type Reading = Shared<BoxFuture<'static, (Instant, Result<Arc<Map>, Arc<str>>)>>;

/// The nodes of a cluster.
pub(super) struct Cluster {
    server: Arc<Server>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    map: Option<Arc<Map>>,
    mistrusted: bool,
    nodes: BTreeMap<Host, Arc<Node>>,
    reading: Option<Reading>,
    /// Whom to ask first, so that it is not always the one that does not answer.
    turn: usize,
}

impl Cluster {
    pub(super) fn new(server: Arc<Server>) -> Arc<Self> {
        Arc::new(Self { server, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The node that has the slot of `key`, as far as is known.
    pub(super) async fn node_of(self: &Arc<Self>, key: &str) -> Result<Arc<Node>, String> {
        let map = self.map().await?;
        match map.owner(slot(key)) {
            Some(host) => Ok(self.node(host)),
            None => {
                self.mistrust();
                Err(format!("no node of the cluster serves slot {}", slot(key)))
            }
        }
    }

    /// Where the slot of `key` is, if the slots were read.
    pub(super) fn place_of(&self, key: &str) -> Option<Host> {
        self.state().map.as_ref()?.owner(slot(key)).cloned()
    }

    /// What is known must be read anew.
    pub(super) fn mistrust(&self) {
        self.state().mistrusted = true;
    }

    /// The node that `error` names: it has the slot of `key` now, or, if that is still `moving`, only what is not here.
    pub(super) fn redirected(
        &self,
        from: &Node,
        key: &str,
        error: &RedisError,
        moving: bool,
    ) -> Option<Arc<Node>> {
        let (node, _) = error.redirect_node()?;
        let host = map::redirection(node, &from.at()?)?;
        if !moving {
            let mut state = self.state();
            state.mistrusted = true;
            state.map = state.map.take().map(|map| Arc::new(map.with(slot(key), host.clone())));
        }
        Some(self.node(&host))
    }

    fn node(&self, host: &Host) -> Arc<Node> {
        let make = || Arc::new(Node::new(Arc::clone(&self.server), Target::Host(host.clone())));
        Arc::clone(self.state().nodes.entry(host.clone()).or_insert_with(make))
    }

    async fn map(self: &Arc<Self>) -> Result<Arc<Map>, String> {
        let reading = {
            let mut state = self.state();
            if !state.mistrusted
                && let Some(map) = &state.map
            {
                return Ok(Arc::clone(map));
            }
            let reading = match &state.reading {
                Some(reading) if !is_over(reading) => reading.clone(),
                Some(_) | None => {
                    let cluster = Arc::clone(self);
                    let reading = async move {
                        let read = cluster.read().await.map_err(Arc::from);
                        (Instant::now(), read)
                    };
                    let reading = reading.boxed().shared();
                    // On its own, so that it outlives the patience of its callers.
                    tokio::spawn(reading.clone().map(drop));
                    state.reading = Some(reading.clone());
                    reading
                }
            };
            (reading, state.map.clone())
        };
        let (reading, known) = reading;
        let Some(known) = known else {
            return reading.await.1.map_err(|why| why.to_string());
        };
        let read = tokio::time::timeout(SOON, reading).await;
        Ok(read.ok().and_then(|(_, read)| read.ok()).unwrap_or(known))
    }

    /// Asks one node after the other who has which slot, until one tells.
    async fn read(self: Arc<Self>) -> Result<Arc<Map>, String> {
        let mut errors = Vec::new();
        for host in self.candidates() {
            let node = self.node(&host);
            let mut pipeline = Pipeline::with_capacity(1);
            pipeline.cmd("CLUSTER").arg("SLOTS");
            let told = match tokio::time::timeout(TELL, node.ask(&mut pipeline)).await {
                Err(_) => Err(format!("no answer within {TELL:?}")),
                Ok(Err(why)) => Err(why),
                Ok(Ok(answers)) => match answers.into_iter().next() {
                    Some(Ok(answer)) => Map::read(answer, &host),
                    Some(Err(error)) => Err(error.to_string()),
                    None => Err("no answer".to_owned()),
                },
            };
            match told {
                Ok(map) => return Ok(self.learn(map)),
                // Who could not be connected to is named already.
                Err(why) if why.starts_with(&host.to_string()) => errors.push(why),
                Err(why) => errors.push(format!("{host}: {why}")),
            }
        }
        Err(format!("no node tells of the cluster: {}", errors.join("; ")))
    }

    /// The nodes that are known, and those of the address, beginning with another each time; last those
    /// that left a question without an answer.
    fn candidates(&self) -> Vec<Host> {
        let mut state = self.state();
        let known = state.map.as_ref().map(|map| map.hosts()).unwrap_or_default();
        let mut hosts: Vec<Host> = known.into_iter().collect();
        if !hosts.is_empty() {
            state.turn = (state.turn + 1) % hosts.len();
            hosts.rotate_left(state.turn);
        }
        let more: Vec<Host> = self
            .server
            .address
            .hosts
            .iter()
            .filter(|host| !hosts.contains(host))
            .cloned()
            .collect();
        hosts.extend(more);
        let mute = |host: &Host| state.nodes.get(host).is_some_and(|node| node.is_mute());
        hosts.sort_by_key(mute);
        hosts
    }

    fn learn(&self, map: Map) -> Arc<Map> {
        let mut state = self.state();
        let others = |known: &Arc<Map>| known.primaries() != map.primaries();
        if state.map.as_ref().is_some_and(others) {
            metrics::counter!("bellbuoy_redis_failovers_total").increment(1);
            let primaries: Vec<String> = map.primaries().iter().map(ToString::to_string).collect();
            tracing::info!(
                primaries = primaries.join(", "),
                "the Redis cluster has other primaries"
            );
        }
        let hosts = map.hosts();
        state.nodes.retain(|host, _| hosts.contains(host));
        let map = Arc::new(map);
        state.map = Some(Arc::clone(&map));
        state.mistrusted = false;
        map
    }

    /// A client to listen with: what is published anywhere is told by every node.
    pub(super) async fn listening(self: &Arc<Self>) -> Result<Client, String> {
        self.map().await?;
        let candidates = self.candidates();
        self.server.client(candidates.first().ok_or("no host")?)
    }
}

/// Whether a reading has ended so long ago that another may begin.
fn is_over(reading: &Reading) -> bool {
    reading.peek().is_some_and(|(at, _)| at.elapsed() >= PAUSE)
}
