//! Events that come in by streams in Redis and queues in SQS, on every pair whose installation has one of these engines.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

use std::time::{Duration, Instant};

use bellbuoy_harness::app::Tenant;
use bellbuoy_harness::{Account, Pair, TestApp, on_pairs, redis, sqs};
use domain::entry::{Arrival, Intake, of_text};
use domain::id::ProjectId;
use domain::precondition::Precondition;
use domain::project::ProjectStatus;
use domain::settings::{IntakeSettings, RateLimits, RedisStreamIntake, Settings, SqsIntake};
use serde_json::{Value, json};
use services::audit::Initiator;

on_pairs! {
    what_the_installation_lacks_is_not_switched_on
    an_entry_becomes_an_event_and_rings
    an_entry_that_was_kept_and_not_acknowledged_is_one_event
    a_bad_entry_is_rejected_and_listed
    what_is_over_a_limit_waits
    nothing_is_read_that_is_switched_off
    a_project_that_is_suspended_is_not_read
    each_project_reads_its_own
    a_stream_is_taken_field_by_field_and_trimmed
    a_lost_group_is_made_again
    entries_of_a_dead_consumer_are_taken
}

/// How long something may take that needs no more than a few looks.
const SOON: Duration = Duration::from_secs(60);
/// How long is waited for what must not happen.
const NEVER: Duration = Duration::from_secs(3);

const PAID: &str = r#"{"type":"order.paid","payload":{"total":7,"group":"a"}}"#;

/// The intakes that this installation has.
fn available(app: &TestApp) -> Vec<Intake> {
    Intake::ALL.iter().copied().filter(|one| app.app.intakes.names.has(*one)).collect()
}

fn has_redis(app: &TestApp) -> bool {
    app.app.config.intake_redis().is_some()
}

fn settings(stream: bool, queue: bool) -> Settings {
    let intake = IntakeSettings {
        redis_stream: Some(RedisStreamIntake { enabled: stream }),
        sqs: Some(SqsIntake { enabled: queue, queue_url: None }),
    };
    Settings { intake, ..Settings::default() }
}

async fn set(app: &TestApp, project: ProjectId, settings: Settings) {
    let admin = &app.app.admin;
    let (condition, system) = (Precondition::None, Initiator::system());
    let set = admin.put_settings(project, settings, &condition, &system).await;
    set.expect("they are set");
    app.app.epochs.refresh(&app.app.store).await.expect("epochs");
}

async fn switch(app: &TestApp, project: ProjectId, intake: Intake, on: bool) {
    set(app, project, settings(on && intake == Intake::RedisStream, on && intake == Intake::Sqs))
        .await;
}

fn name(app: &TestApp, intake: Intake, project: ProjectId) -> String {
    app.app.intakes.names.of(intake, project).expect("a name")
}

/// Asks Redis something about the stream of a project, which comes behind the command.
fn ask<T: ::redis::FromRedisValue>(
    app: &TestApp,
    project: ProjectId,
    command: &[&str],
    rest: &[&str],
) -> T {
    let url = app.app.config.intake_redis().expect("a Redis").expose().to_owned();
    let stream = name(app, Intake::RedisStream, project);
    let whole: Vec<&str> =
        command.iter().copied().chain([stream.as_str()]).chain(rest.iter().copied()).collect();
    redis::ask(&url, &whole)
}

/// The queue of a project, made if need be.
async fn queue_url(app: &TestApp, project: ProjectId) -> String {
    let body = json!({ "QueueName": name(app, Intake::Sqs, project) });
    let (status, found) = sqs::ask(&sqs::endpoint(), "GetQueueUrl", &body).await;
    let found = match status {
        200 => found,
        _ => sqs::ask(&sqs::endpoint(), "CreateQueue", &body).await.1,
    };
    found["QueueUrl"].as_str().expect("a URL").to_owned()
}

/// Puts an entry there as a producer does; answers its id.
async fn put(app: &TestApp, intake: Intake, project: ProjectId, text: &str) -> String {
    match intake {
        Intake::RedisStream => ask(app, project, &["XADD"], &["*", "event", text]),
        Intake::Sqs => {
            let body = json!({ "QueueUrl": queue_url(app, project).await, "MessageBody": text });
            let (status, sent) = sqs::ask(&sqs::endpoint(), "SendMessage", &body).await;
            assert_eq!(status, 200, "{sent}");
            sent["MessageId"].as_str().expect("an id").to_owned()
        }
    }
}

