//! Processes are killed at random under load.

use std::sync::Mutex;
use std::time::Duration;

use bellbuoy_harness::cluster::Role;
use bellbuoy_harness::sink::Reply;
use bellbuoy_harness::{Chance, Pair, Sink, on_pairs};

use crate::by_length;
use crate::load::Load;
use crate::scene::{Scene, TWO_OF_EACH, engines_of};
use crate::verdict::judge;

on_pairs! {
    what_was_accepted_is_processed_once_whoever_is_killed
}

async fn what_was_accepted_is_processed_once_whoever_is_killed(pair: Pair) {
    let mut chance = Chance::announced("kills");
    let mut scene = Scene::with_rules(&engines_of(pair).await).await;
    answer_badly(&scene.sink, chance.branch());
    let roles = if pair == Pair::SqliteSql { &[Role::Up][..] } else { &TWO_OF_EACH[..] };
    scene.cluster.start_all(roles).await;
    let load = Load::start(scene.client(), 8, usize::MAX, &mut chance);
    let mut in_flight = 0;
    let kills = if roles.len() == 1 { 10 } else { 16 };
    for _ in 0..by_length(kills, 100) {
        tokio::time::sleep(Duration::from_millis(100 + chance.below(400))).await;
        let victim = usize::try_from(chance.below(roles.len() as u64)).expect("an index");
        scene.cluster.kill(victim);
        if pair == Pair::SqliteSql {
            // It takes back what its former self held, so what that was is seen only now.
            in_flight += scene.claimed().await;
        }
        tokio::time::sleep(Duration::from_millis(chance.below(300))).await;
        scene.cluster.restart(victim);
    }
    load.reach(by_length(3000, 20_000)).await;
    let answers = load.end().await;
    scene.quiet().await;
    // No claim has expired, for time stands still: what is claimed now was in flight at a kill.
    in_flight += scene.claimed().await;
    scene.finish().await;
    judge(&scene, &answers, in_flight).await;
}

/// Some messages are refused or left without an answer, though not for ever.
pub fn answer_badly(sink: &Sink, chance: Chance) {
    let chance = Mutex::new(chance);
    sink.answer(move |_, before| {
        let roll = chance.lock().expect("unpoisoned").below(100);
        match roll {
            0..10 if before < 3 => Reply::status(500),
            10..13 if before < 3 => Reply { after: Duration::from_secs(5), ..Reply::status(204) },
            _ => Reply { after: Duration::from_millis(roll / 4), ..Reply::status(204) },
        }
    });
}
