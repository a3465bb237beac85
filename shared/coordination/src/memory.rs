//! Coordination within one process, by the same rules as between several.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::broadcast;

use crate::{Answer, Coordination, Message, Spent};

/// How many messages a reader may be behind before it loses the oldest.
const BACKLOG: usize = 1024;

/// Lets the parts of one process know of each other.
pub struct MemoryCoordination {
    state: Mutex<State>,
    told: broadcast::Sender<Message>,
}

#[derive(Default)]
struct State {
    limits: HashMap<String, Bucket>,
    groups: HashMap<String, HashMap<String, Instant>>,
    /// How much was added since what is over was last looked for, and how much may be until it is again.
    added: usize,
    sweep_at: usize,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
    rate: f64,
    burst: f64,
}

impl Bucket {
    fn left(&self, now: Instant, rate: f64, burst: f64) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.tokens + rate * passed).min(burst)
    }
}

impl Default for MemoryCoordination {
    fn default() -> Self {
        Self { state: Mutex::default(), told: broadcast::Sender::new(BACKLOG) }
    }
}

impl MemoryCoordination {
    /// Coordination that nobody else sees.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn spend(&mut self, now: Instant, spent: &Spent) -> f64 {
        if !spent.is_limited() {
            return spent.burst;
        }
        let Spent { rate, burst, .. } = *spent;
        let had = self.limits.get(&spent.key).map_or(burst, |kept| kept.left(now, rate, burst));
        let tokens = (had - spent.spent).max(-burst);
        if tokens < burst {
            self.limits.insert(spent.key.clone(), Bucket { tokens, at: now, rate, burst });
        } else {
            // A full limit is as good as none.
            self.limits.remove(&spent.key);
        }
        tokens
    }

    fn arrive(&mut self, now: Instant, group: String, members: Vec<String>, ttl: Duration) {
        // A time that no clock reaches is as good as a day.
        let until = now.checked_add(ttl).unwrap_or(now + Duration::from_secs(86_400));
        let there = self.groups.entry(group).or_default();
        there.extend(members.into_iter().map(|member| (member, until)));
    }

    fn leave(&mut self, group: &str, members: &[String]) {
        if let Some(there) = self.groups.get_mut(group) {
            for member in members {
                there.remove(member);
            }
            if there.is_empty() {
                self.groups.remove(group);
            }
        }
    }

    fn present(&self, now: Instant, group: &str) -> Vec<String> {
        let there = self.groups.get(group).into_iter().flatten();
        there.filter(|(_, until)| **until > now).map(|(member, _)| member.clone()).collect()
    }

    /// Forgets what is over after as many additions as there are things kept: the cost is spread, the memory bounded.
    fn sweep(&mut self, now: Instant, adding: usize) {
        self.added += adding;
        if self.added < self.sweep_at {
            return;
        }
        self.limits.retain(|_, kept| kept.left(now, kept.rate, kept.burst) < kept.burst);
        self.groups.retain(|_, members| {
            members.retain(|_, until| *until > now);
            !members.is_empty()
        });
        let kept = self.limits.len() + self.groups.values().map(HashMap::len).sum::<usize>();
        self.added = 0;
        self.sweep_at = kept.max(1024);
    }
}

impl Coordination for MemoryCoordination {
    fn spend(&self, spent: Vec<Spent>) -> Answer<'_, Vec<f64>> {
        Box::pin(async move {
            let (now, mut state) = (Instant::now(), self.state());
            state.sweep(now, spent.len());
            Ok(spent.iter().map(|spent| state.spend(now, spent)).collect())
        })
    }

    fn arrive(&self, group: String, members: Vec<String>, ttl: Duration) -> Answer<'_, ()> {
        Box::pin(async move {
            let (now, mut state) = (Instant::now(), self.state());
            state.sweep(now, members.len());
            if !members.is_empty() {
                state.arrive(now, group, members, ttl);
            }
            Ok(())
        })
    }

    fn leave(&self, group: String, members: Vec<String>) -> Answer<'_, ()> {
        Box::pin(async move {
            self.state().leave(&group, &members);
            Ok(())
        })
    }

    fn present(&self, groups: Vec<String>) -> Answer<'_, Vec<Vec<String>>> {
        Box::pin(async move {
            let (now, state) = (Instant::now(), self.state());
            Ok(groups.iter().map(|group| state.present(now, group)).collect())
        })
    }

    fn publish(&self, message: Message) -> Answer<'_, ()> {
        Box::pin(async move {
            // Nobody may be listening, and that is no trouble.
            let _ = self.told.send(message);
            Ok(())
        })
    }

    fn subscribe(&self) -> broadcast::Receiver<Message> {
        self.told.subscribe()
    }

    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}
