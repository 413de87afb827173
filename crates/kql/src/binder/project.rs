//! `project` and its family, `extend`.

use atalaya_model::{Span, glob};

use super::expr::call;
use super::literal::literal;
use super::names::{Namer, implied};
use super::rel::scope;
use super::scope::{Env, Scope};
use super::typing::conversion;
use super::{Binder, by_names};
use crate::ast::{self, Name, NamedExpr};
use crate::bound::{ColumnDef, Expr, ExprKind, Literal, RelNode, RelOp, Type};
use crate::catalogue;

impl Binder<'_> {
    pub(crate) fn project(
        &mut self,
        env: &Env,
        node: RelNode,
        list: &[NamedExpr],
        span: Span,
    ) -> Option<RelNode> {
        let mut namer = Namer::default();
        let (mut schema, mut exprs) = (Vec::new(), Vec::new());
        let mut is_fine = true;
        for named in list {
            if let Some(outputs) = self.tuple(scope(env, &node), named) {
                is_fine &= outputs.is_some();
                for (name, expr) in outputs.into_iter().flatten() {
                    schema.push(ColumnDef {
                        name: namer.name(Some(name)),
                        ty: expr.ty,
                        range: None,
                    });
                    exprs.push(expr);
                }
                continue;
            }
            let Some(expr) = self.expr(scope(env, &node), &named.expr) else {
                is_fine = false;
                continue;
            };
            is_fine &= self.is_own(&namer, named);
            let wanted = named.names.first().map(|name| name.text.clone());
            let name = namer.name(wanted.or_else(|| implied(&named.expr)));
            schema.push(ColumnDef {
                name,
                ty: expr.ty,
                range: expr.range,
            });
            exprs.push(expr);
        }
        is_fine.then(|| projected(node, exprs, schema, span))
    }

    pub(crate) fn extend(
        &mut self,
        env: &Env,
        node: RelNode,
        list: &[NamedExpr],
        span: Span,
    ) -> Option<RelNode> {
        let mut schema = node.schema.clone();
        let mut exprs = columns(&node);
        let mut added = Namer::default();
        let mut is_fine = true;
        for named in list {
            if let Some(outputs) = self.tuple(scope(env, &node), named) {
                is_fine &= outputs.is_some();
                for (name, expr) in outputs.into_iter().flatten() {
                    put(&mut schema, &mut exprs, name, expr);
                }
                continue;
            }
            // All expressions see the input, not each other (as in Kusto).
            let Some(expr) = self.expr(scope(env, &node), &named.expr) else {
                is_fine = false;
                continue;
            };
            is_fine &= self.is_own(&added, named);
            let wanted = match named.names.first() {
                Some(name) => Some(name.text.clone()),
                // An expression that would keep a column's name makes a new column.
                None if matches!(named.expr.kind, ast::ExprKind::Name(_)) => implied(&named.expr),
                None => Some(Namer::with(&schema).name(implied(&named.expr))),
            };
            added.name(wanted.clone());
            put(&mut schema, &mut exprs, wanted.unwrap_or_default(), expr);
        }
        is_fine.then(|| projected(node, exprs, schema, span))
    }

    /// The columns of a function with several results; nothing if it is none.
    #[expect(
        clippy::option_option,
        reason = "no tuple is something else than a broken one"
    )]
    pub(crate) fn tuple(
        &mut self,
        scope: Scope<'_>,
        named: &NamedExpr,
    ) -> Option<Option<Vec<(String, Expr)>>> {
        let ast::ExprKind::Call(function, args) = &named.expr.kind else {
            return None;
        };
        if matches!(function.as_str(), "array_sort_asc" | "array_sort_desc") {
            return self.sorted_arrays(scope, named, args);
        }
        let results = catalogue::tuple(function)?;
        let Some(all) = self.expr(scope, &named.expr) else {
            return Some(None);
        };
        let of = args
            .first()
            .and_then(|arg| implied(&arg.expr))
            .unwrap_or_default();
        let span = named.expr.span;
        let column = |(index, (suffix, ty)): (usize, &(&str, Type))| {
            let name = named.names.get(index).map(|name| name.text.clone());
            let name = name.unwrap_or_else(|| format!("{function}_{of}_{suffix}"));
            let at = i64::try_from(index).unwrap_or(i64::MAX);
            let at = literal(Literal::Long(at), Type::Long, span);
            let value = call("path", vec![all.clone(), at], Type::Dynamic, span);
            let value = match ty {
                Type::Dynamic => value,
                ty => call(conversion(*ty), vec![value], *ty, span),
            };
            (name, value)
        };
        Some(Some(results.iter().enumerate().map(column).collect()))
    }

    /// Several arrays sorted by the first: a column each.
    #[expect(
        clippy::option_option,
        reason = "no tuple is something else than a broken one"
    )]
    fn sorted_arrays(
        &mut self,
        scope: Scope<'_>,
        named: &NamedExpr,
        args: &[NamedExpr],
    ) -> Option<Option<Vec<(String, Expr)>>> {
        let is_flag = |arg: &NamedExpr| matches!(arg.expr.kind, ast::ExprKind::Bool(_));
        let arrays: Vec<&NamedExpr> = args.iter().filter(|arg| !is_flag(arg)).collect();
        if arrays.len() < 2 {
            return None;
        }
        let Some(all) = self.expr(scope, &named.expr) else {
            return Some(None);
        };
        let span = named.expr.span;
        let column = |(index, array): (usize, &&NamedExpr)| {
            let name = named.names.get(index).map(|name| name.text.clone());
            let of = || implied(&array.expr).unwrap_or_default();
            let name = name.unwrap_or_else(|| format!("{}_sorted", of()));
            let at = i64::try_from(index).unwrap_or(i64::MAX);
            let at = literal(Literal::Long(at), Type::Long, span);
            (
                name,
                call("path", vec![all.clone(), at], Type::Dynamic, span),
            )
        };
        Some(Some(arrays.iter().enumerate().map(column).collect()))
    }

    pub(crate) fn project_away(
        &mut self,
        node: RelNode,
        patterns: &[Name],
        span: Span,
    ) -> Option<RelNode> {
        self.check_patterns(&node, patterns)?;
        let keep = |column: &ColumnDef| {
            !patterns
                .iter()
                .any(|p| glob::matches(&p.text, &column.name))
        };
        Some(select(node, keep, span))
    }

    pub(crate) fn project_keep(
        &mut self,
        node: RelNode,
        patterns: &[Name],
        span: Span,
    ) -> Option<RelNode> {
        self.check_patterns(&node, patterns)?;
        let keep = |column: &ColumnDef| {
            patterns
                .iter()
                .any(|p| glob::matches(&p.text, &column.name))
        };
        Some(select(node, keep, span))
    }

    fn check_patterns(&mut self, node: &RelNode, patterns: &[Name]) -> Option<()> {
        for pattern in patterns
            .iter()
            .filter(|pattern| !pattern.text.contains('*'))
        {
            if !node.schema.iter().any(|column| column.name == pattern.text) {
                self.unknown_column(node, pattern);
                return None;
            }
        }
        Some(())
    }

    pub(crate) fn unknown_column(&mut self, node: &RelNode, name: &Name) {
        let near = self.nearest(
            &name.text,
            node.schema.iter().map(|column| column.name.as_str()),
        );
        let message = format!("there is no column `{}`", name.text);
        match near {
            Some(near) => self.error_help(
                "KS142",
                name.span,
                message,
                format!("did you mean `{near}`?"),
            ),
            None => self.error("KS142", name.span, message),
        }
    }

    pub(crate) fn project_rename(
        &mut self,
        node: RelNode,
        list: &[NamedExpr],
        span: Span,
    ) -> Option<RelNode> {
        let mut schema = node.schema.clone();
        let mut renamed = Namer::default();
        for named in list {
            if !self.is_own(&renamed, named) {
                return None;
            }
            let (Some(new), ast::ExprKind::Name(old)) = (named.names.first(), &named.expr.kind)
            else {
                let message = "write `new_name = old_name`".to_owned();
                self.error("KS107", named.expr.span, message);
                return None;
            };
            let Some(index) = node.schema.iter().position(|column| column.name == *old) else {
                let name = Name {
                    text: old.clone(),
                    span: named.expr.span,
                };
                self.unknown_column(&node, &name);
                return None;
            };
            schema[index].name.clone_from(&new.text);
            renamed.name(Some(new.text.clone()));
        }
        let exprs = columns(&node);
        Some(projected(node, exprs, schema, span))
    }

    pub(crate) fn project_reorder(
        &mut self,
        node: RelNode,
        patterns: &[(Name, Option<ast::NameOrder>)],
        span: Span,
    ) -> Option<RelNode> {
        let names: Vec<Name> = patterns.iter().map(|(name, _)| name.clone()).collect();
        self.check_patterns(&node, &names)?;
        self.check_once(&names)?;
        let mut order: Vec<usize> = Vec::new();
        for (pattern, wanted) in patterns {
            let mut found: Vec<usize> = (0..node.schema.len())
                .filter(|i| {
                    !order.contains(i) && glob::matches(&pattern.text, &node.schema[*i].name)
                })
                .collect();
            if let Some(wanted) = wanted {
                found.sort_by(|a, b| {
                    let (a, b) = (&node.schema[*a].name, &node.schema[*b].name);
                    match wanted.by_number {
                        true => by_names::by_number(a, b),
                        false => a.cmp(b),
                    }
                });
                if wanted.descending {
                    found.reverse();
                }
            }
            order.extend(found);
        }
        let rest: Vec<usize> = (0..node.schema.len())
            .filter(|i| !order.contains(i))
            .collect();
        order.extend(rest);
        let all = columns(&node);
        let exprs = order.iter().map(|i| all[*i].clone()).collect();
        let schema = order.iter().map(|i| node.schema[*i].clone()).collect();
        Some(projected(node, exprs, schema, span))
    }
}

