//! SQS for tests: queues of a test's own on the server that `tests/run` started, and servers of a test's own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use queue::open::Opened;
use serde_json::Value;

use crate::cluster::free_port;
use crate::engines::variable;

/// What is found of credentials: the tests' servers take any. The environment of a process that is given none but its
/// settings.
pub const CREDENTIALS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

/// The URL of queues that are one test's alone, on the server that `tests/run` started.
pub fn url(fifo: bool) -> String {
    url_at(&endpoint(), fifo)
}

/// Where the server is that `tests/run` started.
pub fn endpoint() -> String {
    variable("BELLBUOY_TEST_SQS")
}

fn url_at(endpoint: &str, fifo: bool) -> String {
    let prefix = format!("t{}", uuid::Uuid::new_v4().simple());
    // A worker that ends must not wait long for what it has asked.
    format!("sqs://us-east-1/{prefix}?endpoint={endpoint}&fifo={fifo}&wait=1")
}

/// Asks a server as its protocol says, past every client of ours.
pub async fn ask(endpoint: &str, action: &str, body: &Value) -> (u16, Value) {
    let answer = reqwest::Client::new()
        .post(endpoint)
        .header("x-amz-target", format!("AmazonSQS.{action}"))
        .header("content-type", "application/x-amz-json-1.0")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0",
        )
        .body(body.to_string())
        .send()
        .await
        .expect("an answer");
    (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
}

/// Makes what a queue needs, on a machine that may be busy with other things.
///
/// # Panics
/// When it can't be made within a minute.
pub async fn prepare(opened: &Opened) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(error) = opened.prepare().await {
        assert!(Instant::now() < deadline, "the queue is not prepared: {error}");
    }
}

/// A server that ends with this value and keeps nothing.
pub struct Server {
    port: u16,
    child: Option<Child>,
}

impl Server {
    /// Starts one and waits until it answers.
    pub fn start() -> Self {
        let mut server = Self { port: free_port().port(), child: None };
        server.restart();
        server
    }

    /// The URL of queues that are one test's alone.
    pub fn url(&self, fifo: bool) -> String {
        url_at(&self.endpoint(), fifo)
    }

    /// Where it is.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends it, without a chance to say so: everything in it is gone, the queues too.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Ends it if it runs and starts it, empty, on the same port.
    pub fn restart(&mut self) {
        self.stop();
        let program = variable("BELLBUOY_TEST_SQS_SERVER");
        let port = self.port.to_string();
        let child = Command::new(program)
            .envs([("GATEWAY_PORT", &*port), ("BIND_HOST", "127.0.0.1")])
            .envs([("MINISTACK_HOST", "127.0.0.1"), ("SERVICES", "sqs"), ("IOT_MTLS_ENABLED", "0")])
            .envs([("DOCKER_HOST", "unix:///nonexistent"), ("LOG_LEVEL", "WARNING")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("MiniStack starts");
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.answers() {
            assert!(Instant::now() < deadline, "MiniStack does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether it answers a request: it takes connections before that.
    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let asked = stream
            .set_read_timeout(Some(Duration::from_secs(2)))
            .and_then(|()| stream.write_all(b"GET /_ministack/health HTTP/1.0\r\n\r\n"));
        asked.is_ok() && stream.read(&mut [0; 16]).is_ok_and(|count| count > 0)
    }

    /// Lets it hang: connections are taken, and nothing answers.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let child = self.child.as_ref().expect("it runs");
        let done = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(done.expect("kill runs").success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
