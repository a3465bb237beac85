//! Roles that inherit from one another: the chain of a role, and what its holders may do. A chain that can't be followed
//! to its end gives nothing: what is out of reach might be the denial that counts.

use std::collections::{BTreeMap, BTreeSet};

use super::{Grant, Grants};
use crate::fault::{Fault, FaultCode};
use crate::id::RoleId;

/// A role as far as permissions go.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Its own permissions.
    pub permissions: Vec<Grant>,
    /// The role whose permissions it has too.
    pub parent: Option<RoleId>,
}

/// How many roles a role may inherit from, through one another.
pub const MAX_PARENTS: usize = 16;

/// Why the chain of a role can't be followed to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenChain {
    /// It comes back to a role that it has been at.
    Circle,
    /// It has more roles than it may have.
    TooLong,
    /// A role of it is not there.
    Missing,
}

/// A role and those that it inherits from, in order.
///
/// # Errors
/// When the chain has no end within the limit, or a role of it is missing.
pub fn chain(role: RoleId, roles: &BTreeMap<RoleId, Holder>) -> Result<Vec<RoleId>, BrokenChain> {
    let (mut found, mut next) = (Vec::new(), Some(role));
    while let Some(one) = next {
        if found.contains(&one) {
            return Err(BrokenChain::Circle);
        }
        if found.len() > MAX_PARENTS {
            return Err(BrokenChain::TooLong);
        }
        next = roles.get(&one).ok_or(BrokenChain::Missing)?.parent;
        found.push(one);
    }
    Ok(found)
}

/// What the holder of some roles may do, with what these inherit. If one of their chains is broken, that is nothing: the
/// denials that are out of reach may be about what another role gives.
pub fn grants(of: &[RoleId], roles: &BTreeMap<RoleId, Holder>) -> Grants {
    let mut all = BTreeSet::new();
    for role in of {
        match chain(*role, roles) {
            Ok(chain) => all.extend(chain),
            Err(_) => return Grants::default(),
        }
    }
    let holders = all.iter().filter_map(|role| roles.get(role));
    Grants::new(holders.flat_map(|holder| holder.permissions.iter().cloned()))
}

/// A role and all that inherit from it, directly or through others: those that a change of it affects.
pub fn with_descendants(role: RoleId, roles: &BTreeMap<RoleId, Holder>) -> Vec<RoleId> {
    let mut children: BTreeMap<RoleId, Vec<RoleId>> = BTreeMap::new();
    for (id, holder) in roles {
        if let Some(parent) = holder.parent {
            children.entry(parent).or_default().push(*id);
        }
    }
    let (mut found, mut open) = (BTreeSet::new(), vec![role]);
    while let Some(one) = open.pop() {
        if found.insert(one) {
            open.extend(children.get(&one).into_iter().flatten());
        }
    }
    found.into_iter().collect()
}

/// What is wrong with the parent of `role`, given all roles with it among them. A change that makes a chain longer makes those
/// of all roles below it longer, so that all of them are looked at.
pub fn parent_fault(role: RoleId, roles: &BTreeMap<RoleId, Holder>) -> Option<Fault> {
    let fault = |message: &'static str| Fault::new("parent_id", FaultCode::Invalid, message);
    let affected = with_descendants(role, roles);
    let broken = affected.iter().find_map(|one| chain(*one, roles).err())?;
    Some(fault(match broken {
        BrokenChain::Circle => "a role that does not inherit from this one",
        BrokenChain::TooLong => {
            "a role with a shorter chain: neither this role nor one that inherits from it may have more than 16 above it"
        }
        BrokenChain::Missing => "a role of this project",
    }))
}

#[cfg(test)]
mod tests {
    use super::super::{Action, Resource, Wanted};
    use super::*;

    fn role(number: u128) -> RoleId {
        RoleId(uuid::Uuid::from_u128(number))
    }

    fn holder(text: &str, parent: Option<u128>) -> Holder {
        let permissions =
            if text.is_empty() { vec![] } else { vec![Grant::parse(text).expect(text)] };
        Holder { permissions, parent: parent.map(role) }
    }

    /// Roles `from..to`, each the child of the one before; the first is the child of `parent`.
    fn line(roles: &mut BTreeMap<RoleId, Holder>, (from, to): (u128, u128), parent: Option<u128>) {
        for number in from..to {
            let above = if number == from { parent } else { Some(number - 1) };
            roles.insert(role(number), holder("", above));
        }
    }

    fn wanted(resource: Resource, action: Action) -> Wanted {
        Wanted { resource, action, own: false }
    }

    #[test]
    fn roles_inherit_and_a_broken_chain_gives_nothing() {
        let mut roles = BTreeMap::from([
            (role(1), holder("users:read", Some(2))),
            (role(2), holder("rules:read", Some(3))),
            (role(3), holder("!users:delete", None)),
            (role(4), holder("users:manage", None)),
        ]);
        let mine = grants(&[role(1), role(4)], &roles);
        assert!(mine.allow(wanted(Resource::Rules, Action::Read)));
        assert!(!mine.allow(wanted(Resource::Users, Action::Delete)), "the parent denies it");
        assert!(mine.allow(wanted(Resource::Users, Action::Update)));
        assert_eq!(grants(&[role(1), role(2)], &roles), grants(&[role(1)], &roles), "each once");

        roles.insert(role(3), holder("!users:delete", Some(1)));
        assert_eq!(chain(role(1), &roles), Err(BrokenChain::Circle));
        roles.insert(role(3), holder("!users:delete", Some(9)));
        assert_eq!(chain(role(1), &roles), Err(BrokenChain::Missing));
        assert_eq!(grants(&[role(4), role(1)], &roles), Grants::default(), "role 4 is whole");
        assert_eq!(grants(&[role(8)], &roles), Grants::default(), "a role that is not there");
    }

    #[test]
    fn a_chain_has_sixteen_parents_and_no_more() {
        for (length, wanted) in [(1, Ok(1)), (17, Ok(17)), (18, Err(BrokenChain::TooLong))] {
            let mut roles = BTreeMap::new();
            line(&mut roles, (0, length), None);
            assert_eq!(chain(role(length - 1), &roles).map(|all| all.len()), wanted, "{length}");
            let fault = parent_fault(role(length - 1), &roles);
            assert_eq!(fault.is_some(), wanted.is_err(), "{length}");
        }
    }

    #[test]
    fn a_change_is_judged_for_all_that_inherit_from_it() {
        // k0 to k13 stand above L; c0 to c13 are a chain of their own.
        let mut roles = BTreeMap::new();
        line(&mut roles, (0, 14), None);
        line(&mut roles, (20, 34), None);
        roles.insert(role(50), holder("", Some(13)));
        assert_eq!(parent_fault(role(0), &roles), None);
        assert_eq!(with_descendants(role(12), &roles), [role(12), role(13), role(50)]);
        for (parent, fits) in
            [(21, true), (22, false), (33, false), (5, false), (0, false), (99, false)]
        {
            let mut after = roles.clone();
            after.insert(role(0), holder("", Some(parent)));
            let fault = parent_fault(role(0), &after);
            assert_eq!(fault.is_none(), fits, "{parent}: {fault:?}");
        }
    }
}
