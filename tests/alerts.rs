//! Alerts from their opening to their resolution, with every store and queue.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

use std::time::Duration;

use bellbuoy_harness::app::Tenant;
use bellbuoy_harness::{Pair, TestApp, on_pairs};
use domain::absence::Absence;
use domain::evaluation::ByHand;
use domain::id::{AlertId, RuleId};
use domain::rule::{Inhibition, Over, RuleBody, RuleKind, RuleMode, Suppression, Threshold};
use domain::silence::SilenceBody;
use serde_json::{Value, json};
use services::audit::Initiator;
use services::onboarding;

on_pairs! {
    an_event_resolves_and_those_who_were_notified_hear_of_it
    an_acknowledged_alert_is_quiet_until_that_lapses
    a_silence_hides_and_what_is_still_open_rings_after_it
    a_threshold_rings_once_it_is_reached
    a_missing_event_rings_once_and_the_next_one_resolves
    a_storm_is_summed_up
    the_alert_of_another_rule_keeps_one_quiet
    a_match_waits_for_an_inhibiting_alert
    a_rule_in_shadow_notifies_nobody
    an_old_alert_resolves_by_itself
    the_next_event_names_who_is_notified
    outside_of_its_hours_a_rule_is_quiet
    it_is_told_how_noisy_rules_are
}

const FIRING: &str = r#"event.type == "disk" && event.payload.status == "firing""#;
const RESOLVED: &str = r#"event.type == "disk" && event.payload.status == "resolved""#;

fn body(name: &str, condition: &str) -> RuleBody {
    RuleBody {
        target_roles: vec!["on_call".to_owned()],
        group_by: vec!["event.payload.host".to_owned()],
        ..RuleBody::new(name, condition)
    }
}

async fn rule(app: &TestApp, tenant: &Tenant, body: RuleBody) -> RuleId {
    let made = onboarding::rule(&app.app.store, tenant.project, body, app.app.clock.now()).await;
    let made = made.expect("a rule");
    app.app.epochs.refresh(&app.app.store).await.expect("epochs");
    made
}

async fn disk(app: &TestApp, tenant: &Tenant, status: &str) -> String {
    let id = app.event(tenant, "disk", &json!({ "status": status, "host": "a" })).await;
    app.run_until_idle().await;
    id
}

fn titles(tenant: &Tenant) -> Vec<String> {
    let title = |body: &Value| body["data"]["title"].as_str().expect("a title").to_owned();
    tenant.sink.hooks().iter().map(|hook| title(&hook.json())).collect()
}

async fn alerts(app: &TestApp, tenant: &Tenant) -> Vec<Value> {
    let (status, answer) = app.get("/api/v1/alerts", tenant).await;
    assert_eq!(status, 200, "{answer}");
    answer["items"].as_array().expect("items").clone()
}

async fn the_alert(app: &TestApp, tenant: &Tenant) -> Value {
    let all = alerts(app, tenant).await;
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].clone()
}

fn id_of(alert: &Value) -> AlertId {
    alert["id"].as_str().and_then(|id| id.parse().ok()).expect("an id")
}

async fn by_hand(app: &TestApp, tenant: &Tenant, alert: &Value, wanted: ByHand) {
    let system = Initiator::system();
    let done = app.app.alerts.change(tenant.project, id_of(alert), wanted, &system).await;
    done.expect("it is done");
    app.run_until_idle().await;
}

async fn outcome(app: &TestApp, tenant: &Tenant, event: &str) -> (String, String) {
    let trace = app.trace(tenant, event).await;
    let rule = &trace["rules"][0];
    let text = |name: &str| rule[name].as_str().unwrap_or_default().to_owned();
    (text("outcome"), text("reason"))
}

fn pair_of(outcome: &str, reason: &str) -> (String, String) {
    (outcome.to_owned(), reason.to_owned())
}

