//! API keys of a project.

use std::sync::Arc;

use domain::facts::key_facts;
use domain::fault::{Fault, FaultCode};
use domain::id::KeyId;
use domain::key;
use domain::once::Operation;
use domain::time::Time;
use poem::Request;
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object, OpenApi};
use runtime::app::App;
use serde::{Deserialize, Serialize};
use services::admin::{self, KeyChange};
use store::keys::ListedKey;
use uuid::Uuid;

use super::Tag;
use crate::auth::{Caller, KeysCreate, KeysDelete, KeysRead, KeysUpdate, Looking, Needs};
use crate::body::Body;
use crate::once::{MadeOnce, once};
use crate::page::{self, List};
use crate::problem::{Acts, Creates, Failure, Lists, Problem};
use crate::wire::{Answer, Done, Stamp, StampText};

/// The operations on keys.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

/// What a key may do.
#[derive(Clone, Copy, Debug, Enum, Serialize, Deserialize)]
enum KeyScope {
    /// Send events.
    #[oai(rename = "events:write")]
    #[serde(rename = "events:write")]
    EventsWrite,
    /// Change balances of transfer buckets: nothing yet, until there are any.
    #[oai(rename = "buckets:write")]
    #[serde(rename = "buckets:write")]
    BucketsWrite,
    /// Send notifications: nothing yet, until there are operations for that.
    #[oai(rename = "notifications:write")]
    #[serde(rename = "notifications:write")]
    NotificationsWrite,
    /// Read what the project has.
    #[oai(rename = "read")]
    #[serde(rename = "read")]
    Read,
}

impl From<KeyScope> for key::Scope {
    fn from(scope: KeyScope) -> Self {
        match scope {
            KeyScope::EventsWrite => Self::EventsWrite,
            KeyScope::BucketsWrite => Self::BucketsWrite,
            KeyScope::NotificationsWrite => Self::NotificationsWrite,
            KeyScope::Read => Self::Read,
        }
    }
}

impl From<key::Scope> for KeyScope {
    fn from(scope: key::Scope) -> Self {
        match scope {
            key::Scope::EventsWrite => Self::EventsWrite,
            key::Scope::BucketsWrite => Self::BucketsWrite,
            key::Scope::NotificationsWrite => Self::NotificationsWrite,
            key::Scope::Read => Self::Read,
        }
    }
}

/// A key, without its text.
#[derive(Clone, Debug, Object, Serialize)]
struct Key {
    /// Its id.
    id: Uuid,
    /// Its name.
    name: String,
    /// What its text begins with.
    prefix: String,
    /// What it may do.
    scopes: Vec<KeyScope>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Stamp>,
    /// When it was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Stamp>,
    /// When it was last used, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Stamp>,
    /// When it was made.
    created_at: Stamp,
}

impl From<ListedKey> for Key {
    fn from(key: ListedKey) -> Self {
        Self {
            id: key.id.0,
            name: key.name,
            prefix: format!("bb_{}", key.prefix),
            scopes: key.scopes.into_iter().map(KeyScope::from).collect(),
            expires_at: key.expires_at.map(Stamp),
            revoked_at: key.revoked_at.map(Stamp),
            last_used_at: key.last_used_at.map(Stamp),
            created_at: Stamp(key.created_at),
        }
    }
}

/// A key that is to be made.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
struct NewKey {
    /// Its name.
    #[oai(validator(min_length = 1, max_length = 200))]
    name: String,
    /// What it may do.
    #[oai(validator(min_items = 1, max_items = 16))]
    scopes: Vec<KeyScope>,
    /// When it ends; never, if nobody says.
    expires_at: Option<StampText>,
}

impl Example for NewKey {
    fn example() -> Self {
        Self { name: "checkout".to_owned(), scopes: vec![KeyScope::EventsWrite], expires_at: None }
    }
}

/// A key that was made.
#[derive(Clone, Debug, Object, Serialize)]
struct MadeKey {
    /// The key.
    key: Key,
    /// Its text, shown this once.
    api_key: String,
}

impl From<admin::MadeKey> for MadeKey {
    fn from(made: admin::MadeKey) -> Self {
        Self { key: made.key.into(), api_key: made.plain.text() }
    }
}

