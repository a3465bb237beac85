//! Does an event find its way, with every store and queue: from the front door to the receiver, once?

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

use std::time::Duration;

use bellbuoy::roles::Roles;
use bellbuoy_harness::sink::Reply;
use bellbuoy_harness::{Pair, TestApp, on_pairs};
use domain::id::JobId;
use domain::job::{NewJob, QueueName};
use domain::project::ProjectStatus;
use domain::rule::{RuleMode, Suppression};
use domain::time::Time;
use serde_json::{Value, json};

on_pairs! {
    an_event_rings_and_its_trace_says_why
    what_does_not_match_does_not_ring
    a_window_rings_exactly_as_often_as_it_says
    a_batch_answers_for_each_of_its_events
    a_key_makes_a_second_sending_the_same_event
    a_failed_delivery_is_tried_again_as_the_same_message
    a_delivery_dies_after_its_last_attempt
    a_receiver_that_is_gone_for_good_is_not_tried_again
    a_receiver_that_asks_us_to_wait_is_waited_for
    a_changed_rule_holds_for_the_next_event
    a_suspended_project_holds_its_events
    a_paused_queue_moves_nothing_and_makes_no_jobs
    projects_do_not_see_each_other
    events_that_the_queue_lost_are_found
    a_flooding_project_leaves_the_others_their_share
    more_deliveries_than_there_is_room_for_all_arrive
    ticks_are_made_once_and_run
    jobs_that_nobody_can_run_end_up_dead_and_strand_nobody
}

const MATCH: &str = r#"event.type == "payment" && event.payload.amount > 100"#;

fn payment(amount: i64, group: &str) -> Value {
    json!({ "amount": amount, "group": group })
}

fn matched(trace: &Value) -> &Value {
    let rules = trace["rules"].as_array().expect("rules");
    rules
        .iter()
        .find(|rule| rule["result"] == "matched")
        .unwrap_or_else(|| panic!("no match in {trace:#}"))
}

async fn an_event_rings_and_its_trace_says_why(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let rule = app.rule(&tenant, "Large payment", MATCH, None).await;
    let id = app.event(&tenant, "payment", &payment(150, "a")).await;
    app.run_until_idle().await;

    let hooks = tenant.sink.hooks();
    assert_eq!(hooks.len(), 1);
    let (hook, body) = (&hooks[0], hooks[0].json());
    let verifier = standardwebhooks::Webhook::new(&tenant.secret.text()).expect("a secret");
    let header = |name: &str| hook.headers.get(name).cloned().expect("a header");
    let (seconds, signature) = (header("webhook-timestamp"), header("webhook-signature"));
    let signed =
        verifier.sign(&hook.id, seconds.parse().expect("seconds"), &hook.body).expect("signs");
    assert_eq!(signed, signature, "a receiver that follows the standard accepts it");
    assert_eq!(body["type"], "notification.created");
    assert_eq!(body["data"]["title"], "Large payment");
    assert_eq!(body["data"]["event"]["id"], id.as_str());
    assert_eq!(body["data"]["event"]["payload"], payment(150, "a"));

    let (status, event) = app.get(&format!("/api/v1/events/{id}"), &tenant).await;
    assert_eq!((status, &event["status"]), (200, &json!("processed")));
    let trace = app.trace(&tenant, &id).await;
    let told = matched(&trace);
    assert_eq!(told["id"], rule.to_string());
    assert_eq!(told["outcome"], "rang");
    assert_eq!(told["group"], "[\"a\"]");
    let values = told["values"].as_array().expect("values");
    assert!(values.iter().any(|value| value["name"] == "event.payload.amount"), "{told:#}");
    let notification = &told["notification"];
    let chosen = &notification["recipients"][0];
    assert_eq!(
        (&chosen["name"], &chosen["through_role"]),
        (&json!("Night Watch"), &json!("on_call"))
    );
    let delivery = &notification["deliveries"][0];
    assert_eq!(
        (&delivery["state"], &delivery["channel"]),
        (&json!("delivered"), &json!("webhook"))
    );
    assert_eq!(delivery["attempts"][0]["status_code"], 204);
    app.stop().await;
}

