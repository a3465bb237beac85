//! What holds for every answer.

use config::ByteSize;
use domain::permission::{Grants, Permission};
use futures_util::stream;
use poem::Body;
use poem::http::Method;
use serde_json::{Value, json};

use super::scene::PAGE_OF_ACME;
use super::{EVENTS, JSON, Scene, send};
use crate::routes::INTAKE;

#[tokio::test]
async fn a_request_has_one_name() {
    let scene = Scene::new().await;
    let client = &scene.client;
    let long = "x".repeat(129);
    for (given, taken) in [
        (&["abc-1"][..], true),
        (&["x"], true),
        (&[&long[..128]], true),
        (&[&long], false),
        (&["a b"], false),
        (&[""], false),
        (&[], false),
        (&["a", "b"], false),
    ] {
        let mut request = client.get("/live");
        for one in given {
            request = request.header("x-request-id", *one);
        }
        let got = send(request).await;
        let id = got.header("x-request-id");
        if taken {
            assert_eq!(id, given[0]);
        } else {
            let id = uuid::Uuid::parse_str(id).expect("a UUID");
            assert_eq!(id.get_version_num(), 7, "{given:?}");
        }
    }
}

#[tokio::test]
async fn what_says_where_a_request_goes_stands_there_once() {
    let scene = Scene::new().await;
    for (name, values) in [
        ("host", ["a.example.com", "b.example.com"]),
        ("host", ["a.example.com", "a.example.com"]),
        ("content-type", ["application/json", "text/plain"]),
    ] {
        let request = scene.post(EVENTS).body("{}");
        let got = send(request.header(name, values[0]).header(name, values[1])).await;
        assert_eq!((got.status, got.code()), (400, "bad_request"), "{name}: {}", got.text);
        assert!(got.text.contains(&format!("The header {name} was sent twice")), "{}", got.text);
    }
}

#[tokio::test]
async fn a_trace_goes_on() {
    let scene = Scene::new().await;
    let client = &scene.client;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let got = send(client.get("/live").header("traceparent", trace)).await;
    assert_eq!(got.header("traceparent")[..36], trace[..36]);
    assert_ne!(got.header("traceparent"), trace);
    let got = send(client.get("/live").header("traceparent", "nonsense")).await;
    assert_eq!(got.header("traceparent").len(), 55);
}

#[tokio::test]
async fn answers_are_guarded() {
    let got = send(Scene::new().await.client.get("/nope")).await;
    assert_eq!(got.header("x-content-type-options"), "nosniff");
    assert_eq!(got.header("x-frame-options"), "DENY");
    assert_eq!(got.header("cache-control"), "no-store");
    assert_eq!(got.header("referrer-policy"), "no-referrer");
    assert!(got.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert_eq!(got.header("strict-transport-security"), "");
    let scene = Scene::with(|config| config.http.hsts = Some(true)).await;
    let got = send(scene.client.get("/live")).await;
    assert!(got.header("strict-transport-security").starts_with("max-age="));
}

#[tokio::test]
async fn limits_are_told() {
    let scene = Scene::with(|config| config.limits.key_per_second = 50).await;
    let got = send(scene.get(EVENTS)).await;
    assert_eq!(got.header("ratelimit-limit"), "100");
    assert_eq!(got.header("ratelimit-remaining"), "99");
    assert_eq!(got.header("ratelimit-reset"), "1");
    scene.flood().await;
    let got = scene.read(EVENTS, &scene.callers.flooding).await;
    assert_eq!((got.status, got.header("retry-after")), (429, "1"));
    assert_eq!((got.header("ratelimit-limit"), got.header("ratelimit-remaining")), ("2", "0"));
    let got = send(scene.client.get("/live")).await;
    assert_eq!(got.header("ratelimit-limit"), "");
}

#[tokio::test]
async fn pages_of_named_origins_may_call() {
    let own = "https://app.example.com";
    for (origins, origin, allowed) in [
        (&[own][..], own, own),
        (&[own], "https://evil.example.com", ""),
        (&[own], "https://app.example.com.evil", ""),
        (&[own], "null", ""),
        (&["*"], "https://any.example.com", "*"),
        (&[], own, ""),
    ] {
        let named = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let scene = Scene::with(|config| config.http.cors_origins = named).await;
        let client = &scene.client;
        let asks = client
            .request(Method::OPTIONS, EVENTS)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "x-api-key");
        let got = send(asks).await;
        let status = if allowed.is_empty() { 403 } else { 204 };
        assert_eq!(got.status, status, "{origins:?} {origin}");
        assert_eq!(got.header("access-control-allow-origin"), allowed);
        assert_eq!(got.header("access-control-allow-methods").contains("POST"), status == 204);
        let got = send(client.get("/live").header("origin", origin)).await;
        assert_eq!(got.status, 200);
        assert_eq!(got.header("access-control-allow-origin"), allowed);
        assert_eq!(got.header("vary"), if origins == ["*"] { "" } else { "Origin" });
        assert_eq!(got.header("access-control-allow-credentials"), "");
    }
}

