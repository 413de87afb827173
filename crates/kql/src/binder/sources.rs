//! Where rows come from: tables, names, literal rows, functions that give rows.

use atalaya_model::Span;

use super::Binder;
use super::rel::table;
use super::scope::{Env, Scope, Value};
use crate::ast::{self, Source};
use crate::bound::{ColumnDef, Expr, ExprKind, Literal, RelNode, RelOp, Type};

impl Binder<'_> {
    /// A row set behind an expression that could be one: a table's or row set's name, a call of
    /// a function that gives rows. `None`: it is a scalar.
    pub(crate) fn rows_of_expr(&mut self, env: &Env, expr: &ast::Expr) -> Option<Option<RelNode>> {
        match &expr.kind {
            ast::ExprKind::Name(name) => match env.get(name) {
                Some(Value::Rows(rows)) => {
                    let fits = self.grow(env.size(name), expr.span);
                    Some(fits.map(|()| (**rows).clone()))
                }
                Some(_) => None,
                None => self
                    .catalog
                    .table(name)
                    .map(|schema| Some(table(name, schema, expr.span))),
            },
            ast::ExprKind::Call(name, args) => match env.get(name).cloned() {
                Some(Value::Function { lambda, env: inner }) if lambda.is_tabular() => {
                    Some(self.call_lambda_rows(env, &lambda, &inner, args, expr.span))
                }
                Some(Value::Pattern { .. }) => {
                    let name = name_of(name, expr.span);
                    Some(self.pattern_rows(env, (&name, args, None), expr.span))
                }
                None if name == "_GetWatchlist" => Some(self.watchlist(env, args, expr.span)),
                _ => None,
            },
            ast::ExprKind::Member(base, path) => match &base.kind {
                ast::ExprKind::Call(name, args)
                    if matches!(env.get(name), Some(Value::Pattern { .. })) =>
                {
                    let name = name_of(name, base.span);
                    Some(self.pattern_rows(env, (&name, args, Some(path)), expr.span))
                }
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn source(&mut self, env: &Env, source: &Source, span: Span) -> Option<RelNode> {
        match source {
            Source::Name(name) => self.named_source(env, name),
            Source::Call(name, args) => match env.get(&name.text).cloned() {
                Some(Value::Function { lambda, env: inner }) => {
                    self.call_lambda_rows(env, &lambda, &inner, args, span)
                }
                Some(Value::Pattern { .. }) => self.pattern_rows(env, (name, args, None), span),
                _ if name.text == "table" => self.table_function(env, args, span),
                _ if name.text == "_GetWatchlist" => self.watchlist(env, args, span),
                _ => {
                    let message = format!("the function `{}` is not known", name.text);
                    self.error("KS211", name.span, message);
                    None
                }
            },
            Source::Pattern(name, args, path) => {
                self.pattern_rows(env, (name, args, Some(path)), span)
            }
            Source::Nested(inner) => self.pipeline(env, inner),
            Source::Materialize(inner) => {
                let node = self.pipeline(env, inner)?;
                Some(self.share(node))
            }
            Source::Datatable(columns, cells) => self.datatable(env, columns, cells, span),
            Source::Print(values) => self.print(env, values, span),
            Source::Range(name, bounds) => self.range_source(env, name, bounds, span),
            Source::Union(args) => self.union(env, None, args, span),
            Source::External(args) => self.external(env, args, span),
            Source::Find(args) => self.find(env, args, span),
            Source::Search(args) => self.search_tables(env, args, span),
        }
    }

    fn named_source(&mut self, env: &Env, name: &ast::Name) -> Option<RelNode> {
        match env.get(&name.text).cloned() {
            Some(Value::Rows(rows)) => {
                self.grow(env.size(&name.text), name.span)?;
                return Some((*rows).clone());
            }
            Some(Value::Broken) => return None,
            Some(Value::Scalar(value)) => {
                // `let x = 1; x` is a query of one cell.
                let column = ColumnDef {
                    name: "print_0".into(),
                    ty: value.ty,
                    range: value.range,
                };
                return Some(RelNode {
                    op: RelOp::Values(vec![vec![(*value).clone()]]),
                    schema: vec![column],
                    span: name.span,
                    serialized: true,
                });
            }
            Some(Value::Function { lambda, env: inner }) => {
                return self.call_lambda_rows(env, &lambda, &inner, &[], name.span);
            }
            Some(Value::Pattern { .. }) => {
                return self.pattern_rows(env, (name, &[], None), name.span);
            }
            None => {}
        }
        if let Some(schema) = self.catalog.table(&name.text) {
            return Some(table(&name.text, schema, name.span));
        }
        let names = self.catalog.table_names();
        let near = self.nearest(
            &name.text,
            names.iter().map(String::as_str).chain(env.names()),
        );
        let message = format!(
            "the name `{}` does not refer to any known table, row set or function",
            name.text
        );
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("tables here: {}", names.join(", ")),
        };
        self.error_help("KS142", name.span, message, help);
        None
    }

    fn table_function(
        &mut self,
        env: &Env,
        args: &[ast::NamedExpr],
        span: Span,
    ) -> Option<RelNode> {
        let name = args.first().and_then(|arg| self.scalar(env, &arg.expr));
        if let Some(ExprKind::Literal(Literal::String(text))) = name.map(|name| name.kind) {
            return self.named_source(env, &ast::Name { text, span });
        }
        self.error("KS107", span, "`table` wants a name in quotes".to_owned());
        None
    }

    /// `_GetWatchlist('alias')`
    fn watchlist(&mut self, env: &Env, args: &[ast::NamedExpr], span: Span) -> Option<RelNode> {
        let alias = args.first().and_then(|arg| self.scalar(env, &arg.expr));
        let Some(ExprKind::Literal(Literal::String(alias))) = alias.map(|alias| alias.kind) else {
            let message = "`_GetWatchlist` wants an alias in quotes".to_owned();
            self.error("KS107", span, message);
            return None;
        };
        let name = format!("{}{alias}", crate::catalog::WATCHLIST);
        if let Some(schema) = self.catalog.table(&name) {
            return Some(table(&name, schema, span));
        }
        let message = format!("there is no watchlist `{alias}`");
        let help = format!(
            "put it into the library as `watchlists/{alias}.csv`, or let a runbook `watch` into it"
        );
        self.error_help("KS142", span, message, help);
        None
    }

    fn datatable(
        &mut self,
        env: &Env,
        columns: &[(ast::Name, ast::Name)],
        cells: &[ast::Expr],
        span: Span,
    ) -> Option<RelNode> {
        let mut schema = Vec::new();
        for (name, ty) in columns {
            let Some(ty) = Type::parse(&ty.text) else {
                self.error("KS142", ty.span, format!("`{}` is no type", ty.text));
                return None;
            };
            schema.push(ColumnDef {
                name: name.text.clone(),
                ty,
                range: None,
            });
        }
        if schema.is_empty() || !cells.len().is_multiple_of(schema.len()) {
            let message = format!(
                "{} values do not fill rows of {}",
                cells.len(),
                schema.len()
            );
            let place = cells.first().map_or(span, |cell| cell.span);
            self.error("KS173", place, message);
            return None;
        }
        let mut rows = Vec::new();
        for row in cells.chunks(schema.len()) {
            let mut values = Vec::new();
            for (place, (cell, column)) in row.iter().zip(&schema).enumerate() {
                let Some(value) = self.scalar(env, cell) else {
                    // The values end at a name that is none.
                    if place > 0 {
                        let message = "the values do not fill their rows".to_owned();
                        self.error("KS173", cells[0].span, message);
                    }
                    return None;
                };
                values.push(convert(&value, column.ty));
            }
            rows.push(values);
        }
        Some(RelNode {
            op: RelOp::Values(rows),
            schema,
            span,
            serialized: false,
        })
    }

    fn external(&mut self, env: &Env, args: &ast::ExternalArgs, span: Span) -> Option<RelNode> {
        let mut schema = Vec::new();
        for (name, ty) in &args.columns {
            let Some(ty) = Type::parse(&ty.text) else {
                self.error("KS142", ty.span, format!("`{}` is no type", ty.text));
                return None;
            };
            schema.push(ColumnDef {
                name: name.text.clone(),
                ty,
                range: None,
            });
        }
        let property = |wanted: &str| {
            let mut known = args.properties.iter();
            let found = known.find(|(name, _)| name.text.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value)
        };
        let mut urls = Vec::new();
        for url in &args.urls {
            match self.scalar(env, url)?.kind {
                ExprKind::Literal(Literal::String(url)) => urls.push(url),
                _ => {
                    let message = "the address of external data must be a constant".to_owned();
                    self.error("KS107", url.span, message);
                    return None;
                }
            }
        }
        Some(RelNode {
            op: RelOp::External {
                urls,
                format: property("format").map(|value| match &value.kind {
                    ast::ExprKind::String(text) | ast::ExprKind::Name(text) => text.clone(),
                    _ => String::new(),
                }),
                skips_first: property("ignorefirstrecord").is_some_and(|value| {
                    matches!(&value.kind, ast::ExprKind::Bool(true))
                        || matches!(&value.kind, ast::ExprKind::String(text) if text == "true")
                }),
            },
            schema,
            span,
            serialized: false,
        })
    }

    fn print(&mut self, env: &Env, values: &[ast::NamedExpr], span: Span) -> Option<RelNode> {
        let (mut row, mut schema) = (Vec::new(), Vec::new());
        for (index, value) in values.iter().enumerate() {
            let nothing = Scope {
                env,
                columns: &[],
                serialized: false,
            };
            if let Some(outputs) = self.tuple(nothing, value) {
                for (name, expr) in outputs? {
                    schema.push(ColumnDef {
                        name,
                        ty: expr.ty,
                        range: None,
                    });
                    row.push(expr);
                }
                continue;
            }
            let expr = self.scalar(env, &value.expr)?;
            let name = value
                .names
                .first()
                .map_or_else(|| format!("print_{index}"), |name| name.text.clone());
            schema.push(ColumnDef {
                name,
                ty: expr.ty,
                range: expr.range,
            });
            row.push(expr);
        }
        Some(RelNode {
            op: RelOp::Values(vec![row]),
            schema,
            span,
            serialized: true,
        })
    }

    fn range_source(
        &mut self,
        env: &Env,
        name: &ast::Name,
        bounds: &[ast::Expr; 3],
        span: Span,
    ) -> Option<RelNode> {
        let from = self.scalar(env, &bounds[0])?;
        let to = self.scalar(env, &bounds[1])?;
        let step = self.scalar(env, &bounds[2])?;
        let ty = match (from.ty, step.ty) {
            (Type::Int | Type::Long, Type::Real) => Type::Real,
            (Type::Int, _) => Type::Long,
            (ty, _) => ty,
        };
        let schema = vec![ColumnDef {
            name: name.text.clone(),
            ty,
            range: None,
        }];
        Some(RelNode {
            op: RelOp::Range { from, to, step },
            schema,
            span,
            serialized: true,
        })
    }
}

fn name_of(text: &str, span: Span) -> ast::Name {
    ast::Name {
        text: text.to_owned(),
        span,
    }
}

/// A constant in the column's type, where that is only a matter of spelling.
fn convert(expr: &Expr, ty: Type) -> Expr {
    let kind = match (&expr.kind, ty) {
        #[expect(clippy::cast_precision_loss, reason = "what a real column holds")]
        (ExprKind::Literal(Literal::Long(value)), Type::Real) => {
            ExprKind::Literal(Literal::Real(*value as f64))
        }
        (ExprKind::Literal(Literal::String(text)), Type::DateTime) => {
            super::literal::datetime_ticks(text).map_or(ExprKind::Literal(Literal::Null), |ticks| {
                ExprKind::Literal(Literal::DateTime(ticks))
            })
        }
        (kind, _) => kind.clone(),
    };
    Expr {
        kind,
        ty,
        span: expr.span,
        range: expr.range,
    }
}