async fn what_does_not_match_does_not_ring(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    app.rule(&tenant, "Large payment", MATCH, None).await;
    let id = app.event(&tenant, "payment", &payment(100, "a")).await;
    app.event(&tenant, "refund", &payment(500, "a")).await;
    app.run_until_idle().await;
    assert_eq!(tenant.sink.count(), 0);
    let trace = app.trace(&tenant, &id).await;
    assert_eq!(trace["rules"][0]["result"], "not_matched");
    assert!(trace["rules"][0]["parts"].as_array().is_some_and(|parts| !parts.is_empty()));
    app.stop().await;
}

async fn a_window_rings_exactly_as_often_as_it_says(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    app.rule(&tenant, "Large payment", MATCH, Some(Suppression::new(3, 60))).await;
    let mut last = String::new();
    for _ in 0..10 {
        last = app.event(&tenant, "payment", &payment(150, "a")).await;
        app.event(&tenant, "payment", &payment(150, "b")).await;
    }
    app.run_until_idle().await;
    assert_eq!(tenant.sink.count(), 6, "three for each group");
    let trace = app.trace(&tenant, &last).await;
    let told = matched(&trace);
    let rang = told["outcome"] == "rang";
    assert!(
        rang || (told["reason"] == "window_full" && told["until"] == "2026-03-01T12:01:00.000Z"),
        "{told:#}"
    );
    app.advance(Duration::from_secs(60));
    app.event(&tenant, "payment", &payment(150, "a")).await;
    app.run_until_idle().await;
    assert_eq!(tenant.sink.count(), 7);
    app.stop().await;
}

async fn a_batch_answers_for_each_of_its_events(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    app.rule(&tenant, "Large payment", MATCH, None).await;
    let good = |n: i64| json!({ "type": "payment", "payload": payment(200 + n, "a"), "idempotency_key": format!("k{n}") });
    let mut events: Vec<Value> = (0..100).map(good).collect();
    events.push(good(7));
    events.push(json!({ "type": "payment", "payload": payment(1, "z"), "idempotency_key": "k8" }));
    events.push(json!({ "type": "not a type", "payload": 5 }));
    let (status, answer) =
        app.post("/api/v1/events/batch", &tenant, &json!({ "events": events })).await;
    assert_eq!(status, 202, "{answer}");
    let items = answer["items"].as_array().expect("items");
    assert_eq!(items.len(), 103);
    assert!(items[..100].iter().all(|item| item["status"] == "accepted"), "{answer:#}");
    assert_eq!((&items[100]["status"], &items[100]["id"]), (&json!("replayed"), &items[7]["id"]));
    assert_eq!(items[101]["status"], "rejected", "another body under the same key");
    assert_eq!(items[102]["status"], "rejected");
    app.run_until_idle().await;
    assert_eq!(tenant.sink.count(), 100);
    app.stop().await;
}

async fn a_key_makes_a_second_sending_the_same_event(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    app.rule(&tenant, "Large payment", MATCH, None).await;
    let send = |body: Value, key: &'static str| {
        let request = app
            .http
            .post(format!("{}/api/v1/events", app.base))
            .header("x-api-key", tenant.key.text());
        let request = request.header("idempotency-key", key).json(&body);
        async move {
            let response = request.send().await.expect("an answer");
            let replay = response.headers().get("idempotency-replay").is_some();
            let status = response.status().as_u16();
            (status, replay, response.json::<Value>().await.expect("json"))
        }
    };
    let body = json!({ "type": "payment", "payload": payment(150, "a") });
    let sendings = (0..8).map(|_| send(body.clone(), "one"));
    let answers = futures_util::future::join_all(sendings).await;
    assert!(
        answers
            .iter()
            .all(|(status, _, answer)| *status == 202 && answer["id"] == answers[0].2["id"]),
        "{answers:?}"
    );
    assert_eq!(answers.iter().filter(|(_, replay, _)| !replay).count(), 1);
    let (status, _, problem) =
        send(json!({ "type": "payment", "payload": payment(151, "a") }), "one").await;
    assert_eq!((status, &problem["code"]), (409, &json!("idempotency_conflict")));
    app.run_until_idle().await;
    assert_eq!(tenant.sink.count(), 1);
    // After its time a key is forgotten, whether or not somebody cleaned up.
    app.clock.advance(Duration::from_secs(25 * 3600));
    let (status, replay, _) = send(body, "one").await;
    assert_eq!((status, replay), (202, false));
    app.run_until_idle().await;
    assert_eq!(tenant.sink.count(), 2);
    app.stop().await;
}

