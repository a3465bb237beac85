//! The chain of the audit log: rows get their places in it, are read along it, and are forgotten from its beginning.

use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::super::engine::{Tx, insert, sql, verb};
use super::super::{Result, Store, StoreError};
use super::{Kept, link, row};
use domain::audit::{Checkpoint, Link, Linked, Row, chained};
use domain::id::ProjectId;
use domain::time::Time;

/// What a sealer did in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// How many rows got their place.
    pub rows: usize,
    /// The end of the chain.
    pub head: Link,
}

impl Store {
    /// The projects with rows that wait for their place, each with the time of its oldest one.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn unsealed_audit(&self) -> Result<Vec<(ProjectId, Time)>> {
        self.read(
            "unsealed_audit",
            verb!(|tx| {
                sql!(
                    tx,
                    fetch_all as (ProjectId, Time),
                    "SELECT project_id, MIN(at) FROM audit_pending GROUP BY project_id"
                )
            }),
        )
        .await
    }

    /// Gives up to `limit` committed rows of a project their places, in the order of their ids. One that commits later
    /// than a younger one simply comes later in the chain. Two sealers can't take the same place: the second finds it
    /// taken and looks again.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn seal_audit(&self, project: ProjectId, limit: i64) -> Result<Sealed> {
        self.write(
            "seal_audit",
            verb!(|tx| { seal(tx, project, limit).await.map_err(StoreError::again_on_conflict) }),
        )
        .await
    }

    /// The end of a project's chain, if it has any.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn audit_head(&self, project: ProjectId) -> Result<Option<Link>> {
        self.read("audit_head", verb!(|tx| { head(tx, project).await })).await
    }

    /// All projects, those that were archived too, with their short names.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn audited_projects(&self) -> Result<Vec<(ProjectId, String)>> {
        self.read(
            "audited_projects",
            verb!(|tx| {
                sql!(
                    tx,
                    fetch_all as (ProjectId, String),
                    "SELECT id, slug FROM projects ORDER BY id"
                )
            }),
        )
        .await
    }

    /// One place of a project's chain.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn audit_link(&self, project: ProjectId, seq: i64) -> Result<Option<Link>> {
        let found = self
            .read(
                "audit_link",
                verb!(|tx| {
                    sql!(
                        tx,
                        fetch_optional as (i64, Vec<u8>),
                        "SELECT seq, hash FROM audit_chain WHERE project_id = $1 AND seq = $2",
                        project,
                        seq
                    )
                }),
            )
            .await?;
        found.map(|(seq, hash)| link(seq, hash)).transpose()
    }

    /// Up to `limit` places of a project's chain behind `after`, with what stands there.
    ///
    /// # Errors
    /// When the engine is away, or what stands there can't even be read.
    pub async fn audit_links(
        &self,
        project: ProjectId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Linked>> {
        let found = self
            .read("audit_links", verb!(|tx| {
                // One statement sees one state: rows that are forgotten meanwhile are not taken for missing.
                sql!(
                    tx, fetch_all as Standing,
                    "SELECT c.seq, c.audit_id, c.hash, a.at, a.actor_kind, a.actor_id, a.action, a.resource_id,
                            a.before_change, a.after_change, a.subject_id, a.personal, a.origin, a.correlation_id
                     FROM audit_chain c LEFT JOIN audit a ON a.project_id = c.project_id AND a.id = c.audit_id
                     WHERE c.project_id = $1 AND c.seq > $2 ORDER BY c.seq LIMIT $3",
                    project, after, limit
                )
            }))
            .await?;
        found.into_iter().map(|standing| linked(project, standing)).collect()
    }

    /// A row that nobody sealed and that waits for nobody either: no transaction of the product wrote it. Looks at
    /// everything.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn stray_audit(&self, project: ProjectId) -> Result<Option<Uuid>> {
        let found = self
            .read("stray_audit", verb!(|tx| {
                sql!(
                    tx, fetch_optional as (Uuid,),
                    "SELECT a.id FROM audit a
                     LEFT JOIN audit_chain c ON c.project_id = a.project_id AND c.audit_id = a.id
                     LEFT JOIN audit_pending p ON p.project_id = a.project_id AND p.audit_id = a.id
                     WHERE a.project_id = $1 AND c.seq IS NULL AND p.at IS NULL ORDER BY a.id LIMIT 1",
                    project
                )
            }))
            .await?;
        Ok(found.map(|(id,)| id))
    }

    /// How many rows of a project wait for their place.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn count_unsealed_audit(&self, project: ProjectId) -> Result<i64> {
        let (count,) = self
            .read(
                "count_unsealed_audit",
                verb!(|tx| {
                    sql!(
                        tx,
                        fetch_one as (i64,),
                        "SELECT COUNT(*) FROM audit_pending WHERE project_id = $1",
                        project
                    )
                }),
            )
            .await?;
        Ok(count)
    }

    /// Up to where a project's log was forgotten, if anything of it was.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn audit_checkpoint(&self, project: ProjectId) -> Result<Option<Checkpoint>> {
        self.read("audit_checkpoint", verb!(|tx| { checkpoint(tx, project).await })).await
    }

    /// Forgets the rows of a project's log up to a checkpoint and leaves it in their place. Answers how many they were.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn forget_audit(&self, project: ProjectId, upto: &Checkpoint) -> Result<u64> {
        let upto = upto.clone();
        self.write("forget_audit", verb!(|tx, upto| {
            leave(tx, project, &upto).await.map_err(StoreError::again_on_conflict)?;
            sql!(
                tx, execute,
                "DELETE FROM audit WHERE project_id = $1
                   AND id IN (SELECT audit_id FROM audit_chain WHERE project_id = $2 AND seq <= $3)",
                project, project, upto.link.seq
            )?;
            sql!(
                tx,
                execute,
                "DELETE FROM audit_chain WHERE project_id = $1 AND seq <= $2",
                project,
                upto.link.seq
            )
        }))
        .await
    }
}

