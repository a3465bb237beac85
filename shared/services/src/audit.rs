//! What stands in the audit log, and how the personal part of it is sealed with a key per person.

mod chain;
mod summaries;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use moka::future::Cache;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crypto::seal::Sealer;
use domain::audit::{Actor, AuditAction, Entry, Row};
use domain::authority::Requester;
use domain::clock::Clock;
use domain::id::{ProjectId, UserId};
use domain::once::Once;
use store::audit::AuditFilter;
use store::{Store, StoreError};

pub use chain::{Forgotten, Verdict};

/// Where a request came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The address of the client.
    pub address: Option<IpAddr>,
    /// What it calls itself.
    pub user_agent: Option<String>,
}

/// Who does something, and with which request.
#[derive(Clone, Debug)]
pub struct Initiator {
    /// Who.
    pub actor: Actor,
    /// From where.
    pub origin: Origin,
    /// The project that they belong to, where that is known: those of the platform act in others as well.
    pub home: Option<ProjectId>,
    /// The request.
    pub correlation: Option<String>,
    /// The key under which it is done once, however often it is asked for.
    pub once: Option<Once>,
    /// The caller, whom the transaction that does it looks at again.
    pub requester: Option<Requester>,
}

impl Initiator {
    /// Bellbuoy itself, or an operator at the command line.
    pub fn system() -> Self {
        Self {
            actor: Actor::System,
            origin: Origin::default(),
            home: None,
            correlation: None,
            once: None,
            requester: None,
        }
    }

    /// The same request, once it is known who sends it.
    #[must_use]
    pub fn known_as(&self, actor: Actor) -> Self {
        Self { actor, ..self.clone() }
    }
}

/// What was done.
#[derive(Clone, Debug)]
pub struct AuditedAction {
    /// What.
    pub action: AuditAction,
    /// To which one.
    pub resource: Uuid,
    /// How it was before, without anything personal or secret.
    pub before: Option<Value>,
    /// How it is now, likewise.
    pub after: Option<Value>,
    /// What is personal in it, and whose it is.
    pub personal: Option<(UserId, Value)>,
}

impl AuditedAction {
    /// An action with nothing to tell but whom or what it was done to.
    pub const fn new(action: AuditAction, resource: Uuid) -> Self {
        Self { action, resource, before: None, after: None, personal: None }
    }
}

/// Makes entries of the log. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    store: Store,
    sealer: Sealer,
    clock: Clock,
    keys: Cache<(ProjectId, Uuid), Sealer>,
}

/// A row as it may be shown.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The row.
    pub row: Row,
    /// What is personal in it; nothing when its subject was forgotten.
    pub personal: Option<Value>,
    /// Where the request came from; nothing when its actor was forgotten, or is one of the platform in another project.
    pub origin: Option<Origin>,
}

/// What the sealed parts are bound to.
const ROW: &[u8] = b"audit";

/// How long a person's key is kept at hand for writing: a process that did not hear that somebody was forgotten uses it
/// no longer than this. Reading always asks the store.
pub const KEPT: Duration = Duration::from_secs(60);

impl Audit {
    /// With at most `max` keys at hand.
    pub fn new(store: Store, sealer: Sealer, clock: Clock, max: u64) -> Self {
        let keys = Cache::builder().max_capacity(max).time_to_live(KEPT).build();
        Self { store, sealer, clock, keys }
    }

    /// What seals.
    pub(crate) const fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// The entry that tells it, ready to be written in the transaction that does it.
    ///
    /// # Errors
    /// When a person's key can't be read or made.
    pub async fn entry(
        &self,
        project: ProjectId,
        initiator: &Initiator,
        audited: AuditedAction,
    ) -> Result<Entry, StoreError> {
        let origin = if initiator.origin == Origin::default() {
            None
        } else {
            let value = serde_json::to_value(&initiator.origin).unwrap_or_default();
            // Where somebody of the platform sits is nothing for the tenant whose log this is: it is sealed with a key
            // that the tenant's rows are never opened with.
            let home = initiator.home.unwrap_or(project);
            Some(self.seal(home, initiator.actor.id(), &value).await?)
        };
        let (subject, personal) = match &audited.personal {
            Some((user, value)) => (user.0, Some(self.seal(project, user.0, value).await?)),
            None => (Uuid::nil(), None),
        };
        Ok(Entry {
            actor: initiator.actor,
            action: audited.action,
            resource: audited.resource,
            before: audited.before,
            after: audited.after,
            subject,
            personal,
            origin,
            correlation: initiator.correlation.clone(),
            once: initiator.once.clone(),
            requester: initiator.requester.clone(),
        })
    }

    /// Seals something of a person's; forgetting their key makes it unreadable.
    ///
    /// # Errors
    /// When their key can't be read or made.
    pub async fn seal(
        &self,
        project: ProjectId,
        subject: Uuid,
        value: &Value,
    ) -> Result<Vec<u8>, StoreError> {
        let key = self.key(project, subject).await?;
        key.seal(project, ROW, value.to_string().as_bytes()).map_err(broken)
    }

    /// Opens what `seal` made; nothing when the key was forgotten.
    ///
    /// # Errors
    /// When the key can't be read.
    pub async fn open(
        &self,
        project: ProjectId,
        subject: Uuid,
        sealed: &[u8],
    ) -> Result<Option<Value>, StoreError> {
        let keys = self.known(project, vec![subject]).await?;
        Ok(keys.get(&subject).and_then(|key| opened(key, project, sealed)))
    }

