//! Settings as they look on the wire: the same for reading and for setting, but that a secret is only ever set.

use std::borrow::Cow;
use std::collections::HashMap;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{Example, ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A secret. It is set by its text, removed by `null`, and stays as it is when it is left out or sent as it was read;
/// answers tell whether there is one, and its last four characters if it has twelve or more.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(Value);

impl Secret {
    /// Whether nothing is said of it.
    fn is_unsaid(said: &Option<Self>) -> bool {
        said.is_none()
    }

    /// Keeps `null`, which removes, apart from nothing, which keeps.
    fn said<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let fine = match &value {
            Value::Null | Value::String(_) => true,
            Value::Object(told) => told.get("set").is_some_and(Value::is_boolean),
            _ => false,
        };
        if fine {
            return Ok(Some(Self(value)));
        }
        let right = "the secret as a text, null to remove it, or nothing to keep it";
        Err(serde::de::Error::custom(right))
    }
}

impl Type for Secret {
    const IS_REQUIRED: bool = false;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "secret".into()
    }
    fn schema_ref() -> MetaSchemaRef {
        let inline = |schema| MetaSchemaRef::Inline(Box::new(schema));
        let told = MetaSchema {
            properties: vec![("set", bool::schema_ref()), ("last4", String::schema_ref())],
            required: vec!["set"],
            ..MetaSchema::new("object")
        };
        let text = MetaSchema {
            min_length: Some(1),
            max_length: Some(16_384),
            ..MetaSchema::new("string")
        };
        inline(MetaSchema {
            any_of: vec![inline(text), inline(told)],
            nullable: true,
            ..MetaSchema::ANY
        })
    }
    fn register(_registry: &mut Registry) {}
    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

// poem-openapi asks for these of everything in an object; bodies are read and answers written by serde.
impl ParseFromJSON for Secret {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        serde_json::from_value(value.unwrap_or_default()).map_err(ParseError::custom)
    }
}
impl ToJSON for Secret {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.clone())
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

macro_rules! word {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $vdoc:literal])+ $variant:ident,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, Enum, Serialize, Deserialize)]
        #[oai(rename_all = "snake_case")]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[doc = $vdoc])+ $variant,)+ }
    };
}

