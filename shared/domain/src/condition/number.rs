//! Numbers: integers stay exact where they fit, everything else is a float.

use std::cmp::Ordering;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArithOp {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

/// A finite number. Integers lie between `i64::MIN` and `u64::MAX`, the range that JSON keeps.
#[derive(Clone, Copy, Debug)]
pub(super) enum Num {
    Int(i128),
    Float(f64),
}

impl Num {
    /// An integer, or the nearest float when it is out of range.
    pub(super) fn int(value: i128) -> Self {
        if (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value) {
            Num::Int(value)
        } else {
            Num::Float(value as f64)
        }
    }

    /// A float, unless it is infinite or not a number.
    pub(super) fn float(value: f64) -> Option<Self> {
        value.is_finite().then_some(Num::Float(value))
    }

    /// The text of a number token: digits, perhaps a fraction, perhaps an exponent.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.parse::<i128>() {
            Ok(value) => Some(Num::int(value)),
            Err(_) => Num::float(text.parse().ok()?),
        }
    }

    pub(super) fn from_json(number: &serde_json::Number) -> Option<Self> {
        if let Some(value) = number.as_i64() {
            Some(Num::Int(value.into()))
        } else if let Some(value) = number.as_u64() {
            Some(Num::Int(value.into()))
        } else {
            Num::float(number.as_f64()?)
        }
    }

    pub(super) fn to_json(self) -> serde_json::Value {
        match self {
            Num::Int(value) => match (i64::try_from(value), u64::try_from(value)) {
                (Ok(value), _) => value.into(),
                (_, Ok(value)) => value.into(),
                _ => serde_json::Value::Null,
            },
            Num::Float(value) => value.into(),
        }
    }

    pub(super) fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Num::Int(a), Num::Int(b)) => a.cmp(&b),
            (Num::Int(a), Num::Float(b)) => int_to_float(a, b),
            (Num::Float(a), Num::Int(b)) => int_to_float(b, a).reverse(),
            // Floats are finite here, so the comparison is total.
            (Num::Float(a), Num::Float(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        }
    }

    pub(super) fn negate(self) -> Self {
        match self {
            Num::Int(value) => Num::int(-value),
            Num::Float(value) => Num::Float(-value),
        }
    }

    /// The result, or nothing for division by zero and what is too large for a float.
    pub(super) fn apply(self, op: ArithOp, other: Self) -> Option<Self> {
        if let (Num::Int(a), Num::Int(b)) = (self, other)
            && let Some(exact) = apply_int(a, op, b)
        {
            return Some(Num::int(exact));
        }
        let (a, b) = (self.as_f64(), other.as_f64());
        if b == 0.0 && matches!(op, ArithOp::Div | ArithOp::Rem) {
            return None;
        }
        Num::float(match op {
            ArithOp::Add => a + b,
            ArithOp::Sub => a - b,
            ArithOp::Mul => a * b,
            ArithOp::Div => a / b,
            ArithOp::Rem => a % b,
        })
    }

    fn as_f64(self) -> f64 {
        match self {
            Num::Int(value) => value as f64,
            Num::Float(value) => value,
        }
    }
}

/// The exact integer result, or nothing when there is none.
fn apply_int(a: i128, op: ArithOp, b: i128) -> Option<i128> {
    match op {
        ArithOp::Add => a.checked_add(b),
        ArithOp::Sub => a.checked_sub(b),
        ArithOp::Mul => a.checked_mul(b),
        // Whether a producer wrote 95 or 95.0 must not change a ratio, so 95 / 100 is 0.95.
        ArithOp::Div => (a.checked_rem(b)? == 0).then(|| a.checked_div(b)).flatten(),
        ArithOp::Rem => a.checked_rem(b),
    }
}

/// Compares without rounding the integer to a float, which would make 2^53 + 1 equal 2^53.
fn int_to_float(int: i128, float: f64) -> Ordering {
    const BEYOND_ALL_INTEGERS: f64 = 36_893_488_147_419_103_232.0; // 2^65
    if float >= BEYOND_ALL_INTEGERS {
        return Ordering::Less;
    }
    if float <= -BEYOND_ALL_INTEGERS {
        return Ordering::Greater;
    }
    let whole = float.trunc();
    int.cmp(&(whole as i128))
        .then_with(|| 0.0_f64.partial_cmp(&(float - whole)).unwrap_or(Ordering::Equal))
}
