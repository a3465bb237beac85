//! Which ways into a project are open besides the API.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::entry::Intake;
use crate::fault::{Fault, FaultCode};
use crate::id::ProjectId;

/// The most characters of a queue's URL.
const MAX_URL: usize = 255;

/// A stream in Redis.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisStreamIntake {
    /// Whether it is read.
    pub enabled: bool,
}

/// A queue in SQS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqsIntake {
    /// Whether it is read.
    pub enabled: bool,
    /// Another queue than the one that is made for the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_url: Option<String>,
}

/// Ways for events into a project besides the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IntakeSettings {
    /// A stream in Redis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_stream: Option<RedisStreamIntake>,
    /// A queue in SQS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqs: Option<SqsIntake>,
}

impl IntakeSettings {
    /// Whether nothing is said of them.
    pub fn is_unsaid(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an intake is read.
    pub fn reads(&self, intake: Intake) -> bool {
        match intake {
            Intake::RedisStream => self.redis_stream.as_ref().is_some_and(|one| one.enabled),
            Intake::Sqs => self.sqs.as_ref().is_some_and(|one| one.enabled),
        }
    }

    /// Whether any is.
    pub fn reads_any(&self) -> bool {
        Intake::ALL.iter().any(|intake| self.reads(*intake))
    }

    /// The URL of the queue that is read in place of the project's own.
    pub fn queue_url(&self) -> Option<&str> {
        self.sqs.as_ref()?.queue_url.as_deref()
    }
}

/// What is wrong with them in an installation that has these engines, for that project.
pub fn intake_faults(
    settings: &IntakeSettings,
    has: impl Fn(Intake) -> bool,
    project: ProjectId,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut refuse = |field: &'static str, message: String| {
        faults.push(Fault::new(field, FaultCode::Invalid, message));
    };
    for (intake, field, engine) in [
        (
            Intake::RedisStream,
            "intake.redis_stream.enabled",
            "Redis (queue.url or coordination.url)",
        ),
        (Intake::Sqs, "intake.sqs.enabled", "SQS (queue.url)"),
    ] {
        if settings.reads(intake) && !has(intake) {
            let message = format!(
                "this installation has no {engine}; leave it false, or ask the operator to configure it"
            );
            refuse(field, message);
        }
    }
    if let Some(url) = settings.queue_url()
        && !is_queue_of(url, project)
    {
        // The installation may read queues of others, too: whose one is must be seen by its name.
        let message = format!(
            "it must be the URL of a queue whose name ends in -{project} (or -{project}.fifo), like \
             https://sqs.eu-central-1.amazonaws.com/123456789012/events-{project}"
        );
        refuse("intake.sqs.queue_url", message);
    }
    faults
}

/// Whether a URL is that of a queue which is named for the project.
fn is_queue_of(url: &str, project: ProjectId) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let Ok(read) = Url::parse(url) else { return false };
    let Some(parts) = read.path_segments() else { return false };
    let parts: Vec<&str> = parts.collect();
    let fits = url.len() <= MAX_URL
        && matches!(read.scheme(), "http" | "https")
        && read.username().is_empty()
        && read.password().is_none()
        && read.query().is_none()
        && read.fragment().is_none()
        && parts.iter().all(|part| !part.is_empty() && part.chars().all(plain));
    let name = parts.last().copied().unwrap_or_default();
    let name = name.strip_suffix(".fifo").unwrap_or(name);
    fits && parts.len() >= 2 && name.ends_with(&format!("-{project}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROJECT: ProjectId = ProjectId::PLATFORM;

    fn settings(stream: bool, sqs: bool, queue_url: Option<&str>) -> IntakeSettings {
        let queue_url = queue_url.map(str::to_owned);
        IntakeSettings {
            redis_stream: Some(RedisStreamIntake { enabled: stream }),
            sqs: Some(SqsIntake { enabled: sqs, queue_url }),
        }
    }

    #[test]
    fn what_the_installation_does_not_have_is_not_switched_on() {
        let fields = |settings: &IntakeSettings, has: &[Intake]| -> Vec<String> {
            let faults = intake_faults(settings, |one| has.contains(&one), PROJECT);
            faults.into_iter().map(|fault| fault.field.into_owned()).collect()
        };
        let (stream, sqs) = ("intake.redis_stream.enabled", "intake.sqs.enabled");
        assert_eq!(fields(&IntakeSettings::default(), &[]), [""; 0]);
        assert_eq!(fields(&settings(false, false, None), &[]), [""; 0]);
        assert_eq!(fields(&settings(true, true, None), &[]), [stream, sqs]);
        assert_eq!(fields(&settings(true, true, None), &[Intake::Sqs]), [stream]);
        assert_eq!(fields(&settings(true, true, None), Intake::ALL), [""; 0]);
        assert!(
            settings(false, true, None).reads_any() && !settings(false, false, None).reads_any()
        );
    }

    #[test]
    fn a_queue_is_named_for_the_project_that_reads_it() {
        let id = PROJECT.to_string();
        let other = ProjectId::fresh(crate::time::Time::from_micros(1)).to_string();
        for (url, fine) in [
            (format!("https://sqs.eu-central-1.amazonaws.com/123/events-{id}"), true),
            (format!("http://127.0.0.1:4566/000000000000/a-intake-{id}"), true),
            (format!("https://sqs.eu-central-1.amazonaws.com/123/events-{id}.fifo"), true),
            (format!("https://sqs.eu-central-1.amazonaws.com/123/events-{other}"), false),
            (format!("https://sqs.eu-central-1.amazonaws.com/123/{id}-events"), false),
            (format!("https://sqs.eu-central-1.amazonaws.com/123/events-{other}#-{id}"), false),
            (format!("https://sqs.eu-central-1.amazonaws.com/123/events-{other}?x=-{id}"), false),
            (format!("https://u:p@sqs.eu-central-1.amazonaws.com/123/events-{id}"), false),
            (format!("https://sqs.eu-central-1.amazonaws.com/events-{id}"), false),
            (format!("https://sqs.eu-central-1.amazonaws.com/123/events-{id}/"), false),
            (format!("https://sqs.eu-central-1.amazonaws.com/123/a%2fb-{id}"), false),
            (format!("arn:aws:sqs:eu-central-1:123:events-{id}"), false),
            (format!("https://x.example/{}/e-{id}", "1".repeat(300)), false),
            (String::new(), false),
        ] {
            let faults = intake_faults(&settings(false, true, Some(&url)), |_| true, PROJECT);
            assert_eq!(faults.is_empty(), fine, "{url}: {faults:?}");
        }
    }
}
