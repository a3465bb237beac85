//! Workers: what they do with events and groups, and how they die.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use domain::evaluation::{Looked, look};
use domain::event::Event;
use domain::id::{GroupId, ProjectId};
use domain::ruleset::RuleSet;
use domain::time::Time;
use domain::webhook::{Endpoint, SigningSecret};
use store::evaluations::{ClaimTerms, Evaluating, Recorded, Revisited};
use store::rules::SealedEndpoint;
use store::{Store, StoreError};
use uuid::Uuid;

/// How often something is tried that changes of others can keep from being done.
pub const TRIES: usize = 20;

/// A process that evaluates, and the rules that it has at hand, which may be old.
pub struct Worker {
    /// The store as this process has it.
    pub store: Store,
    /// The rules, if it has any.
    pub set: Option<Arc<RuleSet>>,
}

impl Worker {
    /// The rules, as this worker knows them.
    pub async fn rules(&mut self, project: ProjectId) -> Arc<RuleSet> {
        if let Some(set) = &self.set {
            return Arc::clone(set);
        }
        let source = self.store.rule_source(project).await.expect("rules");
        let open = |one: SealedEndpoint| {
            let secret = SigningSecret::fresh();
            Ok::<_, StoreError>(Endpoint {
                id: one.id,
                url: one.url,
                secret,
                former: None,
                filter: one.filter,
            })
        };
        let (set, broken) = source.compile(project, open).expect("endpoints open");
        assert_eq!(broken, []);
        Arc::clone(self.set.insert(Arc::new(set)))
    }
}

/// Evaluates events as a worker does: under the rules that it knows, and again if they are old.
pub async fn evaluate(
    worker: &mut Worker,
    project: ProjectId,
    events: &[Event],
    now: Time,
) -> Result<(), String> {
    if events.is_empty() {
        return Ok(());
    }
    for _ in 0..TRIES {
        let set = worker.rules(project).await;
        let looked: Vec<Looked> =
            events.iter().map(|event| look(&set, event, now).expect("JSON")).collect();
        let claim = ClaimTerms {
            token: domain::id::fresh(now),
            until: now.plus(Duration::from_secs(25)),
            limit: 1,
            planned_at: now.plus(Duration::from_secs(10)),
        };
        let batch = Evaluating { set, looked: Arc::new(looked), claim, jobs_here: false };
        match worker.store.record_evaluation(project, batch, now).await {
            Ok(Recorded::Done(_)) => return Ok(()),
            Ok(Recorded::Stale) => worker.set = None,
            Ok(Recorded::Held(status)) => return Err(format!("the project is {status}")),
            Err(error) if error.is_passing() => {}
            Err(error) => return Err(format!("events were not evaluated: {error}")),
        }
    }
    Err("events were not evaluated however often it was tried".to_owned())
}

/// Looks at groups again, one after the other, as the due loop does.
pub async fn look_again(
    worker: &mut Worker,
    project: ProjectId,
    due: &[(Uuid, GroupId)],
    now: Time,
) -> Result<(), String> {
    for (row, group) in due {
        let mut left = TRIES;
        loop {
            let set = worker.rules(project).await;
            match worker.store.revisit_group(project, *row, *group, &set, false, now).await {
                Ok(Revisited::Done(_)) => break,
                Ok(Revisited::Stale) => worker.set = None,
                Err(error) if error.is_passing() => {}
                Err(error) => return Err(format!("a group was not looked at again: {error}")),
            }
            left -= 1;
            if left == 0 {
                return Err("a group was not looked at again however often it was tried".to_owned());
            }
        }
    }
    Ok(())
}

/// Lets work get on so often, each time that it has something to do, and drops it then: whoever did it has died.
pub async fn die_after<F: Future>(work: F, polls: u32) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}
