//! A project that has one of everything, and a text of its own in all of it.

use std::collections::BTreeMap;

use crypto::seal::Sealer;
use domain::audit::AuditAction;
use domain::clock::Clock;
use domain::id::{ProjectId, UserId};
use domain::rule::RuleBody;
use domain::time::Time;
use reqwest::Method;
use serde_json::{Value, json};
use services::audit::{Audit, AuditedAction, Initiator};
use services::onboarding;

use super::bodies::{Words, is_misshapen};
use super::{Operation, Place, Surface};
use crate::account::PASSWORD;
use crate::front::{Caller, Front, Reply};
use crate::served::Served;
use crate::sink::Sink;

/// Where the value of a parameter in a path comes from, when it is neither what a POST or PUT to the path before it
/// makes nor the first item of the list there.
pub enum Source {
    /// The operation that makes it, and where its answer has the value.
    Made(&'static str, &'static str),
    /// A text that every project has.
    Text(&'static str),
}

/// What can't be found out: parameters as `Place::key` writes them. Add a line here when a test asks for it.
pub const PLACES: &[(&str, Source)] = &[
    ("sessions/{session_id}", Source::Made("login", "/session_id")),
    ("versions/{version}", Source::Text("1")),
];

/// All scopes of a key.
pub const SCOPES: [&str; 4] = ["events:write", "buckets:write", "notifications:write", "read"];

/// A project that is full of its canary.
pub struct Filled {
    /// The project.
    pub project: ProjectId,
    /// What stands in it.
    pub words: Words,
    /// Its first admin.
    pub admin: Caller,
    /// The address of its first admin.
    pub email: String,
    /// A refresh token of theirs.
    pub refresh: String,
    /// A key that may do everything that a key may do.
    pub key: Caller,
    /// What its webhooks come to.
    pub sink: Sink,
    /// What filling it was answered, by operation.
    pub told: BTreeMap<String, u16>,
}

impl Filled {
    /// Makes a project called `slug` and fills it with `canary`, by every operation that writes.
    pub async fn new(served: &Served, surface: &Surface, canary: &str, slug: &str) -> Self {
        let mut filled = Self::begin(served, canary, slug).await;
        filled.add_what_has_no_operation(served).await;
        for place in surface.places() {
            filled.find(served, surface, &place).await;
        }
        filled.add_pictures(served).await;
        filled.write_everywhere(served, surface).await;
        filled
    }

    /// The values for an operation's path.
    pub fn values(&self, operation: &Operation) -> Vec<String> {
        operation.places().iter().map(|place| self.words.ids[&place.key()].clone()).collect()
    }

    /// Who of the project may call an operation, if anybody of it may: a person rather than a key.
    pub fn caller(&self, operation: &Operation) -> Caller {
        match operation {
            _ if operation.is_open() => Caller::nobody(),
            _ if operation.takes("bearer") => self.admin.clone(),
            _ => self.key.clone(),
        }
    }

    async fn begin(served: &Served, canary: &str, slug: &str) -> Self {
        let mut words = Words::new(canary, slug);
        let email = format!("{canary}@example.com");
        let new = json!({
            "slug": slug, "name": format!("Project {canary}"), "description": canary,
            "admin": { "email": email, "full_name": canary, "password": PASSWORD },
        });
        let made = served.front.post(&served.root().await, "/api/v1/projects", &new).await;
        assert_eq!(made.status, 201, "{made:?}");
        let id = made.json()["project"]["id"].as_str().expect("an id").to_owned();
        let (access, refresh) =
            served.front.log_in(slug, &email, PASSWORD).await.expect("the admin logs in");
        let admin = Caller::token(&access);
        let new = json!({ "name": canary, "scopes": SCOPES });
        let made = served.front.post(&admin, "/api/v1/keys", &new).await;
        assert_eq!(made.status, 201, "{made:?}");
        let key = Caller::key(made.json()["api_key"].as_str().expect("a key"));
        words.ids.insert("projects/{project}".to_owned(), id.clone());
        Self {
            project: id.parse().expect("an id"),
            words,
            admin,
            email,
            refresh,
            key,
            sink: Sink::start().await,
            told: BTreeMap::new(),
        }
    }

    /// Somebody on call, an endpoint and a rule that every event rings.
    async fn add_what_has_no_operation(&mut self, served: &Served) {
        let (store, project, now) = (&served.store, self.project, now());
        let (canary, role) = (self.words.canary.clone(), self.words.fresh());
        let email = format!("{role}@example.com");
        onboarding::responder(store, project, &role, &email, &canary, now).await.expect("made");
        let sealer = Sealer::open(&served.config).expect("a sealer");
        let url = self.sink.url();
        onboarding::endpoint(store, &sealer, project, &canary, &url, now).await.expect("made");
        let rule = RuleBody {
            description: canary.clone(),
            target_roles: vec![role],
            ..RuleBody::new(canary.clone(), format!("event.type != \"{canary}.never\""))
        };
        onboarding::rule(store, project, rule, now).await.expect("made");
        self.ring(served).await;
    }

    /// Sends an event and waits for the alert that it opens.
    async fn ring(&self, served: &Served) {
        let event = json!({ "type": "canary.rings", "payload": { "text": self.words.canary } });
        let sent = served.front.post(&self.key, "/api/v1/events", &event).await;
        assert_eq!(sent.status, 202, "{sent:?}");
        let opened = async || {
            let alerts = served.front.get(&self.admin, "/api/v1/alerts").await.json();
            alerts["items"].as_array().is_some_and(|items| !items.is_empty())
        };
        served.until("an alert", opened).await;
    }

