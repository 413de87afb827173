//! Conditions of runbooks: `severity >= high and steps.check.rows > 0`.
//!
//! A small language over facts, so that a runbook stays data that an analyst reads aloud:
//! `and`, `or`, `not`, brackets, comparisons, `contains`, `startswith`, `in [..]`. A fact that is
//! not there is null: it equals nothing but `null`, and compares with nothing. Severities compare
//! by rank, and an ATLAS technique in a list also stands for its parent.
//!
//! Left out: arithmetic and functions. What needs them is a query.

use atalaya_model::{Diagnostic, Severity, Span};
use serde_json::Value;

/// Deepest nesting of brackets and `not`.
const DEPTH_MAX: usize = 32;
/// Longest condition, bytes.
const TEXT_BYTES_MAX: usize = 4_096;

/// A checked condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    text: String,
    root: Node,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Or(Vec<Node>),
    And(Vec<Node>),
    Not(Box<Node>),
    Compare(Operand, Operator, Operand),
    Holds(Operand),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Fact(String),
    Literal(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    StartsWith,
    In,
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// What is wrong; the span lies in `text`.
    pub fn parse(text: &str) -> Result<Self, Diagnostic> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(problem(Span::default(), "the condition is too long"));
        }
        let tokens = tokens(text)?;
        let mut parser = Parser {
            tokens: &tokens,
            at: 0,
            end: text.len(),
        };
        let root = parser.or(0)?;
        match parser.peek() {
            None => Ok(Self {
                text: text.to_owned(),
                root,
            }),
            Some(token) => Err(problem(token.span, "expected `and`, `or` or the end")),
        }
    }

    /// The text it was read from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A condition without a text of its own.
    pub(crate) const fn of(root: Node) -> Self {
        Self {
            text: String::new(),
            root,
        }
    }

    /// How it is put together.
    pub(crate) const fn root(&self) -> &Node {
        &self.root
    }

    /// Names of the facts it asks for.
    #[must_use]
    pub fn facts(&self) -> Vec<&str> {
        let mut found = Vec::new();
        collect(&self.root, &mut found);
        found
    }

    /// Whether it holds. `fact` gives the value of a name, or null.
    #[must_use]
    pub fn holds(&self, fact: &dyn Fn(&str) -> Value) -> bool {
        evaluate(&self.root, fact)
    }
}

fn collect<'a>(node: &'a Node, found: &mut Vec<&'a str>) {
    let mut operand = |operand: &'a Operand| {
        if let Operand::Fact(name) = operand {
            found.push(name.as_str());
        }
    };
    match node {
        Node::Or(nodes) | Node::And(nodes) => nodes.iter().for_each(|n| collect(n, found)),
        Node::Not(node) => collect(node, found),
        Node::Compare(a, _, b) => {
            operand(a);
            operand(b);
        }
        Node::Holds(a) => operand(a),
    }
}

fn evaluate(node: &Node, fact: &dyn Fn(&str) -> Value) -> bool {
    let value = |operand: &Operand| match operand {
        Operand::Fact(name) => fact(name),
        Operand::Literal(value) => value.clone(),
    };
    match node {
        Node::Or(nodes) => nodes.iter().any(|n| evaluate(n, fact)),
        Node::And(nodes) => nodes.iter().all(|n| evaluate(n, fact)),
        Node::Not(node) => !evaluate(node, fact),
        Node::Compare(a, operator, b) => compare(&value(a), *operator, &value(b)),
        Node::Holds(a) => match value(a) {
            Value::Null | Value::Bool(false) => false,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            _ => true,
        },
    }
}

fn compare(a: &Value, operator: Operator, b: &Value) -> bool {
    use std::cmp::Ordering;
    let ordered = |wanted: &[Ordering]| order(a, b).is_some_and(|found| wanted.contains(&found));
    match operator {
        Operator::Equal => equal(a, b),
        Operator::NotEqual => !equal(a, b),
        Operator::Less => ordered(&[Ordering::Less]),
        Operator::LessOrEqual => ordered(&[Ordering::Less, Ordering::Equal]),
        Operator::Greater => ordered(&[Ordering::Greater]),
        Operator::GreaterOrEqual => ordered(&[Ordering::Greater, Ordering::Equal]),
        Operator::Contains => contains(a, b),
        Operator::In => contains(b, a),
        Operator::StartsWith => match (a, b) {
            (Value::String(a), Value::String(b)) => a.starts_with(b.as_str()),
            _ => false,
        },
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}

fn order(a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::String(a), Value::String(b)) => match (severity(a), severity(b)) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => Some(a.cmp(b)),
        },
        _ => None,
    }
}

