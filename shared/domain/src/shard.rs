//! Shards: sixteen parts of a project's rows, for a queue that names parts instead of rows.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One of the parts: the last four bits of a row's id, which are chance in fresh ids and a hash's in derived ones, so
/// that no column has to keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Shard(u8);

impl Shard {
    /// How many there are.
    pub const COUNT: u8 = 16;

    /// The part that a row belongs to.
    pub const fn of(id: Uuid) -> Self {
        Self(id.as_bytes()[15] % Self::COUNT)
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Shard {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        if number < Self::COUNT {
            return Ok(Self(number));
        }
        Err(format!("no shard {number}: there are {} of them, from 0", Self::COUNT))
    }
}

impl From<Shard> for u8 {
    fn from(shard: Shard) -> Self {
        shard.0
    }
}

/// A set of shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shards(u16);

impl Shards {
    /// Puts one in.
    pub const fn insert(&mut self, shard: Shard) {
        self.0 |= 1 << shard.0;
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// A number with one bit for each shard, as the store asks for them.
    pub const fn bits(self) -> i64 {
        self.0 as i64
    }

    /// Each of them, in order.
    pub fn iter(self) -> impl Iterator<Item = Shard> {
        (0..Shard::COUNT).filter(move |number| self.0 & (1 << number) != 0).map(Shard)
    }
}

impl FromIterator<Shard> for Shards {
    fn from_iter<T: IntoIterator<Item = Shard>>(shards: T) -> Self {
        let mut all = Self::default();
        shards.into_iter().for_each(|shard| all.insert(shard));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{derived, fresh};
    use crate::time::Time;

    #[test]
    fn rows_spread_over_all_shards() {
        let now = Time::from_micros(1_700_000_000_123_456);
        let origin = fresh(now);
        let kinds: [&dyn Fn(u32) -> Uuid; 2] =
            [&|_| fresh(now), &|n| derived(origin, "delivery", &[&n.to_be_bytes()])];
        for make in kinds {
            let mut counts = [0_u32; Shard::COUNT as usize];
            for n in 0..16_000 {
                counts[usize::from(Shard::of(make(n)).number())] += 1;
            }
            assert!(counts.iter().all(|count| (700..1300).contains(count)), "{counts:?}");
        }
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        let shard = |number| Shard::try_from(number).expect("one of them");
        let some: Shards = [0, 3, 15].map(shard).into_iter().collect();
        assert_eq!(some.iter().map(Shard::number).collect::<Vec<_>>(), [0, 3, 15]);
        assert_eq!(some.bits(), 0b1000_0000_0000_1001);
        let other: Shards = [3, 4].map(shard).into_iter().collect();
        assert_eq!(some.and(other).bits(), 8);
        assert_eq!(some.or(other).iter().count(), 4);
        assert_eq!(some.without(other).iter().count(), 2);
        assert!(some.without(some).is_empty());
        assert!(Shard::try_from(16).is_err());
    }
}
