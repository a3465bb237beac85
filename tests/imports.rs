//! Does a batch or an import under a key keep each event once, whatever breaks off? Does an import end when the right to it
//! does? From the front door, on every store.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

use std::collections::HashSet;
use std::time::Duration;

use bellbuoy_harness::app::Tenant;
use bellbuoy_harness::books::Books;
use bellbuoy_harness::{Pair, TestApp, on_pairs};
use domain::once::Operation;
use futures_util::future::join_all;
use serde_json::{Value, json};
use services::audit::Initiator;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

on_pairs! {
    a_batch_under_a_key_is_accepted_once
    an_import_that_was_killed_is_gone_on_with
    an_import_that_was_hung_up_on_is_gone_on_with
    an_open_import_ends_with_its_key_and_with_its_project
    a_client_that_keeps_its_connections_sees_every_refusal
}

const BATCH: &str = "/api/v1/events/batch";
const IMPORT: &str = "/api/v1/events/import";

struct Got {
    status: u16,
    replay: bool,
    text: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    fn problem(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap_or_default().to_owned())
    }

    fn counts(&self) -> [u64; 4] {
        let json = self.json();
        ["lines", "accepted", "replayed", "rejected"]
            .map(|name| json[name].as_u64().unwrap_or(u64::MAX))
    }
}

async fn send(app: &TestApp, tenant: &Tenant, path: &str, key: &str, body: &str) -> Got {
    let media = if path == BATCH { "application/json" } else { "application/x-ndjson" };
    let request = app.http.post(format!("{}{path}", app.base)).header("content-type", media);
    let request = request.header("x-api-key", tenant.key.text()).header("idempotency-key", key);
    let response = request.body(body.to_owned()).send().await.expect("an answer");
    let replay = response.headers().contains_key("idempotency-replay");
    let status = response.status().as_u16();
    Got { status, replay, text: response.text().await.expect("a body") }
}

/// The numbers of all events that are kept, each as often as it is.
async fn kept(app: &TestApp, tenant: &Tenant) -> Vec<u64> {
    let (status, page) = app.get("/api/v1/events?limit=200", tenant).await;
    assert_eq!(status, 200, "{page}");
    let items = page["items"].as_array().expect("items");
    let mut numbers: Vec<u64> =
        items.iter().map(|one| one["payload"]["n"].as_u64().expect("a number")).collect();
    numbers.sort_unstable();
    numbers
}

fn event(number: u64) -> Value {
    json!({ "type": "a", "payload": { "n": number } })
}

fn lines(numbers: impl Iterator<Item = u64>) -> String {
    numbers.map(|number| format!("{}\n", event(number))).collect()
}

async fn a_batch_under_a_key_is_accepted_once(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let other = app.tenant("other").await;
    let mut events: Vec<Value> = (0..20).map(event).collect();
    events[3]["idempotency_key"] = "own".into();
    events[5]["type"] = "a b".into();
    let body = json!({ "events": events }).to_string();
    let all = join_all((0..8).map(|_| send(&app, &tenant, BATCH, "k", &body))).await;
    let mut answers = HashSet::new();
    for got in &all {
        match got.problem() {
            (202, _) => assert!(answers.insert((got.text.clone(), got.replay)) || got.replay),
            problem => assert_eq!(problem, (409, "idempotency_in_progress".to_owned())),
        }
    }
    let again = send(&app, &tenant, BATCH, "k", &body).await;
    assert!(again.status == 202 && again.replay, "{}", again.text);
    assert!(all.iter().filter(|got| got.status == 202).all(|got| got.text == again.text));
    let items = again.json();
    let items = items["items"].as_array().expect("items");
    let of = |status: &str| items.iter().filter(|item| item["status"] == status).count();
    assert_eq!((of("accepted"), of("rejected"), items.len()), (19, 1, 20), "{}", again.text);
    assert_eq!(kept(&app, &tenant).await.len(), 19);

    let changed = body.replace("\"n\":7", "\"n\":77");
    let got = send(&app, &tenant, BATCH, "k", &changed).await;
    assert_eq!(got.problem(), (409, "idempotency_conflict".to_owned()));
    // The key of another project is another key.
    let got = send(&app, &other, BATCH, "k", &changed).await;
    assert!(got.status == 202 && !got.replay, "{}", got.text);
    app.clock.advance(app.app.config.accept.idempotency_ttl + Duration::from_secs(1));
    let got = send(&app, &tenant, BATCH, "k", &changed).await;
    assert!(got.status == 202 && !got.replay, "a key is forgotten: {}", got.text);
    app.stop().await;
}

