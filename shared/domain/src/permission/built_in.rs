//! The roles that every project, and the platform itself, has from its beginning.

use super::{Action, Permission, Resource};

/// A role that every project has from its beginning.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// Its name, which never changes.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// What it may do.
    pub permissions: &'static [Permission],
}

/// The role that may do everything in a project.
pub const ADMIN: &str = "admin";
/// The role of whoever is let in and given no other.
pub const MEMBER: &str = "member";
/// The role of the platform's own project that makes and ends projects.
pub const SUPER_ADMIN: &str = "super_admin";
/// The role of the platform's own project that runs the service, without seeing what is in it.
pub const PLATFORM_OPERATOR: &str = "platform_operator";

const fn all(resource: Resource) -> Permission {
    Permission::allow(resource, Action::Manage)
}

const fn read(resource: Resource) -> Permission {
    Permission::allow(resource, Action::Read)
}

/// The roles of a project.
pub const PROJECT_ROLES: [BuiltIn; 5] = [
    BuiltIn {
        name: ADMIN,
        description: "Everything in the project: people, roles, keys, settings, rules, the audit log.",
        permissions: &[
            // The project itself can be read and renamed; making and ending it is for the platform.
            read(Resource::Projects).own(),
            Permission::allow(Resource::Projects, Action::Update).own(),
            all(Resource::Keys),
            all(Resource::Settings),
            all(Resource::Users),
            all(Resource::Roles),
            all(Resource::Events),
            all(Resource::Rules),
            all(Resource::Endpoints),
            all(Resource::Alerts),
            all(Resource::Notifications),
            all(Resource::Audit),
            all(Resource::Schedules),
        ],
    },
    BuiltIn {
        name: "rule_manager",
        description: "Writes rules and what they need; sees events and alerts.",
        permissions: &[
            read(Resource::Projects).own(),
            read(Resource::Events),
            all(Resource::Rules),
            all(Resource::Endpoints),
            all(Resource::Schedules),
            read(Resource::Alerts),
            read(Resource::Notifications),
            read(Resource::Roles),
            read(Resource::Users),
        ],
    },
    BuiltIn {
        name: "responder",
        description: "Is called; sees events and alerts, and acknowledges and resolves them.",
        permissions: &[
            read(Resource::Projects).own(),
            read(Resource::Events),
            read(Resource::Rules),
            read(Resource::Alerts),
            Permission::allow(Resource::Alerts, Action::Update),
            read(Resource::Notifications).own(),
        ],
    },
    BuiltIn {
        name: "viewer",
        description: "Sees events, rules and alerts, and changes nothing.",
        permissions: &[
            read(Resource::Projects).own(),
            read(Resource::Events),
            read(Resource::Rules),
            read(Resource::Alerts),
            read(Resource::Notifications),
        ],
    },
    BuiltIn {
        name: MEMBER,
        description: "Receives notifications and manages their own account.",
        permissions: &[read(Resource::Projects).own(), read(Resource::Notifications).own()],
    },
];

/// The roles of the platform's own project.
pub const PLATFORM_ROLES: [BuiltIn; 2] = [
    BuiltIn {
        name: SUPER_ADMIN,
        description: "Makes, suspends and archives projects, sets their plans, and appoints platform people.",
        permissions: &[
            all(Resource::Projects),
            all(Resource::Users),
            all(Resource::Roles),
            all(Resource::Keys),
            all(Resource::Settings),
            all(Resource::Audit),
            all(Resource::Queues),
            all(Resource::Schedules),
        ],
    },
    BuiltIn {
        name: PLATFORM_OPERATOR,
        description: "Watches queues, schedules and dead work; sees neither payloads nor people.",
        permissions: &[all(Resource::Queues), all(Resource::Schedules)],
    },
];