async fn an_event_resolves_and_those_who_were_notified_hear_of_it(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let mut disk_full = body("Disk full", FIRING);
    disk_full.resolve_condition = Some(RESOLVED.to_owned());
    rule(&app, &tenant, disk_full).await;

    // Nothing is open yet.
    let early = disk(&app, &tenant, "resolved").await;
    assert_eq!(outcome(&app, &tenant, &early).await, pair_of("resolved", "nothing_open"));
    disk(&app, &tenant, "firing").await;
    disk(&app, &tenant, "firing").await;
    let open = the_alert(&app, &tenant).await;
    assert_eq!((&open["state"], &open["events"]), (&json!("open"), &json!(2)), "{open}");
    assert_eq!(open["group"], json!(["a"]));
    let resolved = disk(&app, &tenant, "resolved").await;
    assert_eq!(outcome(&app, &tenant, &resolved).await, pair_of("resolved", ""));
    assert_eq!(titles(&tenant), ["Disk full", "Disk full", "Resolved: Disk full"]);
    let closed = the_alert(&app, &tenant).await;
    assert_eq!(
        (&closed["state"], &closed["resolver"], &closed["id"]),
        (&json!("resolved"), &json!("event"), &open["id"])
    );
    let (status, whole) =
        app.get(&format!("/api/v1/alerts/{}", open["id"].as_str().expect("id")), &tenant).await;
    assert_eq!(status, 200, "{whole}");
    let changes: Vec<&Value> =
        whole["timeline"].as_array().expect("it").iter().map(|one| &one["change"]).collect();
    assert_eq!(changes, ["opened", "resolved"]);
    let notified = whole["notifications"].as_array().expect("notifications");
    let mut told: Vec<(&str, i64)> = notified
        .iter()
        .map(|one| {
            (one["origin"].as_str().expect("it"), one["recipients"].as_i64().expect("a count"))
        })
        .collect();
    told.sort_unstable();
    assert_eq!(told, [("event", 1), ("event", 1), ("resolved", 1)]);

    // What comes next is another alert, in another round; of a later time, for the list is in the order of time.
    app.run_for(Duration::from_secs(5)).await;
    disk(&app, &tenant, "firing").await;
    let all = alerts(&app, &tenant).await;
    assert_eq!(all.len(), 2);
    assert_eq!((&all[0]["state"], &all[0]["round"]), (&json!("open"), &json!(2)));
    by_hand(&app, &tenant, &all[0], ByHand::Resolve).await;
    assert_eq!(alerts(&app, &tenant).await[0]["resolver"], "user");
    assert_eq!(titles(&tenant).len(), 5);
    app.stop().await;
}

async fn an_acknowledged_alert_is_quiet_until_that_lapses(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    rule(&app, &tenant, body("Disk full", FIRING)).await;
    disk(&app, &tenant, "firing").await;
    let open = the_alert(&app, &tenant).await;
    let until = app.app.clock.now().plus(Duration::from_secs(600));
    by_hand(&app, &tenant, &open, ByHand::Acknowledge { until: Some(until) }).await;
    assert_eq!(the_alert(&app, &tenant).await["state"], "acknowledged");
    let quiet = disk(&app, &tenant, "firing").await;
    assert_eq!(outcome(&app, &tenant, &quiet).await, pair_of("suppressed", "acknowledged"));
    assert_eq!(titles(&tenant), ["Disk full"]);

    app.advance(Duration::from_secs(601));
    app.run_for(Duration::from_secs(5)).await;
    assert_eq!(titles(&tenant), ["Disk full", "Still open: Disk full"]);
    let again = the_alert(&app, &tenant).await;
    assert_eq!((&again["state"], &again["round"]), (&json!("open"), &json!(2)));
    // Without an end it is quiet until somebody takes it back.
    by_hand(&app, &tenant, &again, ByHand::Acknowledge { until: None }).await;
    app.advance(Duration::from_secs(86_400));
    disk(&app, &tenant, "firing").await;
    assert_eq!(titles(&tenant).len(), 2);
    by_hand(&app, &tenant, &again, ByHand::Unacknowledge).await;
    disk(&app, &tenant, "firing").await;
    assert_eq!(titles(&tenant).len(), 3);
    app.stop().await;
}

