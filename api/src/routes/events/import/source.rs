//! The body of an import as it comes: piece by piece, from somebody who still may send it, and not too slowly.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use config::HttpConfig;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::auth::{AGAIN, Right};
use crate::problem::{Code, Problem};

/// Over how much waiting for the client its rate is counted.
const WINDOW: Duration = Duration::from_secs(10);

type Pieces = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// The body of an import.
pub struct Source {
    pieces: Pieces,
    right: Right,
    tick: Interval,
    pace: Pace,
}

/// What comes next.
pub enum Next {
    /// A piece of the body.
    Piece(Bytes),
    /// Nothing for a second; a moment to look after what is there.
    Pause,
    /// The end of the body.
    End,
}

impl Source {
    /// The body that is sent with that right.
    pub fn new(body: poem::Body, right: Right, http: &HttpConfig) -> Self {
        let mut tick = interval_at(Instant::now() + AGAIN, AGAIN);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let pace = Pace::new(http.stream_min_rate.bytes(), http.request_timeout);
        Self { pieces: Box::pin(body.into_bytes_stream()), right, tick, pace }
    }

    /// Waits for what comes next.
    ///
    /// # Errors
    /// When the right is gone, the body broke off, or it comes too slowly.
    pub async fn next(&mut self) -> Result<Next, Problem> {
        let began = Instant::now();
        let piece = tokio::select! {
            piece = self.pieces.next() => Some(piece),
            _ = self.tick.tick() => None,
        };
        let waited = began.elapsed();
        let Some(piece) = piece else {
            // First the right: whoever lost it is told so, however slow they were.
            self.right.check().await?;
            self.pace.count(waited, 0)?;
            return Ok(Next::Pause);
        };
        match piece {
            None => Ok(Next::End),
            Some(Ok(piece)) => {
                self.pace.count(waited, piece.len())?;
                Ok(Next::Piece(piece))
            }
            Some(Err(_)) => Err(Problem::new(Code::BadRequest, "The body broke off.")),
        }
    }
}

/// How fast a client sends. Only the time counts in which it keeps us waiting.
struct Pace {
    least: u64,
    patience: Duration,
    waited: Duration,
    bytes: u64,
    silent: Duration,
}

impl Pace {
    const fn new(least: u64, patience: Duration) -> Self {
        let (waited, silent) = (Duration::ZERO, Duration::ZERO);
        Self { least, patience, waited, bytes: 0, silent }
    }

    /// Counts how long was waited and what came then.
    fn count(&mut self, waited: Duration, bytes: usize) -> Result<(), Problem> {
        self.waited += waited;
        self.bytes += bytes as u64;
        self.silent = if bytes == 0 { self.silent + waited } else { Duration::ZERO };
        if self.silent >= self.patience {
            return Err(slow(format!("Nothing more came for {} s.", self.silent.as_secs())));
        }
        if self.waited < WINDOW {
            return Ok(());
        }
        let (came, seconds) = (self.bytes as f64, self.waited.as_secs_f64());
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        if came >= self.least as f64 * seconds {
            return Ok(());
        }
        let least = self.least;
        Err(slow(format!("Less than {least} bytes a second came over {seconds:.0} s.")))
    }
}

fn slow(detail: String) -> Problem {
    Problem::new(Code::TooSlow, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_slow_is_told_and_who_waits_for_us_is_not() {
        let second = Duration::from_secs(1);
        let run = |least: u64, steps: &[(Duration, usize)]| {
            let mut pace = Pace::new(least, Duration::from_secs(30));
            steps.iter().position(|(waited, bytes)| pace.count(*waited, *bytes).is_err())
        };
        for (what, least, steps, refused) in [
            ("a byte a second", 1024, vec![(second, 1); 20], Some(9)),
            ("just enough", 1024, vec![(second, 1024); 100], None),
            ("a little less", 1024, vec![(second, 1023); 100], Some(9)),
            (
                "all at once, then a rest",
                10,
                [vec![(second, 100)], vec![(second, 0); 9]].concat(),
                None,
            ),
            (
                "a rest that is too long",
                10,
                [vec![(second, 100)], vec![(second, 0); 30]].concat(),
                Some(19),
            ),
            ("much, slowly read by us", 1024, vec![(Duration::ZERO, 1); 1000], None),
            ("no least rate, but silence", 0, vec![(second, 0); 40], Some(29)),
            ("no least rate, and drops", 0, vec![(second, 1); 1000], None),
        ] {
            assert_eq!(run(least, &steps), refused, "{what}");
        }
    }
}
