//! Files that we serve ourselves, to whoever has a signed link: the link is all the permission there is.

use std::sync::Arc;
use std::time::Duration;

use files::link::{Link, LinkError};
use files::range::{ByteRange, Span};
use files::{FileError, FileInfo};
use poem::endpoint::make;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Body, Request, Response, Route, get};
use runtime::app::App;

use crate::context::RequestContext;
use crate::limits;
use crate::middleware::note_project;
use crate::problem::{Code, Problem};

/// The path as the router has it.
pub const PATTERN: &str = "/files/*key";

/// When to come back if the files can't be read just now.
const RETRY: Duration = Duration::from_secs(1);

/// What a tenant has uploaded is shown without any right: no scripts, no forms, no origin.
pub(super) const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; sandbox; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

/// Adds the route.
pub fn add(app: &Arc<App>, route: Route) -> Route {
    let app = Arc::clone(app);
    let answer = make(move |request: Request| {
        let app = Arc::clone(&app);
        async move { answer(&app, &request).await.map_err(poem::Error::from) }
    });
    route.at(PATTERN, get(answer))
}

async fn answer(app: &App, request: &Request) -> Result<Response, Problem> {
    let context = RequestContext::of(request).ok_or_else(Problem::internal)?;
    // Whoever guesses at signatures is a stranger, and counted as one.
    limits::take(&app.rates, None, context)?;
    let uri = request.uri();
    // Keys have no characters that would need escapes, so the path is compared as it came.
    let path = uri.path().strip_prefix("/files/").unwrap_or_default();
    let link = app.files.open_link(path, uri.query().unwrap_or_default(), app.clock.now());
    let link = link.map_err(refusal)?;
    note_project(link.key.project());
    let info = app.files.head(&link.key).await.map_err(fault)?;
    if says(request, "if-none-match", |text| matches(text, &info.etag)) {
        return Ok(
            dress(Response::builder().status(StatusCode::NOT_MODIFIED), &link, &info).body(())
        );
    }
    let range = wanted(request, &info);
    if let Some(range) = range
        && range.of(info.size).is_none()
    {
        let mut refusal = fault(FileError::OutOfRange).response(context.id());
        let size = format!("bytes */{}", info.size);
        refusal
            .headers_mut()
            .insert(header::CONTENT_RANGE, crate::middleware::value(size.as_bytes()));
        return Ok(refusal);
    }
    // It may have been replaced since: what is told from here on is what is read.
    let content = app.files.get(&link.key, range).await.map_err(fault)?;
    let (info, span) = (content.info, content.span);
    let partial = span != Span::whole(info.size);
    let status = if partial { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = dress(Response::builder().status(status), &link, &info)
        .content_type(&link.terms.content_type)
        .header(header::CONTENT_DISPOSITION, link.terms.disposition.as_str())
        .header(header::CONTENT_LENGTH, span.length);
    if partial {
        response = response.header(header::CONTENT_RANGE, span.content_range(info.size));
    }
    Ok(response.body(Body::from_bytes_stream(content.body)))
}

/// The range that is asked for, unless the file is another one than that of the earlier answer.
fn wanted(request: &Request, info: &FileInfo) -> Option<ByteRange> {
    let range = ByteRange::parse(request.header("range")?)?;
    let same = request.header("if-range").is_none_or(|tag| tag == info.etag);
    same.then_some(range)
}

fn says(request: &Request, name: &str, test: impl Fn(&str) -> bool) -> bool {
    request.header(name).is_some_and(test)
}

/// Whether one of the tags is this one; a weak one is as good here.
pub(super) fn matches(tags: &str, etag: &str) -> bool {
    tags.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// What stands on every good answer.
fn dress(response: poem::ResponseBuilder, link: &Link, info: &FileInfo) -> poem::ResponseBuilder {
    // No longer than the link is good, and by nobody between.
    let keep = format!("private, max-age={}", link.left.as_secs());
    response
        .header(header::ETAG, info.etag.as_str())
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CACHE_CONTROL, keep)
        .header(header::CONTENT_SECURITY_POLICY, POLICY)
}

fn refusal(error: LinkError) -> Problem {
    match error {
        LinkError::Unsigned => Problem::new(
            Code::InvalidSignature,
            "The link was not signed here, or was changed since. Ask for a new one.",
        ),
        LinkError::Expired => {
            Problem::new(Code::ExpiredLink, "The link has expired. Ask for a new one.")
        }
        LinkError::NotServed => Problem::new(Code::RouteNotFound, "Files are not served here."),
    }
}

fn fault(error: FileError) -> Problem {
    match error {
        FileError::NotFound => Problem::new(Code::NotFound, "There is no such file any more."),
        FileError::OutOfRange => Problem::new(
            Code::RangeNotSatisfiable,
            "The range lies outside of the file. Ask without one, or with HEAD for its length.",
        ),
        FileError::Unavailable(why) => {
            tracing::warn!(error = why, "a file could not be read");
            Problem::new(Code::Unavailable, "The file can't be read just now; try again.")
                .after(RETRY)
        }
        error => {
            tracing::error!(%error, "a file could not be read");
            Problem::internal()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_an_engine_says_stays_with_us() {
        let words = || "secret words".to_owned();
        for (error, status, code) in [
            (FileError::Refused(words()), 500, "internal"),
            (FileError::Unavailable(words()), 503, "unavailable"),
        ] {
            let response = fault(error).response("a-request");
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.content_type(), Some("application/problem+json"));
            let text = response.into_body().into_string().await.expect("text");
            assert!(text.contains(code) && !text.contains("secret words"), "{text}");
        }
    }
}
