//! The audit log through the API: who did what is there, comes out as a file, and tampering is found.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

use std::time::{Duration, Instant};

use bellbuoy::roles::Roles;
use bellbuoy_harness::account::PASSWORD;
use bellbuoy_harness::{Account, Pair, TestApp, on_pairs};
use config::StoreUrl;
use domain::audit::AuditAction;
use domain::id::ProjectId;
use serde_json::{Value, json};
use services::admin::Invitee;
use services::audit::{AuditedAction, Initiator};
use sqlx::Connection;
use store::audit::AuditFilter;

on_pairs! {
    what_an_admin_does_is_listed_and_filtered
    the_log_comes_out_as_a_file_and_that_is_written_down
    tampering_is_named_and_the_scheduler_seals
    who_may_not_see_the_log_does_not
    old_rows_are_forgotten_behind_a_checkpoint
    the_deliveries_of_an_hour_are_summed_up_once
    tenants_do_not_see_where_the_platform_sits
    a_place_beyond_the_end_is_no_broken_log
}

async fn actions(of: &Account<'_>, query: &str) -> Vec<String> {
    let list = of.json(&format!("/audit?{query}")).await;
    let items = list["items"].as_array().expect("items");
    items.iter().map(|one| one["action"].as_str().expect("an action").to_owned()).collect()
}

async fn what_an_admin_does_is_listed_and_filtered(pair: Pair) {
    let app = TestApp::start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let other = Account::admin(&app, "other").await;
    app.clock.advance(Duration::from_secs(60));
    let (status, made) = ada.post("/keys", &json!({ "name": "k", "scopes": ["read"] })).await;
    assert_eq!(status, 201, "{made}");
    let (status, user) = ada
        .post(
            "/users",
            &json!({ "email": "bo@example.com", "full_name": "Bo", "roles": ["viewer"] }),
        )
        .await;
    assert_eq!(status, 201, "{user}");
    assert_eq!(
        Account::try_log_in(&app, "acme", "admin@acme.example.com", "a wrong secret").await.0,
        401
    );
    app.app.audit.seal_all().await.expect("seals");

    let all = ["session.failure", "user.create", "key.create", "session.login", "project.create"];
    assert_eq!(actions(&ada, "").await, all);
    assert_eq!(actions(&other, "").await, ["session.login", "project.create"]);
    let (id, key) = (&ada.user, made["key"]["id"].as_str().expect("an id"));
    let new = "from=2026-03-01T12:01:00Z";
    for (query, wanted) in [
        (format!("user={id}"), &["user.create", "key.create", "session.login"][..]),
        ("action=key.create".to_owned(), &["key.create"]),
        ("resource_type=user".to_owned(), &["user.create"]),
        (format!("resource_id={key}"), &["key.create"]),
        (format!("{new}&user={id}"), &["user.create", "key.create"]),
        ("to=2026-03-01T12:01:00Z".to_owned(), &["session.login", "project.create"]),
    ] {
        assert_eq!(actions(&ada, &query).await, wanted, "{query}");
    }
    let list = ada.json("/audit?action=user.create").await;
    let row = &list["items"][0];
    assert_eq!(row["actor"], json!({ "kind": "user", "id": ada.user }));
    assert_eq!(row["personal"]["email"], "bo@example.com");
    assert_eq!(row["subject_id"], user["id"]);
    assert_eq!(row["after"]["roles"], json!(["viewer"]));
    assert_eq!(row["origin"]["address"], "127.0.0.1");
    assert_eq!(row["place"]["seq"], 4);
    assert!(row["correlation_id"].is_string() && row["place"]["hash"].is_string(), "{row}");

    let first = ada.json("/audit?limit=2").await;
    let cursor = first["next_cursor"].as_str().expect("there is more");
    assert_eq!(actions(&ada, &format!("limit=2&cursor={cursor}")).await, all[2..4]);
    for (query, field) in [
        ("action=key.steal", "action"),
        ("resource_type=moon", "resource_type"),
        ("from=2026-03-01T12:00:00Z&to=2026-03-01T12:00:00Z", "to"),
        ("cursor=x", "cursor"),
        ("user=me", "user"),
    ] {
        let (status, text) = ada.get(&format!("/audit?{query}")).await;
        let problem: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((status, &problem["errors"][0]["field"]), (400, &json!(field)), "{query}");
    }

    // Whoever is forgotten leaves their rows behind, and nothing personal in them.
    let bo = user["id"].as_str().expect("an id").parse().expect("an id");
    app.app.audit.forget_subject(bo).await.expect("forgets");
    let row = &ada.json("/audit?action=user.create").await["items"][0];
    assert_eq!((&row["personal"], &row["after"]["roles"]), (&Value::Null, &json!(["viewer"])));
    assert_eq!(ada.json("/audit/verify").await["ok"], true);
    app.stop().await;
}

