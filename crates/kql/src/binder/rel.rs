//! Pipelines: operators one after the other, and those that only keep rows.

use atalaya_model::Span;

use super::Binder;
use super::scope::{Env, Scope, Value};
use crate::ast::{self, Operator, OperatorKind, Pipeline};
use crate::bound::JoinKind;
use crate::bound::{ColumnDef, Expr, ExprKind, Literal, RelNode, RelOp, Render, Type};
use crate::catalogue::{OPERATORS, refused_operator};

impl Binder<'_> {
    pub(crate) fn pipeline(&mut self, env: &Env, pipeline: &Pipeline) -> Option<RelNode> {
        self.grow(1, pipeline.span)?;
        if !self.enter(pipeline.span) {
            return None;
        }
        let mut env = env.clone();
        let mut node = self.source(&env, &pipeline.source, pipeline.span);
        if let Some(input) = node {
            node = self.operators(&mut env, input, &pipeline.operators);
        }
        self.leave();
        node
    }

    /// Operators one after the other.
    pub(crate) fn operators(
        &mut self,
        env: &mut Env,
        input: RelNode,
        operators: &[Operator],
    ) -> Option<RelNode> {
        let mut node = input;
        for (at, operator) in operators.iter().enumerate() {
            let is_last = at + 1 == operators.len();
            let splits = matches!(
                operator.kind,
                OperatorKind::Fork(_) | OperatorKind::Facet(..)
            );
            if splits && !is_last {
                let message = "several results can only end a query".to_owned();
                self.error("KQL011", operators[at + 1].span, message);
                return None;
            }
            // A mistake in an operator that keeps the columns hides no later one.
            let keeps = matches!(
                operator.kind,
                OperatorKind::Where(_) | OperatorKind::Sort(_) | OperatorKind::Take(_)
            );
            let schema = keeps.then(|| node.schema.clone());
            let bound = self.operator(env, node, operator);
            node = bound.or_else(|| schema.map(|schema| table("", schema, operator.span)))?;
            self.grow(node.schema.len(), operator.span)?;
        }
        Some(node)
    }

    fn operator(&mut self, env: &mut Env, node: RelNode, operator: &Operator) -> Option<RelNode> {
        let span = operator.span;
        let node = self.ordered_if_needed(node, operator);
        match &operator.kind {
            OperatorKind::WhereNamed(name, predicate) => {
                let message = format!("`{} =` names the condition and compares nothing", name.text);
                let help = format!("write `{} == …`", name.text);
                let warning = atalaya_model::Diagnostic::warning("ATL107", name.span, message);
                self.diagnostics.push(warning.with_help(help));
                self.filter(env, node, predicate, span)
            }
            OperatorKind::Where(predicate) => self.filter(env, node, predicate, span),
            OperatorKind::Project(list) => self.project(env, node, list, span),
            OperatorKind::ProjectAway(names) => self.project_away(node, names, span),
            OperatorKind::ProjectKeep(names) => self.project_keep(node, names, span),
            OperatorKind::ProjectRename(list) => self.project_rename(node, list, span),
            OperatorKind::ProjectReorder(names) => self.project_reorder(node, names, span),
            OperatorKind::ProjectByNames(names) => self.project_by_names(env, node, names, span),
            OperatorKind::AssertSchema(wanted) => self.assert_schema(node, wanted),
            OperatorKind::Extend(list) => self.extend(env, node, list, span),
            OperatorKind::Serialize(list) => self.serialize(env, node, list, span),
            OperatorKind::Summarize(aggregates, groups) => {
                self.summarize(env, node, aggregates, groups, span)
            }
            OperatorKind::Distinct(list) => self.distinct(env, node, list, span),
            OperatorKind::Count(name) => Some(Self::count(node, name.as_ref(), span)),
            OperatorKind::Sort(args) => self.sort(env, node, args, span),
            OperatorKind::Top(count, args) => {
                let sorted = self.sort(env, node, args, span)?;
                self.take(env, sorted, count, span)
            }
            OperatorKind::Take(count) => self.take(env, node, count, span),
            OperatorKind::Join(args) => self.join(env, node, args, span),
            OperatorKind::Lookup(args) => self.lookup(env, node, args, span),
            OperatorKind::Union(args) => self.union(env, Some(node), args, span),
            OperatorKind::MvExpand(args) => self.mv_expand(env, node, args, span),
            OperatorKind::As(name) => {
                let node = self.shared_if_used(node, name, operator.span.end);
                env.set(&name.text, Value::Rows(node.clone().into()), self.made());
                env.set_as(&name.text);
                Some(node)
            }
            OperatorKind::Consume => Some(Self::consume(node, span)),
            OperatorKind::GetSchema => Some(Self::get_schema(&node, span)),
            OperatorKind::Render(kind, properties) => {
                let properties = properties
                    .iter()
                    .map(|(n, value)| (n.text.clone(), value.clone()))
                    .collect();
                self.render = Some(Render {
                    kind: kind.text.clone(),
                    properties,
                });
                Some(node)
            }
            _ => self.further_operator(env, node, operator),
        }
    }

    /// Operators that are made of others, or run others.
    fn further_operator(
        &mut self,
        env: &Env,
        node: RelNode,
        operator: &Operator,
    ) -> Option<RelNode> {
        let span = operator.span;
        match &operator.kind {
            OperatorKind::Parse(args) => self.parse_with(env, node, args, span),
            OperatorKind::ParseKv(args) => self.parse_kv(env, node, args, span),
            OperatorKind::MvApply(args, body) => self.mv_apply(env, node, args, body, span),
            OperatorKind::Fork(branches) => self.fork(env, node, branches, span),
            OperatorKind::Facet(columns, body) => self.facet(env, node, (columns, body), span),
            OperatorKind::Reduce(value, options) => self.reduce(env, node, value, options, span),
            OperatorKind::Partition(key, body) => self.partition(env, node, key, body, span),
            OperatorKind::PartitionFree(key, body) => {
                self.partition_free(env, node, key, body, span)
            }
            OperatorKind::Search(args) => self.search_rows(env, node, args, span),
            OperatorKind::MakeSeries(args) => self.make_series(env, node, args, span),
            OperatorKind::Sample(count) => self.take(env, node, count, span),
            OperatorKind::SampleDistinct(count, of) => {
                self.sample_distinct(env, node, count, of, span)
            }
            OperatorKind::TopHitters(count, of, by) => {
                self.top_hitters(env, node, (count, of, by.as_ref()), span)
            }
            OperatorKind::Evaluate(args) => self.evaluate(env, node, args, span),
            OperatorKind::TopNested(levels) => self.top_nested(env, node, levels, span),
            OperatorKind::Scan(args) => self.scan(env, node, args, span),
            OperatorKind::Invoke(name, args) => self.invoke(env, node, name, args, span),
            OperatorKind::Unsupported(name) => {
                self.unknown_operator(name);
                None
            }
            _ => None,
        }
    }

    /// An operator that Kusto has and this engine has not, or one that nobody has.
    fn unknown_operator(&mut self, name: &ast::Name) {
        if let Some((reason, remedy)) = refused_operator(&name.text) {
            let message = format!("the operator `{}` is refused: {reason}", name.text);
            self.error_help("KQL010", name.span, message, remedy.to_owned());
            return;
        }
        let known = || OPERATORS.iter().map(|(name, _)| *name);
        let here = || {
            let known: Vec<_> = known().collect();
            format!("operators are: {}", known.join(", "))
        };
        let help = self
            .nearest(&name.text, known())
            .map_or_else(here, |near| format!("did you mean `{near}`?"));
        let message = format!("there is no operator `{}`", name.text);
        self.error_help("KQL010", name.span, message, help);
    }

    pub(crate) fn filter(
        &mut self,
        env: &Env,
        node: RelNode,
        predicate: &ast::Expr,
        span: Span,
    ) -> Option<RelNode> {
        let predicate = self.expr(scope(env, &node), predicate)?;
        if predicate.ty != Type::Bool {
            let message = format!(
                "`where` wants a condition (bool), not {}",
                predicate.ty.name()
            );
            self.error("KS106", predicate.span, message);
            return None;
        }
        Some(filtered(node, predicate, span))
    }

    pub(crate) fn take(
        &mut self,
        env: &Env,
        node: RelNode,
        count: &ast::Expr,
        span: Span,
    ) -> Option<RelNode> {
        let bound = self.scalar(env, count)?;
        let ExprKind::Literal(Literal::Long(value)) = bound.kind else {
            self.error(
                "KS107",
                count.span,
                "the number of rows must be a whole number".to_owned(),
            );
            return None;
        };
        let (schema, serialized) = (node.schema.clone(), node.serialized);
        let count = u64::try_from(value).unwrap_or(0);
        let op = RelOp::Take {
            input: Box::new(node),
            count,
        };
        Some(RelNode {
            op,
            schema,
            span,
            serialized,
        })
    }

    fn get_schema(node: &RelNode, span: Span) -> RelNode {
        let text = |value: &str| Expr {
            kind: ExprKind::Literal(Literal::String(value.to_owned())),
            ty: Type::String,
            span,
            range: None,
        };
        let rows = node
            .schema
            .iter()
            .enumerate()
            .map(|(index, column)| {
                let ordinal = Expr {
                    kind: ExprKind::Literal(Literal::Long(i64::try_from(index).unwrap_or(0))),
                    ty: Type::Int,
                    span,
                    range: None,
                };
                vec![
                    text(&column.name),
                    ordinal,
                    text(system_type(column.ty)),
                    text(column.ty.name()),
                ]
            })
            .collect();
        let column = |name: &str, ty| ColumnDef {
            name: name.to_owned(),
            ty,
            range: None,
        };
        let schema = vec![
            column("ColumnName", Type::String),
            column("ColumnOrdinal", Type::Int),
            column("DataType", Type::String),
            column("ColumnType", Type::String),
        ];
        RelNode {
            op: RelOp::Values(rows),
            schema,
            span,
            serialized: false,
        }
    }
}

