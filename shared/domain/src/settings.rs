//! What a project sets for itself: one structure, judged as a whole.

mod faults;
mod intake;
mod secret;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::delivery::Channel;
use super::names::words;
use super::rule::{Priority, Suppression};

pub use faults::{Bounds, MAX_EXTRAS, MAX_ORIGINS, faults, is_origin};
pub use intake::{IntakeSettings, RedisStreamIntake, SqsIntake, intake_faults};
pub use secret::{Given, SecretField};

words! {
    /// Who may come into a project.
    Registration {
        /// Anybody may ask for an account, which waits for an admin.
        Open = 1 "open",
        /// Only who is invited.
        InvitedOnly = 2 "invited_only",
    }
}

words! {
    /// When a step of an escalation policy is tried.
    When {
        /// In any case.
        Always = 1 "always",
        /// When nobody is connected.
        Offline = 2 "offline",
        /// When what was tried before did not arrive.
        Undelivered = 3 "undelivered",
        /// When nobody acknowledged.
        Unacknowledged = 4 "unacknowledged",
    }
}

words! {
    /// How a mail server is spoken to.
    MailTls {
        /// TLS from the first byte.
        Implicit = 1 "implicit",
        /// TLS after STARTTLS, and not without.
        StartTls = 2 "starttls",
        /// None: the way is trusted.
        None = 3 "none",
    }
}

/// The service through which open pages and apps are reached, as Pusher's protocol has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Realtime {
    /// The app.
    pub app_id: String,
    /// The key that clients know.
    pub key: String,
    /// The secret that signs.
    #[serde(default)]
    pub secret: SecretField,
    /// Pusher's cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Or the host of another server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// Push messages to Android and the web, through Firebase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fcm {
    /// The Firebase project.
    pub project_id: String,
    /// The service account: the JSON file with its private key.
    #[serde(default)]
    pub service_account: SecretField,
}

/// Push messages to Apple's devices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Apns {
    /// The id of the key.
    pub key_id: String,
    /// The team it belongs to.
    pub team_id: String,
    /// The app: its bundle id.
    pub topic: String,
    /// Whether it is Apple's test system that is spoken to.
    #[serde(default)]
    pub sandbox: bool,
    /// The private key, as the `.p8` file has it.
    #[serde(default)]
    pub key: SecretField,
}

/// The key pair of web push.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Vapid {
    /// Whom push services may ask, `mailto:` or `https:`.
    pub subject: String,
    /// The public key, in unpadded base64url.
    pub public_key: String,
    /// The private key, likewise.
    #[serde(default)]
    pub private_key: SecretField,
}

/// A mail server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Smtp {
    /// Where it is.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub tls: MailTls,
    /// Who logs in; nobody, if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// With which password.
    #[serde(default)]
    pub password: SecretField,
}

/// Amazon's mail service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ses {
    /// The region.
    pub region: String,
    /// The access key.
    pub access_key_id: String,
    /// Its secret.
    #[serde(default)]
    pub secret_access_key: SecretField,
}

/// SendGrid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SendGrid {
    /// The key of the account.
    #[serde(default)]
    pub api_key: SecretField,
}

/// One way to send mail: exactly one of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MailAccount {
    /// A mail server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smtp: Option<Smtp>,
    /// Amazon's mail service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ses: Option<Ses>,
    /// SendGrid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sendgrid: Option<SendGrid>,
}

/// How mail is sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Email {
    /// The address that it comes from.
    pub from: String,
    /// The name beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_name: Option<String>,
    /// What is tried first.
    pub first: MailAccount,
    /// What is tried when that fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<MailAccount>,
}

/// Twilio.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Twilio {
    /// The account.
    pub account_sid: String,
    /// Its token.
    #[serde(default)]
    pub auth_token: SecretField,
    /// The number that texts come from (E.164), or the id of a messaging service.
    pub from: String,
}

/// One way to send text messages: exactly one of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SmsAccount {
    /// Twilio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twilio: Option<Twilio>,
}

/// How text messages are sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sms {
    /// What is tried first.
    pub first: SmsAccount,
    /// What is tried when that fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<SmsAccount>,
}

/// One step of the default escalation policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EscalationStep {
    /// Through which channel.
    pub channel: Channel,
    /// When.
    pub when: When,
    /// How many seconds after the step before.
    #[serde(default)]
    pub after: u32,
    /// Whom; all that are told anyway, if it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

