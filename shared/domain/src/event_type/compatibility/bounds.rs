//! Bounds of numbers, and of lengths.

use serde_json::{Map, Value};

use super::sides::Side;
use super::{Finding, broken, undecided};

/// Up to here every integer is a 64-bit float.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Which end of a range.
#[derive(Clone, Copy)]
enum End {
    Low,
    High,
}

/// A bound of numbers, written so that a greater one asks more.
#[derive(Clone, Copy, PartialEq)]
struct Bound {
    value: f64,
    /// Whether the value itself is outside.
    is_open: bool,
}

impl Bound {
    const fn asks_more_than(self, other: Self) -> bool {
        self.value > other.value || (self.value == other.value && self.is_open && !other.is_open)
    }
}

/// `minimum`, `maximum`, those that exclude their value, and `multipleOf`.
pub(super) fn numbers(before: &Side<'_>, new: &Map<String, Value>, at: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (end, keys) in
        [(End::Low, ["minimum", "exclusiveMinimum"]), (End::High, ["maximum", "exclusiveMaximum"])]
    {
        let integral = before.types.is_integral();
        let Some((key, wanted)) = bound(new, end, keys, integral) else { continue };
        let was = before.parts.iter().filter_map(|part| bound(part, end, keys, integral));
        let was = was
            .map(|(_, one)| one)
            .reduce(|one, other| if other.asks_more_than(one) { other } else { one });
        let at = format!("{at}/{key}");
        let number = &new[key];
        match was {
            None => found.push(broken(
                &at,
                format!("numbers beyond {number} were taken before; leave the bound out"),
            )),
            Some(was) if was.value.abs() >= EXACT || wanted.value.abs() >= EXACT => {
                if !before.parts.iter().any(|part| part.get(key) == Some(number)) {
                    let right = "bounds of this size can't be compared exactly; keep it as it was";
                    found.push(undecided(&at, right));
                }
            }
            Some(was) if wanted.asks_more_than(was) => found.push(broken(
                &at,
                format!("numbers beyond {number} were taken before; set it as wide as it was"),
            )),
            Some(_) => {}
        }
    }
    found.extend(multiple_of(before, new, at));
    found
}

fn bound(
    of: &Map<String, Value>,
    end: End,
    [closed, open]: [&'static str; 2],
    integral: bool,
) -> Option<(&'static str, Bound)> {
    let read = |key: &'static str, is_open: bool| {
        let value = of.get(key)?.as_f64()?;
        let value = match end {
            End::Low => value,
            End::High => -value,
        };
        // Of integers, more than 4 is 5 or more.
        let bound = match (integral, is_open) {
            (true, true) => Bound { value: value.floor() + 1.0, is_open: false },
            (true, false) => Bound { value: value.ceil(), is_open: false },
            (false, is_open) => Bound { value, is_open },
        };
        Some((key, bound))
    };
    match (read(closed, false), read(open, true)) {
        (Some(one), Some(other)) => Some(if other.1.asks_more_than(one.1) { other } else { one }),
        (one, other) => one.or(other),
    }
}

fn multiple_of(before: &Side<'_>, new: &Map<String, Value>, at: &str) -> Option<Finding> {
    let wanted = new.get("multipleOf")?;
    let factor = wanted.as_f64().unwrap_or_default();
    let is_whole = |number: f64| number.fract() == 0.0 && number.abs() <= EXACT;
    let covers = |was: &Value| {
        let was_factor = was.as_f64().unwrap_or_default();
        // Fractions such as 0.1 are not exact in a float: of those only the same is sure.
        was == wanted || (is_whole(factor) && is_whole(was_factor) && was_factor % factor == 0.0)
    };
    let was = before.parts.iter().filter_map(|part| part.get("multipleOf"));
    if was.clone().any(covers) || (before.types.is_integral() && factor == 1.0) {
        return None;
    }
    let right = format!("numbers that are no multiple of {wanted} were taken before; leave it out");
    Some(broken(&format!("{at}/multipleOf"), right))
}

/// The least and the most of something that is counted.
pub(super) fn counts(
    before: &Side<'_>,
    new: &Map<String, Value>,
    [least, most]: &[&str; 2],
    at: &str,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let of = |key: &'_ str| {
        let key = key.to_owned();
        before.parts.iter().filter_map(move |part| part.get(&key)?.as_f64())
    };
    if let Some(wanted) = new.get(*least).and_then(Value::as_f64) {
        let was = of(least).fold(0.0, f64::max);
        if wanted > was {
            let right = format!("{was} were enough before; ask for no more");
            found.push(broken(&format!("{at}/{least}"), right));
        }
    }
    if let Some(wanted) = new.get(*most).and_then(Value::as_f64) {
        let was = of(most).fold(f64::INFINITY, f64::min);
        if wanted < was {
            let right = "more were taken before; set it as high as it was, or leave it out";
            found.push(broken(&format!("{at}/{most}"), right));
        }
    }
    found
}
