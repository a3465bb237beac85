//! What stands behind the API in tests.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::door::{
    AcceptSettings, Api, Authenticate, Events, Files, HttpSettings, Limiter, Repeats, Tenants,
};
use domain::clock::Clock;
use domain::event::Event;
use domain::fault::{Fault, FaultCode};
use domain::feature::Feature;
use domain::id::{EventId, KeyId, ProjectId, RuleId};
use domain::intake::NewEvent;
use domain::key::Scope;
use domain::once::RequestKey;
use domain::time::Time;
use domain::trace::{Trace, TraceRule};
use files::key::FileKey;
use files::link::{Link, LinkError, Terms};
use files::range::{ByteRange, Span};
use files::{Content, FileError, FileInfo};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use services::accept::{Accepted, Refused};
use services::access::{AuthError, Principal};
use services::admin::{AdminError, Held, Repeat};
use services::events::{EventFilter, EventState, EventStatus, ReadError};
use services::rates::Standing;
use services::sessions::{BearerError, Person};
use telemetry::ops::{Check, Health};
use uuid::Uuid;

const SOON: Duration = Duration::from_millis(1500);

impl Default for HttpSettings {
    fn default() -> Self {
        Self::of(&config::Config::development())
    }
}

impl Default for AcceptSettings {
    fn default() -> Self {
        Self::of(&config::Config::development())
    }
}

#[derive(Default)]
pub struct Stub {
    pub http: HttpSettings,
    pub accept: AcceptSettings,
}

impl Stub {
    pub fn http(http: HttpSettings) -> Self {
        Self { http, ..Self::default() }
    }

    pub fn app(self) -> Arc<Api> {
        let broken = || async { Err("secret words".to_owned()) };
        let checks = vec![Check::useful("redis", Duration::from_secs(1), broken)];
        Arc::new(Api {
            http: self.http,
            accept: self.accept,
            clock: Clock::System,
            keys: Arc::new(Keys::default()),
            services: None,
            limiter: Arc::new(Limits),
            tenants: Arc::new(OneTenant),
            events: Arc::new(Memory::default()),
            repeats: Arc::new(Requests::default()),
            files: Arc::new(OneFile),
            health: Arc::new(Health::new(checks, Clock::System)),
        })
    }
}

/// `leaving` is a key that is revoked once it was used, and the project of `suspending` is suspended then.
#[derive(Default)]
struct Keys {
    used: Mutex<HashSet<String>>,
}

impl Authenticate for Keys {
    fn authenticate<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Principal, AuthError>> {
        let all: &[Scope] = &[Scope::EventsWrite, Scope::Read];
        let (project, scopes) = match key {
            "good" | "bb_good" => (1, all),
            "other" => (2, all),
            "reader" | "bb_reader" => (1, &[Scope::Read] as &[Scope]),
            "flood" => (9, all),
            "leaving" | "suspending" => {
                if self.used.lock().expect("lock").insert(key.to_owned()) {
                    (1, all)
                } else if key == "leaving" {
                    return async { Err(AuthError::Unknown) }.boxed();
                } else {
                    return async { Err(AuthError::Suspended) }.boxed();
                }
            }
            "expired" => return async { Err(AuthError::Expired) }.boxed(),
            "suspended" => return async { Err(AuthError::Suspended) }.boxed(),
            "away" => return async { Err(AuthError::Unavailable) }.boxed(),
            _ => return async { Err(AuthError::Unknown) }.boxed(),
        };
        let (project, key_id) = (ProjectId(Uuid::from_u128(project)), KeyId(Uuid::from_u128(5)));
        async move { Ok(Principal::Key { project, key_id, scopes: scopes.into() }) }.boxed()
    }

    fn bearer<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Principal, BearerError>> {
        let error = match token {
            "ended" => BearerError::Expired,
            "suspended" => BearerError::Suspended,
            "away" => BearerError::Unavailable,
            _ => BearerError::Invalid,
        };
        async move { Err(error) }.boxed()
    }

    fn again<'a>(&'a self, person: &'a Person) -> BoxFuture<'a, Result<Principal, BearerError>> {
        async move { Ok(Principal::Person(person.clone())) }.boxed()
    }

    fn project<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<Option<ProjectId>, AuthError>> {
        let known = (text == "acme").then(|| ProjectId(Uuid::from_u128(1)));
        async move { Ok(known) }.boxed()
    }
}

struct OneTenant;

/// The page of project 1, which is the only one that set any.
pub const PAGE_OF_ONE: &str = "https://one.example.com";

impl Tenants for OneTenant {
    fn has_origin(&self, project: Option<ProjectId>, origin: &str) -> bool {
        origin == PAGE_OF_ONE && project.is_none_or(|one| one.0 == Uuid::from_u128(1))
    }