type Standing = (
    i64,
    Uuid,
    Vec<u8>,
    Option<Time>,
    Option<String>,
    Option<Uuid>,
    Option<String>,
    Option<Uuid>,
    Option<Json<Value>>,
    Option<Json<Value>>,
    Option<Uuid>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<String>,
);

fn linked(project: ProjectId, standing: Standing) -> Result<Linked> {
    let (seq, id, hash, at, actor_kind, actor_id, action, resource, before, after, ..) = standing;
    let (.., subject, personal, origin, correlation) = standing;
    let link = link(seq, hash)?;
    // The columns that can't be null tell whether the row is there.
    let there = (at, actor_kind, actor_id, action, resource, subject);
    let row = match there {
        (
            Some(at),
            Some(actor_kind),
            Some(actor_id),
            Some(action),
            Some(resource),
            Some(subject),
        ) => Some(Row {
            id,
            project,
            at,
            actor_kind,
            actor_id,
            action,
            resource,
            before: before.map(|value| value.0),
            after: after.map(|value| value.0),
            subject,
            personal,
            origin,
            correlation,
            place: Some(link),
        }),
        _ => None,
    };
    Ok(Linked { link, id, row })
}

async fn head(tx: &mut Tx, project: ProjectId) -> Result<Option<Link>> {
    let last = sql!(
        tx,
        fetch_optional as (i64, Vec<u8>),
        "SELECT seq, hash FROM audit_chain WHERE project_id = $1 ORDER BY seq DESC LIMIT 1",
        project
    )?;
    match last {
        Some((seq, hash)) => link(seq, hash).map(Some),
        // Everything may have been forgotten.
        None => Ok(checkpoint(tx, project).await?.map(|one| one.link)),
    }
}

async fn checkpoint(tx: &mut Tx, project: ProjectId) -> Result<Option<Checkpoint>> {
    let found = sql!(
        tx,
        fetch_optional as (i64, Vec<u8>, Time, Vec<u8>),
        "SELECT seq, hash, at, signature FROM audit_checkpoints WHERE project_id = $1",
        project
    )?;
    let read =
        |(seq, hash, at, signature)| Ok(Checkpoint { link: link(seq, hash)?, at, signature });
    found.map(read).transpose()
}

async fn seal(tx: &mut Tx, project: ProjectId, limit: i64) -> Result<Sealed> {
    let before = head(tx, project).await?.unwrap_or(Link::START);
    let mut head = before;
    let waiting = sql!(
        tx, fetch_all as Kept,
        "SELECT a.id, a.at, a.actor_kind, a.actor_id, a.action, a.resource_id, a.before_change, a.after_change,
                a.subject_id, a.personal, a.origin, a.correlation_id, c.seq, c.hash
         FROM audit_pending p JOIN audit a ON a.project_id = p.project_id AND a.id = p.audit_id
         LEFT JOIN audit_chain c ON c.project_id = p.project_id AND c.audit_id = p.audit_id
         WHERE p.project_id = $1 ORDER BY p.audit_id LIMIT $2",
        project, limit
    )?;
    let mut links: Vec<(Uuid, Link)> = Vec::with_capacity(waiting.len());
    for kept in waiting {
        let row = row(project, kept)?;
        head = Link { seq: head.seq + 1, hash: chained(&head.hash, head.seq + 1, &row) };
        links.push((row.id, head));
    }
    insert!(
        tx,
        "INSERT INTO audit_chain (project_id, seq, audit_id, hash)",
        links,
        "",
        {
            ProjectId = |_one| project,
            i64 = |one| one.1.seq,
            Uuid = |one| one.0,
            Vec<u8> = |one| one.1.hash.to_vec(),
        }
    );
    sql!(
        tx,
        execute,
        "DELETE FROM audit_pending WHERE project_id = $1
           AND audit_id IN (SELECT audit_id FROM audit_chain WHERE project_id = $2 AND seq > $3)",
        project,
        project,
        before.seq
    )?;
    Ok(Sealed { rows: links.len(), head })
}

/// Puts the checkpoint where the one before it is; one that is further stays.
async fn leave(tx: &mut Tx, project: ProjectId, upto: &Checkpoint) -> Result<()> {
    let (seq, hash) = (upto.link.seq, upto.link.hash.to_vec());
    if let Some(known) = checkpoint(tx, project).await? {
        if known.link.seq < seq {
            sql!(
                tx,
                execute,
                "UPDATE audit_checkpoints SET seq = $1, hash = $2, at = $3, signature = $4
                 WHERE project_id = $5 AND seq < $6",
                seq,
                hash,
                upto.at,
                upto.signature.clone(),
                project,
                seq
            )?;
        }
        return Ok(());
    }
    sql!(
        tx, execute,
        "INSERT INTO audit_checkpoints (project_id, seq, hash, at, signature) VALUES ($1, $2, $3, $4, $5)",
        project, seq, hash, upto.at, upto.signature.clone()
    )
    .map(|_| ())
}
