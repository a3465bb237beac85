//! Reading rules and their versions.

use std::collections::HashMap;

use sqlx::types::Json;
use uuid::Uuid;

use crate::engine::{Tx, rows_in, sql, verb};
use crate::{Result, Store, StoreError};
use domain::id::{ProjectId, RuleId, UserId};
use domain::rule::{Priority, Rule, RuleBody, RuleKind, RuleMode, RuleRecord, RuleVersion};
use domain::time::Time;

/// Which rules a list shows.
#[derive(Clone, Debug, Default)]
pub struct RuleFilter {
    /// Those in this mode.
    pub mode: Option<RuleMode>,
    /// Those of this kind.
    pub kind: Option<RuleKind>,
    /// Those of this priority.
    pub priority: Option<Priority>,
    /// Those with this in their name, in any case.
    pub name: Option<String>,
    /// Those that events of this type may match or resolve.
    pub event_type: Option<String>,
}

impl RuleFilter {
    fn fits(&self, rule: &Rule) -> bool {
        let body = &rule.body;
        let name = |part: &String| body.name.to_lowercase().contains(&part.to_lowercase());
        self.mode.is_none_or(|mode| mode == rule.mode)
            && self.kind.is_none_or(|kind| kind == body.kind)
            && self.priority.is_none_or(|priority| priority == body.priority)
            && self.name.as_ref().is_none_or(name)
            && self.event_type.as_ref().is_none_or(|kind| body.may_concern(kind))
    }
}

/// The columns of a rule, in the order of `Row`, with the table; a literal, so that statements can be put together from it.
macro_rules! from_rules {
    () => {
        "SELECT r.id, r.version, r.mode, r.updated_at, r.created_at, v.created_by, r.body FROM rules r
         LEFT JOIN rule_versions v ON v.project_id = r.project_id AND v.rule_id = r.id AND v.version = 1"
    };
}

type Row = (RuleId, i64, i16, Time, Time, Option<UserId>, Json<RuleBody>);

fn record(row: Row) -> RuleRecord {
    let (id, version, mode, since, created_at, created_by, Json(body)) = row;
    let rule = Rule { id, version, mode: mode_of(mode), since, body };
    RuleRecord { rule, created_by, created_at }
}

/// A mode that only a newer build knows does nothing here.
fn mode_of(number: i16) -> RuleMode {
    RuleMode::from_number(number).unwrap_or(RuleMode::Off)
}

type VersionRow = (i64, i16, Option<UserId>, Time, Json<RuleBody>);

fn version(id: RuleId, row: VersionRow) -> RuleVersion {
    let (version, mode, created_by, created_at, Json(body)) = row;
    RuleVersion { rule: id, version, mode: mode_of(mode), body, created_by, created_at }
}

/// How many rows are read at once where a filter may leave most of them out.
const CHUNK: i64 = 500;

/// A rule that was not deleted.
pub(super) async fn live_rule(tx: &mut Tx, project: ProjectId, id: RuleId) -> Result<RuleRecord> {
    let row = sql!(
        tx,
        fetch_optional as Row,
        concat!(from_rules!(), " WHERE r.project_id = $1 AND r.id = $2 AND r.live = $3"),
        project,
        id,
        Uuid::nil()
    )?;
    row.map(record).ok_or(StoreError::NotFound("rule"))
}

/// Rules that were not deleted, newest first, from before `before`.
pub(super) async fn rules_before(
    tx: &mut Tx,
    project: ProjectId,
    before: RuleId,
    limit: i64,
) -> Result<Vec<RuleRecord>> {
    let rows = sql!(
        tx,
        fetch_all as Row,
        concat!(
            from_rules!(),
            " WHERE r.project_id = $1 AND r.live = $2 AND r.id < $3 ORDER BY r.id DESC LIMIT $4"
        ),
        project,
        Uuid::nil(),
        before,
        limit
    )?;
    Ok(rows.into_iter().map(record).collect())
}