object! {
    /// The service through which open pages and apps are reached: Pusher, or a server that speaks its protocol.
    RealtimeSettings {
        /// The app.
        [oai(validator(max_length = 255))]
        app_id: String,
        /// The key that clients know.
        [oai(validator(max_length = 255))]
        key: String,
        /// The secret that signs.
        [serde(default, skip_serializing_if = "Secret::is_unsaid", deserialize_with = "Secret::said")]
        secret: Option<Secret>,
        /// Pusher's cluster; or else `host`.
        [serde(skip_serializing_if = "Option::is_none")]
        [oai(validator(max_length = 255))]
        cluster: Option<String>,
        /// The host of another server; or else `cluster`.
        [serde(skip_serializing_if = "Option::is_none")]
        [oai(validator(max_length = 253))]
        host: Option<String>,
    }
}
object! {
    /// Push messages through Firebase.
    FcmSettings {
        /// The Firebase project.
        [oai(validator(max_length = 255))]
        project_id: String,
        /// The service account: the JSON file with its private key, as a text.
        [serde(default, skip_serializing_if = "Secret::is_unsaid", deserialize_with = "Secret::said")]
        service_account: Option<Secret>,
    }
}
object! {
    /// Push messages to Apple's devices.
    ApnsSettings {
        /// The id of the key.
        [oai(validator(max_length = 255))]
        key_id: String,
        /// The team it belongs to.
        [oai(validator(max_length = 255))]
        team_id: String,
        /// The app: its bundle id.
        [oai(validator(max_length = 255))]
        topic: String,
        /// Whether it is Apple's test system that is spoken to.
        [serde(default)]
        [oai(default)]
        sandbox: bool,
        /// The private key, as the `.p8` file has it.
        [serde(default, skip_serializing_if = "Secret::is_unsaid", deserialize_with = "Secret::said")]
        key: Option<Secret>,
    }
}
object! {
    /// The key pair of web push.
    VapidSettings {
        /// Whom push services may ask: an address with `mailto:` or `https:`.
        [oai(validator(max_length = 255))]
        subject: String,
        /// The public key: 65 bytes in unpadded base64url.
        [oai(validator(min_length = 87, max_length = 87))]
        public_key: String,
        /// The private key, likewise.
        [serde(default, skip_serializing_if = "Secret::is_unsaid", deserialize_with = "Secret::said")]
        private_key: Option<Secret>,
    }
}
word! {
    /// How a mail server is spoken to.
    MailTls {
        /// TLS from the first byte.
        Implicit,
        /// TLS after STARTTLS, and not without.
        Starttls,
        /// None: the way is trusted.
        None,
    }
}
object! {
    /// A mail server.
    SmtpSettings {
        /// Where it is.
        [oai(validator(max_length = 253))]
        host: String,
        /// Its port.
        [oai(validator(minimum(value = "1")))]
        port: u16,
        /// How it is spoken to.
        tls: MailTls,
        /// Who logs in; nobody, if it is left out.
        [serde(skip_serializing_if = "Option::is_none")]
        [oai(validator(max_length = 255))]
        username: Option<String>,
        /// With which password. It must be given again when host, port or TLS change.
        [serde(default, skip_serializing_if = "Secret::is_unsaid", deserialize_with = "Secret::said")]
        password: Option<Secret>,
    }
}
object! {
    /// Amazon's mail service.
    SesSettings {
        /// The region.
        [oai(validator(max_length = 255))]
        region: String,
        /// The access key.
        [oai(validator(max_length = 255))]
        access_key_id: String,
        /// Its secret.
        [serde(default, skip_serializing_if = "Secret::is_unsaid", deserialize_with = "Secret::said")]
        secret_access_key: Option<Secret>,
    }
}
object! {
    /// SendGrid.
    SendgridSettings {
        /// The key of the account.
        [serde(default, skip_serializing_if = "Secret::is_unsaid", deserialize_with = "Secret::said")]
        api_key: Option<Secret>,
    }
}
object! {
    /// One way to send mail: exactly one of these.
    MailAccount {
        /// A mail server.
        [serde(skip_serializing_if = "Option::is_none")]
        smtp: Option<SmtpSettings>,
        /// Amazon's mail service.
        [serde(skip_serializing_if = "Option::is_none")]
        ses: Option<SesSettings>,
        /// SendGrid.
        [serde(skip_serializing_if = "Option::is_none")]
        sendgrid: Option<SendgridSettings>,
    }
}
object! {
    /// How mail is sent.
    EmailSettings {
        /// The address that it comes from.
        [oai(validator(max_length = 254))]
        from: String,
        /// The name beside it.
        [serde(skip_serializing_if = "Option::is_none")]
        [oai(validator(max_length = 255))]
        from_name: Option<String>,
        /// What is tried first.
        first: MailAccount,
        /// What is tried when that fails.
        [serde(skip_serializing_if = "Option::is_none")]
        fallback: Option<MailAccount>,
    }
}
object! {
    /// Twilio.
    TwilioSettings {
        /// The account.
        [oai(validator(max_length = 255))]
        account_sid: String,
        /// Its token.
        [serde(default, skip_serializing_if = "Secret::is_unsaid", deserialize_with = "Secret::said")]
        auth_token: Option<Secret>,
        /// The number that texts come from, like `+4915112345678`, or the id of a messaging service.
        [oai(validator(max_length = 34))]
        from: String,
    }
}
object! {
    /// One way to send text messages: exactly one of these.
    SmsAccount {
        /// Twilio.
        [serde(skip_serializing_if = "Option::is_none")]
        twilio: Option<TwilioSettings>,
    }
}
object! {
    /// How text messages are sent.
    SmsSettings {
        /// What is tried first.
        first: SmsAccount,
        /// What is tried when that fails.
        [serde(skip_serializing_if = "Option::is_none")]
        fallback: Option<SmsAccount>,
    }
}
word! {
    /// A way to reach people.
    StepChannel {
        /// An open page or app.
        Realtime,
        /// A push message.
        Push,
        /// A mail.
        Email,
        /// A text message.
        Sms,
        /// The project's webhook endpoints.
        Webhook,
    }
}
word! {
    /// When a step is tried.
    StepWhen {
        /// In any case.
        Always,
        /// When nobody is connected.
        Offline,
        /// When what was tried before did not arrive.
        Undelivered,
        /// When nobody acknowledged.
        Unacknowledged,
    }
}
object! {
    /// One step of the escalation policy of rules that have none.
    EscalationStep {
        /// Through which channel.
        channel: StepChannel,
        /// When.
        when: StepWhen,
        /// How many seconds after the step before.
        [serde(default)]
        [oai(default, validator(maximum(value = "604800")))]
        after: u32,
        /// The names of the roles that are told; all who are told anyway, if there are none.
        [serde(default, skip_serializing_if = "Vec::is_empty")]
        [oai(default, validator(max_items = 20))]
        roles: Vec<String>,
    }
}
object! {
    /// At most `count` alerts of a rule and group in any `seconds`, for rules that say nothing of it.
    DefaultSuppression {
        /// How many may ring.
        [oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        count: u32,
        /// In how long.
        [oai(validator(minimum(value = "1"), maximum(value = "2678400")))]
        seconds: u32,
        /// What becomes of those over it.
        [serde(skip_serializing_if = "Option::is_none")]
        over: Option<OverWindow>,
    }
}
word! {
    /// What becomes of matches that are over a window.
    OverWindow {
        /// They are counted, and kept as a record.
        Drop,
        /// One summary follows when the window has room again.
        Digest,
    }
}
word! {
    /// How urgent something is.
    SettingPriority {
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
object! {
    /// When people are left alone unless it is urgent.
    QuietHoursSettings {
        /// From when, like `22:00`.
        [oai(validator(min_length = 5, max_length = 5))]
        from: String,
        /// Until when, like `07:00`; over midnight if it is earlier.
        [oai(validator(min_length = 5, max_length = 5))]
        to: String,
        /// The timezone, like `Europe/Berlin`.
        [oai(validator(max_length = 64))]
        timezone: String,
        /// What is at least so urgent breaks through.
        breaks_through: SettingPriority,
    }
}
object! {
    /// Limits of the project's own, no wider than the platform's.
    RateLimitSettings {
        /// Events per second.
        [serde(skip_serializing_if = "Option::is_none")]
        [oai(validator(minimum(value = "1")))]
        events_per_second: Option<u32>,
        /// Requests per second of one key.
        [serde(skip_serializing_if = "Option::is_none")]
        [oai(validator(minimum(value = "1")))]
        key_per_second: Option<u32>,
        /// Requests per second of one person.
        [serde(skip_serializing_if = "Option::is_none")]
        [oai(validator(minimum(value = "1")))]
        user_per_second: Option<u32>,
        /// Requests per second of all keys and people.
        [serde(skip_serializing_if = "Option::is_none")]
        [oai(validator(minimum(value = "1")))]
        requests_per_second: Option<u32>,
        /// Logins per minute from one address.
        [serde(skip_serializing_if = "Option::is_none")]
        [oai(validator(minimum(value = "1")))]
        logins_per_minute: Option<u32>,
    }
}
object! {
    /// What a password must be.
    PasswordSettings {
        /// The fewest characters; not fewer than the platform demands.
        [serde(skip_serializing_if = "Option::is_none")]
        [oai(validator(minimum(value = "8"), maximum(value = "128")))]
        min_length: Option<u32>,
    }
}
word! {
    /// Who may come in.
    RegistrationSetting {
        /// Anybody may ask for an account, which waits for an admin.
        Open,
        /// Only who is invited.
        InvitedOnly,
    }
}

object! {
    /// A stream in Redis as a way for events into the project.
    RedisStreamSettings {
        /// Whether it is read.
        enabled: bool,
    }
}
object! {
    /// A queue in SQS as a way for events into the project.
    SqsSettings {
        /// Whether it is read.
        enabled: bool,
        /// The URL of another queue than the one that is made for the project. Its name must end in the project's id.
        [serde(skip_serializing_if = "Option::is_none")]
        [oai(validator(max_length = 255))]
        queue_url: Option<String>,
    }
}
object! {
    /// Ways for events into the project besides the API. Those that are left out are closed.
    IntakeSettings {
        /// A stream in Redis.
        [serde(skip_serializing_if = "Option::is_none")]
        redis_stream: Option<RedisStreamSettings>,
        /// A queue in SQS.
        [serde(skip_serializing_if = "Option::is_none")]
        sqs: Option<SqsSettings>,
    }
}

/// All that a project sets for itself. What is left out is not set.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(rename = "Settings", deny_unknown_fields, example)]
pub struct Settings {
    /// How open pages and apps are reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realtime: Option<RealtimeSettings>,
    /// Push messages through Firebase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fcm: Option<FcmSettings>,
    /// Push messages to Apple's devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apns: Option<ApnsSettings>,
    /// Web push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vapid: Option<VapidSettings>,
    /// Mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailSettings>,
    /// Text messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms: Option<SmsSettings>,
    /// The escalation policy of rules that have none.
    #[serde(default)]
    #[oai(default, validator(max_items = 10))]
    pub default_escalation: Vec<EscalationStep>,
    /// The suppression of rules that have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_suppression: Option<DefaultSuppression>,
    /// When people are left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHoursSettings>,
    /// Limits of the project's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limits: Option<RateLimitSettings>,
    /// Origins whose pages may call the API for this project, like `https://app.example.com`.
    #[serde(default)]
    #[oai(default, validator(max_items = 50))]
    pub cors_origins: Vec<String>,
    /// What a password must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordSettings>,
    /// Who may come in; anybody who asks, if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration: Option<RegistrationSetting>,
    /// Ways for events into the project besides the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intake: Option<IntakeSettings>,
    /// Whatever else the project keeps here: at most 100 texts of at most 1000 characters. These are no secrets.
    #[serde(default)]
    #[oai(default)]
    pub extras: HashMap<String, String>,
}

impl Example for Settings {
    fn example() -> Self {
        let example = json!({
            "email": {
                "from": "alerts@acme.example",
                "first": { "smtp": { "host": "mail.acme.example", "port": 587, "tls": "starttls",
                                     "username": "alerts", "password": "the password" } },
            },
            "quiet_hours": { "from": "22:00", "to": "07:00", "timezone": "Europe/Berlin",
                             "breaks_through": "critical" },
            "cors_origins": ["https://app.acme.example"],
            "password": { "min_length": 12 },
            "registration": "invited_only",
            "intake": { "redis_stream": { "enabled": false } },
        });
        Self::read(&example).unwrap_or_else(Self::nothing)
    }
}

impl Settings {
    fn nothing() -> Self {
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
            rate_limits: None,
            cors_origins: Vec::new(),
            password: None,
            registration: None,
            intake: None,
            extras: HashMap::new(),
        }
    }

    fn read(value: &Value) -> Option<Self> {
        serde_json::from_value(value.clone()).ok()
    }

    /// The same, as it is shown.
    pub fn shown(settings: &domain::settings::Settings) -> Option<Self> {
        Self::read(&serde_json::to_value(settings).ok()?)
    }

    /// The same, as it is judged. Both have the same JSON, but that `null` stands for what is not set in a body.
    pub fn wanted(&self) -> Result<domain::settings::Settings, serde_json::Error> {
        serde_json::from_value(serde_json::to_value(self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_and_the_domain_have_the_same_shape() {
        let empty: Settings = serde_json::from_value(json!({})).expect("settings");
        let domain = empty.wanted().expect("the same");
        assert_eq!(domain, domain::settings::Settings::default());
        let example = Settings::example();
        assert!(example.email.is_some(), "the example is one");
        let mut wanted = example.wanted().expect("the same");
        assert_eq!(wanted.secrets().len(), 1);
        let shown = Settings::shown(&wanted).expect("shown");
        let told = serde_json::to_value(&shown).expect("JSON");
        assert_eq!(told["email"]["first"]["smtp"]["password"], json!({ "set": true }));
        assert_eq!(shown.wanted().expect("the same").quiet_hours, wanted.quiet_hours);
        let removed =
            json!({ "vapid": { "subject": "x", "public_key": "y", "private_key": null } });
        let removed: Settings = serde_json::from_value(removed).expect("settings");
        let text = serde_json::to_value(&removed).expect("JSON");
        assert_eq!(text["vapid"]["private_key"], Value::Null);
        assert!(text["vapid"].as_object().expect("an object").contains_key("private_key"));
    }
}
