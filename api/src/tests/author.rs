//! Users who call the API.

use poem::http::Method;
use serde_json::{Value, json};
use services::admin::Invitee;
use services::audit::Initiator;

use super::{Got, Scene, send};

/// The path of rules.
pub(super) const RULES: &str = "/api/v1/rules";
const PASSWORD: &str = "correct horse battery";

/// Somebody who is logged in.
pub(super) struct Author<'s> {
    scene: &'s Scene,
    /// Their access token.
    pub(super) token: String,
    /// Their account.
    pub(super) user: String,
}

impl<'s> Author<'s> {
    pub(super) async fn admin(scene: &'s Scene, slug: &str) -> Self {
        Self::log_in(scene, slug, &format!("admin@{slug}.example")).await
    }

    pub(super) async fn log_in(scene: &'s Scene, slug: &str, email: &str) -> Self {
        let body = json!({ "project": slug, "email": email, "password": PASSWORD });
        let got = send(scene.client.post("/api/v1/auth/login").body_json(&body)).await;
        assert_eq!(got.status, 200, "{}", got.text);
        let text = |name: &str| got.json[name].as_str().expect("a text").to_owned();
        Self { scene, token: text("access_token"), user: text("user_id") }
    }

    /// Somebody else of `acme`, with a role of their own that has these permissions.
    pub(super) async fn with(scene: &'s Scene, name: &str, permissions: &[&str]) -> Self {
        let admin = Self::admin(scene, "acme").await;
        let role = json!({ "name": name, "permissions": permissions });
        assert_eq!(admin.post("/api/v1/roles", &role).await.status, 201);
        let email = format!("{name}@acme.example");
        let new = Invitee {
            email: email.clone(),
            full_name: name.to_owned(),
            password: Some(PASSWORD.to_owned()),
            roles: vec![name.to_owned()],
        };
        let (accounts, system) = (&scene.app.admin, Initiator::system());
        let made = accounts.create_user(scene.callers.acme, new, &system);
        made.await.expect("an account");
        Self::log_in(scene, "acme", &email).await
    }

    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        tag: &str,
        body: Option<&Value>,
    ) -> Got {
        let mut request = self.scene.client.request(method, path);
        request = request.header("authorization", format!("Bearer {}", self.token));
        if !tag.is_empty() {
            request = request.header("if-match", tag);
        }
        match body {
            Some(body) => send(request.body_json(body)).await,
            None => send(request).await,
        }
    }

    pub(super) async fn get(&self, path: &str) -> Got {
        self.ask(Method::GET, path, "", None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Got {
        self.ask(Method::POST, path, "", Some(body)).await
    }

    pub(super) async fn put(&self, path: &str, tag: &str, body: &Value) -> Got {
        self.ask(Method::PUT, path, tag, Some(body)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Got {
        self.ask(Method::DELETE, path, "", None).await
    }

    pub(super) async fn rule(&self, name: &str) -> Value {
        let got = self.post(RULES, &rule(name)).await;
        assert_eq!(got.status, 201, "{}", got.text);
        got.json
    }
}

/// A rule of that name, as it is sent.
pub(super) fn rule(name: &str) -> Value {
    json!({
        "name": name,
        "condition": "event.type == \"payment.failed\" && event.payload.amount > 1000",
        "priority": "high",
        "target_roles": ["responder"],
    })
}
