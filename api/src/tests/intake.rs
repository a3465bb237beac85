//! Adapters, from the outside.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::adapter::sns::{message, signed_text};
use domain::members::Members;
use poem::Body;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{EVENTS, Got, JSON, Scene, send};

const ALERTMANAGER: &str = "/api/v1/intake/alertmanager";
const GRAFANA: &str = "/api/v1/intake/grafana";
const SNS: &str = "/api/v1/intake/sns";
const TEXT: &str = "text/plain; charset=UTF-8";
const CERTIFICATE: &str = include_str!("sns/certificate.pem");
/// The key of that certificate, which proves nothing to anybody but these tests.
const KEY: &str = include_str!("sns/key.pem");

fn webhook(version: &str, alerts: Value) -> String {
    let webhook = json!({
        "version": version, "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing", "receiver": "bellbuoy",
        "groupLabels": {}, "commonLabels": {"alertname": "DiskFull"}, "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093", "alerts": alerts,
    });
    webhook.to_string()
}

fn alert(status: &str, fingerprint: &str) -> Value {
    json!({
        "status": status, "labels": {"alertname": "DiskFull"}, "annotations": {}, "generatorURL": "http://p/graph",
        "startsAt": "2026-01-31T09:00:00Z", "endsAt": "2026-01-31T10:00:00Z", "fingerprint": fingerprint,
    })
}

fn told(got: &Got) -> Vec<String> {
    let items = got.json["items"].as_array().unwrap_or_else(|| panic!("{}", got.text));
    let told = |item: &Value| {
        let field = item["errors"][0]["field"].as_str().unwrap_or("-");
        format!("{} {field}", item["status"].as_str().unwrap_or_default())
    };
    items.iter().map(told).collect()
}

