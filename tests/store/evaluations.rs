//! Evaluations: every event is decided on once, under the rules of one epoch.

use std::sync::Arc;
use std::time::Duration;

use bellbuoy_harness::{Stores, on_every_store};
use domain::evaluation::{EvaluationStatus, Found, MatchOutcome};
use domain::event::Event;
use domain::id::ProjectId;
use domain::job::{Envelope, Job, QueueName};
use domain::project::ProjectStatus;
use domain::reason::Reason;
use domain::rule::Suppression;
use queue::sql::SqlQueue;
use queue::{Depth, Queue};
use store::StoreError;
use store::evaluations::{Evaluating, Recorded};

use crate::support::{
    another, at, done, evaluating, event, keep, open, payment, ring, rule, rule_set, start, tenant,
    terms,
};

on_every_store! {
    events_are_decided_on_once_however_often_they_come
    rules_that_are_too_old_decide_nothing
    a_project_that_does_not_work_holds_its_events
    a_project_that_is_not_there_is_not_found
    what_the_worker_has_no_room_for_is_planned
    jobs_commit_only_where_they_belong
    windows_hold_over_batches_and_open_again
    each_match_is_recorded_with_what_became_of_it
    attempts_are_counted_and_forgotten
    an_event_that_is_given_up_stays_so
    what_a_process_believes_of_a_group_decides_nothing
}

async fn events_are_decided_on_once_however_often_they_come(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let mut events: Vec<Event> = (0..100).map(|n| payment(n % 10)).collect();
    events.extend((0..20).map(|_| event("other", "{}", start())));
    // The same event twice in one batch, too.
    events.extend_from_within(5..8);
    keep(&place.store, tenant.project, &events[..120]).await;
    let set = rule_set(&place.store, tenant.project).await;
    let mut tasks = Vec::new();
    for task in 0..8 {
        let mut mine = events.clone();
        mine.rotate_left(task * 11);
        let (store, set) = (place.store.clone(), Arc::clone(&set));
        tasks.push(tokio::spawn(async move {
            let batch = evaluating(&set, &mine, terms(1000, start()));
            done(store.record_evaluation(tenant.project, batch, start()).await.expect("records"))
        }));
    }
    let (mut fresh, mut claimed) = (Vec::new(), Vec::new());
    for task in tasks {
        let done = task.await.expect("no panic");
        assert_eq!(done.decision.deliveries.len(), done.claimed.len());
        fresh.extend(done.fresh);
        claimed.extend(done.claimed);
    }
    fresh.sort_unstable();
    assert!(fresh.iter().eq(events[..120].iter().map(|event| &event.id)));
    claimed.sort_unstable();
    claimed.dedup();
    assert_eq!(claimed.len(), 100);
    let again = evaluating(&set, &events, terms(1000, start()));
    let again =
        done(place.store.record_evaluation(tenant.project, again, at(9)).await.expect("records"));
    assert_eq!((again.fresh.len(), again.decision.matches.len(), again.claimed.len()), (0, 0, 0));
    for (table, rows) in [
        ("evaluations", 120),
        // What rang is told by its notification.
        ("matches", 0),
        ("notifications", 100),
        ("recipients", 100),
        ("deliveries", 100),
    ] {
        assert_eq!(place.raw.count(table).await, rows, "{table}");
    }
}

async fn rules_that_are_too_old_decide_nothing(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let events = [payment(1)];
    keep(&place.store, tenant.project, &events).await;
    let old = rule_set(&place.store, tenant.project).await;
    place.store.change_rule(tenant.project, &tenant.rule, start()).await.expect("changes");
    let batch = evaluating(&old, &events, terms(9, start()));
    let recorded =
        place.store.record_evaluation(tenant.project, batch, start()).await.expect("answers");
    assert!(matches!(recorded, Recorded::Stale));
    assert_eq!(place.raw.count("evaluations").await, 0);
    let set = rule_set(&place.store, tenant.project).await;
    let batch = evaluating(&set, &events, terms(9, start()));
    let done =
        done(place.store.record_evaluation(tenant.project, batch, start()).await.expect("records"));
    assert_eq!(done.decision.matches[0].rule_version, 2);
}