async fn the_log_comes_out_as_a_file_and_that_is_written_down(pair: Pair) {
    let app = TestApp::start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    // More than fit in the memory of one page.
    for _ in 0..450 {
        let audited = AuditedAction::new(AuditAction::KeyRevoke, ada.project.0);
        let entry = app.app.audit.entry(ada.project, &Initiator::system(), audited).await;
        let (entry, now) = (entry.expect("an entry"), app.app.clock.now());
        app.app.store.note(ada.project, &entry, now).await.expect("writes");
    }
    app.app.audit.seal_all().await.expect("seals");
    let request = app.http.get(format!("{}/api/v1/audit/export", app.base));
    let answer = request.bearer_auth(&ada.token).send().await.expect("an answer");
    let header = |name: &str| answer.headers()[name].to_str().expect("a text").to_owned();
    assert_eq!(answer.status(), 200);
    assert_eq!(header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(header("content-disposition"), "attachment; filename=\"audit.csv\"");
    let text = answer.text().await.expect("a body");
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    assert!(lines[0].starts_with("seq,id,at,actor_kind,"), "{}", lines[0]);
    // The head, the export itself, the revocations, the login and the project.
    assert_eq!(lines.len(), 1 + 1 + 450 + 1 + 1);
    assert!(lines[1].contains(",audit.export,audit,"), "{}", lines[1]);
    let login = lines.iter().find(|line| line.contains("session.login")).expect("is there");
    assert!(login.contains(",127.0.0.1,'=Test/1.0,"), "no formula: {login}");
    let own: Vec<String> =
        lines[1..].iter().map(|line| line.split(',').nth(1).expect("an id").to_owned()).collect();
    let mut sorted = own.clone();
    sorted.sort();
    sorted.reverse();
    sorted.dedup();
    assert_eq!(own, sorted, "newest first, each once");

    let (status, text) = ada.get("/audit/export?action=session.login").await;
    assert_eq!((status, text.lines().count()), (200, 2), "{text}");
    let exports = ada.json("/audit?action=audit.export").await;
    assert_eq!(exports["items"][0]["after"]["action"], "session.login");
    assert_eq!(exports["items"].as_array().map(Vec::len), Some(2));
    app.stop().await;
}

async fn tampering_is_named_and_the_scheduler_seals(pair: Pair) {
    let app = TestApp::start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    for number in 0..3 {
        let body = json!({ "name": format!("k{number}"), "scopes": ["read"] });
        assert_eq!(ada.post("/keys", &body).await.0, 201);
    }
    let started = Instant::now();
    while ada.json("/audit/verify").await["checked"] != 5 {
        assert!(started.elapsed() < Duration::from_secs(30), "nobody seals");
        app.advance(Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let verdict = ada.json("/audit/verify").await;
    assert_eq!((&verdict["ok"], &verdict["unsealed"]), (&json!(true), &json!(0)), "{verdict}");
    assert_eq!(verdict["head"]["seq"], 5);
    let rest = ada.json("/audit/verify?after=3").await;
    assert_eq!((&rest["ok"], &rest["checked"]), (&json!(true), &json!(2)), "{rest}");

    assert_eq!(command(&app, &[]).await, (true, json!(["acme", "platform"]), Value::Null));

    let list = ada.json("/audit?action=key.create").await;
    let row = list["items"][1].clone();
    let id: uuid::Uuid = row["id"].as_str().expect("an id").parse().expect("an id");
    let change = "UPDATE audit SET action = 'key.revoke' WHERE id = $1";
    let changed = match &app.app.config.store.url {
        StoreUrl::Sqlite { path } => {
            let url = format!("sqlite://{}", path.display());
            let mut raw = sqlx::SqliteConnection::connect(&url).await.expect("opens");
            sqlx::query(change).bind(id).execute(&mut raw).await.expect("changes").rows_affected()
        }
        StoreUrl::Postgres(url) => {
            let url = url.expose().as_str();
            let mut raw = sqlx::PgConnection::connect(url).await.expect("opens");
            sqlx::query(change).bind(id).execute(&mut raw).await.expect("changes").rows_affected()
        }
        StoreUrl::Mysql(url) => {
            let url = url.expose().as_str();
            let mut raw = sqlx::MySqlConnection::connect(url).await.expect("opens");
            let change = "UPDATE audit SET action = 'key.revoke' WHERE id = ?";
            sqlx::query(change).bind(id).execute(&mut raw).await.expect("changes").rows_affected()
        }
    };
    assert_eq!(changed, 1);
    let verdict = ada.json("/audit/verify").await;
    assert_eq!(verdict["ok"], false);
    let broken = &verdict["broken"];
    assert_eq!(
        (&broken["seq"], &broken["id"], &broken["flaw"]),
        (&row["place"]["seq"], &row["id"], &json!("changed"))
    );
    assert!(broken["detail"].as_str().is_some_and(|text| text.contains("not what was sealed")));
    let (fine, slugs, told) = command(&app, &["--project", "acme"]).await;
    assert_eq!((fine, slugs, &told), (false, json!(["acme"]), broken));
    assert!(command(&app, &["--project", "platform"]).await.0);
    app.stop().await;
}

/// What `bellbuoy audit verify` says: whether all is well, of which projects, and the first broken row.
async fn command(app: &TestApp, arguments: &[&str]) -> (bool, Value, Value) {
    let store = match &app.app.config.store.url {
        StoreUrl::Sqlite { path } => format!("sqlite://{}", path.display()),
        StoreUrl::Postgres(url) | StoreUrl::Mysql(url) => url.expose().as_str().to_owned(),
    };
    let run = tokio::process::Command::new(env!("CARGO_BIN_EXE_bellbuoy"))
        .args(["audit", "verify", "--json"])
        .args(arguments)
        .env("BELLBUOY_STORE_URL", store)
        .env("BELLBUOY_SEAL_DEV_KEY_PATH", &app.app.config.seal.dev_key_path)
        .output()
        .await
        .expect("runs");
    let told = String::from_utf8_lossy(&run.stderr);
    let said: Value = serde_json::from_slice(&run.stdout).unwrap_or_else(|_| panic!("{told}"));
    assert_eq!(said["ok"], run.status.success(), "{said}");
    let projects = said["projects"].as_array().expect("projects");
    let mut slugs: Vec<&Value> = projects.iter().map(|one| &one["slug"]).collect();
    slugs.sort_by_key(|slug| slug.to_string());
    let broken = projects.iter().map(|one| &one["broken"]).find(|one| !one.is_null());
    (run.status.success(), json!(slugs), broken.cloned().unwrap_or_default())
}

async fn who_may_not_see_the_log_does_not(pair: Pair) {
    let app = TestApp::start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let bo = ada.colleague("acme", "bo", &["viewer"]).await;
    for path in ["/audit", "/audit/export", "/audit/verify"] {
        let (status, text) = bo.get(path).await;
        assert!(status == 403 && text.contains("permission audit:"), "{path}: {status} {text}");
        let nobody = app.http.get(format!("{}/api/v1{path}", app.base)).send().await;
        assert_eq!(nobody.expect("an answer").status(), 401, "{path}");
    }
    assert_eq!(actions(&ada, "action=audit.export").await, [] as [&str; 0], "nothing came out");

    // Some see what they did themselves.
    let own = json!({ "name": "own_log", "permissions": ["audit:read:own", "audit:export:own"] });
    assert_eq!(ada.post("/roles", &own).await.0, 201);
    let cy = ada.colleague("acme", "cy", &["own_log"]).await;
    assert_eq!(actions(&cy, "").await, ["session.login"]);
    assert_eq!(actions(&cy, &format!("user={}", cy.user)).await, ["session.login"]);
    for path in [format!("/audit?user={}", ada.user), "/audit/verify".to_owned()] {
        assert_eq!(cy.get(&path).await.0, 403, "{path}");
    }
    let (status, text) = cy.get("/audit/export").await;
    assert_eq!((status, text.lines().count()), (200, 3), "the head, the export, the login: {text}");

    // The platform's own rows are for the platform's people.
    let sam = Invitee {
        email: "sam@example.com".to_owned(),
        full_name: "Sam".to_owned(),
        password: Some(PASSWORD.to_owned()),
        roles: vec!["super_admin".to_owned()],
    };
    let made = app.app.admin.create_user(ProjectId::PLATFORM, sam, &Initiator::system()).await;
    made.expect("a super admin");
    let sam = Account::log_in(&app, "platform", "sam@example.com").await;
    assert_eq!(actions(&sam, "").await, ["session.login", "user.create"]);
    assert_eq!(sam.json("/audit/verify").await["ok"], true);
    app.stop().await;
}

async fn old_rows_are_forgotten_behind_a_checkpoint(pair: Pair) {
    let day = Duration::from_secs(86_400);
    let app = TestApp::with(pair, Roles::all(), |config| config.audit.retention = day).await;
    let ada = Account::admin(&app, "acme").await;
    app.app.audit.seal_all().await.expect("seals");
    assert!(ada.json("/audit/verify").await["checkpoint"].is_null());
    app.run_until_idle().await;
    app.advance(2 * day);
    let ada = Account::log_in(&app, "acme", "admin@acme.example.com").await;
    let started = Instant::now();
    while ada.json("/audit/verify").await["checkpoint"].is_null() {
        assert!(started.elapsed() < Duration::from_secs(30), "nobody forgets");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    app.app.audit.seal_all().await.expect("seals");
    let verdict = ada.json("/audit/verify").await;
    assert_eq!((&verdict["ok"], &verdict["checked"]), (&json!(true), &json!(1)), "{verdict}");
    assert_eq!(verdict["checkpoint"]["place"]["seq"], 2);
    assert_eq!(verdict["head"]["seq"], 3);
    assert_eq!(actions(&ada, "").await, ["session.login"]);
    app.stop().await;
}

async fn the_deliveries_of_an_hour_are_summed_up_once(pair: Pair) {
    // No scheduler: who sums up, and when, is what is tried.
    let app = TestApp::with(pair, Roles { scheduler: false, ..Roles::all() }, |_| {}).await;
    let tenant = app.tenant("acme").await;
    let bo = app.tenant("other").await;
    app.rule(&tenant, "big", "event.payload.amount > 1000", None).await;
    app.rule(&bo, "big", "event.payload.amount > 1000", None).await;
    let summaries = async || {
        let filter = AuditFilter { action: Some("delivery.summary".into()), ..Default::default() };
        let rows = app.app.audit.list(tenant.project, filter, None, 10).await.expect("lists");
        rows.into_iter().map(|one| one.row.after.expect("a change")).collect::<Vec<_>>()
    };
    for amount in [1500, 2500, 10] {
        app.event(&tenant, "payment", &json!({ "amount": amount })).await;
    }
    app.run_until_idle().await;
    app.clock.advance(Duration::from_secs(3600 + 14 * 60));
    assert_eq!(app.app.audit.sum_up_deliveries().await.expect("sums up"), 0, "too early");
    app.clock.advance(Duration::from_secs(2 * 60));
    app.event(&tenant, "payment", &json!({ "amount": 1500 })).await;
    app.run_until_idle().await;
    let (one, other) =
        tokio::join!(app.app.audit.sum_up_deliveries(), app.app.audit.sum_up_deliveries());
    assert_eq!(one.expect("sums up") + other.expect("sums up"), 1, "one of them did it");
    let first = json!({ "hour": "2026-03-01T12:00:00.000Z", "deliveries": { "webhook": { "delivered": 2 } } });
    assert_eq!(summaries().await, std::slice::from_ref(&first));
    app.clock.advance(Duration::from_secs(5 * 3600));
    assert_eq!(app.app.audit.sum_up_deliveries().await.expect("sums up"), 1);
    assert_eq!(app.app.audit.sum_up_deliveries().await.expect("sums up"), 0);
    let second = json!({ "hour": "2026-03-01T13:00:00.000Z", "deliveries": { "webhook": { "delivered": 1 } } });
    assert_eq!(summaries().await, [second, first]);
    app.stop().await;
}

/// A super admin, logged in.
async fn root(app: &TestApp) -> Account<'_> {
    let new = Invitee {
        email: "root@example.com".to_owned(),
        full_name: "Root".to_owned(),
        password: Some(PASSWORD.to_owned()),
        roles: vec!["super_admin".to_owned()],
    };
    let made = app.app.admin.create_user(ProjectId::PLATFORM, new, &Initiator::system()).await;
    made.expect("root");
    Account::log_in(app, "platform", "root@example.com").await
}

async fn tenants_do_not_see_where_the_platform_sits(pair: Pair) {
    let app = TestApp::start(pair).await;
    let root = root(&app).await;
    let admin = json!({ "email": "ada@acme.example", "full_name": "Ada", "password": PASSWORD });
    let (status, made) =
        root.post("/projects", &json!({ "slug": "acme", "name": "Acme", "admin": admin })).await;
    assert_eq!(status, 201, "{made}");
    let id = made["project"]["id"].as_str().or(made["id"].as_str()).expect("an id").to_owned();
    for audited in ["suspend", "reactivate"] {
        let path = format!("/projects/{id}/{audited}");
        let (status, said) = root.send(reqwest::Method::POST, &path, None).await;
        assert!(status < 300, "{said}");
    }
    let (status, said) = root
        .send(
            reqwest::Method::PUT,
            &format!("/projects/{id}/plan"),
            Some(&json!({ "plan": "gold" })),
        )
        .await;
    assert_eq!(status, 200, "{said}");
    app.app.epochs.refresh(&app.app.store).await.expect("epochs");
    let ada = Account::log_in(&app, "acme", "ada@acme.example").await;
    let list = ada.json("/audit").await;
    let items = list["items"].as_array().expect("items");
    let (own, others): (Vec<_>, Vec<_>) =
        items.iter().partition(|one| one["actor"]["id"].as_str() == Some(ada.user.as_str()));
    assert_eq!((own.len(), others.len()), (1, 4), "{list}");
    assert_eq!(own[0]["origin"]["address"], "127.0.0.1", "{list}");
    for row in others {
        assert_eq!(row["origin"], Value::Null, "{row}");
    }
    let (_, file) = ada.get("/audit/export").await;
    let made = file.lines().find(|line| line.contains("project.create")).expect("is there");
    assert!(!made.contains("127.0.0.1"), "{made}");
    // In the platform's own log they see themselves.
    let list = root.json("/audit?action=session.login").await;
    assert_eq!(list["items"][0]["origin"]["address"], "127.0.0.1", "{list}");
    app.stop().await;
}

async fn a_place_beyond_the_end_is_no_broken_log(pair: Pair) {
    let app = TestApp::start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    app.app.audit.seal_all().await.expect("seals");
    let last = ada.json("/audit/verify").await["head"]["seq"].as_i64().expect("a number");
    let found = ada.json(&format!("/audit/verify?after={last}")).await;
    assert_eq!((&found["ok"], &found["checked"]), (&json!(true), &json!(0)), "{found}");
    for after in [last + 1, i64::MAX] {
        let (status, said) = ada.get(&format!("/audit/verify?after={after}")).await;
        let problem: Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!((status, &problem["errors"][0]["field"]), (400, &json!("after")), "{said}");
        let words = problem["errors"][0]["message"].as_str().expect("words");
        assert!(words.contains(&format!("from 0 to {last}")), "{said}");
    }
    app.stop().await;
}
