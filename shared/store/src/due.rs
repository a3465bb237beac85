//! What waits for a time. Rows here are inserted and deleted, never updated, so that the rows they stand for need no
//! index on anything that changes.

use uuid::Uuid;

use super::engine::{Bundle, Tx, gather, sql, update, verb};
use super::{Result, Store};
use domain::id::{DeliveryId, GroupId, ProjectId, RunId};
use domain::names::words;
use domain::time::Time;

words! {
    /// What a due row waits for.
    DueKind {
        /// A claim that is not settled by then has expired; its data are the deliveries' ids.
        Claim = 1 "claim",
        /// A delivery's next attempt.
        Retry = 2 "retry",
        /// A delivery that nobody took.
        Planned = 3 "planned",
        /// A tick that nobody ran.
        Tick = 4 "tick",
        /// A group that is to be looked at again; its data is the group's hash.
        Group = 5 "group",
        /// A run that a worker is to begin or, if the worker at it is gone, to go on with.
        Run = 6 "run",
    }
}

/// Under which terms an evaluating worker takes the first deliveries for itself.
#[derive(Clone, Copy, Debug)]
pub struct ClaimTerms {
    /// The token of the claim.
    pub token: Uuid,
    /// Until when it holds.
    pub until: Time,
    /// How many deliveries the worker takes; what is over waits for whoever is free.
    pub limit: usize,
    /// From when the due loop may take what waits.
    pub planned_at: Time,
}

/// A row that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Whose it is.
    pub project: ProjectId,
    /// What it waits for.
    pub kind: DueKind,
    /// The row, or the token of the claim.
    pub row: Uuid,
    /// Until when.
    pub at: Time,
    /// What else is needed then.
    pub data: Option<Vec<u8>>,
}

impl Due {
    /// The row that ends a claim of `deliveries`; none when nothing is claimed.
    pub fn claim(
        project: ProjectId,
        terms: &ClaimTerms,
        deliveries: &[DeliveryId],
    ) -> Option<Self> {
        let data: Vec<u8> = deliveries.iter().flat_map(|id| *id.0.as_bytes()).collect();
        let kind = DueKind::Claim;
        (!data.is_empty()).then_some(Self {
            project,
            kind,
            row: terms.token,
            at: terms.until,
            data: Some(data),
        })
    }

    /// The deliveries that it is about.
    pub fn deliveries(&self) -> Vec<DeliveryId> {
        match (&self.data, self.kind) {
            (Some(data), DueKind::Claim) => data
                .chunks_exact(16)
                .filter_map(|id| Uuid::from_slice(id).ok())
                .map(DeliveryId)
                .collect(),
            _ => vec![DeliveryId(self.row)],
        }
    }

    /// How much work it is.
    pub(super) fn count(&self) -> usize {
        self.deliveries().len().max(1)
    }

    /// Leaves it no more than `count` deliveries; answers a row of the others.
    fn split_off(&mut self, count: usize) -> Option<Self> {
        let over = |data: &&mut Vec<u8>| self.kind == DueKind::Claim && data.len() > count * 16;
        let rest = self.data.as_mut().filter(over)?.split_off(count * 16);
        Some(Self { data: Some(rest), ..self.clone() })
    }
}

pub(super) async fn insert_due(tx: &mut Tx, rows: &[Due]) -> Result<()> {
    let mut bundle = Bundle::default();
    gather_due(tx, &mut bundle, rows).await?;
    bundle.run(tx).await
}

/// Inserts rows with the other statements of a bundle.
pub(super) async fn gather_due(tx: &mut Tx, bundle: &mut Bundle, rows: &[Due]) -> Result<()> {
    gather!(tx, bundle, "INSERT INTO due (project_id, kind, row_id, at, data)", rows, "ON CONFLICT DO NOTHING", {
        ProjectId = |one| one.project,
        i16 = |one| one.kind.number(),
        Uuid = |one| one.row,
        Time = |one| one.at,
        Option<Vec<u8>> = |one| one.data.clone(),
    });
    Ok(())
}

/// Deletes rows, those that are there.
pub(super) async fn delete_due(tx: &mut Tx, rows: &[(ProjectId, DueKind, Uuid)]) -> Result<()> {
    update!(
        tx,
        "due",
        rows,
        key {
            project_id: ProjectId = |one| one.0,
            kind: i16 = |one| one.1.number(),
            row_id: Uuid = |one| one.2,
        }
    );
    Ok(())
}

type Row = (ProjectId, i16, Uuid, Time, Option<Vec<u8>>);

