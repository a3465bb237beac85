//! Roles that a project makes for itself, and what somebody may put into them.

use std::collections::BTreeMap;

use super::fault::{Fault, FaultCode};
use super::permission::{Action, Effect, Grants, Holder, Permission, Reach, Wanted, grants};
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
    pub permissions: Vec<Permission>,
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
/// The longest name.
pub const MAX_NAME: usize = 64;
/// The longest description.
pub const MAX_DESCRIPTION: usize = 1000;

/// What is wrong with a role's name.
pub fn role_name_fault(name: &str) -> Option<Fault> {
    let fault = |code, right: &'static str| Some(Fault::new("name", code, right));
    if name.is_empty() {
        return fault(FaultCode::Empty, "a name, like on_call");
    }
    if name.len() > MAX_NAME {
        return fault(FaultCode::TooLong, "at most 64 characters");
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    if !name.chars().all(plain) {
        return fault(FaultCode::Invalid, "lower-case letters, digits, _ and -");
    }
    None
}

/// What is wrong with a description.
pub fn description_fault(text: &str) -> Option<Fault> {
    let too_long = text.chars().count() > MAX_DESCRIPTION;
    if text.contains('\0') {
        return Some(Fault::new("description", FaultCode::NulCharacter, "no character U+0000"));
    }
    too_long.then(|| Fault::new("description", FaultCode::TooLong, "at most 1000 characters"))
}

/// Reads the texts of permissions; the faults name the ones that can't be read.
///
/// # Errors
/// When there is one, or there are too many.
pub fn read_permissions(texts: &[String]) -> Result<Vec<Permission>, Vec<Fault>> {
    if texts.len() > MAX_PERMISSIONS {
        return Err(vec![Fault::new("permissions", FaultCode::TooLong, "at most 200")]);
    }
    let (mut permissions, mut faults) = (Vec::new(), Vec::new());
    for (at, text) in texts.iter().enumerate() {
        match Permission::parse(text) {
            Ok(one) => permissions.push(one),
            Err(right) => {
                faults.push(Fault::new(format!("permissions[{at}]"), FaultCode::Invalid, right));
            }
        }
    }
    permissions.sort_unstable();
    permissions.dedup();
    if faults.is_empty() { Ok(permissions) } else { Err(faults) }
}

/// Whether somebody with `grants` may do all that a permission names, with all that it reaches.
fn holds(mine: &Grants, one: Permission) -> bool {
    let actions: &[Action] = match &one.action {
        // Everything means each of them: what was taken from somebody is not theirs to give.
        Action::Manage => Action::ALL,
        action => std::slice::from_ref(action),
    };
    let owns: &[bool] = if one.reach == Reach::Own { &[true] } else { &[true, false] };
    actions.iter().all(|action| {
        owns.iter()
            .all(|own| mine.allow(Wanted { resource: one.resource, action: *action, own: *own }))
    })
}

/// The first permission that a change of `role` would give to its holders, and that whoever changes it does not have:
/// what it gives then and did not before, and what it takes no more.
pub fn beyond(
    role: RoleId,
    before: &BTreeMap<RoleId, Holder>,
    after: &BTreeMap<RoleId, Holder>,
    mine: &Grants,
) -> Option<Permission> {
    surplus(&grants(&[role], before), &grants(&[role], after), mine)
}

/// The first permission that somebody who may do `before` would have with `after`, and that whoever gives it does not
/// have.
pub fn surplus(before: &Grants, after: &Grants, mine: &Grants) -> Option<Permission> {
    let new = |from: &Grants, to: &Grants, effect| -> Vec<Permission> {
        let fresh =
            to.list().iter().filter(|one| one.effect == effect && !from.list().contains(one));
        fresh.copied().collect()
    };
    let given = new(before, after, Effect::Allow);
    let returned = new(after, before, Effect::Deny);
    given.into_iter().chain(returned).find(|one| !holds(mine, *one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Vec<Permission> {
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
        assert!(read_permissions(&vec![String::new(); 201]).is_err());
    }
}
