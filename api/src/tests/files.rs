//! Files that are handed out to whoever has a link.

use poem::http::Method;

use super::*;

const FOLDER: &str = "/files/projects/00000000-0000-0000-0000-000000000001";

async fn get(path: &str, headers: &[(&str, &str)]) -> Got {
    let client = client();
    let request = client.get(format!("{FOLDER}/{path}"));
    send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

#[tokio::test]
async fn a_link_hands_out_its_file() {
    let got = get("digits?good", &[]).await;
    assert_eq!((got.status, got.text.as_str()), (200, "0123456789"), "{}", got.text);
    for (name, value) in [
        ("content-type", "image/png"),
        ("content-length", "10"),
        ("content-disposition", "attachment; filename=\"a.png\""),
        ("etag", "\"tag\""),
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
    let client = client();
    let got = send(client.request(Method::HEAD, format!("{FOLDER}/digits?good"))).await;
    assert_eq!((got.status, got.text.as_str(), got.header("content-length")), (200, "", "10"));
    assert_eq!(got.header("etag"), "\"tag\"");
}

#[tokio::test]
async fn parts_are_answered_as_http_has_them() {
    for (range, status, text, content_range) in [
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=8-", 206, "89", "bytes 8-9/10"),
        ("bytes=-3", 206, "789", "bytes 7-9/10"),
        ("bytes=0-99", 200, "0123456789", ""),
        ("bytes=1-2,4-5", 200, "0123456789", ""),
        ("nonsense", 200, "0123456789", ""),
    ] {
        let got = get("digits?good", &[("range", range)]).await;
        assert_eq!((got.status, got.text.as_str()), (status, text), "{range}");
        assert_eq!(got.header("content-range"), content_range, "{range}");
        assert_eq!(got.header("content-length"), text.len().to_string(), "{range}");
    }
    let got = get("digits?good", &[("range", "bytes=10-")]).await;
    assert_eq!((got.status, got.code()), (416, "range_not_satisfiable"));
    assert_eq!(got.header("content-range"), "bytes */10");
    let another = [("range", "bytes=2-4"), ("if-range", "\"other\"")];
    assert_eq!(get("digits?good", &another).await.status, 200, "the file is another one now");
    let same = [("range", "bytes=2-4"), ("if-range", "\"tag\"")];
    assert_eq!(get("digits?good", &same).await.status, 206);
}

#[tokio::test]
async fn what_is_known_is_not_sent_again() {
    for (tags, status) in
        [("\"tag\"", 304), ("W/\"tag\"", 304), ("\"a\", \"tag\"", 304), ("*", 304), ("\"a\"", 200)]
    {
        let got = get("digits?good", &[("if-none-match", tags)]).await;
        assert_eq!((got.status, got.header("etag")), (status, "\"tag\""), "{tags}");
        assert_eq!(got.text.is_empty(), status == 304, "{tags}");
    }
}

#[tokio::test]
async fn refusals_are_problems_and_tell_nothing() {
    for (path, status, code) in [
        ("digits", 403, "invalid_signature"),
        ("digits?bad", 403, "invalid_signature"),
        ("../digits?good", 403, "invalid_signature"),
        ("%2e%2e/digits?good", 403, "invalid_signature"),
        ("digits?ended", 403, "expired_link"),
        ("digits?elsewhere", 404, "route_not_found"),
        ("missing?good", 404, "not_found"),
        ("away?good", 503, "unavailable"),
        ("broken?good", 500, "internal"),
    ] {
        let got = get(path, &[]).await;
        assert_eq!((got.status, got.code()), (status, code), "{path}: {}", got.text);
        assert_eq!(got.header("content-type"), "application/problem+json", "{path}");
        assert!(!got.text.contains("secret words"), "{path}: {}", got.text);
    }
    let client = client();
    let got = send(client.post(format!("{FOLDER}/digits?good"))).await;
    assert_eq!(
        (got.status, got.code(), got.header("allow")),
        (405, "method_not_allowed", "GET, HEAD")
    );
}
