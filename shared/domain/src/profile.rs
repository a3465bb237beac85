//! What an account tells of its holder beyond address and name, and how it is changed. Most of it stands sealed in the
//! store, so that erasing somebody makes it unreadable.

use serde::{Deserialize, Serialize};

use super::fault::{Fault, FaultCode};
use super::user::name_fault;

/// What nobody searches by, and what is therefore sealed as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// The number, as E.164 writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// The first name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// The last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// The postcode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postcode: Option<String>,
    /// What they say of themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bio: Option<String>,
    /// Their language, like `de-AT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Their timezone, like `Europe/Vienna`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

/// A change of one field: left out it stays, with nothing in it it is removed.
pub type Patch = Option<Option<String>>;

/// What is to be changed of an account.
#[derive(Clone, Debug, Default)]
pub struct AccountChange {
    /// What the holder is called; it can't be removed.
    pub full_name: Option<String>,
    /// The short name that is theirs alone in the project.
    pub username: Patch,
    /// The number.
    pub phone: Patch,
    /// The first name.
    pub first_name: Patch,
    /// The last name.
    pub last_name: Patch,
    /// The postcode.
    pub postcode: Patch,
    /// What they say of themselves.
    pub bio: Patch,
    /// Their language.
    pub locale: Patch,
    /// Their timezone.
    pub timezone: Patch,
}

/// An account as far as its holder can change it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountState {
    /// What the holder is called.
    pub full_name: String,
    /// The short name.
    pub username: Option<String>,
    /// The rest.
    pub profile: Profile,
}

/// The longest username.
pub const MAX_USERNAME: usize = 40;
/// The longest postcode.
pub const MAX_POSTCODE: usize = 20;
/// The longest bio, in characters.
pub const MAX_BIO: usize = 2000;

/// The state after a change.
///
/// # Errors
/// Everything that is wrong with the change, each with its field.
pub fn changed(before: &AccountState, change: AccountChange) -> Result<AccountState, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut after = before.clone();
    if let Some(name) = change.full_name {
        faults.extend(name_fault("full_name", &name));
        name.trim().clone_into(&mut after.full_name);
    }
    let profile = &mut after.profile;
    for (field, patch, place, judge) in [
        ("username", change.username, &mut after.username, username as Judge),
        ("phone", change.phone, &mut profile.phone, phone),
        ("first_name", change.first_name, &mut profile.first_name, name),
        ("last_name", change.last_name, &mut profile.last_name, name),
        ("postcode", change.postcode, &mut profile.postcode, postcode),
        ("bio", change.bio, &mut profile.bio, bio),
        ("locale", change.locale, &mut profile.locale, locale),
        ("timezone", change.timezone, &mut profile.timezone, timezone),
    ] {
        match patch {
            None => {}
            Some(None) => *place = None,
            Some(Some(text)) => match judge(field, &text) {
                Ok(value) => *place = Some(value),
                Err(fault) => faults.push(fault),
            },
        }
    }
    if faults.is_empty() { Ok(after) } else { Err(faults) }
}

