//! The caller who asks for a change, as the transaction that makes it finds them. What a request was let in with may be
//! gone by the time it writes: the account suspended, the session ended, a role taken away. So the same questions are
//! asked again there, of what stands then.

use serde_json::Value;

use super::condition::Facts;
use super::key::Scope;
use super::permission::{Action, Grant, Grants, Resource, Wanted};
use super::role::surplus;
use crate::id::{ProjectId, UserId};
use crate::time::Time;
use uuid::Uuid;

/// A caller who is logged in, and what their request needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requester {
    /// The project of their account.
    pub project: ProjectId,
    /// Their account.
    pub user: UserId,
    /// The session that the request came in; none for what is judged after it was asked for.
    pub session: Option<Uuid>,
    /// The permissions that the request needs, all of them.
    pub needs: Vec<Need>,
}

/// A permission that a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// With what.
    pub resource: Resource,
    /// Doing what.
    pub action: Action,
    /// Whether it is enough to have it for what is one's own, where there is nothing else to look at.
    pub own: bool,
}

impl Need {
    /// What it takes to invite, and to give roles by that.
    pub fn to_invite(with_roles: bool) -> Vec<Self> {
        let need = |action| Self { resource: Resource::Users, action, own: false };
        let actions: &[Action] =
            if with_roles { &[Action::Create, Action::Manage] } else { &[Action::Create] };
        actions.iter().map(|action| need(*action)).collect()
    }
}

/// What a change is made to, as far as permissions look at it.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// Nothing that is there yet, or nothing that conditions know.
    Nothing,
    /// Something that belongs to nobody, like a role.
    Thing(&'a Value),
    /// An account.
    Account {
        /// Whose it is.
        user: UserId,
        /// What conditions know of it; nothing of one that was deleted.
        facts: Option<&'a Value>,
        /// What it may do.
        grants: &'a Grants,
        /// Whether a permission for one's own account is enough for one's own.
        own: bool,
    },
}

/// Why a caller may not make a change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Their account, their session or their project does not hold any more.
    #[error("Your session, account or project does not hold any more; log in again.")]
    Gone,
    /// They lack a permission.
    #[error("This needs the permission {0}:{1}.")]
    Lacks(Resource, Action),
    /// They would give a permission, or take a denial away, and don't have it.
    #[error("This gives the permission {0}, which you do not have.")]
    Beyond(Grant),
    /// The key would have a scope that lets it do more than they may.
    #[error("A key with the scope {0} may do {1}, for which you don't have the permission.")]
    Scope(Scope, Grant),
    /// The account may do more than they may.
    #[error("This account may do more than you may: it has the permission {0}, and you don't.")]
    Power(Grant),
}

/// What the caller may do, now. The operator, and Bellbuoy itself, may do everything.
#[derive(Clone, Debug)]
pub struct Authority(Option<Standing>);

#[derive(Clone, Debug)]
struct Standing {
    requester: Requester,
    grants: Grants,
    facts: Value,
    now: Time,
}

impl Authority {
    /// That of the operator.
    pub const fn operator() -> Self {
        Self(None)
    }

    /// That of a caller who has these roles and permissions now.
    pub fn of(requester: Requester, grants: Grants, facts: Value, now: Time) -> Self {
        Self(Some(Standing { requester, grants, facts, now }))
    }

    /// What the caller may do; nothing for the operator, who is not asked.
    pub fn grants(&self) -> Option<&Grants> {
        self.0.as_ref().map(|caller| &caller.grants)
    }

    /// Whether the caller has the permissions that the request needs, for this.
    ///
    /// # Errors
    /// When one is lacking.
    pub fn may(&self, target: Target<'_>) -> Result<(), Denied> {
        let Some(caller) = &self.0 else { return Ok(()) };
        for need in &caller.requester.needs {
            if !caller.has(need, target) {
                return Err(Denied::Lacks(need.resource, need.action));
            }
        }
        Ok(())
    }

