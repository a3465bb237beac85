//! What only MySQL and MariaDB can do to us: deadlocks, locks that nobody gives back, settings of other people, statements
//! that commit by themselves, packets that are too big, death.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bellbuoy_harness::Stores;
use bellbuoy_harness::engines::StoreServer;
use bellbuoy_harness::mariadb::Server;
use config::{Config, Sources, StoreConfig};
use domain::delivery::{Next, Outcome};
use domain::id::{JobId, ProjectId};
use domain::job::{NewJob, QueueName};
use domain::project::ProjectStatus;
use queue::Queue;
use queue::sql::SqlQueue;
use sqlx::MySqlPool;
use store::deliveries::Worked;
use store::{Step, Store, StoreError};

use crate::postgres::{keep_busy, retry};
use crate::settled::Held;
use crate::support::{
    Place, Raw, another, at, event, incoming, open, project, ring, start, tenant, terms, unmigrated,
};

fn pool(place: &Place) -> &MySqlPool {
    match &place.raw {
        Raw::Mysql(pool) => pool,
        Raw::Sqlite(_) | Raw::Postgres(_) => panic!("MariaDB"),
    }
}

/// Held by whoever asks who waits. The server makes that table anew only if nobody has read it for a tenth of a second: two
/// tests that ask in turns would both be shown an old one for ever.
static ASKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Waits until so many connections of this test's database wait for a lock.
async fn waiting_for_locks(place: &Place, count: i64) {
    let waiting = "information_schema.innodb_trx t JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
                   WHERE t.trx_state = 'LOCK WAIT' AND p.db = DATABASE()";
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let _asking = ASKING.lock().await;
        tokio::time::sleep(Duration::from_millis(120)).await;
        if place.raw.count(waiting).await >= count {
            return;
        }
        assert!(Instant::now() < deadline, "nobody waits");
    }
}

/// A store on a server of the test's own.
async fn store_on(server: &Server) -> Store {
    let env = [("BELLBUOY_STORE_URL".to_owned(), server.url())].into();
    let sources = Sources { file: None, default_file: "/none.toml".into(), env };
    let mut config = Config::load(sources).expect("a configuration").store;
    config.acquire_timeout = Duration::from_millis(500);
    Store::open(&config, Duration::from_secs(5)).await.expect("opens")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verb_in_a_deadlock_is_run_again() {
    let place = open(Stores::Mariadb).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let epoch = place.store.project(tenant.project).await.expect("is there").epoch;
    let mut other = pool(&place).begin().await.expect("begins");
    // Whoever has changed less gives way: that is the verb.
    let much = "INSERT INTO watermarks SELECT RANDOM_BYTES(16), 1, NOW() FROM information_schema.columns LIMIT 200";
    sqlx::query(much).execute(&mut *other).await.expect("changes much");
    let lock = "SELECT 1 FROM rules WHERE project_id = ? FOR UPDATE";
    sqlx::query(lock).bind(tenant.project).execute(&mut *other).await.expect("locks");
    let (store, rule) = (place.store.clone(), tenant.rule.clone());
    let verb = tokio::spawn(async move { store.change_rule(tenant.project, &rule, start()).await });
    // It has the project and wants the rule; now we, who have the rule, want the project.
    waiting_for_locks(&place, 1).await;
    let lock = "SELECT 1 FROM projects WHERE id = ? FOR UPDATE";
    sqlx::query(lock).bind(tenant.project).execute(&mut *other).await.expect("the verb gives way");
    other.commit().await.expect("commits");
    assert_eq!(verb.await.expect("no panic").expect("changes after all"), 2);
    let now = place.store.project(tenant.project).await.expect("is there").epoch;
    assert_eq!(now, epoch + 1, "once");
}

/// In another order, a job and the due loop that come for the same delivery would wait for each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn due_rows_are_locked_before_deliveries() {
    let place = open(Stores::Mariadb).await;
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
        let mine = one.claim_deliveries(project, &[waiting, waiting], terms(9, at(1)), at(1)).await;
        mine.map(|mine| mine.len())
    });
    let records = tokio::spawn(async move { other.record_attempts(work, at(1)).await });
    waiting_for_locks(&place, 2).await;
    let mut rows = pool(&place).begin().await.expect("begins");
    let lock = "SELECT 1 FROM deliveries FOR UPDATE NOWAIT";
    let free = sqlx::query(lock).fetch_all(&mut *rows).await.expect("nobody has locked them yet");
    assert_eq!(free.len(), 2);
    rows.rollback().await.expect("ends");
    due.rollback().await.expect("ends");
    assert_eq!(claims.await.expect("no panic").expect("claims"), 1, "once, though asked for twice");
    records.await.expect("no panic").expect("records");
    assert_eq!(place.raw.count("deliveries WHERE state = 4").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_nobody_gives_back_makes_the_store_unavailable() {
    let place = open(Stores::Mariadb).await;
    let project_id = project(&place.store, "acme").await;
    // The server counts in seconds, from one.
    let lock_timeout = Duration::from_millis(50);
    let config = StoreConfig { lock_timeout, ..place.ground.config.store.clone() };
    let store = Store::open(&config, Duration::from_secs(5)).await.expect("opens");
    let mut other = pool(&place).begin().await.expect("begins");
    let lock = "SELECT 1 FROM projects WHERE id = ? FOR UPDATE";
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

/// A server of people who care for none of what we need.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_the_server_are_overruled_or_told() {
    let server = Server::start_with(&[
        "innodb-flush-log-at-trx-commit=2",
        "innodb-doublewrite=0",
        "transaction-isolation=SERIALIZABLE",
        "sql-mode=ANSI_QUOTES",
        "autocommit=0",
        "character-set-server=latin1",
        "default-storage-engine=MyISAM",
        "default-time-zone=+05:00",
    ]);
    let store = store_on(&server).await;
    let weak = store.durability().await.expect("answers");
    assert_eq!(weak.len(), 2, "{weak:?}");
    assert!(weak[0].contains("innodb_flush_log_at_trx_commit = 2"), "{weak:?}");
    store.migrate(Step::Up).await.expect("migrates");
    let project = project(&store, "acme").await;
    assert_eq!(store.project(project).await.expect("is there").created_at, start());
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
    let long = "n".repeat(300);
    let refused = store.create_project(ProjectId::fresh(start()), "long", &long, start()).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "not cut off: {refused:?}");
    let raw = MySqlPool::connect(&server.url()).await.expect("connects");
    let other = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND engine <> 'InnoDB'";
    let other: i64 = sqlx::query_scalar(other).fetch_one(&raw).await.expect("counts");
    assert_eq!(other, 0);
}

