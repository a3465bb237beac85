//! From tokens, through evalexpr's parser, to our own tree.
//!
//! evalexpr sees only placeholders for operands (`t7` is token 7), so that its own ideas about
//! literals, names, comments and escapes do not matter, and every leaf knows its place.

mod calls;

use std::cell::Cell;

use evalexpr::{Node, Operator as Evalexpr};

use super::ConditionError;
use super::number::ArithOp;
use super::scan::{Kind, Operator, Token};
use super::tree::{CompareOp, Expr, ExprKind};
use super::value::{Literal, ValueKind};

/// Builds the tree of tokens that passed the grammar check.
pub(super) fn build(source: &str, tokens: &[Token]) -> Result<Expr, ConditionError> {
    let builder = Builder { source, tokens, pattern_room: Cell::new(calls::PATTERN_ROOM) };
    let tree = evalexpr::build_operator_tree(&placeholders(source, tokens)).map_err(|error| {
        ConditionError::at(source, 0, format!("the condition cannot be read: {error}"))
    })?;
    let root = builder.only_child(&tree)?;
    builder.require_boolean(&root.expr, "the whole condition")?;
    Ok(root.expr)
}

fn placeholders(source: &str, tokens: &[Token]) -> String {
    let mut text = String::with_capacity(tokens.len() * 5);
    for (index, token) in tokens.iter().enumerate() {
        match &token.kind {
            Kind::Literal(_) | Kind::Name(_) | Kind::Function(_) => {
                text.push_str(&format!("t{index}"));
            }
            _ => text.push_str(&source[token.start..token.end]),
        }
        // Without the space evalexpr would join neighbours, as in `! =` or `1e - 3`.
        text.push(' ');
    }
    text
}

struct Builder<'s> {
    source: &'s str,
    tokens: &'s [Token],
    /// The bytes that further regular expressions may take.
    pattern_room: Cell<usize>,
}

/// An expression and its first and last token, with the parentheses around it.
struct Built {
    expr: Expr,
    first: usize,
    last: usize,
}

