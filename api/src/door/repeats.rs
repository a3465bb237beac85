//! Requests with many events that may be sent again under an idempotency key.

use domain::once::RequestKey;
use futures_util::future::BoxFuture;
use services::admin::{AdminError, Held, Repeat};

use super::Product;

/// What is known of such requests.
pub trait Repeats: Send + Sync + 'static {
    /// Begins a request, or tells what came of an earlier one with its key.
    fn begin(
        &self,
        key: RequestKey,
        body: Option<[u8; 32]>,
    ) -> BoxFuture<'_, Result<Repeat, AdminError>>;

    /// Says that a request is still worked on; false when another one has taken it over.
    fn hold<'a>(&'a self, held: &'a mut Held) -> BoxFuture<'a, Result<bool, AdminError>>;

    /// Keeps what is answered to a request, whose body has this hash.
    fn finish<'a>(
        &'a self,
        held: &'a Held,
        body: [u8; 32],
        answer: &'a [u8],
    ) -> BoxFuture<'a, Result<bool, AdminError>>;

    /// Gives a request back that was not brought to its end.
    fn give_up<'a>(&'a self, held: &'a Held) -> BoxFuture<'a, Result<(), AdminError>>;
}

impl Repeats for Product {
    fn begin(
        &self,
        key: RequestKey,
        body: Option<[u8; 32]>,
    ) -> BoxFuture<'_, Result<Repeat, AdminError>> {
        Box::pin(self.0.admin.begin_request(key, body))
    }

    fn hold<'a>(&'a self, held: &'a mut Held) -> BoxFuture<'a, Result<bool, AdminError>> {
        Box::pin(self.0.admin.hold_request(held))
    }

    fn finish<'a>(
        &'a self,
        held: &'a Held,
        body: [u8; 32],
        answer: &'a [u8],
    ) -> BoxFuture<'a, Result<bool, AdminError>> {
        Box::pin(self.0.admin.finish_request(held, body, answer))
    }

    fn give_up<'a>(&'a self, held: &'a Held) -> BoxFuture<'a, Result<(), AdminError>> {
        Box::pin(self.0.admin.give_up_request(held))
    }
}
