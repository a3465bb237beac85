//! What every request must know of a project: its limits, its features, whose pages may call for it.

use super::feature::Switched;
use super::plan::Limits;
use super::settings::{IntakeSettings, RateLimits, Registration, Settings};

/// What is known of a project.
#[derive(Clone, Debug)]
pub struct Tenancy {
    /// As of which settings epoch.
    pub epoch: i64,
    /// The limits of its own plan; what is not set is the installation's.
    pub plan: Limits,
    /// What was switched for it.
    pub switched: Switched,
    /// Its own request limits.
    pub limits: RateLimits,
    /// Whose pages may call the API for it.
    pub cors_origins: Vec<String>,
    /// The fewest characters of a password, if that is its own.
    pub password_min_length: Option<usize>,
    /// Who may come in.
    pub registration: Registration,
    /// Which ways into it are open besides the API.
    pub intake: IntakeSettings,
}

impl Tenancy {
    /// What holds of a project that set nothing.
    pub fn plain() -> Self {
        Self::of(0, Limits::default(), Switched::new(), &Settings::default())
    }

    /// What these settings say.
    pub fn of(epoch: i64, plan: Limits, switched: Switched, settings: &Settings) -> Self {
        let min = settings.password.min_length.and_then(|length| usize::try_from(length).ok());
        Self {
            epoch,
            plan,
            switched,
            limits: settings.rate_limits,
            cors_origins: settings.cors_origins.clone(),
            password_min_length: min,
            registration: settings.registration,
            intake: settings.intake.clone(),
        }
    }
}
