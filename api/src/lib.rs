//! The HTTP API: its conventions, and the list of its routes.

mod auth;
mod body;
mod catalog;
mod context;
mod etag;
mod features;
mod front;
mod limits;
mod middleware;
mod once;
mod page;
mod problem;
mod quota;
mod repeats;
mod routes;
mod serve;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use config::Config;
use poem::Endpoint;
use runtime::app::App;
use runtime::process::{Failure, Role};

pub use problem::Code;
pub use serve::serve;

/// The role of the API, and where it will listen.
///
/// # Errors
/// When its port can't be had.
pub fn role(config: &Config) -> Result<(Role, SocketAddr), Failure> {
    let wanted = config.http.listen;
    let listener = std::net::TcpListener::bind(wanted)
        .map_err(|error| format!("http.listen = {wanted} can't be had: {error}"))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let role = Role::new("api", |app, stop| async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        serve(app, listener, stop).await
    });
    Ok((role, address))
}

/// The whole API, without a socket.
pub fn endpoint(app: &Arc<App>) -> impl Endpoint<Output = poem::Response> + use<> {
    front::Front::new(app, routes::endpoint(app))
}

/// The OpenAPI document, pretty and in a stable order.
pub fn openapi() -> String {
    routes::document()
}

#[cfg(test)]
mod tests;
