//! Trying a rule on one event.

use domain::fault::{Fault, FaultCode};
use domain::id::{EventId, RuleId};
use domain::intake::{self, Envelope};
use domain::rule as known;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use runtime::app::App;
use serde::{Deserialize, Serialize};
use services::admin::{Explained, Sample, Tried, TriedOutcome};
use uuid::Uuid;

use super::wire::{NewRule, Suppression};
use crate::auth::{Caller, RulesCreate};
use crate::problem::{FieldError, Problem};
use crate::routes::events::{ConditionPart, NamedValue, NewEvent, RecipientTrace};

/// A rule and an event on which it is to be tried.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct RuleTrial {
    /// A draft of a rule. With `rule_id` it is one of a change to that rule.
    rule: Option<NewRule>,
    /// A rule that is there; as it stands, if there is no draft.
    rule_id: Option<Uuid>,
    /// The event; or else `event_id`.
    event: Option<NewEvent>,
    /// The id of an event that was accepted.
    event_id: Option<Uuid>,
}

impl Example for RuleTrial {
    fn example() -> Self {
        Self {
            rule: Some(NewRule::example()),
            rule_id: None,
            event: Some(NewEvent::example()),
            event_id: None,
        }
    }
}

/// What came of trying a rule.
#[derive(Clone, Debug, Object, Serialize)]
pub struct RuleTrialResult {
    /// What is wrong with the rule: creating it would be refused.
    faults: Vec<FieldError>,
    /// What its condition says; left out where it can't be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<ConditionResult>,
    /// What the condition says that resolves, if there is one that can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolve_condition: Option<ConditionResult>,
    /// What a match of the event would lead to; left out where the rule can't be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<RuleTrialOutcome>,
}

/// What a condition says of an event.
#[derive(Clone, Debug, Object, Serialize)]
struct ConditionResult {
    /// Whether it holds; left out when it takes too many steps on this event.
    #[serde(skip_serializing_if = "Option::is_none")]
    holds: Option<bool>,
    /// The values of the names in it.
    values: Vec<NamedValue>,
    /// Its parts.
    parts: Vec<ConditionPart>,
}

/// From where a window comes.
#[derive(Clone, Copy, Debug, Enum, Serialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum SuppressionSource {
    /// The rule has it.
    Rule,
    /// It is the default of the project.
    Project,
}

/// What a match of the event would lead to.
#[derive(Clone, Debug, Object, Serialize)]
struct RuleTrialOutcome {
    /// The key of the group that the event belongs to: the values at the paths of `group_by`, as a JSON array.
    group: String,
    /// Who would be notified: at most 200 of them.
    recipients: Vec<RecipientTrace>,
    /// How many would be notified.
    recipient_count: u32,
    /// The window that would hold; left out when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    suppression: Option<Suppression>,
    /// From where it comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    suppression_source: Option<SuppressionSource>,
    /// Whether the rule is within its active hours now.
    active: bool,
}

impl RuleTrial {
    /// The rule that is to be tried, and its id if it is there.
    pub async fn rule(
        &self,
        app: &App,
        caller: &Caller<RulesCreate>,
    ) -> Result<(Option<RuleId>, known::RuleBody), Problem> {
        let Some(id) = self.rule_id.map(RuleId) else {
            let right = "send a draft here, or the id of a rule as rule_id";
            let fault = || Problem::invalid(vec![Fault::new("rule", FaultCode::Required, right)]);
            let draft = self.rule.clone().ok_or_else(fault)?;
            return Ok((None, draft.into()));
        };
        let kept = super::readable(app, caller, id).await?;
        let draft = self.rule.clone().map(known::RuleBody::from);
        Ok((Some(id), draft.unwrap_or(kept.rule.body)))
    }

    /// The event that it is tried on.
    pub async fn sample(&self, app: &App, caller: &Caller<RulesCreate>) -> Result<Sample, Problem> {
        match (&self.event, self.event_id) {
            (Some(event), None) => inline(app, event),
            (None, Some(id)) => {
                let event = super::readable_event(app, caller, EventId(id)).await?;
                let payload = serde_json::from_str(event.payload.get()).unwrap_or_default();
                let (kind, source, subject) = (event.kind, event.source, event.subject);
                let (id, received_at) = (event.id.to_string(), event.received_at);
                Ok(Sample { id, kind, source, subject, received_at, payload })
            }
            _ => {
                let right = "send either an event here or the id of one as event_id";
                Err(Problem::invalid(vec![Fault::new("event", FaultCode::Required, right)]))
            }
        }
    }
}

fn inline(app: &App, event: &NewEvent) -> Result<Sample, Problem> {
    let text = serde_json::to_vec(event).unwrap_or_default();
    let max_payload = app.config.accept.max_payload.as_usize();
    let envelope = Envelope { key: None, given: None, text: &text, max_payload };
    let event = intake::validate(event.clone().into(), envelope).map_err(|faults| {
        let within =
            |fault: Fault| Fault { field: format!("event.{}", fault.field).into(), ..fault };
        Problem::invalid(faults.into_iter().map(within).collect())
    })?;
    let now = app.clock.now();
    Ok(Sample {
        id: EventId::fresh(now).to_string(),
        kind: event.kind,
        source: event.source,
        subject: event.subject,
        received_at: now,
        payload: serde_json::from_str(event.payload.get()).unwrap_or_default(),
    })
}

impl From<Tried> for RuleTrialResult {
    fn from(tried: Tried) -> Self {
        Self {
            faults: tried.faults.iter().map(FieldError::from).collect(),
            condition: tried.condition.map(ConditionResult::from),
            resolve_condition: tried.resolve.map(ConditionResult::from),
            outcome: tried.outcome.map(RuleTrialOutcome::from),
        }
    }
}

impl From<Explained> for ConditionResult {
    fn from(one: Explained) -> Self {
        Self {
            holds: one.holds,
            values: one.values.into_iter().map(NamedValue::from).collect(),
            parts: one.parts.into_iter().map(ConditionPart::from).collect(),
        }
    }
}

impl From<TriedOutcome> for RuleTrialOutcome {
    fn from(one: TriedOutcome) -> Self {
        let source = |is_default| match is_default {
            true => SuppressionSource::Project,
            false => SuppressionSource::Rule,
        };
        Self {
            group: one.group,
            recipients: one.recipients.into_iter().map(RecipientTrace::from).collect(),
            recipient_count: u32::try_from(one.total).unwrap_or(u32::MAX),
            suppression: one.suppression.map(Suppression::from),
            suppression_source: one.suppression.map(|_| source(one.is_default)),
            active: one.is_active,
        }
    }
}