#[tokio::test]
async fn pages_of_a_project_see_what_is_its_own() {
    let scene = Scene::new().await;
    let client = &scene.client;
    for (key, page, seen) in [
        (Some(&*scene.callers.key), PAGE_OF_ACME, true),
        (Some(&scene.callers.other), PAGE_OF_ACME, false),
        (Some(&scene.callers.key), "https://two.example.com", false),
        // An answer to nobody tells nothing of anybody, and a page must see that its token has ended.
        (Some("nonsense"), PAGE_OF_ACME, true),
        (None, PAGE_OF_ACME, true),
        (None, "https://two.example.com", false),
    ] {
        let mut request = client.get(EVENTS).header("origin", page);
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        let got = send(request).await;
        let wanted = if seen { page } else { "" };
        assert_eq!(got.header("access-control-allow-origin"), wanted, "{key:?} {page}");
        assert_eq!(got.header("vary"), "Origin");
    }
    for (page, status) in [(PAGE_OF_ACME, 204), ("https://two.example.com", 403)] {
        let asks = client
            .request(Method::OPTIONS, EVENTS)
            .header("origin", page)
            .header("access-control-request-method", "POST");
        assert_eq!(send(asks).await.status, status, "{page}");
    }
}

#[tokio::test]
async fn bodies_are_limited_however_they_come() {
    let scene = Scene::with(|config| config.http.max_body = ByteSize::kib(1)).await;
    let event = |len: usize| {
        format!("{{\"type\":\"a\",\"payload\":{{\"a\":\"{}\"}}}}", "x".repeat(len - 31))
    };
    for (len, status) in [(1024, 202), (1025, 413), (10_000, 413)] {
        let text = event(len);
        assert_eq!(text.len(), len);
        let post = || scene.post(EVENTS).content_type(JSON);
        let said = post().header("content-length", len.to_string()).body(text.clone());
        let got = send(said).await;
        assert_eq!(got.status, status, "{len}: {}", got.text);
        let pieces: Vec<_> = text.as_bytes().chunks(7).map(<[u8]>::to_vec).collect();
        let pieces = stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
        let chunked = post().header("transfer-encoding", "chunked");
        let got = send(chunked.body(Body::from_bytes_stream(pieces))).await;
        assert_eq!(got.status, status, "{len} in chunks: {}", got.text);
        if status == 413 {
            assert_eq!(got.code(), "payload_too_large");
        }
    }
    assert_eq!(send(scene.get(EVENTS)).await.status, 200);
    let odd = scene.get(EVENTS).header("content-length", "many");
    assert_eq!(send(odd).await.status, 400);
}

#[tokio::test]
async fn health_is_told_without_words() {
    let scene = Scene::new().await;
    let client = &scene.client;
    scene.lose_files();
    let words = scene.app.files.ping().await.expect_err("the files are away").to_string();
    assert!(words.contains("files: "), "{words}");
    assert_eq!(send(client.get("/live")).await.status, 200);
    // The API does what it is for without files.
    assert_eq!(send(client.get("/ready")).await.status, 200);
    let got = send(client.get("/health")).await;
    assert_eq!(got.json["checks"]["files"]["ok"], Value::Bool(false));
    assert_eq!(got.json["checks"]["store"]["ok"], Value::Bool(true));
    assert!(!got.text.contains(&words) && !got.text.contains("symbolic"), "{}", got.text);
    assert_eq!(send(client.head("/live")).await.status, 200);
}

#[tokio::test]
async fn the_document_can_be_closed() {
    let (open, closed) =
        (Scene::new().await, Scene::with(|config| config.http.docs_enabled = false).await);
    let (open, closed) = (&open.client, &closed.client);
    let page = send(open.get("/docs")).await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("http://") && !page.text.contains("https://"), "nothing foreign");
    assert!(page.header("content-security-policy").contains("script-src 'self' 'sha256-"));
    for (path, media_type) in [
        ("/docs/swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("/docs/swagger-ui.css", "text/css; charset=utf-8"),
    ] {
        assert!(page.text.contains(&format!("=\"{path}\"")), "{path}");
        let file = open.get(path).send().await.0;
        assert_eq!(file.status(), 200, "{path}");
        assert_eq!(file.content_type(), Some(media_type));
        assert_eq!(file.header("content-encoding"), Some("gzip"));
        let bytes = file.into_body().into_bytes().await.expect("a file");
        assert!(bytes.starts_with(&[0x1f, 0x8b]), "{path} is packed");
        assert_eq!(send(closed.get(path)).await.code(), "route_not_found");
    }
    let document = send(open.get("/api/v1/openapi.json")).await;
    assert_eq!(document.text, crate::openapi());
    assert_eq!(send(closed.get("/docs")).await.code(), "route_not_found");
    let got = send(closed.get("/api/v1/openapi.json")).await;
    assert_eq!((got.status, got.code()), (404, "route_not_found"));
}

