//! The event that every measurement sends: an order of some 200 bytes, told apart by a number that comes back in the
//! webhook, so that the bench needs no other way to say which is which.

use crate::http::find;

/// The type of the events; one of the ten rules asks for it and for an amount that they have.
pub const KIND: &str = "order.paid";

/// The body of a request; all are of the same length.
pub fn body(number: u64) -> String {
    format!(
        "{{\"type\":\"{KIND}\",\"source\":\"shop\",\"payload\":{{\"order\":\"bench-{number:010}\",\
         \"total\":1500.25,\"currency\":\"EUR\",\"customer\":{{\"id\":\"c-{:04}\",\"country\":\"DE\"}},\
         \"items\":[{{\"sku\":\"A-17\",\"quantity\":2}}]}}}}",
        number % 1000
    )
}

/// The payload alone, as the product keeps it.
pub fn payload(number: u64) -> String {
    let body = body(number);
    let from = find(body.as_bytes(), b"{\"order\"").unwrap_or(0);
    body[from..body.len() - 1].to_owned()
}

/// The number in a text that has such a payload in it.
pub fn number(text: &[u8]) -> Option<u64> {
    const MARK: &[u8] = b"\"bench-";
    let from = find(text, MARK)? + MARK.len();
    std::str::from_utf8(text.get(from..from + 10)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_comes_back() {
        for at in [0, 7, 1_234_567_890] {
            assert_eq!(number(body(at).as_bytes()), Some(at));
            assert_eq!(body(at).len(), body(0).len());
            serde_json::from_str::<serde_json::Value>(&body(at)).expect("JSON");
            serde_json::from_str::<serde_json::Value>(&payload(at)).expect("JSON");
        }
        assert_eq!(number(b"{}"), None);
    }
}