async fn a_failed_delivery_is_tried_again_as_the_same_message(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    app.rule(&tenant, "Large payment", MATCH, None).await;
    tenant.sink.answer(|_, before| {
        if before < 2 {
            Reply { body: "not now".into(), ..Reply::status(500) }
        } else {
            Reply::status(200)
        }
    });
    let id = app.event(&tenant, "payment", &payment(150, "a")).await;
    app.run_until_idle().await;
    assert_eq!(tenant.sink.count(), 1);
    app.run_for(Duration::from_secs(60)).await;
    let hooks = tenant.sink.hooks();
    assert_eq!(hooks.len(), 3);
    assert!(hooks.iter().all(|hook| hook.id == hooks[0].id && hook.body == hooks[0].body));
    let trace = app.trace(&tenant, &id).await;
    let delivery = &matched(&trace)["notification"]["deliveries"][0];
    assert_eq!(delivery["state"], "delivered");
    let attempts = delivery["attempts"].as_array().expect("attempts");
    let told: Vec<(&Value, &Value)> =
        attempts.iter().map(|one| (&one["status_code"], &one["outcome"])).collect();
    let (failed, fine) = ((&json!(500), &json!("transient")), (&json!(200), &json!("delivered")));
    assert_eq!(told, [failed, failed, fine]);
    assert_eq!(attempts[0]["detail"], "not now");
    app.stop().await;
}

async fn a_delivery_dies_after_its_last_attempt(pair: Pair) {
    let app = TestApp::with(pair, Roles::all(), |config| {
        config.delivery.backoff = vec![Duration::from_secs(5), Duration::from_secs(5)];
    })
    .await;
    let tenant = app.tenant("acme").await;
    app.rule(&tenant, "Large payment", MATCH, None).await;
    tenant.sink.answer(|_, _| Reply::status(500));
    let id = app.event(&tenant, "payment", &payment(150, "a")).await;
    app.run_until_idle().await;
    app.run_for(Duration::from_secs(60)).await;
    assert_eq!(tenant.sink.count(), 3);
    let trace = app.trace(&tenant, &id).await;
    let delivery = &matched(&trace)["notification"]["deliveries"][0];
    assert_eq!(
        (&delivery["state"], &delivery["reason"]),
        (&json!("dead"), &json!("attempts_spent"))
    );
    app.stop().await;
}

async fn a_receiver_that_is_gone_for_good_is_not_tried_again(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    app.rule(&tenant, "Large payment", MATCH, None).await;
    tenant.sink.answer(|_, _| Reply::status(410));
    let id = app.event(&tenant, "payment", &payment(150, "a")).await;
    app.run_until_idle().await;
    app.run_for(Duration::from_secs(60)).await;
    assert_eq!(tenant.sink.count(), 1);
    let trace = app.trace(&tenant, &id).await;
    assert_eq!(matched(&trace)["notification"]["deliveries"][0]["reason"], "target_gone");
    app.stop().await;
}

async fn a_receiver_that_asks_us_to_wait_is_waited_for(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    app.rule(&tenant, "Large payment", MATCH, None).await;
    tenant.sink.answer(|_, before| match before {
        0 => Reply { header: Some(("retry-after", "120".into())), ..Reply::status(429) },
        _ => Reply::status(204),
    });
    let id = app.event(&tenant, "payment", &payment(150, "a")).await;
    app.run_until_idle().await;
    let trace = app.trace(&tenant, &id).await;
    let delivery = &matched(&trace)["notification"]["deliveries"][0];
    assert_eq!(delivery["next_attempt_at"], "2026-03-01T12:02:00.000Z");
    app.run_for(Duration::from_secs(115)).await;
    assert_eq!(tenant.sink.count(), 1);
    app.run_for(Duration::from_secs(10)).await;
    assert_eq!(tenant.sink.count(), 2);
    app.stop().await;
}

