//! Five hundred wrong passwords at once, over two instances of the API: no more of them are tried than the lockout allows,
//! nothing breaks, and the memory that hashing takes stays what its settings say.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

use bellbuoy_harness::account::PASSWORD;
use bellbuoy_harness::books::Books;
use bellbuoy_harness::cluster::Role;
use bellbuoy_harness::{Caller, Front, Pair, Served, on_pairs};
use domain::audit::AuditAction;
use serde_json::json;

on_pairs! {
    a_storm_of_guesses_is_counted_exactly_and_costs_no_memory
}

const GUESSES: usize = 500;
const ALLOWED: i64 = 5;
const HASH_MIB: u64 = 19;
const HASHES: u64 = 2;
/// What five hundred connections, the allocator and everything else may take besides.
const SLACK_MIB: u64 = 128;

async fn a_storm_of_guesses_is_counted_exactly_and_costs_no_memory(pair: Pair) {
    // SQLite belongs to one process.
    let instances = if pair == Pair::SqliteSql { 1 } else { 2 };
    let roles = if instances == 1 { vec![Role::Up] } else { vec![Role::Api; 2] };
    let program = env!("CARGO_BIN_EXE_bellbuoy");
    let served = Served::start(program, pair, &roles, |cluster| {
        // As expensive as it is in production: memory is what is tried.
        cluster.set("AUTH_HASH_MEMORY", &format!("{HASH_MIB}MiB"));
        cluster.set("AUTH_HASH_PASSES", "2");
        cluster.set("AUTH_HASH_CONCURRENCY", &HASHES.to_string());
        cluster.set("AUTH_LOCKOUT_FAILURES", &ALLOWED.to_string());
    })
    .await;
    let new = json!({
        "slug": "acme", "name": "Acme",
        "admin": { "email": "admin@example.com", "full_name": "Ada", "password": PASSWORD },
    });
    let made = served.front.post(&served.root().await, "/api/v1/projects", &new).await;
    assert_eq!(made.status, 201, "{made:?}");
    let fronts: Vec<Front> = served.cluster.bases().iter().map(|base| Front::new(base)).collect();
    let before: Vec<u64> = (0..instances).map(|at| memory(&served, at, "VmRSS")).collect();

    // Among the wrong ones is the right one, late: it must come too late.
    let guess = |at: usize| {
        let front = &fronts[at % instances];
        let right = at == GUESSES - 10;
        let password = if right { PASSWORD.to_owned() } else { format!("wrong guess {at}") };
        let body = json!({ "project": "acme", "email": "admin@example.com", "password": password });
        async move { front.post(&Caller::nobody(), "/api/v1/auth/login", &body).await }
    };
    let replies = futures_util::future::join_all((0..GUESSES).map(guess)).await;
    for reply in &replies {
        let code = reply.code();
        let known = [(401, "invalid_credentials"), (429, "rate_limited")];
        assert!(known.contains(&(reply.status, code.as_str())), "{reply:?}");
    }
    let refused = replies.iter().filter(|reply| reply.status == 401).count();
    assert!(refused > 0, "everybody was turned away, and no password was tried");
    for front in &fronts {
        let tokens = front.log_in("acme", "admin@example.com", PASSWORD).await;
        assert!(tokens.is_none(), "the account is locked, and its password lets somebody in");
    }

    let books = Books::open(&served.config.store).await;
    let count = async |action: AuditAction| {
        books.count("audit", &format!("action = '{}'", action.as_str())).await
    };
    let (failures, lockouts) =
        (count(AuditAction::SessionFailure).await, count(AuditAction::SessionLockout).await);
    assert!(
        lockouts <= 1 && (1..=ALLOWED).contains(&(failures + lockouts)),
        "{failures} + {lockouts}"
    );
    // Root alone came in, once.
    assert_eq!(count(AuditAction::SessionLogin).await, 1);

    for (at, before) in before.iter().enumerate() {
        let (most, bound) = (memory(&served, at, "VmHWM"), HASH_MIB * HASHES + SLACK_MIB);
        println!("instance {at}: {before} MiB before, {most} MiB at most");
        assert!(most - before < bound, "instance {at} took {} MiB more", most - before);
    }
}

/// What a process has in memory, in MiB, as the system tells under `name`.
fn memory(served: &Served, at: usize, name: &str) -> u64 {
    let path = format!("/proc/{}/status", served.cluster.pid(at));
    let status = std::fs::read_to_string(path).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.expect("a number of KiB") / 1024
}