async fn a_project_that_does_not_work_holds_its_events(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let events = [payment(1)];
    keep(&place.store, tenant.project, &events).await;
    for status in [ProjectStatus::Suspended, ProjectStatus::Archived] {
        place
            .store
            .set_project_status(tenant.project, status, None, start())
            .await
            .expect("changes");
        let set = rule_set(&place.store, tenant.project).await;
        let batch = evaluating(&set, &events, terms(9, start()));
        let recorded =
            place.store.record_evaluation(tenant.project, batch, start()).await.expect("answers");
        assert!(matches!(recorded, Recorded::Held(held) if held == status), "{recorded:?}");
        let state = place.store.event_state(tenant.project, events[0].id).await.expect("a state");
        assert!(state.evaluation.is_none() && state.project == status);
    }
    assert_eq!(place.raw.count("evaluations").await, 0);
    place
        .store
        .set_project_status(tenant.project, ProjectStatus::Active, None, start())
        .await
        .expect("changes");
    let set = rule_set(&place.store, tenant.project).await;
    let batch = evaluating(&set, &events, terms(9, start()));
    let done =
        done(place.store.record_evaluation(tenant.project, batch, start()).await.expect("records"));
    assert_eq!(done.claimed.len(), 1);
}

async fn a_project_that_is_not_there_is_not_found(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let set = rule_set(&place.store, tenant.project).await;
    let nobody = ProjectId::fresh(start());
    let batch = evaluating(&set, &[payment(1)], terms(9, start()));
    let recorded = place.store.record_evaluation(nobody, batch, start()).await;
    assert!(matches!(recorded, Err(StoreError::NotFound(_))), "{recorded:?}");
}

async fn what_the_worker_has_no_room_for_is_planned(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 2, None).await;
    let (events, done) = ring(&place.store, &tenant, 100, terms(70, start())).await;
    assert_eq!((done.fresh.len(), done.claimed.len()), (events.len(), 70));
    let first: Vec<_> = done.decision.deliveries[..70].iter().map(|one| one.id).collect();
    assert_eq!(done.claimed, first);
    let named = done.jobs.iter().flat_map(|job| {
        match Envelope::decode(&job.body).expect("own bytes").job {
            Job::Deliver(ids) => ids,
            other => panic!("{other:?}"),
        }
    });
    let waiting: Vec<_> = named.collect();
    assert!(waiting.iter().eq(done.decision.deliveries[70..].iter().map(|one| &one.id)));
    assert!(
        done.jobs
            .iter()
            .all(|job| job.queue == QueueName::Deliveries && job.project == tenant.project)
    );
    // What is claimed stands in one row, to the claim's end; what is planned in one each, to be taken in time.
    for (what, rows) in
        [("state = 2 AND claim_token IS NOT NULL", 70), ("state = 1 AND claim_token IS NULL", 130)]
    {
        assert_eq!(place.raw.count(&format!("deliveries WHERE {what}")).await, rows, "{what}");
    }
    assert_eq!(place.raw.count("due WHERE kind = 1").await, 1);
    assert_eq!(place.raw.count("due WHERE kind = 3").await, 130);
    assert_eq!(place.store.next_due().await.expect("a time"), Some(at(10)));
    let none = place.store.projects_with_due(at(9)).await.expect("answers");
    assert_eq!(none, []);
    assert_eq!(place.store.projects_with_due(at(10)).await.expect("answers"), [tenant.project]);
}

async fn jobs_commit_only_where_they_belong(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let queue = SqlQueue::new(place.store.clone(), Duration::from_secs(60));
    let depth = async || queue.depth(QueueName::Deliveries).await.expect("counts");
    let mut wakeups = queue.wakeups(QueueName::Deliveries);
    let (_, elsewhere) = ring(&place.store, &tenant, 100, terms(0, start())).await;
    assert_eq!(elsewhere.jobs.len(), 2);
    assert_eq!(depth().await, Depth::default(), "another engine carries them");
    let set = rule_set(&place.store, tenant.project).await;
    let events: Vec<Event> = (0..100).map(payment).collect();
    let batch = Evaluating { jobs_here: true, ..evaluating(&set, &events, terms(0, start())) };
    wakeups.mark_unchanged();
    let here =
        done(place.store.record_evaluation(tenant.project, batch, start()).await.expect("records"));
    assert!(wakeups.has_changed().expect("open"), "workers are told");
    let batch = queue.reserve(QueueName::Deliveries, 9).await.expect("reserves").expect("jobs");
    assert!(batch.jobs.iter().map(|job| &job.body).eq(here.jobs.iter().map(|job| &job.body)));
}

