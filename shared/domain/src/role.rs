//! Roles that a project makes for itself, and what somebody may put into them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fault::{Fault, FaultCode};
use super::permission::{
    Effect, Grant, Grants, Holder, chain, grants, parent_fault, with_descendants,
};
use super::precondition::Precondition;
use crate::id::{RoleId, sha256};
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

    /// What the audit log says of it.
    pub fn told(&self) -> Value {
        json!({
            "name": self.name,
            "description": self.description,
            "permissions": self.permissions,
            "parent": self.parent,
        })
    }

    /// What tells one state of it from another: its content, so that two changes at the same moment differ.
    pub fn tag(&self) -> String {
        hex::encode(&sha256(self.told().to_string().as_bytes())[..16])
    }

    /// The role as a change would have it.
    #[must_use]
    pub fn changed(&self, change: RoleChange, now: Time) -> Self {
        Self {
            name: change.name.unwrap_or_else(|| self.name.clone()),
            description: change.description.unwrap_or_else(|| self.description.clone()),
            permissions: change.permissions.unwrap_or_else(|| self.permissions.clone()),
            parent: change.parent.unwrap_or(self.parent),
            updated_at: now,
            ..self.clone()
        }
    }
}

/// What tells one state of a user's roles, by their names in order, from another.
pub fn tag_of_roles(names: &[String]) -> String {
    hex::encode(&sha256(json!(names).to_string().as_bytes())[..16])
}

/// What is to be changed of a role; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct RoleChange {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Its permissions.
    pub permissions: Option<Vec<Grant>>,
    /// The role from which it inherits, or none.
    pub parent: Option<Option<RoleId>>,
    /// What the role must be for this to be a change of it.
    pub condition: Precondition,
}

/// Why a role may not stand among the others as it would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleRefusal {
    /// There are as many as there may be.
    Full,
    /// Another one has the name.
    NameTaken,
    /// It may not have this parent.
    Parent(Fault),
    /// It gives this to the holders of some role, and the caller does not have it.
    Beyond(Grant),
}

/// Judges a role as it would stand among all of its project, on behalf of a caller who may do `mine`; without these it is
/// the operator.
pub fn role_refusal(new: &Role, roles: &[Role], mine: Option<&Grants>) -> Option<RoleRefusal> {
    let is_new = roles.iter().all(|one| one.id != new.id);
    if is_new && roles.len() >= MAX_ROLES {
        return Some(RoleRefusal::Full);
    }
    if roles.iter().any(|one| one.id != new.id && one.name == new.name) {
        return Some(RoleRefusal::NameTaken);
    }
    let before: BTreeMap<RoleId, Holder> = roles.iter().map(|one| (one.id, one.holder())).collect();
    let mut after = before.clone();
    after.insert(new.id, new.holder());
    let parent_changes = before.get(&new.id).and_then(|old| old.parent) != new.parent;
    if parent_changes && let Some(fault) = parent_fault(new.id, &after) {
        return Some(RoleRefusal::Parent(fault));
    }
    let found = mine.and_then(|mine| beyond(new.id, &before, &after, mine));
    found.map(RoleRefusal::Beyond)
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

/// The first permission that a change of `role` would give to the holders of it, or of a role that inherits from it, and
/// that the caller does not have: what it gives then and did not before, and what it takes no more.
pub fn beyond(
    role: RoleId,
    before: &BTreeMap<RoleId, Holder>,
    after: &BTreeMap<RoleId, Holder>,
    mine: &Grants,
) -> Option<Grant> {
    // What a role below gains is part of what `role` gains, if its chain was whole: all the rest of it stands on both
    // sides. One whose chain was broken gave nothing before, and may give the whole of it now.
    let affected = with_descendants(role, after).into_iter();
    let mut judged = affected.filter(|one| *one == role || chain(*one, before).is_err());
    judged.find_map(|one| surplus(&grants(&[one], before), &grants(&[one], after), mine))
}

/// The first permission that a user who may do `before` would have with `after`, and that the caller who gives it does not
/// have.
pub fn surplus(before: &Grants, after: &Grants, mine: &Grants) -> Option<Grant> {
    let new = |from: &Grants, to: &Grants, effect| -> Vec<Grant> {
        let fresh = to
            .list()
            .iter()
            .filter(|one| one.permission.effect == effect && !from.contains(one))
            // What was given always and is given under a condition now is less than it was.
            .filter(|one| effect == Effect::Deny || !from.contains(&one.permission.into()));
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
    fn a_change_is_judged_for_every_role_below() {
        let role = |number| RoleId(uuid::Uuid::from_u128(number));
        let holder = |texts: &[&str], parent: Option<u128>| Holder {
            permissions: read(texts),
            parent: parent.map(role),
        };
        // 0 is above 1, and so on; 19 has more above it than it may have, and gives nothing.
        let mut before = BTreeMap::from([(role(0), holder(&["!users:delete"], None))]);
        for number in 1..=19 {
            let texts: &[&str] = if number == 19 { &["keys:manage"] } else { &[] };
            before.insert(role(number), holder(texts, Some(number - 1)));
        }
        let mut after = before.clone();
        after.insert(role(10), holder(&[], None));
        for (mine, wanted) in [
            (&["users:delete"][..], Some("keys:manage")),
            (&["keys:manage"], Some("!users:delete")),
            (&["users:manage", "keys:manage"], None),
        ] {
            let found = beyond(role(10), &before, &after, &Grants::new(read(mine)));
            assert_eq!(found.map(|one| one.to_string()).as_deref(), wanted, "{mine:?}");
        }
    }

    #[test]
    fn what_a_role_below_gains_is_part_of_what_the_changed_one_gains() {
        // The shortcut of `beyond`, beside the long way over all roles that are affected.
        let role = |number| RoleId(uuid::Uuid::from_u128(number));
        let words = [
            "users:read",
            "users:manage",
            "!users:read",
            "keys:read",
            "!keys:read",
            "keys:read:own",
        ];
        let texts = |seed: usize| -> Vec<&str> {
            words
                .iter()
                .enumerate()
                .filter(|(at, _)| seed >> at & 1 == 1)
                .map(|(_, word)| *word)
                .collect()
        };
        for seed in 0..4096_usize {
            let spread = seed.wrapping_mul(2_654_435_761);
            let holder = |at: usize, parent: Option<u128>| Holder {
                permissions: read(&texts(spread >> (at * 6))),
                parent: parent.map(role),
            };
            let before = BTreeMap::from([
                (role(0), holder(0, None)),
                (role(1), holder(1, (seed & 1 == 1).then_some(0))),
                (role(2), holder(2, Some(1))),
                (role(3), holder(3, Some(2))),
            ]);
            let mut after = before.clone();
            after.insert(role(1), holder(4, (seed & 2 == 2).then_some(0)));
            let mine = Grants::new(read(&texts(spread >> 30)));
            let all = [1, 2, 3].into_iter().find_map(|one| {
                surplus(&grants(&[role(one)], &before), &grants(&[role(one)], &after), &mine)
            });
            assert_eq!(beyond(role(1), &before, &after, &mine).is_some(), all.is_some(), "{seed}");
        }
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
            ("users:read if user.mail == \"x\"", "user.mail is not known; there are user.id"),
            // Roles are given, taken and renamed by those who are held by the condition.
            (
                "!users:delete if contains(user.roles, \"trainee\")",
                "user.roles is not known; there are user.id",
            ),
            ("users:read if resource.status", "fine"),
            ("endpoints:update if resource.anything == \"low\"", "fine"),
            ("rules:update if resource.priority == \"low\"", "fine"),
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
