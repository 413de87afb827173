//! From the bound tree to DataFusion plans.
//!
//! Columns of every intermediate plan are named by position (`c0`, `c1`, …): KQL's names may
//! repeat after a join and differ by case only. What has an order (a sort, and everything that
//! keeps it) is executed on its own into one in-memory partition: DataFusion is free to drop an
//! order that SQL does not promise, Kusto promises it. The price is memory for sorted rows, so
//! columns that nobody asks for are left out on the way down.

mod aggregate;
mod collect;
mod each;
mod evaluate;
mod expand;
mod expr;
mod external;
mod join;
mod moments;
mod need;
mod needle;
mod networks;
mod order;
mod pauses;
mod resolve;
pub(crate) mod rows;
mod scan;
mod series;
mod sort;
mod states;
mod terms;
mod times;
mod trace;

use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use atalaya_kql::bound::{self, BoundQuery, ColumnDef, RelNode, RelOp};
use atalaya_model::{Diagnostic, Span};
use datafusion::common::{Column, DataFusionError};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr as DfExpr, LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::SessionContext;
use futures::FutureExt;
use futures::future::BoxFuture;

pub(crate) use expr::type_of;

pub(crate) use self::collect::HELD_ROWS_MAX;
use self::collect::Held;
use self::expr::Scope;
use self::need::Need;
use self::scan::Passed;
use self::times::Bounds;
use crate::source::{SourceError, TableSource};
use crate::types;

/// Why a bound query cannot be run.
#[derive(Debug)]
pub(crate) enum LowerError {
    /// The engine does not have it.
    Unsupported(Box<Diagnostic>),
    /// A table cannot be read.
    Source(SourceError),
    /// A limit of the engine.
    Limit(String),
    /// DataFusion failed.
    Engine(DataFusionError),
}

impl From<DataFusionError> for LowerError {
    fn from(error: DataFusionError) -> Self {
        Self::Engine(error)
    }
}

impl LowerError {
    fn unsupported(message: impl Into<String>, span: Span) -> Self {
        let message: String = message.into();
        Self::Unsupported(Box::new(
            Diagnostic::error("ATL201", span, message)
                .with_help("rewrite this part of the query with other functions"),
        ))
    }
}

pub(crate) use terms::TermIndexes;
pub use trace::Step;
pub(crate) use trace::Trace;

type Lowered<T> = Result<T, LowerError>;

/// One query on its way.
pub(crate) struct Lowering<'a> {
    context: &'a SessionContext,
    source: &'a dyn TableSource,
    range: Option<(i64, i64)>,
    materialized: Vec<Held>,
    /// Projections so far.
    steps: AtomicUsize,
    indexes: &'a TermIndexes,
    /// Where executed plans are noted.
    trace: Option<&'a Trace>,
}

impl<'a> Lowering<'a> {
    pub(crate) fn new(
        context: &'a SessionContext,
        source: &'a dyn TableSource,
        range: Option<(i64, i64)>,
        indexes: &'a TermIndexes,
    ) -> Self {
        Self {
            context,
            source,
            range,
            materialized: Vec::new(),
            steps: AtomicUsize::new(0),
            indexes,
            trace: None,
        }
    }

    /// Notes what is executed.
    pub(crate) fn traced(mut self, trace: &'a Trace) -> Self {
        self.trace = Some(trace);
        self
    }

    /// Runs the query: its result and further ones, at most `rows_max` rows each.
    pub(crate) async fn execute(
        mut self,
        query: BoundQuery,
        rows_max: usize,
    ) -> Lowered<Vec<Vec<RecordBatch>>> {
        for mut node in query.materialized {
            self.resolve(&mut node).await?;
            let all = Need::all(&node.schema);
            let held = self.hold(&node, &all).await?;
            self.materialized.push(held);
        }
        let further = query.further.into_iter().map(|further| further.root);
        let mut results = Vec::new();
        for mut root in std::iter::once(query.root).chain(further) {
            self.resolve(&mut root).await?;
            let need = Need::all(&root.schema);
            let plan = self.node(&root, &need, &Bounds::default()).await?;
            let plan = LogicalPlanBuilder::from(plan)
                .limit(0, Some(rows_max))?
                .build()?;
            results.push(self.collect(plan, rows_max).await?);
        }
        Ok(results)
    }

