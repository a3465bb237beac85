//! `bellbuoy send`: sends an event to a Bellbuoy that runs somewhere, as a script or a cron job would.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use config::Config;
use outbound::{CallError, Outbound};
use runtime::process::Failure;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use crate::out::say;

/// How often it is tried.
const TRIES: u32 = 4;

/// How long the first pause is; each is twice the one before.
const PAUSE: Duration = Duration::from_millis(500);

/// The longest pause that an answer may ask for.
const LONGEST: Duration = Duration::from_secs(30);

/// More than any answer has.
const ANSWER: usize = 64 << 10;

/// The event, and where it goes.
#[derive(Args)]
pub struct What {
    /// The type of the event, like backup.done.
    r#type: String,
    /// Its payload: a JSON object; @FILE reads it from a file, and - from the standard input.
    #[arg(long, default_value = "{}")]
    payload: String,
    /// Where it comes from.
    #[arg(long)]
    source: Option<String>,
    /// What of its source it is about.
    #[arg(long)]
    subject: Option<String>,
    /// When it happened, like 2026-01-31T09:30:00Z.
    #[arg(long)]
    occurred_at: Option<String>,
    /// Makes a second sending the same event [default: a random one].
    #[arg(long)]
    idempotency_key: Option<String>,
    /// What ties it to other events and requests.
    #[arg(long)]
    correlation_id: Option<String>,
    /// Where the API is [default: the one of the configuration].
    #[arg(long, env = "BELLBUOY_SEND_URL")]
    url: Option<String>,
    /// The API key, with the scope events:write.
    #[arg(long, env = "BELLBUOY_SEND_KEY", hide_env_values = true)]
    key: String,
}

/// Sends it, prints its id, and fails with the words of the answer when it is refused. What may pass is tried again: under its
/// idempotency key it is the same event.
pub async fn run(config: Config, what: What) -> Result<ExitCode, Failure> {
    let base = what.url.clone().unwrap_or_else(|| config.http.public_url().to_string());
    let url = format!("{}/api/v1/events", base.trim_end_matches('/'));
    let key = what.key.clone();
    let body = event(what)?;
    let outbound = Outbound::new(&config.webhooks)?;
    let mut pause = PAUSE;
    for tried in 1.. {
        let headers = [("x-api-key", key.clone())];
        let why = match outbound.send(&url, headers, body.clone(), ANSWER).await {
            Ok((202, answer, _)) => {
                let answer: Value = serde_json::from_slice(&answer)?;
                say!("{}", answer["id"].as_str().unwrap_or_default());
                return Ok(ExitCode::SUCCESS);
            }
            Ok((429 | 502..=504, answer, retry_after)) => {
                pause = pause.max(retry_after.unwrap_or_default().min(LONGEST));
                told(&answer)
            }
            Ok((status, answer, _)) => {
                return Err(format!("{url} answered {status}: {}", told(&answer)).into());
            }
            Err(CallError::Failed(why)) => why,
            Err(CallError::Forbidden(why) | CallError::Unusable(why)) => {
                return Err(format!("{url}: {why}").into());
            }
        };
        if tried == TRIES {
            return Err(format!("{url}: {why}").into());
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Ok(ExitCode::FAILURE)
}

/// The event as the API takes it, with its payload byte for byte.
fn event(what: What) -> Result<Vec<u8>, Failure> {
    let text = match what.payload.as_str() {
        "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        }
        given => match given.strip_prefix('@') {
            Some(file) => {
                std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?
            }
            None => given.to_owned(),
        },
    };
    let payload: Box<RawValue> =
        serde_json::from_str(&text).map_err(|error| format!("the payload is no JSON: {error}"))?;
    let mut event = BTreeMap::from([("type", to_raw_value(&what.r#type)?), ("payload", payload)]);
    let key = what.idempotency_key.unwrap_or_else(|| Uuid::new_v4().to_string());
    for (name, value) in [
        ("idempotency_key", Some(key)),
        ("source", what.source),
        ("subject", what.subject),
        ("occurred_at", what.occurred_at),
        ("correlation_id", what.correlation_id),
    ] {
        if let Some(value) = value {
            event.insert(name, to_raw_value(&value)?);
        }
    }
    Ok(serde_json::to_vec(&event)?)
}

/// What a problem says, with the fields that are wrong.
fn told(answer: &[u8]) -> String {
    let Ok(problem) = serde_json::from_slice::<Value>(answer) else {
        return String::from_utf8_lossy(answer).chars().take(500).collect();
    };
    let mut told = problem["detail"].as_str().unwrap_or_default().to_owned();
    for error in problem["errors"].as_array().into_iter().flatten() {
        let text = |name: &str| error[name].as_str().unwrap_or_default();
        told.push_str(&format!("\n  {}: {}", text("field"), text("message")));
    }
    told
}
