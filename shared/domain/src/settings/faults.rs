//! Everything that is wrong with settings, field by field.

use chrono::NaiveTime;
use chrono_tz::Tz;
use url::Url;

use super::super::fault::{Fault, FaultCode};
use super::super::role::role_name_fault;
use super::super::user::email_fault;
use super::{
    Email, EscalationStep, MailAccount, QuietHours, RateLimits, Settings, Sms, SmsAccount,
};
use crate::rule::{MAX_WINDOW_COUNT, Suppression};

/// The most origins of a project.
pub const MAX_ORIGINS: usize = 50;
/// The most key-value extras.
pub const MAX_EXTRAS: usize = 100;
const MAX_EXTRA_NAME: usize = 64;
const MAX_EXTRA: usize = 1000;
const MAX_STEPS: usize = 10;
const MAX_STEP_ROLES: usize = 20;
const MAX_TEXT: usize = 255;
const DAY: u32 = 86_400;
const MONTH: u32 = 31 * DAY;
const MAX_MIN_LENGTH: u32 = 128;

/// What the platform allows at most: 0 is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// Its limits, one for each that a project can set.
    pub limits: RateLimits,
    /// The fewest characters of a password.
    pub password_min_length: u32,
}

struct Judge(Vec<Fault>);

impl Judge {
    fn demand(&mut self, fine: bool, field: impl Into<String>, right: impl Into<String>) {
        if !fine {
            self.0.push(Fault::new(field.into(), FaultCode::Invalid, right.into()));
        }
    }

    /// A text of one line that must be there.
    fn text(&mut self, field: impl Into<String>, text: &str) {
        let fine = !text.trim().is_empty() && is_line(text, MAX_TEXT);
        self.demand(
            fine,
            field,
            "it must be 1 to 255 characters, none of them a control character",
        );
    }

    /// The name of a host, which stands in addresses that we call.
    fn host(&mut self, field: impl Into<String>, host: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
        let fine = (1..=253).contains(&host.len())
            && host.chars().all(plain)
            && Url::parse(&format!("https://{host}/")).is_ok();
        self.demand(fine, field, "it must be a host, like mail.example.com");
    }

    fn word(&mut self, field: impl Into<String>, text: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        let fine = (1..=MAX_TEXT).contains(&text.len()) && text.chars().all(plain);
        self.demand(fine, field, "it must be 1 to 255 letters, digits or any of - _ . :");
    }
}

fn is_line(text: &str, most: usize) -> bool {
    text.chars().count() <= most && !text.chars().any(char::is_control)
}

/// Everything that is wrong with these settings by themselves.
pub fn faults(settings: &Settings, bounds: &Bounds) -> Vec<Fault> {
    let mut judge = Judge(Vec::new());
    realtime_and_push(settings, &mut judge);
    if let Some(email) = &settings.email {
        mail(email, &mut judge);
    }
    if let Some(sms) = &settings.sms {
        texts(sms, &mut judge);
    }
    escalation(&settings.default_escalation, &mut judge);
    if let Some(window) = settings.default_suppression {
        suppression(window, &mut judge);
    }
    if let Some(quiet) = &settings.quiet_hours {
        quiet_hours(quiet, &mut judge);
    }
    limits(settings.rate_limits, bounds.limits, &mut judge);
    origins(&settings.cors_origins, &mut judge);
    if let Some(length) = settings.password.min_length {
        let least = bounds.password_min_length;
        let right =
            format!("it must be from {least}, which the platform demands, to {MAX_MIN_LENGTH}");
        let fine = (least..=MAX_MIN_LENGTH).contains(&length);
        judge.demand(fine, "password.min_length", right);
    }
    extras(settings, &mut judge);
    judge.0
}