    /// Executes a node and keeps its rows.
    async fn hold(&self, node: &RelNode, need: &Need) -> Lowered<Held> {
        let plan = self.node(node, need, &Bounds::default()).await?;
        self.hold_plan(plan).await
    }

    /// Lowers a node. Columns that nobody needs may be null in its output.
    fn node<'s>(
        &'s self,
        node: &'s RelNode,
        need: &'s Need,
        bounds: &'s Bounds,
    ) -> BoxFuture<'s, Lowered<LogicalPlan>> {
        async move {
            match &node.op {
                RelOp::Table(name) => Ok(self.table(name, &node.schema, need, bounds)?.0),
                RelOp::External { .. } => rows::held(self.external(node)?, &node.schema),
                RelOp::Values(rows) => rows::values(rows, &node.schema),
                RelOp::Range { from, to, step } => rows::range(from, to, step, node),
                RelOp::Materialized(index) => {
                    let held = self.materialized.get(*index).ok_or_else(|| {
                        LowerError::Limit("a let-bound table is used before it exists".to_owned())
                    })?;
                    rows::held(held.clone(), &node.schema)
                }
                RelOp::Filter { input, predicate } => {
                    self.filter(input, predicate, (need, bounds)).await
                }
                RelOp::Project { input, exprs } => {
                    self.project(input, exprs, node, (need, bounds)).await
                }
                RelOp::Aggregate {
                    input,
                    groups,
                    aggregates,
                } => self.aggregate(input, groups, aggregates, need).await,
                RelOp::Sort { input, keys } => self.sort(input, keys, (need, bounds)).await,
                RelOp::Take { input, count } => self.take(input, *count, need, &node.schema).await,
                RelOp::Join {
                    left,
                    right,
                    kind,
                    keys,
                } => self.join((left, right), *kind, keys, need).await,
                RelOp::Union(inputs) => self.union(inputs, need, bounds).await,
                RelOp::Expand { input, .. } => {
                    let expanded = self.expand(&node.op, input, &node.schema).await?;
                    rows::held(expanded, &node.schema)
                }
                RelOp::Each { .. } => rows::held(self.each(node).await?, &node.schema),
                RelOp::NetworkLookup { .. } => {
                    rows::held(self.network_lookup(node).await?, &node.schema)
                }
                RelOp::Scan { .. } => rows::held(self.states(node).await?, &node.schema),
                RelOp::Series { .. } => rows::held(self.series(node).await?, &node.schema),
                RelOp::Serialize(input) => {
                    let plan = self.node(input, need, bounds).await?;
                    if input.serialized {
                        Ok(plan)
                    } else {
                        rows::held(self.hold_plan(plan).await?, &node.schema)
                    }
                }
            }
        }
        .boxed()
    }

    async fn filter(
        &self,
        input: &RelNode,
        predicate: &bound::Expr,
        (need, bounds): (&Need, &Bounds),
    ) -> Lowered<LogicalPlan> {
        // Filters that follow one another are one.
        let (mut input, mut predicates) = (input, vec![predicate]);
        while let RelOp::Filter {
            input: below,
            predicate,
        } = &input.op
            && !predicates.iter().any(|p| times::looks_at_other_rows(p))
        {
            predicates.push(predicate);
            input = below;
        }
        let (mut below, mut bounds) = (need.clone(), bounds.clone());
        for predicate in &predicates {
            below.add_expr(predicate);
            bounds = bounds.narrowed(predicate);
        }
        let (plan, passed) = match &input.op {
            RelOp::Table(name) => self.table(name, &input.schema, &below, &bounds)?,
            _ => (self.node(input, &below, &bounds).await?, Passed::default()),
        };
        let mut scope = Scope::over(plan);
        let mut all = Vec::new();
        for predicate in predicates.into_iter().rev() {
            for part in times::conjuncts(predicate) {
                // What the table's own filters say already is not computed again.
                if !passed.holds(part) {
                    all.push(scope.predicate(part)?);
                }
            }
        }
        let had_windows = scope.has_windows();
        let plan = LogicalPlanBuilder::from(scope.into_plan()?);
        let Some(predicate) = conjunction(all) else {
            return Ok(plan.build()?);
        };
        let plan = plan.filter(predicate)?;
        if had_windows {
            let columns = (0..input.schema.len()).map(column);
            return Ok(plan.project(columns)?.build()?);
        }
        Ok(plan.build()?)
    }

    async fn project(
        &self,
        input: &RelNode,
        exprs: &[bound::Expr],
        node: &RelNode,
        (need, bounds): (&Need, &Bounds),
    ) -> Lowered<LogicalPlan> {
        let below = need.through_project(exprs, input.schema.len());
        let bounds = bounds.through_project(exprs);
        let plan = self.node(input, &below, &bounds).await?;
        let mut scope = Scope::over(plan);
        let step = self.steps.fetch_add(1, Ordering::Relaxed);
        let mut outputs = Vec::with_capacity(exprs.len());
        for (index, expr) in exprs.iter().enumerate() {
            let lowered = if need.has(index) {
                scope.expr(expr)?.expr
            } else {
                null(&node.schema, index)
            };
            outputs.push(lowered.alias(step_name(step, index)));
        }
        let plan = LogicalPlanBuilder::from(scope.into_plan()?);
        if outputs.is_empty() {
            return Err(LowerError::unsupported(
                "a projection to no column",
                node.span,
            ));
        }
        let renamed = (0..outputs.len()).map(|index| {
            let column = Column::from_name(step_name(step, index));
            DfExpr::Column(column).alias(name(index))
        });
        let renamed: Vec<_> = renamed.collect();
        Ok(plan.project(outputs)?.project(renamed)?.build()?)
    }

    async fn take(
        &self,
        input: &RelNode,
        count: u64,
        need: &Need,
        schema: &[ColumnDef],
    ) -> Lowered<LogicalPlan> {
        let fetch = usize::try_from(count).unwrap_or(usize::MAX);
        if let RelOp::Sort { input, keys } = &input.op {
            let plan = self.first_sorted(input, keys, fetch, need).await?;
            return rows::held(self.hold_plan(plan).await?, schema);
        }
        let plan = self.node(input, need, &Bounds::default()).await?;
        let plan = LogicalPlanBuilder::from(plan)
            .limit(0, Some(fetch))?
            .build()?;
        if input.serialized {
            return rows::held(self.hold_plan(plan).await?, schema);
        }
        Ok(plan)
    }

    async fn union(
        &self,
        inputs: &[RelNode],
        need: &Need,
        bounds: &Bounds,
    ) -> Lowered<LogicalPlan> {
        let mut all: Option<LogicalPlanBuilder> = None;
        for input in inputs {
            let plan = self.node(input, need, bounds).await?;
            all = Some(match all {
                None => LogicalPlanBuilder::from(plan),
                Some(so_far) => so_far.union(plan)?,
            });
        }
        match all {
            Some(plan) => Ok(plan.build()?),
            None => Err(LowerError::Limit("a union of nothing".to_owned())),
        }
    }
}

/// Name of an intermediate column.
fn name(index: usize) -> String {
    format!("c{index}")
}

/// Name of a column between the two halves of a projection. DataFusion drops a projection that
/// reads like the one below it, and `extend x = x + 1` twice would read alike.
fn step_name(step: usize, index: usize) -> String {
    format!("s{step}_{index}")
}

/// An intermediate column.
fn column(index: usize) -> DfExpr {
    DfExpr::Column(Column::from_name(name(index)))
}

/// A null of the type of a column.
fn null(schema: &[ColumnDef], index: usize) -> DfExpr {
    let ty = schema
        .get(index)
        .map_or(types::Type::String, |column| type_of(column.ty));
    let none = types::scalar(&crate::value::Value::Null, ty);
    DfExpr::Literal(none, None)
}