async fn a_changed_rule_holds_for_the_next_event(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    let id = app.rule(&tenant, "Large payment", MATCH, None).await;
    let before = app.event(&tenant, "payment", &payment(150, "a")).await;
    app.run_until_idle().await;
    let source = app.app.store.rule_source(tenant.project).await.expect("rules");
    let mut rule = source.rules.into_iter().find(|rule| rule.id == id).expect("the rule");
    rule.body.condition = r#"event.payload.amount > 1000"#.into();
    let now = app.app.clock.now();
    assert_eq!(app.app.store.change_rule(tenant.project, &rule, now).await.expect("changes"), 2);
    // Nothing is announced and nothing waits: the very next evaluation sees the change.
    let after = app.event(&tenant, "payment", &payment(150, "a")).await;
    app.run_until_idle().await;
    assert_eq!(tenant.sink.count(), 1);
    assert_eq!(
        matched(&app.trace(&tenant, &before).await)["version"],
        1,
        "a trace shows the version that matched"
    );
    let trace = app.trace(&tenant, &after).await;
    assert_eq!(
        (&trace["rules"][0]["version"], &trace["rules"][0]["result"]),
        (&json!(2), &json!("not_matched"))
    );
    rule.mode = RuleMode::Off;
    app.app.store.change_rule(tenant.project, &rule, now).await.expect("changes");
    app.event(&tenant, "payment", &payment(5000, "a")).await;
    app.run_until_idle().await;
    assert_eq!(tenant.sink.count(), 1);
    app.stop().await;
}

async fn a_suspended_project_holds_its_events(pair: Pair) {
    let app = TestApp::with(pair, Roles { worker: None, ..Roles::all() }, |_| {}).await;
    let tenant = app.tenant("acme").await;
    app.rule(&tenant, "Large payment", MATCH, None).await;
    let id = app.event(&tenant, "payment", &payment(150, "a")).await;
    let now = app.app.clock.now();
    app.app
        .store
        .set_project_status(tenant.project, ProjectStatus::Suspended, None, now)
        .await
        .expect("suspends");
    let app = app.restart(Roles::all()).await;
    app.run_until_idle().await;
    app.run_for(Duration::from_secs(30)).await;
    assert_eq!(tenant.sink.count(), 0);
    let (status, problem) = app.get(&format!("/api/v1/events/{id}"), &tenant).await;
    assert_eq!(status, 403, "its keys are kept out: {problem}");
    app.app
        .store
        .set_project_status(tenant.project, ProjectStatus::Active, None, app.app.clock.now())
        .await
        .expect("reactivates");
    app.app.epochs.refresh(&app.app.store).await.expect("epochs");
    app.run_for(Duration::from_secs(30)).await;
    assert_eq!(tenant.sink.count(), 1);
    app.stop().await;
}