fn realtime_and_push(settings: &Settings, judge: &mut Judge) {
    if let Some(one) = &settings.realtime {
        judge.word("realtime.app_id", &one.app_id);
        judge.word("realtime.key", &one.key);
        match (&one.cluster, &one.host) {
            (Some(cluster), None) => judge.word("realtime.cluster", cluster),
            (None, Some(host)) => judge.host("realtime.host", host),
            _ => judge.demand(false, "realtime", "give either cluster or host, and not both"),
        }
    }
    if let Some(one) = &settings.fcm {
        judge.word("fcm.project_id", &one.project_id);
    }
    if let Some(one) = &settings.apns {
        judge.word("apns.key_id", &one.key_id);
        judge.word("apns.team_id", &one.team_id);
        judge.word("apns.topic", &one.topic);
    }
    if let Some(one) = &settings.vapid {
        let known = one.subject.starts_with("mailto:") || one.subject.starts_with("https://");
        let fine = known && is_line(&one.subject, MAX_TEXT) && Url::parse(&one.subject).is_ok();
        judge.demand(
            fine,
            "vapid.subject",
            "it must be an address that begins with mailto: or https://",
        );
        // An uncompressed point of P-256.
        let digits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let fine = one.public_key.len() == 87 && one.public_key.chars().all(digits);
        judge.demand(fine, "vapid.public_key", "it must be 65 bytes in base64url without padding");
    }
}

fn mail(email: &Email, judge: &mut Judge) {
    let fault = email_fault(&email.from.to_lowercase());
    judge.demand(
        fault.is_none(),
        "email.from",
        "it must be an email address, like alerts@example.com",
    );
    if let Some(name) = &email.from_name {
        judge.text("email.from_name", name);
    }
    account("email.first", &email.first, judge);
    if let Some(fallback) = &email.fallback {
        account("email.fallback", fallback, judge);
    }
}

fn account(at: &str, account: &MailAccount, judge: &mut Judge) {
    let MailAccount { smtp, ses, sendgrid } = account;
    let count = [smtp.is_some(), ses.is_some(), sendgrid.is_some()];
    let one = count.iter().filter(|is_there| **is_there).count() == 1;
    judge.demand(one, at, "give exactly one of smtp, ses and sendgrid");
    if let Some(smtp) = smtp {
        judge.host(format!("{at}.smtp.host"), &smtp.host);
        judge.demand(smtp.port > 0, format!("{at}.smtp.port"), "it must be from 1 to 65535");
        if let Some(username) = &smtp.username {
            judge.text(format!("{at}.smtp.username"), username);
        }
    }
    if let Some(ses) = ses {
        judge.word(format!("{at}.ses.region"), &ses.region);
        judge.word(format!("{at}.ses.access_key_id"), &ses.access_key_id);
    }
}

fn texts(sms: &Sms, judge: &mut Judge) {
    let mut account = |at: &str, account: &SmsAccount| {
        let Some(twilio) = &account.twilio else {
            return judge.demand(false, at, "give an account: twilio");
        };
        judge.word(format!("{at}.twilio.account_sid"), &twilio.account_sid);
        let digits = twilio.from.strip_prefix('+').unwrap_or_default();
        let number = (8..=15).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_digit());
        let service = twilio.from.len() == 34 && twilio.from.starts_with("MG");
        let right = "it must be a number like +4915112345678, or the id of a messaging service";
        judge.demand(number || service, format!("{at}.twilio.from"), right);
    };
    account("sms.first", &sms.first);
    if let Some(fallback) = &sms.fallback {
        account("sms.fallback", fallback);
    }
}

fn escalation(steps: &[EscalationStep], judge: &mut Judge) {
    judge.demand(steps.len() <= MAX_STEPS, "default_escalation", "at most 10 steps");
    for (at, step) in steps.iter().take(MAX_STEPS).enumerate() {
        let field = |name: &str| format!("default_escalation[{at}].{name}");
        judge.demand(
            step.after <= 7 * DAY,
            field("after"),
            "it must be from 0 to 604800 seconds (7 days)",
        );
        let few = step.roles.len() <= MAX_STEP_ROLES;
        judge.demand(few, field("roles"), "at most 20 roles");
        for (number, role) in step.roles.iter().take(MAX_STEP_ROLES).enumerate() {
            let fine = role_name_fault(role).is_none();
            judge.demand(
                fine,
                field(&format!("roles[{number}]")),
                "it must be the name of a role, like on_call",
            );
        }
    }
}

