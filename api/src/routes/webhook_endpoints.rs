//! Webhook endpoints: where a project has its notifications sent.

mod wire;

use std::sync::Arc;
use std::time::Duration;

use domain::delivery::DeliveryState;
use domain::endpoint::EndpointRecord;
use domain::id::{DeliveryId, EndpointId};
use domain::once::Operation;
use poem::Request;
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};
use runtime::app::App;
use uuid::Uuid;

use self::wire::{
    DeliveryStateWord, EndpointDelivery, EndpointDeliveryPage, EndpointTestResult,
    EndpointWithSecret, NewWebhookEndpoint, SecretRotation, WebhookEndpoint, WebhookEndpointPage,
};
use super::Tag;
use crate::auth::{Caller, EndpointsCreate, EndpointsDelete, EndpointsRead, EndpointsUpdate};
use crate::body::Body;
use crate::etag::{Tagged, if_match};
use crate::once::{MadeOnce, once};
use crate::page::{self, List, cut};
use crate::problem::{Acts, Changes, Composes, Failure, Lists, Reads, Revises};
use crate::wire::{Answer, Done};

/// The operations on webhook endpoints.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[OpenApi(prefix_path = "/api/v1/webhook-endpoints", tag = "Tag::Webhooks")]
impl Operations {
    /// List webhook endpoints
    ///
    /// Needs the scope `read` or the permission `endpoints:read`. Newest first, those that are disabled too.
    #[oai(path = "/", method = "get", operation_id = "list_webhook_endpoints")]
    async fn list(
        &self,
        caller: Caller<EndpointsRead>,
        /// How many on a page.
        #[oai(
            default = "page::default_limit",
            validator(minimum(value = "1"), maximum(value = "200"))
        )]
        limit: Query<u32>,
        /// The `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
    ) -> Result<Answer<WebhookEndpointPage>, Failure<Lists>> {
        caller.demand_any()?;
        let list = List::new("webhook_endpoints", caller.project, &());
        let before = list.read(cursor.0.as_deref())?.map(EndpointId);
        let limit = limit.0.clamp(1, page::MAX);
        let rows = self.app.admin.endpoints(caller.project, before, limit as usize + 1).await?;
        let (rows, next_cursor) = cut(rows, limit, &list, |row| row.id.0);
        let now = self.app.clock.now();
        let items = rows.into_iter().map(|one| WebhookEndpoint::at(one, now)).collect();
        Ok(Answer(WebhookEndpointPage { items, next_cursor }))
    }

    /// Create a webhook endpoint
    ///
    /// Needs the permission `endpoints:create`. Its secret is shown in the answer and never again. What rings after the answer
    /// is sent to it. Every rule that it names must be there: 422 names those that are not. A project has at most 100.
    #[oai(path = "/", method = "post", operation_id = "create_webhook_endpoint")]
    async fn create(
        &self,
        caller: Caller<EndpointsCreate>,
        /// Makes a retry safe: 1 to 255 visible characters of the caller's choice. The first answer
        /// comes again, and nothing else is made.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        _key: Header<Option<String>>,
        request: &Request,
        body: Body<NewWebhookEndpoint>,
    ) -> Result<MadeOnce<EndpointWithSecret>, Failure<Composes>> {
        caller.demand_any()?;
        let (new, enabled) = body.value.read();
        let what = (Operation::CreateEndpoint, body.bytes.as_ref());
        let made = once(&self.app, caller, request, what, move |app, caller| async move {
            let (admin, enabled) = (&app.admin, enabled.unwrap_or(true));
            let made = admin.create_endpoint(caller.project, new, enabled, &caller.initiator);
            Ok(EndpointWithSecret::at(made.await?, app.clock.now()))
        });
        Ok(made.await?)
    }

    /// Get a webhook endpoint
    ///
    /// Needs the scope `read` or the permission `endpoints:read`. Its secret is not shown.
    #[oai(path = "/:id", method = "get", operation_id = "get_webhook_endpoint")]
    async fn get(
        &self,
        caller: Caller<EndpointsRead>,
        /// The endpoint.
        id: Path<Uuid>,
    ) -> Result<Tagged<WebhookEndpoint>, Failure<Reads>> {
        caller.demand_any()?;
        let found = self.app.admin.endpoint(caller.project, EndpointId(id.0)).await?;
        Ok(self.tagged(found))
    }

    /// Update a webhook endpoint
    ///
    /// Needs the permission `endpoints:update`. Sets all that is said of it: what is left out is as in one that was created
    /// without it, but for `enabled`, which stays. It holds for what rings after the answer; where deliveries that wait go is
    /// read when they are sent.
    #[oai(path = "/:id", method = "put", operation_id = "update_webhook_endpoint")]
    async fn change(
        &self,
        caller: Caller<EndpointsUpdate>,
        /// The endpoint.
        id: Path<Uuid>,
        /// The ETag of the endpoint that this is a change of; 412 when it was changed since.
        #[oai(name = "If-Match", validator(max_length = 1000))]
        condition: Header<Option<String>>,
        body: Body<NewWebhookEndpoint>,
    ) -> Result<Tagged<WebhookEndpoint>, Failure<Revises>> {
        caller.demand_any()?;
        let condition = if_match(condition.0.as_deref())?;
        let (new, enabled) = body.value.read();
        let (admin, id) = (&self.app.admin, EndpointId(id.0));
        let (project, initiator) = (caller.project, &caller.initiator);
        let changed = admin.change_endpoint(project, id, new, enabled, &condition, initiator);
        Ok(self.tagged(changed.await?))
    }

    /// Delete a webhook endpoint
    ///
    /// Needs the permission `endpoints:delete`. Nothing is sent to it any more; what waits to be sent to it is dead, with the
    /// reason `target_gone`.
    #[oai(path = "/:id", method = "delete", operation_id = "delete_webhook_endpoint")]
    async fn delete(
        &self,
        caller: Caller<EndpointsDelete>,
        /// The endpoint.
        id: Path<Uuid>,
    ) -> Result<Done, Failure<Acts>> {
        caller.demand_any()?;
        let (admin, id) = (&self.app.admin, EndpointId(id.0));
        admin.delete_endpoint(caller.project, id, &caller.initiator).await?;
        Ok(Done)
    }

    /// Enable a webhook endpoint
    ///
    /// Needs the permission `endpoints:update`. What rings after the answer is sent to it.
    #[oai(path = "/:id/enable", method = "post", operation_id = "enable_webhook_endpoint")]
    async fn enable(
        &self,
        caller: Caller<EndpointsUpdate>,
        /// The endpoint.
        id: Path<Uuid>,
    ) -> Result<Tagged<WebhookEndpoint>, Failure<Acts>> {
        caller.demand_any()?;
        let (admin, id) = (&self.app.admin, EndpointId(id.0));
        let changed = admin.switch_endpoint(caller.project, id, true, &caller.initiator);
        Ok(self.tagged(changed.await?))
    }

    /// Disable a webhook endpoint
    ///
    /// Needs the permission `endpoints:update`. Nothing is sent to it any more; what waits to be sent to it is dead, with the
    /// reason `target_gone`.
    #[oai(path = "/:id/disable", method = "post", operation_id = "disable_webhook_endpoint")]
    async fn disable(
        &self,
        caller: Caller<EndpointsUpdate>,
        /// The endpoint.
        id: Path<Uuid>,
    ) -> Result<Tagged<WebhookEndpoint>, Failure<Acts>> {
        caller.demand_any()?;
        let (admin, id) = (&self.app.admin, EndpointId(id.0));
        let changed = admin.switch_endpoint(caller.project, id, false, &caller.initiator);
        Ok(self.tagged(changed.await?))
    }

    /// Rotate the secret of a webhook endpoint
    ///
    /// Needs the permission `endpoints:update`. The new secret is shown in the answer and never again. For `grace_seconds`, the
    /// one before signs every message as well; one that was before that signs no more.
    #[oai(
        path = "/:id/rotate-secret",
        method = "post",
        operation_id = "rotate_webhook_endpoint_secret"
    )]
    async fn rotate(
        &self,
        caller: Caller<EndpointsUpdate>,
        /// The endpoint.
        id: Path<Uuid>,
        /// Makes a retry safe: 1 to 255 visible characters of the caller's choice. The first answer
        /// comes again, and nothing else is made.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        _key: Header<Option<String>>,
        request: &Request,
        body: Body<SecretRotation>,
    ) -> Result<MadeOnce<EndpointWithSecret>, Failure<Changes>> {
        caller.demand_any()?;
        let grace = Duration::from_secs(body.value.grace_seconds.into());
        let id = EndpointId(id.0);
        // Under one key, one endpoint gets one secret.
        let says = [id.bytes(), body.bytes.as_ref()].concat();
        let what = (Operation::RotateEndpointSecret, says.as_slice());
        let made = once(&self.app, caller, request, what, move |app, caller| async move {
            let admin = &app.admin;
            let made = admin.rotate_endpoint_secret(caller.project, id, grace, &caller.initiator);
            Ok(EndpointWithSecret::at(made.await?, app.clock.now()))
        });
        Ok(made.await?)
    }

    /// Test a webhook endpoint
    ///
    /// Needs the permission `endpoints:update`. Sends a message of the type `test` at once and only once, signed as all are,
    /// and answers what the endpoint answered, within ten seconds. One that is disabled is tested as well.
    #[oai(path = "/:id/test", method = "post", operation_id = "test_webhook_endpoint")]
    async fn test(
        &self,
        caller: Caller<EndpointsUpdate>,
        /// The endpoint.
        id: Path<Uuid>,
    ) -> Result<Answer<EndpointTestResult>, Failure<Acts>> {
        caller.demand_any()?;
        let (admin, id) = (&self.app.admin, EndpointId(id.0));
        let tested = admin.test_endpoint(caller.project, id, &caller.initiator).await?;
        Ok(Answer(tested.into()))
    }

    /// List the attempts of a webhook endpoint
    ///
    /// Needs the scope `read` or the permission `endpoints:read`. The deliveries to it with all attempts, newest first. Pages
    /// may be short where the project has many deliveries to others; there are more as long as there is a `next_cursor`.
    #[oai(path = "/:id/attempts", method = "get", operation_id = "list_webhook_endpoint_attempts")]
    async fn attempts(
        &self,
        caller: Caller<EndpointsRead>,
        /// The endpoint.
        id: Path<Uuid>,
        /// Only deliveries in this state.
        state: Query<Option<DeliveryStateWord>>,
        /// How many on a page.
        #[oai(
            default = "page::default_limit",
            validator(minimum(value = "1"), maximum(value = "200"))
        )]
        limit: Query<u32>,
        /// The `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
    ) -> Result<Answer<EndpointDeliveryPage>, Failure<Reads>> {
        caller.demand_any()?;
        let state = state.0.map(DeliveryState::from);
        let list = List::new("webhook_endpoint_attempts", caller.project, &(id.0, state));
        let before = list.read(cursor.0.as_deref())?.map(DeliveryId);
        let limit = limit.0.clamp(1, page::MAX) as usize;
        let (admin, id) = (&self.app.admin, EndpointId(id.0));
        let page = admin.endpoint_deliveries(caller.project, id, state, before, limit).await?;
        Ok(Answer(EndpointDeliveryPage {
            items: page.items.into_iter().map(EndpointDelivery::from).collect(),
            next_cursor: page.next.map(|last| list.cursor(last.0)),
        }))
    }
}

impl Operations {
    fn tagged(&self, found: EndpointRecord) -> Tagged<WebhookEndpoint> {
        let tag = found.tag();
        Tagged(WebhookEndpoint::at(found, self.app.clock.now()), tag)
    }
}
