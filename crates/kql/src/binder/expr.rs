//! Expressions: names to columns, calls to functions, operators to their types.

use atalaya_model::Span;

use super::literal::literal;
use super::scope::{Env, Scope, Value};
use super::typing::{arithmetic, bounded, comparable, orderable, reconciled, widened};
use super::{Binder, range};
use crate::ast::{self, InItem};
use crate::bound::{Expr, ExprKind, Literal, Type};
use crate::catalogue;

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
        self.grow(1, span)?;
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
                self.path(base, key, name.span, span)
            }
            ast::ExprKind::Index(base, index) => {
                let base = self.expr(scope, base)?;
                let index = self.expr(scope, index)?;
                let access = Span::new(base.span.end.min(span.end), span.end);
                self.path(base, index, access, span)
            }
            ast::ExprKind::Unary(name, inner) => self.signed(scope, name, inner, span),
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
                self.check_bounds(name, &args, span)?;
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

    fn signed(
        &mut self,
        scope: Scope<'_>,
        name: &str,
        inner: &ast::Expr,
        span: Span,
    ) -> Option<Expr> {
        let inner = widened(self.expr(scope, inner)?);
        let ty = inner.ty;
        if ty == Type::String {
            let sign = Span::new(span.start, span.start + 1);
            let message = "a string has no sign".to_owned();
            let help = "convert it, e.g. with tolong() or toreal()".to_owned();
            self.error_help("KS106", sign, message, help);
            return None;
        }
        Some(call(name, vec![inner], ty, span))
    }

    /// Whether a value and the bounds that it should lie between can be compared.
    fn check_bounds(&mut self, name: &str, args: &[Expr], span: Span) -> Option<()> {
        let [value, low, high] = args else {
            return Some(());
        };
        if !self.options.strict || bounded(value.ty, low.ty, high.ty) {
            return Some(());
        }
        let [v, l, h] = [value, low, high].map(|part| part.ty.name());
        let message = format!("`{name}` is not defined for {v}, {l} and {h}");
        let help = "give all three the same type, e.g. with tolong() or todatetime()".to_owned();
        let place = self.operator_place(value, low, span);
        self.error_help("KS106", place, message, help);
        None
    }

    fn comma_in_between(&mut self, comma: Span, parts: [&ast::Expr; 3], name: &str) {
        let [value, low, high] = parts.map(|part| part.span.slice(&self.source));
        let message = "`between` wants `..`, not a comma; Kusto says: KS005 Expected: ..";
        let help = format!("write `{value} {name} ({low} .. {high})`");
        self.lenient("ATL101", comma, message.to_owned(), help);
    }

    pub(super) fn name(&mut self, scope: Scope<'_>, name: &str, span: Span) -> Option<Expr> {
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
                self.grow(scope.env.size(name), span)?;
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
        let near = self.nearest(name, known.chain(scope.env.names()));
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

    /// A step into a value; `access` is what is said of where there is none.
    fn path(&mut self, base: Expr, step: Expr, access: Span, span: Span) -> Option<Expr> {
        if base.ty != Type::Dynamic {
            let message = format!("a {} has no members", base.ty.name());
            let help = format!(
                "write `parse_json({})` first",
                base.span.slice(&self.source)
            );
            self.error_help("KS106", access, message, help);
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
        let is_of_text = !matches!(name, "in" | "!in");
        if is_of_text && !matches!(args[0].ty, Type::String | Type::Dynamic) {
            let message = format!("`{name}` wants a string, not {}", args[0].ty.name());
            let help = format!("write `tostring({})`", args[0].span.slice(&self.source));
            self.error_help("KS107", args[0].span, message, help);
            return None;
        }
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

    pub(super) fn binary(
        &mut self,
        name: &str,
        left: Expr,
        right: Expr,
        span: Span,
    ) -> Option<Expr> {
        let (left, right) = if matches!(name, "==" | "!=") {
            reconciled(left, right)
        } else {
            (left, right)
        };
        let (l, r) = (left.ty, right.ty);
        let wrong = |message: String, help: &str| (message, help.to_owned());
        let is_text = |ty: Type| matches!(ty, Type::String | Type::Dynamic);
        let ty = match name {
            "and" | "or" if l == Type::Bool && r == Type::Bool => Ok(Type::Bool),
            "and" | "or" => Err(wrong(
                format!("`{name}` wants two bool, not {} and {}", l.name(), r.name()),
                "compare it with something",
            )),
            "+" | "-" | "*" | "/" | "%" => arithmetic(name, l, r).ok_or_else(|| {
                let message = format!("`{name}` is not defined for {} and {}", l.name(), r.name());
                wrong(
                    message,
                    "convert one side, e.g. with tolong() or todatetime()",
                )
            }),
            "==" | "!=" if comparable(l, r) => Ok(Type::Bool),
            "<" | ">" | "<=" | ">=" if orderable(l, r) => Ok(Type::Bool),
            // Kusto does not compare them, but what is meant is clear.
            "<" | ">" | "<=" | ">=" if !self.options.strict && comparable(l, r) => Ok(Type::Bool),
            "==" | "!=" | "<" | ">" | "<=" | ">=" => Err(wrong(
                format!("{} and {} cannot be compared", l.name(), r.name()),
                "convert one side, e.g. with tostring() or tolong()",
            )),
            _ if is_text(l) && is_text(r) => Ok(Type::Bool),
            _ => {
                let side = if is_text(l) { &right } else { &left };
                let help = format!("write `tostring({})`", side.span.slice(&self.source));
                let message = format!("`{name}` wants strings, not {}", side.ty.name());
                Err(wrong(message, &help))
            }
        };
        let ty = match ty {
            Ok(ty) => ty,
            Err((message, help)) => {
                let place = self.operator_place(&left, &right, span);
                self.error_help("KS106", place, message, help);
                return None;
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
}

impl Binder<'_> {
    /// Where the operator between two operands stands; the whole expression if it stands nowhere.
    fn operator_place(&self, left: &Expr, right: &Expr, whole: Span) -> Span {
        let start = left.span.end;
        let Some(mut text) = self.source.get(start..right.span.start) else {
            return whole;
        };
        let end = start + text.len();
        loop {
            text = text.trim_start_matches(|c: char| c.is_whitespace() || c == ')');
            match text.strip_prefix("//") {
                Some(comment) => text = comment.split_once('\n').map_or("", |(_, rest)| rest),
                None => break,
            }
        }
        let operator = text.split(|c: char| c.is_whitespace() || c == '(').next();
        let length = operator.map_or(0, str::len);
        let start = end - text.len();
        if length == 0 {
            return whole;
        }
        Span::new(start, start + length)
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

fn value_set(rows: crate::bound::RelNode, span: Span) -> Expr {
    Expr {
        kind: ExprKind::ValueSet(Box::new(rows)),
        ty: Type::Dynamic,
        span,
        range: None,
    }
}
