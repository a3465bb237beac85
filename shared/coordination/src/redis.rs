//! Coordination through Redis.
//!
//! | key | type | holds |
//! | --- | --- | --- |
//! | `{prefix:limits}:<key>` | string | what is left of a limit, and when that was; gone when it is full again |
//! | `prefix:present:<group>` | sorted set | members by when they are gone, in ms of the server's clock |
//! | `prefix:told` | channel | the length of the topic (4 bytes), the topic, the body |
//!
//! All limits share one hash tag, since a window's spending is one call: in a cluster they live on one node, whose work
//! is bounded by processes and windows, not by requests. A group is one key, in whatever slot that falls.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;

use crate::{Answer, Coordination, CoordinationError, Message, Spent};
use redis_link::listener::{Heard, Listener};
use redis_link::{Call, Link, Script};

/// How many limits or members one script gets: a script stops everybody else on the server.
const MOST: usize = 1000;
/// How many messages a reader may be behind before it loses the oldest.
const BACKLOG: usize = 1024;

/// Lets processes know of each other through Redis.
pub struct RedisCoordination {
    link: Link,
    prefix: String,
    limits: String,
    spend: Script,
    arrive: Script,
    present: Script,
    told: broadcast::Sender<Message>,
    listener: Mutex<Option<Listener>>,
}

impl RedisCoordination {
    /// Coordination under `prefix` at `url`; no call takes longer than `timeout`, and the server need not be there yet.
    ///
    /// # Errors
    /// When the address is none, or the prefix can't be part of a hash tag.
    pub fn open(url: &str, prefix: &str, timeout: Duration) -> Result<Self, CoordinationError> {
        if prefix.is_empty() || prefix.contains(['{', '}']) {
            return Err(CoordinationError(format!(
                "{prefix:?} can't be a prefix: it is empty or has braces"
            )));
        }
        Ok(Self {
            link: Link::open(url, timeout).map_err(CoordinationError)?,
            prefix: prefix.to_owned(),
            limits: format!("{{{prefix}:limits}}"),
            spend: Script::new(include_str!("redis/spend.lua")),
            arrive: Script::new(include_str!("redis/arrive.lua")),
            present: Script::new(include_str!("redis/present.lua")),
            told: broadcast::Sender::new(BACKLOG),
            listener: Mutex::new(None),
        })
    }

    fn group(&self, group: &str) -> String {
        format!("{}:present:{group}", self.prefix)
    }

    fn channel(&self) -> String {
        format!("{}:told", self.prefix)
    }

    async fn call(&self, calls: &[Call<'_>]) -> Result<Vec<redis::Value>, CoordinationError> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        self.link.call(calls).await.map_err(CoordinationError)
    }

    async fn send(&self, key: &str, command: redis::Cmd) -> Result<(), CoordinationError> {
        self.link.send(key, command).await.map(drop).map_err(CoordinationError)
    }
}

impl Coordination for RedisCoordination {
    fn spend(&self, spent: Vec<Spent>) -> Answer<'_, Vec<f64>> {
        Box::pin(async move {
            let known: Vec<&Spent> = spent.iter().filter(|spent| spent.is_limited()).collect();
            let call = |chunk: &[&Spent]| {
                chunk.iter().fold(Call::new(&self.spend, &self.limits), |call, spent| {
                    let call = call.arg(spent.key.as_str());
                    call.number(spent.rate).number(spent.burst).number(spent.spent)
                })
            };
            let calls: Vec<Call<'_>> = known.chunks(MOST).map(call).collect();
            let mut left = Vec::with_capacity(known.len());
            for answer in self.call(&calls).await? {
                left.extend(read::<f64>(answer)?);
            }
            let mut left = left.into_iter();
            let answer = |spent: &Spent| match spent.is_limited() {
                true => left.next(),
                false => Some(spent.burst),
            };
            let all: Option<Vec<f64>> = spent.iter().map(answer).collect();
            all.ok_or_else(|| CoordinationError("fewer answers than limits".to_owned()))
        })
    }

    fn arrive(&self, group: String, members: Vec<String>, ttl: Duration) -> Answer<'_, ()> {
        Box::pin(async move {
            let key = self.group(&group);
            let call = |chunk: &[String]| {
                Call::new(&self.arrive, &key)
                    .number(ttl.as_millis().clamp(1, u128::from(u32::MAX)))
                    .args(chunk.iter().map(|member| member.clone().into_bytes()))
            };
            let calls: Vec<Call<'_>> = members.chunks(MOST).map(call).collect();
            self.call(&calls).await.map(drop)
        })
    }

    fn leave(&self, group: String, members: Vec<String>) -> Answer<'_, ()> {
        Box::pin(async move {
            if members.is_empty() {
                return Ok(());
            }
            let key = self.group(&group);
            let mut command = redis::cmd("ZREM");
            command.arg(&key).arg(members);
            self.send(&key, command).await
        })
    }

    fn present(&self, groups: Vec<String>) -> Answer<'_, Vec<Vec<String>>> {
        Box::pin(async move {
            let keys: Vec<String> = groups.iter().map(|group| self.group(group)).collect();
            let calls: Vec<Call<'_>> =
                keys.iter().map(|key| Call::new(&self.present, key)).collect();
            self.call(&calls).await?.into_iter().map(read::<String>).collect()
        })
    }

    fn publish(&self, message: Message) -> Answer<'_, ()> {
        Box::pin(async move {
            // A cluster tells it on every node, wherever it is said.
            let channel = self.channel();
            let mut command = redis::cmd("PUBLISH");
            command.arg(&channel).arg(frame(&message));
            self.send(&channel, command).await
        })
    }

    fn subscribe(&self) -> broadcast::Receiver<Message> {
        let receiver = self.told.subscribe();
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if listener.is_none() {
            let told = self.told.clone();
            *listener = self.link.listen(vec![self.channel()], move |heard| {
                if let Heard::Message { body, .. } = heard
                    && let Some(message) = unframe(&body)
                {
                    // Nobody may be listening any more, and that is no trouble.
                    let _ = told.send(message);
                }
            });
        }
        receiver
    }

    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(async move { self.link.ping(&[&self.limits]).await.map_err(CoordinationError) })
    }

    fn place(&self) -> Option<String> {
        Some(self.link.place(&[&self.limits]))
    }
}

fn read<T: redis::FromRedisValue>(answer: redis::Value) -> Result<Vec<T>, CoordinationError> {
    redis::from_redis_value(answer).map_err(|error| CoordinationError(error.to_string()))
}

fn frame(message: &Message) -> Vec<u8> {
    let length = u32::try_from(message.topic.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(4 + message.topic.len() + message.body.len());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(message.topic.as_bytes());
    bytes.extend_from_slice(&message.body);
    bytes
}

fn unframe(bytes: &[u8]) -> Option<Message> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (topic, body) = rest.split_at_checked(length)?;
    Some(Message { topic: String::from_utf8(topic.to_vec()).ok()?, body: body.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_carry_any_bytes() {
        let message = Message { topic: "a\0ü".to_owned(), body: vec![0, 255, 13, 10] };
        assert_eq!(unframe(&frame(&message)), Some(message));
        for bad in [&b""[..], b"\0\0\0", b"\0\0\0\x05abc", b"\xff\xff\xff\xffx", b"\0\0\0\x01\xff"]
        {
            assert_eq!(unframe(bad), None);
        }
    }
}
