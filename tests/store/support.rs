//! A store of one test's own, a look behind it, and what the verbs need to be called.

use std::sync::Arc;
use std::time::Duration;

use bellbuoy_harness::Stores;
use bellbuoy_harness::engines::{self, Ground};
use config::StoreUrl;
use domain::evaluation::{Looked, look};
use domain::event::Event;
use domain::id::{DeliveryId, EndpointId, EventId, ProjectId, RoleId, RuleId, UserId};
use domain::rule::{Priority, Rule, RuleBody, RuleMode, Suppression};
use domain::ruleset::RuleSet;
use domain::time::Time;
use domain::webhook::{Endpoint, SigningSecret};
use serde_json::value::RawValue;
use sqlx::{MySqlPool, PgPool, SqlitePool};
use store::evaluations::{ClaimTerms, Done, Evaluating, Recorded};
use store::events::Incoming;
use store::rules::SealedEndpoint;
use store::trace::DeliveryTrace;
use store::{Store, StoreError};
use uuid::Uuid;

/// A store, and a way past it.
pub struct Place {
    pub store: Store,
    pub raw: Raw,
    pub ground: Ground,
}

pub async fn open(which: Stores) -> Place {
    let (store, ground) = engines::store(which).await;
    Place { store, raw: Raw::open(&ground).await, ground }
}

/// A store that has no tables yet.
pub async fn unmigrated(which: Stores) -> Place {
    let ground = Ground::new(which.alone()).await;
    let store = another(&ground).await;
    Place { store, raw: Raw::open(&ground).await, ground }
}

/// Another process's store on the same ground.
pub async fn another(ground: &Ground) -> Store {
    Store::open(&ground.config.store, Duration::from_secs(5)).await.expect("opens")
}

/// The engine itself, for what no verb tells.
pub enum Raw {
    Sqlite(SqlitePool),
    Postgres(PgPool),
    Mysql(MySqlPool),
}

impl Raw {
    async fn open(ground: &Ground) -> Self {
        match &ground.config.store.url {
            StoreUrl::Sqlite { path } => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
                Self::Sqlite(
                    SqlitePool::connect_with(options.foreign_keys(true)).await.expect("opens"),
                )
            }
            StoreUrl::Postgres(url) => {
                Self::Postgres(PgPool::connect(url.expose().as_str()).await.expect("opens"))
            }
            StoreUrl::Mysql(url) => {
                Self::Mysql(MySqlPool::connect(url.expose().as_str()).await.expect("opens"))
            }
        }
    }

    pub async fn run(&self, text: &str) -> sqlx::Result<u64> {
        let text = sqlx::AssertSqlSafe(text);
        Ok(match self {
            Self::Sqlite(pool) => sqlx::query(text).execute(pool).await?.rows_affected(),
            Self::Postgres(pool) => sqlx::query(text).execute(pool).await?.rows_affected(),
            Self::Mysql(pool) => sqlx::query(text).execute(pool).await?.rows_affected(),
        })
    }

    pub async fn count(&self, rest: &str) -> i64 {
        let text = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {rest}"));
        match self {
            Self::Sqlite(pool) => sqlx::query_scalar(text).fetch_one(pool).await,
            Self::Postgres(pool) => sqlx::query_scalar(text).fetch_one(pool).await,
            Self::Mysql(pool) => sqlx::query_scalar(text).fetch_one(pool).await,
        }
        .expect("counts")
    }

    /// How an id is written in a statement.
    pub fn id(&self, id: Uuid) -> String {
        match self {
            Self::Sqlite(_) | Self::Mysql(_) => format!("x'{}'", id.simple()),
            Self::Postgres(_) => format!("'{id}'"),
        }
    }
}

/// When the tests begin.
pub fn start() -> Time {
    Time::parse("2026-03-01T12:00:00Z").expect("a time")
}

/// So many seconds after the beginning.
pub fn at(seconds: u64) -> Time {
    start().plus(Duration::from_secs(seconds))
}

pub async fn project(store: &Store, slug: &str) -> ProjectId {
    let id = ProjectId::fresh(start());
    store.create_project(id, slug, slug, start()).await.expect("a project");
    id
}

/// A project with somebody on call, some endpoints and a rule for payments, grouped by `group`.
pub struct Tenant {
    pub project: ProjectId,
    pub user: UserId,
    pub rule: Rule,
}

