//! Second factors: codes that change every half minute (RFC 6238, with SHA-1 as every app does it), and backup codes.

use ring::hmac;

use crate::id::sha256;
use crate::time::Time;

/// How many bytes a secret has: what RFC 4226 recommends.
pub const SECRET: usize = 20;
/// How many seconds a code is good for.
const STEP: i64 = 30;
/// How many steps a clock may be off, either way.
const DRIFT: i64 = 1;
/// How many backup codes there are.
pub const BACKUP_CODES: usize = 10;
/// How many bytes of chance a backup code has: too many to try even for who has the hashes.
const BACKUP: usize = 10;

/// What somebody gave as their code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// Six digits, of an app.
    Digits(u32),
    /// The hash of a backup code.
    Backup([u8; 32]),
}

/// Reads a code as people write it, with blanks and hyphens wherever they like; none when it can be neither.
pub fn read_code(text: &str) -> Option<Given> {
    if text.len() > 64 {
        return None;
    }
    let plain: String =
        text.chars().filter(|c| !matches!(c, ' ' | '-')).map(|c| c.to_ascii_uppercase()).collect();
    if plain.len() == 6 && plain.bytes().all(|byte| byte.is_ascii_digit()) {
        return plain.parse().ok().map(Given::Digits);
    }
    let fits = plain.len() == BACKUP * 8 / 5 && plain.bytes().all(|byte| ALPHABET.contains(&byte));
    fits.then(|| Given::Backup(sha256(plain.as_bytes())))
}

/// The step at which a code is right now, if it is at one that is later than `last`: each step is good once.
pub fn step_of(secret: &[u8], code: u32, last: i64, now: Time) -> Option<i64> {
    let current = now.micros().div_euclid(1_000_000).div_euclid(STEP);
    let mut found = None;
    // All of them are looked at, so that it takes as long whichever it is.
    for step in current - DRIFT..=current + DRIFT {
        if code_at(secret, step) == code && step > last && found.is_none() {
            found = Some(step);
        }
    }
    found
}

/// The code of a time, for tests and for whoever shows one.
pub fn code_now(secret: &[u8], now: Time) -> u32 {
    code_at(secret, now.micros().div_euclid(1_000_000).div_euclid(STEP))
}

fn code_at(secret: &[u8], step: i64) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    let at = usize::from(bytes.last().copied().unwrap_or_default() & 0xf);
    let word = bytes.get(at..at + 4).and_then(|word| <[u8; 4]>::try_from(word).ok());
    (u32::from_be_bytes(word.unwrap_or_default()) & 0x7fff_ffff) % 1_000_000
}

/// Ten bytes of chance as a backup code, and the hash by which it is known.
pub fn backup_code(chance: [u8; BACKUP]) -> (String, [u8; 32]) {
    let plain = base32(&chance);
    let groups: Vec<&str> =
        (0..plain.len()).step_by(4).filter_map(|at| plain.get(at..at + 4)).collect();
    (groups.join("-").to_lowercase(), sha256(plain.as_bytes()))
}

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Base 32 without padding (RFC 4648), as apps take secrets.
pub fn base32(bytes: &[u8]) -> String {
    let (mut out, mut bits, mut held) = (String::new(), 0_u32, 0_u32);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(char::from(ALPHABET[(held >> bits) as usize & 31]));
        }
    }
    if bits > 0 {
        out.push(char::from(ALPHABET[(held << (5 - bits)) as usize & 31]));
    }
    out
}

/// What an app reads out of the picture: the key URI that Google Authenticator began with.
pub fn uri(secret: &[u8], project: &str, email: &str) -> String {
    let issuer = percent(&format!("Bellbuoy {project}"));
    let account = percent(email);
    let secret = base32(secret);
    format!(
        "otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period={STEP}"
    )
}

fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    /// The test values of RFC 6238, whose codes have eight digits: ours are their last six.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let secret = b"12345678901234567890";
        for (seconds, code) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            assert_eq!(code_now(secret, at(seconds)), code % 1_000_000, "{seconds}");
        }
    }

    #[test]
    fn a_code_is_good_within_a_step_and_once() {
        let secret = [7; SECRET];
        let now = at(30_000);
        let step = 1000;
        for (off, good) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let code = code_at(&secret, step + off);
            assert_eq!(step_of(&secret, code, 0, now), good.then_some(step + off), "{off}");
        }
        let code = code_at(&secret, step);
        assert_eq!(step_of(&secret, code, step, now), None, "used");
        assert_eq!(step_of(&secret, code, step + 1, now), None, "older than the last");
    }

    #[test]
    fn codes_are_read_as_people_write_them() {
        assert_eq!(read_code("123456"), Some(Given::Digits(123_456)));
        assert_eq!(read_code(" 012 345"), Some(Given::Digits(12_345)));
        let (text, hash) = backup_code([3; BACKUP]);
        assert_eq!(text.len(), 19, "{text}");
        assert_eq!(read_code(&text), Some(Given::Backup(hash)));
        assert_eq!(read_code(&text.to_uppercase().replace('-', "")), Some(Given::Backup(hash)));
        for bad in
            ["", "12345", "1234567", "12345a", "١٢٣٤٥٦", "aaaa-aaaa-aaaa-aaa1", &"1".repeat(65)]
        {
            assert_eq!(read_code(bad), None, "{bad}");
        }
    }

    #[test]
    fn base_32_is_that_of_the_rfc() {
        for (bytes, text) in
            [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foobar", "MZXW6YTBOI")]
        {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn an_app_is_told_all_of_it() {
        assert_eq!(
            uri(b"foobar", "Acme & Co", "ana+1@example.com"),
            "otpauth://totp/Bellbuoy%20Acme%20%26%20Co:ana%2B1@example.com?secret=MZXW6YTBOI\
             &issuer=Bellbuoy%20Acme%20%26%20Co&algorithm=SHA1&digits=6&period=30"
        );
    }
}
