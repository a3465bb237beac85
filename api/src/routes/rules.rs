//! Rules of a project: which events make an alert, for whom; their versions, and what they would do.

mod noise;
mod trial;
mod versions;
mod wire;

use std::sync::Arc;

use domain::event::Event;
use domain::facts::{event_facts, rule_facts};
use domain::fault::{Fault, FaultCode};
use domain::id::{EventId, RuleId};
use domain::once::Operation;
use domain::permission::{Action, Resource, Wanted};
use domain::rule::{self as known, RuleRecord};
use poem::Request;
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};
use runtime::app::App;
use serde::{Deserialize, Serialize};
use services::access::Principal;
use store::rules::RuleFilter;
use uuid::Uuid;

use super::Tag;
use crate::auth::{Caller, Looking, Needs, RulesCreate, RulesDelete, RulesRead, RulesUpdate};
use crate::body::Body;
use crate::etag::{Tagged, if_match};
use crate::once::{MadeOnce, once};
use crate::page::{self, List};
use crate::problem::{
    Acts, Changes, Code, Composes, Edits, Failure, Lists, Problem, Reads, Revises,
};
use crate::wire::{Answer, Done, Stamp};
use noise::NoiseReport;
use trial::{RuleTrial, RuleTrialResult};
use versions::{
    RuleDiff, RuleFieldChange, RuleRestoration, RuleVersion, RuleVersionPage, RuleVersionSummary,
};
pub use wire::NewRule;
use wire::{Rule, RuleKind, RuleMode, RulePriority};

/// The operations on rules.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

