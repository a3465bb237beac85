//! Webhook endpoints: where a project has its notifications sent, and which of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::fault::{Fault, FaultCode, nul_faults};
use super::rule::Priority;
use crate::id::{EndpointId, RuleId, UserId, sha256};
use crate::time::Time;

/// The most endpoints of a project.
pub const MAX_ENDPOINTS: i64 = 100;
/// The most characters of a name.
pub const MAX_NAME: usize = 200;
/// The most characters of a description.
pub const MAX_DESCRIPTION: usize = 500;
/// The most characters of a URL.
pub const MAX_URL: usize = 2048;
/// The most rules that a filter names.
const MAX_RULES: usize = 200;
/// How long a secret that was replaced signs besides the new one, if nothing is said.
pub const USUAL_GRACE: Duration = Duration::from_secs(86_400);
/// How long it may at most.
pub const LONGEST_GRACE: Duration = Duration::from_secs(7 * 86_400);

/// Which notifications an endpoint takes. Everything that it names must fit; what it does not name fits always.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointFilter {
    /// How urgent they may be.
    #[serde(default)]
    pub priorities: Vec<Priority>,
    /// The rules that they may be of.
    #[serde(default)]
    pub rules: Vec<RuleId>,
}

impl EndpointFilter {
    /// Whether a notification of a rule is taken.
    pub fn wants(&self, rule: RuleId, priority: Priority) -> bool {
        let urgent = self.priorities.is_empty() || self.priorities.contains(&priority);
        urgent && (self.rules.is_empty() || self.rules.contains(&rule))
    }
}

/// What its owner says of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointBody {
    /// Its name, which no other endpoint of the project has.
    pub name: String,
    /// Where it listens.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// Which notifications it takes.
    pub filter: EndpointFilter,
}

impl EndpointBody {
    /// Everything that is wrong with it by itself; with `secure`, only https will do.
    pub fn faults(&self, secure: bool) -> Vec<Fault> {
        let texts = json!({ "name": self.name, "url": self.url, "description": self.description });
        let mut found = nul_faults(&texts);
        let mut wrong = |field: &'static str, code: FaultCode, right: &'static str| {
            found.push(Fault::new(field, code, right));
        };
        if self.name.trim().is_empty() {
            wrong("name", FaultCode::Empty, "1 to 200 characters, not only blanks");
        }
        if self.name.chars().count() > MAX_NAME {
            wrong("name", FaultCode::TooLong, "at most 200 characters");
        }
        if self.description.chars().count() > MAX_DESCRIPTION {
            wrong("description", FaultCode::TooLong, "at most 500 characters");
        }
        if self.filter.rules.len() > MAX_RULES {
            wrong("rule_ids", FaultCode::TooLong, "at most 200 rules");
        }
        match url_fault(&self.url, secure) {
            Some(_) if self.url.is_empty() => {
                wrong(
                    "url",
                    FaultCode::Empty,
                    "a whole URL, like https://hooks.example.com/bellbuoy",
                );
            }
            Some(_) if self.url.chars().count() > MAX_URL => {
                wrong("url", FaultCode::TooLong, "at most 2048 characters");
            }
            Some(right) => wrong("url", FaultCode::Invalid, right),
            None => {}
        }
        found
    }
}

/// What is wrong with a URL by its text alone.
fn url_fault(text: &str, secure: bool) -> Option<&'static str> {
    if text.is_empty() || text.chars().count() > MAX_URL {
        return Some("1 to 2048 characters");
    }
    // The parser passes over tabs and line breaks; what is kept must be what is called.
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Some("a URL without blanks and control characters");
    }
    let Ok(url) = Url::parse(text) else {
        return Some("a whole URL, like https://hooks.example.com/bellbuoy");
    };
    match url.scheme() {
        "https" => {}
        "http" if !secure => {}
        "http" => return Some("it must begin with https://, for what is sent is nobody else's"),
        _ => return Some("it must begin with https://"),
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Some("a whole URL with a host, like https://hooks.example.com/bellbuoy");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some(
            "leave the user and password out: a URL is shown to all who may see the endpoint, and messages are signed",
        );
    }
    url.fragment().is_some().then_some("leave out what begins with #: it is never sent")
}

/// An endpoint as it stands, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointRecord {
    /// Its id.
    pub id: EndpointId,
    /// What its owner says of it.
    pub body: EndpointBody,
    /// Counted up with each change.
    pub revision: i64,
    /// Since when nothing is sent to it.
    pub disabled_at: Option<Time>,
    /// Until when the secret before its secret signs, too.
    pub former_until: Option<Time>,
    /// The user who created it.
    pub created_by: Option<UserId>,
    /// When it was created.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

