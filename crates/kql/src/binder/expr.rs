//! Expressions: names to columns, calls to functions, operators to their types.

use atalaya_model::Span;

use super::literal::literal;
use super::scope::{Env, Scope, Value};
use super::{Binder, range};
use crate::ast::{self, InItem};
use crate::bound::{Expr, ExprKind, Literal, Type};
use crate::catalogue::{self, Returns, WINDOWS};

impl Binder<'_> {
    /// An expression without columns in sight.
    pub(crate) fn scalar(&mut self, env: &Env, expr: &ast::Expr) -> Option<Expr> {
        self.expr(
            Scope {
                env,
                columns: &[],
                serialized: false,
            },
            expr,
        )
    }

    pub(crate) fn expr(&mut self, scope: Scope<'_>, expr: &ast::Expr) -> Option<Expr> {
        let span = expr.span;
        match &expr.kind {
            ast::ExprKind::Name(name) => self.name(scope, name, span),
            ast::ExprKind::Long(value) => Some(literal(Literal::Long(*value), Type::Long, span)),
            ast::ExprKind::Real(value) => Some(literal(Literal::Real(*value), Type::Real, span)),
            ast::ExprKind::String(text) => {
                Some(literal(Literal::String(text.clone()), Type::String, span))
            }
            ast::ExprKind::Bool(value) => Some(literal(Literal::Bool(*value), Type::Bool, span)),
            ast::ExprKind::Timespan(ticks) => {
                Some(literal(Literal::Timespan(*ticks), Type::Timespan, span))
            }
            ast::ExprKind::TypedLiteral(ty, raw) => self.typed_literal(ty, raw, span),
            ast::ExprKind::Call(name, args) => self.call(scope, name, args, span),
            ast::ExprKind::Member(base, name) => {
                let base = self.expr(scope, base)?;
                let key = literal(Literal::String(name.text.clone()), Type::String, name.span);
                self.path(base, key, span)
            }
            ast::ExprKind::Index(base, index) => {
                let base = self.expr(scope, base)?;
                let index = self.expr(scope, index)?;
                self.path(base, index, span)
            }
            ast::ExprKind::Unary(name, inner) => {
                let inner = widened(self.expr(scope, inner)?);
                let ty = inner.ty;
                Some(call(name, vec![inner], ty, span))
            }
            ast::ExprKind::Binary(name, left, right) if left.kind == ast::ExprKind::Star => {
                let spread = super::search::any_column(name, right, scope.columns, span);
                self.expr(scope, &spread)
            }
            ast::ExprKind::Binary(name, left, right) => {
                let left = self.expr(scope, left);
                let right = self.expr(scope, right);
                self.binary(name, left?, right?, span)
            }
            ast::ExprKind::Between {
                name,
                value,
                low,
                high,
                comma,
            } => {
                let bounds = [value, low, high].map(|part| self.expr(scope, part));
                if let Some(comma) = comma {
                    self.comma_in_between(*comma, [value, low, high], name);
                }
                let args: Vec<Expr> = bounds.into_iter().collect::<Option<_>>()?;
                self.check_reachable(name, &args, span);
                Some(call(name, args, Type::Bool, span))
            }
            ast::ExprKind::In(name, value, items) => self.in_list(scope, name, value, items, span),
            ast::ExprKind::ToScalar(rows) => self.first_cell(scope.env, rows, span),
            ast::ExprKind::Star => {
                self.error("KS109", span, "`*` is not allowed here".to_owned());
                None
            }
            ast::ExprKind::Side(..) => {
                let message = "`$left` and `$right` are for the conditions of a join".to_owned();
                self.error("KS142", span, message);
                None
            }
            ast::ExprKind::Error => None,
        }
    }

    fn comma_in_between(&mut self, comma: Span, parts: [&ast::Expr; 3], name: &str) {
        let [value, low, high] = parts.map(|part| part.span.slice(&self.source));
        let message = "`between` wants `..`, not a comma; Kusto says: KS005 Expected: ..";
        let help = format!("write `{value} {name} ({low} .. {high})`");
        self.lenient("ATL101", comma, message.to_owned(), help);
    }

    fn name(&mut self, scope: Scope<'_>, name: &str, span: Span) -> Option<Expr> {
        if let Some(index) = scope.columns.iter().position(|column| column.name == name) {
            let column = &scope.columns[index];
            let kind = ExprKind::Column(index);
            return Some(Expr {
                kind,
                ty: column.ty,
                span,
                range: column.range,
            });
        }
        match scope.env.get(name) {
            Some(Value::Scalar(expr)) => {
                return Some(Expr {
                    span,
                    ..(**expr).clone()
                });
            }
            Some(Value::Broken) => return None,
            Some(Value::Function { lambda, env }) if lambda.parameters.is_empty() => {
                let (lambda, env) = (lambda.clone(), env.clone());
                return self.call_lambda_scalar(scope, &lambda, &env, &[], span);
            }
            Some(Value::Rows(_)) => {
                let message = format!("`{name}` is a row set, not a value");
                let help = format!("write `toscalar({name})` for its first value");
                self.error_help("KS109", span, message, help);
                return None;
            }
            _ => {}
        }
        let known = scope.columns.iter().map(|column| column.name.as_str());
        let near = crate::nearest(name, known.chain(scope.env.names()));
        let message = format!(
            "the name `{name}` does not refer to any known column, table, variable or function"
        );
        let help = near.map_or_else(
            || "an earlier `project` or `summarize` may have dropped it".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        self.error_help("KS142", span, message, help);
        None
    }

    fn path(&mut self, base: Expr, step: Expr, span: Span) -> Option<Expr> {
        if base.ty != Type::Dynamic {
            let message = format!("a {} has no members", base.ty.name());
            let help = format!(
                "write `parse_json({})` first",
                base.span.slice(&self.source)
            );
            self.error_help("KS106", span, message, help);
            return None;
        }
        Some(call("path", vec![base, step], Type::Dynamic, span))
    }

    fn first_cell(&mut self, env: &Env, rows: &ast::Pipeline, span: Span) -> Option<Expr> {
        // `toscalar` of a value is that value.
        if let (ast::Source::Call(name, args), true) = (&rows.source, rows.operators.is_empty())
            && env.get(&name.text).is_none()
            && catalogue::scalar(&name.text).is_some()
        {
            let scope = Scope {
                env,
                columns: &[],
                serialized: false,
            };
            return self.call(scope, &name.text, args, span);
        }
        let node = self.pipeline(env, rows)?;
        let Some(first) = node.schema.first() else {
            self.error(
                "KS109",
                span,
                "`toscalar` wants at least one column".to_owned(),
            );
            return None;
        };
        let ty = first.ty;
        Some(Expr {
            kind: ExprKind::ToScalar(Box::new(node)),
            ty,
            span,
            range: None,
        })
    }

    fn in_list(
        &mut self,
        scope: Scope<'_>,
        name: &str,
        value: &ast::Expr,
        items: &[InItem],
        span: Span,
    ) -> Option<Expr> {
        let mut args = vec![self.expr(scope, value)?];
        for item in items {
            args.push(match item {
                InItem::Scalar(expr) => match self.rows_of_expr(scope.env, expr) {
                    Some(rows) => value_set(rows?, expr.span),
                    None => self.expr(scope, expr)?,
                },
                InItem::Rows(rows) => value_set(self.pipeline(scope.env, rows)?, rows.span),
            });
        }
        Some(call(name, args, Type::Bool, span))
    }

    fn binary(&mut self, name: &str, left: Expr, right: Expr, span: Span) -> Option<Expr> {
        let (left, right) = if matches!(name, "==" | "!=") {
            reconciled(left, right)
        } else {
            (left, right)
        };
        let (l, r) = (left.ty, right.ty);
        let ty = match name {
            "and" | "or" => {
                if l != Type::Bool || r != Type::Bool {
                    let message =
                        format!("`{name}` wants two bool, not {} and {}", l.name(), r.name());
                    self.error("KS107", span, message);
                    return None;
                }
                Type::Bool
            }
            "+" | "-" | "*" | "/" | "%" => match arithmetic(name, l, r) {
                Some(ty) => ty,
                None => {
                    let message =
                        format!("`{name}` is not defined for {} and {}", l.name(), r.name());
                    self.error("KS107", span, message);
                    return None;
                }
            },
            "==" | "!=" | "<" | ">" | "<=" | ">=" => {
                if !comparable(l, r) {
                    let message = format!("{} and {} cannot be compared", l.name(), r.name());
                    let help = "convert one side, e.g. with tostring() or tolong()".to_owned();
                    self.error_help("KS107", span, message, help);
                    return None;
                }
                Type::Bool
            }
            _ => {
                for side in [&left, &right] {
                    if !matches!(side.ty, Type::String | Type::Dynamic) {
                        let message = format!("`{name}` wants strings, not {}", side.ty.name());
                        let help = format!("write `tostring({})`", side.span.slice(&self.source));
                        self.error_help("KS106", side.span, message, help);
                        return None;
                    }
                }
                Type::Bool
            }
        };
        let args = if ty.is_numeric() {
            vec![widened(left), widened(right)]
        } else {
            vec![left, right]
        };
        self.check_reachable(name, &args, span);
        Some(call(name, args, ty, span))
    }

    fn call(
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
        let bound: Vec<Option<Expr>> = args.iter().map(|arg| self.expr(scope, &arg.expr)).collect();
        let bound: Vec<Expr> = bound.into_iter().collect::<Option<_>>()?;
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

    fn unknown_function(&mut self, name: &str, span: Span) {
        let span = Span::new(span.start, span.start + name.len());
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
        let near = crate::nearest(name, catalogue::SCALARS.iter().map(|f| f.name));
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

pub(crate) fn call(name: &str, args: Vec<Expr>, ty: Type, span: Span) -> Expr {
    let range = range::of_call(name, &args);
    Expr {
        kind: ExprKind::Call {
            name: name.to_owned(),
            args,
        },
        ty,
        span,
        range,
    }
}

/// Equality of a string and another type is that of the types' own texts or values, and `bool`
/// counts as a number.
fn reconciled(left: Expr, right: Expr) -> (Expr, Expr) {
    let convert = |expr: Expr, ty: Type| {
        let span = expr.span;
        call(conversion(ty), vec![expr], ty, span)
    };
    let target = |one: Type, other: Type| match (one, other) {
        (Type::String, Type::Bool) => Some(Type::Bool),
        (Type::String, Type::DateTime) => Some(Type::DateTime),
        (ty, Type::String) if ty.is_numeric() || ty == Type::Guid => Some(Type::String),
        (Type::Bool, ty) if ty.is_numeric() => Some(Type::Long),
        _ => None,
    };
    if let Some(ty) = target(left.ty, right.ty) {
        return (convert(left, ty), right);
    }
    match target(right.ty, left.ty) {
        Some(ty) => (left, convert(right, ty)),
        None => (left, right),
    }
}

/// Arithmetic on `int` is arithmetic on `long`.
fn widened(expr: Expr) -> Expr {
    if expr.ty != Type::Int {
        return expr;
    }
    let span = expr.span;
    call("tolong", vec![expr], Type::Long, span)
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

fn value_set(rows: crate::bound::RelNode, span: Span) -> Expr {
    Expr {
        kind: ExprKind::ValueSet(Box::new(rows)),
        ty: Type::Dynamic,
        span,
        range: None,
    }
}

/// The function that converts to a type.
pub(crate) const fn conversion(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "tobool",
        Type::Int => "toint",
        Type::Long => "tolong",
        Type::Real => "toreal",
        Type::Decimal => "todecimal",
        Type::String => "tostring",
        Type::DateTime => "todatetime",
        Type::Timespan => "totimespan",
        Type::Guid => "toguid",
        Type::Dynamic => "todynamic",
    }
}

fn arity(min: usize, max: usize) -> String {
    if min == max {
        min.to_string()
    } else {
        format!("{min} to {max}")
    }
}

fn arithmetic(name: &str, left: Type, right: Type) -> Option<Type> {
    use Type::{DateTime, Decimal, Dynamic, Long, Real, Timespan};
    if left == Dynamic || right == Dynamic {
        return None;
    }
    if left.is_numeric() && right.is_numeric() {
        return Some(match (left, right) {
            (Decimal, _) | (_, Decimal) => Decimal,
            (Real, _) | (_, Real) => Real,
            _ => Long,
        });
    }
    match (name, left, right) {
        ("+" | "-" | "%", Timespan, Timespan) => Some(Timespan),
        ("+", DateTime, Timespan) | ("+", Timespan, DateTime) | ("-", DateTime, Timespan) => {
            Some(DateTime)
        }
        ("-", DateTime, DateTime) => Some(Timespan),
        ("/", Timespan, Timespan) => Some(Real),
        ("*" | "/", Timespan, number) if number.is_numeric() => Some(Timespan),
        ("*", number, Timespan) if number.is_numeric() => Some(Timespan),
        _ => {
            let _ = Long;
            None
        }
    }
}

fn comparable(left: Type, right: Type) -> bool {
    (left == right && left != Type::Dynamic)
        || (left.is_numeric() && right.is_numeric())
        || (left == Type::Dynamic) != (right == Type::Dynamic)
}

pub(crate) fn result_type(returns: Returns, name: &str, args: &[Expr]) -> Type {
    let of = |index: usize| args.get(index).map_or(Type::Dynamic, |arg| arg.ty);
    match returns {
        Returns::Always(ty) => ty,
        Returns::Of(index) => of(index),
        Returns::Common(from) => {
            // `case` has its values at odd places and its default last.
            let values: Vec<Type> = if name == "case" {
                let pairs = args.iter().skip(1).step_by(2).map(|arg| arg.ty);
                pairs.chain(args.last().map(|arg| arg.ty)).collect()
            } else {
                args.iter().skip(from).map(|arg| arg.ty).collect()
            };
            common(&values)
        }
        Returns::Rounded => match (of(0), of(1)) {
            (Type::Real, _) | (Type::Long | Type::Int, Type::Real) => Type::Real,
            (Type::Int, Type::Int) => Type::Int,
            (Type::Int | Type::Long, _) => Type::Long,
            (first, _) => first,
        },
        Returns::Sum => match of(0) {
            Type::Int => Type::Long,
            Type::Dynamic => Type::Real,
            other => other,
        },
    }
}

fn common(types: &[Type]) -> Type {
    let mut common = types.first().copied().unwrap_or(Type::Dynamic);
    for ty in types {
        common = match (common, *ty) {
            (a, b) if a == b => a,
            (a, b) if a.is_numeric() && b.is_numeric() => {
                if matches!(a, Type::Real) || matches!(b, Type::Real) {
                    Type::Real
                } else {
                    Type::Long
                }
            }
            // What is in the dynamic value is taken as the other type.
            (Type::Dynamic, other) | (other, Type::Dynamic) => other,
            _ => Type::Dynamic,
        };
    }
    common
}
