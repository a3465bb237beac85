//! What every request must know of a project's settings, plan and features: kept at hand, and read again when the
//! project's settings epoch moves.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use config::{Config, PlanConfig, Profile};
use domain::entry::Intake;
use domain::feature::{Environment, Feature, has};
use domain::id::ProjectId;
use domain::plan::Limits;
use domain::settings::{Bounds, RateLimits};
use domain::tenancy::Tenancy;
use store::Store;
use store::projects::Standing;

/// How many projects are read at once.
const STEP: usize = 256;

/// The settings of all projects that have any.
pub struct Tenants {
    known: RwLock<Known>,
    /// What holds of a project that set nothing.
    plain: Arc<Tenancy>,
}

impl Default for Tenants {
    fn default() -> Self {
        Self { known: RwLock::default(), plain: Arc::new(Tenancy::plain()) }
    }
}

#[derive(Default)]
struct Known {
    projects: HashMap<ProjectId, Arc<Tenancy>>,
    origins: BTreeSet<String>,
    switched_localhost: bool,
    /// Those that events come into by other ways than the API.
    intakes: Vec<(ProjectId, Arc<Tenancy>)>,
}

impl Tenants {
    /// What is known of a project.
    pub fn of(&self, project: ProjectId) -> Arc<Tenancy> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.projects.get(&project).unwrap_or(&self.plain))
    }

    /// Whether a project has a feature.
    pub fn has(&self, project: ProjectId, feature: Feature, environment: Environment) -> bool {
        has(feature, &self.of(project).switched, environment)
    }

    /// Whether pages of that origin may call the API for a project, or for any when none is named.
    pub fn has_origin(
        &self,
        project: Option<ProjectId>,
        origin: &str,
        environment: Environment,
    ) -> bool {
        let local = is_localhost(origin);
        match project {
            Some(project) => {
                let one = self.of(project);
                one.cors_origins.iter().any(|known| known == origin)
                    || (local && has(Feature::LocalhostOrigins, &one.switched, environment))
            }
            None => {
                let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
                let usual = Feature::LocalhostOrigins.default_in(environment);
                known.origins.contains(origin) || (local && (usual || known.switched_localhost))
            }
        }
    }

    /// The projects that events come into by that way, in the order of their ids.
    pub fn with_intake(&self, intake: Intake) -> Vec<(ProjectId, Arc<Tenancy>)> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let reads = |one: &&(ProjectId, Arc<Tenancy>)| one.1.intake.reads(intake);
        known.intakes.iter().filter(reads).cloned().collect()
    }

    /// Reads what moved. What can't be read stays as it was known and is tried again.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn refresh(&self, store: &Store, all: &[Standing]) -> store::Result<()> {
        let moved: Vec<ProjectId> = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            let at_hand = |one: &Standing| {
                known.projects.get(&one.id).map_or(0, |tenancy| tenancy.epoch) == one.settings_epoch
            };
            all.iter().filter(|one| !at_hand(one)).map(|one| one.id).collect()
        };
        let mut fresh = Vec::with_capacity(moved.len());
        for some in moved.chunks(STEP) {
            fresh.extend(store.tenancies(some).await?);
        }
        let live: HashSet<ProjectId> = all.iter().map(|one| one.id).collect();
        let gone = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            known.projects.keys().any(|id| !live.contains(id))
        };
        if fresh.is_empty() && !gone {
            return Ok(());
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.projects.retain(|id, _| live.contains(id));
        for (id, tenancy) in fresh {
            let newer = known.projects.get(&id).is_none_or(|old| old.epoch <= tenancy.epoch);
            if newer && live.contains(&id) {
                known.projects.insert(id, Arc::new(tenancy));
            }
        }
        known.origins =
            known.projects.values().flat_map(|one| one.cors_origins.iter().cloned()).collect();
        let mut intakes: Vec<_> = known
            .projects
            .iter()
            .filter(|(_, one)| one.intake.reads_any())
            .map(|(id, one)| (*id, Arc::clone(one)))
            .collect();
        intakes.sort_unstable_by_key(|(id, _)| *id);
        known.intakes = intakes;
        let switched =
            |one: &Arc<Tenancy>| one.switched.get(&Feature::LocalhostOrigins) == Some(&true);
        known.switched_localhost = known.projects.values().any(switched);
        Ok(())
    }
}

/// What a project may use that was given no plan.
pub const fn default_limits(config: &PlanConfig) -> Limits {
    Limits {
        events_per_minute: Some(config.events_per_minute),
        users: Some(config.users),
        rules: Some(config.rules),
        storage_bytes: Some(config.storage_bytes),
        retention_days: Some(config.retention_days),
    }
}

/// How far a project's settings may go in this installation.
pub fn bounds(config: &Config) -> Bounds {
    let limits = &config.limits;
    Bounds {
        limits: RateLimits {
            events_per_second: Some(limits.project_per_second),
            key_per_second: Some(limits.key_per_second),
            user_per_second: Some(limits.user_per_second),
            requests_per_second: Some(limits.project_requests_per_second),
            logins_per_minute: Some(limits.login_per_minute),
        },
        password_min_length: u32::try_from(config.auth.password_min_length).unwrap_or(u32::MAX),
    }
}

/// What kind of installation it is, as far as features differ.
pub const fn environment(profile: Profile) -> Environment {
    match profile {
        Profile::Development => Environment::Development,
        Profile::Staging => Environment::Staging,
        Profile::Production => Environment::Production,
    }
}

/// Whether a page of that origin is on the machine of whoever looks at it.
fn is_localhost(origin: &str) -> bool {
    let Some(rest) = origin.strip_prefix("http://localhost") else { return false };
    rest.is_empty()
        || rest.strip_prefix(':').is_some_and(|port| {
            !port.is_empty() && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::is_localhost;

    #[test]
    fn only_this_machine_is_localhost() {
        for (origin, wanted) in [
            ("http://localhost", true),
            ("http://localhost:3000", true),
            ("https://localhost", false),
            ("http://localhost.evil.example", false),
            ("http://localhost:", false),
            ("http://localhost:1@evil", false),
            ("null", false),
        ] {
            assert_eq!(is_localhost(origin), wanted, "{origin}");
        }
    }
}