async fn a_silence_hides_and_what_is_still_open_rings_after_it(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let mut disk_full = body("Disk full", FIRING);
    disk_full.resolve_condition = Some(RESOLVED.to_owned());
    rule(&app, &tenant, disk_full).await;
    let now = app.app.clock.now();
    let silence = |condition: &str, seconds| SilenceBody {
        reason: "maintenance".to_owned(),
        rules: Vec::new(),
        priorities: Vec::new(),
        condition: Some(condition.to_owned()),
        alert: None,
        starts_at: now,
        ends_at: Some(now.plus(Duration::from_secs(seconds))),
        hours: None,
    };
    let admin = &app.app.admin;
    let system = Initiator::system();
    let made = admin.create_silence(tenant.project, silence("event.host == \"a\"", 60), &system);
    let made = made.await.expect("a silence");
    let hidden = disk(&app, &tenant, "firing").await;
    assert_eq!(outcome(&app, &tenant, &hidden).await, pair_of("suppressed", "silenced"));
    assert_eq!(the_alert(&app, &tenant).await["state"], "open");
    assert_eq!(tenant.sink.count(), 0);
    let (status, answer) = app.get(&format!("/api/v1/silences/{}/hidden", made.id), &tenant).await;
    assert_eq!((status, &answer["items"][0]["event_id"]), (200, &json!(hidden)), "{answer}");
    app.run_for(Duration::from_secs(65)).await;
    assert_eq!(titles(&tenant), ["Disk full"], "it is still open");

    // What is resolved meanwhile does not ring, and nobody hears of it who was not notified.
    disk(&app, &tenant, "resolved").await;
    assert_eq!(titles(&tenant), ["Disk full", "Resolved: Disk full"]);
    let now = app.app.clock.now();
    let mut other = silence("true", 600);
    (other.starts_at, other.ends_at) = (now, Some(now.plus(Duration::from_secs(60))));
    let made = app.app.admin.create_silence(tenant.project, other, &system).await.expect("made");
    disk(&app, &tenant, "firing").await;
    disk(&app, &tenant, "resolved").await;
    app.run_for(Duration::from_secs(65)).await;
    assert_eq!(titles(&tenant).len(), 2);
    let over = app.app.admin.end_silence(tenant.project, made.id, None, &system).await;
    assert!(over.is_err_and(|error| error.to_string().contains("over")));
    app.stop().await;
}

async fn a_threshold_rings_once_it_is_reached(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let counts = RuleBody {
        kind: RuleKind::Count,
        threshold: Some(Threshold { count: 3, seconds: 60 }),
        ..body("Disk fills", FIRING)
    };
    rule(&app, &tenant, counts).await;
    let first = disk(&app, &tenant, "firing").await;
    assert_eq!(outcome(&app, &tenant, &first).await, pair_of("suppressed", "below_threshold"));
    app.advance(Duration::from_secs(50));
    disk(&app, &tenant, "firing").await;
    app.advance(Duration::from_secs(11));
    disk(&app, &tenant, "firing").await;
    assert_eq!((tenant.sink.count(), alerts(&app, &tenant).await.len()), (0, 0));
    disk(&app, &tenant, "firing").await;
    assert_eq!(titles(&tenant), ["Disk fills"]);
    disk(&app, &tenant, "firing").await;
    assert_eq!(tenant.sink.count(), 1, "it counts anew");
    app.stop().await;
}