    /// Project 2 has none.
    fn has(&self, project: ProjectId, _feature: Feature) -> bool {
        project.0 != Uuid::from_u128(2)
    }
}

struct Limits;

impl Limiter for Limits {
    fn check(&self, principal: Option<&Principal>, _address: IpAddr) -> Option<Standing> {
        let allowed = principal.is_none_or(|who| who.project().0 != Uuid::from_u128(9));
        Some(Standing {
            allowed,
            limit: 100,
            remaining: if allowed { 99 } else { 0 },
            reset: Duration::from_millis(200),
            retry_after: SOON,
        })
    }
}

/// The project of an event, and the hash of its key.
type EventKey = (ProjectId, [u8; 32]);

/// Event types that make something happen: `boom` panics, `slow` never ends, `away` finds no store, and so on.
#[derive(Default)]
struct Memory {
    kept: Mutex<Vec<(ProjectId, EventState)>>,
    keys: Mutex<HashMap<EventKey, ([u8; 32], Accepted)>>,
}

impl Memory {
    fn keep(&self, project: ProjectId, key: KeyId, event: NewEvent) -> Result<Accepted, Refused> {
        match event.kind.as_str() {
            "boom" => panic!("boom"),
            "away" => return Err(Refused::Unavailable { retry_after: SOON }),
            "limit" => return Err(Refused::TooManyRequests { retry_after: SOON }),
            "schema" => {
                let fault = Fault::new("payload.a", FaultCode::Required, "a must be there");
                return Err(Refused::Invalid(vec![fault]));
            }
            _ => {}
        }
        let mut keys = self.keys.lock().expect("lock");
        let name = event.idempotency.as_ref().map(|one| (project, one.hash));
        let body = event.idempotency.as_ref().map(|one| one.body).unwrap_or_default();
        if let Some((first, accepted)) = name.as_ref().and_then(|name| keys.get(name)) {
            let again = Accepted { replayed: true, ..*accepted };
            return if *first == body { Ok(again) } else { Err(Refused::Conflict) };
        }
        let received_at = Clock::System.now();
        let id = EventId::fresh(received_at);
        let accepted = Accepted { id, received_at, replayed: false };
        let event = Event {
            id,
            kind: event.kind,
            source: event.source,
            payload: event.payload,
            occurred_at: event.occurred_at,
            received_at,
            idempotency_key: event.idempotency.and_then(|one| one.key),
            correlation_id: event.correlation_id,
            replay_of: None,
            key_id: Some(key),
        };
        let status = EventStatus::Processed;
        let state = EventState { event, status, looked: 3, matched: 1, suppressed: 1 };
        self.kept.lock().expect("lock").push((project, state));
        if let Some(name) = name {
            keys.insert(name, (body, accepted));
        }
        Ok(accepted)
    }
}

impl Events for Memory {
    fn accept(
        &self,
        project: ProjectId,
        key: KeyId,
        events: Vec<NewEvent>,
    ) -> BoxFuture<'_, Vec<Result<Accepted, Refused>>> {
        async move {
            if events.iter().any(|event| event.kind == "slow") {
                std::future::pending::<()>().await;
            }
            events.into_iter().map(|event| self.keep(project, key, event)).collect()
        }
        .boxed()
    }

    fn get(
        &self,
        project: ProjectId,
        id: EventId,
    ) -> BoxFuture<'_, Result<Option<EventState>, ReadError>> {
        async move {
            match id.0.as_u128() {
                503 => return Err(ReadError::Unavailable { retry_after: SOON }),
                500 => return Err(ReadError::Failed("secret words".to_owned())),
                _ => {}
            }
            let kept = self.kept.lock().expect("lock");
            let found = kept.iter().find(|(of, one)| *of == project && one.event.id == id);
            Ok(found.map(|(_, one)| one.clone()))
        }
        .boxed()
    }

    fn list(
        &self,
        project: ProjectId,
        filter: EventFilter,
        after: Option<EventId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<EventState>, ReadError>> {
        async move {
            let kept = self.kept.lock().expect("lock");
            let fits = |one: &EventState| {
                filter.kind.as_ref().is_none_or(|kind| *kind == one.event.kind)
                    && filter.source.as_ref().is_none_or(|source| *source == one.event.source)
                    && after.is_none_or(|after| one.event.id < after)
            };
            let own = kept.iter().rev().filter(|(of, one)| *of == project && fits(one));
            Ok(own.take(limit).map(|(_, one)| one.clone()).collect())
        }
        .boxed()
    }

    fn trace(
        &self,
        project: ProjectId,
        id: EventId,
    ) -> BoxFuture<'_, Result<Option<Trace>, ReadError>> {
        async move {
            let Some(event) = self.get(project, id).await? else { return Ok(None) };
            let rule = TraceRule {
                id: RuleId::fresh(Time::default()),
                name: "big orders".to_owned(),
                version: 2,
                matched: true,
                condition: "payload.total > 100".to_owned(),
                values: vec![("payload.total".to_owned(), "129.90".to_owned())],
                parts: Vec::new(),
                outcome: Some("rang"),
                reason: None,
                until: None,
                group: None,
                alert: None,
                notification: None,
            };
            Ok(Some(Trace { event, key: None, evaluation: None, rules: vec![rule] }))
        }
        .boxed()
    }
}

