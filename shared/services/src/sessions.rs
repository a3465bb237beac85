//! Logging in and staying so: access tokens that end soon, refresh tokens that are good for one use.

mod again;
pub mod factor;
mod keys;
mod logins;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use moka::future::Cache;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::audit::{Audit, AuditedAction, Initiator};
use crate::epochs::Epochs;
use crate::mails::Mails;
use config::{AuthConfig, Config};
use crypto::passwords::{PasswordError, Passwords};
use crypto::seal::Sealer;
use crypto::tokens::{Claims, SigningKey, TokenError, read};
use domain::audit::AuditAction;
use domain::clock::Clock;
use domain::condition::Facts;
use domain::id::{ProjectId, UserId, sha256};
use domain::permission::{Grants, Wanted, grants};
use domain::project::ProjectStatus;
use domain::time::Time;
use store::sessions::{Ended, Rotated, Session, Which};
use store::users::Standings;
use store::{Store, StoreError};

/// Why somebody was not let in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The address or the password is wrong, the account is locked, or there is none: nobody can tell which.
    #[error("wrong address or password")]
    Refused,
    /// The password is right, and the account waits for an admin's approval.
    #[error("the account waits for approval")]
    Pending,
    /// The password is right, and the account is suspended.
    #[error("the account is suspended")]
    Suspended,
    /// The password is right, and there is a second factor that nothing proves.
    #[error("the second factor is missing")]
    CodeMissing,
    /// The password is right, and what should prove the second factor does not, or was used before.
    #[error("the code of the second factor is wrong")]
    CodeRefused,
    /// The project does not work.
    #[error("the project is suspended")]
    ProjectSuspended,
    /// Too many are logging in.
    #[error("too many logins at once")]
    Busy,
    /// The store can't tell just now.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a bearer was not recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BearerError {
    /// The token is none of ours, or its session was ended.
    #[error("not a token that holds")]
    Invalid,
    /// The token has ended: refresh it.
    #[error("the token has ended")]
    Expired,
    /// The project does not work.
    #[error("the project is suspended")]
    Suspended,
    /// The store can't tell just now.
    #[error("the store is away")]
    Unavailable,
    /// The sealing key does not open what proves tokens.
    #[error("the sealing key does not fit")]
    WrongKey,
}

/// What a login or refresh gives.
#[derive(Clone)]
pub struct Pass {
    /// Whose it is.
    pub user: UserId,
    /// In which project.
    pub project: ProjectId,
    /// The session.
    pub session: Uuid,
    /// The access token.
    pub access: String,
    /// How long it is good for.
    pub good_for: Duration,
    /// The refresh token, good for one use.
    pub refresh: String,
}

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub struct Person {
    /// The project that they are in.
    pub project: ProjectId,
    /// Who.
    pub user: UserId,
    /// Their session.
    pub session: Uuid,
    /// What they may do.
    pub grants: Grants,
    /// What conditions of permissions know of them.
    pub facts: Arc<Value>,
    /// When they were recognised.
    pub seen_at: Time,
}

impl Person {
    /// Whether they may do it with this resource, as far as conditions look at it, or where there is none to look at.
    pub fn may(&self, wanted: Wanted, resource: Option<&Value>) -> bool {
        match resource {
            None => self.grants.allow_without(wanted, &self.facts, self.seen_at),
            Some(resource) => {
                let facts = Facts { resource, user: &self.facts };
                self.grants.allow_with(wanted, &facts, self.seen_at)
            }
        }
    }
}

#[derive(Clone)]
struct Known {
    holds: bool,
    grants: Grants,
    facts: Arc<Value>,
    epoch: i64,
}

/// How many attempts are counted at once. Guesses at one account wait for each other in the store, with a connection each,
/// and all others need connections too.
const COUNTING: usize = 4;

/// The sessions of all projects.
pub struct Sessions {
    store: Store,
    clock: Clock,
    epochs: Arc<Epochs>,
    audit: Audit,
    sealer: Sealer,
    /// Hashes and proves passwords.
    pub passwords: Passwords,
    /// Writes mails.
    pub mails: Mails,
    counting: Semaphore,
    config: AuthConfig,
    keys: RwLock<(Vec<SigningKey>, Option<Instant>)>,
    known: Cache<(ProjectId, UserId, Uuid), Known>,
}

