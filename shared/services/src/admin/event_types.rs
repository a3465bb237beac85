//! Event types: listed, created, changed, given versions, deprecated, deleted, and checked beforehand.

use super::{Admin, AdminError};
use crate::audit::{AuditedAction, Initiator};
use domain::audit::{Actor, AuditAction};
use domain::event_type::{
    Compatibility, EventType, EventTypeBody, EventTypeVersion, Finding, MAX_TYPES, MAX_VERSIONS,
    NewSchema, Schema, compare, compatibility, name_fault, payload,
};
use domain::fault::{Fault, FaultCode};
use domain::id::{EventTypeId, ProjectId, UserId};
use domain::precondition::Precondition;
use domain::time::Time;
use store::StoreError;
use store::event_types::{EventTypeChange, EventTypeFilter, EventTypeVerdict, NextVersion};

/// A version that is to be added, as it is asked for.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// What it says.
    pub says: NewSchema,
    /// Whether it must take whatever the one before took.
    pub must_be_compatible: bool,
}

/// What a check came to.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The number of the version that it was made against.
    pub version: i64,
    /// What the comparison of a schema came to, and what it found, if a schema was sent.
    pub schema: Option<(Compatibility, Vec<Finding>)>,
    /// What of a payload does not fit, if one was sent.
    pub payload: Option<Vec<Fault>>,
}

/// How often a version is compared again because another one came first.
const TRIES: usize = 5;

