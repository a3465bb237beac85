//! What an account tells of its holder, and how that is changed, on the wire.

use domain::profile;
use poem_openapi::Object;
use poem_openapi::types::{Example, MaybeUndefined};
use serde::{Deserialize, Serialize};

/// What an account tells of its holder beside address and name.
#[derive(Clone, Debug, Default, Object, Serialize)]
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
    /// The path of the file with the holder's picture, within the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
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

impl From<profile::Profile> for Profile {
    fn from(profile: profile::Profile) -> Self {
        let profile::Profile { phone, first_name, last_name, postcode, bio, locale, timezone } =
            profile;
        Self { phone, first_name, last_name, avatar: None, postcode, bio, locale, timezone }
    }
}

/// What is to be changed: what is left out stays, and `null` removes.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct AccountChange {
    /// What the holder is called; it can't be removed.
    #[oai(validator(min_length = 1, max_length = 200))]
    full_name: Option<String>,
    /// A short name that nobody else of the project has: lower-case letters, digits and `.`, `_`, `-`.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[oai(validator(max_length = 40))]
    username: MaybeUndefined<String>,
    /// A number that nobody else of the project has, with its country: `+43 660 1234567`. It is kept as E.164 writes it.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[oai(validator(max_length = 40))]
    phone: MaybeUndefined<String>,
    /// The first name.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[oai(validator(max_length = 200))]
    first_name: MaybeUndefined<String>,
    /// The last name.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[oai(validator(max_length = 200))]
    last_name: MaybeUndefined<String>,
    /// The postcode.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[oai(validator(max_length = 20))]
    postcode: MaybeUndefined<String>,
    /// What they say of themselves.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[oai(validator(max_length = 2000))]
    bio: MaybeUndefined<String>,
    /// Their language: a tag like `de` or `de-AT`.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[oai(validator(max_length = 35))]
    locale: MaybeUndefined<String>,
    /// Their timezone, by its name in the IANA list.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[oai(validator(max_length = 64))]
    timezone: MaybeUndefined<String>,
}

impl Example for AccountChange {
    fn example() -> Self {
        let text = |text: &str| MaybeUndefined::Value(text.to_owned());
        Self {
            full_name: Some("Ana Admin".to_owned()),
            username: text("ana"),
            phone: text("+43 660 1234567"),
            first_name: MaybeUndefined::Undefined,
            last_name: MaybeUndefined::Undefined,
            postcode: text("1010"),
            bio: MaybeUndefined::Null,
            locale: text("de-AT"),
            timezone: text("Europe/Vienna"),
        }
    }
}

impl From<AccountChange> for profile::AccountChange {
    fn from(change: AccountChange) -> Self {
        Self {
            full_name: change.full_name,
            username: change.username.into(),
            phone: change.phone.into(),
            first_name: change.first_name.into(),
            last_name: change.last_name.into(),
            postcode: change.postcode.into(),
            bio: change.bio.into(),
            locale: change.locale.into(),
            timezone: change.timezone.into(),
        }
    }
}
