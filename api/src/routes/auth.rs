//! Logging in, staying so, and logging out.

use std::sync::Arc;

use domain::attempt::AttemptKind;
use domain::fault::{Fault, FaultCode};
use domain::id::ProjectId;
use poem::Request;
use poem_openapi::param::Path;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};
use runtime::app::App;
use serde::{Deserialize, Serialize};
use services::audit::Origin;
use services::sessions::{LoginError, Pass};
use store::sessions::{self, Ended, Which};
use uuid::Uuid;

use super::Tag;
use crate::auth::{Anybody, Me, find_project, named_project, only};
use crate::body::Body;
use crate::context::RequestContext;
use crate::limits;
use crate::problem::{Acts, Code, Enters, Failure, Lists, Problem};
use crate::wire::{Answer, Done, Stamp};

/// The operations by which people come in.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

/// What somebody logs in with.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
struct Login {
    /// The project: its id or slug. It may stand in the header `X-Project` or in the subdomain instead. People of the
    /// platform log in to `platform`.
    #[oai(validator(max_length = 64))]
    project: Option<String>,
    /// The address of the account.
    #[oai(validator(max_length = 254))]
    email: String,
    /// Its password.
    #[oai(validator(max_length = 1024))]
    password: String,
    /// A code of its second factor or a backup code, if the account has one.
    #[oai(validator(max_length = 64))]
    code: Option<String>,
}

impl Example for Login {
    fn example() -> Self {
        Self {
            project: Some("acme".to_owned()),
            email: "ana@example.com".to_owned(),
            password: "correct horse battery".to_owned(),
            code: None,
        }
    }
}

/// What keeps somebody logged in.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct Refresh {
    /// The refresh token that came last; it is good for one use.
    #[oai(validator(max_length = 200))]
    refresh_token: String,
}

/// What somebody who is logged in sends along.
#[derive(Clone, Debug, Object, Serialize)]
struct Tokens {
    /// For the header `Authorization: Bearer …`.
    access_token: String,
    /// Always `Bearer`.
    token_type: String,
    /// Seconds that the access token is good for.
    expires_in: u64,
    /// Gives the next pair, once. Used twice it ends the session: then somebody else has it too.
    refresh_token: String,
    /// The project.
    project_id: Uuid,
    /// The account.
    user_id: Uuid,
    /// The session.
    session_id: Uuid,
}

impl From<Pass> for Tokens {
    fn from(pass: Pass) -> Self {
        Self {
            access_token: pass.access,
            token_type: "Bearer".to_owned(),
            expires_in: pass.good_for.as_secs(),
            refresh_token: pass.refresh,
            project_id: pass.project.0,
            user_id: pass.user.0,
            session_id: pass.session,
        }
    }
}

/// A session that holds.
#[derive(Clone, Debug, Object, Serialize)]
pub struct Session {
    /// Its id.
    id: Uuid,
    /// Whether it is the one that asks.
    current: bool,
    /// When it was begun.
    created_at: Stamp,
    /// When it was last refreshed.
    used_at: Stamp,
    /// When it ends at the latest.
    ends_at: Stamp,
    /// The address that it was begun from.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// What it was begun with.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

/// The sessions of a user.
#[derive(Clone, Debug, Object, Serialize)]
pub struct Sessions {
    /// Newest first.
    items: Vec<Session>,
}

impl Sessions {
    /// Sessions and where each was begun; `current` is the one that asks.
    pub fn of(found: Vec<(sessions::Session, Origin)>, current: Option<Uuid>) -> Self {
        let session = |(one, origin): (sessions::Session, Origin)| Session {
            id: one.id,
            current: Some(one.id) == current,
            created_at: Stamp(one.created_at),
            used_at: Stamp(one.used_at),
            ends_at: Stamp(one.ends_at),
            address: origin.address.map(|address| address.to_string()),
            user_agent: origin.user_agent,
        };
        Self { items: found.into_iter().map(session).collect() }
    }
}

#[OpenApi(prefix_path = "/api/v1/auth", tag = "Tag::Auth")]
impl Operations {
    /// Log in
    ///
    /// Needs nothing. The answer is the same, and takes as long, for an account that is not there and a password that is
    /// wrong. After some failures an account takes none for a while. One with a second factor answers
    /// `second_factor_required` until a `code` comes along; a wrong code counts as a failure, and each is good once.
    #[oai(path = "/login", method = "post", operation_id = "login")]
    async fn login(
        &self,
        caller: Anybody,
        request: &Request,
        body: Body<Login>,
    ) -> Result<Answer<Tokens>, Failure<Enters>> {
        let Login { project, email, password, code } = body.value;
        let project = project_of(&self.app, request, project.as_deref()).await?;
        // What nobody is called can't be a project of ours; the login then fails as any other.
        let project = project.unwrap_or(ProjectId(Uuid::max()));
        limits::attempt(&self.app, Some(project), AttemptKind::Login, caller.context()).await?;
        let pass = self
            .app
            .sessions
            .login(project, &email, &password, code.as_deref(), &caller.initiator)
            .await;
        Ok(Answer(pass.map_err(Problem::from)?.into()))
    }