/// Which of what is due may be taken: not what belongs to a queue that is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Deliveries and claims of them.
    pub deliveries: bool,
    /// Ticks.
    pub ticks: bool,
}

/// The oldest rows of a project that are due, but for groups and runs, which are taken one by one; as many as make no more
/// work than `limit`. What another worker is about to take is left to it.
pub(super) async fn take_due(
    tx: &mut Tx,
    project: ProjectId,
    open: Open,
    now: Time,
    limit: usize,
) -> Result<Vec<Due>> {
    let rows = sql!(
        tx, fetch_all as Row,
        lite "SELECT project_id, kind, row_id, at, data FROM due
              WHERE project_id = $1 AND at <= $2 AND kind < 5 AND CASE WHEN kind = 4 THEN $3 ELSE $4 END ORDER BY at LIMIT $5",
        server "SELECT project_id, kind, row_id, at, data FROM due
            WHERE project_id = $1 AND at <= $2 AND kind < 5 AND CASE WHEN kind = 4 THEN $3 ELSE $4 END ORDER BY at LIMIT $5
            FOR UPDATE SKIP LOCKED",
        project, now, open.ticks, open.deliveries, limit as i64
    )?;
    let due = |(project, kind, row, at, data): Row| {
        DueKind::from_number(kind).map(|kind| Due { project, kind, row, at, data })
    };
    let (mut taken, mut left, mut room) = (Vec::new(), None, limit);
    // A kind that only a newer build knows is left to it.
    for mut one in rows.into_iter().filter_map(due) {
        if room == 0 {
            break;
        }
        left = one.split_off(room);
        room -= one.count().min(room);
        taken.push(one);
    }
    let keys: Vec<(ProjectId, DueKind, Uuid)> =
        taken.iter().map(|one| (one.project, one.kind, one.row)).collect();
    delete_due(tx, &keys).await?;
    insert_due(tx, left.as_slice()).await?;
    Ok(taken)
}

impl Store {
    /// The projects that have something due at `now`.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn projects_with_due(&self, now: Time) -> Result<Vec<ProjectId>> {
        let rows = self
            .read("projects_with_due", verb!(|tx| {
                // Jumps from project to project along the index, however many rows each has.
                sql!(
                    tx, fetch_all as (ProjectId,),
                    "WITH RECURSIVE p (id) AS (
                       SELECT (SELECT project_id FROM due ORDER BY project_id LIMIT 1)
                       UNION ALL
                       SELECT (SELECT project_id FROM due WHERE project_id > p.id ORDER BY project_id LIMIT 1)
                       FROM p WHERE p.id IS NOT NULL
                     )
                     SELECT id FROM p WHERE id IS NOT NULL
                       AND EXISTS (SELECT 1 FROM due WHERE project_id = p.id AND at <= $1)",
                    now
                )
            }))
            .await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// The groups of a project that are to be looked at again, oldest first. They stay due until that is done.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn due_groups(
        &self,
        project: ProjectId,
        now: Time,
        limit: usize,
    ) -> Result<Vec<(Uuid, GroupId)>> {
        let rows = self
            .read(
                "due_groups",
                verb!(|tx| {
                    sql!(
                        tx,
                        fetch_all as (Uuid, Option<Vec<u8>>),
                        "SELECT row_id, data FROM due WHERE project_id = $1 AND at <= $2 AND kind = 5
                         ORDER BY at LIMIT $3",
                        project,
                        now,
                        limit as i64
                    )
                }),
            )
            .await?;
        let group =
            |(row, data): (Uuid, Option<Vec<u8>>)| Some((row, GroupId::from_bytes(&data?)?));
        Ok(rows.into_iter().filter_map(group).collect())
    }

    /// The runs of a project that wait for a worker, oldest first. They stay due until one begins.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn due_runs(
        &self,
        project: ProjectId,
        now: Time,
        limit: usize,
    ) -> Result<Vec<RunId>> {
        let rows = self
            .read(
                "due_runs",
                verb!(|tx| {
                    sql!(
                        tx,
                        fetch_all as (RunId,),
                        "SELECT row_id FROM due WHERE project_id = $1 AND at <= $2 AND kind = 6
                         ORDER BY at LIMIT $3",
                        project,
                        now,
                        limit as i64
                    )
                }),
            )
            .await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// When the next row of any project falls due.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn next_due(&self) -> Result<Option<Time>> {
        self.read(
            "next_due",
            verb!(|tx| {
                let (at,) = sql!(tx, fetch_one as (Option<Time>,), "SELECT MIN(at) FROM due")?;
                Ok(at)
            }),
        )
        .await
    }
}
