//! Ranges of bytes, as HTTP has them.

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// From this byte on.
    From(u64),
    /// From the first to the last of these bytes, both included.
    Within(u64, u64),
    /// The last so many bytes.
    Last(u64),
}

/// A part of a file whose size is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first byte.
    pub start: u64,
    /// How many bytes it has.
    pub length: u64,
}

impl ByteRange {
    /// Reads the header Range. What is no single range of bytes is none at all, and then the whole file is answered, as
    /// RFC 9110 has it.
    pub fn parse(header: &str) -> Option<Self> {
        let (first, last) = header.strip_prefix("bytes=")?.trim().split_once('-')?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse().unwrap_or(u64::MAX))
        };
        match (first.is_empty(), last.is_empty()) {
            (true, _) => number(last).map(Self::Last),
            (false, true) => number(first).map(Self::From),
            (false, false) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::Within(first, last))
            }
        }
    }

    /// The header that asks for it.
    pub fn header(self) -> String {
        match self {
            Self::From(first) => format!("bytes={first}-"),
            Self::Within(first, last) => format!("bytes={first}-{last}"),
            Self::Last(count) => format!("bytes=-{count}"),
        }
    }

    /// What it is of a file of that size; nothing when it lies outside.
    pub fn of(self, size: u64) -> Option<Span> {
        let (start, end) = match self {
            Self::From(first) => (first, size),
            Self::Within(first, last) => (first, last.saturating_add(1).min(size)),
            Self::Last(count) => (size.saturating_sub(count), size),
        };
        (start < end).then(|| Span { start, length: end - start })
    }
}

impl Span {
    /// All of a file of that size.
    pub const fn whole(size: u64) -> Self {
        Self { start: 0, length: size }
    }

    /// The header Content-Range, for a part of a file of that size.
    pub fn content_range(self, size: u64) -> String {
        let last = (self.start + self.length).saturating_sub(1);
        format!("bytes {}-{last}/{size}", self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_http_has_them() {
        for (header, wanted) in [
            ("bytes=0-0", Some(ByteRange::Within(0, 0))),
            ("bytes=5-", Some(ByteRange::From(5))),
            ("bytes=-5", Some(ByteRange::Last(5))),
            ("bytes=2-99999999999999999999", Some(ByteRange::Within(2, u64::MAX))),
            ("bytes=5-2", None),
            ("bytes=-", None),
            ("bytes=0-1,3-4", None),
            ("bytes=+1-2", None),
            ("lines=0-1", None),
            ("", None),
        ] {
            assert_eq!(ByteRange::parse(header), wanted, "{header}");
        }
    }

    #[test]
    fn ranges_are_cut_to_the_file() {
        let span = |start, length| Some(Span { start, length });
        for (range, size, wanted) in [
            (ByteRange::From(0), 10, span(0, 10)),
            (ByteRange::From(9), 10, span(9, 1)),
            (ByteRange::From(10), 10, None),
            (ByteRange::Within(2, 4), 10, span(2, 3)),
            (ByteRange::Within(2, u64::MAX), 10, span(2, 8)),
            (ByteRange::Within(10, 12), 10, None),
            (ByteRange::Last(3), 10, span(7, 3)),
            (ByteRange::Last(30), 10, span(0, 10)),
            (ByteRange::Last(0), 10, None),
            (ByteRange::From(0), 0, None),
        ] {
            assert_eq!(range.of(size), wanted, "{range:?} of {size}");
            assert_eq!(ByteRange::parse(&range.header()), Some(range));
        }
        assert_eq!(Span { start: 2, length: 3 }.content_range(10), "bytes 2-4/10");
    }
}
