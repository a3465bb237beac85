//! Somebody who is logged in, as tests need them.

use domain::id::ProjectId;
use domain::permission::ADMIN;
use reqwest::Method;
use serde_json::{Value, json};
use services::admin::{Invitee, Onboarding};
use services::audit::Initiator;

use crate::app::{Tenant, TestApp};

/// The password of everybody in a test.
pub const PASSWORD: &str = "a long enough secret";

/// Somebody who is logged in.
pub struct Account<'a> {
    app: &'a TestApp,
    /// Where they are.
    pub project: ProjectId,
    /// Who they are.
    pub user: String,
    /// Their access token.
    pub token: String,
}

impl<'a> Account<'a> {
    /// Makes a project and logs its admin in.
    pub async fn admin(app: &'a TestApp, slug: &str) -> Self {
        let email = format!("admin@{slug}.example.com");
        let new = Onboarding {
            slug: slug.to_owned(),
            name: slug.to_owned(),
            description: String::new(),
            admin_email: email.clone(),
            admin_name: "Ada Admin".to_owned(),
            admin_password: PASSWORD.to_owned(),
        };
        app.app.admin.onboard(new, &Initiator::system()).await.expect("a project");
        Self::log_in(app, slug, &email).await
    }

    /// Another admin of a tenant, logged in.
    pub async fn admin_of(app: &'a TestApp, tenant: &Tenant, slug: &str) -> Self {
        let email = format!("boss@{slug}.example.com");
        let new = Invitee {
            email: email.clone(),
            full_name: "Bo Boss".to_owned(),
            password: Some(PASSWORD.to_owned()),
            roles: vec![ADMIN.to_owned()],
        };
        app.app
            .admin
            .create_user(tenant.project, new, &Initiator::system())
            .await
            .expect("an admin");
        Self::log_in(app, slug, &email).await
    }

    /// Logs somebody in.
    pub async fn log_in(app: &'a TestApp, slug: &str, email: &str) -> Self {
        let (status, pass) = Self::try_log_in(app, slug, email, PASSWORD).await;
        assert_eq!(status, 200, "{pass}");
        let text = |name: &str| pass[name].as_str().expect("a text").to_owned();
        Self {
            app,
            project: text("project_id").parse().expect("an id"),
            user: text("user_id"),
            token: text("access_token"),
        }
    }

    /// Tries to; answers the answer. The client calls itself something that a spreadsheet would take for a formula.
    pub async fn try_log_in(
        app: &TestApp,
        slug: &str,
        email: &str,
        password: &str,
    ) -> (u16, Value) {
        let body = json!({ "project": slug, "email": email, "password": password });
        let request = app.http.post(format!("{}/api/v1/auth/login", app.base)).json(&body);
        let answer = request.header("user-agent", "=Test/1.0").send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    /// Somebody else of the project, with these roles, logged in.
    pub async fn colleague(&self, slug: &str, name: &str, roles: &[&str]) -> Self {
        let email = format!("{name}@example.com");
        let body =
            json!({ "email": email, "full_name": name, "password": PASSWORD, "roles": roles });
        let (status, made) = self.post("/users", &body).await;
        assert_eq!(status, 201, "{made}");
        Self::log_in(self.app, slug, &email).await
    }

    /// Sends a request below `/api/v1`; answers its status and text.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, String) {
        let request = self.app.http.request(method, format!("{}/api/v1{path}", self.app.base));
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = request.bearer_auth(&self.token).send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    }

    /// Gets something that must be there.
    pub async fn json(&self, path: &str) -> Value {
        let (status, text) = self.send(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// Gets something; answers its status and text.
    pub async fn get(&self, path: &str) -> (u16, String) {
        self.send(Method::GET, path, None).await
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let (status, text) = self.send(Method::POST, path, Some(body)).await;
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// Changes something.
    pub async fn patch(&self, path: &str, body: &Value) -> (u16, Value) {
        let (status, text) = self.send(Method::PATCH, path, Some(body)).await;
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// Deletes something.
    pub async fn delete(&self, path: &str) -> (u16, Value) {
        let (status, text) = self.send(Method::DELETE, path, None).await;
        (status, serde_json::from_str(&text).unwrap_or_default())
    }
}