async fn windows_hold_over_batches_and_open_again(which: Stores) {
    let place = open(which).await;
    let window = Some(Suppression::new(2, 60));
    let tenant = tenant(&place.store, "acme", 1, window).await;
    let set = rule_set(&place.store, tenant.project).await;
    let rings = async |seconds: u64| {
        let batch = evaluating(&set, &[payment(1), payment(2)], terms(9, at(seconds)));
        let recorded = place
            .store
            .record_evaluation(tenant.project, batch, at(seconds))
            .await
            .expect("records");
        let matches = done(recorded).decision.matches;
        let held = matches.iter().filter(|one| one.outcome == MatchOutcome::Suppressed);
        assert!(
            held.clone().all(|one| one.reason == Some(Reason::WindowFull) && one.until.is_some())
        );
        matches.len() - held.count()
    };
    let times = [0, 30, 59, 60, 61, 90, 100, 10, 120];
    let mut rang = Vec::new();
    for time in times {
        rang.push(rings(time).await);
    }
    // Time that runs backwards (10 after 100) opens nothing.
    assert_eq!(rang, [2, 2, 0, 2, 0, 2, 0, 0, 2]);
}

async fn each_match_is_recorded_with_what_became_of_it(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 0, None).await;
    let mut lonely = rule("Lonely", "true", None);
    lonely.body.target_roles = vec!["nobody".to_owned()];
    place.store.create_rule(tenant.project, &lonely, start()).await.expect("a rule");
    let broken = rule("Broken", "event.payload.group > 5", None);
    place.store.create_rule(tenant.project, &broken, start()).await.expect("a rule");
    let events = [payment(1)];
    keep(&place.store, tenant.project, &events).await;
    let set = rule_set(&place.store, tenant.project).await;
    let mut batch = evaluating(&set, &events, terms(9, start()));
    let mut looked = batch.looked[0].clone();
    let place_of = (0..3).find(|at| set.rule(*at).rule.id == broken.id).expect("compiled");
    looked.matches.push(Found::failed(place_of));
    batch.looked = Arc::new(vec![looked]);
    let decided =
        done(place.store.record_evaluation(tenant.project, batch, at(3)).await.expect("records"));
    assert_eq!((decided.claimed.len(), decided.jobs.len()), (0, 0));
    let trace = place.store.trace(tenant.project, events[0].id).await.expect("a trace");
    let evaluation = trace.state.evaluation.expect("an evaluation");
    assert_eq!((evaluation.status, evaluation.ruleset), (EvaluationStatus::Processed, set.epoch));
    assert_eq!((evaluation.looked, evaluation.matched, evaluation.suppressed), (3, 3, 3));
    assert_eq!((evaluation.at, evaluation.error), (at(3), None));
    let mut told: Vec<_> =
        trace.matches.iter().map(|one| (one.rule, one.outcome, one.reason)).collect();
    let mut wanted = [
        (tenant.rule.id, MatchOutcome::Suppressed, Some(Reason::NoTarget)),
        (lonely.id, MatchOutcome::Suppressed, Some(Reason::NoRecipient)),
        (broken.id, MatchOutcome::Failed, None),
    ];
    told.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(told, wanted);
    assert!(trace.matches.iter().all(|one| one.notification.is_none()));
    // What nobody hears of is an alert all the same; what could not be evaluated is none.
    let without: Vec<_> =
        trace.matches.iter().filter(|one| one.alert.is_none()).map(|one| one.rule).collect();
    assert_eq!(without, [broken.id]);
}

async fn attempts_are_counted_and_forgotten(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let events = [payment(1), payment(2)];
    keep(&place.store, tenant.project, &events).await;
    let id = events[0].id;
    for number in 1..=3 {
        let error = format!("error {number}");
        let count = place.store.begin_event_attempt(tenant.project, id, &error, at(1)).await;
        assert_eq!(count.expect("counts"), Some(number));
    }
    let state = place.store.event_state(tenant.project, id).await.expect("a state");
    assert_eq!(state.attempts, Some((3, "error 3".to_owned())));
    let set = rule_set(&place.store, tenant.project).await;
    let batch = evaluating(&set, &events, terms(9, start()));
    done(place.store.record_evaluation(tenant.project, batch, start()).await.expect("records"));
    let state = place.store.event_state(tenant.project, id).await.expect("a state");
    assert!(state.attempts.is_none() && state.evaluation.is_some());
    let late = place.store.begin_event_attempt(tenant.project, id, "late", at(2)).await;
    assert_eq!(late.expect("answers"), None, "there is nothing left to attempt");
    assert_eq!(place.raw.count("evaluation_attempts").await, 0);
}

