//! What operations take as an argument: who calls, and that they may. It only reads what the middleware found out.

use std::marker::PhantomData;
use std::sync::Arc;

use domain::audit::Actor;
use domain::authority::{Need, Requester};
use domain::fault::FaultCode;
use domain::id::{ProjectId, UserId};
use domain::permission::{Action, Resource, Wanted};
use poem::{PathPattern, Request, RequestBody};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::Value;
use services::access::Principal;
use services::audit::{Initiator, Origin};
use services::sessions::Person;
use uuid::Uuid;

use super::needs::Needs;
use crate::context::RequestContext;
use crate::problem::{Code, Problem, unauthenticated};

/// A caller who may do what `N` demands. It stands first among the arguments of an operation, so that nothing of a
/// request is read before it is sure who sent it.
pub struct Caller<N> {
    /// The project in which they act.
    pub project: ProjectId,
    /// Who they are.
    pub who: Principal,
    /// The same, for the audit log.
    pub initiator: Initiator,
    /// Whether they may do it with anything, or only with what is their own.
    pub any: bool,
    needs: PhantomData<fn() -> N>,
}

const KEY_SCHEME: &str = "api_key";
const KEY_AS_BEARER_SCHEME: &str = "api_key_as_bearer";
const PERSON_SCHEME: &str = "bearer";

/// The schemes by which callers prove who they are.
fn register_schemes(registry: &mut Registry) {
    let scheme = |ty: &'static str, description: &'static str| MetaSecurityScheme {
        ty,
        description: Some(description),
        name: None,
        key_in: None,
        scheme: None,
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    };
    let key = "A key of a project, `bb_…`. What it may do are its scopes; each operation names the one that it needs.";
    registry.create_security_scheme(
        KEY_SCHEME,
        MetaSecurityScheme {
            name: Some("X-API-Key"),
            key_in: Some("header"),
            ..scheme("apiKey", key)
        },
    );
    let same = "The same API key, `bb_…`, for senders that can set no header but `Authorization`.";
    registry.create_security_scheme(
        KEY_AS_BEARER_SCHEME,
        MetaSecurityScheme {
            scheme: Some("bearer"),
            bearer_format: Some("bb_…"),
            ..scheme("http", same)
        },
    );
    let person = "The access token of somebody who is logged in. What they may do follows from their roles; each \
                  operation names the permission that it needs.";
    registry.create_security_scheme(
        PERSON_SCHEME,
        MetaSecurityScheme {
            scheme: Some("bearer"),
            bearer_format: Some("JWT"),
            ..scheme("http", person)
        },
    );
}

impl<'a, N: Needs> ApiExtractor<'a> for Caller<N> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register_schemes(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        let keys = N::SCOPE.map(|_| [KEY_SCHEME, KEY_AS_BEARER_SCHEME]);
        let person = (N::PERMISSION.is_some() || !N::ANY_OF.is_empty()).then_some(PERSON_SCHEME);
        keys.into_iter().flatten().chain(person).collect()
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let context = RequestContext::of(request).ok_or_else(Problem::internal)?;
        context.note_route(request.data::<PathPattern>());
        let who = context.principal().ok_or_else(unauthenticated)?;
        let any = judge::<N>(who)?;
        judge_query(request, context)?;
        let initiator =
            Initiator { requester: requester::<N>(who, any), ..initiator(request, context, who) };
        Ok(Self { project: who.project(), who: who.clone(), initiator, any, needs: PhantomData })
    }
}

impl<N: Needs> Caller<N> {
    /// Whether they may do it with this resource, which is their own or not. Keys have scopes, and no conditions.
    pub fn may_with(&self, facts: &Value, own: bool) -> bool {
        match (&self.who, N::PERMISSION) {
            (Principal::Person(person), Some((resource, action))) => {
                person.may(Wanted { resource, action, own }, Some(facts))
            }
            _ => true,
        }
    }