async fn events(scene: &Scene) -> Vec<Value> {
    let got = send(scene.get(EVENTS)).await;
    got.json["items"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn alerts_become_events_once() {
    let scene = Scene::with(|config| config.accept.max_batch = 2).await;
    let body =
        webhook("4", json!([alert("firing", "a"), alert("resolved", "b"), alert("firing", "c")]));
    let got = scene.write(ALERTMANAGER, JSON, body.clone()).await;
    assert_eq!((got.status, told(&got)), (202, vec!["accepted -".to_owned(); 3]));
    let again = scene.write(ALERTMANAGER, JSON, body.clone()).await;
    assert_eq!(told(&again), ["replayed -"; 3]);
    assert_eq!(again.json["items"][0]["id"], got.json["items"][0]["id"]);
    let seen = events(&scene).await;
    assert_eq!(seen.len(), 3);
    for event in &seen {
        assert_eq!(
            (&event["type"], &event["subject"]),
            (&json!("alertmanager.alert"), &json!("DiskFull"))
        );
    }
    // The next interval is another event, of what still fires.
    scene.clock.advance(std::time::Duration::from_secs(61));
    let shorter = format!("{ALERTMANAGER}?repeat_interval=1m");
    let repeat = scene.write(&shorter, JSON, body).await;
    assert_eq!(told(&repeat), ["accepted -", "replayed -", "accepted -"]);
    let body = webhook("1", json!([alert("firing", "a"), alert("pending", "b")]));
    let got = scene.write(GRAFANA, JSON, body).await;
    assert_eq!(told(&got), ["accepted -", "rejected alerts[1].status"]);
}

#[tokio::test]
async fn what_is_no_webhook_is_refused() {
    let scene = Scene::new().await;
    let one = |status| webhook("4", json!([alert(status, "a")]));
    for (path, body, status, code, field) in [
        (ALERTMANAGER, one("pending"), 400, "invalid_request", "alerts[0].status"),
        (GRAFANA, one("firing"), 400, "invalid_request", "version"),
        (ALERTMANAGER, "{}".to_owned(), 400, "invalid_request", "alerts"),
        (ALERTMANAGER, "[]".to_owned(), 400, "invalid_request", ""),
        (ALERTMANAGER, "{".to_owned(), 400, "malformed_json", ""),
        (
            "/api/v1/intake/alertmanager?repeat_interval=1w",
            one("firing"),
            400,
            "invalid_parameter",
            "repeat_interval",
        ),
        (
            "/api/v1/intake/alertmanager?interval=1m",
            one("firing"),
            400,
            "invalid_parameter",
            "interval",
        ),
        (SNS, "{}".to_owned(), 400, "invalid_request", "Type"),
    ] {
        let got = scene.write(path, JSON, body.clone()).await;
        assert_eq!((got.status, got.code(), got.field()), (status, code, field), "{path} {body}");
    }
    let post = scene.client.post(ALERTMANAGER).header("x-api-key", &scene.callers.reader);
    let got = send(post.content_type(JSON).body(one("firing"))).await;
    assert_eq!((got.status, got.code()), (403, "missing_scope"));
    let got = send(scene.client.post(SNS).content_type(TEXT).body("{}")).await;
    assert_eq!(got.status, 401);
    let challenges: Vec<_> = got.headers.get_all("www-authenticate").iter().collect();
    assert!(challenges.iter().any(|one| one.as_bytes().starts_with(b"Basic ")), "{challenges:?}");
}

#[tokio::test]
async fn a_webhook_that_is_one_too_many_comes_again() {
    let scene = Scene::new().await;
    let mut last = None;
    for number in 0..10 {
        let body = webhook("4", json!([alert("firing", &format!("f{number}"))]));
        let post = scene.client.post(ALERTMANAGER).header("x-api-key", &scene.callers.metered);
        let got = send(post.content_type(JSON).body(body)).await;
        if got.status != 202 {
            last = Some((got.status, got.code().to_owned()));
            break;
        }
    }
    assert_eq!(last, Some((429, "rate_limited".to_owned())));
}

/// Something that speaks as SNS does: it has a certificate, and notes who confirms.
struct Topic {
    host: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Topic {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut head = vec![0; 4096];
                let read = socket.read(&mut head).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let (status, body) = match path.as_str() {
                    "/certificate.pem" => ("200 OK", CERTIFICATE),
                    "/none.pem" => ("200 OK", "none"),
                    "/confirm" => ("200 OK", "<Confirmed/>"),
                    _ => ("404 Not Found", ""),
                };
                noted.lock().expect("not poisoned").push(path);
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        Self { host, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("not poisoned").clone()
    }

    /// A message that is signed as SNS signs.
    fn message(&self, more: Value) -> Value {
        let mut body = json!({
            "Type": "Notification", "MessageId": "m-1", "TopicArn": "arn:aws:sns:eu-west-1:1:ops",
            "Message": "it burns", "Timestamp": "2026-01-31T09:30:00.123Z", "SignatureVersion": "2",
            "Signature": "c2ln", "SigningCertURL": format!("http://{}/certificate.pem", self.host),
        });
        body.as_object_mut()
            .expect("an object")
            .extend(more.as_object().cloned().unwrap_or_default());
        let members: Members = serde_json::from_str(&body.to_string()).expect("an object");
        let text = signed_text(&message(&members).expect("a message"));
        let der: String = KEY.lines().filter(|line| !line.starts_with('-')).collect();
        let key = RsaKeyPair::from_pkcs8(&STANDARD.decode(der).expect("base64")).expect("a key");
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .expect("signs");
        body["Signature"] = json!(STANDARD.encode(signature));
        body
    }

    async fn scene(&self) -> Scene {
        let host = self.host.clone();
        Scene::with(|config| config.intake.sns_hosts = vec![host]).await
    }
}

async fn post(scene: &Scene, body: &Value) -> Got {
    scene.write(SNS, TEXT, Body::from(body.to_string())).await
}

#[tokio::test]
async fn messages_that_are_signed_become_events_once() {
    let topic = Topic::start().await;
    let scene = topic.scene().await;
    let got = post(&scene, &topic.message(json!({}))).await;
    assert_eq!((got.status, told(&got)), (202, vec!["accepted -".to_owned()]), "{}", got.text);
    assert_eq!(told(&post(&scene, &topic.message(json!({}))).await), ["replayed -"]);
    let alarm =
        json!({"AlarmName": "cpu", "AlarmArn": "arn:alarm", "NewStateValue": "ALARM"}).to_string();
    let got = post(&scene, &topic.message(json!({"MessageId": "m-2", "Message": alarm}))).await;
    assert_eq!(told(&got), ["accepted -"]);
    let seen = events(&scene).await;
    assert_eq!(
        (&seen[0]["type"], &seen[1]["type"]),
        (&json!("cloudwatch.alarm"), &json!("sns.message"))
    );
    assert_eq!(seen[0]["payload"]["status"], "firing");
    assert_eq!(topic.asked(), ["/certificate.pem"], "it is kept at hand");
}

#[tokio::test]
async fn a_subscription_is_confirmed() {
    let topic = Topic::start().await;
    let scene = topic.scene().await;
    let asks = |kind: &str, path: &str| {
        let url = format!("http://{}/{path}", topic.host);
        topic.message(json!({"Type": kind, "Token": "t", "SubscribeURL": url}))
    };
    let got = post(&scene, &asks("SubscriptionConfirmation", "confirm")).await;
    assert_eq!((got.status, &got.json["items"]), (202, &json!([])), "{}", got.text);
    assert_eq!(topic.asked(), ["/certificate.pem", "/confirm"]);
    assert_eq!(post(&scene, &asks("UnsubscribeConfirmation", "confirm")).await.status, 202);
    assert_eq!(topic.asked().len(), 2, "who has ended a subscription wants none");
    let away = post(&scene, &asks("SubscriptionConfirmation", "gone")).await;
    assert_eq!((away.status, away.code()), (503, "unavailable"));
    assert!(!away.header("retry-after").is_empty());
    assert_eq!(events(&scene).await, Vec::<Value>::new());
}

#[tokio::test]
async fn messages_that_are_not_true_are_refused_and_call_nobody() {
    let topic = Topic::start().await;
    let scene = topic.scene().await;
    let mut changed = topic.message(json!({}));
    changed["Message"] = json!("it does not burn");
    let got = post(&scene, &changed).await;
    assert_eq!((got.status, got.field()), (400, "Signature"));
    let asked = topic.asked().len();
    let (none, other) =
        (format!("http://{}/none.pem", topic.host), "http://127.0.0.1:1/certificate.pem");
    for (more, status, code, field) in [
        (json!({"SigningCertURL": none}), 400, "invalid_request", "SigningCertURL"),
        (json!({"SigningCertURL": other}), 400, "invalid_request", "SigningCertURL"),
        (
            json!({"SigningCertURL": "https://sns.eu-west-1.amazonaws.com.example.org/a.pem"}),
            400,
            "invalid_request",
            "SigningCertURL",
        ),
        (
            json!({"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": "http://169.254.169.254/"}),
            400,
            "invalid_request",
            "SubscribeURL",
        ),
    ] {
        let got = post(&scene, &topic.message(more.clone())).await;
        assert_eq!((got.status, got.code(), got.field()), (status, code, field), "{more}");
    }
    assert_eq!(topic.asked().len(), asked + 1, "only the host that is allowed was asked");
    let without = Scene::new().await;
    let got = post(&without, &topic.message(json!({}))).await;
    assert_eq!((got.status, got.field()), (400, "SigningCertURL"));
    assert_eq!(events(&scene).await, Vec::<Value>::new());
}
