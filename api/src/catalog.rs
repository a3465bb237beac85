//! All routes by their pattern: their names for people, their methods and parameters, and their metrics.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};
use poem::http::{HeaderValue, Method, StatusCode};
use poem_openapi::registry::{MetaApi, MetaParamIn};

/// Where NDJSON is imported.
pub const IMPORT: &str = "/api/v1/events/import";

/// Whether the body at `path` is read piece by piece, however long it is.
pub fn is_stream(path: &str) -> bool {
    path == IMPORT
}

/// What is answered so often that its counter is kept at hand.
const STATUSES: [u16; 19] =
    [200, 201, 202, 204, 206, 304, 400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 429, 500, 503];
const METHODS: [Method; 7] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::HEAD,
    Method::OPTIONS,
];

/// All routes.
pub struct Catalog {
    routes: HashMap<String, Arc<Route>>,
    unmatched: Route,
}

/// A path with its methods.
pub struct Route {
    /// How documentation and metrics write it, like `/api/v1/events/{id}`.
    pub label: Arc<str>,
    /// The names of what stands in braces, in order.
    pub params: Vec<String>,
    /// Its methods, as the header Allow lists them.
    pub allow: HeaderValue,
    /// Whether it is a page that is asked for all day, by machines: its answers are no news.
    pub is_page: bool,
    operations: Vec<(Method, Vec<String>)>,
    measures: [Measure; METHODS.len()],
}

/// The handles of one route and method. They are made at the first request, when the recorder surely stands.
#[derive(Default)]
struct Measure {
    seconds: OnceLock<Histogram>,
    counts: [OnceLock<Counter>; STATUSES.len()],
}

impl Catalog {
    /// The routes of the document, and pages that are only read.
    pub fn new(apis: &[MetaApi], pages: &[&str]) -> Self {
        describe_counter!("bellbuoy_http_requests_total", "HTTP requests answered.");
        describe_histogram!("bellbuoy_http_seconds", Unit::Seconds, "Time until the answer began.");
        let mut routes = HashMap::new();
        for path in apis.iter().flat_map(|api| &api.paths) {
            let operations = path.operations.iter().map(|operation| {
                let is_query = |kind: &MetaParamIn| matches!(kind, MetaParamIn::Query);
                let query = operation.params.iter().filter(|param| is_query(&param.in_type));
                (operation.method.clone(), query.map(|param| param.name.clone()).collect())
            });
            let (pattern, params) = pattern(&path.path);
            routes.insert(pattern, Arc::new(Route::new(&path.path, params, operations.collect())));
        }
        for page in pages {
            let operations = vec![(Method::GET, Vec::new())];
            let route = Route { is_page: true, ..Route::new(page, Vec::new(), operations) };
            routes.insert((*page).to_owned(), Arc::new(route));
        }
        Self { routes, unmatched: Route::new("unmatched", Vec::new(), Vec::new()) }
    }

    /// The route that poem calls `pattern`.
    pub fn route(&self, pattern: &str) -> Option<&Arc<Route>> {
        self.routes.get(pattern)
    }

    /// Where requests are counted that went nowhere.
    pub const fn unmatched(&self) -> &Route {
        &self.unmatched
    }
}

/// `/events/{id}` as poem has it, `/events/:param0`, and the names.
fn pattern(path: &str) -> (String, Vec<String>) {
    let mut params = Vec::new();
    let words = path.split('/').map(|word| {
        match word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) {
            None => word.to_owned(),
            Some(name) => {
                params.push(name.to_owned());
                format!(":param{}", params.len() - 1)
            }
        }
    });
    let pattern = words.collect::<Vec<_>>().join("/");
    (pattern, params)
}

impl Route {
    fn new(label: &str, params: Vec<String>, operations: Vec<(Method, Vec<String>)>) -> Self {
        let mut allow: Vec<&str> = operations.iter().map(|(method, _)| method.as_str()).collect();
        if allow.contains(&"GET") {
            allow.push("HEAD");
        }
        allow.sort_unstable();
        Self {
            label: label.into(),
            params,
            allow: HeaderValue::from_str(&allow.join(", "))
                .unwrap_or_else(|_| HeaderValue::from_static("")),
            is_page: false,
            operations,
            measures: Default::default(),
        }
    }

    /// The names of the parameters that `method` takes in the query.
    pub fn query(&self, method: &Method) -> &[String] {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let found = self.operations.iter().find(|(one, _)| one == method);
        found.map_or(&[], |(_, query)| query.as_slice())
    }

    /// Counts an answer.
    pub fn observe(&self, method: &Method, status: StatusCode, took: Duration) {
        let place = METHODS.iter().position(|one| one == method);
        let Some(measure) = place.and_then(|at| self.measures.get(at)) else {
            // A method that we don't know is a word of the client's: it must not become a label.
            self.counter("other", status).increment(1);
            return;
        };
        let seconds = measure.seconds.get_or_init(|| {
            histogram!("bellbuoy_http_seconds",
                "route" => Arc::clone(&self.label), "method" => method.to_string())
        });
        seconds.record(took.as_secs_f64());
        match STATUSES.iter().position(|one| *one == status.as_u16()) {
            Some(at) => measure.counts[at]
                .get_or_init(|| self.counter(method.as_str(), status))
                .increment(1),
            None => self.counter(method.as_str(), status).increment(1),
        }
    }

    fn counter(&self, method: &str, status: StatusCode) -> Counter {
        counter!("bellbuoy_http_requests_total", "route" => Arc::clone(&self.label),
            "method" => method.to_owned(), "status" => status.as_str().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_poem() {
        let (pattern, params) = pattern("/a/{id}/b/{name}");
        assert_eq!(pattern, "/a/:param0/b/:param1");
        assert_eq!(params, ["id", "name"]);
    }
}