    /// Refresh tokens
    ///
    /// Needs nothing but the refresh token, and gives the next pair of tokens for it.
    #[oai(path = "/refresh", method = "post", operation_id = "refresh")]
    async fn refresh(
        &self,
        caller: Anybody,
        body: Body<Refresh>,
    ) -> Result<Answer<Tokens>, Failure<Enters>> {
        limits::attempt(&self.app, None, AttemptKind::Refresh, caller.context()).await?;
        if let Some(project) = services::sessions::project_of(&body.value.refresh_token) {
            caller.context().note_named(project);
        }
        match self.app.sessions.refresh(&body.value.refresh_token, &caller.initiator).await {
            Ok(pass) => Ok(Answer(pass.into())),
            Err(LoginError::Refused) => {
                let detail = "This refresh token is not valid, or no longer; log in again.";
                Err(Problem::new(Code::InvalidToken, detail).into())
            }
            Err(other) => Err(Problem::from(other).into()),
        }
    }

    /// Log out
    ///
    /// Needs a login. Ends this session: its tokens hold no longer.
    #[oai(path = "/logout", method = "post", operation_id = "logout")]
    async fn logout(&self, me: Me) -> Result<Done, Failure<Acts>> {
        let which = Which::One(me.person.session);
        self.end(&me, which, Ended::Logout).await?;
        Ok(Done)
    }

    /// Log out everywhere
    ///
    /// Needs a login. Ends all sessions of this account, this one too.
    #[oai(path = "/logout-everywhere", method = "post", operation_id = "logout_everywhere")]
    async fn logout_everywhere(&self, me: Me) -> Result<Done, Failure<Acts>> {
        self.end(&me, Which::All, Ended::Logout).await?;
        Ok(Done)
    }

    /// List my sessions
    ///
    /// Needs a login. Newest first.
    #[oai(path = "/sessions", method = "get", operation_id = "list_sessions")]
    async fn sessions(&self, me: Me) -> Result<Answer<Sessions>, Failure<Lists>> {
        let person = &me.person;
        let found = self.app.admin.sessions_of(person.project, person.user).await?;
        Ok(Answer(Sessions::of(found, Some(person.session))))
    }

    /// Revoke one of my sessions
    ///
    /// Needs a login.
    #[oai(path = "/sessions/:id", method = "delete", operation_id = "revoke_session")]
    async fn revoke(
        &self,
        me: Me,
        /// The session.
        id: Path<Uuid>,
    ) -> Result<Done, Failure<Acts>> {
        if self.end(&me, Which::One(id.0), Ended::Revoked).await? == 0 {
            return Err(Problem::not_found("session").into());
        }
        Ok(Done)
    }
}

impl Operations {
    async fn end(&self, me: &Me, which: Which, why: Ended) -> Result<u64, Failure<Acts>> {
        let (project, user) = (me.person.project, me.person.user);
        Ok(self.app.sessions.end(project, user, which, why, &me.initiator).await?)
    }
}

/// The project that a login is for: named in the body, the header or the subdomain, and never two different ones.
pub(super) async fn project_of(
    app: &App,
    request: &Request,
    body: Option<&str>,
) -> Result<Option<ProjectId>, Problem> {
    // What is no text is the name of no project.
    let header = named_project(request)?.map(|header| header.to_str().unwrap_or("\0"));
    let subdomain = match &app.config.auth.base_domain {
        Some(base) => subdomain(request, base)?,
        None => None,
    };
    let named: Vec<&str> = body.into_iter().chain(header).chain(subdomain.as_deref()).collect();
    let mut found: Option<(&str, Option<ProjectId>)> = None;
    for name in named {
        // No project is called so, and not every store takes the question.
        let id = if name.contains('\0') { None } else { find_project(app, name).await? };
        match found {
            // Two names that may be of one project are so only if there is one; else it would tell which of them exists.
            Some((other, known)) if other != name && (id.is_none() || id != known) => {
                let detail = "The body, the header X-Project and the subdomain name different projects; name one.";
                return Err(Problem::new(Code::ProjectMismatch, detail));
            }
            Some(_) => {}
            None => found = Some((name, id)),
        }
    }
    match found {
        Some((_, id)) => {
            if let (Some(id), Some(context)) = (id, RequestContext::of(request)) {
                context.note_named(id);
            }
            Ok(id)
        }
        None => {
            let right = "name the project by its id or slug, here or in the header X-Project";
            let fault = Fault::new("project", FaultCode::Required, right);
            Err(Problem::invalid(vec![fault]))
        }
    }
}

/// What stands before the base domain in the host that the client asked for.
fn subdomain(request: &Request, base: &str) -> Result<Option<String>, Problem> {
    let host = only(request, "host").map_err(|()| {
        Problem::parameter(
            "Host",
            FaultCode::Duplicate,
            "the header stands there twice; send it once",
        )
    })?;
    Ok(host.and_then(|host| host.to_str().ok()).and_then(|host| label(host, base)))
}

/// The one label of `host` before `base`. Names of hosts have no case, and may end with a dot.
fn label(host: &str, base: &str) -> Option<String> {
    let bare = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
    let host = bare(host.rsplit_once(':').map_or(host, |(host, _)| host));
    let name = host.strip_suffix(&bare(base))?.strip_suffix('.')?;
    (!name.is_empty() && !name.contains('.')).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn hosts_have_no_case() {
        for (host, found) in [
            ("acme.alerts.example", Some("acme")),
            ("acme.alerts.example:8080", Some("acme")),
            ("ACME.Alerts.EXAMPLE", Some("acme")),
            ("Acme.alerts.example.:443", Some("acme")),
            ("alerts.example", None),
            ("a.b.alerts.example", None),
            ("acme.alerts.example.org", None),
            ("acmealerts.example", None),
            ("[::1]:8080", None),
            ("", None),
        ] {
            assert_eq!(label(host, "Alerts.example").as_deref(), found, "{host}");
        }
    }
}