    /// Whether the caller may change it besides: an account of another user may do no more than they may.
    ///
    /// # Errors
    /// When a permission is lacking, or the account may do more.
    pub fn may_act_on(&self, target: Target<'_>) -> Result<(), Denied> {
        self.may(target)?;
        match (&self.0, target) {
            (Some(caller), Target::Account { user, grants, .. })
                if user != caller.requester.user =>
            {
                let more = grants.more_than(&caller.grants);
                more.map_or(Ok(()), |one| Err(Denied::Power(one.clone())))
            }
            _ => Ok(()),
        }
    }

    /// Whether the caller may make a user who may do `before` one who may do `after`.
    ///
    /// # Errors
    /// When it gives what they do not have.
    pub fn may_give(&self, before: &Grants, after: &Grants) -> Result<(), Denied> {
        let Some(caller) = &self.0 else { return Ok(()) };
        surplus(before, after, &caller.grants).map_or(Ok(()), |one| Err(Denied::Beyond(one)))
    }

    /// Whether the caller may create a key with these scopes: it may do no more than they may, always and to everything.
    ///
    /// # Errors
    /// When it may.
    pub fn may_give_scopes(&self, scopes: &[Scope]) -> Result<(), Denied> {
        let Some(caller) = &self.0 else { return Ok(()) };
        for scope in scopes {
            let mut needed = scope.permissions().iter().map(|one| Grant::from(*one));
            if let Some(one) = needed.find(|one| !caller.grants.holds(one)) {
                return Err(Denied::Scope(*scope, one));
            }
        }
        Ok(())
    }
}