pub(crate) fn scope<'s>(env: &'s Env, node: &'s RelNode) -> Scope<'s> {
    Scope {
        env,
        columns: &node.schema,
        serialized: node.serialized,
    }
}

/// Rows that meet a condition. One on the left side of an `innerunique` join holds before the
/// join picks a row for each key, as in Kusto.
fn filtered(node: RelNode, predicate: Expr, span: Span) -> RelNode {
    let (schema, serialized) = (node.schema.clone(), node.serialized);
    let op = match node.op {
        RelOp::Join {
            left,
            right,
            kind: JoinKind::InnerUnique,
            keys,
        } if reads_only(&predicate, left.schema.len()) => RelOp::Join {
            left: Box::new(filtered(*left, predicate, span)),
            right,
            kind: JoinKind::InnerUnique,
            keys,
        },
        _ => RelOp::Filter {
            input: Box::new(node),
            predicate,
        },
    };
    RelNode {
        op,
        schema,
        span,
        serialized,
    }
}

/// Whether an expression reads only the first so many columns.
fn reads_only(expr: &Expr, columns: usize) -> bool {
    match &expr.kind {
        ExprKind::Column(index) => *index < columns,
        ExprKind::Call { args, .. } => args.iter().all(|arg| reads_only(arg, columns)),
        ExprKind::Literal(_) | ExprKind::ToScalar(_) => true,
        ExprKind::ValueSet(_) => false,
    }
}

pub(crate) fn table(name: &str, schema: Vec<ColumnDef>, span: Span) -> RelNode {
    RelNode {
        op: RelOp::Table(name.to_owned()),
        schema,
        span,
        serialized: false,
    }
}

/// .NET type names, as Kusto's `getschema` prints them.
const fn system_type(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "System.SByte",
        Type::Int => "System.Int32",
        Type::Long => "System.Int64",
        Type::Real => "System.Double",
        Type::Decimal => "System.Data.SqlTypes.SqlDecimal",
        Type::String => "System.String",
        Type::DateTime => "System.DateTime",
        Type::Timespan => "System.TimeSpan",
        Type::Guid => "System.Guid",
        Type::Dynamic => "System.Object",
    }
}
