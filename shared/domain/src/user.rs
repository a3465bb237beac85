//! People: an account in one project.

use super::fault::{Fault, FaultCode};
use super::names::words;
use crate::id::{ProjectId, UserId};
use crate::time::Time;

words! {
    /// Whether an account works.
    UserStatus {
        /// Waits for an admin's approval.
        Pending = 0 "pending",
        /// It works.
        Active = 1 "active",
        /// Its holder is kept out and not called.
        Suspended = 2 "suspended",
    }
}

impl UserStatus {
    /// Whether an account in this state changes by being suspended or reactivated. One that waits for approval has ways
    /// of its own: suspending and reactivating it would be an approval that needs no permission to approve.
    ///
    /// # Errors
    /// When it may not, with what would be right.
    pub const fn may_become(self, to: Self) -> Result<bool, &'static str> {
        match (self, to) {
            (Self::Pending, Self::Active) => Err("the account waits for approval: approve it"),
            (Self::Pending, Self::Suspended) => {
                Err("the account waits for approval: approve it, or delete it to refuse it")
            }
            (Self::Active, Self::Suspended) | (Self::Suspended, Self::Active) => Ok(true),
            _ => Ok(false),
        }
    }

    /// Whether an account in this state changes by being approved; one that was approved before does not.
    ///
    /// # Errors
    /// When it may not be, with what would be right.
    pub const fn may_be_approved(self, with_roles: bool) -> Result<bool, &'static str> {
        match self {
            Self::Pending => Ok(true),
            Self::Active if with_roles => Err("the account was let in already: set its roles"),
            Self::Active => Ok(false),
            Self::Suspended => Err("the account is suspended: reactivate it"),
        }
    }
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The project it is in.
    pub project: ProjectId,
    /// The address that logs in, in lower case.
    pub email: String,
    /// What the holder is called.
    pub full_name: String,
    /// A short name that is the holder's alone in the project.
    pub username: Option<String>,
    /// The `Profile`, sealed with the holder's key.
    pub profile: Option<Vec<u8>>,
    /// The file of the holder's picture.
    pub avatar: Option<String>,
    /// Whether it works.
    pub status: UserStatus,
    /// When the address was proved.
    pub email_verified_at: Option<Time>,
    /// When the holder last logged in.
    pub last_login_at: Option<Time>,
    /// Until when it takes no logins, after too many failures; the time may have passed.
    pub locked_until: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

/// The longest address.
pub const MAX_EMAIL: usize = 254;
/// The longest name.
pub const MAX_NAME: usize = 200;

/// The form of an address in which two that mean the same are equal: trimmed, in lower case.
pub fn normal_email(text: &str) -> String {
    text.trim().to_lowercase()
}

/// What is wrong with an address in its normal form; mail alone can prove that it is somebody's.
pub fn email_fault(email: &str) -> Option<Fault> {
    let fault = |code, message: &'static str| Some(Fault::new("email", code, message));
    if email.is_empty() {
        return fault(FaultCode::Empty, "it must be an email address, like ana@example.com");
    }
    if email.len() > MAX_EMAIL {
        return fault(FaultCode::TooLong, "it must have at most 254 bytes");
    }
    let parts = email.rsplit_once('@').filter(|(local, domain)| {
        let words = domain.split('.').all(|word| !word.is_empty());
        !local.is_empty() && local.len() <= 64 && !domain.is_empty() && words
    });
    let odd = |c: char| c.is_whitespace() || c.is_control() || "<>()[],;:\\\"".contains(c);
    if parts.is_none() || email.contains(odd) {
        return fault(FaultCode::Invalid, "it must be an email address, like ana@example.com");
    }
    None
}

/// What is wrong with somebody's name.
pub fn name_fault(field: &'static str, name: &str) -> Option<Fault> {
    if name.trim().is_empty() {
        return Some(Fault::new(
            field,
            FaultCode::Empty,
            "it must have at least one visible character",
        ));
    }
    if name.chars().count() > MAX_NAME {
        return Some(Fault::new(field, FaultCode::TooLong, "it must have at most 200 characters"));
    }
    if name.chars().any(char::is_control) {
        return Some(Fault::new(field, FaultCode::Invalid, "it must have no control characters"));
    }
    None
}

/// Whom and what a password must stand against.
#[derive(Clone, Copy, Debug)]
pub struct PasswordPolicy {
    /// The fewest characters.
    pub min_length: usize,
}

/// The longest password: more would only be work for whoever hashes it.
pub const MAX_PASSWORD: usize = 256;