impl Sessions {
    /// Nothing at hand yet.
    ///
    /// # Errors
    /// When the cost of hashing is not one that can be paid.
    pub fn new(
        store: Store,
        clock: Clock,
        epochs: Arc<Epochs>,
        audit: Audit,
        sealer: Sealer,
        config: &Config,
        cached: (Duration, u64),
    ) -> Result<Self, PasswordError> {
        let mails = Mails::new(config, sealer.clone());
        let config = config.auth.clone();
        let memory = u32::try_from(config.hash_memory.as_usize() / 1024).unwrap_or(u32::MAX);
        let passwords = Passwords::new(memory, config.hash_passes, config.hash_concurrency)?;
        let known = Cache::builder().time_to_live(cached.0).max_capacity(cached.1).build();
        let keys = RwLock::new((Vec::new(), None));
        Ok(Self {
            store,
            clock,
            epochs,
            audit,
            sealer,
            passwords,
            mails,
            counting: Semaphore::new(COUNTING),
            config,
            keys,
            known,
        })
    }

    /// Gives a new pass for a refresh token, which is used up by that.
    ///
    /// # Errors
    /// When it does not hold.
    pub async fn refresh(&self, token: &str, initiator: &Initiator) -> Result<Pass, LoginError> {
        let (project, session, secret) = parse(token).ok_or(LoginError::Refused)?;
        // Before anything is written: a made-up project leaves no trace, and a suspended one uses no token up.
        match self.store.project(project).await {
            Ok(known) if known.status == ProjectStatus::Active => {}
            Ok(known) if known.status == ProjectStatus::Suspended => {
                return Err(LoginError::ProjectSuspended);
            }
            Ok(_) | Err(StoreError::NotFound(_)) => return Err(LoginError::Refused),
            Err(error) => return Err(error.into()),
        }
        let now = self.clock.now();
        let next = Secret::fresh();
        let audited = AuditedAction::new(AuditAction::SessionReuse, session);
        let reuse = self.audit.entry(project, initiator, audited).await?;
        let idle = now.minus(self.config.session_idle);
        let rotated =
            self.store.rotate(project, session, secret.hash(), next.hash(), idle, &reuse, now);
        match rotated.await? {
            Rotated::Taken(user) => Ok(self.pass(project, user, session, &next).await?),
            Rotated::Reused(user) => {
                tracing::warn!(%project, %user, %session, "a refresh token was used twice; its session is ended");
                metrics::counter!("bellbuoy_refresh_reuse_total").increment(1);
                self.known.invalidate(&(project, user, session)).await;
                Err(LoginError::Refused)
            }
            Rotated::Gone => Err(LoginError::Refused),
        }
    }

    async fn pass(
        &self,
        project: ProjectId,
        user: UserId,
        session: Uuid,
        secret: &Secret,
    ) -> Result<Pass, StoreError> {
        let key = self.signing_key().await?;
        let issued_at = self.clock.now().micros().div_euclid(1_000_000);
        let good_for = self.config.access_ttl;
        let expires_at = issued_at + i64::try_from(good_for.as_secs()).unwrap_or(i64::MAX / 2);
        let claims = Claims { user, project, session, issued_at, expires_at };
        Ok(Pass {
            user,
            project,
            session,
            access: key.sign(&claims),
            good_for,
            refresh: secret.text(project, session),
        })
    }

