//! What several servers can do to us: go, hang, hand over, be strict about who comes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bellbuoy_harness::redis::{Group, Guarded, RedisCluster, Sentinels, Server, rights};
use domain::job::{NewJob, QueueName};
use queue::redis::RedisQueue;

use crate::suite::{EVENTS, LONG, Shared, depth, job, jobs, numbers, project, reserve, settle};

/// What the page promises of workers, once the new primary serves.
const BACK: Duration = Duration::from_secs(10);
/// How long the servers may take to agree on a new primary; that is not ours.
const AGREED: Duration = Duration::from_secs(30);

fn open(group: &impl Group) -> Shared {
    Shared::new(RedisQueue::open(&group.url(), "t", LONG).expect("opens"))
}

/// Asks again and again until something is so; answers how long that took.
async fn until(what: &str, limit: Duration, so: impl AsyncFn() -> bool) -> Duration {
    let start = Instant::now();
    while !so().await {
        assert!(start.elapsed() < limit, "{what} does not come within {limit:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    start.elapsed()
}

/// Waits until the queue takes and gives jobs and tells of them again; answers how long jobs took.
async fn works_again(queue: &Shared, producer: &Shared) -> Duration {
    let start = Instant::now();
    let works = async || {
        let begun = Instant::now();
        let mut well = producer.push(jobs(project(), 1)).await.is_ok();
        while well {
            match queue.reserve(EVENTS, 100).await {
                Ok(Some(batch)) => well = queue.settle(EVENTS, vec![batch.lease]).await.is_ok(),
                Ok(None) => break,
                Err(_) => well = false,
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(6), "no call waits longer than it may");
        well
    };
    until("a working queue", BACK, works).await;
    let took = start.elapsed();
    let wakeups = queue.wakeups(EVENTS);
    // Whoever pushes into a queue that is not empty wakes nobody.
    let told = async || {
        let mut heard = wakeups.clone();
        heard.mark_unchanged();
        let pushed = producer.push(jobs(project(), 1)).await.is_ok();
        let moved = tokio::time::timeout(Duration::from_millis(200), heard.changed());
        let moved = moved.await.is_ok();
        while let Ok(Some(batch)) = queue.reserve(EVENTS, 100).await {
            settle(queue, &[batch.lease]).await;
        }
        pushed && moved
    };
    until("a wake-up", BACK, told).await;
    assert_eq!(depth(queue).await, (0, 0));
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_primary_under_sentinels_dies_and_another_takes_over() {
    let mut group = Sentinels::start();
    let (queue, producer) = (open(&group), open(&group));
    works_again(&queue, &producer).await;
    let held = jobs(project(), 5);
    queue.push(held).await.expect("pushes");
    let batch = reserve(&queue, 2).await.expect("jobs");
    until("replicas in step", AGREED, async || {
        group.servers[0].try_ask::<i64>(&["WAIT", "2", "100"]) == Some(2)
    })
    .await;
    assert!(queue.place().expect("a place").contains(&group.servers[0].port().to_string()));
    group.servers[0].stop();
    until("another primary", AGREED, async || group.primary().is_some()).await;
    let start = Instant::now();
    until("the queue", BACK, async || queue.depth(EVENTS).await.is_ok()).await;
    println!("back {:?} after the new primary serves", start.elapsed());
    // What was replicated is there, leases as well.
    assert_eq!(depth(&queue).await, (3, 2));
    settle(&queue, &[batch.lease]).await;
    let rest = reserve(&queue, 9).await.expect("jobs");
    assert_eq!(numbers(&rest), [2, 3, 4]);
    settle(&queue, &[rest.lease]).await;
    works_again(&queue, &producer).await;
    // The old one comes back, as a replica unless the sentinels of a busy machine choose it once more; nobody minds.
    group.servers[0].restart();
    until("a single primary", AGREED, async || {
        // One that becomes a replica ends its connections.
        let role = |server: &Server| server.try_ask::<String>(&["INFO", "replication"]);
        let roles: Option<Vec<String>> = group.servers.iter().map(role).collect();
        let is_primary = |role: &&String| role.contains("role:master");
        roles.is_some_and(|roles| roles.iter().filter(is_primary).count() == 1)
    })
    .await;
    works_again(&queue, &producer).await;
    // On a busy machine the sentinels may change their minds once more meanwhile: the queue follows.
    until("the queue where the primary is", AGREED, async || {
        let at = group.primary().map(|at| group.servers[at].port().to_string());
        let works = queue.depth(EVENTS).await.is_ok();
        let place = queue.place().expect("a place");
        works && at.is_some_and(|port| place.contains(&port))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_hangs_or_hands_over_is_left_for_another() {
    let mut group = Sentinels::start();
    let (queue, producer) = (open(&group), open(&group));
    works_again(&queue, &producer).await;
    // A sentinel that is gone and one that hangs are no obstacle once the others have agreed.
    group.servers[0].freeze();
    // Sentinels close all connections to a server whose role they change, so that it may be asked in vain.
    let is = |group: &Sentinels, at: usize, role: &str| {
        let said = group.servers[at].try_ask::<String>(&["INFO", "replication"]);
        said.is_some_and(|said| said.contains(role))
    };
    let others = |group: &Sentinels| (1..3).find(|at| is(group, *at, "role:master"));
    until("another primary", AGREED, async || others(&group).is_some()).await;
    until("sentinels that agree", AGREED, async || group.agree_on(others(&group))).await;
    group.sentinels[0].stop();
    group.sentinels[1].freeze();
    println!("back after {:?} from one that hangs", works_again(&queue, &producer).await);
    group.sentinels[1].thaw();
    group.sentinels[0].restart();
    // The old one believes itself the primary for a moment, and is corrected.
    group.servers[0].thaw();
    until("a replica", AGREED, async || is(&group, 0, "role:slave")).await;
    works_again(&queue, &producer).await;
    until("a primary", AGREED, async || others(&group).is_some()).await;
    let before = others(&group).expect("a primary");
    until("replicas in step", AGREED, async || {
        group.servers[before].try_ask::<i64>(&["WAIT", "2", "100"]) == Some(2)
    })
    .await;
    // By order of somebody, it goes on as a replica.
    until("a failover", AGREED, async || {
        let _ = group.sentinels[2].try_ask::<()>(&["SENTINEL", "FAILOVER", "main"]);
        tokio::time::sleep(Duration::from_millis(200)).await;
        is(&group, before, "role:slave")
    })
    .await;
    println!("back after {:?} from one that handed over", works_again(&queue, &producer).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_a_cluster_goes_and_its_replica_takes_over() {
    let mut group = RedisCluster::start();
    let (queue, producer) = (open(&group), open(&group));
    let of_all = |count: usize| -> Vec<NewJob> {
        let one = |n: usize| NewJob { queue: QueueName::ALL[n % 3], ..job(project(), n) };
        (0..count).map(one).collect()
    };
    producer.push(of_all(30)).await.expect("pushes to several nodes at once");
    for name in QueueName::ALL {
        assert_eq!(queue.depth(name).await.expect("counts").waiting, 10);
        let batch = queue.reserve(name, 10).await.expect("reserves").expect("jobs");
        queue.settle(name, vec![batch.lease]).await.expect("settles");
    }
    works_again(&queue, &producer).await;
    let keys = QueueName::ALL.map(|name| format!("{{t:{}}}", name.as_str()));
    let at = group.owner(&keys[0]).expect("an owner");
    let elsewhere: Vec<QueueName> = QueueName::ALL
        .into_iter()
        .zip(&keys)
        .filter(|(_, key)| group.owner(key) != Some(at))
        .map(|(name, _)| name)
        .collect();
    println!("{} of the queues are on other nodes", elsewhere.len());
    assert!(queue.place().expect("a place").contains(&group.servers[at].port().to_string()));
    group.servers[at].stop();
    until("another owner", AGREED, async || group.owner(&keys[0]).is_some()).await;
    println!("back after {:?} from one that died", works_again(&queue, &producer).await);
    group.servers[at].restart();
    until("a replica", AGREED, async || {
        let said = group.servers[at].try_ask::<String>(&["INFO", "replication"]);
        said.is_some_and(|said| said.contains("master_link_status:up"))
    })
    .await;
    let now = group.owner(&keys[0]).expect("an owner");
    group.servers[now].freeze();
    until("another owner", AGREED, async || {
        group.servers[at].try_ask::<u64>(&["EXISTS", &keys[0]]).is_some()
    })
    .await;
    println!("back after {:?} from one that hangs", works_again(&queue, &producer).await);
    group.servers[now].thaw();
    works_again(&queue, &producer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_is_followed() {
    let group = RedisCluster::start();
    let (queue, producer) = (open(&group), open(&group));
    works_again(&queue, &producer).await;
    let key = "{t:events}";
    let from = group.owner(key).expect("an owner");
    let to = (from + 1) % 3;
    let slot = group.servers[from].ask::<u64>(&["CLUSTER", "KEYSLOT", key]).to_string();
    let ids = [from, to].map(|at| group.servers[at].ask::<String>(&["CLUSTER", "MYID"]));
    let (old, new) = (&group.servers[from], &group.servers[to]);
    // Half way the queue is empty here, so everything is asked of there.
    new.ask::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &ids[0]]);
    old.ask::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &ids[1]]);
    queue.push(jobs(project(), 3)).await.expect("pushes");
    let batch = reserve(&queue, 2).await.expect("jobs");
    assert_eq!(batch.jobs.len(), 2);
    new.ask::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &ids[1]]);
    old.ask::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &ids[1]]);
    assert_eq!(depth(&queue).await, (1, 2));
    settle(&queue, &[batch.lease]).await;
    let batch = reserve(&queue, 2).await.expect("jobs");
    assert_eq!(numbers(&batch), [2]);
    settle(&queue, &[batch.lease]).await;
    works_again(&queue, &producer).await;
    until("what is said of it", BACK, async || {
        queue.place().is_some_and(|place| place.contains(&new.port().to_string()))
    })
    .await;
}

#[tokio::test]
async fn who_asks_one_node_of_a_cluster_is_told_how_to_ask_all() {
    let group = RedisCluster::start();
    let queue = Shared::new(RedisQueue::open(&group.servers[0].url(), "t", LONG).expect("opens"));
    let mut told = String::new();
    for name in QueueName::ALL {
        told += &queue.depth(name).await.err().map_or(String::new(), |error| error.to_string());
    }
    assert!(told.contains("redis+cluster://"), "{told}");
    let server = Server::start();
    let url = server.url().replace("redis://", "redis+cluster://");
    let queue = Shared::new(RedisQueue::open(&url, "t", LONG).expect("opens"));
    let told = queue.ping().await.expect_err("no cluster").to_string();
    assert!(told.contains("cluster support disabled"), "{told}");
    let url = server.url().replace("redis://", "redis+sentinel://") + "/main";
    let queue = Shared::new(RedisQueue::open(&url, "t", LONG).expect("opens"));
    let told = queue.ping().await.expect_err("no sentinel").to_string();
    assert!(told.contains("no sentinel tells where \"main\" is"), "{told}");
}

#[tokio::test]
async fn certificates_are_judged() {
    let group = Guarded::start();
    let ping = async |files: &[(&str, &str)]| {
        let queue = RedisQueue::open(&group.url_with(files), "t", LONG);
        let queue = Shared::new(queue.map_err(|error| error.to_string())?);
        queue.ping().await.map_err(|error| error.to_string())
    };
    let own = [("cert", "client.pem"), ("key", "client.key")];
    assert_eq!(ping(&[&[("ca", "ca.pem")], &own[..]].concat()).await, Ok(()));
    let told = ping(&[&[("ca", "other.pem")], &own[..]].concat()).await.expect_err("another CA");
    assert!(told.contains("certificate"), "{told}");
    let told = ping(&own).await.expect_err("not what the system trusts");
    assert!(told.contains("certificate"), "{told}");
    assert!(ping(&[("ca", "ca.pem")]).await.is_err(), "it wants a certificate");
    let told = ping(&[("ca", "absent.pem")]).await.expect_err("no such file");
    assert!(told.contains("absent.pem"), "{told}");
    // The name counts: the certificate is for 127.0.0.1 and localhost.
    let url = group.url().replace("127.0.0.1", "127.0.0.2");
    let queue = Shared::new(RedisQueue::open(&url, "t", LONG).expect("opens"));
    assert!(queue.ping().await.is_err());
    let url = group.url().replace("127.0.0.1", "localhost");
    let queue = Shared::new(RedisQueue::open(&url, "t", LONG).expect("opens"));
    queue.ping().await.expect("another of its names");
    // A wrong password is told, and not repeated.
    let url = group.url().replace("p%40ss", "hunter2");
    let queue = Shared::new(RedisQueue::open(&url, "t", LONG).expect("opens"));
    let told = queue.ping().await.expect_err("a wrong password").to_string();
    assert!(told.to_lowercase().contains("auth") && !told.contains("hunter2"), "{told}");
}

#[tokio::test]
async fn a_right_that_is_missing_is_told() {
    let group = Arc::new(Guarded::start());
    let queue = open(&*group);
    queue.push(jobs(project(), 1)).await.expect("pushes");
    group.server.ask::<()>(&["ACL", "SETUSER", "bellbuoy", "-evalsha"]);
    let told = queue.push(jobs(project(), 1)).await.expect_err("not permitted").to_string();
    assert!(told.to_lowercase().contains("perm"), "{told}");
    group.server.ask::<()>(&["ACL", "SETUSER", "bellbuoy", "+evalsha"]);
    queue.push(jobs(project(), 1)).await.expect("pushes");
    // Nobody else's keys: whoever has another prefix needs other rights.
    let other = Shared::new(RedisQueue::open(&group.url(), "other", LONG).expect("opens"));
    assert!(other.push(jobs(project(), 1)).await.is_err());
}

#[test]
fn no_right_is_there_for_nothing() {
    let scripts = [
        include_str!("../../shared/queue/src/redis/depth.lua"),
        include_str!("../../shared/queue/src/redis/extend.lua"),
        include_str!("../../shared/queue/src/redis/push.lua"),
        include_str!("../../shared/queue/src/redis/release.lua"),
        include_str!("../../shared/queue/src/redis/reserve.lua"),
        include_str!("../../shared/queue/src/redis/settle.lua"),
        include_str!("../../shared/coordination/src/redis/arrive.lua"),
        include_str!("../../shared/coordination/src/redis/present.lua"),
        include_str!("../../shared/coordination/src/redis/spend.lua"),
    ];
    let ours = ["ping", "evalsha", "eval", "subscribe"];
    let commands: Vec<&str> = rights("Queue and coordination")
        .into_iter()
        .filter_map(|rule| rule.strip_prefix('+'))
        .collect();
    for name in &commands {
        let call = format!("call('{}'", name.to_uppercase());
        let used = scripts.iter().any(|script| script.contains(&call)) || ours.contains(name);
        assert!(used, "+{name} is on the page and nobody needs it");
    }
    for script in scripts {
        for part in script.split("call('").skip(1) {
            let name = part.split('\'').next().expect("a name").to_lowercase();
            assert!(commands.contains(&name.as_str()), "+{name} is not on the page");
        }
    }
}