/// A page of rules.
#[derive(Clone, Debug, Object, Serialize)]
struct RulePage {
    /// Newest first.
    items: Vec<Rule>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// The mode that a rule is to have.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
struct RuleModeChange {
    /// Whether it works.
    mode: RuleMode,
}

impl Example for RuleModeChange {
    fn example() -> Self {
        Self { mode: RuleMode::Shadow }
    }
}

#[OpenApi(prefix_path = "/api/v1/rules", tag = "Tag::Rules")]
impl Operations {
    /// List rules
    ///
    /// Needs the scope `read` or the permission `rules:read`. Newest first. Where the permission has a condition, pages may
    /// be short.
    #[oai(path = "/", method = "get", operation_id = "list_rules")]
    #[allow(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        caller: Caller<Looking<RulesRead>>,
        /// Only rules in this mode.
        mode: Query<Option<RuleMode>>,
        /// Only rules of this kind.
        kind: Query<Option<RuleKind>>,
        /// Only rules of this priority.
        priority: Query<Option<RulePriority>>,
        /// Only rules with this in their name, in any case.
        #[oai(validator(min_length = 1, max_length = 200))]
        q: Query<Option<String>>,
        /// Only rules that events of this type may match or resolve.
        #[oai(validator(min_length = 1, max_length = 128))]
        event_type: Query<Option<String>>,
        /// How many on a page.
        #[oai(
            default = "page::default_limit",
            validator(minimum(value = "1"), maximum(value = "200"))
        )]
        limit: Query<u32>,
        /// The `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
    ) -> Result<Answer<RulePage>, Failure<Lists>> {
        caller.demand_any()?;
        let filter = RuleFilter {
            mode: mode.0.map(known::RuleMode::from),
            kind: kind.0.map(known::RuleKind::from),
            priority: priority.0.map(known::Priority::from),
            name: q.0,
            event_type: event_type.0,
        };
        let list = List::new("rules", caller.project, &filter);
        let before = list.read(cursor.0.as_deref())?;
        let limit = limit.0.clamp(1, page::MAX);
        let admin = &self.app.admin;
        let (rows, next_cursor) = page::seen(
            limit,
            &list,
            before,
            |after, count| {
                let (filter, after) = (filter.clone(), after.map(RuleId));
                async move { admin.rules(caller.project, filter, after, count).await }
            },
            |record: &RuleRecord| record.rule.id.0,
            |record| caller.may_with(&rule_facts(record), false),
        )
        .await?;
        Ok(Answer(RulePage { items: rows.into_iter().map(Rule::from).collect(), next_cursor }))
    }

    /// Report how noisy rules are
    ///
    /// Needs the scope `read` or the permission `rules:read`. What each rule rang for in a period, and what users did about it:
    /// a rule whose alerts nobody acknowledges before they resolve by themselves wakes people for nothing.
    #[oai(path = "/noise", method = "get", operation_id = "report_noise")]
    async fn noise(
        &self,
        caller: Caller<Looking<RulesRead>>,
        /// From when on; a week before `to`, if nothing is said. At most 31 days before it.
        from: Query<Option<Stamp>>,
        /// Until when; until now, if nothing is said.
        to: Query<Option<Stamp>>,
        /// Only this rule.
        rule_id: Query<Option<Uuid>>,
    ) -> Result<Answer<NoiseReport>, Failure<Reads>> {
        caller.demand_any()?;
        let to = to.0.map_or_else(|| self.app.clock.now(), |to| to.0);
        let from = from.0.map_or_else(|| to.minus(noise::USUAL), |from| from.0);
        if from >= to || to.since(from) > noise::LONGEST {
            let right = "it must be before to, by at most 31 days";
            return Err(Problem::parameter("from", FaultCode::Invalid, right).into());
        }
        if let Some(id) = rule_id.0 {
            readable(&self.app, &caller, RuleId(id)).await?;
        }
        let mut counted = self.app.admin.noise(caller.project, (from, to)).await?;
        counted.retain(|rule, _| rule_id.0.is_none_or(|id| rule.0 == id));
        let mut found = Vec::new();
        let mut before = None;
        // Rules that were deleted meanwhile are left out: nothing can be done about them any more.
        loop {
            let (project, filter) = (caller.project, RuleFilter::default());
            let page = self.app.admin.rules(project, filter, before, page::MAX as usize).await?;
            before = page.last().map(|record| record.rule.id);
            let is_last = page.len() < page::MAX as usize;
            for record in page {
                let noise = counted.remove(&record.rule.id);
                if let Some(noise) = noise.filter(|_| caller.may_with(&rule_facts(&record), false))
                {
                    found.push((record, noise));
                }
            }
            if is_last || counted.is_empty() {
                break;
            }
        }
        Ok(Answer(NoiseReport::new((from, to), found)))
    }

    /// Create a rule
    ///
    /// Needs the permission `rules:create`. Every role, user and rule that it names must be there: 422 names those that are
    /// not. It holds for the events that are evaluated after the answer.
    #[oai(path = "/", method = "post", operation_id = "create_rule")]
    async fn create(
        &self,
        caller: Caller<RulesCreate>,
        /// Makes a retry safe: 1 to 255 visible characters of the caller's choice. The first answer
        /// comes again, and nothing else is made.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        _key: Header<Option<String>>,
        request: &Request,
        body: Body<NewRule>,
    ) -> Result<MadeOnce<Rule>, Failure<Composes>> {
        caller.demand_any()?;
        let mode = body.value.mode.map_or(known::RuleMode::Live, known::RuleMode::from);
        let new = known::RuleBody::from(body.value);
        let what = (Operation::CreateRule, body.bytes.as_ref());
        let made = once(&self.app, caller, request, what, move |app, caller| async move {
            let admin = &app.admin;
            Ok(admin.create_rule(caller.project, new, mode, &caller.initiator).await?.into())
        });
        Ok(made.await?)
    }

    /// Try a rule
    ///
    /// Needs the permission `rules:create`, and `rules:read` and `events:read` for the rule and the event that are named by
    /// their ids. Answers what the rule would do with the event, whatever its mode. Nothing is kept of it, and no user is
    /// notified.
    #[oai(path = "/try", method = "post", operation_id = "try_rule")]
    async fn trial(
        &self,
        caller: Caller<RulesCreate>,
        body: Body<RuleTrial>,
    ) -> Result<Answer<RuleTrialResult>, Failure<Changes>> {
        caller.demand_any()?;
        let (id, rule) = body.value.rule(&self.app, &caller).await?;
        let sample = body.value.sample(&self.app, &caller).await?;
        let tried = self.app.admin.try_rule(caller.project, id, rule, &sample).await?;
        Ok(Answer(tried.into()))
    }

    /// Get a rule
    ///
    /// Needs the scope `read` or the permission `rules:read`.
    #[oai(path = "/:id", method = "get", operation_id = "get_rule")]
    async fn get(
        &self,
        caller: Caller<Looking<RulesRead>>,
        /// The rule.
        id: Path<Uuid>,
    ) -> Result<Tagged<Rule>, Failure<Reads>> {
        Ok(tagged(self.reach(&caller, id.0).await?))
    }

    /// Update a rule
    ///
    /// Needs the permission `rules:update`. Sets all that the rule says: what is left out is as in a rule that was created
    /// without it, but for the mode, which stays. It is a new version, unless it changes nothing.
    #[oai(path = "/:id", method = "put", operation_id = "update_rule")]
    async fn change(
        &self,
        caller: Caller<Looking<RulesUpdate>>,
        /// The rule.
        id: Path<Uuid>,
        /// The ETag of the rule that this is a change of; 412 when it was changed since.
        #[oai(name = "If-Match", validator(max_length = 1000))]
        condition: Header<Option<String>>,
        body: Body<NewRule>,
    ) -> Result<Tagged<Rule>, Failure<Revises>> {
        let condition = if_match(condition.0.as_deref())?;
        let id = self.reach(&caller, id.0).await?.rule.id;
        let mode = body.value.mode.map(known::RuleMode::from);
        let (admin, new) = (&self.app.admin, body.value.into());
        let (project, initiator) = (caller.project, &caller.initiator);
        let changed = admin.change_rule(project, id, new, mode, &condition, initiator);
        Ok(tagged(changed.await?))
    }

    /// Set the mode of a rule
    ///
    /// Needs the permission `rules:update`. Activates the rule (`live`), deactivates it (`off`), or has it decide without
    /// notifying (`shadow`). It is a new version, unless the rule is in that mode.
    #[oai(path = "/:id/mode", method = "post", operation_id = "set_rule_mode")]
    async fn mode(
        &self,
        caller: Caller<Looking<RulesUpdate>>,
        /// The rule.
        id: Path<Uuid>,
        /// The ETag of the rule that this is a change of; 412 when it was changed since.
        #[oai(name = "If-Match", validator(max_length = 1000))]
        condition: Header<Option<String>>,
        body: Body<RuleModeChange>,
    ) -> Result<Tagged<Rule>, Failure<Edits>> {
        let condition = if_match(condition.0.as_deref())?;
        let id = self.reach(&caller, id.0).await?.rule.id;
        let (admin, mode) = (&self.app.admin, body.value.mode.into());
        let set = admin.set_rule_mode(caller.project, id, mode, &condition, &caller.initiator);
        Ok(tagged(set.await?))
    }

    /// Delete a rule
    ///
    /// Needs the permission `rules:delete`. One that inhibits others is not deleted; the answer names them.
    #[oai(path = "/:id", method = "delete", operation_id = "delete_rule")]
    async fn delete(
        &self,
        caller: Caller<Looking<RulesDelete>>,
        /// The rule.
        id: Path<Uuid>,
    ) -> Result<Done, Failure<Acts>> {
        let id = self.reach(&caller, id.0).await?.rule.id;
        self.app.admin.delete_rule(caller.project, id, &caller.initiator).await?;
        Ok(Done)
    }

    /// List the versions of a rule
    ///
    /// Needs the scope `read` or the permission `rules:read`. Newest first.
    #[oai(path = "/:id/versions", method = "get", operation_id = "list_rule_versions")]
    async fn versions(
        &self,
        caller: Caller<Looking<RulesRead>>,
        /// The rule.
        id: Path<Uuid>,
        /// How many on a page.
        #[oai(
            default = "page::default_limit",
            validator(minimum(value = "1"), maximum(value = "200"))
        )]
        limit: Query<u32>,
        /// The `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
    ) -> Result<Answer<RuleVersionPage>, Failure<Reads>> {
        let id = self.reach(&caller, id.0).await?.rule.id;
        let list = List::new("rule_versions", caller.project, &id);
        // Cursors hold ids: the number of a version stands in the low half of one.
        let before = list.read(cursor.0.as_deref())?.map(|id| id.as_u64_pair().1.cast_signed());
        let limit = limit.0.clamp(1, page::MAX);
        let (admin, count) = (&self.app.admin, limit as usize + 1);
        let rows = admin.rule_versions(caller.project, id, before, count).await?;
        let place = |one: &known::RuleVersion| Uuid::from_u64_pair(0, one.version.unsigned_abs());
        let (rows, next_cursor) = page::cut(rows, limit, &list, place);
        let items = rows.into_iter().map(RuleVersionSummary::from).collect();
        Ok(Answer(RuleVersionPage { items, next_cursor }))
    }

    /// Get a version of a rule
    ///
    /// Needs the scope `read` or the permission `rules:read`.
    #[oai(path = "/:id/versions/:version", method = "get", operation_id = "get_rule_version")]
    async fn version(
        &self,
        caller: Caller<Looking<RulesRead>>,
        /// The rule.
        id: Path<Uuid>,
        /// The number of the version.
        #[oai(validator(minimum(value = "1")))]
        version: Path<i64>,
    ) -> Result<Answer<RuleVersion>, Failure<Reads>> {
        let id = self.reach(&caller, id.0).await?.rule.id;
        let found = self.app.admin.rule_version(caller.project, id, version.0).await?;
        Ok(Answer(found.into()))
    }

    /// Compare two versions of a rule
    ///
    /// Needs the scope `read` or the permission `rules:read`. Answers the fields that differ; lists are compared as a whole.
    #[oai(path = "/:id/diff", method = "get", operation_id = "diff_rule")]
    async fn diff(
        &self,
        caller: Caller<Looking<RulesRead>>,
        /// The rule.
        id: Path<Uuid>,
        /// The number of the version before; the one before `to`, if nothing is said.
        #[oai(validator(minimum(value = "1")))]
        from: Query<Option<i64>>,
        /// The number of the version after; the rule as it stands, if nothing is said.
        #[oai(validator(minimum(value = "1")))]
        to: Query<Option<i64>>,
    ) -> Result<Answer<RuleDiff>, Failure<Reads>> {
        let rule = self.reach(&caller, id.0).await?.rule;
        let (id, to) = (rule.id, to.0.unwrap_or(rule.version));
        let from = from.0.unwrap_or_else(|| (to - 1).max(1));
        let changes = self.app.admin.rule_diff(caller.project, id, from, to).await?;
        let changes = changes.into_iter().map(RuleFieldChange::from).collect();
        Ok(Answer(RuleDiff { from, to, changes }))
    }

    /// Restore a version of a rule
    ///
    /// Needs the permission `rules:update`. The rule says what it said in that version, as a new version; its mode stays.
    #[oai(path = "/:id/restore", method = "post", operation_id = "restore_rule")]
    async fn restore(
        &self,
        caller: Caller<Looking<RulesUpdate>>,
        /// The rule.
        id: Path<Uuid>,
        /// The ETag of the rule that this is a change of; 412 when it was changed since.
        #[oai(name = "If-Match", validator(max_length = 1000))]
        condition: Header<Option<String>>,
        body: Body<RuleRestoration>,
    ) -> Result<Tagged<Rule>, Failure<Revises>> {
        let condition = if_match(condition.0.as_deref())?;
        let id = self.reach(&caller, id.0).await?.rule.id;
        let (admin, version) = (&self.app.admin, body.value.version);
        let restored =
            admin.restore_rule(caller.project, id, version, &condition, &caller.initiator);
        Ok(tagged(restored.await?))
    }
}