/// Reads a field into its normal form, or says what is wrong with it.
type Judge = fn(&'static str, &str) -> Result<String, Fault>;

fn username(field: &'static str, text: &str) -> Result<String, Fault> {
    let right = "it must be 2 to 40 lower-case letters, digits and . _ - with a letter or digit at the beginning";
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fine = (2..=MAX_USERNAME).contains(&text.len())
        && text.starts_with(plain)
        && text.chars().all(|c| plain(c) || "._-".contains(c));
    if fine { Ok(text.to_owned()) } else { Err(Fault::new(field, FaultCode::Invalid, right)) }
}

/// A number in its one form: people write blanks, dots, hyphens and parentheses into them.
fn phone(field: &'static str, text: &str) -> Result<String, Fault> {
    let right = "it must be an international number, like +43 660 1234567";
    let kept: String = text.chars().filter(|c| !" .-()/".contains(*c)).collect();
    let fine = kept.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    if fine { Ok(kept) } else { Err(Fault::new(field, FaultCode::Invalid, right)) }
}

fn name(field: &'static str, text: &str) -> Result<String, Fault> {
    name_fault(field, text).map_or_else(|| Ok(text.trim().to_owned()), Err)
}

fn postcode(field: &'static str, text: &str) -> Result<String, Fault> {
    let text = text.trim();
    let plain = |c: char| c.is_alphanumeric() || " -".contains(c);
    if text.is_empty() || text.chars().count() > MAX_POSTCODE || !text.chars().all(plain) {
        let right = "it must be 1 to 20 letters, digits, blanks and hyphens";
        return Err(Fault::new(field, FaultCode::Invalid, right));
    }
    Ok(text.to_owned())
}

fn bio(field: &'static str, text: &str) -> Result<String, Fault> {
    if text.chars().count() > MAX_BIO {
        return Err(Fault::new(field, FaultCode::TooLong, "it must have at most 2000 characters"));
    }
    if text.chars().any(|c| c.is_control() && !"\n\r\t".contains(c)) {
        return Err(Fault::new(
            field,
            FaultCode::Invalid,
            "it must have no control characters but line breaks",
        ));
    }
    Ok(text.to_owned())
}

fn locale(field: &'static str, text: &str) -> Result<String, Fault> {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    let fine = text.len() <= 35
        && (2..=3).contains(&language.len())
        && language.bytes().all(|byte| byte.is_ascii_lowercase())
        && parts.all(|part| {
            (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
    if fine {
        Ok(text.to_owned())
    } else {
        Err(Fault::new(field, FaultCode::Invalid, "it must be a language tag, like de or de-AT"))
    }
}

fn timezone(field: &'static str, text: &str) -> Result<String, Fault> {
    timezone_fault(field, text).map_or_else(|| Ok(text.to_owned()), Err)
}

/// What is wrong with the name of a timezone.
pub fn timezone_fault(
    field: impl Into<std::borrow::Cow<'static, str>>,
    text: &str,
) -> Option<Fault> {
    let known = text.parse::<chrono_tz::Tz>().is_ok();
    (!known).then(|| {
        Fault::new(
            field,
            FaultCode::Invalid,
            "it must be a time zone of the IANA list, like Europe/Vienna",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> Patch {
        Some(Some(text.to_owned()))
    }

    #[test]
    fn what_is_left_out_stays_and_nothing_removes() {
        let before = AccountState {
            full_name: "Ana".to_owned(),
            username: Some("ana".to_owned()),
            profile: Profile { bio: Some("Hi".to_owned()), ..Profile::default() },
        };
        let change = AccountChange {
            phone: set("+43 (660) 123-45.67"),
            username: Some(None),
            ..AccountChange::default()
        };
        let after = changed(&before, change).expect("fine");
        assert_eq!(after.full_name, "Ana");
        assert_eq!(after.username, None);
        assert_eq!(after.profile.phone.as_deref(), Some("+436601234567"));
        assert_eq!(after.profile.bio.as_deref(), Some("Hi"));
    }

    #[test]
    fn every_fault_is_named() {
        let change = AccountChange {
            full_name: Some(" ".to_owned()),
            username: set("Ana"),
            phone: set("0660 1234567"),
            first_name: set(""),
            last_name: set("a\0b"),
            postcode: set("<1010>"),
            bio: set("a\0"),
            locale: set("german"),
            timezone: set("Mars/Olympus"),
        };
        let faults = changed(&AccountState::default(), change).expect_err("faults");
        let fields: Vec<&str> = faults.iter().map(|fault| &*fault.field).collect();
        let all = [
            "full_name",
            "username",
            "phone",
            "first_name",
            "last_name",
            "postcode",
            "bio",
            "locale",
            "timezone",
        ];
        assert_eq!(fields, all);
    }

    #[test]
    fn forms() {
        for (judge, text, fine) in [
            (username as Judge, "ana.m_2-x", true),
            (username, "a", false),
            (username, ".ana", false),
            (username, "ána", false),
            (phone, "+1 202 555 0100", true),
            (phone, "+123456", false),
            (phone, "+1234567890123456", false),
            (phone, "+0123456789", false),
            (phone, "tel:+12025550100", false),
            (postcode, "SW1A 1AA", true),
            (postcode, &"1".repeat(21), false),
            (locale, "de", true),
            (locale, "zh-Hant-TW", true),
            (locale, "DE", false),
            (locale, "de_AT", false),
            (timezone, "Europe/Vienna", true),
            (timezone, "CEST", false),
            (bio, "one\ntwo", true),
            (bio, &"x".repeat(2001), false),
        ] {
            assert_eq!(judge("field", text).is_ok(), fine, "{text}");
        }
    }
}
