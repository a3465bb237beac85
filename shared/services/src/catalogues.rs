//! The catalogues of event types, one per project, kept as long as its epoch stands: what payloads are held to before they
//! are accepted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::epochs::Epochs;
use domain::event_type::{Checker, Schema, SchemaMode};
use domain::fault::{Fault, FaultCode};
use domain::id::{EventTypeId, ProjectId};
use domain::intake::NewEvent;
use store::event_types::EventTypeHead;
use store::{Store, StoreError};

/// What the catalogue says of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It may be accepted; these are to be told with the answer.
    Fine(Vec<Fault>),
    /// It does not fit the schema of its type, and its project refuses such events.
    Refused(Vec<Fault>),
}

/// The event types of a project, as of an epoch.
struct Catalogue {
    epoch: i64,
    types: HashMap<String, EventTypeHead>,
}

/// The catalogues of all projects.
pub struct Catalogues {
    store: Store,
    epochs: Arc<Epochs>,
    catalogues: Cache<ProjectId, Arc<Catalogue>>,
    /// Schemas that are ready to be asked. A version never changes, so that none of them is ever too old.
    checkers: Cache<(ProjectId, EventTypeId, i64), Option<Arc<Checker>>>,
    /// How many of the checks that may take long are made at the same time.
    long: Arc<Semaphore>,
    /// The same for each project, so that none of them keeps the others waiting.
    long_of: Cache<ProjectId, Arc<Semaphore>>,
}

/// How many KiB of schemas are kept ready.
const KEPT_READY: u64 = 64 << 10;
/// Up to how many steps a check is made where the request is worked on; longer ones would hold up others there.
const SHORT: u64 = 500_000;
/// How many longer ones are made at the same time, and how many of them for one project.
const LONG: usize = 4;
const LONG_OF_ONE: usize = 1;

impl Catalogues {
    /// None yet; of at most `max` projects.
    pub fn new(store: Store, epochs: Arc<Epochs>, max: u64) -> Self {
        let idle = Duration::from_secs(3600);
        let size = |_: &(ProjectId, EventTypeId, i64), one: &Option<Arc<Checker>>| {
            let kibibytes = one.as_ref().map_or(1, |checker| checker.kibibytes());
            u32::try_from(kibibytes).unwrap_or(u32::MAX)
        };
        Self {
            store,
            epochs,
            catalogues: Cache::builder().max_capacity(max).time_to_idle(idle).build(),
            checkers: Cache::builder()
                .weigher(size)
                .max_capacity(KEPT_READY)
                .time_to_idle(idle)
                .build(),
            long: Arc::new(Semaphore::new(LONG)),
            long_of: Cache::builder().max_capacity(max).time_to_idle(idle).build(),
        }
    }

    /// Judges events by the catalogue of their project, one by one and in order; nothing, if none of them is of a type in it.
    ///
    /// # Errors
    /// When the catalogue must be read and can't be.
    pub async fn judge(
        &self,
        project: ProjectId,
        events: &[NewEvent],
    ) -> Result<Option<Vec<Judgement>>, Arc<StoreError>> {
        let catalogue = self.get(project).await?;
        let types = &catalogue.types;
        if types.is_empty() || !events.iter().any(|event| types.contains_key(&event.kind)) {
            return Ok(None);
        }
        Box::pin(self.judge_all(project, &catalogue, events)).await.map(Some)
    }

    async fn get(&self, project: ProjectId) -> Result<Arc<Catalogue>, Arc<StoreError>> {
        let known = self.epochs.of(project).unwrap_or(0);
        if let Some(found) = self.catalogues.get(&project).await
            && found.epoch >= known
        {
            return Ok(found);
        }
        // On the heap, for what is rare must not make every request carry it.
        Box::pin(self.read_again(project)).await
    }

    async fn read_again(&self, project: ProjectId) -> Result<Arc<Catalogue>, Arc<StoreError>> {
        self.catalogues.invalidate(&project).await;
        // Whoever asks meanwhile waits for this one reading.
        self.catalogues.try_get_with(project, self.read(project)).await
    }

    async fn read(&self, project: ProjectId) -> Result<Arc<Catalogue>, StoreError> {
        let found = self.store.event_type_heads(project).await?;
        let types = found.heads.into_iter().map(|head| (head.name.clone(), head));
        Ok(Arc::new(Catalogue { epoch: found.epoch, types: types.collect() }))
    }

