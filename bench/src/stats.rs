//! What many durations come down to.

use std::time::Duration;

/// Durations in order.
pub struct Sample(Vec<Duration>);

impl Sample {
    /// Takes durations in any order.
    pub fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    /// The least that is not exceeded by this share of all, in milliseconds.
    pub fn millis(&self, share: f64) -> f64 {
        let place = (self.0.len() as f64 * share).ceil() as usize;
        let at = self.0.get(place.clamp(1, self.0.len().max(1)) - 1);
        at.map_or(0.0, |one| one.as_secs_f64() * 1e3)
    }
}

/// How many a second.
pub fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(f64::EPSILON)
}

/// How often what takes less than some seconds is measured: a hiccup of the machine must not decide.
pub const ROUNDS: usize = 3;

/// The middle one of some rounds.
pub fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_unstable_by(f64::total_cmp);
    rounds.get(rounds.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_sample() {
        let sample = Sample::of((1..=100).rev().map(Duration::from_millis).collect());
        let found = [0.0, 0.5, 0.99, 1.0].map(|share| sample.millis(share));
        assert_eq!(found, [1.0, 50.0, 99.0, 100.0]);
        assert_eq!(Sample::of(Vec::new()).millis(0.5), 0.0);
        assert_eq!(median(vec![3.0, 9.0, 1.0]), 3.0);
    }
}