pub async fn tenant(
    store: &Store,
    slug: &str,
    endpoints: usize,
    window: Option<Suppression>,
) -> Tenant {
    let project = project(store, slug).await;
    let user = UserId::fresh(start());
    store
        .create_user(project, user, "night@example.com", "Night Watch", start())
        .await
        .expect("a user");
    let role = RoleId::fresh(start());
    store.create_role(project, role, "on_call", &[user], start()).await.expect("a role");
    for number in 0..endpoints {
        create_endpoint(store, project, &format!("sink {number}")).await;
    }
    let rule = rule("Payments", r#"event.type == "payment""#, window);
    store.create_rule(project, &rule, start()).await.expect("a rule");
    Tenant { project, user, rule }
}

pub async fn create_endpoint(store: &Store, project: ProjectId, name: &str) -> EndpointId {
    let id = EndpointId::fresh(start());
    let url = format!("http://127.0.0.1/{id}");
    let endpoint = SealedEndpoint::new(id, name, url, vec![7; 32]);
    store.create_endpoint(project, &endpoint, start()).await.expect("an endpoint");
    id
}

pub fn rule(name: &str, condition: &str, suppression: Option<Suppression>) -> Rule {
    let body = RuleBody {
        description: format!("{name} happened"),
        priority: Priority::High,
        target_roles: vec!["on_call".to_owned()],
        group_by: vec!["event.payload.group".to_owned()],
        suppression,
        ..RuleBody::new(name, condition)
    };
    Rule { id: RuleId::fresh(start()), version: 1, mode: RuleMode::Live, since: start(), body }
}

pub fn event(kind: &str, payload: &str, now: Time) -> Event {
    Event {
        id: EventId::fresh(now),
        kind: kind.to_owned(),
        source: String::new(),
        subject: None,
        payload: RawValue::from_string(payload.to_owned()).expect("json"),
        occurred_at: None,
        received_at: now,
        idempotency_key: None,
        correlation_id: None,
        replay_of: None,
        key_id: None,
    }
}

/// A payment of a group, which the tenant's rule matches.
pub fn payment(group: usize) -> Event {
    event("payment", &format!(r#"{{"group":{group}}}"#), start())
}

/// An event on its way in, without a key.
pub fn incoming(project: ProjectId, event: &Event) -> Incoming {
    Incoming { project, event: event.clone(), key: None, trace: None }
}

pub async fn keep(store: &Store, project: ProjectId, events: &[Event]) {
    let incoming = Arc::new(events.iter().map(|event| incoming(project, event)).collect());
    store.accept_events(incoming, None, start()).await.expect("keeps");
}

/// The rules as they stand.
pub async fn rule_set(store: &Store, project: ProjectId) -> Arc<RuleSet> {
    let source = store.rule_source(project).await.expect("rules");
    let open = |one: SealedEndpoint| {
        Ok::<_, StoreError>(Endpoint::new(one.id, one.url, SigningSecret::fresh()))
    };
    let (set, broken) = source.compile(project, open).expect("endpoints open");
    assert_eq!(broken, []);
    Arc::new(set)
}

/// A claim of up to `limit`, for 25 seconds from `now`.
pub fn terms(limit: usize, now: Time) -> ClaimTerms {
    let (token, planned_at) = (domain::id::fresh(now), now.plus(Duration::from_secs(10)));
    ClaimTerms { token, until: now.plus(Duration::from_secs(25)), limit, planned_at }
}

pub fn evaluating(set: &Arc<RuleSet>, events: &[Event], claim: ClaimTerms) -> Evaluating {
    let looked: Vec<Looked> =
        events.iter().map(|event| look(set, event, start()).expect("json")).collect();
    let set = Arc::clone(set);
    Evaluating { set, looked: Arc::new(looked), claim, jobs_here: false }
}

pub fn done(recorded: Recorded) -> Done {
    match recorded {
        Recorded::Done(done) => *done,
        other => panic!("not decided: {other:?}"),
    }
}

/// Keeps and evaluates as many payments as there are groups; answers them and what was decided.
pub async fn ring(
    store: &Store,
    tenant: &Tenant,
    groups: usize,
    claim: ClaimTerms,
) -> (Vec<Event>, Done) {
    let events: Vec<Event> = (0..groups).map(payment).collect();
    keep(store, tenant.project, &events).await;
    let set = rule_set(store, tenant.project).await;
    let batch = evaluating(&set, &events, claim);
    let recorded = store.record_evaluation(tenant.project, batch, start()).await.expect("records");
    (events, done(recorded))
}

/// How the deliveries of an event that rang stand.
pub async fn deliveries(store: &Store, project: ProjectId, event: &Event) -> Vec<DeliveryTrace> {
    let trace = store.trace(project, event.id).await.expect("a trace");
    let notified = trace.matches.into_iter().filter_map(|one| one.notification);
    notified.flat_map(|one| one.deliveries).collect()
}

/// How an event's only delivery stands.
pub async fn delivery(store: &Store, project: ProjectId, event: &Event) -> DeliveryTrace {
    let mut all = deliveries(store, project, event).await;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

pub fn sorted(mut ids: Vec<DeliveryId>) -> Vec<DeliveryId> {
    ids.sort_unstable();
    ids
}
