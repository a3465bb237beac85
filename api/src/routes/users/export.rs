//! Everything that is held on somebody, as one JSON object that is written while it is sent.

use bytes::Bytes;
use domain::id::{NotificationId, ProjectId, UserId};
use futures_util::{StreamExt, stream};
use poem::http::{HeaderValue, header};
use poem::{Body, IntoResponse, Response};
use poem_openapi::payload::Payload;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, Object};
use serde::Serialize;
use services::accounts::Accounts;
use services::admin::AdminError;
use services::audit::{Initiator, Origin};
use store::named::NamedIn;
use store::sessions::Session;
use uuid::Uuid;

use super::User;
use super::wire::{Preferences, PushToken};
use crate::auth::Right;
use crate::routes::audit::AuditRow;
use crate::wire::{Answer, Stamp};

const FILE: HeaderValue = HeaderValue::from_static("attachment; filename=\"account.json\"");

/// A session that holds.
#[derive(Clone, Debug, Object, Serialize)]
struct ExportedSession {
    /// Its id.
    id: Uuid,
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

impl From<(Session, Origin)> for ExportedSession {
    fn from((session, origin): (Session, Origin)) -> Self {
        Self {
            id: session.id,
            created_at: Stamp(session.created_at),
            used_at: Stamp(session.used_at),
            ends_at: Stamp(session.ends_at),
            address: origin.address.map(|address| address.to_string()),
            user_agent: origin.user_agent,
        }
    }
}

/// A notification that was for somebody.
#[derive(Clone, Debug, Object, Serialize)]
struct ExportedNotification {
    /// Its id.
    id: Uuid,
    /// What it said in short.
    title: String,
    /// The role through which they were chosen, if through one.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    /// When.
    created_at: Stamp,
}

impl From<NamedIn> for ExportedNotification {
    fn from(named: NamedIn) -> Self {
        Self {
            id: named.notification.0,
            title: named.title,
            role: named.role,
            created_at: Stamp(named.at),
        }
    }
}

/// What there is little of.
#[derive(Clone, Debug, Serialize)]
struct Head {
    user: User,
    sessions: Vec<ExportedSession>,
    push_tokens: Vec<PushToken>,
    preferences: Preferences,
}

/// Everything that is held on somebody, event payloads apart.
#[derive(Clone, Debug, Object, Serialize)]
#[oai(rename = "AccountExport")]
struct Everything {
    /// The account, with its profile and roles.
    user: User,
    /// The sessions that hold.
    sessions: Vec<ExportedSession>,
    /// The devices that get pushes; their tokens are hidden.
    push_tokens: Vec<PushToken>,
    /// How they want to be told.
    preferences: Preferences,
    /// The notifications that were for them, newest first.
    notifications: Vec<ExportedNotification>,
    /// What they did and what was done to them, newest first, without what is others'.
    audit: Vec<AuditRow>,
}

/// A JSON object that is written while it is sent.
pub struct ExportAnswer(Body);

impl IntoResponse for ExportAnswer {
    fn into_response(self) -> Response {
        Response::builder()
            .content_type(Answer::<Everything>::CONTENT_TYPE)
            .header(header::CONTENT_DISPOSITION, FILE)
            .body(self.0)
    }
}

impl ApiResponse for ExportAnswer {
    fn meta() -> MetaResponses {
        let schema = Everything::schema_ref();
        let content_type = Answer::<Everything>::CONTENT_TYPE;
        let response = MetaResponse {
            description: "What was asked for.",
            status: Some(200),
            status_range: None,
            content: vec![MetaMediaType { content_type, schema }],
            headers: vec![],
        };
        MetaResponses { responses: vec![response] }
    }

    fn register(registry: &mut Registry) {
        Everything::register(registry);
    }
}

/// How far the writing has come.
enum At {
    Notifications(Option<NotificationId>, bool),
    Audit(Option<Uuid>, bool),
    End,
}

/// Begins an export. What there is little of is read before anything is answered, so that a store that is away is a
/// problem and no half of a file; if it goes away later, or the caller loses the right to it, the answer breaks off.
///
/// # Errors
/// When there is no such account, or the store is away.
pub async fn run(
    people: Accounts,
    project: ProjectId,
    id: UserId,
    initiator: &Initiator,
    right: Right,
) -> Result<ExportAnswer, AdminError> {
    let export = people.export(project, id, initiator).await?;
    let head = Head {
        user: User::of(export.user, export.roles).with(export.profile),
        sessions: export.sessions.into_iter().map(ExportedSession::from).collect(),
        push_tokens: export.devices.into_iter().map(PushToken::from).collect(),
        preferences: Preferences::of(export.preferences, None),
    };
    let mut first = serde_json::to_string(&head).unwrap_or_default();
    // The object goes on with what comes page by page.
    first.pop();
    first.push_str(",\"notifications\":[");
    let rest = stream::try_unfold(At::Notifications(None, true), move |at| {
        let people = people.clone();
        async move {
            let step = step(&people, project, id, at).await;
            step.map_err(|error| {
                tracing::warn!(%project, %error, "an export of an account broke off");
                std::io::Error::other("the store is away")
            })
        }
    });
    let head = stream::once(async move { Ok(Bytes::from(first)) });
    Ok(ExportAnswer(right.guard(head.chain(rest))))
}

/// The next piece, and where the one after it begins.
async fn step(
    people: &Accounts,
    project: ProjectId,
    id: UserId,
    at: At,
) -> Result<Option<(Bytes, At)>, AdminError> {
    let (mut text, next) = match at {
        At::Notifications(before, first) => {
            let (rows, next) = people.named_in(project, id, before).await?;
            let none = first && rows.is_empty();
            let text = items(rows.into_iter().map(ExportedNotification::from), first);
            match next {
                Some(next) => (text, At::Notifications(Some(next), none)),
                None => (text + "],\"audit\":[", At::Audit(None, true)),
            }
        }
        At::Audit(before, first) => {
            let (rows, next) = people.audited(project, id, before).await?;
            let text = items(rows.into_iter().map(AuditRow::from), first);
            match next {
                Some(next) => (text, At::Audit(Some(next), false)),
                None => (text + "]}", At::End),
            }
        }
        At::End => return Ok(None),
    };
    // A step that found nothing still must not end the stream.
    if text.is_empty() {
        text.push('\n');
    }
    Ok(Some((Bytes::from(text), next)))
}

/// Items of a list, with a comma before each but the first of all.
fn items<T: Serialize>(rows: impl Iterator<Item = T>, mut first: bool) -> String {
    let mut text = String::new();
    for row in rows {
        if !first {
            text.push(',');
        }
        first = false;
        text.push_str(&serde_json::to_string(&row).unwrap_or_default());
    }
    text
}
