//! Features that can be switched per project: a closed list.

use std::collections::BTreeMap;

use super::names::words;

words! {
    /// Something that a project may have or not.
    Feature {
        /// Events may be imported as a stream of lines.
        EventImport = 1 "event_import",
        /// The audit log may be taken out as CSV.
        AuditExport = 2 "audit_export",
        /// The project may make roles of its own.
        CustomRoles = 3 "custom_roles",
        /// Pages on this machine (`http://localhost` with any port) may call the API for the project.
        LocalhostOrigins = 4 "localhost_origins",
    }
}

/// What kind of installation it is, as far as defaults differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Somebody's own machine.
    Development,
    /// Where a release is tried.
    Staging,
    /// Where it is for real.
    Production,
}

impl Feature {
    /// What it does, for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::EventImport => "Events may be imported as a stream of lines.",
            Self::AuditExport => "The audit log may be taken out as CSV.",
            Self::CustomRoles => "The project may make and change roles of its own.",
            Self::LocalhostOrigins => {
                "Pages on this machine (http://localhost with any port) may call the API for the project."
            }
        }
    }

    /// Whether a project has it when nobody said anything.
    pub const fn default_in(self, environment: Environment) -> bool {
        match self {
            Self::EventImport | Self::AuditExport | Self::CustomRoles => true,
            Self::LocalhostOrigins => matches!(environment, Environment::Development),
        }
    }
}

/// What was switched for a project; what is not named is as the environment has it.
pub type Switched = BTreeMap<Feature, bool>;

/// Whether a project has it.
pub fn has(feature: Feature, switched: &Switched, environment: Environment) -> bool {
    switched.get(&feature).copied().unwrap_or(feature.default_in(environment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_switched_wins_over_the_environment() {
        let switched = |on| Switched::from([(Feature::LocalhostOrigins, on)]);
        for (switched, environment, wanted) in [
            (Switched::new(), Environment::Development, true),
            (Switched::new(), Environment::Staging, false),
            (Switched::new(), Environment::Production, false),
            (switched(true), Environment::Production, true),
            (switched(false), Environment::Development, false),
        ] {
            assert_eq!(has(Feature::LocalhostOrigins, &switched, environment), wanted);
        }
        for feature in Feature::ALL {
            assert!(feature.words().ends_with('.'), "{feature}");
        }
    }
}
