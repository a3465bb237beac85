//! The audit log: read, taken out, held against its chain.

mod export;
mod wire;

use std::sync::Arc;

use domain::audit::{AuditAction, RESOURCE_TYPES};
use domain::fault::FaultCode;
use domain::feature::Feature;
use poem::Request;
use poem_openapi::OpenApi;
use poem_openapi::param::Query;
use runtime::app::App;
use serde_json::json;
use store::audit::AuditFilter;
use uuid::Uuid;

use super::Tag;
use crate::auth::{AuditExport, AuditRead, Caller, Right};
use crate::features;
use crate::page::{self, List};
use crate::problem::{Code, Failure, Lists, Problem};
use crate::wire::{Answer, Stamp};
use export::Csv;
pub use wire::AuditRow;
use wire::{AuditPage, AuditVerdict};

/// The operations on the audit log.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

/// How many rows one request verifies at most: a second or two.
const VERIFIED: u64 = 50_000;

#[OpenApi(prefix_path = "/api/v1/audit", tag = "Tag::Audit")]
impl Operations {
    /// List the audit log
    ///
    /// Needs the permission `audit:read`; with `audit:read:own` one sees what one did oneself. Newest first. A row is
    /// written by the transaction that it tells of, and gets its place in the chain some seconds later.
    #[oai(path = "/", method = "get", operation_id = "list_audit")]
    #[allow(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        caller: Caller<AuditRead>,
        /// Only what was done at this time or later.
        from: Query<Option<Stamp>>,
        /// Only what was done before this time.
        to: Query<Option<Stamp>>,
        /// Only what this one did: the id of a person or key.
        user: Query<Option<Uuid>>,
        /// Only this action, like `user.create`.
        #[oai(validator(max_length = 64))]
        action: Query<Option<String>>,
        /// Only what was done to things of this kind, like `user`.
        #[oai(validator(max_length = 64))]
        resource_type: Query<Option<String>>,
        /// Only what was done to this one.
        resource_id: Query<Option<Uuid>>,
        /// How many on a page.
        #[oai(
            default = "page::default_limit",
            validator(minimum(value = "1"), maximum(value = "200"))
        )]
        limit: Query<u32>,
        /// The `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
    ) -> Result<Answer<AuditPage>, Failure<Lists>> {
        let asked = filter(from.0, to.0, user.0, action.0, resource_type.0, resource_id.0)?;
        let filter = within(&caller, asked)?;
        let list = List::new("audit", caller.project, &filter);
        let before = list.read(cursor.0.as_deref())?;
        let limit = limit.0.clamp(1, page::MAX);
        let audit = &self.app.audit;
        let found = audit.list(caller.project, filter, before, i64::from(limit) + 1).await?;
        let (rows, next_cursor) = page::cut(found, limit, &list, |one| one.row.id);
        Ok(Answer(AuditPage { items: rows.into_iter().map(Into::into).collect(), next_cursor }))
    }

    /// Export the audit log
    ///
    /// Needs the permission `audit:export`; with `audit:export:own` one gets what one did oneself. CSV, newest first, as
    /// long as it is. What a spreadsheet would take for a formula has an apostrophe before it. The export itself is
    /// written down in the log.
    #[oai(path = "/export", method = "get", operation_id = "export_audit")]
    #[allow(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn export(
        &self,
        caller: Caller<AuditExport>,
        request: &Request,
        /// Only what was done at this time or later.
        from: Query<Option<Stamp>>,
        /// Only what was done before this time.
        to: Query<Option<Stamp>>,
        /// Only what this one did: the id of a person or key.
        user: Query<Option<Uuid>>,
        /// Only this action, like `user.create`.
        #[oai(validator(max_length = 64))]
        action: Query<Option<String>>,
        /// Only what was done to things of this kind, like `user`.
        #[oai(validator(max_length = 64))]
        resource_type: Query<Option<String>>,
        /// Only what was done to this one.
        resource_id: Query<Option<Uuid>>,
    ) -> Result<Csv, Failure<Lists>> {
        features::demand(&self.app, caller.project, Feature::AuditExport)?;
        let asked = filter(from.0, to.0, user.0, action.0, resource_type.0, resource_id.0)?;
        let filter = within(&caller, asked)?;
        let audit = &self.app.audit;
        // It is written down before anything is given out.
        audit.note_export(caller.project, &caller.initiator, told(&filter)).await?;
        let right = Right::of(&self.app, request, &caller);
        Ok(export::run(audit.clone(), caller.project, filter, right).await?)
    }

    /// Verify the audit log
    ///
    /// Needs the permission `audit:read` for the whole project. Holds the rows against their chain, at most 50000 in one
    /// request: while `next_after` is there, ask again with it. The answer names the first row that was changed, removed
    /// or moved behind the product's back; what only the newest rows could tell, the heads in the process's own log do.
    #[oai(path = "/verify", method = "get", operation_id = "verify_audit")]
    async fn verify(
        &self,
        caller: Caller<AuditRead>,
        /// Begin behind this place: the `next_after` of the answer before.
        #[oai(validator(minimum(value = "0")))]
        after: Query<Option<i64>>,
    ) -> Result<Answer<AuditVerdict>, Failure<Lists>> {
        caller.demand_any()?;
        let audit = &self.app.audit;
        if let Some(after) = after.0 {
            let last = audit.last_place(caller.project).await?;
            if after > last {
                let right = format!("from 0 to {last}, the last place of this log");
                return Err(Problem::parameter("after", FaultCode::Invalid, right).into());
            }
        }
        Ok(Answer(audit.verify(caller.project, after.0, VERIFIED).await?.into()))
    }
}

