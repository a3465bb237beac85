//! The last resort against secrets in logs: a writer that blots them out of finished lines.

use std::borrow::Cow;
use std::io::{self, Write};

use memchr::memmem;

/// What our own secrets begin with: keys with `bb_`, tokens with `bb`, a letter of these and `_`.
const STEMS: [&[u8]; 2] = [b"bb", WEBHOOK];
const TOKENS: &[u8] = b"rvpige";
const WEBHOOK: &[u8] = b"whsec_";
const BLOT: &str = "[redacted]";

/// Writes to `W` what is left of each line.
pub struct Redacting<W>(pub W);

impl<W: Write> Write for Redacting<W> {
    // The formatter hands over whole lines, so that no secret is cut in two.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line).map(redact) {
            Ok(Cow::Owned(clean)) => self.0.write_all(clean.as_bytes())?,
            _ => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// `text` without API keys and webhook secrets; the prefix of a key stays, for it only names the key.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    let mut rest = text;
    while let Some((at, keep, len)) = next(rest) {
        clean.push_str(&rest[..at + keep]);
        clean.push_str(BLOT);
        rest = &rest[at + len..];
    }
    if rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    clean.push_str(rest);
    Cow::Owned(clean)
}

/// Where the next secret begins, how much of it may stay and how long it is.
fn next(text: &str) -> Option<(usize, usize, usize)> {
    // Every line goes through here, so that what all marks share is looked for, which next to no line has.
    let text = text.as_bytes();
    STEMS.iter().filter_map(|stem| first(text, stem)).min()
}

/// The first secret that begins with `stem`.
fn first(text: &[u8], stem: &[u8]) -> Option<(usize, usize, usize)> {
    let mut from = 0;
    loop {
        let at = from + memmem::find(&text[from..], stem)?;
        if let Some((keep, len)) = secret(&text[at..]) {
            return Some((at, keep, len));
        }
        from = at + 1;
    }
}

fn secret(bytes: &[u8]) -> Option<(usize, usize)> {
    if let Some(rest) = bytes.strip_prefix(WEBHOOK) {
        let base64 =
            |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_');
        let len = rest.iter().take_while(base64).count();
        return (len > 0).then_some((6, 6 + len));
    }
    let is_hex = |part: &[u8]| part.iter().all(u8::is_ascii_hexdigit);
    // Refresh tokens and those of mails: project, row and secret.
    if bytes.get(2) != Some(&b'_') {
        if !TOKENS.contains(bytes.get(2)?) || bytes.get(3) != Some(&b'_') {
            return None;
        }
        let (head, secret) = (bytes.get(4..69)?, bytes.get(70..134)?);
        let ids = is_hex(&head[..32]) && head[32] == b'_' && is_hex(&head[33..]);
        return (ids && bytes[69] == b'_' && is_hex(secret)).then_some((70, 134));
    }
    let (prefix, secret) = (bytes.get(3..15)?, bytes.get(16..80)?);
    (bytes[15] == b'_' && is_hex(prefix) && is_hex(secret)).then_some((16, 80))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_blotted_out_and_nothing_else() {
        let key = format!("bb_0123456789ab_{}", "f".repeat(64));
        for (line, want) in [
            ("bb_ and whsec_ alone".to_owned(), None),
            (
                format!("key={key} again {key}."),
                Some("key=bb_0123456789ab_[redacted] again bb_0123456789ab_[redacted]."),
            ),
            (
                "x\"whsec_MfKQ9r8GKYqr/TwjUPD8ILPZIo2LaLaSw==\"y".to_owned(),
                Some("x\"whsec_[redacted]\"y"),
            ),
            (
                format!("bb_bb_0123456789ab_{}ä", "0".repeat(64)),
                Some("bb_bb_0123456789ab_[redacted]ä"),
            ),
            (
                format!("?token=bbp_{0}_{0}_{1}", "0a".repeat(16), "f".repeat(64)),
                Some(
                    "?token=bbp_0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a_0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a_[redacted]",
                ),
            ),
            (format!("bbr_{0}_{0}_{1}", "0a".repeat(16), "f".repeat(63)), None),
            (format!("bb_0123456789ab_{}", "f".repeat(63)), None),
            (format!("bbb_0123456789ab_{}", "f".repeat(64)), Some("bbb_0123456789ab_[redacted]")),
            ("bb_ä".repeat(40), None),
        ] {
            assert_eq!(redact(&line), want.unwrap_or(&line), "{line}");
        }
    }

    #[test]
    fn a_writer_says_that_it_took_the_whole_line() {
        let mut out = Vec::new();
        let line = b"a whsec_abc b\n";
        assert_eq!(Redacting(&mut out).write(line).expect("written"), line.len());
        assert_eq!(out, b"a whsec_[redacted] b\n");
    }
}