/// A page of keys.
#[derive(Clone, Debug, Object, Serialize)]
struct KeyPage {
    /// Newest first.
    items: Vec<Key>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[OpenApi(prefix_path = "/api/v1/keys", tag = "Tag::Keys")]
impl Operations {
    /// List keys
    ///
    /// Needs the permission `keys:read`. Newest first, those that were taken back too.
    #[oai(path = "/", method = "get", operation_id = "list_keys")]
    async fn list(
        &self,
        caller: Caller<Looking<KeysRead>>,
        /// How many on a page.
        #[oai(
            default = "page::default_limit",
            validator(minimum(value = "1"), maximum(value = "200"))
        )]
        limit: Query<u32>,
        /// The `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
    ) -> Result<Answer<KeyPage>, Failure<Lists>> {
        let list = List::new("keys", caller.project, &());
        let before = list.read(cursor.0.as_deref())?;
        let limit = limit.0.clamp(1, page::MAX);
        let admin = &self.app.admin;
        let (rows, next_cursor) = page::seen(
            limit,
            &list,
            before,
            |after, count| admin.keys(caller.project, after.map(KeyId), count as i64),
            |key| key.id.0,
            |key| caller.may_with(&key_facts(key.id, &key.name, &key.scopes), false),
        )
        .await?;
        Ok(Answer(KeyPage { items: rows.into_iter().map(Key::from).collect(), next_cursor }))
    }

    /// Create a key
    ///
    /// Needs the permission `keys:create`, and all that its scopes let it do. Its text is shown in the answer and never
    /// again.
    #[oai(path = "/", method = "post", operation_id = "create_key")]
    async fn create(
        &self,
        caller: Caller<KeysCreate>,
        /// Makes a retry safe: 1 to 255 visible characters of the caller's choice. The first answer
        /// comes again, and nothing else is made.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        _key: Header<Option<String>>,
        request: &Request,
        body: Body<NewKey>,
    ) -> Result<MadeOnce<MadeKey>, Failure<Creates>> {
        caller.demand_any()?;
        let NewKey { name, scopes, expires_at } = body.value;
        let expires_at = expires_at.map(|text| time("expires_at", &text.0)).transpose()?;
        let scopes = scopes.into_iter().map(key::Scope::from).collect();
        let change = KeyChange { name, scopes, expires_at };
        let what = (Operation::CreateKey, body.bytes.as_ref());
        let made = once(&self.app, caller, request, what, |app, caller| async move {
            let admin = &app.admin;
            Ok(admin.create_key(caller.project, change, &caller.initiator).await?.into())
        });
        Ok(made.await?)
    }

    /// Regenerate a key
    ///
    /// Needs the permission `keys:update`, and all that its scopes let it do. A new key of the same name, scopes and end; the
    /// old one is taken back.
    #[oai(path = "/:id/regenerate", method = "post", operation_id = "regenerate_key")]
    async fn regenerate(
        &self,
        caller: Caller<Looking<KeysUpdate>>,
        /// The key.
        id: Path<Uuid>,
        /// Makes a retry safe: 1 to 255 visible characters of the caller's choice. The first answer
        /// comes again, and nothing else is made.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        _key: Header<Option<String>>,
        request: &Request,
    ) -> Result<MadeOnce<MadeKey>, Failure<Acts>> {
        // There is no body: what the request says is which key.
        let id = id.0;
        let which = id.to_string();
        let what = (Operation::RegenerateKey, which.as_bytes());
        let made = once(&self.app, caller, request, what, move |app, caller| async move {
            reach(&app, &caller, id).await?;
            let admin = &app.admin;
            Ok(admin.regenerate_key(caller.project, KeyId(id), &caller.initiator).await?.into())
        });
        Ok(made.await?)
    }

    /// Revoke a key
    ///
    /// Needs the permission `keys:delete`. It holds no longer: at once where this is answered, within two seconds
    /// everywhere.
    #[oai(path = "/:id", method = "delete", operation_id = "revoke_key")]
    async fn revoke(
        &self,
        caller: Caller<Looking<KeysDelete>>,
        /// The key.
        id: Path<Uuid>,
    ) -> Result<Done, Failure<Acts>> {
        reach(&self.app, &caller, id.0).await?;
        let admin = &self.app.admin;
        admin.revoke_key(caller.project, KeyId(id.0), &caller.initiator).await?;
        Ok(Done)
    }
}

/// Refuses a key with which the caller may not do it.
async fn reach<N: Needs>(app: &App, caller: &Caller<N>, id: Uuid) -> Result<(), Problem> {
    let key = app.admin.key(caller.project, KeyId(id)).await;
    let key = key.map_err(Problem::from)?;
    caller.look("key", &key_facts(key.id, &key.name, &key.scopes), false)
}

/// Reads a time of a body.
fn time(field: &'static str, text: &str) -> Result<Time, Problem> {
    Time::parse(text).ok_or_else(|| {
        let right = "it must be a time as RFC 3339 with its offset, like 2026-01-31T09:30:00Z";
        Problem::invalid(vec![Fault::new(field, FaultCode::Invalid, right)])
    })
}
