//! The API from outside, on the whole product: a real one, whose store is SQLite in a folder of the test's own.

mod author;
mod cloud_events;
mod conventions;
mod errors;
mod event_types;
mod events;
mod files;
mod intake;
mod long;
mod measured;
mod repeats;
mod rules;
mod scene;
mod silences;
mod socket;
mod webhook_endpoints;

use poem::Endpoint;
use poem::http::HeaderMap;
use poem::test::TestRequestBuilder;
use serde_json::Value;

use scene::Scene;

const EVENTS: &str = "/api/v1/events";
const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// An answer, read to its end.
struct Got {
    status: u16,
    headers: HeaderMap,
    text: String,
    json: Value,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    fn field(&self) -> &str {
        self.json["errors"][0]["field"].as_str().unwrap_or_default()
    }

    fn detail(&self) -> &str {
        self.json["detail"].as_str().unwrap_or_default()
    }
}

async fn send<E: Endpoint>(request: TestRequestBuilder<'_, E>) -> Got {
    let response = request.send().await.0;
    let (parts, body) = response.into_parts();
    let text = body.into_string().await.expect("text");
    let json = serde_json::from_str(&text).unwrap_or_default();
    Got { status: parts.status.as_u16(), headers: parts.headers, text, json }
}
