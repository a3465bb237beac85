//! Where something is in a trace, as the header traceparent says it.

use std::fmt;

/// A place in a trace, as the header `traceparent` writes it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Traceparent {
    trace: [u8; 16],
    span: [u8; 8],
    flags: u8,
}

/// How long it is in writing.
const LEN: usize = 55;

const HEX: &[u8; 16] = b"0123456789abcdef";

impl Traceparent {
    /// The beginning of a new trace.
    pub fn fresh() -> Self {
        // A bit is always set, for ids of all zeros mean "none".
        let (mut trace, mut span): ([u8; 16], [u8; 8]) = rand::random();
        trace[15] |= 1;
        span[7] |= 1;
        Self { trace, span, flags: 1 }
    }

    /// One of these parts, which are not all zeros.
    #[cfg(feature = "otlp")]
    pub(super) const fn of(trace: [u8; 16], span: [u8; 8], flags: u8) -> Self {
        Self { trace, span, flags: flags & 1 }
    }

    /// Its trace, its place and its flags.
    #[cfg(feature = "otlp")]
    pub(super) const fn parts(self) -> ([u8; 16], [u8; 8], u8) {
        (self.trace, self.span, self.flags)
    }

    /// Another place in the same trace.
    #[must_use]
    pub fn child(self) -> Self {
        Self { span: Self::fresh().span, ..self }
    }

    /// Reads the header; `None` when it is not as W3C has it.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let version = bytes.get(..2)?;
        // Later versions may append fields behind a dash, and keep what we read.
        let ends = match bytes.get(LEN) {
            None => true,
            Some(next) => version != b"00" && *next == b'-',
        };
        let dashes = [2, 35, 52].iter().all(|at| bytes.get(*at) == Some(&b'-'));
        if !ends || !dashes || version == b"ff" {
            return None;
        }
        let mut own_version = [0];
        let mut read = Self { trace: [0; 16], span: [0; 8], flags: 0 };
        let mut flags = [0];
        unhex(version, &mut own_version)?;
        unhex(bytes.get(3..35)?, &mut read.trace)?;
        unhex(bytes.get(36..52)?, &mut read.span)?;
        unhex(bytes.get(53..55)?, &mut flags)?;
        read.flags = flags[0] & 1;
        (read.trace != [0; 16] && read.span != [0; 8]).then_some(read)
    }

    /// As the header is written.
    pub fn bytes(&self) -> [u8; LEN] {
        let mut out = *b"00-00000000000000000000000000000000-0000000000000000-00";
        hex(&self.trace, &mut out[3..35]);
        hex(&self.span, &mut out[36..52]);
        hex(&[self.flags], &mut out[53..]);
        out
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.bytes()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn hex(bytes: &[u8], out: &mut [u8]) {
    for (byte, out) in bytes.iter().zip(out.chunks_exact_mut(2)) {
        out.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

fn unhex(text: &[u8], out: &mut [u8]) -> Option<()> {
    // Capitals are refused: W3C allows lower case alone.
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    for (pair, out) in text.chunks_exact(2).zip(out) {
        *out = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(())
}
