//! Rules: listed, created, changed, switched, deleted, compared, restored and tried.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Admin, AdminError};
use crate::audit::{AuditedAction, Initiator};
use crate::events::told_parts;
use domain::audit::{Actor, AuditAction};
use domain::condition::{EvalError, Explanation, Subject};
use domain::fault::Fault;
use domain::id::{ProjectId, RuleId, UserId};
use domain::noise::Noise;
use domain::precondition::Precondition;
use domain::rule::{FieldChange, Rule, RuleBody, RuleMode, RuleRecord, RuleVersion, Suppression};
use domain::time::Time;
use domain::trace::TracePart;
use domain::trial::{self, TrialOutcome};
use store::rules::{RuleChange, RuleFilter, RuleVerdict};

/// The most recipients that a trial tells by name.
pub const MAX_RECIPIENTS: usize = 200;

/// An event that a rule is tried on; it need not be one that was accepted.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its id.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// Where it comes from.
    pub source: String,
    /// What of its source it is about.
    pub subject: Option<String>,
    /// When it was received.
    pub received_at: Time,
    /// Its payload.
    pub payload: Value,
}

/// What came of trying a rule.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What is wrong with the rule.
    pub faults: Vec<Fault>,
    /// What its condition says; nothing where that can't be read.
    pub condition: Option<Explained>,
    /// What the condition says that resolves, if there is one that can be read.
    pub resolve: Option<Explained>,
    /// What a match would lead to, where the whole rule can be read.
    pub outcome: Option<TriedOutcome>,
}

/// What a condition says of an event.
#[derive(Clone, Debug)]
pub struct Explained {
    /// Whether it holds; nothing where it takes too many steps.
    pub holds: Option<bool>,
    /// The values of its names, as JSON.
    pub values: Vec<(String, String)>,
    /// Its parts.
    pub parts: Vec<TracePart>,
}

/// What a match of the event would lead to.
#[derive(Clone, Debug)]
pub struct TriedOutcome {
    /// The key of its group.
    pub group: String,
    /// The first of those who would be notified: who, their full name, and through which role.
    pub recipients: Vec<(UserId, String, Option<String>)>,
    /// How many there are.
    pub total: usize,
    /// The window that would hold.
    pub suppression: Option<Suppression>,
    /// Whether that is the project's, for the rule says none.
    pub is_default: bool,
    /// Whether the rule is active at this time.
    pub is_active: bool,
}

