//! A mail as it travels: RFC 5322, in UTF-8.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use crate::time::Time;

/// A mail on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its id: a mail that is handed over twice has the same one both times.
    pub id: Uuid,
    /// Which attempt this is, from 1.
    pub attempt: i64,
    /// Who sends it: an address, or a name with the address in angle brackets.
    pub from: String,
    /// The address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// When it was written.
    pub at: Time,
    /// The host that ids of messages end in.
    pub host: String,
}

impl Message {
    /// The id by which mail servers know it.
    pub fn message_id(&self) -> String {
        format!("<{}@{}>", self.id.simple(), self.host)
    }

    /// The message, byte for byte the same for the same mail.
    pub fn bytes(&self) -> Vec<u8> {
        let date = self.at.utc().format("%a, %d %b %Y %H:%M:%S +0000");
        let headers = [
            ("Date", date.to_string()),
            ("From", from(&self.from)),
            ("To", line(&self.to)),
            ("Subject", words(&line(&self.subject))),
            ("Message-ID", self.message_id()),
            ("Auto-Submitted", "auto-generated".to_owned()),
            ("MIME-Version", "1.0".to_owned()),
            ("Content-Type", "text/plain; charset=utf-8".to_owned()),
            ("Content-Transfer-Encoding", "8bit".to_owned()),
        ];
        let mut text = String::new();
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        for one in self.text.lines() {
            text.push_str(one);
            text.push_str("\r\n");
        }
        text.into_bytes()
    }
}

/// A value of one line: whatever would end it is taken out, so that no value makes a header of its own.
fn line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

fn from(text: &str) -> String {
    let text = line(text);
    match text.rsplit_once('<') {
        Some((name, address)) if !name.trim().is_empty() => {
            format!("{} <{address}", words(name.trim()))
        }
        _ => text,
    }
}

/// The most bytes of text in one encoded word, which may have 75 characters with all that is around them.
const WORD: usize = 42;

/// Text of a header: as it is, or in encoded words (RFC 2047) when it has other letters than ASCII.
fn words(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut parts = vec![String::new()];
    for c in text.chars() {
        match parts.last_mut() {
            Some(last) if last.len() + c.len_utf8() <= WORD => last.push(c),
            _ => parts.push(c.to_string()),
        }
    }
    let word = |part: &String| format!("=?utf-8?B?{}?=", STANDARD.encode(part));
    parts.iter().map(word).collect::<Vec<_>>().join("\r\n ")
}

/// Whether a text can be the sender of mails: an address, or a name and the address in angle brackets.
pub fn is_sender(text: &str) -> bool {
    let address = match text.rsplit_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => text,
    };
    let plain = !text.chars().any(char::is_control) && text.len() <= 400;
    plain && crate::user::email_fault(address).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message {
            id: Uuid::from_u128(7),
            attempt: 1,
            from: "Bellbuoy <bell@example.com>".into(),
            to: "ana@example.com".into(),
            subject: "Prove your address".into(),
            text: "Hello,\n\nit is you.\n".into(),
            at: Time::parse("2026-03-01T12:00:00Z").expect("a time"),
            host: "alerts.example.com".into(),
        }
    }

    fn text(message: &Message) -> String {
        String::from_utf8(message.bytes()).expect("UTF-8")
    }

    #[test]
    fn a_message_has_its_headers_and_its_text() {
        assert_eq!(
            text(&message()),
            "Date: Sun, 01 Mar 2026 12:00:00 +0000\r\n\
             From: Bellbuoy <bell@example.com>\r\n\
             To: ana@example.com\r\n\
             Subject: Prove your address\r\n\
             Message-ID: <00000000000000000000000000000007@alerts.example.com>\r\n\
             Auto-Submitted: auto-generated\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 8bit\r\n\
             \r\n\
             Hello,\r\n\r\nit is you.\r\n"
        );
    }

    #[test]
    fn no_value_makes_a_header_of_its_own() {
        let evil = "x\r\nBcc: everybody@example.com\r\n\r\ntext";
        for message in [
            Message { to: evil.into(), ..message() },
            Message { subject: evil.into(), ..message() },
            Message { from: evil.into(), ..message() },
        ] {
            let text = text(&message);
            let head = text.split("\r\n\r\n").next().expect("headers");
            assert!(!head.contains("\nBcc"), "{head}");
            assert_eq!(head.lines().count(), 9, "{head}");
        }
    }

    #[test]
    fn other_letters_are_encoded() {
        let long = Message { subject: "Grüße ".repeat(30), ..message() };
        let text = text(&long);
        assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 998), "{text}");
        assert!(text.contains("Subject: =?utf-8?B?R3LDvMOfZSB"), "{text}");
        let named = Message { from: "Glöckner <bell@example.com>".into(), ..message() };
        let named = String::from_utf8(named.bytes()).expect("UTF-8");
        assert!(named.contains("From: =?utf-8?B?R2zDtmNrbmVy?= <bell@example.com>\r\n"), "{named}");
    }

    #[test]
    fn senders() {
        for (text, fine) in [
            ("bell@example.com", true),
            ("Bell Buoy <bell@example.com>", true),
            ("<bell@example.com>", true),
            ("bell", false),
            ("Bell <bell@example.com", false),
            ("Bell <bell@example.com>\r\nBcc: x@example.com", false),
            ("", false),
        ] {
            assert_eq!(is_sender(text), fine, "{text:?}");
        }
    }
}