    async fn judge_all(
        &self,
        project: ProjectId,
        catalogue: &Catalogue,
        events: &[NewEvent],
    ) -> Result<Vec<Judgement>, Arc<StoreError>> {
        let mut judged = Vec::with_capacity(events.len());
        for event in events {
            judged.push(match catalogue.types.get(&event.kind) {
                Some(head) => self.judge_one(project, head, event).await?,
                None => Judgement::Fine(Vec::new()),
            });
        }
        Ok(judged)
    }

    async fn judge_one(
        &self,
        project: ProjectId,
        head: &EventTypeHead,
        event: &NewEvent,
    ) -> Result<Judgement, Arc<StoreError>> {
        let mut warnings = Vec::new();
        if head.is_deprecated {
            let right = "this type of event is deprecated; send the one that takes its place";
            warnings.push(Fault::new("type", FaultCode::Deprecated, right));
        }
        if head.mode == SchemaMode::Off {
            return Ok(Judgement::Fine(warnings));
        }
        let Some(checker) = self.checker(project, head).await? else {
            return Ok(Judgement::Fine(warnings));
        };
        let violations = self.violations(project, checker, event.payload.get()).await;
        if violations.is_empty() {
            return Ok(Judgement::Fine(warnings));
        }
        let mode = head.mode.as_str();
        metrics::counter!("bellbuoy_event_schema_violations_total", "mode" => mode).increment(1);
        if head.mode == SchemaMode::Reject {
            return Ok(Judgement::Refused(violations));
        }
        warnings.extend(violations);
        Ok(Judgement::Fine(warnings))
    }

    /// The schema of an event type, ready to be asked; nothing, if there is none that can be.
    async fn checker(
        &self,
        project: ProjectId,
        head: &EventTypeHead,
    ) -> Result<Option<Arc<Checker>>, Arc<StoreError>> {
        let key = (project, head.id, head.version);
        if let Some(found) = self.checkers.get(&key).await {
            return Ok(found);
        }
        Box::pin(self.checkers.try_get_with(key, self.compile(key))).await
    }

    async fn compile(
        &self,
        (project, id, version): (ProjectId, EventTypeId, i64),
    ) -> Result<Option<Arc<Checker>>, StoreError> {
        // One that was deleted a moment ago asks nothing any more.
        let Some(text) = self.store.event_type_schema(project, id, version).await? else {
            return Ok(None);
        };
        let compiled = move || Schema::read(&text).and_then(|schema| schema.compile());
        let why = match tokio::task::spawn_blocking(compiled).await {
            Ok(Ok(checker)) => return Ok(Some(Arc::new(checker))),
            Ok(Err(faults)) => format!("{faults:?}"),
            Err(error) => error.to_string(),
        };
        // Only another build can have taken it. Events must not be lost for that.
        tracing::error!(%project, event_type = %id, version, why, "a stored schema can't be used; payloads are not checked");
        metrics::counter!("bellbuoy_event_schemas_broken_total").increment(1);
        Ok(None)
    }

    async fn violations(
        &self,
        project: ProjectId,
        checker: Arc<Checker>,
        payload: &str,
    ) -> Vec<Fault> {
        if checker.cost(payload.len()) <= SHORT {
            return violations(&checker, payload);
        }
        // A project waits for itself first, and takes no more than its share while it waits for others.
        let of_one = async { Arc::new(Semaphore::new(LONG_OF_ONE)) };
        let own = self.long_of.get_with(project, of_one).await.acquire_owned().await;
        let permits = (own, Arc::clone(&self.long).acquire_owned().await);
        let payload = payload.to_owned();
        // It is brought to an end even if nobody waits for it any more, and so are its permits held.
        let checked = tokio::task::spawn_blocking(move || {
            let found = violations(&checker, &payload);
            drop(permits);
            found
        });
        checked.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a payload could not be checked, and is taken as it is");
            Vec::new()
        })
    }
}

fn violations(checker: &Checker, payload: &str) -> Vec<Fault> {
    match serde_json::from_str::<Value>(payload) {
        Ok(payload) => checker.violations("payload", &payload),
        Err(error) => {
            let right = format!("it can't be read: {error}");
            vec![Fault::new("payload", FaultCode::MalformedJson, right)]
        }
    }
}