impl Admin {
    /// At most `limit` rules from before `before`, newest first.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn rules(
        &self,
        project: ProjectId,
        filter: RuleFilter,
        before: Option<RuleId>,
        limit: usize,
    ) -> Result<Vec<RuleRecord>, AdminError> {
        Ok(self.store.rules(project, filter, before, limit).await?)
    }

    /// How noisy the rules of a project were in a period.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn noise(
        &self,
        project: ProjectId,
        period: (Time, Time),
    ) -> Result<BTreeMap<RuleId, Noise>, AdminError> {
        Ok(self.store.noise(project, period).await?)
    }

    /// One rule.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn rule(&self, project: ProjectId, id: RuleId) -> Result<RuleRecord, AdminError> {
        Ok(self.store.rule(project, id).await?)
    }

    /// The rule of that name, if there is one.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn rule_named(
        &self,
        project: ProjectId,
        name: &str,
    ) -> Result<Option<RuleRecord>, AdminError> {
        Ok(self.store.rule_named(project, name).await?)
    }

    /// Creates a rule.
    ///
    /// # Errors
    /// When something of it is not right, it names what is not there, or the plan allows no more.
    pub async fn create_rule(
        &self,
        project: ProjectId,
        body: RuleBody,
        mode: RuleMode,
        initiator: &Initiator,
    ) -> Result<RuleRecord, AdminError> {
        judge(&body)?;
        let now = self.clock.now();
        let rule = Rule { id: RuleId::fresh(now), version: 1, mode, since: now, body };
        let record = RuleRecord { rule, created_by: maker(initiator), created_at: now };
        let audited = AuditedAction {
            after: Some(record.told()),
            ..AuditedAction::new(AuditAction::RuleCreate, record.rule.id.0)
        };
        let entry = self.audit.entry(project, initiator, audited).await?;
        let record = answer(self.store.add_rule(project, &record, &entry, now).await?)?;
        self.announce(project).await;
        Ok(record)
    }

    /// Sets what a rule says, and its mode if one is given. What changes nothing makes no version.
    ///
    /// # Errors
    /// When it is not there, is no longer what `condition` demands, something of it is not right, or it names what is not
    /// there.
    pub async fn change_rule(
        &self,
        project: ProjectId,
        id: RuleId,
        body: RuleBody,
        mode: Option<RuleMode>,
        condition: &Precondition,
        initiator: &Initiator,
    ) -> Result<RuleRecord, AdminError> {
        judge(&body)?;
        let change = RuleChange { body: Some(body), mode, condition: condition.clone() };
        self.write_rule(project, id, change, AuditAction::RuleUpdate, initiator).await
    }

    /// Switches a rule on, off, or to its shadow mode.
    ///
    /// # Errors
    /// When it is not there, or no longer what `condition` demands.
    pub async fn set_rule_mode(
        &self,
        project: ProjectId,
        id: RuleId,
        mode: RuleMode,
        condition: &Precondition,
        initiator: &Initiator,
    ) -> Result<RuleRecord, AdminError> {
        let change = RuleChange { body: None, mode: Some(mode), condition: condition.clone() };
        self.write_rule(project, id, change, AuditAction::RuleMode, initiator).await
    }

    /// Sets a rule to what an earlier version of it said. Its mode stays.
    ///
    /// # Errors
    /// When it or the version is not there, it is no longer what `condition` demands, or the version names what is not
    /// there any more.
    pub async fn restore_rule(
        &self,
        project: ProjectId,
        id: RuleId,
        version: i64,
        condition: &Precondition,
        initiator: &Initiator,
    ) -> Result<RuleRecord, AdminError> {
        // A version never changes, so that it may be read before.
        let body = self.store.rule_version(project, id, version).await?.body;
        // An older build may have taken what this one does not.
        judge(&body)?;
        let change = RuleChange { body: Some(body), mode: None, condition: condition.clone() };
        self.write_rule(project, id, change, AuditAction::RuleRestore, initiator).await
    }

    /// Deletes a rule that inhibits no other.
    ///
    /// # Errors
    /// When it is not there, or inhibits others.
    pub async fn delete_rule(
        &self,
        project: ProjectId,
        id: RuleId,
        initiator: &Initiator,
    ) -> Result<(), AdminError> {
        let audited = AuditedAction::new(AuditAction::RuleDelete, id.0);
        let entry = self.audit.entry(project, initiator, audited).await?;
        answer(self.store.delete_rule(project, id, &entry, self.clock.now()).await?)?;
        self.announce(project).await;
        Ok(())
    }

    /// At most `limit` versions of a rule from before `before`, newest first.
    ///
    /// # Errors
    /// When the rule is not there.
    pub async fn rule_versions(
        &self,
        project: ProjectId,
        id: RuleId,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<RuleVersion>, AdminError> {
        Ok(self.store.rule_versions(project, id, before, limit).await?)
    }

    /// A version of a rule.
    ///
    /// # Errors
    /// When the rule or the version is not there.
    pub async fn rule_version(
        &self,
        project: ProjectId,
        id: RuleId,
        version: i64,
    ) -> Result<RuleVersion, AdminError> {
        Ok(self.store.rule_version(project, id, version).await?)
    }

    /// What differs between two versions of a rule, field by field.
    ///
    /// # Errors
    /// When the rule or one of the versions is not there.
    pub async fn rule_diff(
        &self,
        project: ProjectId,
        id: RuleId,
        from: i64,
        to: i64,
    ) -> Result<Vec<FieldChange>, AdminError> {
        let before = self.store.rule_version(project, id, from).await?;
        let after = self.store.rule_version(project, id, to).await?;
        Ok(before.changes_to(&after))
    }

    /// Everything that is wrong with a rule; `id` is its own, if it is there already.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn rule_faults(
        &self,
        project: ProjectId,
        id: Option<RuleId>,
        body: &RuleBody,
    ) -> Result<Vec<Fault>, AdminError> {
        let id = id.unwrap_or_else(|| RuleId::fresh(self.clock.now()));
        let mut faults = body.faults();
        faults.extend(self.store.trial_source(project, id, body).await?.1);
        Ok(faults)
    }

    /// Tries a rule on an event. `id` is that of the rule, if there is one already. Nothing is kept of it.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn try_rule(
        &self,
        project: ProjectId,
        id: Option<RuleId>,
        body: RuleBody,
        sample: &Sample,
    ) -> Result<Tried, AdminError> {
        let now = self.clock.now();
        let id = id.unwrap_or_else(|| RuleId::fresh(now));
        let mut faults = body.faults();
        let (source, unknown) = self.store.trial_source(project, id, &body).await?;
        faults.extend(unknown);
        let is_default = body.suppression.is_none();
        let rule = Rule { id, version: 0, mode: RuleMode::Live, since: now, body };
        let event = Subject {
            id: &sample.id,
            kind: &sample.kind,
            source: &sample.source,
            subject: sample.subject.as_deref(),
            received_at: sample.received_at,
            payload: &sample.payload,
        };
        let tried = trial::try_on(project, rule, source, &event, now);
        let outcome = match tried.outcome {
            Some(outcome) => Some(self.tried_outcome(project, outcome, is_default).await?),
            None => None,
        };
        let (condition, resolve) = (tried.condition.map(explained), tried.resolve.map(explained));
        Ok(Tried { faults, condition, resolve, outcome })
    }

    async fn tried_outcome(
        &self,
        project: ProjectId,
        outcome: TrialOutcome,
        is_default: bool,
    ) -> Result<TriedOutcome, AdminError> {
        let TrialOutcome { group, recipients, suppression, is_active } = outcome;
        let total = recipients.len();
        let shown = &recipients[..total.min(MAX_RECIPIENTS)];
        let users: Vec<UserId> = shown.iter().map(|one| one.user).collect();
        let names = self.store.full_names(project, &users).await?;
        let named = shown.iter().map(|one| {
            let name = names.get(&one.user).cloned().unwrap_or_default();
            (one.user, name, trial::role_of(one))
        });
        let is_default = is_default && suppression.is_some();
        let recipients = named.collect();
        Ok(TriedOutcome { group, recipients, total, suppression, is_default, is_active })
    }

    async fn write_rule(
        &self,
        project: ProjectId,
        id: RuleId,
        change: RuleChange,
        action: AuditAction,
        initiator: &Initiator,
    ) -> Result<RuleRecord, AdminError> {
        let audited = AuditedAction::new(action, id.0);
        let entry = self.audit.entry(project, initiator, audited).await?;
        let (by, now) = (maker(initiator), self.clock.now());
        let changed = self.store.update_rule(project, id, &change, by, &entry, now).await?;
        let record = answer(changed)?;
        self.announce(project).await;
        Ok(record)
    }
}

