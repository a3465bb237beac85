//! The chain, against metadata services that answer from a list.

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

const ANSWER: &str = r#"{"Code":"Success","AccessKeyId":"AKID","SecretAccessKey":"shh","Token":"t",
    "Expiration":"2030-01-02T03:04:05Z"}"#;

/// A service that answers by the first line of a request, if the request has this in it; answers where it is.
async fn service(pages: &'static [(&'static str, &'static str, &'static str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let Ok(byte) = socket.read_u8().await else { break };
                asked.push(byte);
            }
            let mut asked = String::from_utf8_lossy(&asked).to_lowercase();
            let length =
                asked.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            let mut body = vec![0; length.and_then(|text| text.parse().ok()).unwrap_or(0)];
            let _ = socket.read_exact(&mut body).await;
            asked += &String::from_utf8_lossy(&body).to_lowercase();
            let page = pages.iter().find(|(line, with, _)| {
                asked.starts_with(&line.to_lowercase()) && asked.contains(&with.to_lowercase())
            });
            let (status, body) = page.map_or((404, "no"), |(_, _, body)| (200, *body));
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close");
            let _ = socket.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await;
        }
    });
    format!("http://{address}")
}

fn around(variables: &[(&str, &str)], machine: &str) -> Credentials {
    telemetry::install_tls();
    let set: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Credentials::around(None, Arc::new(move |name| set.get(name).cloned()), machine.to_owned())
}

#[tokio::test]
async fn the_configuration_and_the_environment_come_first() {
    let fixed = Credentials::new(Some(("mine", "secret"))).find().await.expect("found");
    assert_eq!((fixed.access_key_id(), fixed.secret_access_key()), ("mine", "secret"));
    let set = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
    let found = around(&set, "http://127.0.0.1:1").find().await.expect("found");
    assert_eq!((found.access_key_id(), found.session_token()), ("a", None));
}

#[tokio::test]
async fn a_container_is_asked_with_its_token() {
    let address = service(&[("get /creds ", "authorization: let me in", ANSWER)]).await;
    let url = format!("{address}/creds");
    let set = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "let me in"),
    ];
    let found = around(&set, "http://127.0.0.1:1").find().await.expect("found");
    assert_eq!((found.access_key_id(), found.session_token()), ("AKID", Some("t")));
    let until = found.expiry().expect("an end");
    assert_eq!(until.duration_since(SystemTime::UNIX_EPOCH).expect("later").as_secs(), 1893553445);
    // Without the token it answers 404, and over plain HTTP to elsewhere it is not even asked.
    assert!(around(&set[..1], "http://127.0.0.1:1").find().await.is_err());
    for url in ["http://example.com/creds", "http://10.0.0.1/creds", "no url"] {
        let set = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)];
        let error = around(&set, "http://127.0.0.1:1").find().await.expect_err("refused");
        let words = std::error::Error::source(&error).expect("a reason").to_string();
        assert!(words.contains("neither https"), "{words}");
    }
}

#[tokio::test]
async fn a_machine_is_asked_for_a_token_first() {
    let address = service(&[
        ("put /latest/api/token ", "x-aws-ec2-metadata-token-ttl-seconds: 300", "tok"),
        ("get /latest/meta-data/iam/security-credentials/ ", "metadata-token: tok", "role\n"),
        ("get /latest/meta-data/iam/security-credentials/role ", "metadata-token: tok", ANSWER),
    ])
    .await;
    let found = around(&[], &address).find().await.expect("found");
    assert_eq!(found.access_key_id(), "AKID");
    let off = [("AWS_EC2_METADATA_DISABLED", "true")];
    let error = around(&off, &address).find().await.expect_err("switched off");
    assert!(matches!(error, CredentialsError::CredentialsNotLoaded(_)), "{error:?}");
}

const ASSUMED: &str = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult>
    <Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>shh</SecretAccessKey>
    <SessionToken>a/b+c==</SessionToken><Expiration>2030-01-02T03:04:05Z</Expiration></Credentials>
    </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";

#[tokio::test]
async fn a_token_of_the_cluster_is_traded_for_credentials() {
    let folder = std::env::temp_dir().join(format!("bellbuoy-token-{}", std::process::id()));
    std::fs::write(&folder, "eyJhbGci.of.service\n").expect("written");
    const ASKED: &str = "rolearn=arn%3aaws%3aiam%3a%3a1%3arole%2fbell&rolesessionname=bellbuoy&\
                 webidentitytoken=eyjhbgci.of.service";
    let address = service(&[("post / ", ASKED, ASSUMED)]).await;
    let set = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", folder.to_str().expect("a path")),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/bell"),
        ("AWS_ENDPOINT_URL_STS", &address),
    ];
    let found = around(&set, "http://127.0.0.1:1").find().await.expect("found");
    let keys = (found.access_key_id(), found.secret_access_key(), found.session_token());
    assert_eq!(keys, ("ASIA", "shh", Some("a/b+c==")));
    let until = found.expiry().expect("an end");
    assert_eq!(until.duration_since(SystemTime::UNIX_EPOCH).expect("later").as_secs(), 1893553445);
    // Another role is refused, and the refusal does not repeat the token.
    let other = [set[0], ("AWS_ROLE_ARN", "arn:aws:iam::1:role/other"), set[2]];
    let error = around(&other, "http://127.0.0.1:1").find().await.expect_err("refused");
    assert!(!format!("{error:?}").contains("eyJhbGci"), "{error:?}");
    let elsewhere = [set[0], set[1], ("AWS_ENDPOINT_URL_STS", "http://sts.example.com")];
    assert!(around(&elsewhere, "http://127.0.0.1:1").find().await.is_err());
    std::fs::remove_file(&folder).expect("removed");
    assert!(around(&set, "http://127.0.0.1:1").find().await.is_err(), "no token, no credentials");
}

#[test]
fn sts_is_asked_where_the_region_is() {
    for (region, wanted) in [
        (None, "https://sts.amazonaws.com"),
        (Some("eu-central-1"), "https://sts.eu-central-1.amazonaws.com"),
        (Some("cn-north-1"), "https://sts.cn-north-1.amazonaws.com.cn"),
    ] {
        assert_eq!(sts_of(region), wanted);
    }
    assert!(read_sts("<AccessKeyId>a</AccessKeyId>").is_err());
}

#[test]
fn secrets_stay_out_of_errors_and_debug() {
    let error = read(r#"{"AccessKeyId":"AKID","SecretAccessKey":"hunter2"#, "machine");
    assert!(!format!("{:?}", error.expect_err("broken")).contains("hunter2"));
    let mine = Credentials::new(Some(("mine", "hunter2")));
    assert!(!format!("{mine:?}").contains("hunter2"));
}
