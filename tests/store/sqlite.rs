//! SQLite's one writer: what waits for it shares a commit, and nobody pays for a neighbour.

use std::path::Path;
use std::sync::Arc;

use bellbuoy_harness::Stores;
use config::StoreUrl;
use domain::id::{EventId, ProjectId, RoleId, UserId};
use futures_util::future::{BoxFuture, join_all};
use store::StoreError;
use store::events::MakeJobs;

use crate::support::{Place, Raw, at, event, incoming, open, payment, project, start};

/// How many commits are in the log of what is written: its frames that say how large the file is after them.
fn commits(place: &Place) -> usize {
    let StoreUrl::Sqlite { path } = &place.ground.config.store.url else { panic!("SQLite") };
    let log = std::fs::read(Path::new(&format!("{}-wal", path.display()))).expect("a log");
    let number =
        |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four"));
    let (page, salts) = (number(&log, 8) as usize, &log[16..24]);
    let frames = log[32..].chunks_exact(24 + page);
    frames.filter(|frame| &frame[8..16] == salts && number(frame, 4) != 0).count()
}

/// Runs verbs that wait all at once, because somebody else is writing meanwhile.
async fn together<T>(place: &Place, verbs: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    let Raw::Sqlite(pool) = &place.raw else { panic!("SQLite") };
    let mut other = pool.acquire().await.expect("a connection");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *other).await.expect("begins");
    let release = async { sqlx::query("ROLLBACK").execute(&mut *other).await.expect("ends") };
    // All of them are asked before anybody else goes on.
    tokio::join!(biased; join_all(verbs), release).0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verbs_that_wait_share_a_commit() {
    let place = open(Stores::Sqlite).await;
    let project = project(&place.store, "acme").await;
    let before = commits(&place);
    for n in 0..5 {
        place.store.set_watermark(project, at(n)).await.expect("sets");
    }
    assert_eq!(commits(&place) - before, 5, "one after the other, each has its own");
    let before = commits(&place);
    let verb = |n: i64| -> BoxFuture<'_, _> {
        let event = EventId::fresh(at(n.unsigned_abs()));
        Box::pin(place.store.begin_event_attempt(project, event, "boom", start()))
    };
    for answer in together(&place, (0..50).map(verb).collect()).await {
        assert_eq!(answer.expect("counts"), Some(1));
    }
    let shared = commits(&place) - before;
    // The writer had taken the first few when it was made to wait; the others came while it did.
    assert!((1..=2).contains(&shared), "{shared} commits");
    assert_eq!(place.raw.count("evaluation_attempts").await, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verb_that_fails_or_panics_undoes_no_neighbour() {
    let place = open(Stores::Sqlite).await;
    let store = &place.store;
    let (one, other) = (project(store, "one").await, project(store, "other").await);
    let theirs = UserId::fresh(start());
    store.create_user(other, theirs, "a@example.com", "A", start()).await.expect("a user");
    let panics: MakeJobs = Arc::new(|_, _| panic!("on purpose"));
    let accept = |nudge: Option<MakeJobs>| {
        let incoming = incoming(one, &payment(1));
        let accepted = async move {
            store.accept_events(Arc::new(vec![incoming]), nudge, start()).await.map(|_| ())
        };
        Box::pin(accepted) as BoxFuture<'_, _>
    };
    let role = |name: &'static str, members: Vec<UserId>| {
        let made = async move {
            store.create_role(one, RoleId::fresh(start()), name, &members, start()).await
        };
        Box::pin(made) as BoxFuture<'_, _>
    };
    let mut verbs: Vec<BoxFuture<'_, Result<(), StoreError>>> = Vec::new();
    for name in ["a", "b", "c", "d"] {
        verbs.push(role(name, Vec::new()));
        // It has written the epoch and the role when it fails.
        verbs.push(role("bad", vec![theirs]));
        verbs.push(accept(None));
        // It has written the event when it panics.
        verbs.push(accept(Some(Arc::clone(&panics))));
        verbs.push(Box::pin(store.create_project(
            ProjectId::fresh(start()),
            "one",
            "One",
            start(),
        )));
    }
    for (number, answer) in together(&place, verbs).await.into_iter().enumerate() {
        match number % 5 {
            0 | 2 => answer.expect("does it"),
            3 => assert!(
                matches!(&answer, Err(StoreError::Corrupt(why)) if why.contains("on purpose")),
                "{answer:?}"
            ),
            _ => assert!(matches!(answer, Err(StoreError::Conflict(_))), "{answer:?}"),
        }
    }
    let counts = [
        place.raw.count("roles WHERE built_in = 0").await,
        place.raw.count("events").await,
        place.raw.count("projects").await,
    ];
    assert_eq!(counts, [4, 4, 2]);
    assert_eq!(store.project(one).await.expect("is there").epoch, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_loses_nothing() {
    let place = open(Stores::Sqlite).await;
    let project = project(&place.store, "acme").await;
    let keep = |n: u64| {
        let incoming = Arc::new(vec![incoming(project, &event("a", "{}", at(n)))]);
        place.store.accept_events(incoming, None, start())
    };
    for n in 0..20 {
        // Asked once, never waited for.
        assert!(futures_util::poll!(Box::pin(keep(n))).is_pending());
    }
    keep(20).await.expect("keeps");
    assert_eq!(place.raw.count("events").await, 21);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weak_settings_are_none_and_partitions_are_not_needed() {
    let place = open(Stores::Sqlite).await;
    assert_eq!(place.store.durability().await.expect("answers"), Vec::<String>::new());
    assert_eq!(place.store.make_partitions(start()).await.expect("has nothing to do"), 0);
}
