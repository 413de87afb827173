//! Operators that run other operators on parts of the rows: `mv-apply`, `partition`; and `invoke`.

use atalaya_model::Span;

use super::Binder;
use super::expr::call;
use super::project::{columns, projected};
use super::scope::{Env, Value};
use crate::ast::{self, ExpandArgs, Name, NamedExpr, Operator};
use crate::bound::{ColumnDef, Expr, RelNode, RelOp, Type};

/// The name of the rows that `invoke` gives to its function; nobody can write it.
const INVOKED: &str = "$invoked";

impl Binder<'_> {
    pub(crate) fn mv_apply(
        &mut self,
        env: &Env,
        node: RelNode,
        args: &ExpandArgs,
        body: &[Operator],
        span: Span,
    ) -> Option<RelNode> {
        let source = node.schema.clone();
        // Every row of the input is a partition: it gets a number.
        let numbered = numbered(node, span);
        let expanded = self.mv_expand(env, numbered, args, span)?;
        let key = source.len();
        let mut visible = columns(&expanded);
        let mut schema = expanded.schema.clone();
        visible.remove(key);
        schema.remove(key);
        visible.push(columns(&expanded).swap_remove(key));
        schema.push(expanded.schema[key].clone());
        let input = projected(expanded, visible, schema, span);
        let mut seen = input.schema.clone();
        seen.pop();
        let (slot, rows) = self.slot(seen.clone(), span);
        let body = self.operators(&mut env.clone(), rows, body)?;
        // What the body says of a column of the same name counts for expanded columns only.
        let is_same = |column: &ColumnDef, index: usize| {
            source.iter().position(|known| known.name == column.name) == Some(index)
        };
        let mut places: Vec<usize> = Vec::new();
        for (index, (before, after)) in source.iter().zip(&seen).enumerate() {
            match body.schema.iter().position(|column| is_same(column, index)) {
                Some(at) if before != after => places.push(source.len() + at),
                _ => places.push(index),
            }
        }
        for (at, column) in body.schema.iter().enumerate() {
            if !source.iter().any(|known| known.name == column.name) {
                places.push(source.len() + at);
            }
        }
        let keys = vec![input.schema.len() - 1];
        let mut all = seen[..source.len()].to_vec();
        all.extend(body.schema.iter().cloned());
        let each = RelNode {
            op: RelOp::Each {
                input: Box::new(input),
                keys,
                carried: (0..source.len()).collect(),
                body: Box::new(body),
                slot,
                width: seen.len(),
            },
            schema: all.clone(),
            span,
            serialized: false,
        };
        let exprs = columns(&each);
        let exprs = places.iter().map(|at| exprs[*at].clone()).collect();
        let schema = places.iter().map(|at| all[*at].clone()).collect();
        Some(projected(each, exprs, schema, span))
    }

    pub(crate) fn partition(
        &mut self,
        env: &Env,
        node: RelNode,
        key: &Name,
        body: &[Operator],
        span: Span,
    ) -> Option<RelNode> {
        let Some(at) = node
            .schema
            .iter()
            .position(|column| column.name == key.text)
        else {
            let message = format!("there is no column `{}`", key.text);
            self.error("KS142", key.span, message);
            return None;
        };
        let width = node.schema.len();
        let (slot, mut rows) = self.slot(node.schema.clone(), span);
        rows.serialized = node.serialized;
        let body = self.operators(&mut env.clone(), rows, body)?;
        let schema = body.schema.clone();
        Some(RelNode {
            op: RelOp::Each {
                input: Box::new(node),
                keys: vec![at],
                carried: Vec::new(),
                body: Box::new(body),
                slot,
                width,
            },
            schema,
            span,
            serialized: false,
        })
    }

    /// `partition by Key { query }`: the query is run for every value of the column, and sees it
    /// as `toscalar(Key)`.
    pub(crate) fn partition_free(
        &mut self,
        env: &Env,
        node: RelNode,
        key: &Name,
        body: &ast::Pipeline,
        span: Span,
    ) -> Option<RelNode> {
        let Some(at) = node
            .schema
            .iter()
            .position(|column| column.name == key.text)
        else {
            let message = format!("there is no column `{}`", key.text);
            self.error("KS142", key.span, message);
            return None;
        };
        let value = vec![columns(&node).swap_remove(at)];
        let schema = vec![node.schema[at].clone()];
        let values = projected(node, value, schema, span);
        let (slot, rows) = self.slot(values.schema.clone(), span);
        let mut inner = env.clone();
        inner.set(&key.text, Value::Rows(rows.into()), self.made());
        let body = self.pipeline(&inner, body)?;
        Some(RelNode {
            schema: body.schema.clone(),
            op: RelOp::Each {
                input: Box::new(values),
                keys: vec![0],
                carried: Vec::new(),
                body: Box::new(body),
                slot,
                width: 1,
            },
            span,
            serialized: false,
        })
    }

    pub(crate) fn invoke(
        &mut self,
        env: &Env,
        node: RelNode,
        name: &Name,
        args: &[NamedExpr],
        span: Span,
    ) -> Option<RelNode> {
        let Some(Value::Function { lambda, env: inner }) = env.get(&name.text).cloned() else {
            let message = format!("the function `{}` is not known", name.text);
            self.error("KS211", name.span, message);
            return None;
        };
        let mut caller = env.clone();
        caller.set(INVOKED, Value::Rows(node.into()), self.made());
        let rows = ast::Expr {
            kind: ast::ExprKind::Name(INVOKED.to_owned()),
            span: name.span,
        };
        let rows = NamedExpr {
            names: Vec::new(),
            expr: rows,
        };
        let args: Vec<NamedExpr> = std::iter::once(rows).chain(args.iter().cloned()).collect();
        self.call_lambda_rows(&caller, &lambda, &inner, &args, span)
    }

    /// A place for the rows of a partition, and the node that reads it.
    pub(crate) fn slot(&mut self, schema: Vec<ColumnDef>, span: Span) -> (usize, RelNode) {
        let slot = self.materialized.len();
        let empty = RelNode {
            op: RelOp::Values(Vec::new()),
            schema: schema.clone(),
            span,
            serialized: false,
        };
        self.materialized.push(empty);
        let rows = RelNode {
            op: RelOp::Materialized(slot),
            schema,
            span,
            serialized: false,
        };
        (slot, rows)
    }
}

/// The rows with a number in the last column.
fn numbered(node: RelNode, span: Span) -> RelNode {
    let schema = node.schema.clone();
    let ordered = RelNode {
        op: RelOp::Serialize(Box::new(node)),
        schema: schema.clone(),
        span,
        serialized: true,
    };
    let mut exprs: Vec<Expr> = columns(&ordered);
    exprs.push(call("row_number", Vec::new(), Type::Long, span));
    let mut schema = schema;
    schema.push(ColumnDef {
        name: "$row".to_owned(),
        ty: Type::Long,
        range: None,
    });
    projected(ordered, exprs, schema, span)
}