fn suppression(window: Suppression, judge: &mut Judge) {
    let fine = (1..=MAX_WINDOW_COUNT).contains(&window.count);
    judge.demand(fine, "default_suppression.count", "it must be from 1 to 1000");
    let fine = (1..=MONTH).contains(&window.seconds);
    judge.demand(fine, "default_suppression.seconds", "it must be from 1 to 2678400 (31 days)");
}

fn quiet_hours(quiet: &QuietHours, judge: &mut Judge) {
    let is_time = |text: &str| text.len() == 5 && NaiveTime::parse_from_str(text, "%H:%M").is_ok();
    judge.demand(is_time(&quiet.from), "quiet_hours.from", "it must be a time of day, like 22:00");
    judge.demand(is_time(&quiet.to), "quiet_hours.to", "it must be a time of day, like 07:00");
    judge.demand(quiet.from != quiet.to, "quiet_hours.to", "it must be another time than from");
    let known = quiet.timezone.parse::<Tz>().is_ok();
    judge.demand(
        known,
        "quiet_hours.timezone",
        "it must be a time zone of the IANA list, like Europe/Berlin",
    );
}

fn limits(own: RateLimits, most: RateLimits, judge: &mut Judge) {
    for (name, own, most) in [
        ("events_per_second", own.events_per_second, most.events_per_second),
        ("key_per_second", own.key_per_second, most.key_per_second),
        ("user_per_second", own.user_per_second, most.user_per_second),
        ("requests_per_second", own.requests_per_second, most.requests_per_second),
        ("logins_per_minute", own.logins_per_minute, most.logins_per_minute),
    ] {
        let Some(own) = own else { continue };
        let most = most.filter(|most| *most > 0).unwrap_or(1_000_000);
        let right = format!(
            "it must be from 1 to {most}: a project's limits are no wider than the platform's"
        );
        judge.demand((1..=most).contains(&own), format!("rate_limits.{name}"), right);
    }
}

/// Whether it is an origin as browsers send it, and of a page. A host with other characters than those of names and
/// addresses, such as `*`, is a valid URL, and no browser ever sends it.
pub fn is_origin(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    let page = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| host.chars().all(plain))
    };
    Url::parse(text).is_ok_and(|url| page(&url) && url.origin().ascii_serialization() == text)
}

fn origins(origins: &[String], judge: &mut Judge) {
    judge.demand(origins.len() <= MAX_ORIGINS, "cors_origins", "at most 50 origins");
    for (at, origin) in origins.iter().take(MAX_ORIGINS).enumerate() {
        let right = "it must be as browsers send it: scheme, host and port, like https://app.example.com, without a *";
        judge.demand(is_origin(origin), format!("cors_origins[{at}]"), right);
        if origins[..at].contains(origin) {
            judge.0.push(Fault::new(
                format!("cors_origins[{at}]"),
                FaultCode::Duplicate,
                "this origin is in the list before; name each once",
            ));
        }
    }
}

fn extras(settings: &Settings, judge: &mut Judge) {
    judge.demand(settings.extras.len() <= MAX_EXTRAS, "extras", "at most 100 extras");
    for (name, value) in settings.extras.iter().take(MAX_EXTRAS) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let named = (1..=MAX_EXTRA_NAME).contains(&name.len()) && name.chars().all(plain);
        let right = "each name must be 1 to 64 letters, digits or any of - _ .";
        judge.demand(named, "extras", right);
        let fine = value.chars().count() <= MAX_EXTRA && !value.contains('\0');
        let shown: String = name.chars().take(MAX_EXTRA_NAME).collect();
        judge.demand(
            fine,
            format!("extras.{shown}"),
            "it must have at most 1000 characters, none of them U+0000",
        );
    }
}
