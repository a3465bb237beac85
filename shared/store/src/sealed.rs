//! What is sealed with the sealing key, wherever it stands: the one list that a rotation of that key walks.

use uuid::Uuid;

use super::engine::{Tx, sql, verb};
use super::once::answer_name;
use super::{Result, Store};
use domain::audit::{Checkpoint, Link};
use domain::id::ProjectId;
use domain::once::Operation;
use domain::time::Time;

/// A column whose values are sealed with the sealing key, or signed with one that follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// The signing secrets of webhook endpoints.
    EndpointSecrets,
    /// The secrets that webhook endpoints had before.
    FormerSecrets,
    /// The keys that sign access tokens.
    SigningKeys,
    /// The keys of people, under which personal values stand in the audit log and in sessions.
    SubjectKeys,
    /// The secrets in projects' settings.
    ProjectSecrets,
    /// The secrets of second factors.
    SecondFactors,
    /// Mails that wait to be sent.
    Mails,
    /// The signatures of the audit log's checkpoints.
    AuditCheckpoints,
    /// Answers to requests that are done once.
    OnceAnswers,
    /// What tells whether a key is the one that the store was sealed with.
    Probe,
}

impl Column {
    /// All of them. A new column comes here, and a test of the house says so when it does not.
    pub const ALL: [Self; 10] = [
        Self::EndpointSecrets,
        Self::FormerSecrets,
        Self::SigningKeys,
        Self::SubjectKeys,
        Self::ProjectSecrets,
        Self::SecondFactors,
        Self::Mails,
        Self::AuditCheckpoints,
        Self::OnceAnswers,
        Self::Probe,
    ];

    /// Its name, with that of its table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EndpointSecrets => "webhook_endpoints.secret",
            Self::FormerSecrets => "endpoint_secrets.secret",
            Self::SigningKeys => "signing_keys.secret",
            Self::SubjectKeys => "subject_keys.secret",
            Self::ProjectSecrets => "project_secrets.secret",
            Self::SecondFactors => "second_factors.secret",
            Self::Mails => "mails.content",
            Self::AuditCheckpoints => "audit_checkpoints.signature",
            Self::OnceAnswers => "idempotency_keys.answer",
            Self::Probe => "seal_probe.value",
        }
    }
}

/// Which row of its table: the next one is greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its project; nil where rows have none.
    pub project: ProjectId,
    /// The rest of its key; nil where that is a text or nothing.
    pub id: Uuid,
    /// The rest of its key, where that is a text.
    pub name: String,
}

impl Place {
    const fn of(project: ProjectId, id: Uuid) -> Self {
        Self { project, id, name: String::new() }
    }
}

/// A sealed value where it stands.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Where.
    pub place: Place,
    /// The value.
    pub bytes: Vec<u8>,
    /// Of a signature, what was signed.
    pub signed: Option<Vec<u8>>,
}

type ById = (ProjectId, Uuid, Vec<u8>);

fn by_id((project, id, bytes): ById) -> Sealed {
    Sealed { place: Place::of(project, id), bytes, signed: None }
}

impl Store {
    /// At most `limit` sealed values of a column, from behind a place.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn sealed(
        &self,
        column: Column,
        after: Option<Place>,
        limit: i64,
    ) -> Result<Vec<Sealed>> {
        self.read("sealed", move |tx| {
            // The first row may have the least key of all.
            let first = after.is_none();
            let after = after.clone().unwrap_or(Place::of(ProjectId::PLATFORM, Uuid::nil()));
            Box::pin(async move { read(tx, column, first, after, limit).await })
        })
        .await
    }

    /// Puts values in the place of those that were read, where these still stand; answers how many did. A value that
    /// was changed or taken away meanwhile was sealed with the newest key, or is no more.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn replace_sealed(
        &self,
        column: Column,
        changes: Vec<(Sealed, Vec<u8>)>,
    ) -> Result<u64> {
        self.write(
            "replace_sealed",
            verb!(|tx, changes| {
                let mut touched = 0;
                for (old, new) in changes {
                    touched += replace(tx, column, old, new).await?;
                }
                Ok(touched)
            }),
        )
        .await
    }
}

