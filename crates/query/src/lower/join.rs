//! Joins.

use atalaya_kql::bound::{ColumnDef, JoinKind, RelNode, Type as BoundType};
use datafusion::common::{Column, JoinType, NullEquality, ScalarValue};
use datafusion::functions::expr_fn::coalesce;
use datafusion::logical_expr::{Expr as DfExpr, LogicalPlan, LogicalPlanBuilder};

use super::need::Need;
use super::times::Bounds;
use super::{LowerError, Lowered, Lowering, column, name, type_of};
use crate::aggregates;
use crate::udaf;

impl Lowering<'_> {
    pub(super) async fn join(
        &self,
        (left, right): (&RelNode, &RelNode),
        kind: JoinKind,
        keys: &[(usize, usize)],
        need: &Need,
    ) -> Lowered<LogicalPlan> {
        let (left_need, right_need) = needs((left, right), kind, keys, need);
        let none = Bounds::default();
        let mut left_plan = self.node(left, &left_need, &none).await?;
        let right_plan = self.node(right, &right_need, &none).await?;
        if kind == JoinKind::InnerUnique {
            let unique: Vec<usize> = keys.iter().map(|key| key.0).collect();
            left_plan = first_rows(left_plan, &left.schema, &unique)?;
        }
        let renamed = (0..right.schema.len()).map(|i| column(i).alias(format!("r{i}")));
        let right_plan = LogicalPlanBuilder::from(right_plan)
            .project(renamed)?
            .build()?;
        let left_keys: Vec<Column> = keys.iter().map(|k| Column::from_name(name(k.0))).collect();
        let right_keys: Vec<Column> = keys
            .iter()
            .map(|k| Column::from_name(format!("r{}", k.1)))
            .collect();
        let joined = LogicalPlanBuilder::from(left_plan).join_detailed(
            right_plan,
            join_type(kind),
            (left_keys, right_keys),
            None,
            NullEquality::NullEqualsNull,
        )?;
        Ok(joined.project(outputs(left, right, kind))?.build()?)
    }
}

const fn join_type(kind: JoinKind) -> JoinType {
    match kind {
        JoinKind::InnerUnique | JoinKind::Inner => JoinType::Inner,
        JoinKind::LeftOuter => JoinType::Left,
        JoinKind::RightOuter => JoinType::Right,
        JoinKind::FullOuter => JoinType::Full,
        JoinKind::LeftSemi => JoinType::LeftSemi,
        JoinKind::RightSemi => JoinType::RightSemi,
        JoinKind::LeftAnti => JoinType::LeftAnti,
        JoinKind::RightAnti => JoinType::RightAnti,
    }
}

const fn sides(kind: JoinKind) -> (bool, bool) {
    match kind {
        JoinKind::LeftSemi | JoinKind::LeftAnti => (true, false),
        JoinKind::RightSemi | JoinKind::RightAnti => (false, true),
        _ => (true, true),
    }
}

fn needs(
    (left, right): (&RelNode, &RelNode),
    kind: JoinKind,
    keys: &[(usize, usize)],
    need: &Need,
) -> (Need, Need) {
    let mut left_need = Need::none(left.schema.len());
    let mut right_need = Need::none(right.schema.len());
    for (left_key, right_key) in keys {
        left_need.set(*left_key);
        right_need.set(*right_key);
    }
    let (has_left, has_right) = sides(kind);
    let left_columns = if has_left { left.schema.len() } else { 0 };
    for index in (0..left_columns).filter(|index| need.has(*index)) {
        left_need.set(index);
    }
    let right_columns = if has_right { right.schema.len() } else { 0 };
    for index in (0..right_columns).filter(|index| need.has(left_columns + index)) {
        right_need.set(index);
    }
    (left_need, right_need)
}

/// The output columns in order; a string of a missing partner is empty, not null.
fn outputs(left: &RelNode, right: &RelNode, kind: JoinKind) -> Vec<DfExpr> {
    let (has_left, has_right) = sides(kind);
    let left_columns = has_left.then_some(&left.schema).into_iter().flatten();
    let right_columns = has_right.then_some(&right.schema).into_iter().flatten();
    let left_named = left_columns.enumerate().map(|(i, c)| (name(i), c));
    let right_named = right_columns.enumerate().map(|(i, c)| (format!("r{i}"), c));
    left_named
        .chain(right_named)
        .enumerate()
        .map(|(place, (source, column))| {
            let plain = DfExpr::Column(Column::from_name(source));
            let filled = if column.ty == BoundType::String {
                let empty = ScalarValue::Utf8View(Some(String::new()));
                coalesce(vec![plain, DfExpr::Literal(empty, None)])
            } else {
                plain
            };
            filled.alias(name(place))
        })
        .collect()
}

/// One row per key, the first one.
fn first_rows(plan: LogicalPlan, schema: &[ColumnDef], keys: &[usize]) -> Lowered<LogicalPlan> {
    let first = aggregates::find("first row")
        .ok_or_else(|| LowerError::Limit("the aggregate for unique rows is missing".to_owned()))?;
    let mut outputs = Vec::new();
    for (index, def) in schema.iter().enumerate() {
        if !keys.contains(&index) {
            let ty = type_of(def.ty);
            let call = udaf::call(first, vec![(column(index), ty, None)], ty);
            outputs.push(call.alias(name(index)));
        }
    }
    let mut unique = keys.to_vec();
    unique.sort_unstable();
    unique.dedup();
    let grouped = LogicalPlanBuilder::from(plan)
        .aggregate(unique.into_iter().map(column), outputs)?
        .project((0..schema.len()).map(column))?;
    Ok(grouped.build()?)
}
