//! Files that are handed out to whoever has a link.

use std::time::Duration;

use bytes::Bytes;
use config::{Config, Sources};
use files::key::FileKey;
use files::link::LinkOptions;
use futures_util::{StreamExt, stream};
use poem::http::Method;

use super::scene::{files_in, loop_at};
use super::{Got, Scene, send};

/// How long the links of these tests are good.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// A scene with ten digits in a file.
struct Digits {
    scene: Scene,
    /// A link to them.
    link: String,
    etag: String,
}

impl Digits {
    async fn new() -> Self {
        let scene = Scene::with(|config| config.limits.address_per_second = 50).await;
        let digits = key(&scene, "digits");
        let body = stream::iter([Ok(Bytes::from_static(b"0123456789"))]).boxed();
        scene.app.files.put(&digits, "image/png", body).await.expect("a file");
        let etag = scene.app.files.head(&digits).await.expect("a file").etag;
        let link = link(&scene, "digits").await;
        Self { scene, link, etag }
    }

    async fn get(&self, headers: &[(&str, &str)]) -> Got {
        let request = self.scene.client.get(&self.link);
        send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
            .await
    }
}

fn key(scene: &Scene, path: &str) -> FileKey {
    FileKey::new(scene.callers.acme, path).expect("a key")
}

/// A link to the file at `path` that is signed, whether there is one or not.
async fn link(scene: &Scene, path: &str) -> String {
    let options = LinkOptions {
        ttl: Some(GOOD_FOR),
        content_type: Some("image/png".to_owned()),
        name: Some("a.png".to_owned()),
        inline: false,
    };
    let link = scene.app.files.link(&key(scene, path), &options, scene.app.clock.now()).await;
    let link = link.expect("a link");
    link[link.find("/files/").expect("a path")..].to_owned()
}

#[tokio::test]
async fn a_link_hands_out_its_file() {
    let digits = Digits::new().await;
    let got = digits.get(&[]).await;
    assert_eq!((got.status, got.text.as_str()), (200, "0123456789"), "{}", got.text);
    for (name, value) in [
        ("content-type", "image/png"),
        ("content-length", "10"),
        ("content-disposition", "attachment; filename=\"a.png\"; filename*=UTF-8''a.png"),
        ("etag", &digits.etag),
        ("accept-ranges", "bytes"),
        ("cache-control", "private, max-age=60"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("ratelimit-limit", "100"),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    let policy = got.header("content-security-policy");
    assert!(policy.contains("sandbox") && policy.contains("default-src 'none'"), "{policy}");
}

#[tokio::test]
async fn head_tells_all_but_the_bytes() {
    let digits = Digits::new().await;
    let got = send(digits.scene.client.request(Method::HEAD, &digits.link)).await;
    assert_eq!((got.status, got.text.as_str(), got.header("content-length")), (200, "", "10"));
    assert_eq!(got.header("etag"), digits.etag);
}

#[tokio::test]
async fn parts_are_answered_as_http_has_them() {
    let digits = Digits::new().await;
    for (range, status, text, content_range) in [
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=8-", 206, "89", "bytes 8-9/10"),
        ("bytes=-3", 206, "789", "bytes 7-9/10"),
        ("bytes=0-99", 200, "0123456789", ""),
        ("bytes=1-2,4-5", 200, "0123456789", ""),
        ("nonsense", 200, "0123456789", ""),
    ] {
        let got = digits.get(&[("range", range)]).await;
        assert_eq!((got.status, got.text.as_str()), (status, text), "{range}");
        assert_eq!(got.header("content-range"), content_range, "{range}");
        assert_eq!(got.header("content-length"), text.len().to_string(), "{range}");
    }
    let got = digits.get(&[("range", "bytes=10-")]).await;
    assert_eq!((got.status, got.code()), (416, "range_not_satisfiable"));
    assert_eq!(got.header("content-range"), "bytes */10");
    let another = [("range", "bytes=2-4"), ("if-range", "\"other\"")];
    assert_eq!(digits.get(&another).await.status, 200, "the file is another one now");
    let same = [("range", "bytes=2-4"), ("if-range", digits.etag.as_str())];
    assert_eq!(digits.get(&same).await.status, 206);
}

#[tokio::test]
async fn what_is_known_is_not_sent_again() {
    let digits = Digits::new().await;
    let etag = digits.etag.as_str();
    let (weak, second) = (format!("W/{etag}"), format!("\"a\", {etag}"));
    for (tags, status) in [(etag, 304), (&weak, 304), (&second, 304), ("*", 304), ("\"a\"", 200)] {
        let got = digits.get(&[("if-none-match", tags)]).await;
        assert_eq!((got.status, got.header("etag")), (status, etag), "{tags}");
        assert_eq!(got.text.is_empty(), status == 304, "{tags}");
    }
}

#[tokio::test]
async fn refusals_are_problems_and_tell_nothing() {
    let Digits { scene, link: good, .. } = Digits::new().await;
    let (path, query) = good.split_once('?').expect("a signature");
    let folder = path.strip_suffix("/digits").expect("a folder");
    let away = files_in(scene.folder.path()).join(key(&scene, "away").as_str());
    loop_at(&away);
    for (link, status, code) in [
        (path.to_owned(), 403, "invalid_signature"),
        (format!("{path}?bad"), 403, "invalid_signature"),
        (good.replace("digits", "others"), 403, "invalid_signature"),
        (format!("{folder}/../digits?{query}"), 403, "invalid_signature"),
        (format!("{folder}/%2e%2e/digits?{query}"), 403, "invalid_signature"),
        (link(&scene, "missing").await, 404, "not_found"),
        (link(&scene, "away").await, 503, "unavailable"),
        (good.clone(), 200, ""),
    ] {
        let got = send(scene.client.get(&link)).await;
        assert_eq!((got.status, got.code()), (status, code), "{link}: {}", got.text);
        if status == 200 {
            continue;
        }
        assert_eq!(got.header("content-type"), "application/problem+json", "{link}");
        let told = got.text.contains("symbolic") || got.text.contains("/files/");
        assert!(!told, "{link}: {}", got.text);
    }
    let got = send(scene.client.post(&good)).await;
    assert_eq!(
        (got.status, got.code(), got.header("allow")),
        (405, "method_not_allowed", "GET, HEAD")
    );
    scene.clock.advance(GOOD_FOR);
    let got = send(scene.client.get(&good)).await;
    assert_eq!((got.status, got.code()), (403, "expired_link"), "{}", got.text);
    assert_eq!(got.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn files_in_a_bucket_are_not_served_here() {
    let Digits { link, .. } = Digits::new().await;
    let url = ("BELLBUOY_FILES_URL", "s3://bucket?region=eu-central-1");
    let env = [(url.0.to_owned(), url.1.to_owned())].into();
    let sources = Sources { file: None, default_file: "/nowhere.toml".into(), env };
    let bucket = Config::load(sources).expect("a configuration").files;
    let elsewhere = Scene::with(|config| config.files = bucket).await;
    let got = send(elsewhere.client.get(&link)).await;
    assert_eq!((got.status, got.code()), (404, "route_not_found"), "{}", got.text);
    assert_eq!(got.header("content-type"), "application/problem+json");
}
