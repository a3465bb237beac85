//! Function calls, and the arguments that are checked when the rule is saved.

use std::str::FromStr;

use chrono_tz::{TZ_VARIANTS, Tz};
use evalexpr::{Node, Operator as Evalexpr};
use regex::RegexBuilder;

use super::super::function::Function;
use super::super::scan::Kind;
use super::super::tree::{Expr, ExprKind, Pattern, TextTest};
use super::super::value::Literal;
use super::super::{ConditionError, suggest};
use super::{Builder, Built};

/// Compiled sizes in bytes, and what a byte of text then costs, in eighths of a step. The slowest
/// engine of the regex crate looks at every state for every byte, at worst 70 ns per KiB and byte;
/// so one evaluation takes about a second at the very worst. An ordinary `\w` is about 50 KiB.
const PATTERN_SIZES: [(usize, usize); 5] =
    [(1 << 13, 1), (1 << 15, 4), (1 << 17, 16), (1 << 19, 64), (1 << 20, 128)];
/// The room for all patterns of one condition, since every active rule is kept in memory.
pub(super) const PATTERN_ROOM: usize = 1 << 21;
/// With a smaller cache the regex crate falls back to its slow engine for ordinary patterns.
const PATTERN_CACHE: usize = 1 << 20;
const NESTING_IN_PATTERN: u32 = 32;

impl Builder<'_> {
    pub(super) fn call(&self, node: &Node, placeholder: &str) -> Result<Built, ConditionError> {
        let first = self.index(placeholder)?;
        let Kind::Function(function) = *self.kind(first)? else {
            return Err(self.unreadable());
        };
        let (args, last) = self.arguments(node, first)?;
        let kind = self.call_kind(function, args)?;
        self.built(kind, first, last)
    }

    /// The arguments and the token that closes them.
    fn arguments(&self, call: &Node, first: usize) -> Result<(Vec<Expr>, usize), ConditionError> {
        let [parentheses] = call.children() else {
            return Err(self.unreadable());
        };
        let arguments = match (parentheses.operator(), parentheses.children()) {
            (Evalexpr::RootNode, [tuple]) if *tuple.operator() == Evalexpr::Tuple => {
                let each = tuple.children().iter();
                each.map(|child| self.only_child(child)).collect::<Result<Vec<_>, _>>()?
            }
            (Evalexpr::RootNode, [single]) => vec![self.node(single)?],
            _ => return Err(self.unreadable()),
        };
        // After the name comes a parenthesis, and after each argument a comma or the end.
        let mut expected = first + 2;
        let mut exprs = Vec::with_capacity(arguments.len());
        for argument in arguments {
            if argument.first != expected {
                return Err(self.unreadable());
            }
            expected = argument.last + 2;
            exprs.push(argument.expr);
        }
        match self.kind(expected - 1)? {
            Kind::Close => Ok((exprs, expected - 1)),
            _ => Err(self.unreadable()),
        }
    }

    fn call_kind(&self, function: Function, args: Vec<Expr>) -> Result<ExprKind, ConditionError> {
        let mut args = args.into_iter();
        let first = Box::new(args.next().ok_or_else(|| self.unreadable())?);
        let second = args.next();
        match (function, second) {
            (Function::In, Some(second)) => {
                let candidates = std::iter::once(second).chain(args).collect();
                Ok(ExprKind::In(first, candidates))
            }
            (Function::Contains, Some(second)) => Ok(text(TextTest::Contains, *first, second)),
            (Function::StartsWith, Some(second)) => Ok(text(TextTest::StartsWith, *first, second)),
            (Function::EndsWith, Some(second)) => Ok(text(TextTest::EndsWith, *first, second)),
            (Function::Matches, Some(second)) => {
                let pattern = self.pattern(&second)?;
                Ok(ExprKind::Matches(first, pattern))
            }
            (Function::Len, None) => Ok(ExprKind::Len(first)),
            (Function::Lower, None) => Ok(ExprKind::Lower(first)),
            (Function::Exists, None) => self.exists(*first),
            (Function::NowHour, None) => self.now_hour(&first),
            _ => Err(self.unreadable()),
        }
    }

    fn exists(&self, argument: Expr) -> Result<ExprKind, ConditionError> {
        match argument.kind {
            ExprKind::Path(path) => Ok(ExprKind::Exists(path)),
            _ => Err(self
                .wrong(&argument, "exists takes a name")
                .hint("write exists(event.payload.x), without quotes")),
        }
    }

    fn pattern(&self, argument: &Expr) -> Result<Pattern, ConditionError> {
        let ExprKind::Literal(Literal::Text(text)) = &argument.kind else {
            return Err(self
                .wrong(argument, "the regular expression must be a text in quotes")
                .hint(format!("write {}", Function::Matches.usage())));
        };
        let room = self.pattern_room.get();
        for (size, weight) in PATTERN_SIZES.into_iter().filter(|(size, _)| *size <= room) {
            let built = RegexBuilder::new(text)
                .size_limit(size)
                .dfa_size_limit(PATTERN_CACHE)
                .nest_limit(NESTING_IN_PATTERN)
                .build();
            match built {
                Ok(regex) => {
                    self.pattern_room.set(room - size);
                    return Ok(Pattern { regex, weight });
                }
                Err(regex::Error::CompiledTooBig(_)) => {}
                Err(error) => return Err(self.bad_pattern(argument, &error)),
            }
        }
        let message = if room == PATTERN_ROOM {
            "this regular expression is too large"
        } else {
            "this regular expression is too large, or too large together with those before it"
        };
        Err(self
            .wrong(argument, message)
            .hint("repeat less, or use [a-z] and [0-9] for \\\\w and \\\\d"))
    }

    fn bad_pattern(&self, argument: &Expr, error: &regex::Error) -> ConditionError {
        // The regex crate draws a picture over several lines; the last one says what is wrong.
        let whole = error.to_string();
        let reason = whole.lines().last().unwrap_or_default();
        let reason = reason.strip_prefix("error: ").unwrap_or(reason);
        let error = self.wrong(argument, format!("not a regular expression: {reason}"));
        if whole.contains("look-around") || whole.contains("backreferences") {
            return error.hint("combine several matches(…) with && and !");
        }
        error
    }

    fn now_hour(&self, argument: &Expr) -> Result<ExprKind, ConditionError> {
        let ExprKind::Literal(Literal::Text(name)) = &argument.kind else {
            return Err(self
                .wrong(argument, "the timezone must be a text in quotes")
                .hint(format!("write {}", Function::NowHour.usage())));
        };
        if let Ok(zone) = Tz::from_str(name) {
            return Ok(ExprKind::NowHour(zone));
        }
        let zones = TZ_VARIANTS.iter().map(|zone| zone.name());
        let hint = match suggest::nearest(name, zones) {
            Some(zone) => format!("did you mean '{zone}'?"),
            None => "timezones have names like Europe/Berlin or UTC".to_owned(),
        };
        Err(self.wrong(argument, "unknown timezone").hint(hint))
    }

    fn wrong(&self, argument: &Expr, message: impl Into<String>) -> ConditionError {
        ConditionError::at(self.source, argument.span.start, message)
    }
}

fn text(test: TextTest, first: Expr, second: Expr) -> ExprKind {
    ExprKind::Text(test, Box::new([first, second]))
}
