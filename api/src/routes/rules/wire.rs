//! Rules as they look on the wire.

use domain::absence;
use domain::hours::{Day, Hours};
use domain::id::{RuleId, UserId};
use domain::rule as known;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::wire::Stamp;

/// An enumeration with the words of one of the domain's.
macro_rules! word {
    ($(#[doc = $doc:literal])+ $name:ident = $known:ty { $($(#[doc = $vdoc:literal])+ $variant:ident = $of:ident,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize, Deserialize)]
        #[oai(rename_all = "snake_case")]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[doc = $vdoc])+ $variant,)+ }

        impl From<$known> for $name {
            fn from(word: $known) -> Self {
                match word { $(<$known>::$of => Self::$variant,)+ }
            }
        }

        impl From<$name> for $known {
            fn from(word: $name) -> Self {
                match word { $($name::$variant => Self::$of,)+ }
            }
        }
    };
}

word! {
    /// What a rule does with the events that match.
    RuleKind = known::RuleKind {
        /// Each is an alert.
        Match = Match,
        /// A number of them within a time is one.
        Count = Count,
        /// That none comes within a time is one.
        Absence = Absence,
    }
}
word! {
    /// Whether a rule works.
    RuleMode = known::RuleMode {
        /// Nothing is looked at.
        Off = Off,
        /// It rings.
        Live = Live,
        /// Everything is decided and recorded, and no user is notified.
        Shadow = Shadow,
    }
}
word! {
    /// How urgent a match is.
    RulePriority = known::Priority {
        /// Wake people.
        Critical = Critical,
        /// Soon.
        High = High,
        /// In the ordinary way.
        Normal = Normal,
        /// When there is time.
        Low = Low,
    }
}
word! {
    /// What becomes of matches that are over the window.
    SuppressionOver = known::Over {
        /// They are counted, and kept as a record.
        Drop = Drop,
        /// One summary follows when the window has room again.
        Digest = Digest,
    }
}
word! {
    /// A day of the week.
    ActiveDay = Day {
        /// The first, as ISO 8601 has it.
        Mon = Monday,
        /// The second.
        Tue = Tuesday,
        /// The third.
        Wed = Wednesday,
        /// The fourth.
        Thu = Thursday,
        /// The fifth.
        Fri = Friday,
        /// The sixth.
        Sat = Saturday,
        /// The seventh.
        Sun = Sunday,
    }
}

macro_rules! object {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $fdoc:literal])+ $([$($attr:tt)+])* $field:ident: $type:ty,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, Object, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[oai(deny_unknown_fields)]
        pub struct $name { $($(#[doc = $fdoc])+ $(#[$($attr)+])* pub $field: $type,)+ }
    };
}

object! {
    /// At most `count` alerts of a group in any `seconds`.
    Suppression {
        /// How many may ring.
        [oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        count: u32,
        /// In how long.
        [oai(validator(minimum(value = "1"), maximum(value = "2678400")))]
        seconds: u32,
        /// What becomes of those over it.
        [serde(default = "drop")]
        [oai(default = "drop")]
        over: SuppressionOver,
    }
}
object! {
    /// So many matches of a group within so many seconds, by the times at which they were received.
    Threshold {
        /// How many.
        [oai(validator(minimum(value = "2"), maximum(value = "1000")))]
        count: u32,
        /// In how long.
        [oai(validator(minimum(value = "1"), maximum(value = "2678400")))]
        seconds: u32,
    }
}
object! {
    /// When the next matching event is missing: after `seconds`, or at the times of `cron`.
    Absence {
        /// The longest time from one to the next.
        [serde(skip_serializing_if = "Option::is_none")]
        [oai(validator(minimum(value = "1"), maximum(value = "2678400")))]
        seconds: Option<u32>,
        /// The times, as a cron expression of five fields, before each of which one must have come.
        [serde(skip_serializing_if = "Option::is_none")]
        [oai(validator(max_length = 100))]
        cron: Option<String>,
        /// The timezone of the cron expression, like `Europe/Vienna`; UTC if nothing is said.
        [serde(skip_serializing_if = "Option::is_none")]
        [oai(validator(max_length = 64))]
        timezone: Option<String>,
    }
}
object! {
    /// Another rule that keeps this one quiet while it has an alert open.
    Inhibition {
        /// The other rule.
        rule: Uuid,
        /// The paths whose values, in this rule's events, are the group of the other rule; in the order of its `group_by`.
        [serde(default)]
        [oai(default, validator(max_items = 8))]
        equal: Vec<String>,
        /// For how many seconds a match waits for the other rule's alert to open.
        [serde(default)]
        [oai(default, validator(maximum(value = "60")))]
        hold_seconds: u32,
    }
}
object! {
    /// Hours that come again each week.
    ActiveHours {
        /// The timezone, like `Europe/Vienna`.
        [oai(validator(max_length = 64))]
        timezone: String,
        /// The days on which they begin; every day, if there are none.
        [serde(default)]
        [oai(default, validator(max_items = 7))]
        days: Vec<ActiveDay>,
        /// When they begin, like `08:00`.
        [oai(validator(min_length = 5, max_length = 5))]
        from: String,
        /// When they end, on the next day if that is earlier.
        [oai(validator(min_length = 5, max_length = 5))]
        to: String,
    }
}
object! {
    /// What a recipient can do about it at once.
    RuleAction {
        /// What is written on the button.
        [oai(validator(min_length = 1, max_length = 60))]
        label: String,
        /// The page that it opens: an https address.
        [oai(validator(max_length = 2000))]
        url: String,
    }
}

const fn each() -> RuleKind {
    RuleKind::Match
}

const fn drop() -> SuppressionOver {
    SuppressionOver::Drop
}

const fn yes() -> bool {
    true
}

/// An object with some fields of its own and all that a rule says.
macro_rules! with_body {
    ($(#[$meta:meta])+ $name:ident { $($(#[$fmeta:meta])+ $field:ident: $type:ty,)* }) => {
        $(#[$meta])+
        pub struct $name {
            $($(#[$fmeta])+ pub $field: $type,)*
            /// Its name, which no other rule of the project has.
            #[oai(validator(min_length = 1, max_length = 200))]
            pub name: String,
            /// What it is for; the text of its notifications.
            #[serde(default)]
            #[oai(default, validator(max_length = 2000))]
            pub description: String,
            /// What it does with events that match.
            #[serde(default = "each")]
            #[oai(default = "each")]
            pub kind: RuleKind,
            /// Which events match, in the condition language.
            #[oai(validator(max_length = 4096))]
            pub condition: String,
            /// How many of them, for the kind `count`.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub threshold: Option<Threshold>,
            /// When one is missing, for the kind `absence`.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub absence: Option<Absence>,
            /// Which events resolve the alert, in the condition language.
            #[serde(skip_serializing_if = "Option::is_none")]
            #[oai(validator(max_length = 4096))]
            pub resolve_condition: Option<String>,
            /// After how many seconds without a match the alert resolves by itself.
            #[serde(skip_serializing_if = "Option::is_none")]
            #[oai(validator(minimum(value = "1"), maximum(value = "2678400")))]
            pub resolve_after_seconds: Option<u32>,
            /// Whether those who were notified of an alert hear that it is resolved.
            #[serde(default = "yes")]
            #[oai(default = "yes")]
            pub notify_resolved: bool,
            /// How urgent a match is.
            pub priority: RulePriority,
            /// Who is notified: everybody with one of these roles.
            #[serde(default)]
            #[oai(default, validator(max_items = 100))]
            pub target_roles: Vec<String>,
            /// Who is notified besides.
            #[serde(default)]
            #[oai(default, validator(max_items = 100))]
            pub target_users: Vec<Uuid>,
            /// A path to who is notified besides: an id, email or username of a user, or a list of them, in the event.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub target_path: Option<String>,
            /// The paths whose values keep groups apart.
            #[serde(default)]
            #[oai(default, validator(max_items = 8))]
            pub group_by: Vec<String>,
            /// How often a group may ring; as the project's default says, if it is left out.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub suppression: Option<Suppression>,
            /// Rules that keep it quiet.
            #[serde(default)]
            #[oai(default, validator(max_items = 100))]
            pub inhibited_by: Vec<Inhibition>,
            /// When it works; always, if it is left out.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub active_hours: Option<ActiveHours>,
            /// What a recipient can do about it at once.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub action: Option<RuleAction>,
        }

        impl $name {
            /// These fields, and what a rule says.
            pub fn of($($field: $type,)* body: known::RuleBody) -> Self {
                Self {
                    $($field,)*
                    name: body.name,
                    description: body.description,
                    kind: body.kind.into(),
                    condition: body.condition,
                    threshold: body.threshold.map(Threshold::from),
                    absence: body.absence.map(Absence::from),
                    resolve_condition: body.resolve_condition,
                    resolve_after_seconds: body.resolve_after_seconds,
                    notify_resolved: body.notify_resolved,
                    priority: body.priority.into(),
                    target_roles: body.target_roles,
                    target_users: body.target_users.into_iter().map(|user| user.0).collect(),
                    target_path: body.target_path,
                    group_by: body.group_by,
                    suppression: body.suppression.map(Suppression::from),
                    inhibited_by: body.inhibited_by.into_iter().map(Inhibition::from).collect(),
                    active_hours: body.active_hours.map(ActiveHours::from),
                    action: body.action.map(RuleAction::from),
                }
            }
        }
    };
}

with_body! {
    /// What a rule is to say.
    #[derive(Clone, Debug, Object, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[oai(deny_unknown_fields, example)]
    NewRule {
        /// Whether it works. A new rule is live if nothing is said, and one that is there stays as it is.
        #[serde(skip_serializing_if = "Option::is_none")]
        mode: Option<RuleMode>,
    }
}
with_body! {
    /// A rule.
    #[derive(Clone, Debug, Object, Serialize)]
    Rule {
        /// Its id.
        id: Uuid,
        /// Its version, counted from 1.
        version: i64,
        /// Whether it works.
        mode: RuleMode,
        /// The user who created it; left out where it was the command line.
        #[serde(skip_serializing_if = "Option::is_none")]
        created_by: Option<Uuid>,
        /// When it was created.
        created_at: Stamp,
        /// When it was last changed.
        updated_at: Stamp,
    }
}
with_body! {
    /// What a rule said.
    #[derive(Clone, Debug, Object, Serialize)]
    RuleBody {}
}

impl From<known::RuleRecord> for Rule {
    fn from(record: known::RuleRecord) -> Self {
        let known::RuleRecord { rule, created_by, created_at } = record;
        let (created_at, updated_at) = (Stamp(created_at), Stamp(rule.since));
        let created_by = created_by.map(|user| user.0);
        let mode = rule.mode.into();
        Self::of(rule.id.0, rule.version, mode, created_by, created_at, updated_at, rule.body)
    }
}

impl From<NewRule> for known::RuleBody {
    fn from(new: NewRule) -> Self {
        Self {
            name: new.name,
            description: new.description,
            kind: new.kind.into(),
            condition: new.condition,
            threshold: new.threshold.map(known::Threshold::from),
            absence: new.absence.map(absence::Absence::from),
            resolve_condition: new.resolve_condition,
            resolve_after_seconds: new.resolve_after_seconds,
            notify_resolved: new.notify_resolved,
            priority: new.priority.into(),
            target_roles: new.target_roles,
            target_users: new.target_users.into_iter().map(UserId).collect(),
            target_path: new.target_path,
            group_by: new.group_by,
            suppression: new.suppression.map(known::Suppression::from),
            inhibited_by: new.inhibited_by.into_iter().map(known::Inhibition::from).collect(),
            active_hours: new.active_hours.map(Hours::from),
            action: new.action.map(known::Action::from),
        }
    }
}

impl Example for NewRule {
    fn example() -> Self {
        let condition = "event.type == \"payment.failed\" && event.payload.amount > 1000";
        let body = known::RuleBody {
            description: "A large payment failed.".to_owned(),
            priority: known::Priority::High,
            target_roles: vec!["responder".to_owned()],
            group_by: vec!["event.payload.customer".to_owned()],
            suppression: Some(known::Suppression {
                count: 3,
                seconds: 60,
                over: known::Over::Digest,
            }),
            ..known::RuleBody::new("Failed payments", condition)
        };
        Self::of(Some(RuleMode::Live), body)
    }
}

/// Both ways between an object of the wire and one of the domain with the same fields.
macro_rules! same {
    ($($wire:ident = $known:ty { $($field:ident),+ })+) => { $(
        impl From<$known> for $wire {
            fn from(one: $known) -> Self {
                Self { $($field: one.$field.into()),+ }
            }
        }

        impl From<$wire> for $known {
            fn from(one: $wire) -> Self {
                Self { $($field: one.$field.into()),+ }
            }
        }
    )+ };
}

same! {
    Suppression = known::Suppression { count, seconds, over }
    Threshold = known::Threshold { count, seconds }
    Absence = absence::Absence { seconds, cron, timezone }
    RuleAction = known::Action { label, url }
}

impl From<known::Inhibition> for Inhibition {
    fn from(one: known::Inhibition) -> Self {
        Self { rule: one.rule.0, equal: one.equal, hold_seconds: one.hold_seconds }
    }
}

impl From<Inhibition> for known::Inhibition {
    fn from(one: Inhibition) -> Self {
        Self { rule: RuleId(one.rule), equal: one.equal, hold_seconds: one.hold_seconds }
    }
}

impl From<Hours> for ActiveHours {
    fn from(hours: Hours) -> Self {
        let days = hours.days.into_iter().map(ActiveDay::from).collect();
        Self { timezone: hours.timezone, days, from: hours.from, to: hours.to }
    }
}

impl From<ActiveHours> for Hours {
    fn from(hours: ActiveHours) -> Self {
        let days = hours.days.into_iter().map(Day::from).collect();
        Self { timezone: hours.timezone, days, from: hours.from, to: hours.to }
    }
}