async fn an_event_that_is_given_up_stays_so(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let events = [payment(1), payment(2)];
    keep(&place.store, tenant.project, &events).await;
    let (given_up, fine) = (events[0].id, events[1].id);
    place
        .store
        .begin_event_attempt(tenant.project, given_up, "boom", start())
        .await
        .expect("counts");
    let long = "ü".repeat(900);
    assert!(
        place.store.fail_event(tenant.project, given_up, &long, at(4)).await.expect("fails it")
    );
    assert!(
        !place.store.fail_event(tenant.project, given_up, "again", at(5)).await.expect("answers")
    );
    let set = rule_set(&place.store, tenant.project).await;
    let batch = evaluating(&set, &events, terms(9, start()));
    let decided =
        done(place.store.record_evaluation(tenant.project, batch, start()).await.expect("records"));
    assert_eq!(decided.fresh, [fine]);
    assert!(!place.store.fail_event(tenant.project, fine, "late", at(5)).await.expect("answers"));
    let state = place.store.event_state(tenant.project, given_up).await.expect("a state");
    let evaluation = state.evaluation.expect("an evaluation");
    assert_eq!((evaluation.status, evaluation.at), (EvaluationStatus::Failed, at(4)));
    assert_eq!(evaluation.error, Some("ü".repeat(500)));
    assert!(state.attempts.is_none());
}

/// On PostgreSQL a process that was the last to touch the groups records in one statement; whatever others did meanwhile,
/// it comes to the same.
async fn what_a_process_believes_of_a_group_decides_nothing(which: Stores) {
    let place = open(which).await;
    let window = Some(Suppression::new(7, 60));
    let tenant = tenant(&place.store, "acme", 1, window).await;
    let other = match which {
        // It is for one process.
        Stores::Sqlite => place.store.clone(),
        _ => another(&place.ground).await,
    };
    let set = rule_set(&place.store, tenant.project).await;
    let evaluate = async |store: &store::Store, events: &[Event]| {
        let batch = evaluating(&set, events, terms(9, start()));
        store.record_evaluation(tenant.project, batch, start()).await.expect("answers")
    };
    let (mut rang, mut before) = (Vec::new(), None);
    for turn in "aaaabaababbbbaaaa".chars() {
        let store = if turn == 'a' { &place.store } else { &other };
        let event = payment(1);
        let events = std::slice::from_ref(&event);
        keep(&place.store, tenant.project, events).await;
        let decided = done(evaluate(store, events).await);
        assert_eq!(decided.fresh, [event.id]);
        rang.push(decided.decision.notifications.len());
        // The job comes again, alone and with a new event's.
        assert!(done(evaluate(store, events).await).fresh.is_empty());
        if let Some(before) = before.replace(event.clone()) {
            let both = [before, event];
            assert!(done(evaluate(store, &both).await).fresh.is_empty());
        }
    }
    assert_eq!(rang, [vec![1; 7], vec![0; 10]].concat());
    let mixed = [before.expect("an event"), payment(1)];
    keep(&place.store, tenant.project, &mixed[1..]).await;
    for _ in 0..2 {
        done(evaluate(&place.store, &[payment(1)]).await);
    }
    assert_eq!(done(evaluate(&place.store, &mixed).await).fresh, [mixed[1].id]);
    for (table, rows) in [("evaluations", 20), ("matches", 13), ("notifications", 7)] {
        assert_eq!(place.raw.count(table).await, rows, "{table}");
    }
    let suppressed = done(evaluate(&place.store, &[payment(1)]).await);
    assert_eq!(suppressed.decision.matches[0].reason, Some(Reason::WindowFull));
    // What it knows well is no reason to overlook a change.
    place.store.change_rule(tenant.project, &tenant.rule, start()).await.expect("changes");
    assert!(matches!(evaluate(&place.store, &[payment(1)]).await, Recorded::Stale));
    assert_eq!(place.raw.count("evaluations").await, 21);
}