/// What a process leaves that is killed in the middle of an import: the key under a lease, and some of the lines.
async fn an_import_that_was_killed_is_gone_on_with(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let whole = lines(0..50);
    // A first import under another lease keeps twenty lines; the key is then what a kill leaves of it.
    let first = send(&app, &tenant, IMPORT, "k", &lines(0..20)).await;
    assert_eq!(first.counts(), [20, 20, 0, 0], "{}", first.text);
    let operation = Operation::ImportEvents.number();
    let unfinished =
        format!("UPDATE idempotency_keys SET answer = NULL WHERE operation = {operation}");
    Books::open(&app.app.config.store).await.run(&unfinished).await;
    let got = send(&app, &tenant, IMPORT, "k", &whole).await;
    assert_eq!(got.problem(), (409, "idempotency_in_progress".to_owned()), "{}", got.text);
    app.clock.advance(Duration::from_secs(16));
    let got = send(&app, &tenant, IMPORT, "k", &whole).await;
    assert_eq!((got.status, got.counts()), (200, [50, 50, 0, 0]), "{}", got.text);
    let again = send(&app, &tenant, IMPORT, "k", &whole).await;
    assert!(again.replay && again.text == got.text, "{}", again.text);
    assert_eq!(kept(&app, &tenant).await, (0..50).collect::<Vec<_>>());
    app.stop().await;
}

/// The beginning of an import whose end does not come.
async fn begin(app: &TestApp, tenant: &Tenant, key: &str, text: &str) -> TcpStream {
    let address = app.base.strip_prefix("http://").expect("an address");
    let mut socket = TcpStream::connect(address).await.expect("connected");
    let head = format!(
        "POST {IMPORT} HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\nidempotency-key: {key}\r\n\
         content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{text}\r\n",
        tenant.key.text(),
        text.len()
    );
    socket.write_all(head.as_bytes()).await.expect("sent");
    socket
}

/// Waits until so many events are kept. What has come of an import is accepted within about a second.
async fn until_kept(app: &TestApp, tenant: &Tenant, count: usize) {
    for _ in 0..1000 {
        if kept(app, tenant).await.len() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{count} events were never kept");
}

async fn an_import_that_was_hung_up_on_is_gone_on_with(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let socket = begin(&app, &tenant, "k", &lines(0..10)).await;
    until_kept(&app, &tenant, 10).await;
    let got = send(&app, &tenant, IMPORT, "k", &lines(0..30)).await;
    assert_eq!(got.problem(), (409, "idempotency_in_progress".to_owned()), "{}", got.text);
    drop(socket);
    // The import is given back once its end is noticed.
    for round in 0.. {
        let got = send(&app, &tenant, IMPORT, "k", &lines(0..30)).await;
        if got.status == 200 {
            assert_eq!(got.counts(), [30, 30, 0, 0], "{}", got.text);
            break;
        }
        assert!(round < 1000, "{}", got.text);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(kept(&app, &tenant).await, (0..30).collect::<Vec<_>>());
    app.stop().await;
}

async fn an_open_import_ends_with_its_key_and_with_its_project(pair: Pair) {
    let app = TestApp::start(pair).await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let (admin, initiator) = (&app.app.admin, Initiator::system());
    let mut imports = Vec::new();
    for tenant in [&acme, &other] {
        let socket = begin(&app, tenant, "k", &lines(0..10)).await;
        until_kept(&app, tenant, 10).await;
        imports.push(socket);
    }
    let keys = admin.keys(acme.project, None, 10).await.expect("keys");
    for key in keys {
        admin.revoke_key(acme.project, key.id, &initiator).await.expect("revoked");
    }
    admin.set_project_works(other.project, false, &initiator).await.expect("suspended");
    for (socket, code) in imports.iter_mut().zip(["invalid_key", "project_suspended"]) {
        let mut answer = Vec::new();
        let read = socket.read_to_end(&mut answer);
        tokio::time::timeout(Duration::from_secs(30), read).await.expect("it ends").ok();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.contains(code) && answer.contains("10 events are kept"), "{answer}");
    }
    app.stop().await;
}

async fn a_client_that_keeps_its_connections_sees_every_refusal(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let good = event(1).to_string();
    let (small, large) = ("x".repeat(2_000), "x".repeat(9 << 20));
    for round in 0..12 {
        for (key, media, body, status) in [
            (tenant.key.text(), "application/json", &good, 202),
            (String::new(), "application/json", &small, 401),
            ("bb_wrong".to_owned(), "application/json", &small, 401),
            (tenant.key.text(), "text/plain", &small, 415),
            (tenant.key.text(), "application/json", &large, 413),
            (String::new(), "application/json", &large, 401),
        ] {
            let request = app.http.post(format!("{}/api/v1/events", app.base));
            let request = request.header("content-type", media).header("x-api-key", key);
            let response = request.body(body.clone()).send().await;
            let response = response.unwrap_or_else(|error| panic!("{round} {status}: {error:?}"));
            assert_eq!(response.status(), status);
            response.bytes().await.expect("a body");
        }
    }
    app.stop().await;
}
