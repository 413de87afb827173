//! Operators over the names of columns: `project-by-names`, `assert-schema`.

use std::cmp::Ordering;

use atalaya_model::{Span, glob};

use super::Binder;
use super::project::{columns, projected};
use super::scope::Env;
use crate::ast::{self, Name};
use crate::bound::{Expr, ExprKind, Literal, RelNode, Type};

impl Binder<'_> {
    /// Columns whose names are given as texts or arrays of texts, in that order. A name that is
    /// no column is left out, as in Kusto.
    pub(crate) fn project_by_names(
        &mut self,
        env: &Env,
        node: RelNode,
        names: &[ast::Expr],
        span: Span,
    ) -> Option<RelNode> {
        let mut patterns = Vec::new();
        for name in names {
            let bound = self.scalar(env, name)?;
            if !texts_of(&bound, &mut patterns) {
                let message = "the names of columns are texts or arrays of texts".to_owned();
                self.error("KS107", name.span, message);
                return None;
            }
        }
        let all = columns(&node);
        let (mut exprs, mut schema) = (Vec::new(), Vec::new());
        let mut is_taken = vec![false; all.len()];
        for pattern in &patterns {
            for (at, column) in node.schema.iter().enumerate() {
                if !is_taken[at] && glob::matches(pattern, &column.name) {
                    is_taken[at] = true;
                    exprs.push(all[at].clone());
                    schema.push(column.clone());
                }
            }
        }
        Some(projected(node, exprs, schema, span))
    }

    /// Refuses rows whose columns are not these, in any order.
    pub(crate) fn assert_schema(
        &mut self,
        node: RelNode,
        wanted: &[(Name, Name)],
    ) -> Option<RelNode> {
        let before = self.diagnostics.len();
        for (name, ty) in wanted {
            let Some(expected) = Type::parse(&ty.text) else {
                self.error("KS142", ty.span, format!("`{}` is no type", ty.text));
                continue;
            };
            match node.schema.iter().find(|column| column.name == name.text) {
                None => self.unknown_column(&node, name),
                Some(column) if column.ty != expected => {
                    let message =
                        format!("`{}` is {}, not {}", name.text, column.ty.name(), ty.text);
                    self.error("KS106", name.span, message);
                }
                Some(_) => {}
            }
        }
        (self.diagnostics.len() == before).then_some(node)
    }
}

/// Adds the texts of a constant; whether it has only such.
fn texts_of(expr: &Expr, into: &mut Vec<String>) -> bool {
    match &expr.kind {
        ExprKind::Literal(Literal::String(text)) => into.push(text.clone()),
        ExprKind::Literal(Literal::Dynamic(json)) => {
            let tokens = crate::lexer::lex(json).0;
            let texts = tokens
                .iter()
                .filter(|token| token.kind == crate::lexer::Kind::String);
            into.extend(texts.map(|token| crate::parser::unquote(token.span.slice(json))));
        }
        ExprKind::Call { name, args } if name == "pack_array" => {
            return args.iter().all(|arg| texts_of(arg, into));
        }
        _ => return false,
    }
    true
}

/// Order of names in which digits count as one number: `a2` before `a10`.
pub(crate) fn by_number(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left, right);
    loop {
        let (Some(a), Some(b)) = (left.chars().next(), right.chars().next()) else {
            return left.len().cmp(&right.len());
        };
        if a.is_ascii_digit() && b.is_ascii_digit() {
            let (a, after_a) = digits(left);
            let (b, after_b) = digits(right);
            let order = a.len().cmp(&b.len()).then_with(|| a.cmp(b));
            if order.is_ne() {
                return order;
            }
            (left, right) = (after_a, after_b);
        } else if a == b {
            (left, right) = (&left[a.len_utf8()..], &right[b.len_utf8()..]);
        } else {
            return a.cmp(&b);
        }
    }
}

/// The digits at the start, without leading zeros, and what follows.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (number, rest) = text.split_at(end.unwrap_or(text.len()));
    (number.trim_start_matches('0'), rest)
}

#[cfg(test)]
mod tests {
    use super::by_number;

    #[test]
    fn numbers_inside_of_names_count_as_numbers() {
        let mut names = ["a100", "a20", "a1", "b", "a", "a007x"];
        names.sort_by(|a, b| by_number(a, b));
        assert_eq!(names, ["a", "a1", "a007x", "a20", "a100", "b"]);
    }
}