/// What is wrong with a password: its length counts, and that it is not one that is tried first.
pub fn password_fault(password: &str, email: &str, policy: PasswordPolicy) -> Option<Fault> {
    let fault = |code, message: String| Some(Fault::new("password", code, message));
    if password.chars().count() < policy.min_length {
        return fault(
            FaultCode::Invalid,
            format!("it must have at least {} characters", policy.min_length),
        );
    }
    if password.len() > MAX_PASSWORD {
        return fault(FaultCode::TooLong, format!("it must have at most {MAX_PASSWORD} bytes"));
    }
    let lower = password.to_lowercase();
    let local = email.split('@').next().unwrap_or_default();
    if local.chars().count() >= 3 && lower.contains(local) {
        return fault(
            FaultCode::Invalid,
            "it must not contain the name in the email address".to_owned(),
        );
    }
    if is_common(&lower) {
        return fault(
            FaultCode::Invalid,
            "it is one of the passwords that are guessed first; choose another one".to_owned(),
        );
    }
    None
}

/// What common passwords are made of; long ones are these again, or with a tail.
const COMMON: [&str; 44] = [
    "password",
    "passwort",
    "passw0rd",
    "p@ssw0rd",
    "p@ssword",
    "letmein",
    "welcome",
    "qwerty",
    "qwertz",
    "azerty",
    "qazwsx",
    "asdfgh",
    "zxcvbn",
    "1q2w3e4r",
    "1qaz2wsx",
    "iloveyou",
    "admin",
    "administrator",
    "changeme",
    "secret",
    "master",
    "dragon",
    "monkey",
    "football",
    "baseball",
    "superman",
    "batman",
    "sunshine",
    "princess",
    "shadow",
    "trustno",
    "whatever",
    "starwars",
    "michael",
    "jordan",
    "login",
    "abc",
    "test",
    "guest",
    "root",
    "summer",
    "winter",
    "spring",
    "autumn",
];

/// Whether nothing is left of it once common words, digits and signs are taken away, or it is one character or one
/// run over and over.
fn is_common(lower: &str) -> bool {
    let mut letters: String = lower.to_owned();
    for word in COMMON {
        letters = letters.replace(word, "");
    }
    let left = letters.chars().filter(|c| c.is_alphabetic()).count();
    let touched = letters.len() < lower.len();
    let digits_only = lower.chars().all(|c| !c.is_alphabetic());
    let distinct: std::collections::BTreeSet<char> = lower.chars().collect();
    distinct.len() < 4 || (touched && left < 3) || (digits_only && is_run(lower))
}

/// Whether each digit follows the one before, up or down, or repeats it.
fn is_run(text: &str) -> bool {
    let digits: Vec<i32> =
        text.chars().filter_map(|c| c.to_digit(10)).flat_map(i32::try_from).collect();
    digits.len() >= 6
        && digits.windows(2).all(|two| matches!((two[1] - two[0]).rem_euclid(10), 0 | 1 | 9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_that_waits_is_approved_and_nothing_else() {
        use UserStatus::{Active, Pending, Suspended};
        for (from, suspended, active, approved, with_roles) in [
            (Pending, None, None, Some(true), Some(true)),
            (Active, Some(true), Some(false), Some(false), None),
            (Suspended, Some(false), Some(true), None, None),
        ] {
            assert_eq!(from.may_become(Suspended).ok(), suspended, "{from} to suspended");
            assert_eq!(from.may_become(Active).ok(), active, "{from} to active");
            assert_eq!(from.may_be_approved(false).ok(), approved, "{from}");
            assert_eq!(from.may_be_approved(true).ok(), with_roles, "{from} with roles");
        }
    }

    #[test]
    fn addresses() {
        for (text, fine) in [
            ("ana@example.com", true),
            ("a.b+c@sub.example.com", true),
            ("ana@localhost", true),
            ("", false),
            ("ana", false),
            ("@example.com", false),
            ("ana@", false),
            ("ana@example..com", false),
            ("ana b@example.com", false),
            ("ana\n@example.com", false),
            ("<ana@example.com>", false),
        ] {
            assert_eq!(email_fault(text).is_none(), fine, "{text:?}");
        }
        assert!(email_fault(&format!("{}@example.com", "a".repeat(300))).is_some());
        assert_eq!(normal_email(" Ana@Example.COM "), "ana@example.com");
    }

    #[test]
    fn passwords() {
        let policy = PasswordPolicy { min_length: 10 };
        for (password, fine) in [
            ("correct horse battery", true),
            ("tr0ub4dor&3x", true),
            ("kurz", false),
            ("password123", false),
            ("Passw0rd2026!", false),
            ("aaaaaaaaaaaaaa", false),
            ("1234567890", false),
            ("9876543210", false),
            ("4815162342", true),
            ("ana.maria-2026", false),
            ("qwertyqwerty", false),
            ("ümläut-straße", true),
        ] {
            assert_eq!(
                password_fault(password, "ana.maria@example.com", policy).is_none(),
                fine,
                "{password}"
            );
        }
        assert!(password_fault(&"xyzw".repeat(100), "a@b.c", policy).is_some());
    }
}