/// A process may end between a statement of a migration, which commits by itself, and the note of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_is_done_and_not_noted_is_noted() {
    let place = unmigrated(Stores::Mariadb).await;
    let all = place.store.migrate(Step::Up).await.expect("goes up");
    let forget = "DELETE FROM schema_migrations WHERE name = '0009_events'";
    place.raw.run(forget).await.expect("forgets");
    assert!(!place.store.is_current().await.expect("answers"));
    assert_eq!(place.store.migrate(Step::Up).await.expect("goes up"), ["0009_events"]);
    let last = all.last().expect("some");
    place.raw.run("DROP TABLE watermarks").await.expect("drops");
    assert_eq!(place.store.migrate(Step::Down).await.expect("goes down"), [last.as_str()]);
    assert_eq!(place.store.migrate(Step::Up).await.expect("goes up"), [last.as_str()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_sees_what_another_pushed() {
    let place = open(Stores::Mariadb).await;
    let project = project(&place.store, "acme").await;
    let lease = Duration::from_secs(20);
    let (here, there) = (place.store.clone(), another(&place.ground).await);
    let (here, there) = (SqlQueue::new(here, lease), SqlQueue::new(there, lease));
    let mut wakeups = here.wakeups(QueueName::Events);
    let quiet = here.wakeups(QueueName::Deliveries);
    wakeups.mark_unchanged();
    let job = NewJob {
        id: JobId::fresh(start()),
        project,
        queue: QueueName::Events,
        body: b"{}".to_vec(),
    };
    there.push(vec![job]).await.expect("pushes");
    let woken = tokio::time::timeout(Duration::from_secs(5), wakeups.changed()).await;
    woken.expect("is told").expect("somebody tells");
    assert!(!quiet.has_changed().expect("somebody tells"), "there is nothing in that queue");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_may_be_larger_than_a_packet() {
    let place = open(Stores::Mariadb).await;
    let project = project(&place.store, "acme").await;
    let payload = format!("\"{}\"", "x".repeat(250 << 10));
    let batch: Vec<_> =
        (0..90).map(|_| incoming(project, &event("payment", &payload, start()))).collect();
    let packet = "SELECT CAST(@@GLOBAL.max_allowed_packet AS SIGNED)";
    let packet: i64 = sqlx::query_scalar(packet).fetch_one(pool(&place)).await.expect("answers");
    assert!(payload.len() * batch.len() > usize::try_from(packet).expect("positive"));
    place.store.accept_events(Arc::new(batch), None, start()).await.expect("keeps");
    assert_eq!(place.raw.count("events").await, 90);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_small_packets_alone_is_refused() {
    let server = Server::start_with(&["max-allowed-packet=1M"]);
    let env = [("BELLBUOY_STORE_URL".to_owned(), server.url())].into();
    let sources = Sources { file: None, default_file: "/none.toml".into(), env };
    let config = Config::load(sources).expect("a configuration").store;
    let refused = Store::open(&config, Duration::from_secs(5)).await.err().expect("refused");
    let said = refused.to_string();
    assert!(said.contains("max_allowed_packet") && said.contains("16777216"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_and_comes_back_needs_no_new_store() {
    let mut server = Server::start();
    let store = store_on(&server).await;
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