async fn a_missing_event_rings_once_and_the_next_one_resolves(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let waits = RuleBody {
        kind: RuleKind::Absence,
        absence: Some(Absence { seconds: Some(60), cron: None, timezone: None }),
        ..body("Backup is missing", "event.type == \"backup\"")
    };
    rule(&app, &tenant, waits).await;
    let backup = json!({ "host": "a" });
    app.event(&tenant, "backup", &backup).await;
    app.run_for(Duration::from_secs(40)).await;
    app.event(&tenant, "backup", &backup).await;
    app.run_for(Duration::from_secs(55)).await;
    assert_eq!(tenant.sink.count(), 0, "one came in time");
    app.run_for(Duration::from_secs(10)).await;
    assert_eq!(titles(&tenant), ["Backup is missing"]);
    let open = the_alert(&app, &tenant).await;
    assert_eq!((&open["state"], open.get("event_id")), (&json!("open"), None), "{open}");
    app.run_for(Duration::from_secs(120)).await;
    assert_eq!(tenant.sink.count(), 1, "one deadline, one ring");
    app.event(&tenant, "backup", &backup).await;
    app.run_until_idle().await;
    assert_eq!(titles(&tenant), ["Backup is missing", "Resolved: Backup is missing"]);

    // Nothing is missing while nothing could be received.
    app.advance(Duration::from_secs(3600));
    app.app.store.beat_intake(app.app.clock.now()).await.expect("a beat");
    app.run_for(Duration::from_secs(20)).await;
    assert_eq!(tenant.sink.count(), 2);
    app.run_for(Duration::from_secs(60)).await;
    assert_eq!(titles(&tenant)[2..], ["Backup is missing"]);
    app.stop().await;
}

async fn a_storm_is_summed_up(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let digests = RuleBody {
        suppression: Some(Suppression { count: 1, seconds: 60, over: Over::Digest }),
        ..body("Disk full", FIRING)
    };
    rule(&app, &tenant, digests).await;
    let mut last = String::new();
    for _ in 0..5 {
        last = disk(&app, &tenant, "firing").await;
    }
    assert_eq!(outcome(&app, &tenant, &last).await, pair_of("suppressed", "digested"));
    let open = the_alert(&app, &tenant).await;
    assert_eq!((&open["suppressed"], &open["events"]), (&json!(4), &json!(5)));
    assert!(open["digest_at"].is_string(), "{open}");
    assert_eq!(titles(&tenant), ["Disk full"]);
    app.run_for(Duration::from_secs(65)).await;
    assert_eq!(titles(&tenant), ["Disk full", "Disk full: 4 more"]);
    app.run_for(Duration::from_secs(65)).await;
    assert_eq!(tenant.sink.count(), 2, "nothing more, no summary");
    app.stop().await;
}

async fn the_alert_of_another_rule_keeps_one_quiet(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let mut down = body("Host down", "event.type == \"down\"");
    down.resolve_condition = Some("event.type == \"up\"".to_owned());
    let down = rule(&app, &tenant, down).await;
    let equal = vec!["event.payload.host".to_owned()];
    let quiet = RuleBody {
        inhibited_by: vec![Inhibition { rule: down, equal, hold_seconds: 0 }],
        ..body("Disk full", FIRING)
    };
    rule(&app, &tenant, quiet).await;
    app.event(&tenant, "down", &json!({ "host": "a" })).await;
    app.run_until_idle().await;
    let event = disk(&app, &tenant, "firing").await;
    assert_eq!(titles(&tenant), ["Host down"]);
    let trace = app.trace(&tenant, &event).await;
    let told =
        trace["rules"].as_array().expect("rules").iter().find(|one| one["name"] == "Disk full");
    let told = told.expect("the rule");
    assert_eq!((&told["reason"], &told["cause"]), (&json!("inhibited"), &json!(down.to_string())));
    app.event(&tenant, "disk", &json!({ "status": "firing", "host": "b" })).await;
    app.run_until_idle().await;
    assert_eq!(titles(&tenant), ["Host down", "Disk full"], "another host is not down");
    // Once the host is up and the disk is still full, that rings.
    app.event(&tenant, "up", &json!({ "host": "a" })).await;
    app.run_for(Duration::from_secs(65)).await;
    let all = titles(&tenant);
    assert_eq!(all.iter().filter(|one| *one == "Disk full").count(), 2, "{all:?}");
    app.stop().await;
}

