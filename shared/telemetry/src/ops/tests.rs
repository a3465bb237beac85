use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use poem::test::TestClient;
use serde_json::Value;

use super::*;
use domain::clock::Clock;

const SOON: Duration = Duration::from_millis(200);

fn metrics() -> PrometheusHandle {
    metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder().handle()
}

async fn get<E: Endpoint>(client: &TestClient<E>, path: &str) -> (u16, Value) {
    let answer = client.get(path).send().await.0;
    let status = answer.status().as_u16();
    let text = answer.into_body().into_string().await.expect("text");
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[tokio::test]
async fn a_process_is_ready_until_something_needed_fails_or_it_drains() {
    let broken = Arc::new(AtomicBool::new(false));
    let store = Check::needed("store", SOON, {
        let broken = Arc::clone(&broken);
        move || {
            let is_broken = broken.load(Ordering::SeqCst);
            async move { if is_broken { Err("no route to db-7".to_owned()) } else { Ok(()) } }
        }
    });
    let cache = Check::useful("redis", SOON, || async { Err("refused".to_owned()) });
    let health = Arc::new(Health::new(vec![store, cache], Clock::System));
    let client = TestClient::new(endpoint(Arc::clone(&health), metrics()));

    assert_eq!(get(&client, "/live").await.0, 200);
    assert_eq!(get(&client, "/ready").await.0, 200);
    let (status, body) = get(&client, "/health").await;
    assert_eq!((status, &body["checks"]["redis"]["ok"]), (200, &Value::Bool(false)));
    assert_eq!(body["checks"]["redis"]["last_error"]["message"], "refused");

    broken.store(true, Ordering::SeqCst);
    assert_eq!(get(&client, "/ready").await.0, 200, "the last report is good for a second");
    tokio::time::sleep(GOOD_FOR_TEST).await;
    let (status, body) = get(&client, "/ready").await;
    assert_eq!((status, &body["code"]), (503, &Value::from("not_ready")));
    assert_eq!(body["detail"], "Not ready: store.");
    let public = answer(&health, "/health", Detail::Public).await.expect("health");
    let text = public.into_body().into_string().await.expect("text");
    assert!(!text.contains("db-7"), "{text}");

    health.drain();
    let (status, body) = get(&client, "/ready").await;
    assert_eq!((status, &body["code"]), (503, &Value::from("draining")));
}

const GOOD_FOR_TEST: Duration = Duration::from_millis(1050);

#[tokio::test]
async fn checks_are_bounded_and_never_run_twice_at_once() {
    let (running, most, total) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let counts = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&total));
    let slow = Check::needed("slow", Duration::from_millis(30), move || {
        let (running, most, total) = counts.clone();
        async move {
            total.fetch_add(1, Ordering::SeqCst);
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            running.fetch_sub(1, Ordering::SeqCst);
            std::future::pending().await
        }
    });
    let health = Arc::new(Health::new(vec![slow], Clock::System));
    let reports = futures_util::future::join_all((0..20).map(|_| health.report())).await;
    let words = reports[7].standings[0].error.clone();
    assert_eq!(words.as_deref(), Some("no answer within 30 ms"));
    assert_eq!((most.load(Ordering::SeqCst), total.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn other_pages() {
    let health = Arc::new(Health::new(Vec::new(), Clock::System));
    let client = TestClient::new(endpoint(health, metrics()));
    assert_eq!(get(&client, "/metrics").await.0, 200);
    assert_eq!(get(&client, "/nope").await.1["code"], "route_not_found");
    assert_eq!(client.post("/live").send().await.0.status(), 405);
}

#[tokio::test]
async fn a_body_that_is_not_read_ends_the_connection() {
    let health = Arc::new(Health::new(Vec::new(), Clock::System));
    let client = TestClient::new(endpoint(health, metrics()));
    for (request, status, connection) in [
        (client.get("/live"), 200, None),
        (client.get("/live").body("x"), 200, Some("close")),
        (client.post("/live").body("x"), 405, Some("close")),
        (client.post("/live"), 405, None),
        (client.get("/nope").body("x"), 404, Some("close")),
    ] {
        let answer = request.send().await.0;
        let found = answer.headers().get("connection").and_then(|value| value.to_str().ok());
        assert_eq!((answer.status().as_u16(), found), (status, connection));
    }
}

#[tokio::test]
async fn connections_that_say_nothing_keep_nobody_out() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let stop = CancellationToken::new();
    let health = Arc::new(Health::new(Vec::new(), Clock::System));
    let served = tokio::spawn(serve(health, metrics(), listener, stop.clone()));
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS + 20 {
        let mut one = TcpStream::connect(address).await.expect("a connection");
        one.write_all(b"GET /live HTTP/1.1\r\n").await.expect("written");
        silent.push(one);
    }
    let mut asking = TcpStream::connect(address).await.expect("a connection");
    let request = b"GET /live HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    asking.write_all(request).await.expect("written");
    let mut said = String::new();
    asking.read_to_string(&mut said).await.expect("an answer");
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    // The oldest are gone, the newest are not.
    let mut byte = [0];
    let ended = tokio::time::timeout(SOON * 10, silent[0].read(&mut byte)).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
    let newest = silent.last_mut().expect("some");
    assert!(tokio::time::timeout(SOON, newest.read(&mut byte)).await.is_err(), "it is still open");
    stop.cancel();
    served.await.expect("no panic").expect("served");
}
