//! `union`: columns meet by name and type; what only one side has is null on the other.

use std::collections::HashMap;

use atalaya_model::{Span, glob};

use super::Binder;
use super::literal::literal;
use super::project::projected;
use super::scope::{Env, Value};
use crate::ast::{OperatorKind, Pipeline, Source, UnionArgs};
use crate::bound::{ColumnDef, Expr, ExprKind, Literal, RelNode, RelOp, Type};

impl Binder<'_> {
    pub(crate) fn union(
        &mut self,
        env: &Env,
        first: Option<RelNode>,
        args: &UnionArgs,
        span: Span,
    ) -> Option<RelNode> {
        let mut inputs: Vec<(String, RelNode)> = Vec::new();
        if let Some(first) = first {
            let label = env.as_name(&first).unwrap_or("union_arg0").to_owned();
            inputs.push((label, first));
        }
        for input in &args.inputs {
            if let Source::Name(name) = &input.source {
                let is_known =
                    env.get(&name.text).is_some() || self.catalog.table(&name.text).is_some();
                if !is_known && name.text.contains('*') {
                    self.views(env, &name.text, &mut inputs, name.span)?;
                    self.wildcard(&name.text, &mut inputs, name.span);
                    continue;
                }
                if !is_known && args.is_fuzzy {
                    continue;
                }
            }
            let label = match &input.source {
                Source::Name(name) if env.get(&name.text).is_none() => name.text.clone(),
                Source::Nested(inner) if let Some(name) = as_name(inner) => name,
                _ => format!("union_arg{}", inputs.len()),
            };
            inputs.push((label, self.pipeline(env, input)?));
        }
        if inputs.is_empty() {
            let place = args.inputs.first().map_or(span, |input| input.span);
            self.error("KS142", place, "no input of this union exists".to_owned());
            return None;
        }
        let schema = merged(&inputs, args.is_inner);
        let mut columns = Vec::new();
        if let Some(name) = &args.with_source {
            columns.push(ColumnDef {
                name: name.text.clone(),
                ty: Type::String,
                range: None,
            });
        }
        columns.extend(schema.iter().map(|(_, column)| column.clone()));
        let aligned = inputs
            .into_iter()
            .map(|(label, node)| align(node, &schema, args.with_source.is_some().then_some(label)))
            .map(|mut node| {
                node.schema.clone_from(&columns);
                node
            })
            .collect();
        Some(RelNode {
            op: RelOp::Union(aligned),
            schema: columns,
            span,
            serialized: false,
        })
    }

    /// Let-bound views whose names a pattern covers.
    fn views(
        &mut self,
        env: &Env,
        pattern: &str,
        inputs: &mut Vec<(String, RelNode)>,
        span: Span,
    ) -> Option<()> {
        let mut names: Vec<&str> = env
            .names()
            .filter(|name| glob::matches(pattern, name))
            .collect();
        names.sort_unstable();
        for name in names {
            if let Some(Value::Function { lambda, env: inner }) = env.get(name).cloned()
                && lambda.is_view
                && lambda.parameters.is_empty()
            {
                let rows = self.call_lambda_rows(env, &lambda, &inner, &[], span)?;
                inputs.push((name.to_owned(), rows));
            }
        }
        Some(())
    }

    fn wildcard(&mut self, pattern: &str, inputs: &mut Vec<(String, RelNode)>, span: Span) {
        for name in self.catalog.table_names() {
            if glob::matches(pattern, &name)
                && let Some(schema) = self.catalog.table(&name)
            {
                let op = RelOp::Table(name.clone());
                inputs.push((
                    name,
                    RelNode {
                        op,
                        schema,
                        span,
                        serialized: false,
                    },
                ));
            }
        }
    }
}

/// The name that `as` gives at the end of an input.
fn as_name(input: &Pipeline) -> Option<String> {
    match &input.operators.last()?.kind {
        OperatorKind::As(name) => Some(name.text.clone()),
        _ => None,
    }
}

/// The columns of a union: (name in the inputs, column of the result).
fn merged(inputs: &[(String, RelNode)], is_inner: bool) -> Vec<(String, ColumnDef)> {
    // Columns of one name stand together, where the first of them stands.
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut named: Vec<Vec<ColumnDef>> = Vec::new();
    for column in inputs.iter().flat_map(|(_, node)| &node.schema) {
        let place = *places.entry(&column.name).or_insert(named.len());
        if place == named.len() {
            named.push(Vec::new());
        }
        if !named[place].iter().any(|known| known.ty == column.ty) {
            named[place].push(ColumnDef {
                range: None,
                ..column.clone()
            });
        }
    }
    // One name, several types: each gets its type as a suffix.
    let mut all: Vec<(String, ColumnDef)> = Vec::new();
    for columns in named {
        let is_alone = columns.len() == 1;
        for mut column in columns {
            let name = column.name.clone();
            if !is_alone {
                column.name = format!("{name}_{}", column.ty.name());
            }
            all.push((name, column));
        }
    }
    if is_inner {
        all.retain(|(name, column)| {
            inputs.iter().all(|(_, node)| {
                node.schema
                    .iter()
                    .any(|known| known.name == *name && known.ty == column.ty)
            })
        });
    }
    all
}

fn align(node: RelNode, schema: &[(String, ColumnDef)], label: Option<String>) -> RelNode {
    let span = node.span;
    let mut exprs: Vec<Expr> = Vec::new();
    if let Some(label) = label {
        exprs.push(literal(Literal::String(label), Type::String, span));
    }
    let mut places: HashMap<(&str, Type), usize> = HashMap::new();
    for (index, column) in node.schema.iter().enumerate() {
        places.entry((&column.name, column.ty)).or_insert(index);
    }
    for (name, column) in schema {
        let index = places.get(&(name.as_str(), column.ty)).copied();
        let kind = match index {
            Some(index) => ExprKind::Column(index),
            None => ExprKind::Literal(Literal::Null),
        };
        exprs.push(Expr {
            kind,
            ty: column.ty,
            span,
            range: None,
        });
    }
    projected(node, exprs, Vec::new(), span)
}