/// What nobody has to be logged in for: people come in by these.
const OPEN: [&str; 9] = [
    "login",
    "refresh",
    "register",
    "register/confirm",
    "verify-email",
    "verify-email/resend",
    "forgot-password",
    "reset-password",
    "invitations/accept",
];

#[test]
fn the_document_says_what_holds() {
    let text = crate::openapi();
    assert_eq!(text, crate::openapi(), "it is the same each time");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    for (path, item) in paths {
        for (method, operation) in item.as_object().expect("operations") {
            let what = format!("{method} {path}");
            let (key, same) = (json!({"api_key": []}), json!({"api_key_as_bearer": []}));
            let person = json!({"bearer": []});
            let wanted = match (path.as_str(), method.as_str()) {
                (path, "post")
                    if OPEN.iter().any(|open| path == format!("/api/v1/auth/{open}")) =>
                {
                    Value::Null
                }
                (path, "post") if path.ends_with("/replay") => json!([person]),
                (path, "post") if path.starts_with(EVENTS) || path.starts_with(INTAKE) => {
                    json!([key, same])
                }
                (path, _) if path.starts_with(EVENTS) => json!([key, same, person]),
                // What a key may read, a dashboard that holds one may show.
                (path, method)
                    if is_alerting(path)
                        && (method == "get"
                            || ["/preview", "/check"].iter().any(|end| path.ends_with(end))) =>
                {
                    json!([key, same, person])
                }
                _ => json!([person]),
            };
            assert_eq!(operation["security"], wanted, "{what}");
            assert!(operation["operationId"].is_string() && operation["tags"].is_array(), "{what}");
            for status in ["400", "401", "403", "429", "500", "503"] {
                let content = &resolved(&document, &operation["responses"][status])["content"];
                assert!(content["application/problem+json"].is_object(), "{what} {status}");
            }
        }
    }
    let post = &document["paths"][EVENTS]["post"];
    let body = &post["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["$ref"], "#/components/schemas/NewEvent");
    let accepted = resolved(&document, &post["responses"]["202"]);
    let header = &accepted["headers"]["RateLimit-Limit"];
    assert_eq!(resolved(&document, header)["schema"]["type"], "integer");
    for (schema, is_closed) in [("NewEvent", true), ("NewEvents", true), ("Event", false)] {
        let schema = &document["components"]["schemas"][schema];
        assert_eq!(schema["additionalProperties"] == json!(false), is_closed, "{schema}");
    }
    assert!(document["components"]["schemas"]["NewEvent"]["example"].is_object());
    assert_eq!(
        document["components"]["schemas"]["NewEvent"]["required"],
        json!(["type", "payload"])
    );
}

fn is_alerting(path: &str) -> bool {
    [
        "alerts",
        "backtests",
        "bulk-actions",
        "event-types",
        "intake",
        "rules",
        "silences",
        "webhook-endpoints",
    ]
    .iter()
    .any(|one| path.starts_with(&format!("/api/v1/{one}")))
}

/// What a reference within the document stands for.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let path = value["$ref"].as_str().map(|path| path.trim_start_matches('#'));
    path.map_or(value, |path| document.pointer(path).expect("a component"))
}

/// Repeated answers and headers stand once, references are flat, and every body has an example.
#[test]
fn the_document_is_fit_for_generators() {
    let text = crate::openapi();
    assert!(!text.contains("\"allOf\""), "references are flat");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let items = document["paths"].as_object().expect("paths").values();
    let count: usize = items.clone().map(|item| item.as_object().expect("operations").len()).sum();
    let lines = text.lines().count();
    assert!(lines < 176 * count, "{lines} lines for {count} operations");
    for operation in items.flat_map(|item| item.as_object().expect("operations").values()) {
        let request = &operation["requestBody"];
        let responses = operation["responses"].as_object().expect("responses").values();
        for body in responses.map(|one| resolved(&document, one)).chain([request]) {
            for (media_type, content) in body["content"].as_object().into_iter().flatten() {
                if media_type.ends_with("json") && media_type != "application/x-ndjson" {
                    assert!(!content["example"].is_null(), "{}", operation["operationId"]);
                }
            }
        }
    }
}

#[test]
fn a_key_can_call_nothing_that_its_maker_need_not_be_allowed() {
    for (scope, permission) in crate::auth::DEMANDS {
        let (Some(scope), Some((resource, action))) = (scope, permission) else { continue };
        let given = Grants::new(scope.permissions().iter().copied());
        let wanted = Permission::allow(*resource, *action);
        assert!(
            given.holds(&wanted.into()),
            "{scope} stands for no {wanted}: see Scope::permissions"
        );
    }
}
