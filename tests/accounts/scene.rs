//! A project with an admin, a mailbox that can be read, and people who call the API.

use std::path::PathBuf;
use std::time::Duration;

use bellbuoy::roles::Roles;
use bellbuoy_harness::account::PASSWORD;
use bellbuoy_harness::{Account, Pair, TestApp};
use config::{Config, MailUrl};
use reqwest::Method;
use serde_json::{Value, json};

/// Another password that is good enough.
pub const OTHER: &str = "correct horse battery";

/// The product with cheap hashing, for the cost of Argon2 is not what is tried here.
pub async fn start(pair: Pair) -> TestApp {
    start_with(pair, Roles::all(), |_| {}).await
}

/// The same with these roles and a changed configuration.
pub async fn start_with(pair: Pair, roles: Roles, change: impl FnOnce(&mut Config)) -> TestApp {
    TestApp::with(pair, roles, |config| {
        config.auth.hash_memory = config::ByteSize::kib(64);
        config.auth.hash_passes = 1;
        change(config);
    })
    .await
}

/// Posts JSON as nobody.
pub async fn post(app: &TestApp, path: &str, body: Value) -> (u16, Value) {
    call(app, Method::POST, path, "tests/1.0", Some(body)).await
}

/// Calls as nobody, with a client of that name.
pub async fn call(
    app: &TestApp,
    method: Method,
    path: &str,
    agent: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let mut request = app.http.request(method, format!("{}/api/v1{path}", app.base));
    request = request.header("user-agent", agent);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
}

/// Tries to log in to acme.
pub async fn login(app: &TestApp, email: &str, password: &str) -> (u16, Value) {
    login_with(app, json!({ "email": email, "password": password })).await
}

/// The same with whatever else a login takes.
pub async fn login_with(app: &TestApp, mut body: Value) -> (u16, Value) {
    body["project"] = json!("acme");
    post(app, "/auth/login", body).await
}

/// Registers with acme.
pub async fn register(app: &TestApp, email: &str) -> (u16, Value) {
    register_as(app, email, "Cleo Clerk").await
}

/// The same under that name.
pub async fn register_as(app: &TestApp, email: &str, full_name: &str) -> (u16, Value) {
    let body = json!({ "project": "acme", "email": email, "full_name": full_name });
    post(app, "/auth/register", body).await
}

/// Makes the account of a registration, with this password.
pub async fn confirm(app: &TestApp, token: &str, password: &str) -> (u16, Value) {
    let body = json!({ "token": token, "password": password });
    post(app, "/auth/register/confirm", body).await
}

/// Registers and confirms; the id of the account, which waits for approval.
pub async fn waiting(app: &TestApp, email: &str) -> String {
    assert_eq!(register(app, email).await.0, 202);
    let (status, made) = confirm(app, &last(app, email).await.token(), OTHER).await;
    assert_eq!(status, 201, "{made}");
    made["id"].as_str().expect("an id").to_owned()
}

/// The project acme and its admin, logged in.
pub async fn acme(app: &TestApp) -> Account<'_> {
    Account::admin(app, "acme").await
}

/// The address of acme's admin.
pub const ADMIN: &str = "admin@acme.example.com";
/// Their password.
pub const ADMIN_PASSWORD: &str = PASSWORD;

/// A mail as it lies in the mailbox.
#[derive(Clone, Debug)]
pub struct Letter {
    pub to: String,
    pub subject: String,
    pub text: String,
}

impl Letter {
    /// The token of its link.
    pub fn token(&self) -> String {
        let (_, rest) = self.text.split_once("?token=").expect("a token");
        rest.lines().next().expect("a line").trim().to_owned()
    }
}

/// Where the mailbox is.
pub fn mailbox(app: &TestApp) -> PathBuf {
    let MailUrl::Mailbox { path } = &app.app.config.mail.url;
    path.clone()
}

/// All mails that were handed over, in the order in which they were written, once nothing is under way.
pub async fn letters(app: &TestApp) -> Vec<Letter> {
    app.run_until_idle().await;
    let Ok(files) = std::fs::read_dir(mailbox(app)) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let letter = |path: PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(name.ends_with(".eml"), "{name} was left behind");
        let raw = std::fs::read_to_string(&path).expect("reads");
        let (head, text) = raw.split_once("\r\n\r\n").expect("headers and a text");
        let header = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            line.unwrap_or_else(|| panic!("no {name} in {head}")).to_owned()
        };
        for name in ["Date", "From", "Message-ID", "MIME-Version", "Content-Type"] {
            header(name);
        }
        Letter { to: header("To"), subject: header("Subject"), text: text.replace("\r\n", "\n") }
    };
    paths.into_iter().map(letter).collect()
}

/// The subjects of all mails to somebody, in order.
pub async fn subjects(app: &TestApp, to: &str) -> Vec<String> {
    let mine = |letter: Letter| (letter.to == to).then_some(letter.subject);
    letters(app).await.into_iter().filter_map(mine).collect()
}

/// The last mail to somebody.
pub async fn last(app: &TestApp, to: &str) -> Letter {
    let all = letters(app).await;
    all.into_iter().rfind(|letter| letter.to == to).unwrap_or_else(|| panic!("no mail to {to}"))
}

/// The fields that an answer finds wrong.
pub fn fields(told: &Value) -> Vec<&str> {
    let errors = told["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    errors.iter().filter_map(|error| error["field"].as_str()).collect()
}

/// An hour and a bit.
pub const HOUR: Duration = Duration::from_secs(3660);