fn severity(text: &str) -> Option<Severity> {
    serde_json::from_value(Value::from(text)).ok()
}

fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::String(whole), Value::String(part)) => whole.contains(part.as_str()),
        (Value::Array(items), part) => items.iter().any(|item| match (item, part) {
            (Value::String(item), Value::String(part)) => covers_technique(part, item),
            (item, part) => equal(item, part),
        }),
        _ => false,
    }
}

/// Whether a name is another one, or a technique the parent of it.
pub(crate) fn covers_technique(wanted: &str, found: &str) -> bool {
    found == wanted
        || (wanted.starts_with("AML.T")
            && found
                .strip_prefix(wanted)
                .is_some_and(|rest| rest.starts_with('.')))
}

#[derive(Clone, Debug)]
struct Token {
    kind: Kind,
    span: Span,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Word(String),
    Literal(Value),
    Symbol(&'static str),
}

const SYMBOLS: [&str; 11] = ["==", "!=", ">=", "<=", ">", "<", "(", ")", "[", "]", ","];

fn tokens(text: &str) -> Result<Vec<Token>, Diagnostic> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let first = rest.chars().next().unwrap_or(' ');
        let (kind, length) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if let Some(symbol) = SYMBOLS.iter().find(|s| rest.starts_with(**s)) {
            (Kind::Symbol(symbol), symbol.len())
        } else if first == '\'' || first == '"' {
            let inner = rest.get(1..).unwrap_or("");
            let Some(end) = inner.find(first) else {
                return Err(problem(
                    Span::new(at, text.len()),
                    "the text is not closed by a quote",
                ));
            };
            let inner = inner.get(..end).unwrap_or("");
            (Kind::Literal(Value::from(inner)), end + 2)
        } else {
            let length = rest
                .find(|c: char| !(c.is_alphanumeric() || "._-:".contains(c)))
                .unwrap_or(rest.len());
            if length == 0 {
                return Err(problem(
                    Span::new(at, at + first.len_utf8()),
                    format!("`{first}` is not expected here"),
                ));
            }
            (word(rest.get(..length).unwrap_or("")), length)
        };
        found.push(Token {
            kind,
            span: Span::new(at, at + length),
        });
        at += length;
    }
    Ok(found)
}

fn word(text: &str) -> Kind {
    match text {
        "true" => Kind::Literal(Value::Bool(true)),
        "false" => Kind::Literal(Value::Bool(false)),
        "null" => Kind::Literal(Value::Null),
        // Severities and techniques may stand without quotes.
        _ if severity(text).is_some() || text.starts_with("AML.T") => {
            Kind::Literal(Value::from(text))
        }
        _ => match text.parse::<f64>() {
            Ok(number) => Kind::Literal(Value::from(number)),
            Err(_) => Kind::Word(text.to_owned()),
        },
    }
}

