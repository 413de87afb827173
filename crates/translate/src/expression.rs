//! Scalar expressions. What both targets share is here; what differs is asked of the dialect.

use std::collections::HashMap;

use atalaya_kql::ast::{Expr, ExprKind, InItem, NamedExpr};
use atalaya_model::Span;

use crate::{Result, refused};

/// Ticks (100 ns) of a second.
pub(crate) const TICKS_PER_SECOND: i64 = 10_000_000;
/// Nesting of expressions.
const DEPTH_MAX: usize = 128;

/// How a text lies in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Anywhere,
    Start,
    End,
    /// As a whole term.
    Term,
}

/// How a target writes expressions.
pub(crate) trait Dialect {
    /// Its name in messages.
    fn name(&self) -> &'static str;
    /// A column.
    fn column(&self, name: &str) -> String;
    /// A text.
    fn text(&self, text: &str) -> String;
    /// No value.
    fn null(&self) -> String;
    /// `==` and `!=`.
    fn equality(&self, equal: bool) -> &'static str;
    /// Words for and, or, not.
    fn words(&self) -> (&'static str, &'static str, &'static str);
    /// A value in lower case.
    fn lower(&self, value: &str) -> String;
    /// Whether a literal lies in a value.
    fn lies(&self, value: &str, literal: &str, place: Place, cased: bool) -> String;
    /// Whether a regular expression matches somewhere.
    fn matches(&self, value: &str, pattern: &str) -> String;
    /// Whether a value is one of several.
    fn within(&self, value: &str, values: &[String]) -> String;
    /// Whether a value is there and not the empty text.
    fn is_empty(&self, value: &str) -> String;
    /// The time so many seconds before now.
    fn ago(&self, seconds: i64) -> String;
    /// Now.
    fn now(&self) -> String;
    /// A span of time as a number or a literal.
    fn span(&self, seconds: i64) -> String;
    /// Time in buckets of so many seconds.
    fn bucket(&self, seconds: i64) -> String;
    /// A function of one or more values; `None` if there is none.
    fn call(&self, name: &str, arguments: &[String]) -> Option<String>;
}

/// A dialect in which some columns have other names.
pub(crate) struct Renamed<'a> {
    pub(crate) inner: &'a dyn Dialect,
    pub(crate) names: &'a HashMap<String, String>,
}

impl Dialect for Renamed<'_> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn column(&self, name: &str) -> String {
        let own = self.names.get(name).cloned();
        own.unwrap_or_else(|| self.inner.column(name))
    }

    fn text(&self, text: &str) -> String {
        self.inner.text(text)
    }

    fn null(&self) -> String {
        self.inner.null()
    }

    fn equality(&self, equal: bool) -> &'static str {
        self.inner.equality(equal)
    }

    fn words(&self) -> (&'static str, &'static str, &'static str) {
        self.inner.words()
    }

    fn lower(&self, value: &str) -> String {
        self.inner.lower(value)
    }

    fn lies(&self, value: &str, literal: &str, place: Place, cased: bool) -> String {
        self.inner.lies(value, literal, place, cased)
    }

    fn matches(&self, value: &str, pattern: &str) -> String {
        self.inner.matches(value, pattern)
    }

    fn within(&self, value: &str, values: &[String]) -> String {
        self.inner.within(value, values)
    }

    fn is_empty(&self, value: &str) -> String {
        self.inner.is_empty(value)
    }

    fn ago(&self, seconds: i64) -> String {
        self.inner.ago(seconds)
    }

    fn now(&self) -> String {
        self.inner.now()
    }

    fn span(&self, seconds: i64) -> String {
        self.inner.span(seconds)
    }

    fn bucket(&self, seconds: i64) -> String {
        self.inner.bucket(seconds)
    }

    fn call(&self, name: &str, arguments: &[String]) -> Option<String> {
        self.inner.call(name, arguments)
    }
}