async fn a_match_waits_for_an_inhibiting_alert(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let down = rule(&app, &tenant, body("Host down", "event.type == \"down\"")).await;
    let equal = vec!["event.payload.host".to_owned()];
    let waits = RuleBody {
        inhibited_by: vec![Inhibition { rule: down, equal, hold_seconds: 10 }],
        ..body("Disk full", FIRING)
    };
    rule(&app, &tenant, waits).await;
    let event = disk(&app, &tenant, "firing").await;
    let other = json!({ "status": "firing", "host": "b" });
    app.event(&tenant, "disk", &other).await;
    app.event(&tenant, "down", &json!({ "host": "a" })).await;
    app.run_until_idle().await;
    assert_eq!(outcome_of(&app, &tenant, &event, "Disk full").await, "waiting");
    app.run_for(Duration::from_secs(15)).await;
    assert_eq!(titles(&tenant), ["Host down", "Disk full"], "that of the other host");
    app.stop().await;
}

async fn outcome_of(app: &TestApp, tenant: &Tenant, event: &str, rule: &str) -> String {
    let trace = app.trace(tenant, event).await;
    let rules = trace["rules"].as_array().expect("rules");
    let told = rules.iter().find(|one| one["name"] == rule).expect("the rule");
    told["reason"].as_str().unwrap_or_default().to_owned()
}

async fn a_rule_in_shadow_notifies_nobody(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let shadow =
        RuleBody { suppression: Some(Suppression::new(1, 60)), ..body("Disk full", FIRING) };
    let id = rule(&app, &tenant, shadow.clone()).await;
    let now = app.app.clock.now();
    let changed =
        domain::rule::Rule { id, version: 1, mode: RuleMode::Shadow, since: now, body: shadow };
    app.app.store.change_rule(tenant.project, &changed, now).await.expect("changes");
    app.app.epochs.refresh(&app.app.store).await.expect("epochs");
    let first = disk(&app, &tenant, "firing").await;
    let second = disk(&app, &tenant, "firing").await;
    assert_eq!(outcome(&app, &tenant, &first).await, pair_of("suppressed", "shadow"));
    assert_eq!(outcome(&app, &tenant, &second).await, pair_of("suppressed", "window_full"));
    assert_eq!((tenant.sink.count(), alerts(&app, &tenant).await.len()), (0, 0));
    app.stop().await;
}

async fn an_old_alert_resolves_by_itself(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let ages = RuleBody { resolve_after_seconds: Some(60), ..body("Disk full", FIRING) };
    rule(&app, &tenant, ages).await;
    disk(&app, &tenant, "firing").await;
    app.run_for(Duration::from_secs(40)).await;
    disk(&app, &tenant, "firing").await;
    app.run_for(Duration::from_secs(40)).await;
    assert_eq!(the_alert(&app, &tenant).await["state"], "open");
    app.run_for(Duration::from_secs(30)).await;
    let closed = the_alert(&app, &tenant).await;
    assert_eq!((&closed["state"], &closed["resolver"]), (&json!("resolved"), &json!("age")));
    assert_eq!(titles(&tenant), ["Disk full", "Disk full", "Resolved: Disk full"]);
    app.stop().await;
}

async fn the_next_event_names_who_is_notified(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let named = RuleBody {
        target_roles: Vec::new(),
        target_path: Some("event.payload.owner".to_owned()),
        ..body("Yours", "event.type == \"task\"")
    };
    rule(&app, &tenant, named).await;
    let event = app.event(&tenant, "task", &json!({ "owner": "ACME@example.com" })).await;
    let nobody = app.event(&tenant, "task", &json!({ "owner": ["x@example.com", 5] })).await;
    app.run_until_idle().await;
    let trace = app.trace(&tenant, &event).await;
    let told = &trace["rules"][0]["notification"]["recipients"];
    assert_eq!(told.as_array().map(Vec::len), Some(1), "{trace:#}");
    assert_eq!(outcome(&app, &tenant, &nobody).await, pair_of("suppressed", "no_recipient"));
    app.stop().await;
}

