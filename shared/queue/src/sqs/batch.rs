//! Calls on many messages at once. SQS answers for each of them, and a call that went well may have failed for some:
//! those are tried again, and what fails for good is told.

use std::future::Future;
use std::time::Duration;

use aws_sdk_sqs::types::BatchResultErrorEntry;
use futures_util::StreamExt;

use crate::QueueError;

/// How many messages a call takes.
pub(super) const MOST: usize = 10;
/// How many calls of one verb are under way at once.
const AT_ONCE: usize = 8;
/// How often a message is tried.
const TRIES: u32 = 4;

/// Why a call did nothing for one of its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Its place in the call.
    pub(super) place: usize,
    pub(super) code: String,
    message: String,
    /// Whether the same would fail again.
    for_good: bool,
}

impl Failure {
    pub(super) fn read(entry: &BatchResultErrorEntry) -> Self {
        // A throttled message may be called the sender's fault, but time mends it.
        let throttled = entry.code.contains("Throttl");
        Self {
            // We number the entries ourselves; an answer about none of them is about the first.
            place: entry.id.parse().unwrap_or(0),
            code: entry.code.clone(),
            message: entry.message.clone().unwrap_or_default(),
            for_good: entry.sender_fault && !throttled,
        }
    }
}

/// What is left undone after all tries.
#[derive(Debug)]
pub(super) struct Undone<T> {
    pub(super) item: T,
    pub(super) why: String,
    pub(super) for_good: bool,
}

/// Says that something was left undone.
pub(super) fn told<T>(verb: &str, total: usize, undone: &[Undone<T>]) -> Result<(), QueueError> {
    match undone.first() {
        None => Ok(()),
        Some(first) => Err(QueueError(format!(
            "SQS did not {verb} {} of {total} messages: {}",
            undone.len(),
            first.why
        ))),
    }
}

/// Runs `call` on chunks of at most ten, several at once, each chunk until nothing of it fails or trying is of no use.
pub(super) async fn run<T, F, A>(verb: &'static str, chunks: Vec<Vec<T>>, call: F) -> Vec<Undone<T>>
where
    F: Fn(Vec<T>) -> A,
    T: Clone,
    A: Future<Output = Result<Vec<Failure>, QueueError>>,
{
    let chunks = chunks.into_iter().map(|chunk| chunk_through(verb, chunk, &call));
    let done: Vec<Vec<Undone<T>>> =
        futures_util::stream::iter(chunks).buffered(AT_ONCE).collect().await;
    done.into_iter().flatten().collect()
}

async fn chunk_through<T, F, A>(verb: &'static str, mut chunk: Vec<T>, call: &F) -> Vec<Undone<T>>
where
    F: Fn(Vec<T>) -> A,
    T: Clone,
    A: Future<Output = Result<Vec<Failure>, QueueError>>,
{
    let mut undone = Vec::new();
    let mut tries = 0;
    while !chunk.is_empty() {
        tries += 1;
        let failures = match call(chunk.clone()).await {
            Ok(failures) => failures,
            // The client has tried the whole call again by itself already.
            Err(error) => {
                let why = error.0;
                undone.extend(chunk.into_iter().map(|item| Undone {
                    item,
                    why: why.clone(),
                    for_good: false,
                }));
                return undone;
            }
        };
        metrics::counter!("bellbuoy_queue_entries_failed_total", "verb" => verb)
            .increment(failures.len() as u64);
        let mut again = Vec::new();
        for failure in failures {
            let Some(item) = chunk.get(failure.place) else { continue };
            if failure.for_good || tries == TRIES {
                let why = format!("{}: {}", failure.code, failure.message);
                undone.push(Undone { item: item.clone(), why, for_good: failure.for_good });
            } else {
                again.push(item.clone());
            }
        }
        chunk = again;
        if !chunk.is_empty() {
            tokio::time::sleep(pause(tries)).await;
        }
    }
    undone
}

/// A pause that doubles, up to double its length by chance, so that many do not come back at once.
fn pause(tries: u32) -> Duration {
    let millis = 50 << tries.min(6);
    Duration::from_millis(millis + rand::random_range(0..=millis))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn failure(place: usize, for_good: bool) -> Failure {
        Failure { place, code: "Code".to_owned(), message: "why".to_owned(), for_good }
    }

    #[tokio::test]
    async fn what_failed_is_tried_again_alone() {
        let calls = Mutex::new(Vec::new());
        let undone = run("try", vec![vec![1, 2, 3, 4]], async |chunk: Vec<u32>| {
            let mut calls = calls.lock().expect("whole");
            calls.push(chunk);
            Ok(if calls.len() == 1 { vec![failure(0, false), failure(2, true)] } else { vec![] })
        })
        .await;
        assert_eq!(*calls.lock().expect("whole"), [vec![1, 2, 3, 4], vec![1]]);
        assert_eq!(undone.iter().map(|one| one.item).collect::<Vec<_>>(), [3]);
        let error = told("try", 4, &undone).expect_err("one is undone");
        assert_eq!(error.0, "SQS did not try 1 of 4 messages: Code: why");
    }

    #[tokio::test]
    async fn trying_ends() {
        let undone =
            run("try", vec![vec![1]], async |_: Vec<u32>| Ok(vec![failure(0, false)])).await;
        assert_eq!(undone.len(), 1);
        let away = async |_: Vec<u32>| Err(QueueError("away".to_owned()));
        let undone = run("try", vec![vec![1, 2], vec![3]], away).await;
        assert_eq!(undone.len(), 3);
        assert!(undone.iter().all(|one| !one.for_good && one.why == "away"));
    }

    #[test]
    fn a_throttled_message_is_tried_again() {
        let entry = |code: &str| {
            let entry = BatchResultErrorEntry::builder().id("3").code(code).sender_fault(true);
            Failure::read(&entry.build().expect("an entry"))
        };
        assert!(!entry("ThrottlingException").for_good);
        assert!(entry("ReceiptHandleIsInvalid").for_good);
        assert_eq!(entry("x").place, 3);
    }
}
