//! The name of a request.

use domain::clock::Clock;
use domain::id;
use poem::http::{HeaderMap, HeaderValue};

use super::headers;

/// Longer ones are not ours to keep in every line of the log.
const MAX: usize = 128;

/// The client's own name of its request, if it is a sane one; else a new one.
pub fn take_or_make(headers: &HeaderMap, clock: &Clock) -> HeaderValue {
    let mut given = headers.get_all("x-request-id").iter();
    match (given.next(), given.next()) {
        (Some(one), None) if is_sane(one.as_bytes()) => one.clone(),
        _ => {
            let mut text = uuid::Uuid::encode_buffer();
            headers::value(
                id::fresh(clock.now()).as_hyphenated().encode_lower(&mut text).as_bytes(),
            )
        }
    }
}

fn is_sane(id: &[u8]) -> bool {
    (1..=MAX).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}
