//! Signed links, asked for by somebody who has nothing else.

use std::time::Duration;

use files::key::FileKey;
use files::link::LinkOptions;

use super::engines::{Place, key};

fn options(inline: bool) -> LinkOptions {
    LinkOptions {
        ttl: Some(Duration::from_secs(60)),
        content_type: Some("image/png".to_owned()),
        name: Some("Glocke \"ä\".png".to_owned()),
        inline,
    }
}

async fn link(place: &Place, key: &FileKey, options: &LinkOptions) -> String {
    let link = place.files.link(key, options, place.now()).await.expect("is signed");
    place.reach(&link)
}

async fn ask(url: &str, range: Option<&str>) -> (u16, reqwest::header::HeaderMap, String) {
    let mut request = reqwest::Client::new().get(url);
    if let Some(range) = range {
        request = request.header("range", range);
    }
    let answer = request.send().await.expect("an answer");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, answer.text().await.expect("a text"))
}

pub async fn a_link_is_good_for_anybody(place: &Place) {
    let key = key("a/b.png");
    place.put(&key, b"0123456789").await;
    for inline in [true, false] {
        let url = link(place, &key, &options(inline)).await;
        let (status, headers, text) = ask(&url, None).await;
        assert_eq!((status, text.as_str()), (200, "0123456789"));
        assert_eq!(headers["content-type"], "image/png");
        let disposition = headers["content-disposition"].to_str().expect("ASCII");
        let begins = if inline { "inline; " } else { "attachment; " };
        assert!(disposition.starts_with(begins), "{disposition}");
        assert!(
            disposition.ends_with("filename*=UTF-8''Glocke%20%22%C3%A4%22.png"),
            "{disposition}"
        );
        assert!(headers.contains_key("etag"));
        let (status, headers, text) = ask(&url, Some("bytes=2-4")).await;
        assert_eq!((status, text.as_str()), (206, "234"));
        assert_eq!(headers["content-range"], "bytes 2-4/10");
    }
    // The bucket of these tests has a public server before it, the disk has none.
    let public =
        (place.files.engine() == "s3").then(|| format!("https://cdn.example.com/files/{key}"));
    assert_eq!(place.files.public_url(&key), public);
    let html = LinkOptions { content_type: Some("text/html".to_owned()), ..options(true) };
    let (_, headers, _) = ask(&link(place, &key, &html).await, None).await;
    let disposition = headers["content-disposition"].to_str().expect("ASCII");
    assert!(disposition.starts_with("attachment"), "markup of a tenant is never shown");
}

pub async fn a_link_is_good_for_its_file_and_its_time(place: &Place) {
    let (key, other) = (key("a/b.png"), key("a/c.png"));
    let mine = FileKey::new(key.project(), "a/d.png").expect("a key");
    for one in [&key, &other, &mine] {
        place.put(one, b"secret").await;
    }
    let url = link(place, &key, &options(false)).await;
    assert_eq!(ask(&url, None).await.0, 200);
    let bare = url.split_once('?').expect("a query").0;
    let changed = |from: &str, to: &str| {
        assert!(url.contains(from), "{url} holds no {from}");
        url.replacen(from, to, 1)
    };
    for (what, url) in [
        ("no signature", bare.to_owned()),
        ("another file", changed("b.png", "d.png")),
        ("another project", changed(&key.project().to_string(), &other.project().to_string())),
        ("another disposition", changed("attachment", "inline")),
        ("a longer life", changed("60", "61")),
    ] {
        if what == "a longer life" && !url.contains("X-Amz-Expires=61") {
            // On disk the end is said, not the length.
            continue;
        }
        let (status, _, text) = ask(&url, None).await;
        assert_eq!(status, 403, "{what}: {text}");
        assert!(!text.contains("secret"), "{what}: {text}");
    }
    let earlier = place.now().minus(Duration::from_secs(3600));
    let ended = place.files.link(&key, &options(false), earlier).await.expect("is signed");
    let (status, _, text) = ask(&place.reach(&ended), None).await;
    assert_eq!(status, 403, "ended: {text}");
    // It is no link to what comes later, and tells nothing of what was.
    place.files.delete(&key).await.expect("goes");
    assert_eq!(ask(&url, None).await.0, 404);
}