impl Admin {
    /// At most `limit` event types from before `before`, newest first.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn event_types(
        &self,
        project: ProjectId,
        filter: EventTypeFilter,
        before: Option<EventTypeId>,
        limit: usize,
    ) -> Result<Vec<EventType>, AdminError> {
        Ok(self.store.event_types(project, filter, before, limit).await?)
    }

    /// The event type of a name, with its latest version.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn event_type(
        &self,
        project: ProjectId,
        name: &str,
    ) -> Result<(EventType, EventTypeVersion), AdminError> {
        self.event_type_version(project, name, None).await
    }

    /// A version of an event type, with the type; the latest, if none is named.
    ///
    /// # Errors
    /// When one of them is not there.
    pub async fn event_type_version(
        &self,
        project: ProjectId,
        name: &str,
        version: Option<i64>,
    ) -> Result<(EventType, EventTypeVersion), AdminError> {
        Ok(self.store.event_type_version(project, name, version).await?)
    }

    /// At most `limit` versions of an event type from before `before`, newest first: numbers, authors and times.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn event_type_versions(
        &self,
        project: ProjectId,
        name: &str,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<(i64, Option<UserId>, Time)>, AdminError> {
        Ok(self.store.event_type_versions(project, name, before, limit).await?)
    }

    /// Creates an event type with its first version.
    ///
    /// # Errors
    /// When something of it is not right, the name is taken, or there are too many.
    pub async fn create_event_type(
        &self,
        project: ProjectId,
        name: String,
        body: EventTypeBody,
        says: NewSchema,
        initiator: &Initiator,
    ) -> Result<(EventType, EventTypeVersion), AdminError> {
        let mut faults: Vec<Fault> = name_fault(&name).into_iter().collect();
        faults.extend(body.faults());
        if let Err(more) = judge(says.clone()).await? {
            faults.extend(more);
        }
        if !faults.is_empty() {
            return Err(AdminError::Invalid(faults));
        }
        let now = self.clock.now();
        let created_by = match initiator.actor {
            Actor::User(user) => Some(user),
            Actor::Key(_) | Actor::System | Actor::Stranger => None,
        };
        let new = EventType {
            id: EventTypeId::fresh(now),
            name,
            body,
            version: 1,
            revision: 1,
            deprecated_at: None,
            created_by,
            created_at: now,
            updated_at: now,
        };
        let mut after = new.told();
        after["schema_sha256"] = says.fingerprint().into();
        let audited = AuditedAction {
            after: Some(after),
            ..AuditedAction::new(AuditAction::EventTypeCreate, new.id.0)
        };
        let entry = self.audit.entry(project, initiator, audited).await?;
        let made = answer(self.store.add_event_type(project, &new, &says, &entry, now).await?)?;
        self.announce(project).await;
        Ok((made, EventTypeVersion { version: 1, says, created_by, created_at: now }))
    }

    /// Sets what is said of an event type, and whether it is deprecated.
    ///
    /// # Errors
    /// When it is not there, is no longer what `condition` demands, or something of it is not right.
    pub async fn update_event_type(
        &self,
        project: ProjectId,
        name: &str,
        (body, deprecated): (EventTypeBody, bool),
        condition: &Precondition,
        initiator: &Initiator,
    ) -> Result<(EventType, EventTypeVersion), AdminError> {
        let faults = body.faults();
        if !faults.is_empty() {
            return Err(AdminError::Invalid(faults));
        }
        let change = EventTypeChange {
            body: Some(body),
            deprecated: Some(deprecated),
            condition: condition.clone(),
        };
        self.write_event_type(project, name, change, AuditAction::EventTypeUpdate, initiator).await
    }

    /// Deprecates an event type; one that is deprecated stays so.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn deprecate_event_type(
        &self,
        project: ProjectId,
        name: &str,
        initiator: &Initiator,
    ) -> Result<(EventType, EventTypeVersion), AdminError> {
        let change = EventTypeChange { deprecated: Some(true), ..EventTypeChange::default() };
        self.write_event_type(project, name, change, AuditAction::EventTypeDeprecate, initiator)
            .await
    }

    /// Adds a version to an event type. From the answer on, payloads are held to it. One that says what the latest version
    /// says is not added.
    ///
    /// # Errors
    /// When the event type is not there or no longer what `condition` demands, something of the version is not right, it is
    /// not compatible and must be, or there are too many.
    pub async fn add_event_type_version(
        &self,
        project: ProjectId,
        name: &str,
        new: NewVersion,
        condition: &Precondition,
        initiator: &Initiator,
    ) -> Result<(EventType, EventTypeVersion), AdminError> {
        let schema = judge(new.says.clone()).await?.map_err(AdminError::Invalid)?;
        for _ in 0..TRIES {
            let (kept, latest) = self.store.event_type_version(project, name, None).await?;
            if !condition.holds(&kept.tag()) {
                return Err(AdminError::Stale);
            }
            // A request that comes again makes no second version.
            if latest.says == new.says {
                return Ok((kept, latest));
            }
            if new.must_be_compatible {
                let found = findings(latest.says.schema, schema.clone()).await?;
                if !found.is_empty() {
                    return Err(AdminError::Incompatible(found.iter().map(told).collect()));
                }
            }
            let next = NextVersion {
                after: (kept.id, kept.version),
                says: new.says.clone(),
                condition: condition.clone(),
            };
            let audited = AuditedAction::new(AuditAction::EventTypeVersion, kept.id.0);
            let entry = self.audit.entry(project, initiator, audited).await?;
            let now = self.clock.now();
            let added =
                self.store.add_event_type_version(project, name, &next, &entry, now).await?;
            // Another one came first: it is the one to compare with.
            if added == EventTypeVerdict::Moved {
                continue;
            }
            let made = match added {
                EventTypeVerdict::Full => {
                    let why = format!("an event type has at most {MAX_VERSIONS} versions");
                    return Err(AdminError::Conflict(why));
                }
                other => answer(other)?,
            };
            self.announce(project).await;
            let version = made.version;
            return Ok(self.store.event_type_version(project, name, Some(version)).await?);
        }
        Err(AdminError::Conflict("other versions are being added; send it again".to_owned()))
    }

    /// Deletes an event type with its versions.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn delete_event_type(
        &self,
        project: ProjectId,
        name: &str,
        initiator: &Initiator,
    ) -> Result<(), AdminError> {
        let kept = self.store.event_type(project, name).await?;
        let audited = AuditedAction::new(AuditAction::EventTypeDelete, kept.id.0);
        let entry = self.audit.entry(project, initiator, audited).await?;
        let now = self.clock.now();
        self.store.delete_event_type(project, name, &entry, now).await?;
        self.announce(project).await;
        Ok(())
    }

    /// Checks a schema and a payload against the latest version of an event type. Nothing is kept of it.
    ///
    /// # Errors
    /// When the event type is not there, or something of what is sent is not right in itself.
    pub async fn check_event_type(
        &self,
        project: ProjectId,
        name: &str,
        schema: Option<String>,
        sample: Option<String>,
        max_payload: usize,
    ) -> Result<Checked, AdminError> {
        if schema.is_none() && sample.is_none() {
            let right = "send a schema to compare, a payload to check, or both";
            let fault = Fault::new("schema", FaultCode::Required, right);
            return Err(AdminError::Invalid(vec![fault]));
        }
        let (kept, latest) = self.store.event_type_version(project, name, None).await?;
        let compared = match schema {
            None => None,
            Some(schema) => {
                let new = judge(NewSchema { schema, example: None }).await?;
                let new = new.map_err(AdminError::Invalid)?;
                let found = findings(latest.says.schema.clone(), new).await?;
                Some((compatibility(&found), found))
            }
        };
        let payload = match sample {
            None => None,
            Some(sample) => {
                let schema = latest.says.schema;
                let checked = aside(move || {
                    let sample = payload(&sample, max_payload)?;
                    let checker = Schema::read(&schema).and_then(|schema| schema.compile());
                    Ok(checker.map(|checker| checker.violations("payload", &sample)))
                });
                let checked = checked.await?.map_err(AdminError::Invalid)?;
                Some(checked.map_err(broken)?)
            }
        };
        Ok(Checked { version: kept.version, schema: compared, payload })
    }

    async fn write_event_type(
        &self,
        project: ProjectId,
        name: &str,
        change: EventTypeChange,
        action: AuditAction,
        initiator: &Initiator,
    ) -> Result<(EventType, EventTypeVersion), AdminError> {
        let kept = self.store.event_type(project, name).await?;
        let audited = AuditedAction::new(action, kept.id.0);
        let entry = self.audit.entry(project, initiator, audited).await?;
        let now = self.clock.now();
        let made =
            answer(self.store.update_event_type(project, name, &change, &entry, now).await?)?;
        self.announce(project).await;
        let version = made.version;
        let (_, version) = self.store.event_type_version(project, name, Some(version)).await?;
        Ok((made, version))
    }
}

