//! Who may act on whose account: nobody on one that may do more than they may themselves.
//!
//! An account may do more than another one if it has a permission that the other does not hold in the sense of
//! [`Grants::holds`]: always, or under the same condition. What is taken from the account, it may not do; what is taken
//! from the other one counts, unless it is taken from the account just so.

use super::{Action, Effect, Grant, Grants, Wanted};

impl Grants {
    /// The first permission by which these may do more than `other`.
    pub fn more_than(&self, other: &Self) -> Option<&Grant> {
        let given = self.list().iter().filter(|one| one.permission.effect == Effect::Allow);
        given.into_iter().find(|one| {
            let Grant { permission, .. } = one;
            permission.each().any(|wanted| {
                let matched = other.gives(wanted, one) && other.denials_are_shared(wanted, self);
                !matched && !self.is_taken_always(wanted)
            })
        })
    }

    /// Whether nothing of it is left, whatever gives it.
    fn is_taken_always(&self, wanted: Wanted) -> bool {
        self.denials(wanted).any(|one| one.condition.is_none())
    }

    /// Whether something gives it always, or under the condition of `like`.
    pub(super) fn gives(&self, wanted: Wanted, like: &Grant) -> bool {
        self.list().iter().any(|one| {
            one.permission.effect == Effect::Allow
                && one.permission.covers(wanted)
                && (one.condition.is_none() || one.condition == like.condition)
        })
    }

    /// Whether all that takes it from these takes it from `other` under the same condition.
    fn denials_are_shared(&self, wanted: Wanted, other: &Self) -> bool {
        self.denials(wanted)
            .all(|mine| other.denials(wanted).any(|theirs| theirs.condition == mine.condition))
    }

    /// What takes it, always or under a condition.
    pub(super) fn denials(&self, wanted: Wanted) -> impl Iterator<Item = &Grant> {
        self.list().iter().filter(move |one| {
            one.permission.effect == Effect::Deny && one.permission.covers(wanted)
        })
    }
}

impl super::Permission {
    /// Everything that it is about, one by one: `manage` is about each of the actions.
    pub(super) fn each(self) -> impl Iterator<Item = Wanted> {
        let actions =
            if self.action == Action::Manage { Action::ALL.to_vec() } else { vec![self.action] };
        let owns: &[bool] = if self.reach == super::Reach::Own { &[true] } else { &[true, false] };
        actions.into_iter().flat_map(move |action| {
            owns.iter().map(move |own| Wanted { resource: self.resource, action, own: *own })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(texts: &[&str]) -> Grants {
        Grants::new(texts.iter().map(|text| Grant::parse(text).expect(text)))
    }

    #[test]
    fn nobody_acts_on_an_account_that_may_do_more() {
        const ACTIVE: &str = "users:read if resource.status == \"active\"";
        const PENDING: &str = "users:read if resource.status == \"pending\"";
        const SPARED: &str = "!users:delete if contains(resource.roles, \"admin\")";
        for (target, caller, wanted) in [
            (&[][..], &[][..], None),
            (&[], &["users:manage"], None),
            (&["users:manage"], &["users:manage"], None),
            (&["users:manage"], &["users:read", "users:update"], Some("users:manage")),
            (&["users:read", "users:update"], &["users:manage"], None),
            (&["users:read"], &["users:read:own"], Some("users:read")),
            (&["users:read:own"], &["users:read"], None),
            (&["users:read:own"], &["rules:manage"], Some("users:read:own")),
            // What is taken from the caller counts …
            (&["users:delete"], &["users:manage", "!users:delete"], Some("users:delete")),
            (&["users:manage"], &["users:manage", "!users:delete:own"], Some("users:manage")),
            (&["users:delete"], &["users:manage", SPARED], Some("users:delete")),
            (&["users:update"], &["users:manage", SPARED], None),
            // … unless it is taken from the account as well.
            (&["users:manage", "!users:delete"], &["users:manage", "!users:delete"], None),
            (&["users:manage", "!users:delete"], &["users:manage"], None),
            (&["users:manage", SPARED], &["users:manage", SPARED], None),
            (&["users:manage", SPARED], &["users:manage", "!users:delete"], Some("users:manage")),
            (&["users:manage", "!users:manage"], &["rules:read"], None),
            (&["users:manage", "!users:delete"], &["users:read"], Some("users:manage")),
            // A condition is held under itself, and by what is given always.
            (&[ACTIVE], &[ACTIVE], None),
            (&[ACTIVE], &["users:read"], None),
            (&[ACTIVE], &[PENDING], Some(ACTIVE)),
            (&["users:read"], &[ACTIVE, PENDING], Some("users:read")),
            (&["users:read", "rules:read"], &["users:read"], Some("rules:read")),
        ] {
            let (one, other) = (grants(target), grants(caller));
            let found = one.more_than(&other).map(ToString::to_string);
            assert_eq!(found.as_deref(), wanted, "{target:?} beside {caller:?}");
        }
    }

    #[test]
    fn without_denials_it_is_what_holds_says() {
        let all = [
            "users:manage",
            "users:read",
            "users:read:own",
            "users:read if resource.id == \"x\"",
            "keys:delete",
        ];
        for one in all {
            for mine in all {
                let held = grants(&[mine]).holds(&Grant::parse(one).expect(one));
                assert_eq!(
                    grants(&[one]).more_than(&grants(&[mine])).is_none(),
                    held,
                    "{one} {mine}"
                );
            }
        }
    }
}
