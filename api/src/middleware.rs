//! Parts of what happens to every request; `front.rs` puts them in order.

mod address;
mod body_limit;
mod cors;
pub mod headers;
pub mod request_id;

use tracing::Span;

pub use address::Proxies;
pub use body_limit::{Admitted, Bodies};
pub use cors::Cors;
pub use headers::value;

/// Notes the project in the span, so that every line from here on names it.
pub fn note_project(project: domain::id::ProjectId) {
    Span::current().record("project", tracing::field::display(project));
}
