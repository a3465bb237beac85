//! The product in this process: real engines, real sockets, and a clock that stands still until the test moves it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bellbuoy::roles::{self, Roles};
use config::Config;
use domain::audit::AuditAction;
use domain::clock::{Clock, ManualClock};
use domain::id::{EndpointId, ProjectId, RuleId, UserId};
use domain::job::QueueName;
use domain::key::PlainKey;
use domain::mail::MailKind;
use domain::one_time::{self, Purpose};
use domain::rule::{RuleBody, Suppression};
use domain::time::Time;
use domain::webhook::SigningSecret;
use runtime::app::App;
use serde_json::{Value, json};
use services::admin::{Confirmation, Onboarding};
use services::audit::{AuditedAction, Initiator};
use services::mails::Addressee;
use services::onboarding;
use store::registrations::Registration;
use tokio_util::sync::CancellationToken;

use crate::engines::{Ground, Pair};
use crate::sink::Sink;

/// When the tests' clock starts.
pub const START: &str = "2026-03-01T12:00:00Z";

/// How long `run_until_idle` waits before it says that something is stuck.
const STUCK: Duration = Duration::from_secs(180);

/// The product and whatever a test needs of it.
pub struct TestApp {
    /// The context of the roles.
    pub app: Arc<App>,
    /// The clock.
    pub clock: ManualClock,
    /// Where the API is.
    pub base: String,
    /// An HTTP client.
    pub http: reqwest::Client,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<Result<(), String>>,
    ground: Ground,
}

/// A project of a test, with its key, a person on call and a receiver.
pub struct Tenant {
    /// Its id.
    pub project: ProjectId,
    /// Its key.
    pub key: PlainKey,
    /// Its endpoint.
    pub endpoint: EndpointId,
    /// The endpoint's secret.
    pub secret: SigningSecret,
    /// What listens there.
    pub sink: Sink,
}

impl TestApp {
    /// Every role, on this pair.
    pub async fn start(pair: Pair) -> Self {
        Self::with(pair, Roles::all(), |_| {}).await
    }

    /// A project whose admin is `admin@<slug>.example`.
    pub async fn administered(&self, slug: &str, password: &str) -> ProjectId {
        let new = Onboarding {
            slug: slug.to_owned(),
            name: slug.to_uppercase(),
            description: String::new(),
            admin_email: format!("admin@{slug}.example"),
            admin_name: "Ana Admin".to_owned(),
            admin_password: password.to_owned(),
        };
        self.app.admin.onboard(new, &Initiator::system()).await.expect("a project").project.id
    }

    /// These roles, with a configuration that `change` has changed.
    pub async fn with(pair: Pair, roles: Roles, change: impl FnOnce(&mut Config)) -> Self {
        let mut ground = Ground::new(pair).await;
        change(&mut ground.config);
        let clock = ManualClock::at(Time::parse(START).expect("a time"));
        Self::on(ground, roles, clock).await
    }

    async fn on(ground: Ground, roles: Roles, clock: ManualClock) -> Self {
        telemetry::install_tls();
        let started =
            roles::start(ground.config.clone(), roles, Clock::Manual(clock.clone())).await;
        let (running, address) = started.unwrap_or_else(|error| panic!("did not start: {error}"));
        let base = address.map(|address| format!("http://{address}")).unwrap_or_default();
        let (app, stop) = (Arc::clone(&running.app), running.stop.clone());
        let running =
            tokio::spawn(async move { running.wait().await.map_err(|error| error.to_string()) });
        Self { app, clock, base, http: reqwest::Client::new(), stop, running, ground }
    }

    /// Ends the roles gracefully and starts these on the same ground.
    pub async fn restart(self, roles: Roles) -> Self {
        let (ground, clock) = self.end().await;
        Self::on(ground, roles, clock).await
    }

    /// Ends the roles gracefully.
    pub async fn stop(self) {
        self.end().await;
    }

    async fn end(self) -> (Ground, ManualClock) {
        self.stop.cancel();
        self.running.await.expect("no panic").expect("a clean end");
        (self.ground, self.clock)
    }

    /// An account that waits for approval, its address proved as by the token that is mailed.
    pub async fn waiting(&self, project: ProjectId, email: &str) -> UserId {
        let token = self.registered(project, email).await;
        let password = crate::account::PASSWORD.to_owned();
        let confirmation = Confirmation { token, password, full_name: None };
        let made = self.app.admin.confirm_registration(confirmation, &Initiator::system()).await;
        made.expect("an account").id
    }

    /// The token that is mailed for a registration.
    pub async fn registered(&self, project: ProjectId, email: &str) -> String {
        let (app, now) = (&self.app, self.app.clock.now());
        let (token, key) =
            one_time::make(Purpose::Registration, project, domain::id::fresh(now), [7; 32]);
        let new = Registration {
            id: key.id,
            email: email.to_owned(),
            full_name: "New Comer".to_owned(),
            expires_at: now.plus(Duration::from_secs(60)),
        };
        let home = app.store.project(project).await.expect("a project");
        let whom = Addressee { project: &home, user: None, email };
        let mail = app.sessions.mails.write(MailKind::Registration, whom, None, None, now);
        let mail = mail.expect("a mail");
        let audited = AuditedAction::new(AuditAction::RegistrationCreate, new.id);
        let entry =
            app.audit.entry(project, &Initiator::system(), audited).await.expect("an entry");
        let kept = app.store.register(project, &new, key, &mail, &entry, now);
        assert!(kept.await.expect("kept"), "{email} has had enough mails");
        token
    }

