//! Nobody acts on the account of a user who may do more than they may: by no operation that the API has.

use bellbuoy_harness::front::Reply;
use bellbuoy_harness::surface::Operation;
use bellbuoy_harness::surface::bodies::Words;
use bellbuoy_harness::{Account, Caller, Front, Pair, Surface, TestApp, on_pairs};
use reqwest::Method;
use serde_json::json;

use crate::scene::*;

on_pairs! {
    no_operation_acts_on_an_account_that_may_do_more
    an_account_that_waits_is_approved_and_nothing_else
}

/// What the clerk may do with accounts, and a denial that counts.
const CLERK: [&str; 4] = ["users:manage", "roles:read", "keys:read", "!keys:delete"];

/// The operations that do something with an account: new ones come by themselves.
fn on_accounts(surface: &Surface) -> Vec<Operation> {
    let is_one = |one: &&Operation| one.path.starts_with("/api/v1/users/{id}") && !one.reads();
    surface.operations.iter().filter(is_one).cloned().collect()
}

struct Scene<'a> {
    ada: Account<'a>,
    clerk: Account<'a>,
    front: Front,
    surface: Surface,
    made: usize,
}

impl<'a> Scene<'a> {
    async fn new(app: &'a TestApp) -> Self {
        let ada = Account::admin(app, "acme").await;
        role(&ada, "clerk", &CLERK).await;
        role(&ada, "peer", &["users:read", "users:update", "keys:manage", "!keys:manage"]).await;
        role(&ada, "strong", &["users:read", "rules:read:own"]).await;
        role(&ada, "condition", &["keys:read", "rules:read if resource.name == \"x\""]).await;
        role(&ada, "free", &["keys:delete"]).await;
        let clerk = ada.colleague("acme", "clerk", &["clerk"]).await;
        let front = Front::new(&app.base);
        let document = front.get(&Caller::nobody(), "/api/v1/openapi.json").await;
        let surface = Surface::read(&document.body);
        Self { ada, clerk, front, surface, made: 0 }
    }

    /// The answer to an operation of the clerk on a new account with this role.
    async fn act(&mut self, operation: &Operation, role: &str) -> Reply {
        self.made += 1;
        let email = format!("u{}@example.com", self.made);
        let new = json!({ "email": email, "full_name": "U", "roles": [role] });
        let (status, made) = self.ada.post("/users", &new).await;
        assert_eq!(status, 201, "{made}");
        let user = made["id"].as_str().expect("an id").to_owned();
        let mut words = Words::new("canary", "acme");
        let mut values: Vec<String> =
            operation.places().iter().map(|_| uuid::Uuid::now_v7().to_string()).collect();
        values[0] = user;
        let caller = Caller::token(&self.clerk.token);
        let path = operation.at(&values);
        // The roles that it has give nothing: what is refused is refused for the account.
        if operation.id == "set_user_roles" {
            let body = Some(("application/json", json!({ "roles": [role] }).to_string()));
            return self.front.call(&caller, &operation.method, &path, body).await;
        }
        let surface = &self.surface;
        surface.send(&self.front, &caller, operation, &path, &mut words).await
    }
}

async fn no_operation_acts_on_an_account_that_may_do_more(pair: Pair) {
    let app = start(pair).await;
    let mut scene = Scene::new(&app).await;
    let operations = on_accounts(&scene.surface);
    assert!(operations.len() >= 8, "{operations:?}");
    for operation in &operations {
        for role in ["admin", "strong", "condition", "free"] {
            let reply = scene.act(operation, role).await;
            let title = format!("{} on {role}: {reply:?}", operation.title());
            assert_eq!((reply.status, reply.code().as_str()), (403, "forbidden"), "{title}");
            assert!(detail(&reply.json()).contains("more than you"), "{title}");
        }
        // One that may do no more: whatever is wrong with the request, it is not this.
        let reply = scene.act(operation, "peer").await;
        assert_ne!(reply.status, 403, "{}: {reply:?}", operation.title());
    }
    // One's own account is one's own, and an equal one may be acted on.
    let own = format!("/users/{}", scene.clerk.user);
    assert_eq!(scene.clerk.patch(&own, &json!({ "full_name": "Clara" })).await.0, 200);
    let twin = scene.ada.colleague("acme", "twin", &["clerk"]).await;
    let twin = format!("/users/{}/suspend", twin.user);
    let (status, told) = scene.clerk.post(&twin, &json!(null)).await;
    assert_eq!(status, 200, "with the same denial: {told}");
    app.stop().await;
}

async fn an_account_that_waits_is_approved_and_nothing_else(pair: Pair) {
    let app = start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    role(&ada, "helper", &["users:read", "users:update"]).await;
    let only = "users:approve if resource.email == \"let.in@example.com\"";
    role(&ada, "doorkeeper", &["users:read", only]).await;
    let helper = ada.colleague("acme", "helper", &["helper"]).await;
    let keeper = ada.colleague("acme", "keeper", &["doorkeeper"]).await;
    let mut paths = Vec::new();
    for email in ["keep.out@example.com", "let.in@example.com"] {
        paths.push(format!("/users/{}", app.waiting(ada.project, email).await));
    }
    // Suspended and reactivated, it would work without an approval.
    for act in ["suspend", "reactivate"] {
        let (status, told) = helper.post(&format!("{}/{act}", paths[0]), &json!(null)).await;
        assert_eq!((status, &told["code"]), (409, &json!("conflict")), "{act}: {told}");
    }
    for (path, wanted) in [(&paths[0], 403), (&paths[1], 200)] {
        let (status, told) = keeper.send(Method::POST, &format!("{path}/approve"), None).await;
        assert_eq!(status, wanted, "under the condition alone: {told}");
    }
    let (status, text) = ada.send(Method::GET, &paths[0], None).await;
    assert!(status == 200 && text.contains("\"pending\""), "{text}");
    app.stop().await;
}