/// Requests with a key: the hash of the body, if it is known, and the answer, if there is one.
#[derive(Default)]
struct Requests(Mutex<HashMap<RequestOf, Kept>>);

/// Its project, its operation, the hash of its key.
type RequestOf = (ProjectId, i16, [u8; 32]);
type Kept = (Option<[u8; 32]>, Option<Vec<u8>>);

fn place(key: &RequestKey) -> (ProjectId, i16, [u8; 32]) {
    (key.project, key.operation.number(), key.hash)
}

impl Repeats for Requests {
    fn begin(
        &self,
        key: RequestKey,
        body: Option<[u8; 32]>,
    ) -> BoxFuture<'_, Result<Repeat, AdminError>> {
        async move {
            let mut all = self.0.lock().expect("lock");
            Ok(match all.get(&place(&key)) {
                Some((Some(first), _)) if body.is_some_and(|body| body != *first) => {
                    Repeat::OtherBody
                }
                Some((Some(body), Some(answer))) => {
                    Repeat::Done { body: *body, answer: answer.clone() }
                }
                Some(_) => Repeat::UnderWay,
                None => {
                    all.insert(place(&key), (body, None));
                    Repeat::Ours(Held::new(key, Uuid::nil()))
                }
            })
        }
        .boxed()
    }

    fn hold<'a>(&'a self, _held: &'a mut Held) -> BoxFuture<'a, Result<bool, AdminError>> {
        async { Ok(true) }.boxed()
    }

    fn finish<'a>(
        &'a self,
        held: &'a Held,
        body: [u8; 32],
        answer: &'a [u8],
    ) -> BoxFuture<'a, Result<bool, AdminError>> {
        async move {
            let kept = (Some(body), Some(answer.to_vec()));
            self.0.lock().expect("lock").insert(place(&held.key), kept);
            Ok(true)
        }
        .boxed()
    }

    fn give_up<'a>(&'a self, held: &'a Held) -> BoxFuture<'a, Result<(), AdminError>> {
        async move {
            self.0.lock().expect("lock").remove(&place(&held.key));
            Ok(())
        }
        .boxed()
    }
}

/// Ten digits, in one file; a link is good that says `good`. `away` can't be read.
struct OneFile;

pub const DIGITS: &[u8] = b"0123456789";

impl OneFile {
    fn info() -> FileInfo {
        FileInfo { size: 10, modified: Time::default(), etag: "\"tag\"".to_owned() }
    }
}

impl Files for OneFile {
    fn open_link(&self, path: &str, query: &str) -> Result<Link, LinkError> {
        let key = FileKey::parse(path).map_err(|_| LinkError::Unsigned)?;
        let terms = Terms {
            content_type: "image/png".to_owned(),
            disposition: "attachment; filename=\"a.png\"".to_owned(),
        };
        match query {
            "good" => Ok(Link { key, terms, left: Duration::from_secs(60) }),
            "ended" => Err(LinkError::Expired),
            "elsewhere" => Err(LinkError::NotServed),
            _ => Err(LinkError::Unsigned),
        }
    }

    fn head<'a>(&'a self, key: &'a FileKey) -> BoxFuture<'a, Result<FileInfo, FileError>> {
        async move {
            match key.path() {
                "digits" => Ok(Self::info()),
                "away" => Err(FileError::Unavailable("secret words".to_owned())),
                "broken" => Err(FileError::Refused("secret words".to_owned())),
                _ => Err(FileError::NotFound),
            }
        }
        .boxed()
    }

    fn get<'a>(
        &'a self,
        key: &'a FileKey,
        range: Option<ByteRange>,
    ) -> BoxFuture<'a, Result<Content, FileError>> {
        async move {
            let info = self.head(key).await?;
            let whole = Span::whole(info.size);
            let span = range.map_or(Some(whole), |range| range.of(info.size));
            let span = span.ok_or(FileError::OutOfRange)?;
            let (from, to) = (span.start as usize, (span.start + span.length) as usize);
            let piece = Ok(bytes::Bytes::from_static(&DIGITS[from..to]));
            let body = futures_util::stream::iter([piece]).boxed();
            Ok(Content { info, span, body })
        }
        .boxed()
    }
}