/// Puts a column in the place of the one of its name, or at the end.
fn put(schema: &mut Vec<ColumnDef>, exprs: &mut Vec<Expr>, name: String, expr: Expr) {
    let column = ColumnDef {
        name,
        ty: expr.ty,
        range: expr.range,
    };
    match schema.iter().position(|known| known.name == column.name) {
        Some(index) => {
            schema[index] = column;
            exprs[index] = expr;
        }
        None => {
            schema.push(column);
            exprs.push(expr);
        }
    }
}

/// Every column of a node, as expressions.
pub(crate) fn columns(node: &RelNode) -> Vec<Expr> {
    node.schema
        .iter()
        .enumerate()
        .map(|(index, column)| Expr {
            kind: ExprKind::Column(index),
            ty: column.ty,
            span: node.span,
            range: column.range,
        })
        .collect()
}

pub(crate) fn projected(
    input: RelNode,
    exprs: Vec<Expr>,
    schema: Vec<ColumnDef>,
    span: Span,
) -> RelNode {
    let serialized = input.serialized;
    RelNode {
        op: RelOp::Project {
            input: Box::new(input),
            exprs,
        },
        schema,
        span,
        serialized,
    }
}

fn select(node: RelNode, keep: impl Fn(&ColumnDef) -> bool, span: Span) -> RelNode {
    let (exprs, schema) = columns(&node)
        .into_iter()
        .zip(node.schema.clone())
        .filter(|(_, column)| keep(column))
        .unzip();
    projected(node, exprs, schema, span)
}
