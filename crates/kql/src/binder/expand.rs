//! `mv-expand`, and let-bound functions (lambdas), whose calls are expanded in place.

use atalaya_model::Span;

use super::Binder;
use super::names::implied;
use super::rel::scope;
use super::scope::{Env, Scope, Value};
use crate::ast::{ExpandArgs, Expr, ExprKind as AstKind, Lambda, LetValue, NamedExpr};
use crate::bound::{self, ColumnDef, ExpandColumn, ExprKind, Literal, RelNode, RelOp, Type};

impl Lambda {
    /// Whether a call gives rows.
    pub(crate) fn is_tabular(&self) -> bool {
        let is_rows =
            |value: &LetValue| matches!(value, LetValue::Tabular(_) | LetValue::Materialize(_));
        // `{ let T = …; T }`
        let names_rows = match &self.body {
            LetValue::Scalar(Expr {
                kind: AstKind::Name(name),
                ..
            }) => self
                .lets
                .iter()
                .any(|binding| binding.name.text == *name && is_rows(&binding.value)),
            _ => false,
        };
        is_rows(&self.body)
            || names_rows
            || self
                .parameters
                .iter()
                .any(|parameter| parameter.ty.is_none())
    }
}

impl Binder<'_> {
    pub(crate) fn mv_expand(
        &mut self,
        env: &Env,
        node: RelNode,
        args: &ExpandArgs,
        span: Span,
    ) -> Option<RelNode> {
        let mut schema = node.schema.clone();
        let mut expanded = Vec::new();
        for (named, to) in &args.columns {
            let expr = self.expr(scope(env, &node), &named.expr)?;
            if expr.ty != Type::Dynamic {
                let message = format!("`mv-expand` wants a dynamic value, not {}", expr.ty.name());
                let help = format!("write `parse_json({})`", expr.span.slice(&self.source));
                self.error_help("KS106", expr.span, message, help);
                return None;
            }
            let ty = match to {
                None => Type::Dynamic,
                Some(name) => Type::parse(&name.text).unwrap_or(Type::Dynamic),
            };
            let name = named.names.first().map(|name| name.text.clone());
            let name = name
                .or_else(|| implied(&named.expr))
                .unwrap_or_else(|| "Column1".to_owned());
            let definition = ColumnDef {
                name: name.clone(),
                ty,
                range: None,
            };
            let column = match schema.iter().position(|known| known.name == name) {
                Some(index) => {
                    schema[index] = definition;
                    index
                }
                None => {
                    schema.push(definition);
                    schema.len() - 1
                }
            };
            expanded.push(ExpandColumn { column, expr, ty });
        }
        if let Some(name) = &args.with_index {
            schema.push(ColumnDef {
                name: name.text.clone(),
                ty: Type::Long,
                range: None,
            });
        }
        let limit = match &args.limit {
            None => None,
            Some(limit) => match self.scalar(env, limit)?.kind {
                ExprKind::Literal(Literal::Long(value)) => u64::try_from(value).ok(),
                _ => None,
            },
        };
        let serialized = node.serialized;
        let op = RelOp::Expand {
            input: Box::new(node),
            columns: expanded,
            with_index: args.with_index.is_some(),
            as_pairs: args.as_pairs,
            limit,
        };
        Some(RelNode {
            op,
            schema,
            span,
            serialized,
        })
    }

    /// A call whose result is a value.
    pub(crate) fn call_lambda_scalar(
        &mut self,
        scope: Scope<'_>,
        lambda: &Lambda,
        defined_in: &Env,
        args: &[NamedExpr],
        span: Span,
    ) -> Option<bound::Expr> {
        let LetValue::Scalar(body) = &lambda.body else {
            self.error(
                "KS109",
                span,
                "this function gives rows, not a value".to_owned(),
            );
            return None;
        };
        self.grow(defined_in.len(), span)?;
        if !self.enter(span) {
            return None;
        }
        let mut env = defined_in.clone();
        let bound = self.bind_parameters(scope, &mut env, lambda, args, span);
        let result = bound.and_then(|()| {
            for binding in &lambda.lets {
                self.bind_let(&mut env, binding);
            }
            let inner = Scope {
                env: &env,
                columns: &[],
                serialized: scope.serialized,
            };
            self.expr(inner, body)
        });
        self.leave();
        result.map(|expr| bound::Expr { span, ..expr })
    }

    fn bind_parameters(
        &mut self,
        scope: Scope<'_>,
        env: &mut Env,
        lambda: &Lambda,
        args: &[NamedExpr],
        span: Span,
    ) -> Option<()> {
        let mut position = 0;
        for parameter in &lambda.parameters {
            let named = args.iter().find(|arg| {
                arg.names
                    .first()
                    .is_some_and(|name| name.text == parameter.name.text)
            });
            let given = named.or_else(|| {
                let next = args.get(position).filter(|arg| arg.names.is_empty());
                position += usize::from(next.is_some());
                next
            });
            let Some(expr) = given.map(|arg| &arg.expr).or(parameter.default.as_ref()) else {
                let message = format!("the argument `{}` is missing", parameter.name.text);
                self.error("KS119", span, message);
                return None;
            };
            let before = self.made();
            let value = match self
                .rows_of_expr(scope.env, expr)
                .filter(|_| parameter.ty.is_none())
            {
                Some(rows) => Value::Rows(rows?.into()),
                None => Value::Scalar(self.expr(scope, expr)?.into()),
            };
            env.set(&parameter.name.text, value, self.made() - before);
        }
        Some(())
    }

    /// A call whose result is a row set.
    pub(crate) fn call_lambda_rows(
        &mut self,
        caller: &Env,
        lambda: &Lambda,
        defined_in: &Env,
        args: &[NamedExpr],
        span: Span,
    ) -> Option<RelNode> {
        self.grow(defined_in.len(), span)?;
        if !self.enter(span) {
            return None;
        }
        let mut env = defined_in.clone();
        let scope = Scope {
            env: caller,
            columns: &[],
            serialized: false,
        };
        let bound = self.bind_parameters(scope, &mut env, lambda, args, span);
        let result = bound.and_then(|()| {
            for binding in &lambda.lets {
                self.bind_let(&mut env, binding);
            }
            match &lambda.body {
                LetValue::Tabular(body) => self.pipeline(&env, body),
                LetValue::Materialize(body) => {
                    let node = self.pipeline(&env, body)?;
                    Some(self.share(node))
                }
                LetValue::Scalar(expr) => match self.rows_of_expr(&env, expr) {
                    Some(rows) => rows,
                    None => {
                        self.error(
                            "KS109",
                            span,
                            "this function gives a value, not rows".to_owned(),
                        );
                        None
                    }
                },
                LetValue::Function(_) | LetValue::Pattern(_) => None,
            }
        });
        self.leave();
        result
    }
}