async fn read(
    tx: &mut Tx,
    column: Column,
    first: bool,
    after: Place,
    limit: i64,
) -> Result<Vec<Sealed>> {
    let Place { project, id, name } = after;
    Ok(match column {
        Column::EndpointSecrets => sql!(
            tx, fetch_all as ById,
            "SELECT project_id, id, secret FROM webhook_endpoints
             WHERE project_id >= $1 AND ($2 OR project_id > $3 OR id > $4) ORDER BY project_id, id LIMIT $5",
            project, first, project, id, limit
        )?
        .into_iter()
        .map(by_id)
        .collect(),
        Column::FormerSecrets => sql!(
            tx, fetch_all as ById,
            "SELECT project_id, endpoint_id, secret FROM endpoint_secrets
             WHERE project_id >= $1 AND ($2 OR project_id > $3 OR endpoint_id > $4)
             ORDER BY project_id, endpoint_id LIMIT $5",
            project, first, project, id, limit
        )?
        .into_iter()
        .map(by_id)
        .collect(),
        Column::SubjectKeys => sql!(
            tx, fetch_all as ById,
            "SELECT project_id, subject_id, secret FROM subject_keys
             WHERE project_id >= $1 AND ($2 OR project_id > $3 OR subject_id > $4)
             ORDER BY project_id, subject_id LIMIT $5",
            project, first, project, id, limit
        )?
        .into_iter()
        .map(by_id)
        .collect(),
        Column::SecondFactors => sql!(
            tx, fetch_all as ById,
            "SELECT project_id, user_id, secret FROM second_factors
             WHERE project_id >= $1 AND ($2 OR project_id > $3 OR user_id > $4)
             ORDER BY project_id, user_id LIMIT $5",
            project, first, project, id, limit
        )?
        .into_iter()
        .map(by_id)
        .collect(),
        Column::Mails => sql!(
            tx, fetch_all as ById,
            "SELECT project_id, id, content FROM mails
             WHERE project_id >= $1 AND ($2 OR project_id > $3 OR id > $4) AND content IS NOT NULL
             ORDER BY project_id, id LIMIT $5",
            project, first, project, id, limit
        )?
        .into_iter()
        .map(by_id)
        .collect(),
        Column::SigningKeys => sql!(
            tx, fetch_all as (Uuid, Vec<u8>),
            "SELECT id, secret FROM signing_keys WHERE ($1 OR id > $2) ORDER BY id LIMIT $3",
            first, id, limit
        )?
        .into_iter()
        .map(|(id, bytes)| by_id((ProjectId::PLATFORM, id, bytes)))
        .collect(),
        Column::ProjectSecrets => sql!(
            tx, fetch_all as (ProjectId, String, Vec<u8>),
            "SELECT project_id, field, secret FROM project_secrets
             WHERE project_id >= $1 AND ($2 OR project_id > $3 OR field > $4) ORDER BY project_id, field LIMIT $5",
            project, first, project, name, limit
        )?
        .into_iter()
        .map(|(project, name, bytes)| Sealed {
            place: Place { project, id: Uuid::nil(), name },
            bytes,
            signed: None,
        })
        .collect(),
        Column::AuditCheckpoints => sql!(
            tx, fetch_all as (ProjectId, i64, Vec<u8>, Time, Vec<u8>),
            "SELECT project_id, seq, hash, at, signature FROM audit_checkpoints
             WHERE ($1 OR project_id > $2) ORDER BY project_id LIMIT $3",
            first, project, limit
        )?
        .into_iter()
        .map(|(project, seq, hash, at, bytes)| {
            // A hash of another length was written by nobody of ours: what is signed then fits no signature.
            let link = hash.try_into().map(|hash| Link { seq, hash });
            let signed = link.map(|link| Checkpoint::signed(project, link, at));
            Sealed {
                place: Place::of(project, Uuid::nil()),
                bytes,
                signed: Some(signed.unwrap_or_default()),
            }
        })
        .collect(),
        Column::Probe => sql!(
            tx, fetch_all as (ProjectId, Vec<u8>),
            "SELECT project_id, value FROM seal_probe WHERE ($1 OR project_id > $2) ORDER BY project_id LIMIT $3",
            first, project, limit
        )?
        .into_iter()
        .map(|(project, bytes)| by_id((project, Uuid::nil(), bytes)))
        .collect(),
        Column::OnceAnswers => answers(tx, first, project, &name, limit).await?,
    })
}

