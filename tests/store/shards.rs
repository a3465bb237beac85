//! Shards, for a queue that names them: every row is in exactly one, the same for the store and for the product.

use std::collections::HashSet;

use bellbuoy_harness::{Stores, on_every_store};
use domain::event::Event;
use domain::id::{EventId, JobId, floor};
use domain::job::QueueName;
use domain::shard::{Shard, Shards};
use store::queues::DeadJob;

use crate::support::{
    at, done, evaluating, keep, open, payment, project, ring, rule_set, start, tenant, terms,
};

on_every_store! {
    an_event_is_in_one_shard_and_leaves_it_when_it_is_evaluated
    events_of_a_shard_come_in_order_and_in_parts
    a_planned_delivery_is_in_one_shard_and_leaves_it_when_it_is_claimed
    dead_jobs_of_all_projects_are_gone_through_and_forgotten
}

fn all() -> impl Iterator<Item = Shards> {
    let one = |number| Shard::try_from(number).ok().into_iter().collect();
    (0..Shard::COUNT).map(one)
}

const fn beginning() -> EventId {
    EventId(uuid::Uuid::nil())
}

async fn an_event_is_in_one_shard_and_leaves_it_when_it_is_evaluated(which: Stores) {
    let place = open(which).await;
    let (tenant, other) =
        (tenant(&place.store, "acme", 1, None).await, project(&place.store, "other").await);
    let events: Vec<Event> = (0..200).map(payment).collect();
    keep(&place.store, tenant.project, &events).await;
    keep(&place.store, other, &[payment(1)]).await;
    let of = async |shards| {
        let found = place.store.events_of_shards(tenant.project, shards, beginning(), 1000).await;
        found.expect("answers")
    };
    let mut seen = HashSet::new();
    for shards in all() {
        let found = of(shards).await;
        assert!(found.iter().all(|event| shards.iter().eq([Shard::of(event.id.0)])));
        assert!(found.iter().all(|event| seen.insert(event.id)), "none is in two");
    }
    assert_eq!(seen, events.iter().map(|event| event.id).collect(), "each is in one");
    let every: Shards = all().flat_map(Shards::iter).collect();
    let found = of(every).await;
    assert_eq!(found.len(), 200);
    let payload = |event: &Event| event.payload.get().to_owned();
    assert!(found.iter().map(payload).eq(events.iter().map(payload)), "whole, oldest first");
    assert!(of(Shards::default()).await.is_empty());
    let (gone, left) = events.split_at(150);
    let set = rule_set(&place.store, tenant.project).await;
    let batch = evaluating(&set, gone, terms(0, start()));
    done(place.store.record_evaluation(tenant.project, batch, start()).await.expect("records"));
    let found: Vec<EventId> = of(every).await.into_iter().map(|event| event.id).collect();
    assert_eq!(found, left.iter().map(|event| event.id).collect::<Vec<_>>());
}

async fn events_of_a_shard_come_in_order_and_in_parts(which: Stores) {
    let place = open(which).await;
    let project = project(&place.store, "acme").await;
    let events: Vec<Event> = (0..300).map(payment).collect();
    keep(&place.store, project, &events).await;
    let shards: Shards =
        [3, 7, 15].into_iter().filter_map(|number| Shard::try_from(number).ok()).collect();
    let mine: HashSet<Shard> = shards.iter().collect();
    let wanted: Vec<EventId> =
        events.iter().map(|event| event.id).filter(|id| mine.contains(&Shard::of(id.0))).collect();
    let (mut after, mut seen) = (EventId(floor(start())), Vec::new());
    loop {
        let part = place.store.events_of_shards(project, shards, after, 10).await.expect("answers");
        assert!(part.len() <= 10);
        let Some(last) = part.last() else { break };
        after = last.id;
        seen.extend(part.iter().map(|event| event.id));
    }
    assert_eq!(seen, wanted);
}

async fn a_planned_delivery_is_in_one_shard_and_leaves_it_when_it_is_claimed(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    // A quarter is claimed by whoever evaluates, the others wait.
    let (_, done) = ring(&place.store, &tenant, 100, terms(25, start())).await;
    let waiting: HashSet<_> =
        done.decision.deliveries[25..].iter().map(|delivery| delivery.id).collect();
    let mut seen = HashSet::new();
    for shards in all() {
        let found = place.store.planned_of_shards(tenant.project, shards, 1000).await;
        let found = found.expect("answers");
        assert!(found.iter().all(|id| shards.iter().eq([Shard::of(id.0)])));
        assert!(found.is_sorted() && found.iter().all(|id| seen.insert(*id)));
    }
    assert_eq!(seen, waiting);
    let every: Shards = all().flat_map(Shards::iter).collect();
    let planned = async |most| {
        let found = place.store.planned_of_shards(tenant.project, every, most).await;
        found.expect("answers")
    };
    let first = planned(30).await;
    assert_eq!(first.len(), 30);
    let claim = terms(30, start());
    let claimed = place.store.claim_deliveries(tenant.project, &first, claim, start()).await;
    assert_eq!(claimed.expect("claims").len(), 30);
    assert_eq!(planned(1000).await.len(), 45);
}

async fn dead_jobs_of_all_projects_are_gone_through_and_forgotten(which: Stores) {
    let place = open(which).await;
    let (one, other) = (project(&place.store, "one").await, project(&place.store, "other").await);
    let dead = |n: u64| DeadJob {
        project: if n.is_multiple_of(2) { one } else { other },
        id: JobId::fresh(at(n)),
        queue: if n < 6 { QueueName::Events } else { QueueName::Maintenance },
        body: vec![n as u8],
        error: "why".to_owned(),
    };
    let jobs: Vec<DeadJob> = (0..10).map(dead).collect();
    place.store.bury_jobs(jobs.clone(), at(20)).await.expect("buries");
    let count = async |queue| place.store.count_dead_jobs(queue).await.expect("counts");
    assert_eq!((count(QueueName::Events).await, count(QueueName::Deliveries).await), (6, 0));
    let nil = JobId(uuid::Uuid::nil());
    let first = place.store.dead_jobs_in(QueueName::Events, nil, 4).await.expect("answers");
    assert_eq!(format!("{first:?}"), format!("{:?}", &jobs[..4]));
    let rest = place.store.dead_jobs_in(QueueName::Events, first[3].id, 4).await.expect("answers");
    assert_eq!(format!("{rest:?}"), format!("{:?}", &jobs[4..6]));
    let forget = vec![(one, jobs[0].id), (one, jobs[1].id), (other, jobs[3].id)];
    let gone = place.store.forget_dead_jobs(forget).await.expect("forgets");
    assert_eq!(gone, 2, "the second is another project's");
    assert_eq!((count(QueueName::Events).await, count(QueueName::Maintenance).await), (4, 4));
}