async fn a_paused_queue_moves_nothing_and_makes_no_jobs(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    app.rule(&tenant, "Large payment", MATCH, None).await;
    app.app.store.pause_queue(QueueName::Events, Some(app.app.clock.now())).await.expect("pauses");
    app.app.epochs.refresh(&app.app.store).await.expect("epochs");
    for n in 0..50 {
        app.event(&tenant, "payment", &payment(150 + n, "a")).await;
    }
    for _ in 0..36 {
        app.advance(Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let depth = app.app.queue.depth(QueueName::Events).await.expect("depth");
    assert!(depth.waiting + depth.held <= 50, "{depth:?}");
    assert_eq!(tenant.sink.count(), 0);
    app.app.store.pause_queue(QueueName::Events, None).await.expect("resumes");
    app.app.epochs.refresh(&app.app.store).await.expect("epochs");
    app.run_until_idle().await;
    assert_eq!(tenant.sink.count(), 50);
    app.stop().await;
}

async fn projects_do_not_see_each_other(pair: Pair) {
    let app = TestApp::start(pair).await;
    let (one, two) = (app.tenant("one").await, app.tenant("two").await);
    for tenant in [&one, &two] {
        app.rule(tenant, "Large payment", MATCH, None).await;
    }
    let id = app.event(&one, "payment", &payment(150, "a")).await;
    app.run_until_idle().await;
    assert_eq!((one.sink.count(), two.sink.count()), (1, 0));
    for path in [format!("/api/v1/events/{id}"), format!("/api/v1/events/{id}/trace")] {
        assert_eq!(app.get(&path, &two).await.0, 404, "{path}");
        assert_eq!(app.get(&path, &one).await.0, 200, "{path}");
    }
    let (_, list) = app.get("/api/v1/events", &two).await;
    assert_eq!(list["items"], json!([]));
    app.stop().await;
}

async fn events_that_the_queue_lost_are_found(pair: Pair) {
    // The API alone takes the events; then everything that the queue holds is thrown away.
    let app = TestApp::with(pair, Roles { api: true, ..Roles::none() }, |_| {}).await;
    let tenant = app.tenant("acme").await;
    app.rule(&tenant, "Large payment", MATCH, None).await;
    for n in 0..20 {
        app.event(&tenant, "payment", &payment(150 + n, "a")).await;
    }
    while let Some(batch) = app.app.queue.reserve(QueueName::Events, 1000).await.expect("reserves")
    {
        app.app.queue.settle(QueueName::Events, vec![batch.lease]).await.expect("settles");
    }
    let app = app.restart(Roles::all()).await;
    assert_eq!(tenant.sink.count(), 0);
    app.run_for(Duration::from_secs(30)).await;
    assert_eq!(tenant.sink.count(), 20);
    app.stop().await;
}

async fn a_flooding_project_leaves_the_others_their_share(pair: Pair) {
    const FLOOD: usize = 8000;
    // The flood is in the queue, and the quiet project's event behind all of it, before anybody works.
    let app = TestApp::with(pair, Roles { api: true, ..Roles::none() }, |config| {
        config.evaluate.max_events_per_transaction = 64;
        (config.limits.project_per_second, config.limits.key_per_second) = (0, 0);
    })
    .await;
    let (flood, quiet) = (app.tenant("flood").await, app.tenant("quiet").await);
    for tenant in [&flood, &quiet] {
        app.rule(tenant, "Large payment", MATCH, None).await;
    }
    for _ in 0..FLOOD / 1000 {
        let event = json!({ "type": "payment", "payload": payment(1, "a") });
        let events: Vec<Value> = std::iter::repeat_n(event, 1000).collect();
        let body = json!({ "events": events });
        let (status, answer) = app.post("/api/v1/events/batch", &flood, &body).await;
        assert_eq!(status, 202, "{answer}");
    }
    app.event(&quiet, "payment", &payment(150, "a")).await;
    // Whoever pushes does so beside the answer.
    let depth = async || app.app.queue.depth(QueueName::Events).await.expect("a depth").waiting;
    let mut before = 0;
    while before == 0 || depth().await > before {
        before = depth().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let app = app.restart(Roles::all()).await;
    while quiet.sink.count() == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let (store, most) = (&app.app.store, FLOOD as i64);
    let left = store.unevaluated(
        flood.project,
        Time::default(),
        app.app.clock.now().plus(Duration::from_secs(1)),
        most,
    );
    let left = left.await.expect("events").len();
    assert!(left > FLOOD / 4, "{left} of {FLOOD} were left when the other project had its turn");
    app.run_until_idle().await;
    assert_eq!((quiet.sink.count(), flood.sink.count()), (1, 0));
    app.stop().await;
}

async fn more_deliveries_than_there_is_room_for_all_arrive(pair: Pair) {
    let app = TestApp::with(pair, Roles::all(), |config| {
        config.delivery.concurrency = 2;
        config.delivery.per_provider_concurrency = 1;
    })
    .await;
    let tenant = app.tenant("acme").await;
    app.rule(&tenant, "Large payment", MATCH, None).await;
    let events: Vec<Value> =
        (0..200).map(|n| json!({ "type": "payment", "payload": payment(200 + n, "a") })).collect();
    let (status, _) = app.post("/api/v1/events/batch", &tenant, &json!({ "events": events })).await;
    assert_eq!(status, 202);
    app.run_until_idle().await;
    app.run_for(Duration::from_secs(20)).await;
    let mut ids: Vec<String> = tenant.sink.hooks().into_iter().map(|hook| hook.id).collect();
    assert_eq!(ids.len(), 200, "each once");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 200, "none twice");
    app.stop().await;
}

async fn ticks_are_made_once_and_run(pair: Pair) {
    let app = TestApp::start(pair).await;
    let pause = Duration::from_secs(600);
    let all = scheduler::built_in(&app.app.config);
    let again = all.iter().filter(|(_, every)| *every <= pause).count();
    // The scheduler makes its schedules when it starts, all of them due at once.
    let finished = async || app.app.store.finished_ticks().await.expect("ticks");
    while finished().await < all.len() as i64 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    app.run_until_idle().await;
    app.clock.advance(pause);
    let rounds = (0..4).map(|_| scheduler::round(&app.app));
    for done in futures_util::future::join_all(rounds).await {
        done.expect("a round");
    }
    app.run_until_idle().await;
    // One tick each, however many times the clock jumped over.
    while finished().await < (all.len() + again) as i64 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    app.run_until_idle().await;
    assert_eq!(finished().await, (all.len() + again) as i64);
    // Nothing is run again when the due loop would rescue it; only what comes so often has come again.
    let soon = Duration::from_secs(15);
    let often = all.iter().map(|(_, every)| soon.as_secs() / every.as_secs().max(1)).sum::<u64>();
    app.run_for(soon).await;
    assert!(finished().await <= (all.len() + again) as i64 + often as i64);
    app.stop().await;
}

async fn jobs_that_nobody_can_run_end_up_dead_and_strand_nobody(pair: Pair) {
    let app = TestApp::start(pair).await;
    let tenant = app.tenant("acme").await;
    app.rule(&tenant, "Large payment", MATCH, None).await;
    let job = |body: &[u8]| NewJob {
        id: JobId::fresh(app.app.clock.now()),
        project: tenant.project,
        queue: QueueName::Events,
        body: body.to_vec(),
    };
    let newer =
        format!(r#"{{"v":9,"kind":"telepathy","project":"{}","data":{{}}}}"#, tenant.project);
    let (broken, newer) = (job(b"not a job"), job(newer.as_bytes()));
    let (broken_id, newer_id) = (broken.id, newer.id);
    app.app.queue.push(vec![broken, newer]).await.expect("pushes");
    for n in 0..10 {
        app.event(&tenant, "payment", &payment(150 + n, "a")).await;
    }
    let store = &app.app.store;
    while tenant.sink.count() < 10
        || store.dead_jobs(tenant.project, 10).await.expect("dead jobs").is_empty()
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let dead = store.dead_jobs(tenant.project, 10).await.expect("dead jobs");
    assert_eq!((dead.len(), dead[0].id, &dead[0].body[..]), (1, broken_id, &b"not a job"[..]));
    // The other one is offered to newer builds, for a day; then it is dead as well. What is buried leaves the queue a
    // moment later.
    let depth = async || {
        let depth = app.app.queue.depth(QueueName::Events).await.expect("a depth");
        depth.waiting + depth.held
    };
    while depth().await > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(depth().await, 1);
    app.clock.advance(Duration::from_secs(25 * 3600));
    app.run_until_idle().await;
    let dead = store.dead_jobs(tenant.project, 10).await.expect("dead jobs");
    assert!(dead.iter().any(|one| one.id == newer_id), "{dead:?}");
    app.stop().await;
}
