//! Which slot of a cluster a key is in.

/// How many slots there are.
pub(super) const SLOTS: u16 = 16_384;

/// The slot of a key: by its hash tag, if it has one.
pub(super) fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    checksum(tag.filter(|tag| !tag.is_empty()).unwrap_or(key).as_bytes()) % SLOTS
}

/// CRC-16 as XMODEM has it.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ (u16::from(*byte) << 8), |sum: u16, _| {
            if sum & 0x8000 == 0 { sum << 1 } else { (sum << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        // The checksum's own check value, then what CLUSTER KEYSLOT answers.
        assert_eq!(checksum(b"123456789"), 0x31C3);
        for (key, at) in [("foo", 12_182), ("bar", 5061), ("", 0), ("{foo}bar", 12_182)] {
            assert_eq!(slot(key), at, "{key}");
        }
        assert_eq!(slot("x{foo}{bar}"), slot("foo"));
        assert_eq!(slot("{}foo"), checksum(b"{}foo") % SLOTS);
        assert_eq!(slot("{foo"), checksum(b"{foo") % SLOTS);
    }
}