/// When people are left alone unless it is urgent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuietHours {
    /// From when, like `22:00`.
    pub from: String,
    /// Until when, like `07:00`; over midnight if it is earlier.
    pub to: String,
    /// The timezone, like `Europe/Berlin`.
    pub timezone: String,
    /// What is at least so urgent breaks through.
    pub breaks_through: Priority,
}

/// Limits that are tighter than the platform's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RateLimits {
    /// Events per second of the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events_per_second: Option<u32>,
    /// Requests per second of one key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_per_second: Option<u32>,
    /// Requests per second of one person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_per_second: Option<u32>,
    /// Requests per second of the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<u32>,
    /// Logins per minute from one address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logins_per_minute: Option<u32>,
}

/// What a password must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PasswordRules {
    /// The fewest characters; the platform's, if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_length: Option<u32>,
}

/// Everything that a project sets for itself. What is left out has no value of the project's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// How open pages and apps are reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realtime: Option<Realtime>,
    /// Push messages through Firebase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fcm: Option<Fcm>,
    /// Push messages to Apple's devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apns: Option<Apns>,
    /// Web push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vapid: Option<Vapid>,
    /// Mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// Text messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms: Option<Sms>,
    /// The escalation policy of rules that have none.
    pub default_escalation: Vec<EscalationStep>,
    /// The suppression of rules that have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_suppression: Option<Suppression>,
    /// When people are left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
    /// Limits that are tighter than the platform's.
    pub rate_limits: RateLimits,
    /// Origins whose pages may call the API for this project.
    pub cors_origins: Vec<String>,
    /// What a password must be.
    pub password: PasswordRules,
    /// Who may come in.
    pub registration: Registration,
    /// Ways for events into the project besides the API.
    #[serde(skip_serializing_if = "IntakeSettings::is_unsaid")]
    pub intake: IntakeSettings,
    /// Whatever else the project keeps here.
    pub extras: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            realtime: None,
            fcm: None,
            apns: None,
            vapid: None,
            email: None,
            sms: None,
            default_escalation: Vec::new(),
            default_suppression: None,
            quiet_hours: None,
            rate_limits: RateLimits::default(),
            cors_origins: Vec::new(),
            password: PasswordRules::default(),
            registration: Registration::Open,
            intake: IntakeSettings::default(),
            extras: BTreeMap::new(),
        }
    }
}

/// A secret in the settings: where it stands, and to whom it will be shown when it is used.
pub struct Held<'s> {
    /// Its path.
    pub field: String,
    /// The secret.
    pub secret: &'s mut SecretField,
    /// Where it will be sent, as far as that can be chosen: whoever chooses another place must know the secret.
    pub goes_to: String,
}

impl Settings {
    /// Every secret in them, in order.
    pub fn secrets(&mut self) -> Vec<Held<'_>> {
        let mut all = Vec::new();
        let mut add = |field: &str, secret, goes_to| {
            all.push(Held { field: field.to_owned(), secret, goes_to });
        };
        if let Some(one) = &mut self.realtime {
            let place = format!("{:?} {:?}", one.cluster, one.host);
            add("realtime.secret", &mut one.secret, place);
        }
        if let Some(one) = &mut self.fcm {
            add("fcm.service_account", &mut one.service_account, String::new());
        }
        if let Some(one) = &mut self.apns {
            add("apns.key", &mut one.key, String::new());
        }
        if let Some(one) = &mut self.vapid {
            add("vapid.private_key", &mut one.private_key, String::new());
        }
        if let Some(email) = &mut self.email {
            for (at, account) in
                [("first", Some(&mut email.first)), ("fallback", email.fallback.as_mut())]
            {
                let Some(account) = account else { continue };
                if let Some(one) = &mut account.smtp {
                    let place = format!("{}:{} {}", one.host, one.port, one.tls);
                    add(&format!("email.{at}.smtp.password"), &mut one.password, place);
                }
                if let Some(one) = &mut account.ses {
                    let field = format!("email.{at}.ses.secret_access_key");
                    add(&field, &mut one.secret_access_key, String::new());
                }
                if let Some(one) = &mut account.sendgrid {
                    let field = format!("email.{at}.sendgrid.api_key");
                    add(&field, &mut one.api_key, String::new());
                }
            }
        }
        if let Some(sms) = &mut self.sms {
            for (at, account) in
                [("first", Some(&mut sms.first)), ("fallback", sms.fallback.as_mut())]
            {
                if let Some(one) = account.and_then(|account| account.twilio.as_mut()) {
                    add(&format!("sms.{at}.twilio.auth_token"), &mut one.auth_token, String::new());
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests;