impl Store {
    /// Rules, newest first, from before `before`.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn rules(
        &self,
        project: ProjectId,
        filter: RuleFilter,
        before: Option<RuleId>,
        limit: usize,
    ) -> Result<Vec<RuleRecord>> {
        self.read(
            "rules",
            verb!(|tx, filter| {
                let mut last = before.unwrap_or(RuleId(Uuid::max()));
                let mut found = Vec::new();
                // What a filter looks at stands in the body, which each engine would search in another way.
                loop {
                    let rows = rules_before(tx, project, last, CHUNK).await?;
                    let is_last = (rows.len() as i64) < CHUNK;
                    last = rows.last().map_or(last, |one| one.rule.id);
                    found.extend(rows.into_iter().filter(|one| filter.fits(&one.rule)));
                    if is_last || found.len() >= limit {
                        found.truncate(limit);
                        return Ok(found);
                    }
                }
            }),
        )
        .await
    }

    /// A rule.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn rule(&self, project: ProjectId, id: RuleId) -> Result<RuleRecord> {
        self.read("rule", verb!(|tx| { live_rule(tx, project, id).await })).await
    }

    /// The rule of that name, if there is one.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn rule_named(&self, project: ProjectId, name: &str) -> Result<Option<RuleRecord>> {
        let name = name.to_owned();
        let row = self
            .read(
                "rule_named",
                verb!(|tx, name| {
                    sql!(
                        tx,
                        fetch_optional as Row,
                        concat!(
                            from_rules!(),
                            " WHERE r.project_id = $1 AND r.name = $2 AND r.live = $3"
                        ),
                        project,
                        name,
                        Uuid::nil()
                    )
                }),
            )
            .await?;
        Ok(row.map(record))
    }

    /// The versions of a rule before `before`, newest first.
    ///
    /// # Errors
    /// When the rule is not there.
    pub async fn rule_versions(
        &self,
        project: ProjectId,
        id: RuleId,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<RuleVersion>> {
        let rows = self
            .read(
                "rule_versions",
                verb!(|tx| {
                    live_rule(tx, project, id).await?;
                    sql!(
                        tx,
                        fetch_all as VersionRow,
                        "SELECT version, mode, created_by, created_at, body FROM rule_versions
                         WHERE project_id = $1 AND rule_id = $2 AND version < $3 ORDER BY version DESC LIMIT $4",
                        project,
                        id,
                        before.unwrap_or(i64::MAX),
                        limit as i64
                    )
                }),
            )
            .await?;
        Ok(rows.into_iter().map(|row| version(id, row)).collect())
    }

    /// A version of a rule.
    ///
    /// # Errors
    /// When the rule is not there, or has no such version.
    pub async fn rule_version(
        &self,
        project: ProjectId,
        id: RuleId,
        number: i64,
    ) -> Result<RuleVersion> {
        let row = self
            .read(
                "rule_version",
                verb!(|tx| {
                    live_rule(tx, project, id).await?;
                    sql!(
                        tx,
                        fetch_optional as VersionRow,
                        "SELECT version, mode, created_by, created_at, body FROM rule_versions
                         WHERE project_id = $1 AND rule_id = $2 AND version = $3",
                        project,
                        id,
                        number
                    )
                }),
            )
            .await?;
        row.map(|row| version(id, row)).ok_or(StoreError::NotFound("version of the rule"))
    }

    /// The full names of some users.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn full_names(
        &self,
        project: ProjectId,
        users: &[UserId],
    ) -> Result<HashMap<UserId, String>> {
        let users = users.to_vec();
        let rows = self
            .read(
                "full_names",
                verb!(|tx, users| {
                    Ok(rows_in!(
                        tx,
                        as (UserId, String),
                        "SELECT id, full_name FROM users WHERE project_id = $1 AND id",
                        [project],
                        users,
                        lite "",
                        server ""
                    ))
                }),
            )
            .await?;
        Ok(rows.into_iter().collect())
    }
}
