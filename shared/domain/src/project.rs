//! A project: the tenant.

use super::fault::{Fault, FaultCode};
use super::names::words;
use crate::id::ProjectId;
use crate::time::Time;

words! {
    /// Whether a project works.
    ProjectStatus {
        /// It works.
        Active = 0 "active",
        /// Its keys and people are kept out, its events held.
        Suspended = 1 "suspended",
        /// It is gone, but for its history.
        Archived = 2 "archived",
    }
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Its short name in addresses.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether it works.
    pub status: ProjectStatus,
    /// Counts the changes that evaluation must not miss.
    pub epoch: i64,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

/// The longest name of a project.
pub const MAX_NAME: usize = 200;
/// The longest description.
pub const MAX_DESCRIPTION: usize = 2000;

/// What is wrong with a project's name and description.
pub fn text_faults(name: Option<&str>, description: Option<&str>) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(name) = name {
        if name.trim().is_empty() {
            faults.push(Fault::new(
                "name",
                FaultCode::Empty,
                "it must have at least one visible character",
            ));
        } else if name.chars().count() > MAX_NAME {
            faults.push(Fault::new(
                "name",
                FaultCode::TooLong,
                "it must have at most 200 characters",
            ));
        } else if name.trim() != name || name.chars().any(char::is_control) {
            let right = "it must have no control characters, and no blanks at its ends";
            faults.push(Fault::new("name", FaultCode::Invalid, right));
        }
    }
    if description.is_some_and(|text| text.chars().count() > MAX_DESCRIPTION) {
        faults.push(Fault::new(
            "description",
            FaultCode::TooLong,
            "it must have at most 2000 characters",
        ));
    }
    if description.is_some_and(|text| text.contains('\0')) {
        let right = "it must not have the character U+0000";
        faults.push(Fault::new("description", FaultCode::NulCharacter, right));
    }
    faults
}

const RESERVED: [&str; 12] = [
    "admin", "api", "app", "bellbuoy", "docs", "health", "mail", "platform", "root", "static",
    "status", "www",
];

/// What is wrong with a slug; `None` when nothing is.
pub fn slug_fault(slug: &str) -> Option<&'static str> {
    let fits = (3..=48).contains(&slug.len())
        && slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !fits {
        Some("it must be 3 to 48 of the characters a-z, 0-9 and -")
    } else if RESERVED.contains(&slug) {
        Some("this slug is reserved; choose another")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::slug_fault;

    #[test]
    fn slugs() {
        for (slug, fine) in [
            ("acme", true),
            ("a-1", true),
            ("ab", false),
            ("Acme", false),
            ("api", false),
            ("a b c", false),
        ] {
            assert_eq!(slug_fault(slug).is_none(), fine, "{slug}");
        }
        assert!(slug_fault(&"a".repeat(49)).is_some());
    }
}
