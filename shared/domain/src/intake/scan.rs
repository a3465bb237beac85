//! One pass over a payload, which is known to be JSON: what a parser lets pass and a store or a rule could not take.

mod twins;

use crate::fault::{Fault, FaultCode};
use twins::Twins;

/// Digits that surely stay below the largest float when there is no exponent.
const SAFE_DIGITS: usize = 300;

/// Judges the text of a payload; each kind of fault is told once.
pub fn payload(text: &str, max_bytes: usize, max_depth: usize, faults: &mut Vec<Fault>) {
    object("payload", text, max_bytes, max_depth, faults);
}

/// The same of any object that is kept.
pub fn object(
    field: &'static str,
    text: &str,
    max_bytes: usize,
    max_depth: usize,
    faults: &mut Vec<Fault>,
) {
    if !text.starts_with('{') {
        let message = "it must be a JSON object, like {\"amount\": 3}";
        faults.push(Fault::new(field, FaultCode::WrongType, message));
        return;
    }
    if text.len() > max_bytes {
        let message = format!("it must have at most {max_bytes} bytes; this has {}", text.len());
        faults.push(Fault::new(field, FaultCode::TooLarge, message));
        return;
    }
    let found = Scan::run(text.as_bytes(), max_depth);
    let mut tell = |is: bool, code, message: String| {
        if is {
            faults.push(Fault::new(field, code, message));
        }
    };
    tell(found.too_deep, FaultCode::TooDeep, format!("it must be nested at most {max_depth} deep"));
    tell(found.nul, FaultCode::NulCharacter, super::NUL.to_owned());
    let lone = "half of a surrogate pair (\\ud800 to \\udfff) is no character";
    tell(found.lone, FaultCode::LoneSurrogate, lone.to_owned());
    let range = "numbers must fit a 64-bit float; send larger ones as text";
    tell(found.number, FaultCode::NumberRange, range.to_owned());
    if let Some((path, key)) = found.twins.found() {
        let message = format!("the key {key:?} stands here twice; send each key once");
        faults.push(Fault::new(format!("{field}{path}"), FaultCode::Duplicate, message));
    }
}

#[derive(Default)]
struct Scan<'t> {
    too_deep: bool,
    nul: bool,
    lone: bool,
    number: bool,
    twins: Twins<'t>,
}

impl<'t> Scan<'t> {
    fn run(bytes: &'t [u8], max_depth: usize) -> Self {
        let mut found = Self::default();
        let (mut at, mut depth) = (0, 0_usize);
        while let Some(&byte) = bytes.get(at) {
            at = match byte {
                b'"' => {
                    let end = found.string(bytes, at + 1);
                    found.twins.string(bytes.get(at..end).unwrap_or_default());
                    end
                }
                b'{' | b'[' => {
                    depth += 1;
                    found.too_deep |= depth > max_depth;
                    // What is too deep is refused anyway: nothing more of it needs to be remembered.
                    if !found.too_deep {
                        found.twins.open(byte == b'{');
                    }
                    at + 1
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    if !found.too_deep {
                        found.twins.close();
                    }
                    at + 1
                }
                b',' => {
                    found.twins.next();
                    at + 1
                }
                b'-' | b'0'..=b'9' => found.digits(bytes, at),
                _ => at + 1,
            };
        }
        found
    }

    /// Reads a string from behind its opening quote; answers where it goes on behind the closing one.
    fn string(&mut self, bytes: &[u8], mut at: usize) -> usize {
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'"' => return at + 1,
                b'\\' if bytes.get(at + 1) == Some(&b'u') => at = self.escape(bytes, at),
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        at
    }

    /// Reads `\uXXXX`, and the second half of a pair with it.
    fn escape(&mut self, bytes: &[u8], at: usize) -> usize {
        match unit(bytes, at) {
            Some(0) => self.nul = true,
            Some(0xd800..=0xdbff) => {
                if let Some(0xdc00..=0xdfff) = unit(bytes, at + 6) {
                    return at + 12;
                }
                self.lone = true;
            }
            Some(0xdc00..=0xdfff) => self.lone = true,
            _ => {}
        }
        at + 6
    }

    fn digits(&mut self, bytes: &[u8], start: usize) -> usize {
        let is_part = |b: &u8| matches!(b, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
        let len = bytes[start..].iter().take_while(|b| is_part(b)).count();
        let token = &bytes[start..start + len];
        // Parsing is the exception: without an exponent only hundreds of digits can be too many.
        if len > SAFE_DIGITS || token.iter().any(|b| matches!(b, b'e' | b'E')) {
            let value = std::str::from_utf8(token).ok().and_then(|text| text.parse::<f64>().ok());
            self.number |= !value.is_some_and(f64::is_finite);
        }
        start + len
    }
}

/// The UTF-16 unit that `\uXXXX` at `at` stands for.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let hex = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
}
