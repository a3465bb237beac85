//! Silences as they look on the wire.

use std::time::Duration;

use domain::fault::{Fault, FaultCode};
use domain::hours::{Day, Hours};
use domain::id::{AlertId, RuleId};
use domain::silence::SilenceBody;
use domain::time::Time;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use services::admin::AdminError;
use store::silences::{Hidden, KeptSilence};
use uuid::Uuid;

use crate::problem::Problem;
use crate::routes::alerts::Alert;
use crate::routes::users::wire::{Urgency, Weekday};
use crate::wire::Stamp;

/// Hours that come again each week.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
pub struct WeeklyHours {
    /// Where the clock hangs, such as `Europe/Vienna`.
    #[oai(validator(max_length = 64))]
    timezone: String,
    /// The days on which they begin; every day, if there are none.
    #[serde(default)]
    #[oai(default, validator(max_items = 7))]
    days: Vec<Weekday>,
    /// When they begin, like `22:00`.
    #[oai(validator(max_length = 5))]
    from: String,
    /// When they end, on the next day if that is earlier.
    #[oai(validator(max_length = 5))]
    to: String,
}

impl From<WeeklyHours> for Hours {
    fn from(hours: WeeklyHours) -> Self {
        let WeeklyHours { timezone, days, from, to } = hours;
        Self { timezone, days: days.into_iter().map(Day::from).collect(), from, to }
    }
}

impl From<Hours> for WeeklyHours {
    fn from(hours: Hours) -> Self {
        let Hours { timezone, days, from, to } = hours;
        Self { timezone, days: days.into_iter().map(Weekday::from).collect(), from, to }
    }
}

/// A silence that is to be created. Everything that it names must fit; what it does not name fits always.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct NewSilence {
    /// Why.
    #[oai(validator(min_length = 1, max_length = 500))]
    reason: String,
    /// The rules that it is for.
    #[serde(default)]
    #[oai(default, validator(max_items = 200))]
    rule_ids: Vec<Uuid>,
    /// How urgent what it is for may be.
    #[serde(default)]
    #[oai(default, validator(max_items = 4))]
    priorities: Vec<Urgency>,
    /// Which events it is for, in the condition language; `true` for all.
    #[oai(validator(max_length = 4096))]
    condition: Option<String>,
    /// The alert that it is for: it ends when that is resolved.
    alert_id: Option<Uuid>,
    /// When it begins; now, if nothing is said.
    starts_at: Option<Stamp>,
    /// When it ends; or else `seconds`.
    ends_at: Option<Stamp>,
    /// For how many seconds it holds; or else `ends_at`.
    #[oai(validator(minimum(value = "1"), maximum(value = "31536000")))]
    seconds: Option<u32>,
    /// The hours of a week in which it holds; always, if nothing is said.
    hours: Option<WeeklyHours>,
}

impl Example for NewSilence {
    fn example() -> Self {
        Self {
            reason: "The database is moved.".to_owned(),
            rule_ids: Vec::new(),
            priorities: vec![Urgency::Normal, Urgency::Low],
            condition: Some("event.payload.host == \"db-1\"".to_owned()),
            alert_id: None,
            starts_at: None,
            ends_at: None,
            seconds: Some(7200),
            hours: None,
        }
    }
}

impl NewSilence {
    /// What is to be kept of it.
    ///
    /// # Errors
    /// When it says its end twice.
    pub fn body(self, now: Time) -> Result<SilenceBody, Problem> {
        if self.ends_at.is_some() && self.seconds.is_some() {
            let right = "give either seconds or ends_at, and not both";
            let fault = Fault::new("seconds", FaultCode::Mismatch, right);
            return Err(AdminError::Invalid(vec![fault]).into());
        }
        let starts_at = self.starts_at.map_or(now, |at| at.0);
        let span = self.seconds.map(|seconds| Duration::from_secs(seconds.into()));
        Ok(SilenceBody {
            reason: self.reason,
            rules: self.rule_ids.into_iter().map(RuleId).collect(),
            priorities: self.priorities.into_iter().map(Into::into).collect(),
            condition: self.condition,
            alert: self.alert_id.map(AlertId),
            starts_at,
            ends_at: self.ends_at.map(|at| at.0).or(span.map(|span| starts_at.plus(span))),
            hours: self.hours.map(Into::into),
        })
    }
}

/// How far a silence is.
#[derive(Clone, Copy, Debug, Enum, Serialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum SilenceState {
    /// It has not begun.
    Pending,
    /// It is in force, in its hours if it has some.
    Active,
    /// It is over.
    Over,
}

/// A silence.
#[derive(Clone, Debug, Object, Serialize)]
pub struct Silence {
    /// Its id.
    id: Uuid,
    /// How far it is.
    state: SilenceState,
    /// Why.
    reason: String,
    /// The rules that it is for.
    rule_ids: Vec<Uuid>,
    /// How urgent what it is for may be.
    priorities: Vec<Urgency>,
    /// Which events it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<String>,
    /// The alert that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    alert_id: Option<Uuid>,
    /// When it begins.
    starts_at: Stamp,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<Stamp>,
    /// The hours of a week in which it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    hours: Option<WeeklyHours>,
    /// Who created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<Uuid>,
    /// When it was created.
    created_at: Stamp,
    /// When it was last changed.
    updated_at: Stamp,
}

impl Silence {
    /// The silence as it stands at a time.
    pub fn at(kept: KeptSilence, now: Time) -> Self {
        let body = kept.body;
        let ends_at = kept.ended_at.or(body.ends_at);
        let state = match () {
            () if ends_at.is_some_and(|end| end <= now) => SilenceState::Over,
            () if body.starts_at > now => SilenceState::Pending,
            () => SilenceState::Active,
        };
        Self {
            id: kept.id.0,
            state,
            reason: body.reason,
            rule_ids: body.rules.iter().map(|rule| rule.0).collect(),
            priorities: body.priorities.into_iter().map(Urgency::from).collect(),
            condition: body.condition,
            alert_id: body.alert.map(|alert| alert.0),
            starts_at: Stamp(body.starts_at),
            ends_at: ends_at.map(Stamp),
            hours: body.hours.map(Into::into),
            created_by: kept.created_by.map(|user| user.0),
            created_at: Stamp(kept.created_at),
            updated_at: Stamp(kept.updated_at),
        }
    }
}

/// A page of silences.
#[derive(Clone, Debug, Object, Serialize)]
pub struct SilencePage {
    /// Newest first.
    pub items: Vec<Silence>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// When a silence is to end.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
pub struct SilenceEnd {
    /// When; at once, if nothing is said.
    pub ends_at: Option<Stamp>,
}

/// What a silence would be for.
#[derive(Clone, Debug, Object, Serialize)]
pub struct SilencePreview {
    /// The alerts that are open now.
    pub alerts: Vec<Alert>,
}

/// A match that a silence hid.
#[derive(Clone, Debug, Object, Serialize)]
pub struct HiddenMatch {
    /// The event.
    event_id: Uuid,
    /// The rule that matched.
    rule_id: Uuid,
    /// The alert that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    alert_id: Option<Uuid>,
}

impl From<Hidden> for HiddenMatch {
    fn from(one: Hidden) -> Self {
        Self {
            event_id: one.event.0,
            rule_id: one.rule.0,
            alert_id: one.alert.map(|alert| alert.0),
        }
    }
}

/// A page of what a silence hid.
#[derive(Clone, Debug, Object, Serialize)]
pub struct HiddenPage {
    /// Newest first.
    pub items: Vec<HiddenMatch>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
