//! What is known of a request: made at the door, completed on the way, read by the access log.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use domain::id::ProjectId;
use poem::http::HeaderValue;
use poem::{PathPattern, Request};
use services::access::Principal;

use services::rates::Standing;

use crate::catalog::{Catalog, Route};

/// What is known of a request.
pub struct RequestContext {
    /// Names it in answers and logs.
    pub request_id: HeaderValue,
    /// Where it is in a trace.
    pub traceparent: HeaderValue,
    /// Who sent it, behind the proxies that we trust.
    pub address: IpAddr,
    /// All routes.
    pub catalog: Arc<Catalog>,
    route: OnceLock<Arc<Route>>,
    principal: OnceLock<Principal>,
    verdict: OnceLock<Standing>,
    project: OnceLock<ProjectId>,
}

impl RequestContext {
    /// What is known at the door.
    pub const fn new(
        request_id: HeaderValue,
        traceparent: HeaderValue,
        address: IpAddr,
        catalog: Arc<Catalog>,
    ) -> Self {
        Self {
            request_id,
            traceparent,
            address,
            catalog,
            route: OnceLock::new(),
            principal: OnceLock::new(),
            verdict: OnceLock::new(),
            project: OnceLock::new(),
        }
    }

    /// The context of `request`; there is one for everything behind the door.
    pub fn of(request: &Request) -> Option<&Arc<Self>> {
        request.data::<Arc<Self>>()
    }

    /// The name of the request.
    pub fn id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    /// Notes where the request goes, so that one that is cut off is still counted where it belongs.
    pub fn note_route(&self, pattern: Option<&PathPattern>) -> Option<&Arc<Route>> {
        if self.route.get().is_none()
            && let Some(route) = pattern.and_then(|pattern| self.catalog.route(&pattern.0))
        {
            let _ = self.route.set(Arc::clone(route));
        }
        self.route.get()
    }

    /// Where the request goes.
    pub fn route(&self) -> Option<&Arc<Route>> {
        self.route.get()
    }

    /// Notes whom it comes from.
    pub fn note_principal(&self, principal: Principal) {
        let _ = self.principal.set(principal);
    }

    /// Whom it comes from.
    pub fn principal(&self) -> Option<&Principal> {
        self.principal.get()
    }

    /// Notes which project a request is about that nobody sent who is known.
    pub fn note_named(&self, project: ProjectId) {
        let _ = self.project.set(project);
    }

    /// The project of whoever sent it, or else the one that it names.
    pub fn project(&self) -> Option<ProjectId> {
        self.principal().map(Principal::project).or_else(|| self.project.get().copied())
    }

    /// Notes what the limits said.
    pub fn note_verdict(&self, verdict: Standing) {
        let _ = self.verdict.set(verdict);
    }

    /// What the limits said.
    pub fn verdict(&self) -> Option<&Standing> {
        self.verdict.get()
    }
}