/// An expression as text.
///
/// # Errors
/// What the target cannot say.
pub(crate) fn expression(expr: &Expr, dialect: &dyn Dialect) -> Result<String> {
    Writer { dialect }.expr(expr, 0)
}

struct Writer<'d> {
    dialect: &'d dyn Dialect,
}

impl Writer<'_> {
    fn expr(&self, expr: &Expr, depth: usize) -> Result<String> {
        let no = |what: &str| refused(expr.span, format!("{what} in {}", self.dialect.name()));
        if depth > DEPTH_MAX {
            return Err(no("an expression nested so deeply"));
        }
        let next = depth + 1;
        match &expr.kind {
            ExprKind::Name(name) => Ok(self.dialect.column(name)),
            ExprKind::Long(number) => Ok(number.to_string()),
            ExprKind::Real(number) if number.is_finite() => Ok(number.to_string()),
            ExprKind::String(text) => Ok(self.dialect.text(text)),
            ExprKind::Bool(value) => Ok(value.to_string()),
            ExprKind::Timespan(ticks) => Ok(self.dialect.span(ticks / TICKS_PER_SECOND)),
            ExprKind::Unary(operator, inner) if *operator == "-" => {
                Ok(format!("-{}", self.atom(inner, next)?))
            }
            ExprKind::Binary(operator, left, right) => {
                self.binary(operator, (left, right), expr.span, next)
            }
            ExprKind::Between {
                name,
                value,
                low,
                high,
                ..
            } => {
                let (and, _, not) = self.dialect.words();
                let value = self.atom(value, next)?;
                let text = format!(
                    "({value} >= {} {and} {value} <= {})",
                    self.expr(low, next)?,
                    self.expr(high, next)?
                );
                Ok(if name.starts_with('!') {
                    format!("{not} {text}")
                } else {
                    text
                })
            }
            ExprKind::In(name, value, items) => self.within(name, value, items, expr.span, next),
            ExprKind::Call(name, arguments) => self.call(name, arguments, expr.span, next),
            _ => Err(no("this expression has no counterpart")),
        }
    }

    /// In parentheses unless it is one token or a call.
    fn atom(&self, expr: &Expr, depth: usize) -> Result<String> {
        let text = self.expr(expr, depth)?;
        Ok(match expr.kind {
            ExprKind::Binary(..) | ExprKind::Unary(..) | ExprKind::In(..) => format!("({text})"),
            _ => text,
        })
    }

    fn binary(
        &self,
        operator: &str,
        (left, right): (&Expr, &Expr),
        span: Span,
        depth: usize,
    ) -> Result<String> {
        let (and, or, not) = self.dialect.words();
        let both = |between: &str| -> Result<String> {
            Ok(format!(
                "{} {between} {}",
                self.atom(left, depth)?,
                self.atom(right, depth)?
            ))
        };
        let negated = |text: String| {
            if operator.starts_with('!') {
                format!("{not} {text}")
            } else {
                text
            }
        };
        match operator {
            "and" => both(and),
            "or" => both(or),
            "+" | "-" | "*" | "/" | "%" | "<" | "<=" | ">" | ">=" => both(operator),
            "==" => both(self.dialect.equality(true)),
            "!=" | "<>" => both(self.dialect.equality(false)),
            "=~" | "!~" => {
                let left = self.dialect.lower(&self.expr(left, depth)?);
                let right = match &right.kind {
                    ExprKind::String(text) => self.dialect.text(&text.to_lowercase()),
                    _ => self.dialect.lower(&self.expr(right, depth)?),
                };
                let equality = self.dialect.equality(operator == "=~");
                Ok(format!("{left} {equality} {right}"))
            }
            "matches regex" => {
                let ExprKind::String(pattern) = &right.kind else {
                    return Err(refused(span, "a regular expression that is computed"));
                };
                Ok(self.dialect.matches(&self.expr(left, depth)?, pattern))
            }
            word => {
                let cased = word.ends_with("_cs");
                let place = match word.trim_start_matches('!').trim_end_matches("_cs") {
                    "contains" => Place::Anywhere,
                    "startswith" => Place::Start,
                    "endswith" => Place::End,
                    "has" => Place::Term,
                    other => {
                        let message = format!("the operator `{other}` in {}", self.dialect.name());
                        return Err(refused(span, message));
                    }
                };
                let ExprKind::String(literal) = &right.kind else {
                    return Err(refused(span, "a search for a text that is computed"));
                };
                let value = self.expr(left, depth)?;
                Ok(negated(self.dialect.lies(&value, literal, place, cased)))
            }
        }
    }

    fn within(
        &self,
        name: &str,
        value: &Expr,
        items: &[InItem],
        span: Span,
        depth: usize,
    ) -> Result<String> {
        let (_, or, not) = self.dialect.words();
        let folds = name.ends_with('~');
        let left = self.expr(value, depth)?;
        let mut scalars = Vec::with_capacity(items.len());
        for item in items {
            let InItem::Scalar(item) = item else {
                return Err(refused(span, "a list that is a query"));
            };
            scalars.push(item);
        }
        if name.starts_with("has_any") || name.starts_with("has_all") {
            let (and, or, _) = self.dialect.words();
            let between = if name.starts_with("has_all") { and } else { or };
            let mut texts = Vec::with_capacity(scalars.len());
            for item in &scalars {
                let ExprKind::String(text) = &item.kind else {
                    return Err(refused(span, "a search for a text that is computed"));
                };
                texts.push(self.dialect.lies(&left, text, Place::Term, false));
            }
            return Ok(format!("({})", texts.join(&format!(" {between} "))));
        }
        if !matches!(name, "in" | "!in" | "in~" | "!in~") {
            return Err(refused(
                span,
                format!("the operator `{name}` {or} its like"),
            ));
        }
        let mut values = Vec::with_capacity(scalars.len());
        for item in scalars {
            values.push(match &item.kind {
                ExprKind::String(text) if folds => self.dialect.text(&text.to_lowercase()),
                _ => self.expr(item, depth)?,
            });
        }
        let left = if folds {
            self.dialect.lower(&left)
        } else {
            left
        };
        let text = self.dialect.within(&left, &values);
        Ok(if name.starts_with('!') {
            format!("{not} {text}")
        } else {
            text
        })
    }

    fn call(
        &self,
        name: &str,
        arguments: &[NamedExpr],
        span: Span,
        depth: usize,
    ) -> Result<String> {
        let (_, _, not) = self.dialect.words();
        let first = arguments.first().map(|argument| &argument.expr);
        match (name, first) {
            ("not", Some(inner)) => Ok(format!("{not} ({})", self.expr(inner, depth)?)),
            ("now", None) => Ok(self.dialect.now()),
            ("ago", Some(Expr { kind, .. })) => match kind {
                ExprKind::Timespan(ticks) => Ok(self.dialect.ago(ticks / TICKS_PER_SECOND)),
                _ => Err(refused(span, "a span of time that is computed")),
            },
            ("isempty" | "isnull", Some(value)) => {
                Ok(self.dialect.is_empty(&self.expr(value, depth)?))
            }
            ("isnotempty" | "isnotnull" | "notempty" | "notnull", Some(value)) => Ok(format!(
                "{not} {}",
                self.dialect.is_empty(&self.expr(value, depth)?)
            )),
            _ => {
                let arguments = arguments
                    .iter()
                    .map(|argument| self.expr(&argument.expr, depth))
                    .collect::<Result<Vec<_>>>()?;
                self.dialect.call(name, &arguments).ok_or_else(|| {
                    let message = format!("the function `{name}` in {}", self.dialect.name());
                    refused(span, message)
                })
            }
        }
    }
}
