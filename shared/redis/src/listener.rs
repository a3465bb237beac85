//! Hears what is published, on a connection of its own that comes back by itself.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::Way;

/// How long connecting, subscribing or the answer to a ping may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait before the next attempt.
const PAUSE: Duration = Duration::from_millis(200);
/// How often to ask whether the other side is still there: a peer can vanish without a word.
const PING: Duration = Duration::from_secs(5);

/// What a listener tells.
pub enum Heard {
    /// It listens, perhaps again: what was said in between is lost.
    Joined,
    /// What was said on a channel.
    Message {
        /// The channel.
        channel: String,
        /// What was said.
        body: Vec<u8>,
    },
}

/// A task that listens until this is dropped.
pub struct Listener(JoinHandle<()>);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Listener {
    /// Starts to listen to `channels`; `None` outside of a runtime.
    pub(super) fn start(
        way: Way,
        channels: Vec<String>,
        mut tell: impl FnMut(Heard) + Send + 'static,
    ) -> Option<Self> {
        let runtime = Handle::try_current().ok()?;
        Some(Self(runtime.spawn(async move {
            let mut known_away = false;
            loop {
                let why = listen(&way, &channels, &mut tell, &mut known_away).await;
                // Said once for each outage, not once for each attempt.
                if !std::mem::replace(&mut known_away, true) {
                    tracing::warn!(error = why, "not listening to Redis; polling covers it");
                }
                tokio::time::sleep(PAUSE).await;
            }
        })))
    }
}

/// Listens for as long as that goes well, and says why it no longer does.
async fn listen(
    way: &Way,
    channels: &[String],
    tell: &mut impl FnMut(Heard),
    known_away: &mut bool,
) -> String {
    let joining = async {
        let client = way.listening().await?;
        let words = |error: redis::RedisError| error.to_string();
        let (mut sink, stream) = client.get_async_pubsub().await.map_err(words)?.split();
        sink.subscribe(channels).await.map_err(words)?;
        Ok::<_, String>((sink, stream))
    };
    let (mut sink, mut stream) = match tokio::time::timeout(PATIENCE, joining).await {
        Ok(Ok(joined)) => joined,
        Ok(Err(why)) => return why,
        Err(_) => return format!("no answer within {PATIENCE:?}"),
    };
    *known_away = false;
    tell(Heard::Joined);
    loop {
        match tokio::time::timeout(PING, stream.next()).await {
            Ok(Some(message)) => tell(Heard::Message {
                channel: message.get_channel_name().to_owned(),
                body: message.get_payload_bytes().to_vec(),
            }),
            Ok(None) => return "the connection ended".to_owned(),
            Err(_) => {
                let ping = sink.ping_message::<redis::Value>("");
                match tokio::time::timeout(PATIENCE, ping).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => return error.to_string(),
                    Err(_) => return "no answer to a ping".to_owned(),
                }
            }
        }
    }
}