    /// Refuses a resource with which they may not do it: as one that is not there, unless they may see it.
    ///
    /// # Errors
    /// When they may not.
    pub fn look(&self, what: &str, facts: &Value, own: bool) -> Result<(), Problem> {
        let (Principal::Person(person), Some((resource, action))) = (&self.who, N::PERMISSION)
        else {
            return Ok(());
        };
        if self.may_with(facts, own) {
            return Ok(());
        }
        if person.may(Wanted { resource, action: Action::Read, own }, Some(facts)) {
            let detail = format!("This needs the permission {resource}:{action} for this {what}.");
            return Err(Problem::new(Code::Forbidden, detail));
        }
        Err(Problem::not_found(what))
    }

    /// Whether they may do it where there is nothing to look at.
    pub fn may_blindly(&self) -> bool {
        match (&self.who, N::PERMISSION) {
            (Principal::Person(person), Some((resource, action))) => {
                person.may(Wanted { resource, action, own: false }, None)
            }
            _ => true,
        }
    }

    /// Refuses a caller who has the permission for their own alone, where nothing belongs to one user.
    ///
    /// # Errors
    /// When they have it for no more.
    pub fn demand_any(&self) -> Result<(), Problem> {
        match N::PERMISSION {
            Some((resource, action)) if !self.any => {
                let detail = format!(
                    "This needs the permission {resource}:{action} for the whole project; yours reaches your own alone."
                );
                Err(Problem::new(Code::Forbidden, detail))
            }
            _ => Ok(()),
        }
    }
}

impl<N> Caller<N> {
    /// Refuses a caller who may not do what `M` demands as well, to anything in the project.
    ///
    /// # Errors
    /// When they may not.
    pub fn also<M: Needs>(&mut self) -> Result<(), Problem> {
        let any = judge::<M>(&self.who)?;
        let Some((resource, action)) = M::PERMISSION else { return Ok(()) };
        if !any {
            return Err(lacking(resource, action));
        }
        if let Some(requester) = &mut self.initiator.requester {
            requester.needs.push(Need { resource, action, own: false });
        }
        Ok(())
    }

    /// The person that it is, if it is one.
    pub const fn user(&self) -> Option<UserId> {
        match &self.who {
            Principal::Person(person) => Some(person.user),
            Principal::Key { .. } => None,
        }
    }

    /// The session of the person that it is, if it is one.
    pub const fn session(&self) -> Option<Uuid> {
        match &self.who {
            Principal::Person(person) => Some(person.session),
            Principal::Key { .. } => None,
        }
    }
}

/// Who asks for a change, and what it needs: the transaction that makes it looks at them again.
fn requester<N: Needs>(who: &Principal, any: bool) -> Option<Requester> {
    let Principal::Person(person) = who else { return None };
    let needs = N::PERMISSION.into_iter();
    let needs = needs.map(|(resource, action)| Need { resource, action, own: !any });
    Some(Requester {
        project: person.project,
        user: person.user,
        session: Some(person.session),
        needs: needs.collect(),
    })
}

fn lacking(resource: Resource, action: Action) -> Problem {
    Problem::new(
        Code::Forbidden,
        format!("This needs the permission {resource}:{action}; ask an admin for it."),
    )
}

const USERS_ALONE: &str =
    "This takes no API key; log in, and send the access token as Authorization: Bearer.";

/// Whether they may do it with anything in the project; an error when they may not at all.
fn judge<N: Needs>(who: &Principal) -> Result<bool, Problem> {
    match (who, N::SCOPE, N::PERMISSION) {
        (Principal::Key { scopes, .. }, Some(scope), _) => {
            if scopes.contains(&scope) {
                return Ok(true);
            }
            let detail = format!("This API key lacks the scope {scope}; create one that has it.");
            Err(Problem::new(Code::MissingScope, detail))
        }
        (Principal::Person(person), _, Some((resource, action))) => {
            let may = |own| {
                let wanted = Wanted { resource, action, own };
                if N::LOOKS { person.grants.may(wanted) } else { person.may(wanted, None) }
            };
            if may(true) || may(false) {
                return Ok(may(false));
            }
            Err(lacking(resource, action))
        }
        (Principal::Person(person), _, None) if !N::ANY_OF.is_empty() => {
            let mut wanted = N::ANY_OF.iter().map(|&(resource, action)| (resource, action));
            let may =
                |(resource, action)| person.grants.may(Wanted { resource, action, own: false });
            match wanted.clone().any(may) {
                true => Ok(true),
                false => Err(wanted.next().map_or_else(Problem::internal, |(resource, action)| {
                    lacking(resource, action)
                })),
            }
        }
        (Principal::Key { .. }, None, _) => Err(Problem::new(Code::Forbidden, USERS_ALONE)),
        (Principal::Person(_), _, None) => Err(Problem::new(
            Code::Forbidden,
            "This takes an API key, and no access token; send one in the header X-API-Key.",
        )),
    }
}

