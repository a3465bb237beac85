//! Where pushes to somebody go: the tokens that the push services gave to their devices.

use serde::Deserialize;

use super::fault::{Fault, FaultCode};
use super::names::words;
use crate::id::sha256;
use crate::time::Time;
use uuid::Uuid;

words! {
    /// Whose push service a token is for.
    Platform {
        /// Firebase Cloud Messaging.
        Fcm = 1 "fcm",
        /// Apple's.
        Apns = 2 "apns",
        /// A browser's, by the Web Push protocol.
        Webpush = 3 "webpush",
    }
}

/// The most tokens of one account; of more the ones that were not seen for longest go.
pub const MAX_TOKENS: usize = 20;
/// The longest token, in bytes.
pub const MAX_TOKEN: usize = 4096;
/// The longest name of a device, in characters.
pub const MAX_DEVICE: usize = 100;

/// A token as it is told, without what would let others push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushToken {
    /// Its id.
    pub id: Uuid,
    /// For whose service.
    pub platform: Platform,
    /// What tells the token again.
    pub hash: [u8; 32],
    /// What its holder calls the device.
    pub device: Option<String>,
    /// When it was first seen.
    pub created_at: Time,
    /// When it was last seen.
    pub last_seen_at: Time,
}

/// What tells a token again.
pub fn token_hash(platform: Platform, token: &str) -> [u8; 32] {
    sha256(format!("{platform}\n{token}").as_bytes())
}

/// A browser's subscription, as `PushSubscription.toJSON` writes it.
#[derive(Deserialize)]
struct Subscription {
    endpoint: String,
    keys: SubscriptionKeys,
}

#[derive(Deserialize)]
struct SubscriptionKeys {
    p256dh: String,
    auth: String,
}

/// What is wrong with a token and the name of its device.
pub fn token_faults(platform: Platform, token: &str, device: Option<&str>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let fault = |code, right| Fault::new("token", code, right);
    if token.is_empty() {
        faults.push(fault(
            FaultCode::Empty,
            "it is empty; send the token that the push service gave",
        ));
    } else if token.len() > MAX_TOKEN {
        faults.push(fault(FaultCode::TooLarge, "it must have at most 4096 bytes"));
    } else {
        let (fine, right) = match platform {
            Platform::Fcm => {
                (visible(token), "it must be of visible ASCII characters, as FCM gives it")
            }
            Platform::Apns => (
                token.len() >= 64
                    && token.len().is_multiple_of(2)
                    && token.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "it must be 64 or more hexadecimal digits, as APNs gives it",
            ),
            Platform::Webpush => (
                is_subscription(token),
                "it must be the subscription as JSON: an endpoint that begins with https://, and keys.p256dh and keys.auth",
            ),
        };
        if !fine {
            faults.push(fault(FaultCode::Invalid, right));
        }
    }
    let device = device.unwrap_or_default();
    if device.chars().count() > MAX_DEVICE {
        faults.push(Fault::new(
            "device",
            FaultCode::TooLong,
            "it must have at most 100 characters",
        ));
    } else if device.chars().any(char::is_control) {
        faults.push(Fault::new("device", FaultCode::Invalid, "it must have no control characters"));
    }
    faults
}

fn is_subscription(text: &str) -> bool {
    let key = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=+/".contains(&byte);
        !text.is_empty() && text.bytes().all(plain)
    };
    serde_json::from_str::<Subscription>(text).is_ok_and(|read| {
        let fine = url::Url::parse(&read.endpoint).is_ok_and(|url| url.scheme() == "https");
        fine && key(&read.keys.p256dh) && key(&read.keys.auth)
    })
}

/// A token as its holder and the export see it: enough to tell it from others.
pub fn masked(hash: &[u8; 32]) -> String {
    format!("sha256:{}…", hex::encode(&hash[..4]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_judged_by_their_platform() {
        let apns = "a1".repeat(32);
        let web = r#"{"endpoint":"https://push.example/x","expirationTime":null,"keys":{"p256dh":"BA-_","auth":"x1"}}"#;
        for (platform, token, fine) in [
            (Platform::Fcm, "dQw4:APA91b-x_y", true),
            (Platform::Fcm, "two words", false),
            (Platform::Fcm, "", false),
            (Platform::Fcm, &"x".repeat(4097), false),
            (Platform::Apns, &apns, true),
            (Platform::Apns, "a1b2", false),
            (Platform::Apns, &"zz".repeat(32), false),
            (Platform::Webpush, web, true),
            (Platform::Webpush, &web.replace("https", "http"), false),
            (Platform::Webpush, "{}", false),
        ] {
            let faults = token_faults(platform, token, None);
            assert_eq!(faults.is_empty(), fine, "{platform} {token:.40}: {faults:?}");
        }
        assert_eq!(token_faults(Platform::Fcm, "x", Some("a\nb"))[0].field, "device");
        assert_eq!(token_faults(Platform::Fcm, "x", Some(&"x".repeat(101)))[0].field, "device");
        assert!(token_faults(Platform::Fcm, "x", Some("My phone ☎")).is_empty());
    }

    #[test]
    fn a_token_of_another_platform_is_another() {
        assert_ne!(token_hash(Platform::Fcm, "x"), token_hash(Platform::Apns, "x"));
    }
}