/// Does what may take long beside the requests.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AdminError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| AdminError::Store(StoreError::Corrupt(error.to_string())))
}

async fn judge(says: NewSchema) -> Result<Result<Schema, Vec<Fault>>, AdminError> {
    aside(move || says.judge()).await
}

/// What a new schema asks that the kept one did not.
async fn findings(old: String, new: Schema) -> Result<Vec<Finding>, AdminError> {
    let found = aside(move || Schema::read(&old).map(|old| compare(&old, &new))).await?;
    found.map_err(broken)
}

/// A kept schema that can't be read, which only another build can have taken.
fn broken(faults: Vec<Fault>) -> AdminError {
    AdminError::Store(StoreError::Corrupt(format!("a schema: {faults:?}")))
}

fn told(finding: &Finding) -> Fault {
    Fault::new("schema", FaultCode::Invalid, finding.to_string())
}

/// The event type, or as an error why the store did not take it.
fn answer(verdict: EventTypeVerdict) -> Result<EventType, AdminError> {
    Err(match verdict {
        EventTypeVerdict::Done(made) => return Ok(*made),
        EventTypeVerdict::Stale | EventTypeVerdict::Moved => AdminError::Stale,
        EventTypeVerdict::NameTaken => {
            AdminError::Conflict("name: an event type of that name is there already".to_owned())
        }
        EventTypeVerdict::Full => {
            AdminError::Conflict(format!("a project has at most {MAX_TYPES} event types"))
        }
    })
}