    /// Who holds an access token.
    ///
    /// # Errors
    /// When nobody does any more.
    pub async fn authenticate(&self, token: &str) -> Result<Person, BearerError> {
        let now = self.clock.now();
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner).0.clone();
        let claims = match read(token, &keys, now) {
            Err(TokenError::UnknownKey) => {
                let keys = self.look_at_keys().await.map_err(|error| match error {
                    StoreError::WrongKey(_) => BearerError::WrongKey,
                    _ => BearerError::Unavailable,
                })?;
                read(token, &keys, now)
            }
            other => other,
        };
        let claims = claims.map_err(|error| match error {
            TokenError::Expired => BearerError::Expired,
            TokenError::Invalid | TokenError::UnknownKey => BearerError::Invalid,
        })?;
        self.holder(&claims, now).await
    }

    async fn standing(&self, claims: &Claims) -> Result<Known, BearerError> {
        let Claims { project, user, session, .. } = *claims;
        let key = (project, user, session);
        if let Some(known) = self.known.get(&key).await {
            // One that the epochs don't name was archived, or made just now: the store knows which.
            if self.epochs.access_of(project).is_some_and(|epoch| epoch <= known.epoch) {
                metrics::counter!("bellbuoy_cache_hits_total", "cache" => "sessions").increment(1);
                return Ok(known);
            }
        }
        // On the heap, for what is rare must not make every request carry (and copy) its kilobytes.
        Box::pin(self.look_up(claims)).await
    }

    async fn look_up(&self, claims: &Claims) -> Result<Known, BearerError> {
        let Claims { project, user, session, .. } = *claims;
        let key = (project, user, session);
        self.known.invalidate(&key).await;
        metrics::counter!("bellbuoy_cache_misses_total", "cache" => "sessions").increment(1);
        let look = async {
            let standing = self.store.standing(project, session, user, self.clock.now()).await?;
            let Standings { roles, mine, .. } = self.store.grants(project, user).await?;
            let grants = grants(&mine, &roles);
            let facts = Arc::new(json!({ "id": user }));
            Ok::<_, StoreError>(Known {
                holds: standing.holds,
                grants,
                facts,
                epoch: standing.epoch,
            })
        };
        match self.known.try_get_with(key, look).await {
            Ok(known) => Ok(known),
            Err(error) if matches!(*error, StoreError::NotFound(_)) => Err(BearerError::Invalid),
            Err(error) => {
                tracing::warn!(%error, "a session could not be looked up");
                Err(BearerError::Unavailable)
            }
        }
    }

    /// Somebody's sessions that hold, newest first.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn list(&self, person: &Person) -> Result<Vec<Session>, StoreError> {
        self.of(person.project, person.user).await
    }

    /// The same for somebody who need not be logged in.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn of(&self, project: ProjectId, user: UserId) -> Result<Vec<Session>, StoreError> {
        let now = self.clock.now();
        let idle = now.minus(self.config.session_idle);
        self.store.sessions(project, user, idle, now).await
    }

    /// Ends sessions of somebody; answers how many that were.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn end(
        &self,
        project: ProjectId,
        user: UserId,
        which: Which,
        why: Ended,
        initiator: &Initiator,
    ) -> Result<u64, StoreError> {
        let action = match why {
            Ended::Logout => AuditAction::SessionLogout,
            Ended::Revoked
            | Ended::Password
            | Ended::Reuse
            | Ended::SecondFactor
            | Ended::Suspended => AuditAction::SessionRevoke,
        };
        let audited = AuditedAction {
            after: Some(match which {
                Which::One(id) => json!({ "session": id }),
                Which::AllBut(id) => json!({ "all_but": id }),
                Which::All => json!({ "all": true }),
            }),
            ..AuditedAction::new(action, user.0)
        };
        let entry = self.audit.entry(project, initiator, audited).await?;
        let ended =
            self.store.end_sessions(project, user, which, why, &entry, self.clock.now()).await?;
        // This process must not wait for the epoch: whoever logs out is out with the answer.
        self.known.invalidate_all();
        Ok(ended)
    }

    /// Looks at every session anew: some were ended by another verb.
    pub fn forget(&self) {
        self.known.invalidate_all();
    }
}

/// The part of a refresh token that nobody can guess.
struct Secret([u8; 32]);

impl Secret {
    fn fresh() -> Self {
        Self(rand::random())
    }

    fn hash(&self) -> [u8; 32] {
        sha256(&self.0)
    }

    fn text(&self, project: ProjectId, session: Uuid) -> String {
        format!("bbr_{}_{}_{}", project.0.simple(), session.simple(), hex::encode(self.0))
    }
}

/// The project that a refresh token is of, whether it holds or not.
pub fn project_of(token: &str) -> Option<ProjectId> {
    parse(token).map(|(project, ..)| project)
}

fn parse(token: &str) -> Option<(ProjectId, Uuid, Secret)> {
    let mut parts = token.strip_prefix("bbr_")?.split('_');
    let project = Uuid::try_parse(parts.next()?).ok()?;
    let session = Uuid::try_parse(parts.next()?).ok()?;
    let secret: [u8; 32] = hex::decode(parts.next()?).ok()?.try_into().ok()?;
    parts.next().is_none().then_some((ProjectId(project), session, Secret(secret)))
}
