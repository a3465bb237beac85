//! What only a server can do to us: deadlocks, locks that nobody gives back, weak settings, death.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bellbuoy_harness::Stores;
use config::{Config, Sources, StoreConfig};
use domain::delivery::{Next, Outcome};
use domain::id::{ProjectId, UserId};
use domain::project::ProjectStatus;
use sqlx::PgPool;
use store::deliveries::Worked;
use store::{Step, Store, StoreError};

use crate::server::Server;
use crate::settled::Held;
use crate::support::{Place, Raw, another, at, open, project, ring, start, tenant, terms};

fn pool(place: &Place) -> &PgPool {
    match &place.raw {
        Raw::Postgres(pool) => pool,
        Raw::Sqlite(_) | Raw::Mysql(_) => panic!("PostgreSQL"),
    }
}

/// The name of this test's own database.
async fn database(place: &Place) -> String {
    let ask = sqlx::query_scalar("SELECT current_database()::text");
    ask.fetch_one(pool(place)).await.expect("a name")
}

/// Waits until so many connections of this test's database wait for a lock.
async fn waiting_for_locks(place: &Place, count: i64) {
    let waiting =
        "pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let deadline = Instant::now() + Duration::from_secs(20);
    while place.raw.count(waiting).await < count {
        assert!(Instant::now() < deadline, "nobody waits");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A connection that came back with a transaction begun would keep its locks, and what is written on it next uncommitted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verb_that_is_dropped_leaves_no_transaction_open() {
    let place = open(Stores::Postgres).await;
    let project = project(&place.store, "acme").await;
    for wait in 0..300 {
        let store = place.store.clone();
        let verb = tokio::spawn(async move {
            let id = UserId::fresh(start());
            store.create_user(project, id, &format!("{wait}@example.com"), "Ada", start()).await
        });
        tokio::task::spawn_blocking(move || std::thread::sleep(Duration::from_micros(wait * 5)))
            .await
            .expect("no panic");
        verb.abort();
        let _ = verb.await;
        let open = "pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database()";
        let deadline = Instant::now() + Duration::from_secs(2);
        while place.raw.count(open).await > 0 {
            assert!(Instant::now() < deadline, "dropped after {wait} steps, it left one open");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verb_in_a_deadlock_is_run_again() {
    let place = open(Stores::Postgres).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let epoch = place.store.project(tenant.project).await.expect("is there").epoch;
    // Whoever looks for a deadlock first gives way: that is the verb, when both of us wait for sure.
    let patience = format!("ALTER DATABASE {} SET deadlock_timeout = '3s'", database(&place).await);
    place.raw.run(&patience).await.expect("changes");
    let store = another(&place.ground).await;
    let mut other = pool(&place).begin().await.expect("begins");
    let never = "SET LOCAL deadlock_timeout = '1h'";
    sqlx::query(never).execute(&mut *other).await.expect("sets");
    let lock = "SELECT 1 FROM rules WHERE project_id = $1 FOR UPDATE";
    sqlx::query(lock).bind(tenant.project).execute(&mut *other).await.expect("locks");
    let rule = tenant.rule.clone();
    let verb = tokio::spawn(async move { store.change_rule(tenant.project, &rule, start()).await });
    // It has the project and wants the rule; now we, who have the rule, want the project.
    waiting_for_locks(&place, 1).await;
    let lock = "SELECT 1 FROM projects WHERE id = $1 FOR UPDATE";
    sqlx::query(lock).bind(tenant.project).execute(&mut *other).await.expect("the verb gives way");
    other.commit().await.expect("commits");
    assert_eq!(verb.await.expect("no panic").expect("changes after all"), 2);
    assert_eq!(
        place.store.project(tenant.project).await.expect("is there").epoch,
        epoch + 1,
        "once"
    );
    let deadlocks = "pg_stat_database WHERE datname = current_database() AND deadlocks > 0";
    let deadline = Instant::now() + Duration::from_secs(10);
    while place.raw.count(deadlocks).await == 0 {
        assert!(Instant::now() < deadline, "there was no deadlock");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// In another order, a job and the due loop that come for the same delivery would wait for each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn due_rows_are_locked_before_deliveries() {
    let place = open(Stores::Postgres).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let claim = terms(1, start());
    let (_, done) = ring(&place.store, &tenant, 2, claim).await;
    let (held, waiting) = (done.claimed[0], done.decision.deliveries[1].id);
    let (project, token) = (tenant.project, claim.token);
    let settled = Held { project, id: held, token };
    let settled = vec![settled.settled(1, Outcome::Delivered, Next::Delivered, 1)];
    let work = Arc::new(Worked { settled, closed: vec![(project, token)], ..Worked::default() });
    let (one, other) = (place.store.clone(), place.store.clone());
    let mut due = pool(&place).begin().await.expect("begins");
    sqlx::query("SELECT 1 FROM due FOR UPDATE").execute(&mut *due).await.expect("locks");
    let claims = tokio::spawn(async move {
        one.claim_deliveries(project, &[waiting], terms(9, at(1)), at(1))
            .await
            .map(|mine| mine.len())
    });
    let records = tokio::spawn(async move { other.record_attempts(work, at(1)).await });
    waiting_for_locks(&place, 2).await;
    let mut rows = pool(&place).begin().await.expect("begins");
    let lock = "SELECT 1 FROM deliveries FOR UPDATE NOWAIT";
    let free = sqlx::query(lock).execute(&mut *rows).await.expect("nobody has locked them yet");
    assert_eq!(free.rows_affected(), 2);
    rows.rollback().await.expect("ends");
    due.rollback().await.expect("ends");
    assert_eq!(claims.await.expect("no panic").expect("claims"), 1);
    records.await.expect("no panic").expect("records");
    assert_eq!(place.raw.count("deliveries WHERE state = 4").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_nobody_gives_back_makes_the_store_unavailable() {
    let place = open(Stores::Postgres).await;
    let project_id = project(&place.store, "acme").await;
    let config = StoreConfig {
        lock_timeout: Duration::from_millis(50),
        ..place.ground.config.store.clone()
    };
    let store = Store::open(&config, Duration::from_secs(5)).await.expect("opens");
    let mut other = pool(&place).begin().await.expect("begins");
    let lock = "SELECT 1 FROM projects WHERE id = $1 FOR UPDATE";
    sqlx::query(lock).bind(project_id).execute(&mut *other).await.expect("locks");
    let change =
        async || store.set_project_status(project_id, ProjectStatus::Active, None, start()).await;
    let refused = change().await;
    assert!(
        matches!(&refused, Err(error @ StoreError::Unavailable(_)) if error.is_passing()),
        "{refused:?}"
    );
    assert_eq!(store.project(project_id).await.expect("readers don't wait").epoch, 1);
    project(&store, "another").await;
    other.rollback().await.expect("ends");
    assert_eq!(change().await.expect("changes"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weak_settings_are_told() {
    let place = open(Stores::Postgres).await;
    assert_eq!(place.store.durability().await.expect("answers"), Vec::<String>::new());
    let weaken = format!("ALTER DATABASE {} SET synchronous_commit = off", database(&place).await);
    place.raw.run(&weaken).await.expect("weakens");
    let store = another(&place.ground).await;
    let weak = store.durability().await.expect("answers");
    assert_eq!(weak.len(), 1);
    assert!(weak[0].contains("synchronous_commit"), "{weak:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_read_what_is_committed_and_nothing_weaker() {
    let place = open(Stores::Postgres).await;
    // A database may have another default; the store's own connections don't care.
    let name = database(&place).await;
    let strict =
        format!("ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'");
    place.raw.run(&strict).await.expect("changes");
    let store = another(&place.ground).await;
    let project = project(&store, "acme").await;
    let mut tasks = Vec::new();
    for n in 0..16 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            for round in 0..5 {
                store.set_watermark(project, at(n + round)).await.expect("no conflict");
            }
        }));
    }
    for task in tasks {
        task.await.expect("no panic");
    }
    assert_eq!(store.watermarks().await.expect("answers"), [(project, at(19))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_and_comes_back_needs_no_new_store() {
    let mut server = Server::start();
    let env = [("BELLBUOY_STORE_URL".to_owned(), server.url())].into();
    let sources = Sources { file: None, default_file: "/none.toml".into(), env };
    let mut config = Config::load(sources).expect("a configuration").store;
    config.acquire_timeout = Duration::from_millis(500);
    let store = Store::open(&config, Duration::from_secs(5)).await.expect("opens");
    retry(async || store.migrate(Step::Up).await.map(|_| ())).await;
    let mut expected = 0;
    for round in 0..2 {
        let busy = keep_busy(&store, round);
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.kill();
        expected += busy.await.expect("no panic");
        let started = Instant::now();
        let away = store.ping().await;
        assert!(matches!(away, Err(StoreError::Unavailable(_))), "{away:?}");
        let away = store.create_project(ProjectId::fresh(start()), "x", "x", start()).await;
        assert!(matches!(away, Err(StoreError::Unavailable(_))), "{away:?}");
        assert!(started.elapsed() < Duration::from_secs(20), "it says so in time");
        server.restart();
        retry(async || store.ping().await).await;
        let kept = store.epochs().await.expect("works again").len();
        // What was being written when it died may be there or not; what was answered is.
        assert!((expected..=expected + 4).contains(&kept), "{kept} of {expected}");
        expected = kept;
    }
}

/// Makes projects until the store is away; answers how many were promised.
pub fn keep_busy(store: &Store, round: usize) -> tokio::task::JoinHandle<usize> {
    let store = store.clone();
    tokio::spawn(async move {
        let mut tasks = Vec::new();
        for task in 0..4 {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                for number in 0.. {
                    let name = format!("{round}-{task}-{number}");
                    let made = store
                        .create_project(ProjectId::fresh(start()), &name, &name, start())
                        .await;
                    match made {
                        Ok(()) => {}
                        Err(StoreError::Unavailable(_)) => return number,
                        Err(other) => panic!("{other:?}"),
                    }
                }
                0
            }));
        }
        let mut made = 0;
        for task in tasks {
            made += task.await.expect("no panic");
        }
        made
    })
}

/// Does it until it works, as everybody does who is told that the store is away.
pub async fn retry(work: impl AsyncFn() -> Result<(), StoreError>) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match work().await {
            Ok(()) => return,
            Err(error) => assert!(error.is_passing() && Instant::now() < deadline, "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
