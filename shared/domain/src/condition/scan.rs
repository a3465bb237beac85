//! The scanner: text to tokens with their places, and every lexical error.

mod names;
mod operators;
mod strings;

use super::ConditionError;
use super::function::Function;
use super::number::ArithOp;
use super::number::Num;
use super::path::{Path, Roots, is_word};
use super::tree::CompareOp;
use super::value::Literal;

/// A token and its bytes in the source.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Debug)]
pub(super) enum Kind {
    Literal(Literal),
    Name(Path),
    Function(Function),
    Operator(Operator),
    Open,
    Close,
    Comma,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    And,
    Or,
    Not,
    Compare(CompareOp),
    Arith(ArithOp),
}

/// Splits a condition into tokens; its names begin at those roots.
pub(super) fn scan(source: &str, roots: Roots) -> Result<Vec<Token>, ConditionError> {
    let mut scanner = Scanner { source, roots, at: 0, tokens: Vec::new() };
    loop {
        scanner.skip_space();
        let Some(first) = scanner.peek() else { break };
        let start = scanner.at;
        let kind = scanner.token(first)?;
        let end = scanner.at;
        scanner.tokens.push(Token { kind, start, end });
    }
    Ok(scanner.tokens)
}

struct Scanner<'s> {
    source: &'s str,
    roots: Roots,
    /// The byte offset of the next character.
    at: usize,
    tokens: Vec<Token>,
}

impl<'s> Scanner<'s> {
    fn token(&mut self, first: char) -> Result<Kind, ConditionError> {
        match first {
            '(' => Ok(self.single(Kind::Open)),
            ')' => Ok(self.single(Kind::Close)),
            ',' => Ok(self.single(Kind::Comma)),
            '"' => Ok(Kind::Literal(Literal::Text(self.string()?))),
            '0'..='9' => self.number(),
            c if is_word(c) => self.word(),
            _ => self.operator(),
        }
    }

    fn single(&mut self, kind: Kind) -> Kind {
        self.at += 1;
        kind
    }

    fn number(&mut self) -> Result<Kind, ConditionError> {
        let start = self.at;
        self.take_while(|c| c.is_ascii_digit());
        if self.rest().starts_with('.') {
            self.at += 1;
            self.digits(start)?;
        }
        if self.rest().starts_with(['e', 'E']) {
            self.at += 1;
            if self.rest().starts_with(['+', '-']) {
                self.at += 1;
            }
            self.digits(start)?;
        }
        if self.peek().is_some_and(|c| is_word(c) || c == '.') {
            return Err(self.malformed_number(start));
        }
        match Num::parse(&self.source[start..self.at]) {
            Some(number) => Ok(Kind::Literal(Literal::Num(number))),
            None => Err(self.error(start, "this number is too large")),
        }
    }

    fn digits(&mut self, start: usize) -> Result<(), ConditionError> {
        if self.take_while(|c| c.is_ascii_digit()).is_empty() {
            return Err(self.malformed_number(start));
        }
        Ok(())
    }

    fn malformed_number(&self, start: usize) -> ConditionError {
        self.error(start, "this is not a number").hint("numbers are written 1500, 0.5 or 1e3")
    }

    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_space(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'s str {
        let rest = self.rest();
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn error(&self, offset: usize, message: impl Into<String>) -> ConditionError {
        ConditionError::at(self.source, offset, message)
    }
}
