//! The guards and the grammar: what passes is well formed and shallow, whatever parses it next.

use super::function::Function;
use super::number::ArithOp;
use super::scan::{Kind, Operator, Token};
use super::{ConditionError, MAX_DEPTH, MAX_LENGTH, MAX_OPERATORS};

/// Refuses what is too long to look at.
pub(super) fn length(source: &str) -> Result<(), ConditionError> {
    if source.len() <= MAX_LENGTH {
        return Ok(());
    }
    let message = format!("the condition is longer than {MAX_LENGTH} bytes");
    Err(ConditionError::at(source, MAX_LENGTH, message))
}

/// Checks that operands and operators alternate, parentheses match and nothing is too much.
pub(super) fn grammar(source: &str, tokens: &[Token]) -> Result<(), ConditionError> {
    if tokens.is_empty() {
        return Err(ConditionError::at(source, 0, "the condition is empty")
            .hint("a rule for every event has the condition true"));
    }
    let mut checker =
        Checker { source, open: Vec::new(), signs: 0, depth: 0, operators: 0, wants_operand: true };
    for (index, token) in tokens.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| &tokens[before]);
        if checker.wants_operand {
            checker.operand(token, before)?;
        } else {
            checker.operator(token)?;
        }
    }
    checker.end()
}

struct Checker<'s> {
    source: &'s str,
    open: Vec<Open>,
    /// Unary operators in front of the operand that is being read.
    signs: usize,
    /// Everything open: parentheses, calls and unary operators.
    depth: usize,
    operators: usize,
    wants_operand: bool,
}

/// An open parenthesis.
struct Open {
    at: usize,
    call: Option<Call>,
    /// The unary operators in front of it, which last until it is closed.
    signs: usize,
}

struct Call {
    at: usize,
    function: Function,
    arguments: usize,
}

impl Checker<'_> {
    fn operand(&mut self, token: &Token, before: Option<&Token>) -> Result<(), ConditionError> {
        match &token.kind {
            Kind::Literal(_) | Kind::Name(_) => {
                self.operand_ends();
                Ok(())
            }
            // The scanner takes a word for a function only in front of a parenthesis.
            Kind::Function(_) => Ok(()),
            Kind::Open => self.open(token, before),
            Kind::Operator(Operator::Not | Operator::Arith(ArithOp::Sub)) => {
                self.signs += 1;
                self.count_operator(token)?;
                self.deeper(token)
            }
            Kind::Close if self.empty_call(before) => self.close(token),
            Kind::Operator(_) | Kind::Close | Kind::Comma => {
                let text = &self.source[token.start..token.end];
                Err(self.error(token, format!("a value is missing before '{text}'")))
            }
        }
    }

    fn operator(&mut self, token: &Token) -> Result<(), ConditionError> {
        match &token.kind {
            Kind::Operator(Operator::Not) => {
                Err(self.error(token, "'!' stands between two values").hint("use != to compare"))
            }
            Kind::Operator(_) => {
                self.wants_operand = true;
                self.count_operator(token)
            }
            Kind::Close => self.close(token),
            Kind::Comma => self.comma(token),
            Kind::Function(function) => Err(self
                .error(token, "an operator is missing before this function")
                .hint(format!("a function is written {}", function.usage()))),
            Kind::Literal(_) | Kind::Name(_) | Kind::Open => Err(self
                .error(token, "an operator is missing before this value")
                .hint("join conditions with && or ||")),
        }
    }

    fn open(&mut self, token: &Token, before: Option<&Token>) -> Result<(), ConditionError> {
        let call = before.and_then(|before| match before.kind {
            Kind::Function(function) => Some(Call { at: before.start, function, arguments: 1 }),
            _ => None,
        });
        self.open.push(Open { at: token.start, call, signs: std::mem::take(&mut self.signs) });
        self.deeper(token)
    }

    fn close(&mut self, token: &Token) -> Result<(), ConditionError> {
        let Some(open) = self.open.pop() else {
            return Err(self.error(token, "this ')' closes nothing"));
        };
        if let Some(call) = open.call {
            let given = call.arguments - usize::from(self.wants_operand);
            if let Some(message) = call.function.arity_error(given) {
                let error = ConditionError::at(self.source, call.at, message);
                return Err(error.hint(format!("write {}", call.function.usage())));
            }
        }
        self.depth = self.depth.saturating_sub(1);
        self.signs = open.signs;
        self.operand_ends();
        Ok(())
    }

    fn comma(&mut self, token: &Token) -> Result<(), ConditionError> {
        match self.open.last_mut().and_then(|open| open.call.as_mut()) {
            Some(call) => {
                call.arguments += 1;
                self.wants_operand = true;
                Ok(())
            }
            None => Err(self
                .error(token, "',' is only for the arguments of a function")
                .hint("join conditions with && or ||")),
        }
    }

    fn end(&self) -> Result<(), ConditionError> {
        if self.wants_operand {
            let message = "the condition ends where a value should follow";
            return Err(ConditionError::at(self.source, self.source.len(), message));
        }
        match self.open.last() {
            Some(open) => Err(ConditionError::at(self.source, open.at, "this '(' is never closed")),
            None => Ok(()),
        }
    }

    /// True for the parentheses of `f()`, whose real mistake is the number of arguments.
    fn empty_call(&self, before: Option<&Token>) -> bool {
        let is_call = self.open.last().is_some_and(|open| open.call.is_some());
        is_call && before.is_some_and(|before| matches!(before.kind, Kind::Open))
    }

    fn operand_ends(&mut self) {
        self.depth = self.depth.saturating_sub(std::mem::take(&mut self.signs));
        self.wants_operand = false;
    }

    fn deeper(&mut self, token: &Token) -> Result<(), ConditionError> {
        self.depth += 1;
        if self.depth <= MAX_DEPTH {
            return Ok(());
        }
        let message = format!("the condition nests deeper than {MAX_DEPTH}");
        Err(self.error(token, message))
    }

    fn count_operator(&mut self, token: &Token) -> Result<(), ConditionError> {
        self.operators += 1;
        if self.operators <= MAX_OPERATORS {
            return Ok(());
        }
        let message = format!("the condition has more than {MAX_OPERATORS} operators");
        Err(self.error(token, message).hint("use in(x, a, b, …) for many values"))
    }

    fn error(&self, token: &Token, message: impl Into<String>) -> ConditionError {
        ConditionError::at(self.source, token.start, message)
    }
}
