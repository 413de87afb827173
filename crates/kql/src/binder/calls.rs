//! Calls of functions: what the catalogue says of them, and those that are something else
//! underneath.

use atalaya_model::Span;

use super::Binder;
use super::expr::call;
use super::literal::literal;
use super::scope::{Scope, Value};
use super::typing::{conversion, result_type};
use crate::ast;
use crate::bound::{Expr, ExprKind, Literal, Type};
use crate::catalogue::{self, WINDOWS};

impl Binder<'_> {
    pub(crate) fn call(
        &mut self,
        scope: Scope<'_>,
        name: &str,
        args: &[ast::NamedExpr],
        span: Span,
    ) -> Option<Expr> {
        if let Some(Value::Function { lambda, env }) = scope.env.get(name).cloned() {
            return self.call_lambda_scalar(scope, &lambda, &env, args, span);
        }
        if let Some(special) = self.special_call(scope, name, args, span) {
            return special;
        }
        if let Some(special) = self.column_call(scope, name, args, span) {
            return special;
        }
        let Some(function) = catalogue::scalar(name) else {
            self.unknown_function(name, span);
            return None;
        };
        if args.len() < function.min || args.len() > function.max {
            let message = format!(
                "`{name}` wants {} arguments, not {}",
                arity(function.min, function.max),
                args.len()
            );
            self.error("KS119", span, message);
            return None;
        }
        if name == "case" && args.len().is_multiple_of(2) {
            let message = "`case` wants conditions with a value each, and a value at the end";
            self.error("KS121", span, message.to_owned());
            return None;
        }
        let bound: Vec<Option<Expr>> = args.iter().map(|arg| self.expr(scope, &arg.expr)).collect();
        let bound: Vec<Expr> = bound.into_iter().collect::<Option<_>>()?;
        self.check_types(name, &bound)?;
        if WINDOWS.contains(&name) && !scope.serialized {
            self.error(
                "ATL103",
                span,
                format!("`{name}` cannot be used here: it looks at other rows"),
            );
            return None;
        }
        if matches!(name, "prev" | "next") && !is_fine_offset(&bound) {
            let message = format!("`{name}` wants a constant distance of at least 1");
            self.error("KS107", span, message);
            return None;
        }
        let ty = result_type(function.returns, name, &bound);
        Some(call(name, bound, ty, span))
    }

    /// Whether every argument has a type that its parameter takes.
    pub(super) fn check_types(&mut self, name: &str, args: &[Expr]) -> Option<()> {
        for (position, arg) in args.iter().enumerate() {
            let is_condition = name == "case" && position % 2 == 0 && position + 1 < args.len();
            let wanted = match is_condition {
                true if arg.ty == Type::Bool => None,
                true => Some("a bool"),
                false => catalogue::wanted(name, position, arg.ty),
            };
            if let Some(wanted) = wanted {
                let message = format!("`{name}` wants {wanted} here, not {}", arg.ty.name());
                let help = "convert it, e.g. with tostring(), tolong() or todynamic()".to_owned();
                self.error_help("KS107", arg.span, message, help);
                return None;
            }
        }
        Some(())
    }

    fn unknown_function(&mut self, name: &str, span: Span) {
        // Parentheses may stand around the call.
        let before = span.slice(&self.source).find(name).unwrap_or(0);
        let start = span.start + before;
        let span = Span::new(start, (start + name.len()).min(span.end));
        if catalogue::aggregate(name).is_some() {
            let message = format!("`{name}` is an aggregate");
            self.error_help("KS211", span, message, "use it in `summarize`".to_owned());
            return;
        }
        if let Some(reason) = catalogue::refused(name) {
            let message = format!("the function `{name}` is refused: {reason}");
            self.error("KS211", span, message);
            return;
        }
        let message = format!("the function `{name}` is not known");
        let near = self.nearest(name, catalogue::SCALARS.iter().map(|f| f.name));
        match near {
            Some(near) => {
                self.error_help("KS211", span, message, format!("did you mean `{near}`?"));
            }
            None => self.error("KS211", span, message),
        }
    }

    /// A bag of columns by their names.
    fn packed(
        &mut self,
        scope: Scope<'_>,
        function: &str,
        columns: &[ast::Expr],
        span: Span,
    ) -> Option<Expr> {
        let mut pairs = Vec::with_capacity(columns.len() * 2);
        for column in columns {
            let Some(name) = super::names::implied(column) else {
                let message = "a bag of columns wants names of columns".to_owned();
                self.error("KS106", column.span, message);
                return None;
            };
            pairs.push(literal(Literal::String(name), Type::String, span));
            pairs.push(self.expr(scope, column)?);
        }
        Some(call(function, pairs, Type::Dynamic, span))
    }

    /// `extract(…, typeof(T))`: the text, converted.
    fn extracted(
        &mut self,
        scope: Scope<'_>,
        name: &str,
        args: &[ast::NamedExpr],
        span: Span,
    ) -> Option<Option<Expr>> {
        let (last, rest) = args.split_last()?;
        let ast::ExprKind::Call(wanted, of) = &last.expr.kind else {
            return None;
        };
        let [ast::NamedExpr { expr, .. }] = of.as_slice() else {
            return None;
        };
        let ast::ExprKind::Name(ty) = &expr.kind else {
            return None;
        };
        if wanted != "typeof" {
            return None;
        }
        let Some(ty) = Type::parse(ty) else {
            self.error("KS106", expr.span, format!("`{ty}` is no type"));
            return Some(None);
        };
        let text = self.call(scope, name, rest, span);
        Some(text.map(|text| match ty {
            Type::String => text,
            ty => call(conversion(ty), vec![text], ty, span),
        }))
    }

    /// Functions over columns by name, and such that need a word of warning.
    fn column_call(
        &mut self,
        scope: Scope<'_>,
        name: &str,
        args: &[ast::NamedExpr],
        span: Span,
    ) -> Option<Option<Expr>> {
        match name {
            "geo_info_from_ip_address" if !self.catalog.has_places() => {
                let message = "there is no database of places here: the result is null";
                let help =
                    "put a City database in MaxMind's format into the library as places.mmdb";
                let warning =
                    atalaya_model::Diagnostic::warning("ATL106", span, message).with_help(help);
                self.diagnostics.push(warning);
                None
            }
            "bin_auto" => {
                let [value] = args else { return None };
                Some(self.bin_auto(scope, value, span))
            }
            "column_names_of" => {
                let [arg] = args else { return None };
                let rows = self.rows_of_expr(scope.env, &arg.expr)?;
                Some(rows.map(|rows| {
                    let names = rows.schema.iter().map(|column| {
                        literal(Literal::String(column.name.clone()), Type::String, span)
                    });
                    call("pack_array", names.collect(), Type::Dynamic, span)
                }))
            }
            "pack_all" if args.len() <= 1 => {
                let skips = matches!(
                    args.first().map(|arg| &arg.expr.kind),
                    Some(ast::ExprKind::Bool(true))
                );
                let columns: Vec<ast::Expr> = scope
                    .columns
                    .iter()
                    .map(|column| ast::Expr {
                        kind: ast::ExprKind::Name(column.name.clone()),
                        span,
                    })
                    .collect();
                let function = if skips {
                    "bag_pack_nonempty"
                } else {
                    "bag_pack"
                };
                Some(self.packed(scope, function, &columns, span))
            }
            "bag_pack_columns" if !args.is_empty() => {
                let columns: Vec<ast::Expr> = args.iter().map(|arg| arg.expr.clone()).collect();
                Some(self.packed(scope, "bag_pack", &columns, span))
            }
            _ => None,
        }
    }

    /// Functions that are something else underneath.
    fn special_call(
        &mut self,
        scope: Scope<'_>,
        name: &str,
        args: &[ast::NamedExpr],
        span: Span,
    ) -> Option<Option<Expr>> {
        let now = literal(
            Literal::DateTime(self.options.now_ticks),
            Type::DateTime,
            span,
        );
        match name {
            "now" if args.is_empty() => Some(Some(now)),
            "now" | "ago" if args.len() == 1 => {
                let offset = self.expr(scope, &args[0].expr)?;
                if self
                    .check_types(name, std::slice::from_ref(&offset))
                    .is_none()
                {
                    return Some(None);
                }
                let operator = if name == "now" { "+" } else { "-" };
                // Folded here, so that a time filter is a comparison with a constant.
                if let ExprKind::Literal(Literal::Timespan(ticks)) = offset.kind {
                    let signed = if name == "now" {
                        ticks
                    } else {
                        ticks.wrapping_neg()
                    };
                    let at = self.options.now_ticks.wrapping_add(signed);
                    return Some(Some(literal(Literal::DateTime(at), Type::DateTime, span)));
                }
                Some(self.binary(operator, now, offset, span))
            }
            "extract" | "extract_json" | "extractjson" | "percentile_tdigest" => {
                self.extracted(scope, name, args, span)
            }
            "ingestion_time" if args.is_empty() => {
                let is_time = |column: &crate::bound::ColumnDef| column.name == "TimeGenerated";
                if scope.columns.iter().any(is_time) {
                    return Some(self.name(scope, "TimeGenerated", span));
                }
                Some(Some(literal(Literal::Null, Type::DateTime, span)))
            }
            "column_ifexists" | "columnifexists" if args.len() == 2 => {
                let named = self.scalar(scope.env, &args[0].expr)?.kind;
                let ExprKind::Literal(Literal::String(column)) = named else {
                    return None;
                };
                if scope.columns.iter().any(|known| known.name == column) {
                    return Some(self.name(scope, &column, span));
                }
                Some(self.expr(scope, &args[1].expr))
            }
            _ => None,
        }
    }
}

/// The distance and the default of `prev` and `next` are constants.
fn is_fine_offset(args: &[Expr]) -> bool {
    let is_constant = |arg: &Expr| matches!(arg.kind, ExprKind::Literal(_) | ExprKind::Call { .. });
    match args {
        [_, distance, rest @ ..] => match &distance.kind {
            ExprKind::Literal(Literal::Long(distance)) => {
                *distance >= 1 && rest.iter().all(is_constant)
            }
            _ => false,
        },
        _ => true,
    }
}

fn arity(min: usize, max: usize) -> String {
    if min == max {
        min.to_string()
    } else {
        format!("{min} to {max}")
    }
}