impl Operations {
    /// The rule, if the caller may do it with this one.
    async fn reach<N: Needs>(&self, caller: &Caller<N>, id: Uuid) -> Result<RuleRecord, Problem> {
        // Rules are the project's, and nobody's own.
        if !caller.any {
            return Err(Problem::not_found("rule"));
        }
        let record = self.app.admin.rule(caller.project, RuleId(id)).await;
        let record = record.map_err(Problem::from)?;
        caller.look("rule", &rule_facts(&record), false)?;
        Ok(record)
    }
}

fn tagged(record: RuleRecord) -> Tagged<Rule> {
    let tag = record.tag();
    Tagged(record.into(), tag)
}

/// A rule that the caller may read, whatever else they may do.
async fn readable<N>(app: &App, caller: &Caller<N>, id: RuleId) -> Result<RuleRecord, Problem> {
    demand_reading(caller, Resource::Rules)?;
    let record = app.admin.rule(caller.project, id).await.map_err(Problem::from)?;
    may_read(caller, Resource::Rules, "rule", &rule_facts(&record))?;
    Ok(record)
}

/// An event that the caller may read.
async fn readable_event<N>(app: &App, caller: &Caller<N>, id: EventId) -> Result<Event, Problem> {
    demand_reading(caller, Resource::Events)?;
    let found = app.events.get(caller.project, id).await.map_err(Problem::from)?;
    let event = found.ok_or_else(|| Problem::not_found("event"))?.event;
    may_read(
        caller,
        Resource::Events,
        "event",
        &event_facts(id, &event.kind, &event.source, event.subject.as_deref()),
    )?;
    Ok(event)
}