    /// Opens many of those, each with whose it is; what can't be opened any more is nothing.
    ///
    /// # Errors
    /// When the keys can't be read.
    pub async fn open_all(
        &self,
        project: ProjectId,
        sealed: &[(Uuid, Option<&[u8]>)],
    ) -> Result<Vec<Option<Value>>, StoreError> {
        let people: BTreeSet<Uuid> = sealed
            .iter()
            .filter(|(_, bytes)| bytes.is_some())
            .map(|(subject, _)| *subject)
            .collect();
        let keys = self.known(project, people.into_iter().collect()).await?;
        let open = |(subject, bytes): &(Uuid, Option<&[u8]>)| {
            opened(keys.get(subject)?, project, (*bytes)?)
        };
        Ok(sealed.iter().map(open).collect())
    }

    /// What tells a value again without telling it: a hash under a key of the project's own, which stays when the sealing
    /// key is rotated.
    ///
    /// # Errors
    /// When the key can't be read or made.
    pub async fn fingerprint(
        &self,
        project: ProjectId,
        purpose: &str,
        text: &str,
    ) -> Result<[u8; 32], StoreError> {
        let key = self.key(project, Uuid::nil()).await?;
        let hash = key.sign(purpose, text.as_bytes()).map_err(broken)?;
        hash.try_into().map_err(|_| StoreError::Corrupt("a hash of 32 bytes".into()))
    }

    /// At most `limit` rows of a project's log that are older than `before`, newest first, opened as far as their
    /// people are known.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn list(
        &self,
        project: ProjectId,
        filter: AuditFilter,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Shown>, StoreError> {
        let rows = self.store.list_audit(project, filter, before, limit).await?;
        let mut people = BTreeSet::new();
        people.extend(rows.iter().filter(|row| row.personal.is_some()).map(|row| row.subject));
        people.extend(rows.iter().filter(|row| row.origin.is_some()).map(|row| row.actor_id));
        let keys = self.known(project, people.into_iter().collect()).await?;
        let open = |subject: Uuid, sealed: &Option<Vec<u8>>| {
            opened(keys.get(&subject)?, project, sealed.as_deref()?)
        };
        let shown = |row: Row| {
            let origin = open(row.actor_id, &row.origin);
            Shown {
                personal: open(row.subject, &row.personal),
                origin: origin.and_then(|value| serde_json::from_value(value).ok()),
                row,
            }
        };
        Ok(rows.into_iter().map(shown).collect())
    }

    /// Writes down that somebody took the log out, before they get it.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn note_export(
        &self,
        project: ProjectId,
        initiator: &Initiator,
        filter: Value,
    ) -> Result<(), StoreError> {
        let audited = AuditedAction {
            after: Some(filter),
            ..AuditedAction::new(AuditAction::AuditExport, project.0)
        };
        self.note(project, initiator, audited).await
    }

    /// Writes down what is about to be done and can't be written down where it is done.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn note(
        &self,
        project: ProjectId,
        initiator: &Initiator,
        audited: AuditedAction,
    ) -> Result<(), StoreError> {
        let entry = self.entry(project, initiator, audited).await?;
        self.store.note(project, &entry, self.clock.now()).await
    }

    /// Makes everything that is sealed for a person unreadable, in the logs of all projects. Their rows stay, and the
    /// chains with them.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn forget_subject(&self, user: UserId) -> Result<u64, StoreError> {
        let gone = self.store.forget_subject(user).await?;
        self.let_go(user).await;
        Ok(gone)
    }

    /// The same in one project alone.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn forget_subject_in(
        &self,
        project: ProjectId,
        user: UserId,
    ) -> Result<u64, StoreError> {
        let gone = self.store.forget_subject_in(project, user).await?;
        self.let_go(user).await;
        Ok(gone)
    }

    async fn let_go(&self, user: UserId) {
        for (key, _) in &self.keys {
            if key.1 == user.0 {
                self.keys.invalidate(&*key).await;
            }
        }
    }

    /// The keys of those who were not forgotten.
    async fn known(
        &self,
        project: ProjectId,
        people: Vec<Uuid>,
    ) -> Result<HashMap<Uuid, Sealer>, StoreError> {
        let mut keys = HashMap::with_capacity(people.len());
        if people.is_empty() {
            return Ok(keys);
        }
        for (subject, sealed) in self.store.subject_keys(project, people).await? {
            keys.insert(subject, self.unsealed(project, subject, &sealed)?);
        }
        Ok(keys)
    }

    fn unsealed(
        &self,
        project: ProjectId,
        subject: Uuid,
        sealed: &[u8],
    ) -> Result<Sealer, StoreError> {
        let plain = self.sealer.open_sealed(project, subject.as_bytes(), sealed).map_err(broken)?;
        let plain = plain.try_into().map_err(|_| StoreError::Corrupt("key of a person".into()))?;
        Sealer::with_key(plain).map_err(broken)
    }

    async fn key(&self, project: ProjectId, subject: Uuid) -> Result<Sealer, StoreError> {
        if let Some(key) = self.keys.get(&(project, subject)).await {
            return Ok(key);
        }
        let fresh: [u8; 32] = rand::random();
        let fresh = self.sealer.seal(project, subject.as_bytes(), &fresh).map_err(broken)?;
        let now = self.clock.now();
        let sealed = self.store.subject_key(project, subject, &fresh, now).await?;
        let key = self.unsealed(project, subject, &sealed)?;
        self.keys.insert((project, subject), key.clone()).await;
        Ok(key)
    }
}

fn opened(key: &Sealer, project: ProjectId, sealed: &[u8]) -> Option<Value> {
    let plain = key.open_sealed(project, ROW, sealed).ok()?;
    serde_json::from_slice(&plain).ok()
}

fn broken(error: crypto::seal::SealError) -> StoreError {
    error.into()
}