impl EndpointRecord {
    /// What tells one state of it from another.
    pub fn tag(&self) -> String {
        format!("{}-{}", self.id, self.revision)
    }

    /// What the audit log says of it. The path of a URL may be a secret of whoever listens there, so that only its origin is
    /// told, and a hash that tells whether it was changed.
    pub fn told(&self) -> Value {
        json!({
            "name": self.body.name,
            "description": self.body.description,
            "origin": origin(&self.body.url),
            "url_sha256": hex::encode(sha256(self.body.url.as_bytes())),
            "priorities": self.body.filter.priorities,
            "rule_ids": self.body.filter.rules,
            "enabled": self.disabled_at.is_none(),
        })
    }
}

fn origin(url: &str) -> Option<String> {
    Url::parse(url).ok().map(|url| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> EndpointBody {
        EndpointBody {
            name: "operations".into(),
            url: "https://hooks.example.com/bellbuoy?team=1".into(),
            ..EndpointBody::default()
        }
    }

    fn rule(number: u128) -> RuleId {
        RuleId(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn everything_that_a_filter_names_must_fit() {
        let filter = |priorities: &[Priority], rules: &[u128]| EndpointFilter {
            priorities: priorities.to_vec(),
            rules: rules.iter().map(|number| rule(*number)).collect(),
        };
        for (filter, wanted) in [
            (filter(&[], &[]), true),
            (filter(&[Priority::High, Priority::Low], &[]), true),
            (filter(&[Priority::Low], &[]), false),
            (filter(&[], &[1, 2]), true),
            (filter(&[], &[2]), false),
            (filter(&[Priority::High], &[1]), true),
            (filter(&[Priority::High], &[2]), false),
            (filter(&[Priority::Low], &[1]), false),
        ] {
            assert_eq!(filter.wants(rule(1), Priority::High), wanted, "{filter:?}");
        }
    }

    #[test]
    fn faults_name_their_fields() {
        type Change = fn(&mut EndpointBody);
        let cases: [(Change, &[&str]); 8] = [
            (|_| {}, &[]),
            (|one| one.name = " ".into(), &["name"]),
            (|one| one.name = "n".repeat(201), &["name"]),
            (|one| one.name = "a\0".into(), &["name"]),
            (|one| one.description = "d".repeat(501), &["description"]),
            (|one| one.filter.rules = vec![rule(1); 201], &["rule_ids"]),
            (|one| one.url = String::new(), &["url"]),
            (
                |one| {
                    one.name = String::new();
                    one.url = "example".into();
                },
                &["name", "url"],
            ),
        ];
        for (number, (change, wanted)) in cases.into_iter().enumerate() {
            let mut one = body();
            change(&mut one);
            let found: Vec<String> =
                one.faults(true).iter().map(|fault| fault.field.to_string()).collect();
            assert_eq!(found, wanted, "case {number}");
        }
    }

    #[test]
    fn urls_are_judged() {
        for (url, secure, fine) in [
            ("https://hooks.example.com", true, true),
            ("https://hooks.example.com:8443/a?b=c", true, true),
            ("http://hooks.example.com/", true, false),
            ("http://hooks.example.com/", false, true),
            ("ftp://hooks.example.com/", false, false),
            ("hooks.example.com", false, false),
            ("mailto:a@example.com", false, false),
            ("https://", true, false),
            ("https://ann@hooks.example.com/", true, false),
            ("https://:secret@hooks.example.com/", true, false),
            ("https://hooks.example.com/#a", true, false),
            ("https://hooks.exa\tmple.com/", true, false),
            ("https://hooks.example.com/ a", true, false),
        ] {
            assert_eq!(url_fault(url, secure).is_none(), fine, "{url}");
        }
        let long = format!("https://hooks.example.com/{}", "a".repeat(MAX_URL));
        assert!(url_fault(&long, true).is_some());
        assert!(url_fault(&long[..MAX_URL], true).is_none());
    }

    #[test]
    fn the_audit_log_does_not_repeat_the_path() {
        let record = EndpointRecord {
            id: EndpointId(uuid::Uuid::nil()),
            body: EndpointBody { url: "https://hooks.example.com:8443/s3cret".into(), ..body() },
            revision: 3,
            disabled_at: None,
            former_until: None,
            created_by: None,
            created_at: Time::default(),
            updated_at: Time::default(),
        };
        let told = record.told();
        assert_eq!(told["origin"], "https://hooks.example.com:8443");
        assert!(!told.to_string().contains("s3cret"));
        assert!(record.tag().ends_with("-3"));
    }
}