fn problem(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(crate::runbook::code::CONDITION, span, message)
        .with_help("e.g. `severity >= high and steps.check.rows > 0`")
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    end: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self
            .peek()
            .is_some_and(|token| token.kind == Kind::Word(word.to_owned()));
        self.at += usize::from(found);
        found
    }

    fn take_symbol(&mut self, symbol: &'static str) -> bool {
        let found = self
            .peek()
            .is_some_and(|token| token.kind == Kind::Symbol(symbol));
        self.at += usize::from(found);
        found
    }

    fn here(&self) -> Span {
        self.peek()
            .map_or(Span::new(self.end, self.end), |token| token.span)
    }

    fn or(&mut self, depth: usize) -> Result<Node, Diagnostic> {
        let mut nodes = vec![self.and(depth)?];
        while self.take_word("or") {
            nodes.push(self.and(depth)?);
        }
        Ok(one_or(nodes, Node::Or))
    }

    fn and(&mut self, depth: usize) -> Result<Node, Diagnostic> {
        let mut nodes = vec![self.not(depth)?];
        while self.take_word("and") {
            nodes.push(self.not(depth)?);
        }
        Ok(one_or(nodes, Node::And))
    }

    fn not(&mut self, depth: usize) -> Result<Node, Diagnostic> {
        if depth > DEPTH_MAX {
            return Err(problem(self.here(), "the condition is nested too deeply"));
        }
        if self.take_word("not") {
            return Ok(Node::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.take_symbol("(") {
            let inner = self.or(depth + 1)?;
            if !self.take_symbol(")") {
                return Err(problem(self.here(), "expected `)`"));
            }
            return Ok(inner);
        }
        let left = self.operand()?;
        match self.operator() {
            Some(operator) => Ok(Node::Compare(left, operator, self.operand()?)),
            None => Ok(Node::Holds(left)),
        }
    }

    fn operator(&mut self) -> Option<Operator> {
        let operator = match &self.peek()?.kind {
            Kind::Symbol("==") => Operator::Equal,
            Kind::Symbol("!=") => Operator::NotEqual,
            Kind::Symbol("<") => Operator::Less,
            Kind::Symbol("<=") => Operator::LessOrEqual,
            Kind::Symbol(">") => Operator::Greater,
            Kind::Symbol(">=") => Operator::GreaterOrEqual,
            Kind::Word(word) if word == "contains" => Operator::Contains,
            Kind::Word(word) if word == "startswith" => Operator::StartsWith,
            Kind::Word(word) if word == "in" => Operator::In,
            _ => return None,
        };
        self.at += 1;
        Some(operator)
    }

    fn operand(&mut self) -> Result<Operand, Diagnostic> {
        if self.take_symbol("[") {
            let mut items = Vec::new();
            while !self.take_symbol("]") {
                match self.operand()? {
                    Operand::Literal(value) => items.push(value),
                    Operand::Fact(_) => {
                        return Err(problem(self.here(), "a list holds values, not facts"));
                    }
                }
                if !self.take_symbol(",")
                    && self.peek().map(|t| &t.kind) != Some(&Kind::Symbol("]"))
                {
                    return Err(problem(self.here(), "expected `,` or `]`"));
                }
            }
            return Ok(Operand::Literal(Value::Array(items)));
        }
        let operand = match self.peek().map(|token| &token.kind) {
            Some(Kind::Word(word)) if !RESERVED.contains(&word.as_str()) => {
                Operand::Fact(word.clone())
            }
            Some(Kind::Literal(value)) => Operand::Literal(value.clone()),
            _ => return Err(problem(self.here(), "expected a fact or a value")),
        };
        self.at += 1;
        Ok(operand)
    }
}

const RESERVED: [&str; 6] = ["and", "or", "not", "contains", "startswith", "in"];

fn one_or(mut nodes: Vec<Node>, many: fn(Vec<Node>) -> Node) -> Node {
    if nodes.len() == 1 {
        nodes.remove(0)
    } else {
        many(nodes)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Condition;

    fn holds(text: &str) -> bool {
        let facts = json!({
            "severity": "high", "count": 12, "caller": "mallory", "rule": "r1",
            "techniques": ["AML.T0051.000", "AML.T0054"], "steps.check.rows": 3,
        });
        let fact = |name: &str| facts.get(name).cloned().unwrap_or(Value::Null);
        Condition::parse(text).unwrap().holds(&fact)
    }

    #[test]
    fn conditions_mean_what_they_say() {
        for text in [
            "severity >= high",
            "severity < critical and count > 10",
            "not (count > 100 or severity == low)",
            "techniques contains AML.T0051",
            "techniques contains 'AML.T0054'",
            "caller in ['mallory', 'eve']",
            "caller startswith \"mal\"",
            "steps.check.rows > 0",
            "caller",
            "agent == null",
            "agent != 'x'",
        ] {
            assert!(holds(text), "{text}");
        }
        for text in [
            "severity > high",
            "techniques contains AML.T005",
            "agent",
            "agent > 1",
            "count == '12'",
            "steps.other.rows > 0",
        ] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn mistakes_have_a_place() {
        for (text, at) in [
            ("severity >=", 11),
            ("count > 10 caller", 11),
            ("(count > 1", 10),
            ("a == 'b", 5),
            ("a ; b", 2),
            ("", 0),
            ("caller in [a]", 12),
        ] {
            let error = Condition::parse(text).unwrap_err();
            assert_eq!(error.span.start, at, "{text}: {}", error.message);
        }
        assert!(Condition::parse(&"not ".repeat(1_000)).is_err());
        assert!(Condition::parse(&"(".repeat(1_000)).is_err());
    }
}
