//! Which pages in browsers may call the API. Keys stand in headers, never in cookies, so that `*` gives nothing away.

use poem::http::header::{self, HeaderName};
use poem::http::{HeaderMap, HeaderValue, Method, StatusCode};
use poem::{Request, Response};

use crate::problem::{Code, Problem};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const TAKEN: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-API-Key, \
     X-Request-Id, Traceparent, Tracestate",
);
const SHOWN: HeaderValue = HeaderValue::from_static(
    "Deprecation, ETag, Idempotency-Replay, Location, RateLimit-Limit, RateLimit-Remaining, \
     RateLimit-Reset, Retry-After, Sunset, Traceparent, X-Request-Id",
);
const VARY: HeaderValue = HeaderValue::from_static("Origin");
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// The origins that may.
pub struct Cors {
    origins: Vec<String>,
    any: bool,
}

/// What the page's origin may do; `Some` when there is an origin at all.
pub enum Origin {
    /// It may, and is told so by this.
    Allowed(HeaderValue),
    /// It may not.
    Forbidden,
}

impl Cors {
    /// These may; `*` for all.
    pub fn new(origins: &[String]) -> Self {
        Self { any: origins.iter().any(|origin| origin == "*"), origins: origins.to_vec() }
    }

    /// The origin of a request, if a page sent it.
    pub fn origin(&self, headers: &HeaderMap) -> Option<Origin> {
        let origin = headers.get(header::ORIGIN)?;
        Some(if self.any {
            Origin::Allowed(ANY)
        } else if self.origins.iter().any(|one| one.as_bytes() == origin.as_bytes()) {
            Origin::Allowed(origin.clone())
        } else {
            Origin::Forbidden
        })
    }

    /// Answers a browser that asks before it sends.
    pub fn preflight(
        &self,
        request: &Request,
        origin: Option<&Origin>,
    ) -> Option<Result<Response, Problem>> {
        let asks = request.method() == Method::OPTIONS
            && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        match (asks, origin?) {
            (false, _) => None,
            (true, Origin::Forbidden) => {
                let detail =
                    "Pages of this origin may not call the API; its operator can allow it.";
                Some(Err(Problem::new(Code::OriginForbidden, detail)))
            }
            (true, Origin::Allowed(_)) => {
                let mut response = Response::builder().status(StatusCode::NO_CONTENT).finish();
                let headers = response.headers_mut();
                headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, TAKEN);
                headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
                Some(Ok(response))
            }
        }
    }

    /// Lets the page see the answer, if it may.
    pub fn dress(&self, response: &mut Response, origin: Option<Origin>) {
        // Where answers differ by origin, no cache may mix them up, even when there was none.
        let differs = !self.any && !self.origins.is_empty();
        let headers = response.headers_mut();
        if differs {
            headers.append(header::VARY, VARY);
        }
        if let Some(Origin::Allowed(origin)) = origin {
            const EXPOSE: HeaderName = header::ACCESS_CONTROL_EXPOSE_HEADERS;
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(EXPOSE, SHOWN);
        }
    }
}
