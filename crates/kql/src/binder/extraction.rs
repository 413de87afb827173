//! `parse`, `parse-where` and `parse-kv`: one hidden column holds what was found, the columns
//! that the query names are taken from it.

use atalaya_model::Span;

use super::Binder;
use super::expr::call;
use super::literal::literal;
use super::project::{columns, projected};
use super::rel::scope;
use super::scope::Env;
use super::typing::conversion;
use crate::ast::{ExprKind as AstKind, Name, ParseArgs, ParseItem, ParseKvArgs};
use crate::bound::{ColumnDef, Expr, ExprKind, Literal, RelNode, RelOp, Type};

impl Binder<'_> {
    pub(crate) fn parse_with(
        &mut self,
        env: &Env,
        node: RelNode,
        args: &ParseArgs,
        span: Span,
    ) -> Option<RelNode> {
        let mut source = self.expr(scope(env, &node), &args.expr)?;
        if source.ty == Type::Dynamic {
            source = call("tostring", vec![source], Type::String, span);
        }
        if source.ty != Type::String {
            let message = format!("`parse` wants a string, not {}", source.ty.name());
            let help = format!("write `tostring({})`", source.span.slice(&self.source));
            self.error_help("KS106", source.span, message, help);
            return None;
        }
        let kind = args.kind.as_ref().map_or("simple", |kind| &kind.text);
        if !matches!(kind, "simple" | "relaxed" | "regex") {
            let span = args.kind.as_ref().map_or(span, |kind| kind.span);
            let message = format!("`{kind}` is no kind of parse");
            self.error_help(
                "KS107",
                span,
                message,
                "simple, relaxed or regex".to_owned(),
            );
            return None;
        }
        let text = |text: String| literal(Literal::String(text), Type::String, span);
        let flags = args.flags.as_ref().map_or("", |flags| &flags.text);
        let mut parts = vec![source, text(kind.to_owned()), text(flags.to_owned())];
        let mut wanted: Vec<(&Name, Type)> = Vec::new();
        for item in &args.items {
            parts.push(text(match item {
                ParseItem::Star => "*".to_owned(),
                ParseItem::Text(part) => format!("t{part}"),
                ParseItem::Column(name, ty) => {
                    let ty = match ty {
                        None => Type::String,
                        Some(ty) => self.type_of_name(ty)?,
                    };
                    wanted.push((name, ty));
                    format!("c{}", ty.name())
                }
            }));
        }
        let found = call("parse_match", parts, Type::Dynamic, span);
        let at = (0..wanted.len()).map(|index| {
            let index = i64::try_from(index).unwrap_or(i64::MAX);
            literal(Literal::Long(index), Type::Long, span)
        });
        let wanted = wanted
            .iter()
            .zip(at)
            .map(|((name, ty), at)| (*name, *ty, at));
        Some(extracted(node, found, wanted.collect(), args.drops, span))
    }

    pub(crate) fn parse_kv(
        &mut self,
        env: &Env,
        node: RelNode,
        args: &ParseKvArgs,
        span: Span,
    ) -> Option<RelNode> {
        let text = |text: String| literal(Literal::String(text), Type::String, span);
        let mut parts = vec![self.expr(scope(env, &node), &args.expr)?];
        for (name, value) in &args.options {
            let value = match &value.kind {
                AstKind::String(value) => value.clone(),
                AstKind::Bool(value) => value.to_string(),
                _ => {
                    let message = format!("`{}` wants a constant", name.text);
                    self.error("KS107", value.span, message);
                    return None;
                }
            };
            parts.push(text(format!("{}={value}", name.text)));
        }
        let mut wanted = Vec::new();
        for (name, ty) in &args.keys {
            wanted.push((name, self.type_of_name(ty)?, text(name.text.clone())));
        }
        let found = call("parse_pairs", parts, Type::Dynamic, span);
        Some(extracted(node, found, wanted, false, span))
    }

    fn type_of_name(&mut self, name: &Name) -> Option<Type> {
        let ty = Type::parse(&name.text);
        if ty.is_none() {
            let message = format!("`{}` is no type", name.text);
            self.error("KS142", name.span, message);
        }
        ty
    }
}

/// The input's columns and those taken from what was found.
fn extracted(
    node: RelNode,
    found: Expr,
    wanted: Vec<(&Name, Type, Expr)>,
    drops: bool,
    span: Span,
) -> RelNode {
    let mut schema = node.schema.clone();
    let mut exprs = columns(&node);
    let place = schema.len();
    let mut below = schema.clone();
    below.push(ColumnDef {
        name: "$found".to_owned(),
        ty: Type::Dynamic,
        range: None,
    });
    let mut with_found = exprs.clone();
    with_found.push(found);
    let found = Expr {
        kind: ExprKind::Column(place),
        ty: Type::Dynamic,
        span,
        range: None,
    };
    let mut input = projected(node, with_found, below, span);
    if drops {
        let (schema, serialized) = (input.schema.clone(), input.serialized);
        let predicate = call("isnotnull", vec![found.clone()], Type::Bool, span);
        let op = RelOp::Filter {
            input: Box::new(input),
            predicate,
        };
        input = RelNode {
            op,
            schema,
            span,
            serialized,
        };
    }
    for (name, ty, at) in wanted {
        let value = call("path", vec![found.clone(), at], Type::Dynamic, span);
        let value = call(conversion(ty), vec![value], ty, span);
        let column = ColumnDef {
            name: name.text.clone(),
            ty,
            range: None,
        };
        match schema.iter().position(|known| known.name == name.text) {
            Some(index) => {
                schema[index] = column;
                exprs[index] = value;
            }
            None => {
                schema.push(column);
                exprs.push(value);
            }
        }
    }
    projected(input, exprs, schema, span)
}