const fn reading(resource: Resource) -> Wanted {
    Wanted { resource, action: Action::Read, own: false }
}

/// A rule that is sent as a draft, named by its id, or both: a draft of a change. Answers its id, if it is there.
///
/// # Errors
/// When it is neither, or may not be read.
pub async fn drafted<N>(
    app: &App,
    caller: &Caller<N>,
    draft: Option<NewRule>,
    id: Option<Uuid>,
) -> Result<(Option<RuleId>, known::RuleBody), Problem> {
    let Some(id) = id.map(RuleId) else {
        let right = "send a draft here, or the id of a rule as rule_id";
        let fault = || Problem::invalid(vec![Fault::new("rule", FaultCode::Required, right)]);
        return Ok((None, draft.ok_or_else(fault)?.into()));
    };
    let kept = readable(app, caller, id).await?;
    Ok((Some(id), draft.map_or(kept.rule.body, known::RuleBody::from)))
}

/// Whether a caller may read some of them.
pub fn may_read_some<N>(caller: &Caller<N>, resource: Resource) -> bool {
    match &caller.who {
        Principal::Person(person) => person.grants.may(reading(resource)),
        Principal::Key { .. } => true,
    }
}

/// Refuses a caller who may read none of them.
///
/// # Errors
/// When they may not.
pub fn demand_reading<N>(caller: &Caller<N>, resource: Resource) -> Result<(), Problem> {
    if may_read_some(caller, resource) {
        return Ok(());
    }
    let detail = format!("This needs the permission {resource}:read as well.");
    Err(Problem::new(Code::Forbidden, detail))
}

/// Refuses what the caller may not read, as what is not there.
fn may_read<N>(
    caller: &Caller<N>,
    resource: Resource,
    what: &str,
    facts: &serde_json::Value,
) -> Result<(), Problem> {
    match &caller.who {
        Principal::Person(person) if !person.may(reading(resource), Some(facts)) => {
            Err(Problem::not_found(what))
        }
        _ => Ok(()),
    }
}