    /// A project with everything that a rule needs.
    pub async fn tenant(&self, slug: &str) -> Tenant {
        let (store, now) = (&self.app.store, self.app.clock.now());
        let (project, key) = onboarding::project(store, slug, slug, now).await.expect("a project");
        let email = format!("{slug}@example.com");
        onboarding::responder(store, project, "on_call", &email, "Night Watch", now)
            .await
            .expect("a responder");
        let sink = Sink::start().await;
        let endpoint =
            onboarding::endpoint(store, &self.app.sealer, project, "sink", &sink.url(), now).await;
        let (endpoint, secret) = endpoint.expect("an endpoint");
        self.app.epochs.refresh(store).await.expect("epochs");
        Tenant { project, key, endpoint, secret, sink }
    }

    /// An active rule.
    pub async fn rule(
        &self,
        tenant: &Tenant,
        name: &str,
        condition: &str,
        suppression: Option<Suppression>,
    ) -> RuleId {
        let body = RuleBody {
            description: format!("{name} happened"),
            target_roles: vec!["on_call".to_owned()],
            group_by: vec!["event.payload.group".to_owned()],
            suppression,
            ..RuleBody::new(name, condition)
        };
        let made =
            onboarding::rule(&self.app.store, tenant.project, body, self.app.clock.now()).await;
        made.expect("a rule")
    }

    /// Sends an event and answers the answer.
    pub async fn send(&self, tenant: &Tenant, body: &Value) -> (u16, Value) {
        self.post("/api/v1/events", tenant, body).await
    }

    /// Sends an event that must be taken; answers its id.
    pub async fn event(&self, tenant: &Tenant, kind: &str, payload: &Value) -> String {
        let (status, answer) =
            self.send(tenant, &json!({ "type": kind, "payload": payload })).await;
        assert_eq!(status, 202, "{answer}");
        answer["id"].as_str().expect("an id").to_owned()
    }

    /// Posts JSON with the tenant's key.
    pub async fn post(&self, path: &str, tenant: &Tenant, body: &Value) -> (u16, Value) {
        let request =
            self.http.post(format!("{}{path}", self.base)).header("x-api-key", tenant.key.text());
        let response = request.json(body).send().await.expect("an answer");
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    /// Gets JSON with the tenant's key.
    pub async fn get(&self, path: &str, tenant: &Tenant) -> (u16, Value) {
        let request =
            self.http.get(format!("{}{path}", self.base)).header("x-api-key", tenant.key.text());
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    /// Why an event rang, or did not.
    pub async fn trace(&self, tenant: &Tenant, event: &str) -> Value {
        let (status, trace) = self.get(&format!("/api/v1/events/{event}/trace"), tenant).await;
        assert_eq!(status, 200, "{trace}");
        trace
    }

    /// Moves the clock and wakes whoever waits for it.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.app.due.notify_one();
    }

    /// Waits until the store says that nothing is due and nothing is claimed, and the queue is empty.
    pub async fn run_until_idle(&self) {
        let started = Instant::now();
        while !self.is_idle().await {
            assert!(started.elapsed() < STUCK, "something is stuck");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Moves the clock in steps, each worked off before the next, until lost jobs, retries and expired claims are done.
    pub async fn run_for(&self, span: Duration) {
        let step = Duration::from_secs(5);
        let mut gone = Duration::ZERO;
        while gone < span {
            self.advance(step);
            gone += step;
            // So long a step is no time in which nothing could be received.
            self.app.store.beat_intake(self.app.clock.now()).await.expect("a beat");
            self.work_off().await;
        }
        self.run_until_idle().await;
    }

    /// Waits until nothing is due and nothing is claimed; what only a later time makes due may still wait.
    async fn work_off(&self) {
        let started = Instant::now();
        loop {
            self.app.due.notify_one();
            let waiting = self.app.store.waiting(self.app.clock.now()).await;
            let waiting = waiting.expect("the store answers");
            if waiting.due == 0 && waiting.claimed == 0 {
                return;
            }
            assert!(started.elapsed() < STUCK, "something is stuck: {waiting:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn is_idle(&self) -> bool {
        self.app.due.notify_one();
        let idle = self.app.store.is_idle(self.app.clock.now()).await.expect("the store answers");
        for queue in QueueName::ALL {
            // One that does not answer may just be slow, or not be made yet: the product goes on, and so does the wait.
            match self.app.queue.depth(queue).await {
                Ok(depth) if depth.waiting + depth.held == 0 => {}
                _ => return false,
            }
        }
        idle
    }
}