/// The events of a project, newest first.
async fn events(app: &TestApp, tenant: &Tenant) -> Vec<Value> {
    let (status, answer) = app.get("/api/v1/events?limit=200", tenant).await;
    assert_eq!(status, 200, "{answer}");
    answer["items"].as_array().expect("items").clone()
}

async fn until(what: &str, so: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !so().await {
        assert!(started.elapsed() < SOON, "{what} does not come");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn until_events(app: &TestApp, tenant: &Tenant, count: usize) -> Vec<Value> {
    until("an event", async || events(app, tenant).await.len() >= count).await;
    let found = events(app, tenant).await;
    assert_eq!(found.len(), count, "{found:?}");
    found
}

/// What the API says of an intake.
async fn standing(app: &TestApp, tenant: &Tenant, intake: Intake) -> Value {
    let (status, answer) = app.get("/api/v1/intake", tenant).await;
    assert_eq!(status, 200, "{answer}");
    let items = answer["items"].as_array().expect("items");
    items.iter().find(|one| one["intake"] == intake.as_str()).expect("it is there").clone()
}

async fn rejected(app: &TestApp, tenant: &Tenant) -> Vec<Value> {
    let (status, answer) = app.get("/api/v1/intake/rejected", tenant).await;
    assert_eq!(status, 200, "{answer}");
    answer["items"].as_array().expect("items").clone()
}

async fn what_the_installation_lacks_is_not_switched_on(pair: Pair) {
    let app = TestApp::start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let path = "/projects/acme/settings";
    for (intake, section, field) in [
        (Intake::RedisStream, "redis_stream", "intake.redis_stream.enabled"),
        (Intake::Sqs, "sqs", "intake.sqs.enabled"),
    ] {
        let body = json!({ "intake": { section: { "enabled": true } } });
        let (status, answer) = ada.send(reqwest::Method::PUT, path, Some(&body)).await;
        if app.app.intakes.names.has(intake) {
            assert_eq!(status, 200, "{answer}");
            continue;
        }
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        assert!((400..500).contains(&status), "{status} {answer}");
        assert_eq!(answer["errors"][0]["field"], field, "{answer}");
        let told = answer["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(told.contains("ask the operator"), "{told}");
    }
    let body = json!({ "intake": { "redis_stream": { "enabled": false } } });
    let (status, answer) = ada.send(reqwest::Method::PUT, path, Some(&body)).await;
    assert_eq!(status, 200, "{answer}");
    app.app.epochs.refresh(&app.app.store).await.expect("epochs");
    let list = ada.json("/intake").await;
    let items = list["items"].as_array().expect("items");
    assert!(items.len() == 2 && items.iter().all(|one| one["enabled"] == false), "{list}");
    assert_eq!(items[0]["available"], has_redis(&app), "{list}");
    app.stop().await;
}

async fn an_entry_becomes_an_event_and_rings(pair: Pair) {
    let app = TestApp::start(pair).await;
    for intake in available(&app) {
        let tenant = app.tenant(&format!("acme-{}", intake.as_str().replace('_', "-"))).await;
        app.rule(&tenant, "Paid", r#"event.type == "order.paid""#, None).await;
        switch(&app, tenant.project, intake, true).await;
        put(&app, intake, tenant.project, PAID).await;
        let found = until_events(&app, &tenant, 1).await;
        assert_eq!(found[0]["type"], "order.paid", "{found:?}");
        app.run_until_idle().await;
        assert_eq!(tenant.sink.count(), 1, "it rings once");
        let cloud =
            r#"{"specversion":"1.0","id":"7","source":"/shop","type":"order.seen","data":{}}"#;
        for _ in 0..2 {
            put(&app, intake, tenant.project, cloud).await;
        }
        let keyed = r#"{"type":"order.seen","payload":{},"idempotency_key":"k-1"}"#;
        for _ in 0..2 {
            put(&app, intake, tenant.project, keyed).await;
        }
        until_events(&app, &tenant, 3).await;
        let done = async || {
            let now = standing(&app, &tenant, intake).await;
            now["accepted"] == 3 && now["lag"] == 0 && now["pending"] == 0
        };
        until("how it stands", done).await;
        let now = standing(&app, &tenant, intake).await;
        assert_eq!((&now["enabled"], &now["rejected"]), (&json!(true), &json!(0)), "{now}");
        assert_eq!(now["name"], name(&app, intake, tenant.project), "{now}");
        assert!(now["last_entry_at"].is_string() && now.get("last_error").is_none(), "{now}");
        until_events(&app, &tenant, 3).await;
    }
    app.stop().await;
}

/// What a consumer does that dies after its events were committed and before it says so.
async fn an_entry_that_was_kept_and_not_acknowledged_is_one_event(pair: Pair) {
    let app = TestApp::start(pair).await;
    for intake in available(&app) {
        let tenant = app.tenant(&format!("acme-{}", intake.as_str().replace('_', "-"))).await;
        let id = put(&app, intake, tenant.project, PAID).await;
        let arrival = match intake {
            Intake::RedisStream => {
                Arrival::of_stream(&name(&app, intake, tenant.project), &id, 1 << 18)
            }
            Intake::Sqs => Arrival::of_message(&id, 1 << 18),
        };
        let event = of_text(PAID.as_bytes(), arrival).expect("an event");
        let kept = app.app.events.accept(tenant.project, None, vec![event]).await;
        assert!(kept.iter().all(Result::is_ok), "{kept:?}");
        switch(&app, tenant.project, intake, true).await;
        put(&app, intake, tenant.project, r#"{"type":"order.seen","payload":{}}"#).await;
        until_events(&app, &tenant, 2).await;
        let done = async || {
            let now = standing(&app, &tenant, intake).await;
            now["lag"] == 0 && now["pending"] == 0
        };
        until("both are done", done).await;
        until_events(&app, &tenant, 2).await;
        if intake == Intake::RedisStream {
            // All of the stream that is still there comes again.
            let _: String = ask(&app, tenant.project, &["XGROUP", "SETID"], &["bellbuoy", "0"]);
            tokio::time::sleep(NEVER).await;
            until_events(&app, &tenant, 2).await;
        }
    }
    app.stop().await;
}

async fn a_bad_entry_is_rejected_and_listed(pair: Pair) {
    let app = TestApp::start(pair).await;
    for intake in available(&app) {
        let tenant = app.tenant(&format!("acme-{}", intake.as_str().replace('_', "-"))).await;
        let other = app.tenant(&format!("other-{}", intake.as_str().replace('_', "-"))).await;
        switch(&app, tenant.project, intake, true).await;
        let large = format!(r#"{{"type":"a","payload":{{"x":"{}"}}}}"#, "y".repeat(400 << 10));
        let used = r#"{"type":"b","payload":{},"idempotency_key":"k"}"#;
        let id = put(&app, intake, tenant.project, r#"{"type":"order paid"}"#).await;
        for text in [&large, "no JSON", r#"{"type":"a","payload":{},"idempotency_key":"k"}"#] {
            put(&app, intake, tenant.project, text).await;
        }
        until_events(&app, &tenant, 1).await;
        put(&app, intake, tenant.project, used).await;
        until("they are rejected", async || rejected(&app, &tenant).await.len() == 4).await;
        let found = rejected(&app, &tenant).await;
        let first = found.iter().find(|one| one["entry_id"] == id).expect("it is there");
        assert_eq!(first["intake"], intake.as_str());
        assert_eq!(first["body"], r#"{"type":"order paid"}"#);
        let reason = first["reason"].as_str().expect("a reason");
        assert!(reason.contains("payload: this field is required"), "{reason}");
        let tells = |word: &str| {
            let reasons = found.iter().filter_map(|one| one["reason"].as_str());
            reasons.filter(|reason| reason.contains(word)).count()
        };
        assert_eq!(
            (tells("bytes"), tells("not JSON"), tells("used before")),
            (1, 1, 1),
            "{found:?}"
        );
        let cut = found.iter().find(|one| one["size"].as_u64() > Some(400 << 10));
        let cut = cut.and_then(|one| one["body"].as_str()).expect("the large one");
        assert!(cut.len() <= 64 << 10 && cut.len() > 60 << 10, "{}", cut.len());
        // They are done, a good one among them is kept, and nobody else sees them.
        until_events(&app, &tenant, 1).await;
        assert_eq!(rejected(&app, &other).await, [Value::Null; 0]);
        let counted = async || standing(&app, &tenant, intake).await["rejected"] == 4;
        until("they are counted", counted).await;
        let (status, page) = app.get("/api/v1/intake/rejected?limit=3", &tenant).await;
        assert_eq!((status, page["items"].as_array().map(Vec::len)), (200, Some(3)), "{page}");
        let next = page["next_cursor"].as_str().expect("there is one more");
        let path = format!("/api/v1/intake/rejected?limit=3&cursor={next}");
        let (status, page) = app.get(&path, &tenant).await;
        assert_eq!((status, page["items"].as_array().map(Vec::len)), (200, Some(1)), "{page}");
    }
    app.stop().await;
}

async fn what_is_over_a_limit_waits(pair: Pair) {
    let app = TestApp::start(pair).await;
    for intake in available(&app) {
        let tenant = app.tenant(&format!("acme-{}", intake.as_str().replace('_', "-"))).await;
        let mut slow = settings(intake == Intake::RedisStream, intake == Intake::Sqs);
        slow.rate_limits = RateLimits { events_per_second: Some(2), ..RateLimits::default() };
        set(&app, tenant.project, slow).await;
        for count in [6, 12] {
            for _ in 0..6 {
                put(&app, intake, tenant.project, PAID).await;
            }
            until_events(&app, &tenant, count).await;
        }
        assert_eq!(rejected(&app, &tenant).await, [Value::Null; 0]);
    }
    app.stop().await;
}

async fn nothing_is_read_that_is_switched_off(pair: Pair) {
    let app = TestApp::start(pair).await;
    for intake in available(&app) {
        let tenant = app.tenant(&format!("acme-{}", intake.as_str().replace('_', "-"))).await;
        put(&app, intake, tenant.project, PAID).await;
        tokio::time::sleep(NEVER).await;
        until_events(&app, &tenant, 0).await;
        switch(&app, tenant.project, intake, true).await;
        until_events(&app, &tenant, 1).await;
        switch(&app, tenant.project, intake, false).await;
        // A call that waits for messages ends within a second in these tests.
        tokio::time::sleep(NEVER).await;
        put(&app, intake, tenant.project, PAID).await;
        tokio::time::sleep(NEVER).await;
        until_events(&app, &tenant, 1).await;
        assert_eq!(standing(&app, &tenant, intake).await["enabled"], false);
        switch(&app, tenant.project, intake, true).await;
        until_events(&app, &tenant, 2).await;
    }
    app.stop().await;
}

async fn a_project_that_is_suspended_is_not_read(pair: Pair) {
    let app = TestApp::start(pair).await;
    for intake in available(&app) {
        let tenant = app.tenant(&format!("acme-{}", intake.as_str().replace('_', "-"))).await;
        switch(&app, tenant.project, intake, true).await;
        let turn = async |status| {
            let (store, now) = (&app.app.store, app.app.clock.now());
            let changed = store.set_project_status(tenant.project, status, None, now);
            changed.await.expect("its status changes");
            app.app.epochs.refresh(store).await.expect("epochs");
        };
        turn(ProjectStatus::Suspended).await;
        tokio::time::sleep(NEVER).await;
        put(&app, intake, tenant.project, PAID).await;
        tokio::time::sleep(NEVER).await;
        let now = app.app.store.intake_statuses(tenant.project).await.expect("answers");
        assert!(now.iter().all(|(_, one)| one.last_entry_at.is_none()), "{now:?}");
        turn(ProjectStatus::Active).await;
        until_events(&app, &tenant, 1).await;
    }
    app.stop().await;
}

async fn each_project_reads_its_own(pair: Pair) {
    let app = TestApp::start(pair).await;
    for intake in available(&app) {
        let slug = intake.as_str().replace('_', "-");
        let one = app.tenant(&format!("one-{slug}")).await;
        let two = app.tenant(&format!("two-{slug}")).await;
        let off = app.tenant(&format!("off-{slug}")).await;
        for tenant in [&one, &two] {
            switch(&app, tenant.project, intake, true).await;
        }
        for (tenant, kind) in [(&one, "of.one"), (&two, "of.two"), (&off, "of.off")] {
            let text = json!({ "type": kind, "payload": {} }).to_string();
            put(&app, intake, tenant.project, &text).await;
        }
        for (tenant, kind) in [(&one, "of.one"), (&two, "of.two")] {
            assert_eq!(until_events(&app, tenant, 1).await[0]["type"], kind);
        }
        tokio::time::sleep(NEVER).await;
        until_events(&app, &one, 1).await;
        until_events(&app, &two, 1).await;
        until_events(&app, &off, 0).await;
        if intake == Intake::Sqs {
            // Nor can it be asked to read a queue of another.
            let url = queue_url(&app, off.project).await;
            let mut stolen = settings(false, true);
            stolen.intake.sqs = Some(SqsIntake { enabled: true, queue_url: Some(url) });
            let admin = &app.app.admin;
            let (condition, system) = (Precondition::None, Initiator::system());
            let set = admin.put_settings(one.project, stolen, &condition, &system).await;
            let refused = set.expect_err("it is another's").to_string();
            assert!(refused.contains("intake.sqs.queue_url"), "{refused}");
            // One that is named for the project may be anywhere else.
            let named = json!({ "QueueName": format!("x{slug}-{}", one.project) });
            let (_, made) = sqs::ask(&sqs::endpoint(), "CreateQueue", &named).await;
            let url = made["QueueUrl"].as_str().expect("a URL").to_owned();
            let mut own = settings(false, true);
            own.intake.sqs = Some(SqsIntake { enabled: true, queue_url: Some(url.clone()) });
            set_and_send(&app, &one, own, &url).await;
        }
    }
    app.stop().await;
}

async fn set_and_send(app: &TestApp, tenant: &Tenant, wanted: Settings, url: &str) {
    set(app, tenant.project, wanted).await;
    let body = json!({ "QueueUrl": url, "MessageBody": PAID });
    let (status, sent) = sqs::ask(&sqs::endpoint(), "SendMessage", &body).await;
    assert_eq!(status, 200, "{sent}");
    until_events(app, tenant, 2).await;
    assert_eq!(standing(app, tenant, Intake::Sqs).await["name"], url);
}

async fn a_stream_is_taken_field_by_field_and_trimmed(pair: Pair) {
    let app = TestApp::start(pair).await;
    if has_redis(&app) {
        let tenant = app.tenant("acme").await;
        for number in 0..100 {
            let (payload, subject) = (format!("{{\"n\":{number}}}"), format!("order {number}"));
            let fields = ["*", "type", "order.paid", "payload", &payload, "subject", &subject];
            let _: String = ask(&app, tenant.project, &["XADD"], &fields);
        }
        switch(&app, tenant.project, Intake::RedisStream, true).await;
        let found = until_events(&app, &tenant, 100).await;
        assert!(found.iter().all(|one| one["type"] == "order.paid"), "{found:?}");
        // What was acknowledged by the first look at the stream is gone, and nothing that was not.
        let trimmed = async || ask::<u64>(&app, tenant.project, &["XLEN"], &[]) < 100;
        until("the stream is trimmed", trimmed).await;
        let waiting = async || standing(&app, &tenant, Intake::RedisStream).await["lag"] == 0;
        until("nothing waits", waiting).await;
    }
    app.stop().await;
}

async fn a_lost_group_is_made_again(pair: Pair) {
    let app = TestApp::start(pair).await;
    if has_redis(&app) {
        let tenant = app.tenant("acme").await;
        let project = tenant.project;
        switch(&app, project, Intake::RedisStream, true).await;
        put(&app, Intake::RedisStream, project, PAID).await;
        until_events(&app, &tenant, 1).await;
        let _: i64 = ask(&app, project, &["XGROUP", "DESTROY"], &["bellbuoy"]);
        put(&app, Intake::RedisStream, project, PAID).await;
        // What is read once more is known.
        until_events(&app, &tenant, 2).await;
        // The stream with all that is in it is lost.
        let _: i64 = ask(&app, project, &["DEL"], &[]);
        put(&app, Intake::RedisStream, project, PAID).await;
        until_events(&app, &tenant, 3).await;
    }
    app.stop().await;
}

async fn entries_of_a_dead_consumer_are_taken(pair: Pair) {
    let app = TestApp::start(pair).await;
    if has_redis(&app) {
        let tenant = app.tenant("acme").await;
        let project = tenant.project;
        let _: String = ask(&app, project, &["XGROUP", "CREATE"], &["bellbuoy", "0", "MKSTREAM"]);
        let (dead, alive) = (
            put(&app, Intake::RedisStream, project, PAID).await,
            put(&app, Intake::RedisStream, project, PAID).await,
        );
        // Two consumers have one each; one of them was heard of long ago.
        for (consumer, id, idle) in [("dead", &dead, "60000"), ("alive", &alive, "0")] {
            let url = app.app.config.intake_redis().expect("a Redis").expose().to_owned();
            let stream = name(&app, Intake::RedisStream, project);
            let read = ["XREADGROUP", "GROUP", "bellbuoy", consumer, "COUNT", "1", "STREAMS"];
            let read: Vec<&str> = read.into_iter().chain([stream.as_str(), ">"]).collect();
            let _: ::redis::Value = redis::ask(&url, &read);
            let claim = ["bellbuoy", consumer, "0", id, "IDLE", idle, "JUSTID"];
            let _: ::redis::Value = ask(&app, project, &["XCLAIM"], &claim);
        }
        switch(&app, project, Intake::RedisStream, true).await;
        until_events(&app, &tenant, 1).await;
        tokio::time::sleep(NEVER).await;
        // The other one's is left to it.
        until_events(&app, &tenant, 1).await;
        let pending: Vec<Vec<::redis::Value>> =
            ask(&app, project, &["XPENDING"], &["bellbuoy", "-", "+", "10"]);
        assert_eq!(pending.len(), 1, "{pending:?}");
    }
    app.stop().await;
}