/// The user who makes a version.
const fn maker(initiator: &Initiator) -> Option<UserId> {
    match initiator.actor {
        Actor::User(user) => Some(user),
        Actor::Key(_) | Actor::System | Actor::Stranger => None,
    }
}

fn judge(body: &RuleBody) -> Result<(), AdminError> {
    let faults = body.faults();
    if faults.is_empty() { Ok(()) } else { Err(AdminError::Invalid(faults)) }
}

fn explained(found: Result<Explanation, EvalError>) -> Explained {
    match found {
        Ok(Explanation { result, values, parts }) => Explained {
            holds: Some(result),
            values: values.into_iter().map(|one| (one.name, one.value.to_string())).collect(),
            parts: told_parts(parts),
        },
        Err(_) => Explained { holds: None, values: Vec::new(), parts: Vec::new() },
    }
}

/// The rule, or as an error why the store did not take it.
fn answer(verdict: RuleVerdict) -> Result<RuleRecord, AdminError> {
    Err(match verdict {
        RuleVerdict::Done(record) => return Ok(*record),
        RuleVerdict::Stale => AdminError::Stale,
        RuleVerdict::NameTaken => {
            AdminError::Conflict("name: a rule of that name is there already".to_owned())
        }
        RuleVerdict::Unknown(faults) => AdminError::Unknown(faults),
        RuleVerdict::Inhibits(rules) => AdminError::Conflict(format!(
            "the rule is in use; rules that it inhibits: {}",
            listed(&rules)
        )),
        RuleVerdict::Grouped(rules) => AdminError::Conflict(format!(
            "group_by: these rules are inhibited by this one and give, in equal, as many paths as it had; change them \
             first: {}",
            listed(&rules)
        )),
    })
}

/// How many names of rules are told.
const TOLD: usize = 10;

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(TOLD).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(TOLD) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
