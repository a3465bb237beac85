//! What of streams and queues could not be taken, and how they stand.

use bellbuoy_harness::{Stores, on_every_store};
use domain::entry::Intake;
use domain::id::floor;
use store::intake::{IntakeNote, MAX_REJECTED, RejectedEntry};
use uuid::Uuid;

use crate::support::{at, open, project};

on_every_store! {
    an_entry_is_rejected_once
    only_the_newest_rejected_entries_are_kept
    rejected_entries_are_forgotten_by_their_age
    readers_add_to_how_an_intake_stands
}

fn entry(n: u64) -> RejectedEntry {
    RejectedEntry {
        id: Uuid::from_u128(floor(at(n)).as_u128() + u128::from(n)),
        intake: Intake::ALL[n as usize % 2],
        entry_id: format!("{n}-0"),
        reason: format!("payload: ümlaut {n}"),
        body: (0..=255).collect(),
        size: 256,
        received_at: at(n),
    }
}

async fn an_entry_is_rejected_once(which: Stores) {
    let place = open(which).await;
    let (one, other) = (project(&place.store, "one").await, project(&place.store, "other").await);
    let entries: Vec<RejectedEntry> = (0..9).map(entry).collect();
    let twice = entries.iter().chain(&entries).cloned().collect();
    place.store.reject_entries(one, twice).await.expect("keeps");
    let again = entries.iter().map(|one| RejectedEntry { reason: "no".to_owned(), ..one.clone() });
    place.store.reject_entries(one, again.collect()).await.expect("keeps nothing more");
    place.store.reject_entries(one, Vec::new()).await.expect("keeps nothing");
    place.store.reject_entries(other, vec![entry(3)]).await.expect("keeps");
    let mut wanted = entries;
    wanted.reverse();
    let found = place.store.rejected_entries(one, None, 100).await.expect("answers");
    assert_eq!(found, wanted);
    let before = Some(wanted[3].id);
    let page = place.store.rejected_entries(one, before, 2).await.expect("answers");
    assert_eq!(page, wanted[4..6]);
    assert_eq!(place.store.rejected_entries(other, None, 9).await.expect("answers"), [entry(3)]);
}

async fn only_the_newest_rejected_entries_are_kept(which: Stores) {
    let place = open(which).await;
    let (one, other) = (project(&place.store, "one").await, project(&place.store, "other").await);
    place.store.reject_entries(other, vec![entry(0)]).await.expect("keeps");
    let most = MAX_REJECTED.unsigned_abs();
    for from in (0..most + 100).step_by(100) {
        let some = (from..from + 100).map(|n| RejectedEntry { body: vec![1], ..entry(n) });
        place.store.reject_entries(one, some.collect()).await.expect("keeps");
    }
    let found = place.store.rejected_entries(one, None, 2000).await.expect("answers");
    assert_eq!(found.len() as u64, most);
    assert_eq!(found.last().map(|one| one.id), Some(entry(100).id), "the oldest are gone");
    assert_eq!(place.store.rejected_entries(other, None, 9).await.expect("answers").len(), 1);
}

async fn rejected_entries_are_forgotten_by_their_age(which: Stores) {
    let place = open(which).await;
    let one = project(&place.store, "one").await;
    place.store.reject_entries(one, (0..10).map(entry).collect()).await.expect("keeps");
    let forget = async |before, limit| {
        place.store.forget_rejected_entries(at(before), limit).await.expect("forgets")
    };
    assert_eq!(forget(0, 100).await, 0);
    assert_eq!(forget(6, 4).await, 4);
    assert_eq!(forget(6, 4).await, 2);
    assert_eq!(forget(6, 4).await, 0);
    let left = place.store.rejected_entries(one, None, 100).await.expect("answers");
    assert_eq!(left, (6..10).rev().map(entry).collect::<Vec<_>>());
}

async fn readers_add_to_how_an_intake_stands(which: Stores) {
    let place = open(which).await;
    let (one, other) = (project(&place.store, "one").await, project(&place.store, "other").await);
    let of = async |project| place.store.intake_statuses(project).await.expect("answers");
    assert_eq!(of(one).await, []);
    let note = async |intake, note: IntakeNote, n| {
        place.store.note_intake(one, intake, note, at(n)).await.expect("is noted");
    };
    let first = IntakeNote {
        waiting: Some(7),
        pending: Some(2),
        accepted: 3,
        rejected: 1,
        last_entry_at: Some(at(1)),
        last_error: Some(("away\0".repeat(200), at(1))),
    };
    note(Intake::Sqs, first, 1).await;
    note(Intake::Sqs, IntakeNote { accepted: 5, ..IntakeNote::default() }, 2).await;
    let now = of(one).await;
    assert_eq!((now.len(), now[0].0), (1, Intake::Sqs));
    let status = &now[0].1;
    assert_eq!((status.waiting, status.pending), (Some(7), Some(2)), "what is not said stays");
    assert_eq!((status.accepted, status.rejected), (8, 1), "counts add up");
    assert_eq!((status.last_entry_at, status.updated_at), (Some(at(1)), at(2)));
    assert_eq!(status.last_error.as_ref().map(|text| text.chars().count()), Some(500));
    assert_eq!(status.last_error_at, Some(at(1)));
    note(Intake::RedisStream, IntakeNote { waiting: Some(0), ..IntakeNote::default() }, 3).await;
    let kinds: Vec<Intake> = of(one).await.into_iter().map(|(intake, _)| intake).collect();
    assert_eq!(kinds, [Intake::RedisStream, Intake::Sqs]);
    assert_eq!(of(other).await, []);
}
