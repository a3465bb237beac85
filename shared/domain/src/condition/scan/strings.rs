//! Text in double quotes.

use super::super::ConditionError;
use super::Scanner;

impl Scanner<'_> {
    /// Reads a quoted text; the scanner stands on the opening quote.
    pub(super) fn string(&mut self) -> Result<String, ConditionError> {
        let start = self.at;
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((offset, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = start + offset + 1;
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    Some((_, other)) => return Err(self.bad_escape(start + offset, other)),
                    None => break,
                },
                other => text.push(other),
            }
        }
        Err(self
            .error(start, "this text has no closing quote")
            .hint("inside a text a quote is written \\\""))
    }

    fn bad_escape(&self, offset: usize, escaped: char) -> ConditionError {
        self.error(offset, format!("unknown escape '\\{escaped}'"))
            .hint("a backslash is written \\\\, a quote \\\"")
    }
}
