//! Cuts a stream into lines.

use bytes::{Bytes, BytesMut};

/// A line, without its end.
pub enum Line {
    /// Its text.
    Text(Bytes),
    /// It is longer than a line may be; nothing of it is kept.
    TooLong,
}

/// Cuts a stream into lines and never holds more than one of the allowed length.
pub struct Reader {
    held: BytesMut,
    max: usize,
    // Where the search for the end of the line goes on.
    seen: usize,
    skipping: bool,
}

impl Reader {
    /// Lines of at most `max` bytes.
    pub fn new(max: usize) -> Self {
        Self { held: BytesMut::new(), max, seen: 0, skipping: false }
    }

    /// Takes a piece of the stream.
    pub fn feed(&mut self, piece: &[u8]) {
        self.held.extend_from_slice(piece);
    }

    /// The next line that is whole.
    pub fn line(&mut self) -> Option<Line> {
        let end = self.held[self.seen..].iter().position(|byte| *byte == b'\n');
        let Some(end) = end.map(|at| at + self.seen) else {
            self.seen = self.held.len();
            if self.seen > self.max {
                self.skipping = true;
            }
            if self.skipping {
                self.held.clear();
                self.seen = 0;
            }
            return None;
        };
        let line = self.held.split_to(end + 1).freeze();
        self.seen = 0;
        Some(self.finish(line.slice(..end)))
    }

    /// What is left at the end of the stream.
    pub fn rest(&mut self) -> Option<Line> {
        if self.held.is_empty() && !self.skipping {
            return None;
        }
        let line = self.held.split().freeze();
        Some(self.finish(line))
    }

    fn finish(&mut self, line: Bytes) -> Line {
        let was_skipping = std::mem::take(&mut self.skipping);
        if was_skipping || line.len() > self.max { Line::TooLong } else { Line::Text(line) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_however_the_pieces_fall() {
        let text = b"one\n\ntwo\r\nxxxxxxxxxxxxxxxxxxxxxxxx\nlast";
        for size in 1..text.len() {
            let mut reader = Reader::new(10);
            let mut lines = Vec::new();
            for piece in text.chunks(size) {
                reader.feed(piece);
                assert!(reader.held.len() <= 10 + size + 1, "{size}");
                while let Some(line) = reader.line() {
                    lines.push(line);
                }
            }
            lines.extend(reader.rest());
            let words = lines.iter().map(|line| match line {
                Line::Text(text) => String::from_utf8_lossy(text).into_owned(),
                Line::TooLong => "!".to_owned(),
            });
            assert_eq!(words.collect::<Vec<_>>(), ["one", "", "two\r", "!", "last"], "{size}");
        }
    }
}