async fn replace(tx: &mut Tx, column: Column, old: Sealed, new: Vec<u8>) -> Result<u64> {
    let Sealed { place: Place { project, id, name }, bytes, .. } = old;
    match column {
        Column::EndpointSecrets => sql!(
            tx,
            execute,
            "UPDATE webhook_endpoints SET secret = $1 WHERE project_id = $2 AND id = $3 AND secret = $4",
            new,
            project,
            id,
            bytes
        ),
        Column::FormerSecrets => sql!(
            tx,
            execute,
            "UPDATE endpoint_secrets SET secret = $1 WHERE project_id = $2 AND endpoint_id = $3 AND secret = $4",
            new,
            project,
            id,
            bytes
        ),
        Column::SubjectKeys => sql!(
            tx,
            execute,
            "UPDATE subject_keys SET secret = $1 WHERE project_id = $2 AND subject_id = $3 AND secret = $4",
            new,
            project,
            id,
            bytes
        ),
        Column::SigningKeys => sql!(
            tx,
            execute,
            "UPDATE signing_keys SET secret = $1 WHERE id = $2 AND secret = $3",
            new,
            id,
            bytes
        ),
        Column::ProjectSecrets => sql!(
            tx,
            execute,
            "UPDATE project_secrets SET secret = $1 WHERE project_id = $2 AND field = $3 AND secret = $4",
            new,
            project,
            name,
            bytes
        ),
        Column::SecondFactors => sql!(
            tx,
            execute,
            "UPDATE second_factors SET secret = $1 WHERE project_id = $2 AND user_id = $3 AND secret = $4",
            new,
            project,
            id,
            bytes
        ),
        Column::Mails => sql!(
            tx,
            execute,
            "UPDATE mails SET content = $1 WHERE project_id = $2 AND id = $3 AND content = $4",
            new,
            project,
            id,
            bytes
        ),
        Column::AuditCheckpoints => sql!(
            tx,
            execute,
            "UPDATE audit_checkpoints SET signature = $1 WHERE project_id = $2 AND signature = $3",
            new,
            project,
            bytes
        ),
        Column::Probe => sql!(
            tx,
            execute,
            "UPDATE seal_probe SET value = $1 WHERE project_id = $2 AND value = $3",
            new,
            project,
            bytes
        ),
        Column::OnceAnswers => replace_answer(tx, project, &name, bytes, new).await,
    }
}

/// At most `limit` answers, from behind the one of this name in the project.
async fn answers(
    tx: &mut Tx,
    first: bool,
    project: ProjectId,
    name: &str,
    limit: i64,
) -> Result<Vec<Sealed>> {
    let (operation, hash) = key_named(name).unwrap_or_default();
    // Keys of events have no answers, and there are many of them.
    let rows = sql!(
        tx,
        fetch_all as (ProjectId, i16, Vec<u8>, Vec<u8>),
        "SELECT project_id, operation, key_hash, answer FROM idempotency_keys
         WHERE project_id >= $1 AND operation <> $2 AND answer IS NOT NULL
           AND ($3 OR project_id > $4 OR operation > $5 OR (operation = $6 AND key_hash > $7))
         ORDER BY project_id, operation, key_hash LIMIT $8",
        project,
        Operation::AcceptEvent.number(),
        first,
        project,
        operation,
        operation,
        hash,
        limit
    )?;
    Ok(rows
        .into_iter()
        .map(|(project, operation, hash, bytes)| {
            let place = Place { project, id: Uuid::nil(), name: answer_name(operation, &hash) };
            Sealed { place, bytes, signed: None }
        })
        .collect())
}

/// Puts an answer in the place of the one that was read, if that still stands.
async fn replace_answer(
    tx: &mut Tx,
    project: ProjectId,
    name: &str,
    old: Vec<u8>,
    new: Vec<u8>,
) -> Result<u64> {
    let Some((operation, hash)) = key_named(name) else { return Ok(0) };
    sql!(
        tx,
        execute,
        "UPDATE idempotency_keys SET answer = $1
         WHERE project_id = $2 AND operation = $3 AND key_hash = $4 AND answer = $5",
        new,
        project,
        operation,
        hash,
        old
    )
}

fn key_named(name: &str) -> Option<(i16, Vec<u8>)> {
    let (operation, hash) = name.split_once(':')?;
    Some((operation.parse().ok()?, hex::decode(hash).ok()?))
}
