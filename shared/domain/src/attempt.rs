//! Attempts to come in, which are counted exactly: what is tried, and how often it may be.

use std::time::Duration;

use super::names::words;
use crate::time::Time;

words! {
    /// What somebody tries who has not proved who they are.
    AttemptKind {
        /// To log in.
        Login = 1 "login",
        /// To ask for an account.
        Register = 2 "register",
        /// To have a forgotten password replaced.
        Forgot = 3 "forgot",
        /// To set a new password with what was mailed.
        Reset = 4 "reset",
        /// To get new tokens.
        Refresh = 5 "refresh",
        /// To prove an address.
        Verify = 6 "verify",
        /// To accept an invitation.
        Accept = 7 "accept",
    }
}

/// Attempts are counted in windows of a minute, each of which begins with the first attempt in it.
pub const WINDOW: Duration = Duration::from_secs(60);

/// How attempts of one kind from one place stand, once one more is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// How many there were in this window, this one included.
    pub attempts: u64,
    /// When the window began.
    pub since: Time,
}

/// Whether one more may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How many there may be in a window.
    pub most: u64,
    /// How many are left.
    pub left: u64,
    /// When the next window can begin.
    pub reset: Duration,
    /// Whether this one is one too many.
    pub is_over: bool,
}

impl Counted {
    /// Whether that is one too many.
    pub fn judge(self, most: u64, now: Time) -> Standing {
        Standing {
            most,
            left: most.saturating_sub(self.attempts),
            reset: self.since.plus(WINDOW).since(now),
            is_over: self.attempts > most,
        }
    }

    /// Whether another attempt at `now` belongs to the same window.
    pub fn holds(self, now: Time) -> bool {
        self.since > now.minus(WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_takes_so_many_and_ends() {
        let at = |seconds: i64| Time::from_micros(seconds * 1_000_000);
        for (attempts, since, now, left, reset, is_over) in [
            (1, 0, 0, 2, 60, false),
            (3, 0, 10, 0, 50, false),
            (4, 0, 10, 0, 50, true),
            (4, 0, 100, 0, 0, true),
        ] {
            let standing = Counted { attempts, since: at(since) }.judge(3, at(now));
            assert_eq!((standing.left, standing.is_over), (left, is_over), "{attempts} at {now}");
            assert_eq!(standing.reset, Duration::from_secs(reset), "{attempts} at {now}");
        }
        let counted = Counted { attempts: 1, since: at(0) };
        assert!(counted.holds(at(59)) && !counted.holds(at(60)));
    }
}
