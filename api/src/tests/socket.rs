//! What only a socket shows.

use std::net::SocketAddr;
use std::time::Duration;

use crate::door::HttpSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::stub::Stub;

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    done: JoinHandle<std::io::Result<()>>,
}

async fn start(http: HttpSettings) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let done = tokio::spawn(crate::serve(Stub::http(http).app(), listener, stop.clone()));
    Running { address, stop, done }
}

async fn read_all(socket: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = socket.read_to_end(&mut text);
    tokio::time::timeout(Duration::from_secs(5), read).await.expect("it hangs up").ok();
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn requests_follow_each_other_on_a_connection() {
    let running = start(HttpSettings::default()).await;
    let mut socket = TcpStream::connect(running.address).await.expect("connected");
    let body = r#"{"type":"a","payload":{}}"#;
    let post = format!(
        "POST /api/v1/events HTTP/1.1\r\nhost: x\r\nx-api-key: good\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let chunked = "POST /api/v1/events HTTP/1.1\r\nhost: x\r\nx-api-key: good\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
         9\r\n{\"type\":\"\r\n10\r\na\",\"payload\":{}}\r\n0\r\n\r\n";
    let last = "GET /live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    socket.write_all(format!("{post}{chunked}{last}").as_bytes()).await.expect("sent");
    let text = read_all(&mut socket).await;
    assert_eq!(text.matches("HTTP/1.1 202 Accepted").count(), 2, "{text}");
    assert!(text.contains("HTTP/1.1 200 OK"), "{text}");
}

#[tokio::test]
async fn slow_headers_are_not_waited_for() {
    let http = HttpSettings { header_timeout: Duration::from_millis(100), ..Default::default() };
    let running = start(http).await;
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
    let http = HttpSettings {
        request_timeout: Duration::from_millis(300),
        shutdown_grace: Duration::from_secs(3),
        ..Default::default()
    };
    let running = start(http).await;
    let mut idle = TcpStream::connect(running.address).await.expect("connected");
    idle.write_all(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut first = [0; 16];
    idle.read_exact(&mut first).await.expect("an answer");
    let mut socket = TcpStream::connect(running.address).await.expect("connected");
    let body = r#"{"type":"slow","payload":{}}"#;
    let post = format!(
        "POST /api/v1/events HTTP/1.1\r\nhost: x\r\nx-api-key: good\r\n\
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
    let running = start(HttpSettings::default()).await;
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