/// Refuses a caller who may not do what `N` demands.
pub(super) fn demand<N: Needs>(who: &Principal) -> Result<(), Problem> {
    judge::<N>(who).map(|_| ())
}

/// Somebody who is logged in, whatever they may do.
pub struct Me {
    /// Who.
    pub person: Person,
    /// The same, for the audit log.
    pub initiator: Initiator,
}

impl<'a> ApiExtractor<'a> for Me {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register_schemes(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![PERSON_SCHEME]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let context = RequestContext::of(request).ok_or_else(Problem::internal)?;
        context.note_route(request.data::<PathPattern>());
        let who = context.principal().ok_or_else(unauthenticated)?;
        let Principal::Person(person) = who else {
            return Err(Problem::new(Code::Forbidden, USERS_ALONE).into());
        };
        judge_query(request, context)?;
        Ok(Self { person: person.clone(), initiator: initiator(request, context, who) })
    }
}

/// Anybody: an operation by which people come in.
pub struct Anybody {
    /// Who it may be, for the audit log.
    pub initiator: Initiator,
    context: Arc<RequestContext>,
}

impl Anybody {
    /// What is known of the request.
    pub fn context(&self) -> &RequestContext {
        &self.context
    }
}

impl<'a> ApiExtractor<'a> for Anybody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::PoemExtractor];

    type ParamType = ();
    type ParamRawType = ();

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let context = RequestContext::of(request).ok_or_else(Problem::internal)?;
        context.note_route(request.data::<PathPattern>());
        judge_query(request, context)?;
        Ok(Self {
            initiator: origin(request, context, Actor::Stranger),
            context: Arc::clone(context),
        })
    }
}

fn initiator(request: &Request, context: &RequestContext, who: &Principal) -> Initiator {
    let actor = match who {
        Principal::Key { key_id, .. } => Actor::Key(*key_id),
        Principal::Person(person) => Actor::User(person.user),
    };
    Initiator { home: Some(who.project()), ..origin(request, context, actor) }
}

fn origin(request: &Request, context: &RequestContext, actor: Actor) -> Initiator {
    let agent = request.header("user-agent");
    let agent = agent.map(|agent| agent.chars().filter(|c| !c.is_control()).take(200).collect());
    let origin = Origin { address: Some(context.address), user_agent: agent };
    let correlation = Some(context.id().to_owned());
    Initiator { actor, origin, home: None, correlation, once: None, requester: None }
}

/// Refuses parameters that the operation does not have or that stand there twice: a filter with a slip of the pen would
/// otherwise be no filter.
fn judge_query(request: &Request, context: &RequestContext) -> Result<(), Problem> {
    let Some(query) = request.uri().query().filter(|query| !query.is_empty()) else {
        return Ok(());
    };
    let Some(route) = context.route() else { return Ok(()) };
    let known = route.query(request.method());
    let mut seen: Vec<&str> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        // The values that are looked for in payloads have the names of their places.
        let place = known.iter().any(|one| one == "payload") && name.starts_with("payload.");
        let Some(name) =
            known.iter().map(String::as_str).find(|one| *one == name).or(place.then_some(name))
        else {
            let name: String = name.chars().take(100).collect();
            let known = match known {
                [] => "this operation has none".to_owned(),
                known => format!("there are {}", known.join(", ")),
            };
            let message = format!("there is no such parameter; {known}");
            return Err(Problem::parameter(name, FaultCode::Unknown, message));
        };
        if seen.contains(&name) {
            let message = "this parameter is there twice; send it once";
            return Err(Problem::parameter(name.to_owned(), FaultCode::Duplicate, message));
        }
        seen.push(name);
    }
    Ok(())
}
