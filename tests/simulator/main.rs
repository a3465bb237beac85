//! Does the store come to what it promises, whatever happens in whatever order? Random histories run over the real store and
//! beside it over a slow model that has one thread and no database; then both are compared, after each operation.
//!
//! A history follows from its seed. One that fails is made shorter and printed with it; `BELLBUOY_TEST_SEED` repeats a seed.
//! `BELLBUOY_TEST_FULL=1` runs tens of thousands.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test that can't go on says so at once"
)]

mod history;
mod model;
mod shrink;
mod worker;
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bellbuoy_harness::{Chance, Stores, on_every_store};
use tokio::task::JoinSet;

use self::history::{HOSTS, Op, ending, history};
use self::model::{Model, Step};
use self::shrink::shrink;
use self::world::{Seen, Stage, World};

on_every_store! {
    random_histories_come_to_what_the_model_says
    every_order_over_two_workers_ends_in_the_same_state
}

async fn random_histories_come_to_what_the_model_says(which: Stores) {
    let seeds = seeds(which);
    let stage = Arc::new(Stage::open(which).await);
    let histories: Vec<Vec<Op>> = seeds.iter().map(|seed| history(*seed)).collect();
    let shown = |number: usize| format!("BELLBUOY_TEST_SEED={}", seeds[number]);
    play_all(&stage, histories, shown).await;
}

/// One seed that was asked for, or as many as there is time for, from one by chance on.
fn seeds(which: Stores) -> Vec<u64> {
    let asked = std::env::var("BELLBUOY_TEST_SEED").ok().and_then(|text| text.parse().ok());
    if let Some(seed) = asked {
        return vec![seed];
    }
    let count = match which {
        _ if std::env::var_os("BELLBUOY_TEST_FULL").is_some() => 20_000,
        Stores::Sqlite => 120,
        // Each of their statements is a round trip.
        Stores::Postgres | Stores::Mariadb => 40,
    };
    let first = Chance::fresh().below(1 << 40);
    println!("{count} seeds from {first} on");
    (first..first + count).collect()
}

/// Firing, resolved, firing: three events of one group in every order, in every split into batches over two workers, and
/// each also with a worker that dies over the batch before.
async fn every_order_over_two_workers_ends_in_the_same_state(which: Stores) {
    let stage = Arc::new(Stage::open(which).await);
    for kinds in [[true, false, true], [false, true, false], [true, true, false]] {
        let histories = permutations(kinds);
        let texts: Vec<String> = histories.iter().map(|one| format!("{one:?}")).collect();
        let ends = play_all(&stage, histories, |number| texts[number].clone()).await;
        let different: BTreeSet<&Vec<String>> = ends.iter().collect();
        assert_eq!(different.len(), 1, "firing {kinds:?}: {different:#?}");
    }
}

/// All histories of three events that were received one after the other.
fn permutations(kinds: [bool; 3]) -> Vec<Vec<Op>> {
    const ORDERS: [[u32; 3]; 6] =
        [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]];
    // How many events each batch has, and which worker has it; the first batch may as well be the first worker's.
    const SPLITS: [&[(usize, usize)]; 9] = [
        &[(3, 0)],
        &[(1, 0), (2, 0)],
        &[(1, 0), (2, 1)],
        &[(2, 0), (1, 0)],
        &[(2, 0), (1, 1)],
        &[(1, 0), (1, 0), (1, 0)],
        &[(1, 0), (1, 0), (1, 1)],
        &[(1, 0), (1, 1), (1, 0)],
        &[(1, 0), (1, 1), (1, 1)],
    ];
    let mut histories = Vec::new();
    for (number, (order, split)) in
        ORDERS.iter().flat_map(|order| SPLITS.iter().map(move |split| (order, split))).enumerate()
    {
        for dies in [false, true] {
            let mut ops = Vec::new();
            for (event, firing) in (1..).zip(kinds) {
                ops.push(Op::Accept { event, host: HOSTS[0], firing, late: 0 });
                ops.push(Op::Step { seconds: 1 });
            }
            let mut rest = &order[..];
            for (size, worker) in split.iter().copied() {
                let (batch, others) = rest.split_at(size);
                rest = others;
                let events = batch.to_vec();
                if dies {
                    let polls = u32::try_from(number % 14).expect("below a u32");
                    ops.push(Op::EvaluateAndDie { worker, events: events.clone(), polls });
                }
                ops.push(Op::Evaluate { worker, events });
            }
            histories.push(ops);
        }
    }
    histories
}

/// Histories, by their numbers, and how their groups ended.
type Ends = Vec<(usize, Vec<String>)>;

