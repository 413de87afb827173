//! The order of rows: `sort`, and functions over other rows, which need one.

use atalaya_model::Span;

use super::Binder;
use super::rel::scope;
use super::scope::Env;
use crate::ast::{self, Operator, OperatorKind, SortArg};
use crate::bound::{Expr, ExprKind, RelNode, RelOp, SortKey, Type};
use crate::catalogue::WINDOWS;

impl Binder<'_> {
    /// Window functions need an order. Without one real Kusto refuses; what is meant is almost
    /// always the order of time.
    pub(super) fn ordered_if_needed(&mut self, node: RelNode, operator: &Operator) -> RelNode {
        if node.serialized {
            return node;
        }
        let Some((name, span)) = window_call(&operator.kind) else {
            return node;
        };
        let time = node
            .schema
            .iter()
            .position(|column| column.name == "TimeGenerated");
        let text = operator.span.slice(&self.source);
        let short: String = text.chars().take(60).collect();
        let order = if time.is_some() {
            "sort by TimeGenerated asc"
        } else {
            "serialize"
        };
        let what_follows = if self.options.strict {
            String::new()
        } else {
            format!(". Run here as if `{order}` came first")
        };
        let message = format!(
            "`{name}` on rows without an order; Kusto says: Function '{name}' cannot be invoked. \
             The row set must be serialized{what_follows}"
        );
        let help = format!(
            "write `| {order}` before `| {short}{}`",
            if text.len() > 60 { "…" } else { "" }
        );
        self.lenient("ATL104", span, message, help);
        let schema = node.schema.clone();
        let op = match time {
            Some(index) => {
                let column = &schema[index];
                let kind = ExprKind::Column(index);
                let expr = Expr {
                    kind,
                    ty: column.ty,
                    span,
                    range: None,
                };
                let keys = vec![SortKey {
                    expr,
                    descending: false,
                    nulls_first: true,
                }];
                RelOp::Sort {
                    input: Box::new(node),
                    keys,
                }
            }
            None => RelOp::Serialize(Box::new(node)),
        };
        RelNode {
            op,
            schema,
            span,
            serialized: true,
        }
    }

    pub(crate) fn sort(
        &mut self,
        env: &Env,
        node: RelNode,
        args: &[SortArg],
        span: Span,
    ) -> Option<RelNode> {
        let mut keys = Vec::new();
        for arg in args {
            let expr = self.expr(scope(env, &node), &arg.expr)?;
            if expr.ty == Type::Dynamic {
                let message = "rows cannot be sorted by a dynamic value".to_owned();
                let help = format!("write `tostring({})`", expr.span.slice(&self.source));
                self.error_help("KS116", expr.span, message, help);
                return None;
            }
            let nulls_first = arg.nulls_first.unwrap_or(!arg.descending);
            keys.push(SortKey {
                expr,
                descending: arg.descending,
                nulls_first,
            });
        }
        let schema = node.schema.clone();
        Some(RelNode {
            op: RelOp::Sort {
                input: Box::new(node),
                keys,
            },
            schema,
            span,
            serialized: true,
        })
    }
}

/// The first window function that an operator calls.
fn window_call(kind: &OperatorKind) -> Option<(String, Span)> {
    let lists: Vec<&ast::Expr> = match kind {
        OperatorKind::Where(expr) => vec![expr],
        OperatorKind::Project(list) | OperatorKind::Extend(list) => {
            list.iter().map(|named| &named.expr).collect()
        }
        _ => return None,
    };
    lists.into_iter().find_map(find_window)
}

fn find_window(expr: &ast::Expr) -> Option<(String, Span)> {
    use ast::ExprKind as K;
    match &expr.kind {
        K::Call(name, _) if WINDOWS.contains(&name.as_str()) => Some((name.clone(), expr.span)),
        K::Call(_, args) => args.iter().find_map(|arg| find_window(&arg.expr)),
        K::Member(inner, _) | K::Unary(_, inner) => find_window(inner),
        K::Index(a, b) | K::Binary(_, a, b) => find_window(a).or_else(|| find_window(b)),
        K::Between {
            value, low, high, ..
        } => [value, low, high].into_iter().find_map(|e| find_window(e)),
        K::In(_, value, _) => find_window(value),
        _ => None,
    }
}