/// Reads what chooses the rows.
fn filter(
    from: Option<Stamp>,
    to: Option<Stamp>,
    actor: Option<Uuid>,
    action: Option<String>,
    resource_type: Option<String>,
    resource: Option<Uuid>,
) -> Result<AuditFilter, Problem> {
    let wrong =
        |name: &'static str, right: String| Problem::parameter(name, FaultCode::Invalid, right);
    if action.as_deref().is_some_and(|word| AuditAction::parse(word).is_none()) {
        let all: Vec<&str> = AuditAction::ALL.iter().map(|one| one.as_str()).collect();
        return Err(wrong("action", format!("one of {}", all.join(", "))));
    }
    if resource_type.as_deref().is_some_and(|word| !RESOURCE_TYPES.contains(&word)) {
        return Err(wrong("resource_type", format!("one of {}", RESOURCE_TYPES.join(", "))));
    }
    let (from, to) = (from.map(|time| time.0), to.map(|time| time.0));
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        return Err(wrong("to", "it must be a time after from".to_owned()));
    }
    Ok(AuditFilter { from, to, actor, action, resource_type, resource, about: None })
}

/// Keeps those who may see no more than their own to that.
fn within<N>(caller: &Caller<N>, filter: AuditFilter) -> Result<AuditFilter, Problem> {
    if caller.any {
        return Ok(filter);
    }
    let own = caller.user().map(|user| user.0);
    if filter.actor.is_some() && filter.actor != own {
        let detail = "Your permission audit:read reaches your own entries alone; leave `user` out, or name yourself.";
        return Err(Problem::new(Code::Forbidden, detail));
    }
    match own {
        Some(own) => Ok(AuditFilter { actor: Some(own), ..filter }),
        None => Err(Problem::internal()),
    }
}

/// What chose the rows, for the log.
fn told(filter: &AuditFilter) -> serde_json::Value {
    json!({
        "from": filter.from.map(domain::time::Time::rfc3339),
        "to": filter.to.map(domain::time::Time::rfc3339),
        "user": filter.actor,
        "action": filter.action,
        "resource_type": filter.resource_type,
        "resource_id": filter.resource,
    })
}
