//! Second factors: switched on with a code, asked for, lost and switched off.

use std::time::Duration;

use bellbuoy_harness::{Account, Pair, TestApp, on_pairs};
use domain::totp::code_now;
use reqwest::Method;
use serde_json::{Value, json};

use crate::scene::*;

on_pairs! {
    a_second_factor_is_asked_for_once_it_is_confirmed
    a_backup_code_is_good_once
    guesses_at_codes_lock_the_account
    a_second_factor_is_switched_off
}

const STEP: Duration = Duration::from_secs(30);

fn from_base32(text: &str) -> Vec<u8> {
    let (mut out, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'2'..=b'7' => byte - b'2' + 26,
            other => panic!("{other}"),
        };
        held = (held << 5) | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out.push((held >> bits) as u8);
        }
    }
    out
}

/// Somebody's app.
struct Phone<'a> {
    app: &'a TestApp,
    secret: Vec<u8>,
}

impl Phone<'_> {
    fn code(&self) -> String {
        format!("{:06}", code_now(&self.secret, self.app.app.clock.now()))
    }

    /// The code of the next step, for each is good once.
    fn next(&self) -> String {
        self.app.advance(STEP);
        self.code()
    }
}

/// Switches somebody's second factor on; answers their app and backup codes.
async fn switch_on<'a>(app: &'a TestApp, who: &Account<'_>) -> (Phone<'a>, Vec<String>) {
    let (status, made) =
        who.post("/me/second-factor", &json!({ "password": ADMIN_PASSWORD })).await;
    assert_eq!(status, 201, "{made}");
    let secret = made["secret"].as_str().expect("a secret");
    assert!(made["uri"].as_str().expect("a URI").contains(secret), "{made}");
    assert!(made["qr_code"].as_str().expect("a picture").starts_with("data:image/svg+xml;base64,"));
    let phone = Phone { app, secret: from_base32(secret) };
    let (status, codes) =
        who.post("/me/second-factor/confirm", &json!({ "code": phone.code() })).await;
    assert_eq!(status, 200, "{codes}");
    let codes = codes["backup_codes"].as_array().expect("codes").iter();
    (phone, codes.map(|code| code.as_str().expect("a text").to_owned()).collect())
}

async fn enter(app: &TestApp, code: Option<&str>) -> (u16, Value) {
    let mut body = json!({ "email": ADMIN, "password": ADMIN_PASSWORD });
    if let Some(code) = code {
        body["code"] = json!(code);
    }
    login_with(app, body).await
}

async fn a_second_factor_is_asked_for_once_it_is_confirmed(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let elsewhere = Account::log_in(&app, "acme", ADMIN).await;
    let (status, told) = admin.post("/me/second-factor", &json!({ "password": "wrong" })).await;
    assert_eq!((status, fields(&told)), (400, vec!["password"]), "{told}");
    assert_eq!(enter(&app, Some("123456")).await.0, 200, "a code says nothing without a factor");
    let (status, told) =
        admin.post("/me/second-factor/confirm", &json!({ "code": "123456" })).await;
    assert_eq!(status, 409, "{told}");
    let (status, _) = admin.post("/me/second-factor", &json!({ "password": ADMIN_PASSWORD })).await;
    assert_eq!(status, 201);
    assert_eq!(enter(&app, None).await.0, 200, "not before it is confirmed");
    assert_eq!(admin.json("/me").await["second_factor"]["enabled"], false);
    let (status, told) = admin.post("/me/second-factor/confirm", &json!({ "code": "no" })).await;
    assert_eq!((status, fields(&told)), (400, vec!["code"]), "{told}");

    let (phone, codes) = switch_on(&app, &admin).await;
    assert_eq!(codes.len(), 10);
    assert_eq!(elsewhere.get("/me").await.0, 401, "other sessions end");
    let me = admin.json("/me").await;
    assert_eq!(me["second_factor"]["enabled"], true, "{me}");
    assert_eq!(me["second_factor"]["backup_codes_left"], 10);
    let (status, told) =
        admin.post("/me/second-factor", &json!({ "password": ADMIN_PASSWORD })).await;
    assert_eq!((status, &told["code"]), (409, &json!("conflict")), "{told}");

    let (status, told) = enter(&app, None).await;
    assert_eq!((status, &told["code"]), (401, &json!("second_factor_required")), "{told}");
    let (status, told) = enter(&app, Some(&phone.code())).await;
    assert_eq!(
        (status, &told["code"]),
        (401, &json!("invalid_code")),
        "confirming used it: {told}"
    );
    let code = phone.next();
    let both = futures_util::future::join(enter(&app, Some(&code)), enter(&app, Some(&code))).await;
    let fine = [&both.0, &both.1].iter().filter(|answer| answer.0 == 200).count();
    assert_eq!(fine, 1, "each is good once: {both:?}");
    let wrong = json!({ "email": ADMIN, "password": "wrong horse battery", "code": phone.next() });
    assert_eq!(login_with(&app, wrong).await.1["code"], json!("invalid_credentials"));
    assert_eq!(enter(&app, Some(&phone.code())).await.0, 200, "a wrong password uses no code up");
    let told = subjects(&app, ADMIN).await;
    assert!(told.contains(&"Logging in to acme takes a code now".to_owned()), "{told:?}");
    app.stop().await;
}

