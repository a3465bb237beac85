//! Is everything as it was promised? Looked up in the tables, not asked of the product.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;
use std::hash::Hash;

use bellbuoy_harness::books::Delivery;
use domain::delivery::DeliveryState;
use domain::evaluation::EvaluationStatus;
use domain::id::{DeliveryId, EventId};
use domain::time::Time;
use domain::webhook::message_id;
use uuid::Uuid;

use crate::load::Answers;
use crate::reference::Reference;
use crate::scene::Scene;

/// What the numbers of a round came to.
#[derive(Debug)]
#[allow(dead_code, reason = "printed")]
pub struct Verdict {
    events: usize,
    rang: usize,
    unknown: i64,
    repeats: usize,
    dead_jobs: i64,
}

/// What differs from what should be.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn note(&mut self, fine: bool, what: impl FnOnce() -> String) {
        if !fine {
            self.0.push(what());
        }
    }
}

/// Judges a scene on which nothing is left to do. `in_flight` is how many deliveries were claimed by processes when they
/// were killed.
pub async fn judge(scene: &Scene, answers: &Answers, in_flight: i64) -> Verdict {
    let mut differences = Differences::default();
    let spent = scene.cluster.now().since(scene.start);
    differences.note(spent.as_secs() < 3600, || {
        format!("the clock moved by {spent:?}: out of the rule's window")
    });
    differences.note(answers.wrong.is_empty(), || format!("wrong answers: {:?}", answers.wrong));
    let events = accepted(scene, answers, &mut differences).await;
    let deliveries = rows(scene, &mut differences).await;
    let rang = rings(scene, &events, &deliveries, &mut differences).await;
    let unknown = scene.books.unknown_attempts().await;
    differences.note(unknown <= in_flight, || {
        format!("{unknown} attempts are unknown, and {in_flight} were in flight at the kills")
    });
    let repeats = messages(scene, &deliveries, &mut differences).await;
    leftovers(scene, &mut differences).await;
    let dead_jobs = scene.books.count("dead_jobs", "1 = 1").await;
    let verdict = Verdict { events: events.len(), rang, unknown, repeats, dead_jobs };
    let Differences(found) = differences;
    assert!(found.is_empty(), "{verdict:?}\n{}", found.join("\n"));
    println!(
        "{verdict:?}, statuses {:?}, {} without an answer",
        answers.statuses, answers.unanswered
    );
    verdict
}

/// Every 202 is an event, each once, and every event is evaluated.
async fn accepted(scene: &Scene, answers: &Answers, differences: &mut Differences) -> Vec<Uuid> {
    let events = scene.books.events().await;
    let ids: BTreeSet<Uuid> = events.iter().map(|(id, _)| *id).collect();
    let lost: Vec<_> = answers.accepted.iter().filter(|(_, id)| !ids.contains(id)).collect();
    differences.note(lost.is_empty(), || format!("accepted and lost: {lost:?}"));
    let keys: Vec<&String> = events.iter().filter_map(|(_, key)| key.as_ref()).collect();
    let twice = twice(keys.iter());
    differences.note(twice.is_empty(), || format!("two events under one key: {twice:?}"));
    differences.note(keys.len() <= answers.accepted.len(), || {
        format!("{} events with a key, {} accepted", keys.len(), answers.accepted.len())
    });
    let evaluations = scene.books.evaluations().await;
    let processed = |id: &Uuid| evaluations.get(id) == Some(&EvaluationStatus::Processed.number());
    let left: Vec<&Uuid> = ids.iter().filter(|id| !processed(id)).collect();
    differences.note(left.is_empty(), || format!("accepted and not processed: {left:?}"));
    differences
        .note(evaluations.len() == ids.len(), || format!("{} evaluations", evaluations.len()));
    ids.into_iter().collect()
}

/// No row stands for the same thing as another.
async fn rows(scene: &Scene, differences: &mut Differences) -> Vec<Delivery> {
    let notifications = scene.books.notifications().await;
    let doubled = twice(notifications.iter().map(|one| (one.origin_id, one.rule_id, one.round)));
    differences.note(doubled.is_empty(), || format!("doubled notifications: {doubled:?}"));
    let deliveries = scene.books.deliveries().await;
    let doubled =
        twice(deliveries.iter().map(|one| (one.notification_id, one.target, one.step, one.round)));
    differences.note(doubled.is_empty(), || format!("doubled deliveries: {doubled:?}"));
    let there: BTreeSet<Uuid> = notifications.iter().map(|one| one.id).collect();
    let told: BTreeSet<Uuid> = deliveries.iter().map(|one| one.notification_id).collect();
    differences.note(there == told, || {
        format!("{} notifications, {} of them delivered", there.len(), told.len())
    });
    let delivered = DeliveryState::Delivered.number();
    let not: Vec<&Delivery> = deliveries.iter().filter(|one| one.state != delivered).collect();
    differences.note(not.is_empty(), || format!("not delivered: {not:?}"));
    deliveries
}