impl Builder<'_> {
    fn node(&self, node: &Node) -> Result<Built, ConditionError> {
        match node.operator() {
            Evalexpr::RootNode => self.parenthesized(node),
            Evalexpr::And | Evalexpr::Or => self.chain(node),
            Evalexpr::Not | Evalexpr::Neg => self.unary(node),
            Evalexpr::FunctionIdentifier { identifier } => self.call(node, identifier),
            Evalexpr::VariableIdentifierRead { identifier } => self.leaf(identifier),
            _ if compare_op(node).is_some() => self.compare(node),
            _ if arith_op(node).is_some() => self.arith(node),
            _ => Err(self.unreadable()),
        }
    }

    /// The child of a root node that has no parentheses of its own.
    fn only_child(&self, node: &Node) -> Result<Built, ConditionError> {
        match (node.operator(), node.children()) {
            (Evalexpr::RootNode, [child]) => self.node(child),
            _ => Err(self.unreadable()),
        }
    }

    fn parenthesized(&self, node: &Node) -> Result<Built, ConditionError> {
        let mut built = self.only_child(node)?;
        built.first = built.first.checked_sub(1).ok_or_else(|| self.unreadable())?;
        built.last += 1;
        let opens = matches!(self.kind(built.first)?, Kind::Open);
        let closes = matches!(self.kind(built.last)?, Kind::Close);
        if opens && closes { Ok(built) } else { Err(self.unreadable()) }
    }

    /// `a && b && c` is left-deep in evalexpr's tree and flat in ours, however long it is.
    fn chain(&self, node: &Node) -> Result<Built, ConditionError> {
        let mut rights = Vec::new();
        let mut left = node;
        while let (true, [next, right]) = (left.operator() == node.operator(), left.children()) {
            rights.push(right);
            left = next;
        }
        let is_and = *node.operator() == Evalexpr::And;
        let operator = if is_and { Operator::And } else { Operator::Or };
        let first = self.node(left)?;
        let (start, mut last) = (first.first, first.last);
        self.require_boolean(&first.expr, "this side")?;
        let mut parts = vec![first.expr];
        for right in rights.into_iter().rev() {
            let right = self.node(right)?;
            self.require_joined(last, operator, &right)?;
            self.require_boolean(&right.expr, "this side")?;
            last = right.last;
            parts.push(right.expr);
        }
        let kind = if is_and { ExprKind::All } else { ExprKind::Any };
        self.built(kind(parts), start, last)
    }

    fn arith(&self, node: &Node) -> Result<Built, ConditionError> {
        let mut steps = Vec::new();
        let mut left = node;
        while let (Some(op), [next, right]) = (arith_op(left), left.children()) {
            steps.push((op, right));
            left = next;
        }
        let first = self.node(left)?;
        let (start, mut last) = (first.first, first.last);
        let mut rest = Vec::new();
        for (op, right) in steps.into_iter().rev() {
            let right = self.node(right)?;
            self.require_joined(last, Operator::Arith(op), &right)?;
            last = right.last;
            rest.push((op, right.expr));
        }
        let kind = ExprKind::Arith(Box::new(first.expr), rest);
        self.built(kind, start, last)
    }

    fn compare(&self, node: &Node) -> Result<Built, ConditionError> {
        let (Some(op), [left, right]) = (compare_op(node), node.children()) else {
            return Err(self.unreadable());
        };
        // Parentheses would stand in between, so this is `a < b < c`.
        if is_compare(left) {
            return Err(self.chained(node));
        }
        let (left, right) = (self.node(left)?, self.node(right)?);
        self.require_joined(left.last, Operator::Compare(op), &right)?;
        let (first, last) = (left.first, right.last);
        let sides = Box::new([left.expr, right.expr]);
        self.built(ExprKind::Compare(op, sides), first, last)
    }

    fn unary(&self, node: &Node) -> Result<Built, ConditionError> {
        let [child] = node.children() else {
            return Err(self.unreadable());
        };
        let child = self.node(child)?;
        let is_not = *node.operator() == Evalexpr::Not;
        let sign = if is_not { Operator::Not } else { Operator::Arith(ArithOp::Sub) };
        let first = child.first.checked_sub(1).ok_or_else(|| self.unreadable())?;
        if !matches!(self.kind(first)?, Kind::Operator(operator) if *operator == sign) {
            return Err(self.unreadable());
        }
        let kind = match child.expr.kind {
            _ if is_not => {
                self.require_boolean(&child.expr, "what follows '!'")?;
                ExprKind::Not(Box::new(child.expr))
            }
            // A negative number is a literal too, which matters for what a rule demands.
            ExprKind::Literal(Literal::Num(number)) => {
                ExprKind::Literal(Literal::Num(number.negate()))
            }
            _ => ExprKind::Negate(Box::new(child.expr)),
        };
        self.built(kind, first, child.last)
    }

    fn leaf(&self, placeholder: &str) -> Result<Built, ConditionError> {
        let index = self.index(placeholder)?;
        let kind = match self.kind(index)? {
            Kind::Literal(literal) => ExprKind::Literal(literal.clone()),
            Kind::Name(path) => ExprKind::Path(path.clone()),
            _ => return Err(self.unreadable()),
        };
        self.built(kind, index, index)
    }

    fn built(&self, kind: ExprKind, first: usize, last: usize) -> Result<Built, ConditionError> {
        let (Some(start), Some(end)) = (self.tokens.get(first), self.tokens.get(last)) else {
            return Err(self.unreadable());
        };
        let span = start.start..end.end;
        let expr = Expr { kind, span };
        Ok(Built { expr, first, last })
    }

    fn index(&self, placeholder: &str) -> Result<usize, ConditionError> {
        let digits = placeholder.strip_prefix('t');
        let index = digits.and_then(|digits| digits.parse().ok());
        index.ok_or_else(|| self.unreadable())
    }

    fn kind(&self, index: usize) -> Result<&Kind, ConditionError> {
        let token = self.tokens.get(index);
        token.map(|token| &token.kind).ok_or_else(|| self.unreadable())
    }

    /// Checks evalexpr's tree against the tokens: the operator stands between its two sides.
    fn require_joined(
        &self,
        left_last: usize,
        operator: Operator,
        right: &Built,
    ) -> Result<(), ConditionError> {
        let between = self.kind(left_last + 1)?;
        let is_it = matches!(between, Kind::Operator(found) if *found == operator);
        if is_it && right.first == left_last + 2 { Ok(()) } else { Err(self.unreadable()) }
    }

    fn require_boolean(&self, expr: &Expr, place: &str) -> Result<(), ConditionError> {
        let kind = match expr.known_kind() {
            None | Some(ValueKind::Boolean) => return Ok(()),
            Some(kind) => kind.name(),
        };
        let message = format!("{place} must be true or false, but is a {kind}");
        Err(ConditionError::at(self.source, expr.span.start, message)
            .hint("compare it with something, as in event.payload.amount > 1000"))
    }

    /// The error for `a < b < c`, at the second operator. It walks down instead of recursing,
    /// because nothing bounds the length of such a chain but the number of operators.
    fn chained(&self, node: &Node) -> ConditionError {
        let mut first = node;
        while let Some(left) = first.children().first().filter(|left| is_compare(left)) {
            first = left;
        }
        let at = match self.compare(first) {
            Ok(left) => self.tokens.get(left.last + 1).map_or(0, |token| token.start),
            Err(error) => return error,
        };
        ConditionError::at(self.source, at, "comparisons cannot be chained")
            .hint("join them with &&, as in a < b && b < c, or use parentheses")
    }

    /// evalexpr disagrees with our grammar, which the tests show not to happen.
    fn unreadable(&self) -> ConditionError {
        ConditionError::at(self.source, 0, "the condition cannot be read")
    }
}

fn is_compare(node: &Node) -> bool {
    compare_op(node).is_some()
}

fn compare_op(node: &Node) -> Option<CompareOp> {
    match node.operator() {
        Evalexpr::Eq => Some(CompareOp::Eq),
        Evalexpr::Neq => Some(CompareOp::Ne),
        Evalexpr::Gt => Some(CompareOp::Gt),
        Evalexpr::Lt => Some(CompareOp::Lt),
        Evalexpr::Geq => Some(CompareOp::Ge),
        Evalexpr::Leq => Some(CompareOp::Le),
        _ => None,
    }
}

fn arith_op(node: &Node) -> Option<ArithOp> {
    match node.operator() {
        Evalexpr::Add => Some(ArithOp::Add),
        Evalexpr::Sub => Some(ArithOp::Sub),
        Evalexpr::Mul => Some(ArithOp::Mul),
        Evalexpr::Div => Some(ArithOp::Div),
        Evalexpr::Mod => Some(ArithOp::Rem),
        _ => None,
    }
}
