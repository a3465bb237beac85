//! A real Alertmanager sends what fires and what is resolved: does an alert open and resolve by it? With every store and queue.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]
#![cfg(feature = "servers")]

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bellbuoy_harness::app::Tenant;
use bellbuoy_harness::{Pair, TestApp, on_pairs};
use domain::rule::RuleBody;
use serde_json::{Value, json};
use services::onboarding;
use tempfile::TempDir;

on_pairs! {
    what_fires_opens_an_alert_and_its_end_resolves_it
}

/// How long Alertmanager may take with what takes it a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// An Alertmanager that sends to a tenant, and ends with the test.
struct Alertmanager {
    child: Child,
    base: String,
    http: reqwest::Client,
    _folder: TempDir,
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Alertmanager {
    async fn start(app: &TestApp, tenant: &Tenant) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("alertmanager.yml");
        let text = format!(
            "route:\n  receiver: bellbuoy\n  group_by: ['...']\n  group_wait: 100ms\n  group_interval: 1s\n  repeat_interval: 4h\n\
             receivers:\n- name: bellbuoy\n  webhook_configs:\n  - url: {}/api/v1/intake/alertmanager?repeat_interval=4h\n    \
             send_resolved: true\n    http_config:\n      authorization:\n        credentials: {}\n",
            app.base,
            tenant.key.text()
        );
        std::fs::write(&config, text).expect("a file");
        let port =
            TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it").port();
        let program = std::env::var("BELLBUOY_TEST_ALERTMANAGER");
        let child = Command::new(program.as_deref().unwrap_or("prometheus-alertmanager"))
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            // It is alone.
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Alertmanager starts; name another by BELLBUOY_TEST_ALERTMANAGER");
        let base = format!("http://127.0.0.1:{port}");
        let made = Self { child, base, http: reqwest::Client::new(), _folder: folder };
        let began = Instant::now();
        while !made.is_ready().await {
            assert!(began.elapsed() < PATIENCE, "Alertmanager never gets ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        made
    }

    async fn is_ready(&self) -> bool {
        let answer = self.http.get(format!("{}/-/ready", self.base)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Tells it of an alert, as Prometheus does.
    async fn tell(&self, instance: &str, ends_in: i64) {
        let now = chrono::Utc::now();
        let alert = json!([{
            "labels": { "alertname": "DiskFull", "instance": instance, "severity": "page" },
            "annotations": { "summary": "93 % are used" },
            "startsAt": (now - chrono::TimeDelta::seconds(60)).to_rfc3339(),
            "endsAt": (now + chrono::TimeDelta::seconds(ends_in)).to_rfc3339(),
            "generatorURL": "http://prometheus.example.com/graph",
        }]);
        let url = format!("{}/api/v2/alerts", self.base);
        let answer = self.http.post(url).json(&alert).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
    }
}

async fn alerts(app: &TestApp, tenant: &Tenant, state: &str) -> Vec<Value> {
    app.run_until_idle().await;
    let (status, answer) = app.get(&format!("/api/v1/alerts?state={state}"), tenant).await;
    assert_eq!(status, 200, "{answer}");
    answer["items"].as_array().expect("items").clone()
}

/// Waits until so many alerts stand so.
async fn until(app: &TestApp, tenant: &Tenant, state: &str, count: usize) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let found = alerts(app, tenant, state).await;
        if found.len() == count {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{count} {state} alerts are awaited: {found:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn what_fires_opens_an_alert_and_its_end_resolves_it(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let is = |status: &str| {
        format!("event.type == \"alertmanager.alert\" && event.payload.status == \"{status}\"")
    };
    let body = RuleBody {
        target_roles: vec!["on_call".to_owned()],
        group_by: vec!["event.payload.fingerprint".to_owned()],
        resolve_condition: Some(is("resolved")),
        notify_resolved: true,
        ..RuleBody::new("Prometheus", is("firing"))
    };
    let now = app.app.clock.now();
    onboarding::rule(&app.app.store, tenant.project, body, now).await.expect("a rule");
    app.app.epochs.refresh(&app.app.store).await.expect("epochs");
    let alertmanager = Alertmanager::start(&app, &tenant).await;
    alertmanager.tell("db-1", 600).await;
    alertmanager.tell("db-2", 600).await;
    until(&app, &tenant, "open", 2).await;
    // The end of one is not that of the other.
    alertmanager.tell("db-1", 0).await;
    until(&app, &tenant, "resolved", 1).await;
    let open = until(&app, &tenant, "open", 1).await;
    let event = open[0]["event_id"].as_str().expect("an event");
    let (_, event) = app.get(&format!("/api/v1/events/{event}"), &tenant).await;
    assert_eq!(event["payload"]["labels"]["instance"], "db-2", "{event}");
    assert_eq!((&event["subject"], &event["key_id"].is_string()), (&json!("DiskFull"), &true));
    app.run_until_idle().await;
    assert_eq!(tenant.sink.count(), 3, "two rings and an end");
    app.stop().await;
}
