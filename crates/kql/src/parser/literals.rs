//! Literals: strings, spans of time, and those with the name of their type.

use atalaya_model::Span;

use super::Parser;
use crate::ast::{Expr, ExprKind};
use crate::lexer::unit_ticks;

/// Types whose literals hold raw text.
pub(crate) const LITERAL_TYPES: [&str; 12] = [
    "datetime", "date", "timespan", "time", "dynamic", "guid", "long", "int", "real", "double",
    "decimal", "bool",
];

impl Parser<'_> {
    /// `datetime(2024-01-01)`: the inside is raw text up to the closing parenthesis.
    pub(super) fn typed_literal(&mut self, ty: &str) -> Option<Expr> {
        let start = self.span().start;
        let open = self.tokens.get(self.at + 1)?.span;
        let end = *self.closings.get(self.at + 1)?;
        if end == 0 {
            let last = self.tokens.last()?.span.end;
            let is_dynamic = ty == "dynamic";
            return is_dynamic.then(|| self.unclosed_dynamic(Span::new(start, last), open.end));
        }
        let close = self.tokens.get(end)?.span;
        let raw = self.source.get(open.end..close.start)?.trim();
        self.at = end + 1;
        let kind = ExprKind::TypedLiteral(ty.to_owned(), raw.to_owned());
        Some(Expr {
            kind,
            span: Span::new(start, close.end),
        })
    }
}

impl Parser<'_> {
    /// All that is left: where it stops being a value is said when it is read.
    fn unclosed_dynamic(&mut self, span: Span, inside: usize) -> Expr {
        let raw = self.source.get(inside..).unwrap_or_default().trim();
        self.at = self.tokens.len().saturating_sub(1);
        let _ = self.want(")");
        Expr {
            kind: ExprKind::TypedLiteral("dynamic".to_owned(), raw.to_owned()),
            span,
        }
    }
}

/// The value of a string token, prefix and quotes included.
pub(crate) fn unquote(token: &str) -> String {
    let token = token.trim_start_matches(['h', 'H']);
    let (is_verbatim, token) = match token.strip_prefix('@') {
        Some(rest) => (true, rest),
        None => (false, token),
    };
    for fence in ["```", "~~~"] {
        if let Some(inner) = token.strip_prefix(fence) {
            return inner.strip_suffix(fence).unwrap_or(inner).to_owned();
        }
    }
    let Some(quote) = token.chars().next() else {
        return String::new();
    };
    let inner = &token[quote.len_utf8()..];
    let inner = inner.strip_suffix(quote).unwrap_or(inner);
    if is_verbatim {
        return inner.replace(&format!("{quote}{quote}"), &quote.to_string());
    }
    unescape(inner)
}

fn unescape(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('0') => out.push('\0'),
            Some('a') => out.push('\u{7}'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('v') => out.push('\u{b}'),
            Some('u') => {
                let code: String = chars.by_ref().take(4).collect();
                out.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
            }
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
    out
}

/// Ticks of `5m`, `1.5h`.
pub(crate) fn timespan_ticks(text: &str) -> Option<i64> {
    let split = text.find(|c: char| c.is_alphabetic())?;
    let (number, unit) = text.split_at(split);
    let ticks = unit_ticks(unit)?;
    if let Ok(whole) = number.parse::<i64>() {
        return Some(whole.wrapping_mul(ticks));
    }
    let number: f64 = number.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "saturates, as Kusto does")]
    #[expect(clippy::cast_precision_loss, reason = "units are far below 2^53")]
    let ticks = (number * ticks as f64).round() as i64;
    Some(ticks)
}
