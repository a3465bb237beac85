//! Push tokens and preferences on the wire.

use domain::delivery::Channel;
use domain::fault::{Fault, FaultCode};
use domain::id::RuleId;
use domain::preferences;
use domain::push;
use domain::rule as rules;
use domain::time::Time;
use poem_openapi::Object;
use poem_openapi::types::Example;
use serde::{Deserialize, Serialize};
use services::accounts::Device;
use uuid::Uuid;

use crate::problem::Problem;
use crate::wire::{Stamp, StampText, mirrored};

mirrored! {
    /// Whose push service a token is for.
    PushPlatform of push::Platform, rename "snake_case" {
        /// Firebase Cloud Messaging.
        Fcm,
        /// Apple's.
        Apns,
        /// A browser's, by the Web Push protocol.
        Webpush,
    }
}

mirrored! {
    /// How urgent something is.
    Urgency of rules::Priority, rename "snake_case" {
        /// Wake people.
        Critical,
        /// Soon.
        High,
        /// In the ordinary way.
        Normal,
        /// When there is time.
        Low,
    }
}

/// A device that is to get pushes.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct NewPushToken {
    /// Whose push service gave the token.
    pub platform: PushPlatform,
    /// The token; for `webpush` the browser's subscription as JSON, in a text.
    #[oai(validator(min_length = 1, max_length = 4096))]
    pub token: String,
    /// What its holder calls the device.
    #[oai(validator(max_length = 100))]
    pub device: Option<String>,
}

impl Example for NewPushToken {
    fn example() -> Self {
        Self {
            platform: PushPlatform::Fcm,
            token: "dQw4w9WgXcQ:APA91bExample".to_owned(),
            device: Some("Pixel in the drawer".to_owned()),
        }
    }
}

/// A device that gets pushes. The token itself is not told.
#[derive(Clone, Debug, Object, Serialize)]
pub struct PushToken {
    /// Its id.
    id: Uuid,
    /// Whose push service gave the token.
    platform: PushPlatform,
    /// Tells the token from others: the beginning of its hash.
    token: String,
    /// What its holder calls the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    /// When the token came first.
    created_at: Stamp,
    /// When it came last.
    last_seen_at: Stamp,
}

impl From<Device> for PushToken {
    fn from(device: Device) -> Self {
        Self {
            id: device.id,
            platform: device.platform.into(),
            token: push::masked(&device.hash),
            device: device.device,
            created_at: Stamp(device.created_at),
            last_seen_at: Stamp(device.last_seen_at),
        }
    }
}

/// Somebody's devices.
#[derive(Clone, Debug, Object, Serialize)]
pub struct PushTokens {
    /// The one that was seen last first; at most 20.
    pub items: Vec<PushToken>,
}

/// Which channels are on; what is left out is on.
#[derive(Clone, Debug, Default, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(rename = "ChannelPreferences", deny_unknown_fields)]
pub struct Channels {
    /// A page or an app that is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    realtime: Option<bool>,
    /// Pushes to devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    push: Option<bool>,
    /// Mails.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<bool>,
    /// Text messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    sms: Option<bool>,
}

mirrored! {
    /// A day of the week.
    Weekday of domain::hours::Day, rename "snake_case" {
        /// Monday.
        #[oai(rename = "mon")]
        #[serde(rename = "mon")]
        Monday,
        /// Tuesday.
        #[oai(rename = "tue")]
        #[serde(rename = "tue")]
        Tuesday,
        /// Wednesday.
        #[oai(rename = "wed")]
        #[serde(rename = "wed")]
        Wednesday,
        /// Thursday.
        #[oai(rename = "thu")]
        #[serde(rename = "thu")]
        Thursday,
        /// Friday.
        #[oai(rename = "fri")]
        #[serde(rename = "fri")]
        Friday,
        /// Saturday.
        #[oai(rename = "sat")]
        #[serde(rename = "sat")]
        Saturday,
        /// Sunday.
        #[oai(rename = "sun")]
        #[serde(rename = "sun")]
        Sunday,
    }
}

/// A rule or a type of event that somebody does not want to hear of.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
pub struct Mute {
    /// The rule; or else `event_type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_id: Option<Uuid>,
    /// The type of event; or else `rule_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(validator(max_length = 128))]
    event_type: Option<String>,
    /// Until when; for ever, if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<StampText>,
}

/// When only what is urgent may be told.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
pub struct QuietHours {
    /// Where the clock hangs, by its name in the IANA list.
    #[oai(validator(max_length = 64))]
    timezone: String,
    /// The days on which it begins; every day, if there are none.
    #[serde(default)]
    #[oai(default, validator(max_items = 7))]
    days: Vec<Weekday>,
    /// When it begins, like `22:00`.
    #[oai(validator(max_length = 5))]
    from: String,
    /// When it ends, on the next day if that is earlier than `from`.
    #[oai(validator(max_length = 5))]
    to: String,
    /// What is as urgent as this, or more, is told all the same.
    breaks_through: Urgency,
}