impl Standing {
    fn has(&self, need: &Need, target: Target<'_>) -> bool {
        let wanted = |own| Wanted { resource: need.resource, action: need.action, own };
        let without = |own| self.grants.allow_without(wanted(own), &self.facts, self.now);
        let with = |own, resource| {
            let facts = Facts { resource, user: &self.facts };
            self.grants.allow_with(wanted(own), &facts, self.now)
        };
        match target {
            Target::Nothing => without(false) || (need.own && without(true)),
            Target::Thing(facts) => with(false, facts),
            Target::Account { user, facts, own, .. } => {
                let is_own = user == self.requester.user;
                let may = |own| facts.map_or_else(|| without(own), |facts| with(own, facts));
                match (is_own, own) {
                    (false, _) => may(false),
                    (true, true) => may(true),
                    // What is taken from one's own account alone is taken here too.
                    (true, false) => may(false) && may(true),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ME: UserId = UserId(Uuid::from_u128(1));
    const OTHER: UserId = UserId(Uuid::from_u128(2));

    fn grants(texts: &[&str]) -> Grants {
        Grants::new(texts.iter().map(|text| Grant::parse(text).expect(text)))
    }

    fn caller(texts: &[&str], needs: &[(Action, bool)]) -> Authority {
        let need = |(action, own): &(Action, bool)| Need {
            resource: Resource::Users,
            action: *action,
            own: *own,
        };
        let requester = Requester {
            project: ProjectId(Uuid::from_u128(3)),
            user: ME,
            session: None,
            needs: needs.iter().map(need).collect(),
        };
        let facts = json!({ "id": ME });
        Authority::of(requester, grants(texts), facts, Time::from_micros(0))
    }

    #[test]
    fn what_a_change_needs_is_asked_of_its_target() {
        use Action::{Manage, Update};
        let active = json!({ "id": OTHER, "status": "active" });
        let none = Grants::default();
        let account =
            |user, own| Target::Account { user, facts: Some(&active), grants: &none, own };
        let deleted = Target::Account { user: OTHER, facts: None, grants: &none, own: false };
        let lacks = |action| Err(Denied::Lacks(Resource::Users, action));
        const ACTIVE: &str = "users:update if resource.status == \"active\"";
        const PENDING: &str = "users:update if resource.status == \"pending\"";
        for (texts, needs, target, wanted) in [
            (&["users:update"][..], &[(Update, false)][..], Target::Nothing, Ok(())),
            (&["users:update:own"], &[(Update, false)], Target::Nothing, lacks(Update)),
            (&["users:update:own"], &[(Update, true)], Target::Nothing, Ok(())),
            (&[ACTIVE], &[(Update, false)], Target::Nothing, lacks(Update)),
            (&[ACTIVE], &[(Update, false)], Target::Thing(&active), Ok(())),
            (&[ACTIVE], &[(Update, false)], account(OTHER, false), Ok(())),
            (&[PENDING], &[(Update, false)], account(OTHER, false), lacks(Update)),
            (
                &["users:update"],
                &[(Update, false), (Manage, false)],
                account(OTHER, false),
                lacks(Manage),
            ),
            (&["users:manage"], &[(Update, false), (Manage, false)], account(OTHER, false), Ok(())),
            (&[], &[], account(OTHER, false), Ok(())),
            (&["users:update:own"], &[(Update, true)], account(OTHER, true), lacks(Update)),
            (&["users:update:own"], &[(Update, true)], account(ME, true), Ok(())),
            (&["users:update:own"], &[(Update, true)], account(ME, false), lacks(Update)),
            (
                &["users:update", "!users:update:own"],
                &[(Update, false)],
                account(ME, false),
                lacks(Update),
            ),
            (
                &["users:update", "!users:update:own"],
                &[(Update, false)],
                account(OTHER, false),
                Ok(()),
            ),
            (&["users:update"], &[(Update, false)], deleted, Ok(())),
            (&[ACTIVE], &[(Update, false)], deleted, lacks(Update)),
        ] {
            assert_eq!(caller(texts, needs).may(target), wanted, "{texts:?} {needs:?} {target:?}");
        }
        assert_eq!(Authority::operator().may(account(OTHER, false)), Ok(()));
    }

    #[test]
    fn an_account_that_may_do_more_is_left_alone_unless_it_is_ones_own() {
        let strong = grants(&["keys:manage"]);
        let facts = json!({});
        let of = |user| Target::Account { user, facts: Some(&facts), grants: &strong, own: false };
        let clerk = caller(&["users:manage"], &[(Action::Manage, false)]);
        let power = Denied::Power(Grant::parse("keys:manage").expect("a permission"));
        assert_eq!(clerk.may_act_on(of(OTHER)), Err(power));
        assert_eq!(clerk.may(of(OTHER)), Ok(()), "to look at it");
        assert_eq!(clerk.may_act_on(of(ME)), Ok(()));
        let equal = caller(&["users:manage", "keys:manage"], &[(Action::Manage, false)]);
        assert_eq!(equal.may_act_on(of(OTHER)), Ok(()));
        assert_eq!(Authority::operator().may_act_on(of(OTHER)), Ok(()));
    }

    #[test]
    fn a_key_may_do_no_more_than_the_caller_who_creates_it() {
        use Scope::{EventsWrite, NotificationsWrite, Read};
        let reads =
            ["events:read", "rules:read", "endpoints:read", "alerts:read", "notifications:read"];
        let with = |more: &'static str| [&reads[1..], &[more]].concat();
        for (texts, scope, wanted) in [
            (reads.to_vec(), Read, None),
            (reads[1..].to_vec(), Read, Some("events:read")),
            (with("events:read:own"), Read, Some("events:read")),
            (with("events:read if resource.source == \"shop\""), Read, Some("events:read")),
            (with("events:manage"), Read, None),
            (
                [&reads[..], &["!events:read if resource.source == \"shop\""]].concat(),
                Read,
                Some("events:read"),
            ),
            (reads.to_vec(), EventsWrite, Some("events:create")),
            (vec!["events:create"], EventsWrite, None),
            (vec!["events:create"], NotificationsWrite, Some("notifications:create")),
            (vec!["keys:manage"], Read, Some("events:read")),
        ] {
            let denied = caller(&texts, &[]).may_give_scopes(&[scope]).err();
            let found = denied.map(|denied| match denied {
                Denied::Scope(_, grant) => grant.to_string(),
                other => other.to_string(),
            });
            assert_eq!(found.as_deref(), wanted, "{texts:?} {scope}");
        }
        assert_eq!(Authority::operator().may_give_scopes(Scope::ALL), Ok(()));
    }
}