async fn a_backup_code_is_good_once(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let (phone, codes) = switch_on(&app, &admin).await;
    let shouted = codes[0].to_uppercase().replace('-', " ");
    assert_eq!(enter(&app, Some(&shouted)).await.0, 200);
    let (status, told) = enter(&app, Some(&codes[0])).await;
    assert_eq!((status, &told["code"]), (401, &json!("invalid_code")), "{told}");
    assert_eq!(admin.json("/me").await["second_factor"]["backup_codes_left"], 9);
    let told = subjects(&app, ADMIN).await;
    assert!(told.contains(&"A backup code for acme was used".to_owned()), "{told:?}");
    assert!(admin.json("/audit").await.to_string().contains("user.backup_code"));

    let renew = async |password: &str, code: &str| {
        let body = json!({ "password": password, "code": code });
        admin.post("/me/second-factor/backup-codes", &body).await
    };
    let (status, told) = renew("wrong", &codes[1]).await;
    assert_eq!((status, fields(&told)), (400, vec!["password"]), "{told}");
    let (status, told) = renew(ADMIN_PASSWORD, "000").await;
    assert_eq!((status, fields(&told)), (400, vec!["code"]), "{told}");
    let (status, fresh) = renew(ADMIN_PASSWORD, &phone.next()).await;
    assert_eq!(status, 200, "{fresh}");
    assert_eq!(enter(&app, Some(&codes[1])).await.0, 401, "those of before are good for nothing");
    let code = fresh["backup_codes"][0].as_str().expect("a code");
    assert_eq!(enter(&app, Some(code)).await.0, 200);
    app.stop().await;
}

async fn guesses_at_codes_lock_the_account(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let (phone, codes) = switch_on(&app, &admin).await;
    for _ in 0..8 {
        assert_eq!(enter(&app, None).await.1["code"], json!("second_factor_required"));
    }
    for guess in ["000000", "aaaa-aaaa-aaaa-aaaa", "x", "000001", "000002"] {
        // The right password alone must not make up for a wrong code.
        assert_eq!(enter(&app, None).await.1["code"], json!("second_factor_required"), "{guess}");
        assert_eq!(enter(&app, Some(guess)).await.0, 401, "{guess}");
    }
    for code in [None, Some(phone.next()), Some(codes[0].clone())] {
        let (status, told) = enter(&app, code.as_deref()).await;
        assert_eq!((status, &told["code"]), (401, &json!("invalid_credentials")), "locked: {told}");
    }
    app.advance(Duration::from_secs(15 * 60 + 1));
    assert_eq!(enter(&app, Some(&phone.next())).await.0, 200);
    app.stop().await;
}

async fn a_second_factor_is_switched_off(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let (phone, _) = switch_on(&app, &admin).await;
    let off = json!({ "password": ADMIN_PASSWORD, "code": phone.code() });
    let (status, told) = admin.post("/me/second-factor/disable", &off).await;
    assert_eq!((status, fields(&told)), (400, vec!["code"]), "used: {told}");
    let off = json!({ "password": ADMIN_PASSWORD, "code": phone.next() });
    assert_eq!(admin.post("/me/second-factor/disable", &off).await.0, 204);
    assert_eq!(enter(&app, None).await.0, 200);
    let (status, told) = admin.post("/me/second-factor/disable", &off).await;
    assert_eq!((status, &told["code"]), (409, &json!("conflict")), "{told}");

    let cleo = admin.colleague("acme", "cleo", &["viewer"]).await;
    switch_on(&app, &cleo).await;
    let (me, hers) = (
        format!("/users/{}/second-factor", admin.user),
        format!("/users/{}/second-factor", cleo.user),
    );
    let role = json!({ "name": "hr", "permissions": ["users:manage"] });
    assert_eq!(admin.post("/roles", &role).await.0, 201);
    let hr = admin.colleague("acme", "hanna", &["hr"]).await;
    for (who, path, wanted) in [
        (&cleo, &me, 403),
        (&hr, &me, 403),
        (&hr, &hers, 403),
        (&admin, &hers, 204),
        (&admin, &hers, 404),
    ] {
        let (status, told) = who.send(Method::DELETE, path, None).await;
        assert_eq!(status, wanted, "{path} {told}");
    }
    assert_eq!(cleo.get("/me").await.0, 401, "all sessions end");
    assert_eq!(login(&app, "cleo@example.com", ADMIN_PASSWORD).await.0, 200);
    let told = subjects(&app, "cleo@example.com").await;
    assert!(told.contains(&"Logging in to acme takes no code any more".to_owned()), "{told:?}");
    let log = admin.json("/audit").await.to_string();
    for action in ["user.second_factor_on", "user.second_factor_off", "user.second_factor_reset"] {
        assert!(log.contains(action), "{action}");
    }
    app.stop().await;
}
