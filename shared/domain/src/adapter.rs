//! Adapters: what other programs send, as events. Each is a pure function from a body to events.

pub mod alertmanager;
mod alerts;
pub mod grafana;
pub mod sns;

use std::time::Duration;

use super::fault::{Fault, FaultCode};
use super::intake::{Envelope, NewEvent, RawEvent, validate};
use super::members::Members;
use super::time::Time;

/// An event that was made of a part of a body.
#[derive(Clone, Debug)]
pub struct Adapted {
    /// The event, not judged yet.
    pub event: RawEvent,
    /// The hash of what tells it from others.
    pub key: [u8; 32],
    /// Which part of the body it was made of, like `alerts[3]`; empty for all of it.
    pub place: String,
}

/// What an adapter must know besides the body.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings {
    /// What time it is.
    pub now: Time,
    /// How often the sender repeats what has not changed.
    pub repeat_interval: Duration,
}

/// What became of each part of a body; or what is wrong with the whole of it.
pub type Parts = Result<Vec<Result<Adapted, Vec<Fault>>>, Vec<Fault>>;

/// Makes events of a body.
pub type Read = fn(&Members, Surroundings) -> Parts;

/// The adapters whose bodies are one JSON object, by the word in their path. That of SNS proves its bodies first.
pub const ADAPTERS: [(&str, Read); 2] =
    [("alertmanager", alertmanager::read), ("grafana", grafana::read)];

/// Judges an event that an adapter made; what is wrong is told by the place in the body.
///
/// # Errors
/// When something is wrong with it.
pub fn judge(adapted: Adapted, max_payload: usize) -> Result<NewEvent, Vec<Fault>> {
    let Adapted { event, key, place } = adapted;
    // The same notification again is the same event, whatever else of it is written in another way: so its text is none.
    let envelope = Envelope { key: None, given: Some(key), text: b"", max_payload };
    validate(event, envelope).map_err(|faults| {
        let placed = |fault: Fault| {
            let field = match fault.field.strip_prefix("payload") {
                Some(below) => format!("{place}{below}"),
                None => place.clone(),
            };
            Fault { field: field.trim_start_matches('.').to_owned().into(), ..fault }
        };
        faults.into_iter().map(placed).collect()
    })
}

/// How often a sender repeats if it does not say: what Alertmanager and Grafana do by themselves.
pub const REPEAT_INTERVAL: Duration = Duration::from_secs(4 * 60 * 60);

/// Reads a repeat interval as senders write it, like `4h` or `1h30m`: a minute to a day, for no longer are keys remembered.
pub fn repeat_interval(text: &str) -> Option<Duration> {
    let (mut seconds, mut number) = (0_u64, None);
    for letter in text.chars() {
        if let Some(digit) = letter.to_digit(10) {
            let before: u64 = number.unwrap_or(0);
            number = Some(before.checked_mul(10)?.checked_add(u64::from(digit))?);
            continue;
        }
        let unit = match letter {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            _ => return None,
        };
        seconds = seconds.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    let fits = number.is_none() && (60..=24 * 60 * 60).contains(&seconds);
    fits.then(|| Duration::from_secs(seconds))
}

/// The beginning of a text that a sender may have made longer than an event can hold: nothing should be refused for the
/// length of its name.
fn cut(text: &str, most: usize) -> String {
    text.chars().filter(|c| *c != '\0').take(most).collect()
}

fn required(field: String) -> Fault {
    Fault::new(field, FaultCode::Required, "this field is required")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeat_intervals() {
        for (text, seconds) in [
            ("1m", Some(60)),
            ("4h", Some(14_400)),
            ("1h30m", Some(5_400)),
            ("90s", Some(90)),
            ("1d", Some(86_400)),
            ("59s", None),
            ("25h", None),
            ("", None),
            ("4", None),
            ("h", None),
            ("4h5", None),
            ("1w", None),
            ("99999999999999999999h", None),
            ("9999999999999999d", None),
        ] {
            assert_eq!(repeat_interval(text).map(|one| one.as_secs()), seconds, "{text}");
        }
    }
}