async fn outside_of_its_hours_a_rule_is_quiet(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    // It is 12:00 in UTC when a test begins.
    let nightly = domain::hours::Hours {
        timezone: "UTC".to_owned(),
        days: std::collections::BTreeSet::new(),
        from: "22:00".to_owned(),
        to: "06:00".to_owned(),
    };
    rule(&app, &tenant, RuleBody { active_hours: Some(nightly), ..body("Disk full", FIRING) })
        .await;
    let quiet = disk(&app, &tenant, "firing").await;
    assert_eq!(outcome(&app, &tenant, &quiet).await, pair_of("suppressed", "outside_hours"));
    assert_eq!(alerts(&app, &tenant).await.len(), 0);
    app.advance(Duration::from_secs(11 * 3600));
    disk(&app, &tenant, "firing").await;
    assert_eq!(titles(&tenant), ["Disk full"]);
    app.stop().await;
}

async fn it_is_told_how_noisy_rules_are(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let loud = rule(
        &app,
        &tenant,
        RuleBody { resolve_condition: Some(RESOLVED.to_owned()), ..body("Disk", FIRING) },
    )
    .await;
    rule(&app, &tenant, body("Never", "event.type == \"never\"")).await;
    // One alert resolves by itself, and the next is acknowledged after half a minute.
    for status in ["firing", "resolved", "firing"] {
        disk(&app, &tenant, status).await;
        app.run_for(Duration::from_secs(5)).await;
    }
    app.run_for(Duration::from_secs(25)).await;
    let open = alerts(&app, &tenant).await.remove(0);
    let id = AlertId(open["id"].as_str().and_then(|id| id.parse().ok()).expect("an id"));
    let change = ByHand::Acknowledge { until: None };
    let done = app.app.alerts.change(tenant.project, id, change, &Initiator::system()).await;
    done.expect("acknowledged");
    let (status, report) = app.get("/api/v1/rules/noise", &tenant).await;
    assert_eq!(status, 200, "{report}");
    let items = report["items"].as_array().expect("items");
    assert_eq!(items.len(), 1, "{report}");
    let noise = &items[0];
    assert_eq!((&noise["rule_id"], &noise["rule_name"]), (&json!(loud), &json!("Disk")));
    assert_eq!(
        (&noise["matches"], &noise["alerts"], &noise["acknowledged"], &noise["untouched"]),
        (&json!(2), &json!(2), &json!(1), &json!(1)),
        "{noise}"
    );
    let days = noise["rings_by_day"].as_array().expect("days");
    assert_eq!((days.len(), &days[0]["rings"]), (1, &noise["rings"]), "{noise}");
    assert!(
        noise["median_seconds_to_acknowledge"]
            .as_u64()
            .is_some_and(|took| (25..90).contains(&took)),
        "{noise}"
    );
    let (status, of_one) = app.get(&format!("/api/v1/rules/noise?rule_id={loud}"), &tenant).await;
    assert_eq!((status, &of_one["items"]), (200, &report["items"]));
    for query in ["from=2020-01-01T00:00:00Z", "from=2099-01-01T00:00:00Z"] {
        let (status, told) = app.get(&format!("/api/v1/rules/noise?{query}"), &tenant).await;
        assert_eq!((status, &told["errors"][0]["field"]), (400, &json!("from")), "{told}");
    }
    let other = app.tenant("other").await;
    let (status, told) = app.get(&format!("/api/v1/rules/noise?rule_id={loud}"), &other).await;
    assert_eq!(status, 404, "{told}");
    let (_, told) = app.get("/api/v1/rules/noise", &other).await;
    assert_eq!(told["items"], json!([]));
    app.stop().await;
}
