//! What only a socket shows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use config::HttpConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Scene;

struct Running {
    scene: Scene,
    address: SocketAddr,
    stop: CancellationToken,
    done: JoinHandle<std::io::Result<()>>,
}

async fn start(change: impl FnOnce(&mut HttpConfig)) -> Running {
    let scene = Scene::with(|config| change(&mut config.http)).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let done = tokio::spawn(crate::serve(Arc::clone(&scene.app), listener, stop.clone()));
    Running { scene, address, stop, done }
}

async fn read_all(socket: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = socket.read_to_end(&mut text);
    tokio::time::timeout(Duration::from_secs(5), read).await.expect("it hangs up").ok();
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn requests_follow_each_other_on_a_connection() {
    let running = start(|_| {}).await;
    let mut socket = TcpStream::connect(running.address).await.expect("connected");
    let body = r#"{"type":"a","payload":{}}"#;
    let key = &running.scene.callers.key;
    let post = format!(
        "POST /api/v1/events HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let chunked = format!(
        "POST /api/v1/events HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
         9\r\n{{\"type\":\"\r\n10\r\na\",\"payload\":{{}}}}\r\n0\r\n\r\n"
    );
    let last = "GET /live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    socket.write_all(format!("{post}{chunked}{last}").as_bytes()).await.expect("sent");
    let text = read_all(&mut socket).await;
    assert_eq!(text.matches("HTTP/1.1 202 Accepted").count(), 2, "{text}");
    assert!(text.contains("HTTP/1.1 200 OK"), "{text}");
}

#[tokio::test]
async fn slow_headers_are_not_waited_for() {
    let running = start(|http| http.header_timeout = Duration::from_millis(100)).await;
    for text in ["", "GET /live HT", "GET /live HTTP/1.1\r\nhost: x\r\n\r\nGET /liv"] {
        let mut socket = TcpStream::connect(running.address).await.expect("connected");
        socket.write_all(text.as_bytes()).await.expect("sent");
        if text.ends_with("/liv") {
            // The beginning of a second request comes with the first: its time begins when more of it comes.
            tokio::time::sleep(Duration::from_millis(20)).await;
            socket.write_all(b"e").await.expect("sent");
        }
        read_all(&mut socket).await;
    }
}

#[tokio::test]
async fn a_stop_lets_a_request_end_and_closes_the_rest() {
    let running = start(|http| {
        http.request_timeout = Duration::from_millis(300);
        http.shutdown_grace = Duration::from_secs(3);
    })
    .await;
    let _writes = running.scene.hold_writes().await;
    let mut idle = TcpStream::connect(running.address).await.expect("connected");
    idle.write_all(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut first = [0; 16];
    idle.read_exact(&mut first).await.expect("an answer");
    let mut socket = TcpStream::connect(running.address).await.expect("connected");
    let body = r#"{"type":"a","payload":{}}"#;
    let key = &running.scene.callers.key;
    let post = format!(
        "POST /api/v1/events HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(post.as_bytes()).await.expect("sent");
    tokio::time::sleep(Duration::from_millis(50)).await;
    running.stop.cancel();
    let text = read_all(&mut socket).await;
    assert!(text.starts_with("HTTP/1.1 503") && text.contains("\"timeout\""), "{text}");
    read_all(&mut idle).await;
    let done = tokio::time::timeout(Duration::from_secs(2), running.done).await;
    done.expect("in time").expect("no panic").expect("no error");
}

#[tokio::test]
async fn headers_have_a_size() {
    let running = start(|_| {}).await;
    for head in [format!("x: {}\r\n", "y".repeat(100_000)), "x: y\r\n".repeat(200)] {
        let mut socket = TcpStream::connect(running.address).await.expect("connected");
        let text = format!("GET /live HTTP/1.1\r\nhost: x\r\n{head}\r\n");
        // The server may hang up before all of it is sent.
        socket.write_all(text.as_bytes()).await.ok();
        // What is left unread may make the close a reset, but not before the answer.
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 431");
    }
}

/// Sends `text` and reads one answer with its body; what comes later stays unread.
async fn ask(socket: &mut TcpStream, text: &str) -> String {
    socket.write_all(text.as_bytes()).await.expect("sent");
    read_one(socket).await
}

async fn read_one(socket: &mut TcpStream) -> String {
    let read = async {
        let mut text = Vec::new();
        loop {
            let whole = String::from_utf8_lossy(&text).into_owned();
            if let Some((head, body)) = whole.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if body.len() >= length.map_or(0, |length| length.parse().expect("a length")) {
                    return whole;
                }
            }
            let mut piece = [0; 4096];
            let count = socket.read(&mut piece).await.expect("an answer");
            assert_ne!(count, 0, "closed after: {whole}");
            text.extend_from_slice(&piece[..count]);
        }
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("in time")
}

#[tokio::test]
async fn an_early_refusal_keeps_the_connection_or_says_that_it_ends() {
    let running = start(|_| {}).await;
    let post = |head: &str, length: usize| {
        format!("POST /api/v1/events HTTP/1.1\r\nhost: x\r\n{head}content-length: {length}\r\n\r\n")
    };
    let json = "content-type: application/json\r\n";
    let callers = &running.scene.callers;
    let by = |key: &str| format!("x-api-key: {key}\r\n");
    let good = by(&callers.key) + json;
    let chunked = "POST /api/v1/events HTTP/1.1\r\nhost: x\r\nx-api-key: bad\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunked = chunked.to_owned();
    let small = "x".repeat(1000);
    for (what, head, body, status, goes_on) in [
        ("no key", post(json, 1000), &*small, "401", true),
        ("a wrong key", post("x-api-key: bad\r\n", 1000), &small, "401", true),
        ("no scope", post(&by(&callers.reader), 1000), &small, "403", true),
        (
            "another type",
            post(&(by(&callers.key) + "content-type: text/plain\r\n"), 1000),
            &small,
            "415",
            true,
        ),
        ("packed", post(&format!("{good}content-encoding: gzip\r\n"), 1000), &small, "415", true),
        ("too many", post(&by(&callers.flooding), 1000), &small, "429", true),
        ("no route", post("", 1000).replace("/api/v1/events", "/api/v1/nope"), &small, "404", true),
        ("a page", post("", 1000).replace("/api/v1/events", "/live"), &small, "405", true),
        ("a question", post("", 1000).replace("POST", "OPTIONS"), &small, "405", true),
        (
            "a body that is asked for with HEAD",
            post("", 1000).replace("POST", "HEAD").replace("/api/v1/events", "/live"),
            &small,
            "200",
            true,
        ),
        ("chunks", chunked.clone(), "3e8\r\n", "401", false),
        ("too large", post(&good, 9 << 20), &small, "413", false),
        ("large, and no key", post("", 100_000), &small, "401", false),
        ("a body that is held back", post("expect: 100-continue\r\n", 1000), "", "401", false),
        ("a body that does not come", post("x-api-key: bad\r\n", 1000), "", "401", false),
    ] {
        let mut socket = TcpStream::connect(running.address).await.expect("connected");
        if what == "too many" {
            running.scene.flood().await;
        }
        let answer = ask(&mut socket, &format!("{head}{body}")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{what}: {answer}");
        let closes = answer.to_lowercase().contains("\r\nconnection: close\r\n");
        assert_eq!(closes, !goes_on, "{what}: {answer}");
        if goes_on {
            let next = "GET /live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
            let answer = ask(&mut socket, next).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{what}: {answer}");
        } else {
            socket.shutdown().await.ok();
        }
        assert_eq!(read_all(&mut socket).await, "", "{what}");
    }
}

#[tokio::test]
async fn whoever_is_still_sending_can_read_why_it_is_no_use() {
    let running = start(|_| {}).await;
    let mut socket = TcpStream::connect(running.address).await.expect("connected");
    let length = 1 << 20;
    let head =
        format!("POST /api/v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    // All of it is sent before anything is read, as simple clients do; the system takes far less by itself.
    socket.write_all(head.as_bytes()).await.expect("sent");
    socket.write_all(&vec![b'x'; length]).await.expect("sent");
    let answer = read_one(&mut socket).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[tokio::test]
async fn connections_from_one_address_have_a_limit() {
    let running = start(|http| http.max_connections_per_address = 2).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut socket = TcpStream::connect(running.address).await.expect("connected");
        let answer = ask(&mut socket, "GET /live HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        held.push(socket);
    }
    let mut third = TcpStream::connect(running.address).await.expect("connected");
    let answer = read_one(&mut third).await;
    assert!(answer.starts_with("HTTP/1.1 429") && answer.contains("rate_limited"), "{answer}");
    held.pop();
    // The server hears of the end of a connection a moment later.
    for round in 0.. {
        let mut again = TcpStream::connect(running.address).await.expect("connected");
        again.write_all(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n").await.ok();
        let mut answer = [0; 12];
        if again.read_exact(&mut answer).await.is_ok() && &answer == b"HTTP/1.1 200" {
            break;
        }
        assert!(round < 1000, "the place stays taken");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    let running = start(|http| {
        http.max_connections_per_address = 1;
        http.trusted_proxies = proxies;
    })
    .await;
    let mut all = Vec::new();
    for _ in 0..5 {
        let mut socket = TcpStream::connect(running.address).await.expect("connected");
        let answer = ask(&mut socket, "GET /live HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        all.push(socket);
    }
}