/// Every group matched and rang as often as in the reference.
async fn rings(
    scene: &Scene,
    events: &[Uuid],
    deliveries: &[Delivery],
    differences: &mut Differences,
) -> usize {
    let mut read = Vec::new();
    for chunk in events.chunks(1000) {
        let ids: Vec<EventId> = chunk.iter().copied().map(EventId).collect();
        read.extend(scene.store.events(scene.project, &ids).await.expect("events"));
    }
    let reference = Reference::of(&scene.store, scene.project, read, scene.start).await;
    match reference.counted(&scene.books.matches().await) {
        Ok(counted) => differences.note(counted == reference.groups, || {
            format!("counted {counted:#?}, the reference has {:#?}", reference.groups)
        }),
        Err(stray) => differences.note(false, || stray),
    }
    let rang: usize = reference.groups.values().map(|one| one.rang).sum();
    differences
        .note(deliveries.len() == rang, || format!("{} deliveries of {rang}", deliveries.len()));
    let notifications = scene.books.notifications().await;
    let always = notifications.iter().filter(|one| reference.always.contains(&one.rule_id));
    let always: BTreeSet<Uuid> = always.map(|one| one.id).collect();
    let certain = deliveries.iter().filter(|one| always.contains(&one.notification_id));
    let certain: BTreeSet<String> = certain.map(|one| message_id(DeliveryId(one.id))).collect();
    differences.note(certain == reference.certain, || {
        let odd: Vec<_> = certain.symmetric_difference(&reference.certain).collect();
        format!("messages of the rule without a window that only one side has: {odd:?}")
    });
    rang
}

/// The receiver has every message and no other, and took none again but for want of its first answer. Answers how many it
/// took again.
async fn messages(scene: &Scene, deliveries: &[Delivery], differences: &mut Differences) -> usize {
    let arrivals: HashMap<String, usize> = scene.sink.arrivals();
    let expected: BTreeMap<String, i64> =
        deliveries.iter().map(|one| (message_id(DeliveryId(one.id)), one.attempts)).collect();
    let odd: Vec<&String> = arrivals.keys().filter(|id| !expected.contains_key(*id)).collect();
    differences.note(odd.is_empty(), || format!("messages that are no delivery: {odd:?}"));
    let missing: Vec<&String> = expected.keys().filter(|id| !arrivals.contains_key(*id)).collect();
    differences.note(missing.is_empty(), || format!("messages that never came: {missing:?}"));
    let more = |(id, attempts): &(&String, &i64)| {
        arrivals.get(*id).is_some_and(|count| *count as i64 > **attempts)
    };
    let more: Vec<_> = expected.iter().filter(more).collect();
    differences.note(more.is_empty(), || {
        format!("messages that came more often than there were attempts: {more:?}")
    });
    let unanswered = scene.books.unanswered_attempts().await;
    let unanswered: HashMap<String, i64> =
        unanswered.into_iter().map(|(id, count)| (message_id(DeliveryId(id)), count)).collect();
    let taken = scene.sink.taken();
    let again = |(id, count): &(&String, &usize)| {
        **count as i64 > 1 + unanswered.get(*id).copied().unwrap_or_default()
    };
    let again: Vec<_> = taken.iter().filter(again).collect();
    differences.note(again.is_empty(), || {
        format!("messages taken again although their answer had come: {again:?}")
    });
    taken.values().map(|count| count - 1).sum()
}

/// Nothing waits for anything any more.
async fn leftovers(scene: &Scene, differences: &mut Differences) {
    let now = scene.cluster.now();
    let idle = scene.store.is_idle(now).await.expect("the store answers");
    differences.note(idle, || "the store is not idle".into());
    let findings =
        scene.store.audit(Time::from_micros(i64::MAX / 2)).await.expect("the store answers");
    differences.note(findings.total() == 0, || format!("the auditor found {findings:?}"));
    for (table, condition) in [
        ("jobs", "1 = 1"),
        ("job_leases", "1 = 1"),
        ("due", "1 = 1"),
        ("evaluation_attempts", "1 = 1"),
        ("ticks", "finished_at IS NULL"),
    ] {
        let left = scene.books.count(table, condition).await;
        differences.note(left == 0, || format!("{left} rows are left in {table}"));
    }
    for queue in domain::job::QueueName::ALL {
        let depth = scene.depth(queue).await;
        differences.note(depth == 0, || format!("{depth} jobs are left in {}", queue.as_str()));
    }
}

fn twice<T: Eq + Hash + Debug + Clone>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut counts: HashMap<T, usize> = HashMap::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(one, _)| one).collect()
}
