//! The audit log as CSV, page by page, with as much memory as a page needs.

use bytes::Bytes;
use domain::csv;
use domain::id::ProjectId;
use futures_util::{StreamExt, stream};
use poem::http::{HeaderValue, header};
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{
    MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use poem_openapi::types::Type;
use services::audit::{Audit, Shown};
use store::StoreError;
use store::audit::AuditFilter;
use uuid::Uuid;

use super::wire::resource_type;
use crate::auth::Right;

const MEDIA_TYPE: &str = "text/csv; charset=utf-8";
const FILE: HeaderValue = HeaderValue::from_static("attachment; filename=\"audit.csv\"");

/// How many rows are in memory at once.
const PAGE: i64 = 200;

const HEAD: [&str; 16] = [
    "seq",
    "id",
    "at",
    "actor_kind",
    "actor_id",
    "action",
    "resource_type",
    "resource_id",
    "before",
    "after",
    "subject_id",
    "personal",
    "address",
    "user_agent",
    "correlation_id",
    "hash",
];

/// A file of CSV that is written while it is sent.
pub struct Csv(Body);

impl IntoResponse for Csv {
    fn into_response(self) -> Response {
        Response::builder()
            .content_type(MEDIA_TYPE)
            .header(header::CONTENT_DISPOSITION, FILE)
            .body(self.0)
    }
}

impl ApiResponse for Csv {
    fn meta() -> MetaResponses {
        let schema = MetaSchema {
            description: Some("A line for each row, and one with the names of the columns."),
            ..MetaSchema::new("string")
        };
        let schema = MetaSchemaRef::Inline(Box::new(schema));
        let response = MetaResponse {
            description: "What was asked for.",
            status: Some(200),
            status_range: None,
            content: vec![MetaMediaType { content_type: "text/csv", schema }],
            headers: vec![MetaHeader {
                name: "Content-Disposition".to_owned(),
                description: Some("The name of the file.".to_owned()),
                required: true,
                deprecated: false,
                schema: String::schema_ref(),
            }],
        };
        MetaResponses { responses: vec![response] }
    }

    fn register(_registry: &mut Registry) {}
}

/// Begins the file. The first page is read before anything is answered, so that a store that is away is a problem and
/// no empty file; if it goes away later, or the caller loses the right to it, the answer breaks off.
///
/// # Errors
/// When the store is away.
pub async fn run(
    audit: Audit,
    project: ProjectId,
    filter: AuditFilter,
    right: Right,
) -> Result<Csv, StoreError> {
    let (text, next) = page(&audit, project, &filter, None).await?;
    let first = Bytes::from(csv::line(HEAD) + &text);
    let rest = stream::try_unfold(next, move |next| {
        let (audit, filter) = (audit.clone(), filter.clone());
        async move {
            let Some(before) = next else { return Ok(None) };
            let read = page(&audit, project, &filter, Some(before)).await;
            let (text, next) = read.map_err(|error| {
                tracing::warn!(%project, %error, "an export of an audit log broke off");
                std::io::Error::other("the store is away")
            })?;
            Ok::<_, std::io::Error>(Some((Bytes::from(text), next)))
        }
    });
    let head = stream::once(async move { Ok(first) });
    Ok(Csv(right.guard(head.chain(rest))))
}

/// The lines of a page, and behind which row the next one begins.
async fn page(
    audit: &Audit,
    project: ProjectId,
    filter: &AuditFilter,
    before: Option<Uuid>,
) -> Result<(String, Option<Uuid>), StoreError> {
    let rows = audit.list(project, filter.clone(), before, PAGE).await?;
    let next = if (rows.len() as i64) < PAGE { None } else { rows.last().map(|one| one.row.id) };
    Ok((rows.iter().map(line).collect(), next))
}

fn line(shown: &Shown) -> String {
    let row = &shown.row;
    let id = |id: Uuid| if id.is_nil() { String::new() } else { id.to_string() };
    let json = |value: &Option<serde_json::Value>| {
        value.as_ref().map(ToString::to_string).unwrap_or_default()
    };
    let origin = shown.origin.as_ref();
    let address = origin.and_then(|origin| origin.address).map(|address| address.to_string());
    let agent = origin.and_then(|origin| origin.user_agent.clone());
    let cells = [
        row.place.map(|place| place.seq.to_string()).unwrap_or_default(),
        row.id.to_string(),
        row.at.rfc3339(),
        row.actor_kind.clone(),
        id(row.actor_id),
        row.action.clone(),
        resource_type(&row.action).to_owned(),
        id(row.resource),
        json(&row.before),
        json(&row.after),
        id(row.subject),
        json(&shown.personal),
        address.unwrap_or_default(),
        agent.unwrap_or_default(),
        row.correlation.clone().unwrap_or_default(),
        row.place.map(|place| hex::encode(place.hash)).unwrap_or_default(),
    ];
    csv::line(cells.iter().map(String::as_str))
}