/// One summary instead of single alerts.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(rename = "DigestPreference", deny_unknown_fields)]
pub struct Digest {
    /// How often it comes.
    #[oai(validator(minimum(value = "5"), maximum(value = "1440")))]
    every_minutes: u32,
    /// What is as urgent as this, or more, is told by itself at once.
    breaks_through: Urgency,
}

/// How somebody wants to be told, all of it.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct Preferences {
    /// The version: in an answer that of what is there; in a request the one that was read, which must still be there.
    /// Without it whoever sets them last wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(validator(minimum(value = "0")))]
    pub version: Option<i64>,
    /// Which channels are on.
    #[serde(default)]
    #[oai(default)]
    channels: Channels,
    /// What is not to be told.
    #[serde(default)]
    #[oai(default, validator(max_items = 200))]
    mutes: Vec<Mute>,
    /// When only what is urgent may be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    quiet_hours: Option<QuietHours>,
    /// One summary instead of single alerts.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
}

impl Example for Preferences {
    fn example() -> Self {
        Self {
            version: None,
            channels: Channels { sms: Some(false), ..Channels::default() },
            mutes: vec![Mute {
                rule_id: None,
                event_type: Some("order.paid".to_owned()),
                until: Some(StampText("2026-01-31T09:30:00.000Z".to_owned())),
            }],
            quiet_hours: Some(QuietHours {
                timezone: "Europe/Vienna".to_owned(),
                days: vec![Weekday::Saturday, Weekday::Sunday],
                from: "22:00".to_owned(),
                to: "07:00".to_owned(),
                breaks_through: Urgency::Critical,
            }),
            digest: None,
        }
    }
}

impl Preferences {
    /// What is there, with its version.
    pub fn of(kept: preferences::Preferences, version: Option<i64>) -> Self {
        let on = |channel| kept.channels.get(&channel).copied();
        let mute = |mute: preferences::Mute| Mute {
            rule_id: mute.rule_id.map(|id| id.0),
            event_type: mute.event_type,
            until: mute.until.map(|until| StampText(until.rfc3339())),
        };
        Self {
            version,
            channels: Channels {
                realtime: on(Channel::Realtime),
                push: on(Channel::Push),
                email: on(Channel::Email),
                sms: on(Channel::Sms),
            },
            mutes: kept.mutes.into_iter().map(mute).collect(),
            quiet_hours: kept.quiet_hours.map(|quiet| QuietHours {
                timezone: quiet.timezone,
                days: quiet.days.into_iter().map(Weekday::from).collect(),
                from: quiet.from,
                to: quiet.to,
                breaks_through: quiet.breaks_through.into(),
            }),
            digest: kept.digest.map(|digest| Digest {
                every_minutes: digest.every_minutes,
                breaks_through: digest.breaks_through.into(),
            }),
        }
    }

    /// What is wanted, as the domain judges it.
    ///
    /// # Errors
    /// When a time can't be read.
    pub fn wanted(self) -> Result<preferences::Preferences, Problem> {
        let Channels { realtime, push, email, sms } = self.channels;
        let channels = [
            (Channel::Realtime, realtime),
            (Channel::Push, push),
            (Channel::Email, email),
            (Channel::Sms, sms),
        ];
        let mut faults = Vec::new();
        let mut mutes = Vec::new();
        for (at, mute) in self.mutes.into_iter().enumerate() {
            let until = mute.until.map(|text| Time::parse(&text.0));
            if until == Some(None) {
                let right =
                    "it must be a time as RFC 3339 with its offset, like 2026-01-31T09:30:00Z";
                let field = format!("mutes[{at}].until");
                faults.push(Fault::new(field, FaultCode::Invalid, right));
            }
            mutes.push(preferences::Mute {
                rule_id: mute.rule_id.map(RuleId),
                event_type: mute.event_type,
                until: until.flatten(),
            });
        }
        if !faults.is_empty() {
            return Err(Problem::invalid(faults));
        }
        Ok(preferences::Preferences {
            channels: channels.into_iter().filter_map(|(one, on)| Some((one, on?))).collect(),
            mutes,
            quiet_hours: self.quiet_hours.map(|quiet| preferences::QuietHours {
                timezone: quiet.timezone,
                days: quiet.days.into_iter().map(domain::hours::Day::from).collect(),
                from: quiet.from,
                to: quiet.to,
                breaks_through: quiet.breaks_through.into(),
            }),
            digest: self.digest.map(|digest| preferences::Digest {
                every_minutes: digest.every_minutes,
                breaks_through: digest.breaks_through.into(),
            }),
        })
    }
}
