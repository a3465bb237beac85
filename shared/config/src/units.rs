//! Numbers with a unit: durations and sizes.

use std::time::Duration;

use super::setting::Setting;

/// Longest first, so that printing finds the largest that divides.
const TIME: [(&str, u64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

/// Ten years: what is longer is a slip, and would overflow where it is added to a clock.
const LONGEST: u64 = 3_650 * 86_400_000_000;

const SIZE: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// One terabyte: nothing that is held in memory is larger.
const LARGEST: u64 = 1 << 40;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// So many times 1024 bytes.
    pub const fn kib(count: u32) -> Self {
        Self((count as u64) << 10)
    }

    /// So many times 1024 × 1024 bytes.
    pub const fn mib(count: u32) -> Self {
        Self((count as u64) << 20)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes, as a length in memory.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// The number before the unit, times the unit; else what is wrong.
fn scaled(text: &str, units: &[(&str, u64)]) -> Result<u64, &'static str> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    if text.is_empty() {
        return Err("is empty");
    }
    if number.is_empty() {
        return Err(if text.starts_with('-') {
            "is negative"
        } else {
            "does not begin with a number"
        });
    }
    let known = units.iter().find(|(name, _)| *name == unit);
    let Some((_, factor)) = known else {
        let fraction = unit.starts_with(['.', ',']);
        let several = unit.bytes().any(|byte| byte.is_ascii_digit());
        let other_case = units.iter().any(|(name, _)| name.eq_ignore_ascii_case(unit));
        return Err(match unit {
            "" => "has no unit",
            _ if fraction => "is a fraction; take a smaller unit",
            _ if several => "has several numbers; take the smaller unit alone",
            _ if other_case => "has its unit in other letters than it is written",
            _ => "has an unknown unit",
        });
    };
    let amount = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor));
    amount.ok_or("is too large")
}

/// The amount in the largest unit that divides it; zero is in `zero`.
fn in_units(amount: u64, units: &[(&str, u64)], zero: &str) -> String {
    if amount == 0 {
        return format!("0{zero}");
    }
    units
        .iter()
        .find(|(_, factor)| amount.is_multiple_of(*factor))
        .map(|(unit, factor)| format!("{}{unit}", amount / factor))
        .unwrap_or_default()
}

impl Setting for Duration {
    const KIND: &'static str = "duration";

    fn parse(text: &str) -> Result<Self, String> {
        match scaled(text, &TIME) {
            Ok(micros) if micros <= LONGEST => Ok(Self::from_micros(micros)),
            Ok(_) => Err("is too long; it takes a duration of at most 3650d".to_owned()),
            Err(why) => Err(format!(
                "{why}; it takes a whole number and a unit out of us, ms, s, m, h, d, like 250ms or 10m"
            )),
        }
    }

    fn print(&self) -> String {
        in_units(u64::try_from(self.as_micros()).unwrap_or(u64::MAX), &TIME, "s")
    }
}

impl Setting for ByteSize {
    const KIND: &'static str = "size";

    fn parse(text: &str) -> Result<Self, String> {
        match scaled(text, &SIZE) {
            Ok(bytes) if bytes <= LARGEST => Ok(Self(bytes)),
            Ok(_) => Err("is too large; it takes a size of at most 1024GiB".to_owned()),
            Err(why) => Err(format!(
                "{why}; it takes a whole number and a unit out of B, KiB, MiB, GiB, like 256KiB"
            )),
        }
    }

    fn print(&self) -> String {
        in_units(self.0, &SIZE, "B")
    }
}
