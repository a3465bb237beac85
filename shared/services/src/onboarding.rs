//! A project that is ready to be used: itself, its first key, and what a rule needs to ring.

use crypto::seal::{SealError, Sealer};
use domain::audit::{AuditAction, Entry};
use domain::fault::{Fault, FaultCode};
use domain::id::{EndpointId, KeyId, ProjectId, RoleId, RuleId, UserId};
use domain::key::{ApiKey, PlainKey, Scope};
use domain::project::slug_fault;
use domain::rule::{Rule, RuleBody, RuleMode, RuleRecord};
use domain::time::Time;
use domain::webhook::SigningSecret;
use store::rules::{RuleVerdict, SealedEndpoint};
use store::{Store, StoreError};

/// Why something was not made.
#[derive(Debug, thiserror::Error)]
pub enum OnboardingError {
    /// What was asked for is not right.
    #[error("{}", list(.0))]
    Invalid(Vec<Fault>),
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A secret could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

fn list(faults: &[Fault]) -> String {
    let each: Vec<String> =
        faults.iter().map(|fault| format!("{}: {}", fault.field, fault.message)).collect();
    each.join("; ")
}

/// Makes a project and its first key; the key's text is shown this once.
///
/// # Errors
/// When the slug is not right or taken.
pub async fn project(
    store: &Store,
    slug: &str,
    name: &str,
    now: Time,
) -> Result<(ProjectId, PlainKey), OnboardingError> {
    if let Some(right) = slug_fault(slug) {
        return Err(OnboardingError::Invalid(vec![Fault::new("slug", FaultCode::Invalid, right)]));
    }
    let id = ProjectId::fresh(now);
    store.create_project(id, slug, name, now).await?;
    let plain = key(store, id, "first key", vec![Scope::EventsWrite, Scope::Read], now).await?;
    Ok((id, plain))
}

/// Makes a key.
///
/// # Errors
/// When the project is not there.
pub async fn key(
    store: &Store,
    project: ProjectId,
    name: &str,
    scopes: Vec<Scope>,
    now: Time,
) -> Result<PlainKey, OnboardingError> {
    let plain = PlainKey::fresh();
    let key = ApiKey {
        id: KeyId::fresh(now),
        project,
        name: name.to_owned(),
        prefix: plain.prefix.clone(),
        secret_hash: plain.hash(),
        scopes,
        expires_at: None,
        revoked_at: None,
    };
    store.create_key(project, &key, None, now).await?;
    Ok(plain)
}

/// Makes a person and a role that they have.
///
/// # Errors
/// When either is there already.
pub async fn responder(
    store: &Store,
    project: ProjectId,
    role: &str,
    email: &str,
    name: &str,
    now: Time,
) -> Result<UserId, OnboardingError> {
    let user = UserId::fresh(now);
    store.create_user(project, user, email, name, now).await?;
    store.create_role(project, RoleId::fresh(now), role, &[user], now).await?;
    Ok(user)
}

/// Makes a webhook endpoint; answers its id and the secret that its owner needs.
///
/// # Errors
/// When one of that name is there already.
pub async fn endpoint(
    store: &Store,
    sealer: &Sealer,
    project: ProjectId,
    name: &str,
    url: &str,
    now: Time,
) -> Result<(EndpointId, SigningSecret), OnboardingError> {
    let (id, secret) = (EndpointId::fresh(now), SigningSecret::fresh());
    let sealed = sealer.seal(project, id.bytes(), secret.bytes())?;
    let endpoint = SealedEndpoint::new(id, name, url.to_owned(), sealed);
    store.create_endpoint(project, &endpoint, now).await?;
    Ok((id, secret))
}

/// Creates a rule that is live.
///
/// # Errors
/// When it is not right, names what is not there, or one of that name is there already.
pub async fn rule(
    store: &Store,
    project: ProjectId,
    body: RuleBody,
    now: Time,
) -> Result<RuleId, OnboardingError> {
    let faults = body.faults();
    if !faults.is_empty() {
        return Err(OnboardingError::Invalid(faults));
    }
    let id = RuleId::fresh(now);
    let rule = Rule { id, version: 1, mode: RuleMode::Live, since: now, body };
    let record = RuleRecord { rule, created_by: None, created_at: now };
    let after = Some(record.told());
    let entry = Entry { after, ..Entry::of_system(AuditAction::RuleCreate, id.0) };
    match store.add_rule(project, &record, &entry, now).await? {
        RuleVerdict::Unknown(faults) => Err(OnboardingError::Invalid(faults)),
        RuleVerdict::NameTaken => Err(StoreError::Conflict("a rule of that name").into()),
        _ => Ok(id),
    }
}
