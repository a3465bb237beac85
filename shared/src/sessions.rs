//! Logging in and staying so: access tokens that end soon, refresh tokens that are good for one use.

mod again;
pub mod factor;
mod keys;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use moka::future::Cache;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::audit::{Audit, Deed, Doer};
use crate::clock::Clock;
use crate::config::{AuthConfig, Config};
use crate::domain::audit::{Actor, AuditAction};
use crate::domain::condition::Facts;
use crate::domain::mail::MailKind;
use crate::domain::permission::{Grants, Wanted, grants};
use crate::domain::project::{Project, ProjectStatus};
use crate::domain::user::{User, UserStatus, normal_email};
use crate::epochs::Epochs;
use crate::id::{ProjectId, UserId, fresh, sha256};
use crate::mails::{Addressee, Mails};
use crate::passwords::{PATIENCE, PasswordError, Passwords};
use crate::seal::Sealer;
use crate::store::people::{Attempt, Lockout, Standings};
use crate::store::sessions::{Begun, Ended, NewSession, Rotated, Session, Which};
use crate::store::{Store, StoreError};
use crate::time::Time;
use crate::tokens::{Claims, SigningKey, TokenError, read};

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

    /// Lets somebody in who knows the password of an account, and proves its second factor if it has one.
    ///
    /// # Errors
    /// When they don't, or may not come in.
    pub async fn login(
        &self,
        project: ProjectId,
        email: &str,
        password: &str,
        code: Option<&str>,
        doer: &Doer,
    ) -> Result<Pass, LoginError> {
        let email = normal_email(email);
        let (user, last) = match self.attempt(project, &email, password).await? {
            Tried::Right(user, last) => (user, last),
            Tried::Wrong(user, last) => {
                self.note_failure(project, user.id, last, doer).await?;
                return Err(LoginError::Refused);
            }
            Tried::Nobody => return Err(LoginError::Refused),
        };
        let home = self.store.project(project).await?;
        let obstacle = match user.status {
            UserStatus::Pending => LoginError::Pending,
            UserStatus::Suspended => LoginError::Suspended,
            UserStatus::Active if home.status == ProjectStatus::Active => {
                let begun = self.begin(&home, &user, code, doer).await;
                match &begun {
                    // No failure, but nothing that makes up for failures before: whoever has the password alone must
                    // not buy new tries at the code with it.
                    Err(LoginError::CodeMissing) => {
                        self.store.take_back_attempt(project, user.id, last).await?;
                    }
                    Err(LoginError::CodeRefused) => {
                        self.note_failure(project, user.id, last, doer).await?;
                    }
                    _ => {}
                }
                return begun;
            }
            UserStatus::Active => LoginError::ProjectSuspended,
        };
        // Whoever knows the password did not fail, and is not locked out for coming too early.
        self.store.forgive(project, user.id).await?;
        Err(obstacle)
    }

    /// Whether somebody who is logged in knows their password; failures count as those of logins do.
    ///
    /// # Errors
    /// When the store is away or too many are being hashed.
    pub async fn proves(
        &self,
        project: ProjectId,
        email: &str,
        password: &str,
    ) -> Result<bool, LoginError> {
        let tried = self.attempt(project, email, password).await?;
        if let Tried::Right(user, _) = &tried {
            self.store.forgive(project, user.id).await?;
        }
        Ok(matches!(tried, Tried::Right(..)))
    }

    /// Tries a password, counted before it is looked at.
    async fn attempt(
        &self,
        project: ProjectId,
        email: &str,
        password: &str,
    ) -> Result<Tried, LoginError> {
        let now = self.clock.now();
        // No address has this character, and not every store takes it.
        let email = if email.contains('\0') { "" } else { email };
        let lockout = Lockout {
            failures: i64::from(self.config.lockout_failures),
            until: now.plus(self.config.lockout),
        };
        let begun = {
            let turn = tokio::time::timeout(PATIENCE, self.counting.acquire()).await;
            let _turn = turn.map_err(|_| LoginError::Busy)?.map_err(|_| LoginError::Busy)?;
            self.store.begin_login(project, email, lockout, now).await?
        };
        match begun {
            Attempt::Try { user, password: stored, last } => {
                let right = self.verify(password, stored.as_deref()).await?;
                Ok(if right { Tried::Right(user, last) } else { Tried::Wrong(user, last) })
            }
            Attempt::Locked(_) | Attempt::Unknown => {
                // It takes as long as for an account that is there.
                self.verify(password, None).await?;
                Ok(Tried::Nobody)
            }
        }
    }

    async fn verify(&self, password: &str, stored: Option<&str>) -> Result<bool, LoginError> {
        // More would only be work.
        let fits = password.len() <= crate::domain::user::MAX_PASSWORD;
        let tried = if fits { password } else { "" };
        match self.passwords.verify(tried, stored).await {
            Ok(same) => Ok(same && fits),
            Err(PasswordError::Busy) => Err(LoginError::Busy),
            Err(PasswordError::Broken(why)) => Err(StoreError::Corrupt(why).into()),
        }
    }

    async fn note_failure(
        &self,
        project: ProjectId,
        user: UserId,
        last: bool,
        doer: &Doer,
    ) -> Result<(), StoreError> {
        metrics::counter!("bellbuoy_login_failures_total").increment(1);
        let action = if last { AuditAction::SessionLockout } else { AuditAction::SessionFailure };
        let entry = self.audit.entry(project, doer, Deed::new(action, user.0)).await?;
        self.store.note(project, &entry, self.clock.now()).await
    }

    async fn begin(
        &self,
        home: &Project,
        user: &User,
        code: Option<&str>,
        doer: &Doer,
    ) -> Result<Pass, LoginError> {
        let (now, project) = (self.clock.now(), home.id);
        let (session, secret) = (fresh(now), Secret::fresh());
        let doer = doer.known_as(Actor::User(user.id));
        let proof = match code {
            Some(code) => self.proof(home, user, code, &doer).await?,
            None => None,
        };
        let origin = serde_json::to_value(&doer.origin).unwrap_or_default();
        let agent = doer.origin.user_agent.clone().unwrap_or_default();
        let new = NewSession {
            id: session,
            user: user.id,
            ends_at: now.plus(self.config.session_absolute),
            token: secret.hash(),
            device: sha256(agent.as_bytes()),
            origin: Some(self.audit.seal(project, user.id.0, &origin).await?),
            proof,
            notice: self.mails.write(
                MailKind::NewDevice,
                Addressee { project: home, user: Some(user.id), email: &user.email },
                None,
                Some(&whence(&doer, now)),
                now,
            )?,
        };
        let deed = Deed {
            after: Some(json!({ "session": session })),
            ..Deed::new(AuditAction::SessionLogin, user.id.0)
        };
        let entry = self.audit.entry(project, &doer, deed).await?;
        match self.store.begin_session(project, &new, &entry, now).await? {
            Begun::Yes(_) => {}
            Begun::ProofMissing => return Err(LoginError::CodeMissing),
            Begun::ProofRefused => return Err(LoginError::CodeRefused),
        }
        metrics::counter!("bellbuoy_logins_total").increment(1);
        Ok(self.pass(project, user.id, session, &secret).await?)
    }

    /// Gives a new pass for a refresh token, which is used up by that.
    ///
    /// # Errors
    /// When it does not hold.
    pub async fn refresh(&self, token: &str, doer: &Doer) -> Result<Pass, LoginError> {
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
        let deed = Deed::new(AuditAction::SessionReuse, session);
        let reuse = self.audit.entry(project, doer, deed).await?;
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
                let keys = self.look_at_keys().await.map_err(|_| BearerError::Unavailable)?;
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
            let Standings { roles, mine, names } = self.store.grants(project, user).await?;
            let grants = grants(&mine, &roles);
            let facts = Arc::new(json!({ "id": user, "roles": names }));
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
        doer: &Doer,
    ) -> Result<u64, StoreError> {
        let action = match why {
            Ended::Logout => AuditAction::SessionLogout,
            Ended::Revoked | Ended::Password | Ended::Reuse | Ended::SecondFactor => {
                AuditAction::SessionRevoke
            }
        };
        let deed = Deed {
            after: Some(match which {
                Which::One(id) => json!({ "session": id }),
                Which::AllBut(id) => json!({ "all_but": id }),
                Which::All => json!({ "all": true }),
            }),
            ..Deed::new(action, user.0)
        };
        let entry = self.audit.entry(project, doer, deed).await?;
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

/// What came of trying a password.
enum Tried {
    /// And whether it would have been the last attempt before the account is locked.
    Right(Box<User>, bool),
    /// And whether it was the last attempt before the account is locked.
    Wrong(Box<User>, bool),
    /// There is no such account, or it is locked.
    Nobody,
}

/// When and from where somebody logged in, as a mail tells it.
fn whence(doer: &Doer, now: Time) -> String {
    let address =
        doer.origin.address.map_or("an unknown address".to_owned(), |one| one.to_string());
    let agent =
        doer.origin.user_agent.as_deref().unwrap_or("something that does not say what it is");
    format!("It was at {} from {address}, with {agent}.", now.rfc3339())
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