/// How many histories are under way at the same time, each in a project of its own.
const AT_ONCE: usize = 8;

/// Plays all of them and answers how their groups ended. The first that fails is made shorter and ends the test; `shown`
/// says which it was.
async fn play_all(
    stage: &Arc<Stage>,
    histories: Vec<Vec<Op>>,
    shown: impl Fn(usize) -> String,
) -> Vec<Vec<String>> {
    let count = histories.len();
    let (histories, next) = (Arc::new(histories), Arc::new(AtomicUsize::new(0)));
    let mut players: JoinSet<Result<Ends, usize>> = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (stage, histories, next) =
            (Arc::clone(stage), Arc::clone(&histories), Arc::clone(&next));
        players.spawn(async move {
            let mut ends = Ends::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(history) = histories.get(number) else { return Ok(ends) };
                match play(&stage, history).await {
                    Ok(end) => ends.push((number, end)),
                    Err(why) => {
                        println!("{why}");
                        return Err(number);
                    }
                }
            }
        });
    }
    let mut ends = vec![Vec::new(); count];
    let mut failed = None;
    while let Some(done) = players.join_next().await {
        match done.expect("a player does not panic") {
            Ok(all) => all.into_iter().for_each(|(number, end)| ends[number] = end),
            Err(number) => {
                failed = Some(number);
                break;
            }
        }
    }
    if let Some(number) = failed {
        players.shutdown().await;
        give_up(stage, &histories[number], &shown(number)).await;
    }
    ends
}

/// Ends the test with a history that is as short as can be.
async fn give_up(stage: &Stage, history: &[Op], shown: &str) {
    let shrunk = shrink(history.to_vec(), async |ops: &[Op]| play(stage, ops).await.is_err()).await;
    let why = match play(stage, &shrunk).await {
        Err(why) => why,
        Ok(_) => "it came right when it was repeated: its first failure is above".to_owned(),
    };
    let lines: Vec<String> = shrunk.iter().map(|op| format!("    {op:?},")).collect();
    panic!(
        "{shown}\n{why}\n{} of {} operations:\n{}",
        shrunk.len(),
        history.len(),
        lines.join("\n")
    );
}

/// Plays a history to its end and answers how its groups stand then.
async fn play(stage: &Stage, history: &[Op]) -> Result<Vec<String>, String> {
    let mut world = World::new(stage).await;
    let mut models = vec![Model::new(world.epoch)];
    for (number, op) in history.iter().chain(&ending(history)).enumerate() {
        let told = |why: String| format!("operation {number}, {op:?}: {why}");
        let alternatives = world.run(op).await.map_err(told)?;
        models = fitting(&world, follow(&models, &alternatives)).await.map_err(told)?;
    }
    Ok(world.look().await.groups())
}

/// What may have come of it: where a worker died, or two were at it, nobody but the store knows what was done.
fn follow(models: &[Model], alternatives: &[Vec<Step>]) -> Vec<Model> {
    let mut possible: Vec<Model> = Vec::new();
    for model in models {
        for steps in alternatives {
            let mut next = model.clone();
            if steps.iter().all(|step| next.apply(step)) && !possible.contains(&next) {
                possible.push(next);
            }
        }
    }
    possible
}

/// Those of them that the store shows.
async fn fitting(world: &World<'_>, possible: Vec<Model>) -> Result<Vec<Model>, String> {
    let Some(first) = possible.first().cloned() else {
        return Err("it was done although it can't be, or refused although it can".to_owned());
    };
    let seen = world.look().await;
    let fit: Vec<Model> = possible
        .into_iter()
        .filter(|model| model.lines() == seen.lines && model.overlooked(&seen.due).is_empty())
        .collect();
    if fit.is_empty() { Err(difference(&first, &seen)) } else { Ok(fit) }
}

/// What the store shows and the model does not, and the other way round.
fn difference(model: &Model, seen: &Seen) -> String {
    let (wanted, mut more) = (model.lines(), seen.lines.clone());
    let mut told = vec!["the store differs from the model".to_owned()];
    for line in wanted {
        match more.iter().position(|one| *one == line) {
            Some(place) => {
                more.swap_remove(place);
            }
            None => told.push(format!("  missing: {line}")),
        }
    }
    more.sort_unstable();
    told.extend(more.iter().map(|line| format!("  too much: {line}")));
    let overlooked = model.overlooked(&seen.due);
    told.extend(overlooked.iter().map(|group| format!("  waits and is not due: {group:?}")));
    told.join("\n")
}