    /// Pictures of the admin and of the account that stands for all others: no operation takes files.
    async fn add_pictures(&self, served: &Served) {
        let (store, project, now) = (&served.store, self.project, now());
        let sealer = Sealer::open(&served.config).expect("a sealer");
        let audit = Audit::new(store.clone(), sealer, Clock::System, 10);
        let files = served.cluster.folder().join("data/files");
        let me = served.front.get(&self.admin, "/api/v1/me").await.json();
        let ids = [me["user"]["id"].as_str().expect("an id"), &self.words.ids["users/{id}"]];
        for id in ids {
            let path = format!("avatars/{id}/{}.gif", self.words.canary);
            // Laid where it would be stored.
            let file = files.join("projects").join(project.to_string()).join(&path);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            std::fs::write(file, format!("GIF89a{}", self.words.canary)).expect("stored");
            let user = id.parse().expect("an id");
            let audited = AuditedAction::new(AuditAction::UserUpdate, user);
            let entry =
                audit.entry(project, &Initiator::system(), audited).await.expect("an entry");
            let kept = store.set_avatar(project, UserId(user), Some(&path), &entry, now).await;
            kept.expect("kept");
        }
    }

    /// Finds or makes what stands at a place.
    async fn find(&mut self, served: &Served, surface: &Surface, place: &Place) {
        if self.words.ids.contains_key(&place.key()) {
            return;
        }
        let known = PLACES.iter().find(|(key, _)| *key == place.key()).map(|(_, source)| source);
        let found = match known {
            Some(Source::Text(text)) => Some((*text).to_owned()),
            Some(Source::Made(id, pointer)) => {
                let operation = surface.by_id(id);
                let operation = operation.unwrap_or_else(|| panic!("there is no operation {id}"));
                let reply = self.make(served, surface, operation).await;
                let json = reply.json();
                json.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
            }
            None => self.guess(served, surface, place).await,
        };
        let key = place.key();
        let found = found.unwrap_or_else(|| {
            panic!(
                "nothing is known to stand at {}/{{{}}}: neither POST nor PUT {} makes it, and GET does not list it; say where it \
                 comes from in a line ({key:?}, Source::…) of PLACES in tests/harness/surface/filled.rs",
                place.prefix, place.name, place.prefix
            )
        });
        self.words.ids.insert(key, found);
    }

    async fn guess(&mut self, served: &Served, surface: &Surface, place: &Place) -> Option<String> {
        let field = |value: &Value| {
            let own = value.get(&place.name).or_else(|| value.get("id"))?;
            own.as_str().map(str::to_owned)
        };
        let makers = [Method::POST, Method::PUT].map(|one| surface.find(&one, &place.prefix));
        if let Some(maker) = makers.into_iter().flatten().next() {
            let reply = self.make(served, surface, maker).await;
            let made = reply.json();
            let inner = || made.as_object()?.values().find_map(field);
            if let Some(id) = reply.is_success().then(|| field(&made).or_else(inner)).flatten() {
                return Some(id);
            }
        }
        let list = surface.find(&Method::GET, &place.prefix)?;
        let (path, caller) = (list.at(&self.values(list)), self.caller(list));
        let items = served.front.get(&caller, &path).await.json();
        items["items"].as_array()?.iter().find_map(field)
    }

    /// Does what makes something, as whoever may.
    async fn make(&mut self, served: &Served, surface: &Surface, operation: &Operation) -> Reply {
        let path = operation.at(&self.values(operation));
        let reply = self.send(&served.front, surface, operation, &path).await;
        if reply.status != 403 {
            return reply;
        }
        let root = served.root().await;
        surface.send(&served.front, &root, operation, &path, &mut self.words).await
    }

    async fn send(
        &mut self,
        front: &Front,
        surface: &Surface,
        operation: &Operation,
        path: &str,
    ) -> Reply {
        let caller = self.caller(operation);
        surface.send(front, &caller, operation, path, &mut self.words).await
    }

    /// Sends every operation that has a body, as somebody whom the project can do without.
    async fn write_everywhere(&mut self, served: &Served, surface: &Surface) {
        let mut other = None;
        for operation in surface.operations.iter().filter(|one| one.body.is_some()) {
            let path = operation.at(&self.values(operation));
            let mut caller = self.caller(operation);
            if operation.takes("bearer") {
                if !is_in(served, other.as_ref()).await {
                    other = Some(self.colleague(served).await);
                }
                caller = other.clone().expect("somebody");
            }
            let words = &mut self.words;
            let reply = surface.send(&served.front, &caller, operation, &path, words).await;
            let (id, title) = (&operation.id, operation.title());
            assert!(
                !is_misshapen(&reply),
                "no body for {title} can be made from the document: add an example to its schema, or a line ({id:?}, …) \
                 to BODIES in tests/harness/surface/bodies.rs; it was answered {reply:?}"
            );
            assert!(reply.status < 500, "{title}: {reply:?}");
            self.told.insert(id.clone(), reply.status);
        }
    }

    /// Another admin of the project.
    pub async fn colleague(&mut self, served: &Served) -> Caller {
        let email = format!("{}@example.com", self.words.fresh());
        let new = json!({ "email": email, "full_name": self.words.canary, "password": PASSWORD,
                          "roles": ["admin"] });
        let made = served.front.post(&self.admin, "/api/v1/users", &new).await;
        assert_eq!(made.status, 201, "{made:?}");
        let tokens = served.front.log_in(&self.words.slug, &email, PASSWORD).await;
        Caller::token(&tokens.expect("they log in").0)
    }
}

async fn is_in(served: &Served, caller: Option<&Caller>) -> bool {
    match caller {
        Some(caller) => served.front.get(caller, "/api/v1/users").await.status == 200,
        None => false,
    }
}

fn now() -> Time {
    domain::clock::Clock::System.now()
}
