//! A secret in the settings: written and never read again.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use super::super::fault::{Fault, FaultCode};
use super::Settings;

/// The longest secret: a service account is some three thousand characters.
pub const MAX_SECRET: usize = 16_384;

/// From so many characters on, the last four of a secret may be told.
const TELLING: usize = 12;

/// What is said of a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum SecretField {
    /// Nothing: it stays as it is.
    #[default]
    Unsaid,
    /// It is to be removed.
    Removed,
    /// It is to be this.
    Text(String),
    /// It is there, as answers tell it.
    Set {
        /// Its end, if it is long enough that this gives nothing away.
        last4: Option<String>,
    },
    /// There is none, as answers tell it.
    Unset,
}

impl SecretField {
    /// How a secret that is there is told.
    pub fn told(secret: Option<&str>) -> Self {
        let count = secret.map_or(0, |secret| secret.chars().count());
        let end = |secret: &str| secret.chars().skip(count - 4).collect();
        Self::Set { last4: secret.filter(|_| count >= TELLING).map(end) }
    }
}

impl fmt::Debug for SecretField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsaid => "Unsaid",
            Self::Removed => "Removed",
            Self::Text(_) => "Text(***)",
            Self::Set { .. } => "Set",
            Self::Unset => "Unset",
        })
    }
}

impl Serialize for SecretField {
    /// A secret itself is never written.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Set { last4: Some(last4) } => json!({ "set": true, "last4": last4 }),
            Self::Set { last4: None } | Self::Text(_) => json!({ "set": true }),
            Self::Unsaid | Self::Removed | Self::Unset => json!({ "set": false }),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SecretField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(Self::Removed),
            Value::String(text) => Ok(Self::Text(text)),
            // What an answer said may be sent back: it stays as it is.
            Value::Object(said) if said.get("set").is_some_and(Value::is_boolean) => {
                Ok(Self::Unsaid)
            }
            _ => Err(D::Error::custom(
                "expected the secret as a text, null to remove it, or nothing to keep it",
            )),
        }
    }
}

/// What is to become of the secrets of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Those that stay as they are.
    pub kept: Vec<String>,
    /// Those that are new, by their field.
    pub new: Vec<(String, String)>,
}

impl Given {
    /// What of `wanted` stays, is new or goes, if `held` is what is there. What was there of a section that is gone, or
    /// of an account of another kind, goes.
    pub fn of(wanted: &mut Settings, held: &mut Settings, set: &[String]) -> (Self, Vec<Fault>) {
        let (mut given, mut faults) = (Self::default(), Vec::new());
        let before: Vec<(String, String)> =
            held.secrets().into_iter().map(|one| (one.field, one.goes_to)).collect();
        for one in wanted.secrets() {
            let is_set = set.contains(&one.field);
            match one.secret {
                SecretField::Text(text) => {
                    if let Some(right) = secret_fault(text) {
                        faults.push(Fault::new(one.field, FaultCode::Invalid, right));
                        continue;
                    }
                    given.new.push((one.field, std::mem::take(text)));
                    *one.secret = SecretField::Set { last4: None };
                }
                SecretField::Removed | SecretField::Unset => *one.secret = SecretField::Unset,
                SecretField::Unsaid | SecretField::Set { .. } if !is_set => {
                    *one.secret = SecretField::Unset;
                }
                SecretField::Unsaid | SecretField::Set { .. } => {
                    let same = before
                        .iter()
                        .any(|(field, goes_to)| *field == one.field && *goes_to == one.goes_to);
                    if !same {
                        let right =
                            "the secret again: it would be sent to another place than before";
                        faults.push(Fault::new(one.field, FaultCode::Required, right));
                        continue;
                    }
                    given.kept.push(one.field);
                    *one.secret = SecretField::Set { last4: None };
                }
            }
        }
        (given, faults)
    }
}

fn secret_fault(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("at least one character; null removes it");
    }
    if text.len() > MAX_SECRET {
        return Some("at most 16384 bytes");
    }
    text.contains('\0').then_some("no character U+0000")
}
