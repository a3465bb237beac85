//! Roles that a project makes for itself, and what somebody may put into them.

use std::collections::BTreeMap;

use super::fault::{Fault, FaultCode};
use super::permission::{Effect, Grant, Grants, Holder, grants};
use crate::id::RoleId;
use crate::time::Time;

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Its name, by which rules and people find it.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it may do by itself.
    pub permissions: Vec<Grant>,
    /// The role whose permissions it has too.
    pub parent: Option<RoleId>,
    /// Whether the project has it from its beginning.
    pub built_in: bool,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

impl Role {
    /// The role as far as permissions go.
    pub fn holder(&self) -> Holder {
        Holder { permissions: self.permissions.clone(), parent: self.parent }
    }
}

/// The most roles of a project.
pub const MAX_ROLES: usize = 500;
/// The most permissions that a role has by itself.
pub const MAX_PERMISSIONS: usize = 200;
/// How many of them may have conditions: these are read anew for everybody who has the role.
pub const MAX_CONDITIONS: usize = 20;
/// The longest name.
pub const MAX_NAME: usize = 64;
/// The longest description.
pub const MAX_DESCRIPTION: usize = 1000;

/// What is wrong with a role's name.
pub fn role_name_fault(name: &str) -> Option<Fault> {
    let fault = |code, right: &'static str| Some(Fault::new("name", code, right));
    if name.is_empty() {
        return fault(FaultCode::Empty, "it needs a name, like on_call");
    }
    if name.len() > MAX_NAME {
        return fault(FaultCode::TooLong, "it must have at most 64 characters");
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    if !name.chars().all(plain) {
        return fault(
            FaultCode::Invalid,
            "it must be of lower-case letters, digits, _ and -, like on_call",
        );
    }
    None
}

/// What is wrong with a description.
pub fn description_fault(text: &str) -> Option<Fault> {
    let too_long = text.chars().count() > MAX_DESCRIPTION;
    if text.contains('\0') {
        return Some(Fault::new(
            "description",
            FaultCode::NulCharacter,
            "it must not have the character U+0000",
        ));
    }
    too_long.then(|| {
        Fault::new("description", FaultCode::TooLong, "it must have at most 1000 characters")
    })
}

/// Reads the texts of permissions; the faults name the ones that can't be read.
///
/// # Errors
/// When there is one, or there are too many.
pub fn read_permissions(texts: &[String]) -> Result<Vec<Grant>, Vec<Fault>> {
    if texts.len() > MAX_PERMISSIONS {
        return Err(vec![Fault::new("permissions", FaultCode::TooLong, "at most 200 permissions")]);
    }
    let (mut permissions, mut faults) = (Vec::new(), Vec::new());
    for (at, text) in texts.iter().enumerate() {
        let read = Grant::parse(text).and_then(|one| match one.unknown_name() {
            Some(unknown) => Err(format!("in the condition, {unknown}")),
            None => Ok(one),
        });
        match read {
            Ok(one) => permissions.push(one),
            Err(right) => {
                faults.push(Fault::new(format!("permissions[{at}]"), FaultCode::Invalid, right));
            }
        }
    }
    permissions.sort_unstable();
    permissions.dedup();
    if permissions.iter().filter(|one| one.condition.is_some()).count() > MAX_CONDITIONS {
        let right = "at most 20 permissions with a condition";
        faults.push(Fault::new("permissions", FaultCode::TooLong, right));
    }
    if faults.is_empty() { Ok(permissions) } else { Err(faults) }
}

/// The first permission that a change of `role` would give to its holders, and that whoever changes it does not have:
/// what it gives then and did not before, and what it takes no more.
pub fn beyond(
    role: RoleId,
    before: &BTreeMap<RoleId, Holder>,
    after: &BTreeMap<RoleId, Holder>,
    mine: &Grants,
) -> Option<Grant> {
    surplus(&grants(&[role], before), &grants(&[role], after), mine)
}

/// The first permission that somebody who may do `before` would have with `after`, and that whoever gives it does not
/// have.
pub fn surplus(before: &Grants, after: &Grants, mine: &Grants) -> Option<Grant> {
    let new = |from: &Grants, to: &Grants, effect| -> Vec<Grant> {
        let fresh = to
            .list()
            .iter()
            .filter(|one| one.permission.effect == effect && !from.list().contains(one))
            // What was given always and is given under a condition now is less than it was.
            .filter(|one| effect == Effect::Deny || !from.list().contains(&one.permission.into()));
        fresh.cloned().collect()
    };
    let given = new(before, after, Effect::Allow);
    let returned = new(after, before, Effect::Deny);
    // What is taken under a condition is given back where that does not hold, so that whoever gives it back needs all.
    let unconditional = |one: &Grant| match one.permission.effect {
        Effect::Allow => one.clone(),
        Effect::Deny => one.permission.into(),
    };
    given.into_iter().chain(returned).find(|one| !mine.holds(&unconditional(one)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Vec<Grant> {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        read_permissions(&texts).expect("permissions")
    }

    #[test]
    fn nobody_gives_what_they_do_not_have() {
        let role = |number| RoleId(uuid::Uuid::from_u128(number));
        let holder = |texts: &[&str], parent| Holder { permissions: read(texts), parent };
        for (mine, before, after, wanted) in [
            (&["users:read"][..], &[][..], &["users:read"][..], None),
            (&["users:read"], &[], &["users:read:own"], None),
            (&["users:read:own"], &[], &["users:read"], Some("users:read")),
            (&["users:manage"], &[], &["users:manage", "users:delete"], None),
            (&["users:manage", "!users:delete"], &[], &["users:manage"], Some("users:manage")),
            (&["users:manage", "!users:delete"], &[], &["users:update"], None),
            (&["users:manage", "!users:delete:own"], &[], &["users:delete"], Some("users:delete")),
            (&[], &["users:manage"], &["users:manage"], None),
            (&[], &["users:manage"], &[], None),
            (&[], &[], &["!users:delete"], None),
            (&[], &["!users:delete"], &[], Some("!users:delete")),
            (&["users:delete"], &["!users:delete"], &[], None),
            (&["users:read"], &[], &["users:read if resource.status == \"active\""], None),
            (
                &["users:read if resource.status == \"active\""],
                &[],
                &["users:read if resource.status == \"active\""],
                None,
            ),
            (
                &["users:read if resource.status == \"active\""],
                &[],
                &["users:read if resource.status == \"pending\""],
                Some("users:read if resource.status == \"pending\""),
            ),
            (&["users:read if user.id == \"x\""], &[], &["users:read"], Some("users:read")),
            (
                &["users:manage", "!users:delete if resource.status == \"active\""],
                &[],
                &["users:delete"],
                Some("users:delete"),
            ),
            (&[], &[], &["!users:delete if resource.status == \"active\""], None),
            (&[], &["users:read"], &["users:read if resource.status == \"active\""], None),
            (
                &["users:read"],
                &["!users:delete if resource.status == \"active\""],
                &[],
                Some("!users:delete if resource.status == \"active\""),
            ),
        ] {
            let one = |texts| BTreeMap::from([(role(1), holder(texts, None))]);
            let found = beyond(role(1), &one(before), &one(after), &Grants::new(read(mine)));
            assert_eq!(
                found.map(|one| one.to_string()).as_deref(),
                wanted,
                "{mine:?}: {before:?} to {after:?}"
            );
        }
        // A parent gives as well.
        let mut roles = BTreeMap::from([
            (role(1), holder(&[], None)),
            (role(2), holder(&["keys:manage"], None)),
        ]);
        let before = roles.clone();
        roles.insert(role(1), holder(&[], Some(role(2))));
        let found = beyond(role(1), &before, &roles, &Grants::new(read(&["keys:read"])));
        assert_eq!(found.map(|one| one.to_string()).as_deref(), Some("keys:manage"));
    }

    #[test]
    fn names_and_permissions_are_judged() {
        assert!(role_name_fault("on_call-2").is_none());
        for bad in ["", "On call", "é", "a b", &"x".repeat(65)] {
            assert!(role_name_fault(bad).is_some(), "{bad}");
        }
        assert!(description_fault("Answers at night.").is_none());
        assert!(description_fault(&"x".repeat(1001)).is_some());
        let texts = ["users:read", "users:look", "users:read"].map(str::to_owned);
        let faults = read_permissions(&texts).expect_err("a fault");
        assert_eq!((faults.len(), &*faults[0].field), (1, "permissions[1]"));
        assert_eq!(read(&["users:read", "users:read"]).len(), 1);
        for (text, told) in [
            ("users:read if", "no action"),
            ("users:read if ", "the condition is empty"),
            ("users:read if event.type == \"x\"", "names are resource."),
            (
                "users:read if resource.mail == \"x\"",
                "resource.mail is not known; there are resource.id,",
            ),
            (
                "users:read if user.mail == \"x\"",
                "user.mail is not known; there are user.id, user.roles",
            ),
            ("users:read if resource.status", "fine"),
            ("rules:update if resource.anything == \"low\"", "fine"),
            ("users:look if true", "no action"),
        ] {
            let told_of = match read_permissions(&[text.to_owned()]) {
                Ok(_) => "fine".to_owned(),
                Err(faults) => faults[0].message.to_string(),
            };
            assert!(told_of.contains(told), "{text}: {told_of}");
        }
        let many = |count: usize| -> Vec<String> {
            (0..count).map(|at| format!("users:read if user.id == \"{at}\"")).collect()
        };
        assert!(read_permissions(&many(20)).is_ok());
        assert!(read_permissions(&many(21)).is_err());
        let long = format!("users:read if user.id == \"{}\"", "x".repeat(1000));
        assert!(read_permissions(&[long]).is_err());
        assert!(read_permissions(&vec![String::new(); 201]).is_err());
    }
}
