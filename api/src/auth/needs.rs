//! What operations demand of their callers: a scope of keys, a permission of people.

use std::marker::PhantomData;

use domain::key::Scope;
use domain::permission::{Action, Resource};

/// What an operation demands of its caller.
pub trait Needs: Send + Sync + 'static {
    /// The scope that a key must have; none when no key will do.
    const SCOPE: Option<Scope>;
    /// The permission that a person must have; none when no person will do.
    const PERMISSION: Option<(Resource, Action)>;
    /// Whether the operation shows what it is done with to the conditions of permissions, by `Caller::look` or
    /// `Caller::may_with`. One that does not is refused to people who may do it under a condition about that.
    const LOOKS: bool = false;
    /// Permissions of which a person must have one at least, where there is no `PERMISSION`: which of them depends on what they
    /// ask for, and the operation demands it by `Caller::also`.
    const ANY_OF: &'static [(Resource, Action)] = &[];
}

/// May ask for some bulk action.
pub struct BulkActing;

impl Needs for BulkActing {
    const SCOPE: Option<Scope> = None;
    const PERMISSION: Option<(Resource, Action)> = None;
    const ANY_OF: &'static [(Resource, Action)] = &[
        (Resource::Alerts, Action::Update),
        (Resource::Events, Action::Create),
        (Resource::Events, Action::Delete),
    ];
}

/// May read what some bulk action is about.
pub struct BulkReading;

impl Needs for BulkReading {
    const SCOPE: Option<Scope> = Some(Scope::Read);
    const PERMISSION: Option<(Resource, Action)> = None;
    const ANY_OF: &'static [(Resource, Action)] =
        &[(Resource::Alerts, Action::Read), (Resource::Events, Action::Read)];
}

/// The same demand of an operation that looks at what it is done with.
pub struct Looking<N>(PhantomData<fn() -> N>);

impl<N: Needs> Needs for Looking<N> {
    const SCOPE: Option<Scope> = N::SCOPE;
    const PERMISSION: Option<(Resource, Action)> = N::PERMISSION;
    const LOOKS: bool = true;
}

macro_rules! needs {
    ($($(#[$doc:meta])* $name:ident: $scope:expr, $permission:expr;)+) => { $(
        $(#[$doc])*
        pub struct $name;
        impl Needs for $name {
            const SCOPE: Option<Scope> = $scope;
            const PERMISSION: Option<(Resource, Action)> = $permission;
        }
    )+
        /// All demands, for what must hold of each.
        #[cfg(test)]
        pub const DEMANDS: &[(Option<Scope>, Option<(Resource, Action)>)] =
            &[$(($scope, $permission)),+];
    };
}

const fn person(resource: Resource, action: Action) -> Option<(Resource, Action)> {
    Some((resource, action))
}

needs! {
    /// May send events.
    EventsWrite: Some(Scope::EventsWrite), None;
    /// May replay events.
    EventsCreate: None, person(Resource::Events, Action::Create);
    /// May delete events.
    EventsDelete: None, person(Resource::Events, Action::Delete);
    /// May read events.
    EventsRead: Some(Scope::Read), person(Resource::Events, Action::Read);
    /// May add event types to the catalogue.
    EventTypesCreate: None, person(Resource::Events, Action::Create);
    /// May change event types.
    EventTypesUpdate: None, person(Resource::Events, Action::Update);
    /// May delete event types.
    EventTypesDelete: None, person(Resource::Events, Action::Delete);
    /// May see projects.
    ProjectsRead: None, person(Resource::Projects, Action::Read);
    /// May make projects.
    ProjectsCreate: None, person(Resource::Projects, Action::Create);
    /// May change projects.
    ProjectsUpdate: None, person(Resource::Projects, Action::Update);
    /// May suspend and reactivate projects.
    ProjectsManage: None, person(Resource::Projects, Action::Manage);
    /// May archive projects.
    ProjectsDelete: None, person(Resource::Projects, Action::Delete);
    /// May see keys.
    KeysRead: None, person(Resource::Keys, Action::Read);
    /// May make keys.
    KeysCreate: None, person(Resource::Keys, Action::Create);
    /// May replace keys.
    KeysUpdate: None, person(Resource::Keys, Action::Update);
    /// May take keys back.
    KeysDelete: None, person(Resource::Keys, Action::Delete);
    /// May see settings, features and numbers.
    SettingsRead: None, person(Resource::Settings, Action::Read);
    /// May set settings.
    SettingsUpdate: None, person(Resource::Settings, Action::Update);
    /// May see people.
    UsersRead: None, person(Resource::Users, Action::Read);
    /// May make accounts.
    UsersCreate: None, person(Resource::Users, Action::Create);
    /// May let people in.
    UsersApprove: None, person(Resource::Users, Action::Approve);
    /// May change accounts.
    UsersUpdate: None, person(Resource::Users, Action::Update);
    /// May give roles.
    UsersManage: None, person(Resource::Users, Action::Manage);
    /// May delete accounts.
    UsersDelete: None, person(Resource::Users, Action::Delete);
    /// May take out what is held on people.
    UsersExport: None, person(Resource::Users, Action::Export);
    /// May see roles.
    RolesRead: None, person(Resource::Roles, Action::Read);
    /// May make roles.
    RolesCreate: None, person(Resource::Roles, Action::Create);
    /// May change roles.
    RolesUpdate: None, person(Resource::Roles, Action::Update);
    /// May take roles away.
    RolesDelete: None, person(Resource::Roles, Action::Delete);
    /// May see alerts and silences.
    AlertsRead: Some(Scope::Read), person(Resource::Alerts, Action::Read);
    /// May acknowledge, resolve and silence.
    AlertsUpdate: None, person(Resource::Alerts, Action::Update);
    /// May see rules.
    RulesRead: Some(Scope::Read), person(Resource::Rules, Action::Read);
    /// May make rules, and try them.
    RulesCreate: None, person(Resource::Rules, Action::Create);
    /// May change rules and switch them on and off.
    RulesUpdate: None, person(Resource::Rules, Action::Update);
    /// May delete rules.
    RulesDelete: None, person(Resource::Rules, Action::Delete);
    /// May see webhook endpoints and what was sent to them.
    EndpointsRead: Some(Scope::Read), person(Resource::Endpoints, Action::Read);
    /// May create webhook endpoints.
    EndpointsCreate: None, person(Resource::Endpoints, Action::Create);
    /// May change, test and switch webhook endpoints, and rotate their secrets.
    EndpointsUpdate: None, person(Resource::Endpoints, Action::Update);
    /// May delete webhook endpoints.
    EndpointsDelete: None, person(Resource::Endpoints, Action::Delete);
    /// May read the audit log.
    AuditRead: None, person(Resource::Audit, Action::Read);
    /// May take the audit log out.
    AuditExport: None, person(Resource::Audit, Action::Export);
}
