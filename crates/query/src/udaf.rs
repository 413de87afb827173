//! A KQL aggregate as DataFusion sees it.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, Expr, GroupsAccumulator, Signature,
    Volatility,
};

use crate::aggregates::{Aggregate, AggregateCall, Columns, Rows, Start, State};
use crate::types::{self, Type};
use crate::value::{Value, binary};

struct KqlAggregate {
    aggregate: &'static Aggregate,
    arg_types: Vec<Type>,
    constants: Vec<Option<Value>>,
    result: Type,
    signature: Signature,
}

/// Builds the DataFusion expression for a call of `aggregate`.
pub(crate) fn call(
    aggregate: &'static Aggregate,
    args: Vec<(Expr, Type, Option<Value>)>,
    result: Type,
) -> Expr {
    let mut udaf = KqlAggregate {
        aggregate,
        arg_types: Vec::new(),
        constants: Vec::new(),
        result,
        signature: Signature::variadic_any(Volatility::Immutable),
    };
    let mut expressions = Vec::with_capacity(args.len());
    for (expression, ty, constant) in args {
        expressions.push(expression);
        udaf.arg_types.push(ty);
        udaf.constants.push(constant);
    }
    AggregateUDF::new_from_impl(udaf).call(expressions)
}

impl AggregateUDFImpl for KqlAggregate {
    fn name(&self) -> &str {
        self.aggregate.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(types::arrow_type(self.result))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let name = format!("{} state", args.name);
        Ok(vec![Arc::new(Field::new(name, DataType::Binary, true))])
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(match self.aggregate.start {
            Start::Rows(start) => Box::new(KqlAccumulator {
                state: start(&self.known()),
                arg_types: self.arg_types.clone(),
                result: self.result,
            }),
            Start::Columns(start) => Box::new(OneGroup(start(&self.known()))),
        })
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs<'_>) -> bool {
        matches!(self.aggregate.start, Start::Columns(_))
    }

    fn create_groups_accumulator(
        &self,
        _: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        match self.aggregate.start {
            Start::Columns(start) => {
                let (arg_types, constants) = (self.arg_types.clone(), self.constants.clone());
                let result = self.result;
                let fresh = move || {
                    start(&AggregateCall {
                        arg_types: &arg_types,
                        constants: &constants,
                        result,
                    })
                };
                Ok(Box::new(AllGroups {
                    columns: fresh(),
                    fresh: Box::new(fresh),
                    count: 0,
                }))
            }
            Start::Rows(_) => {
                datafusion::common::internal_err!("{} has a state for each group", self.name())
            }
        }
    }
}

impl KqlAggregate {
    fn known(&self) -> AggregateCall<'_> {
        AggregateCall {
            arg_types: &self.arg_types,
            constants: &self.constants,
            result: self.result,
        }
    }
}

const fn one_group<'a>(count: usize) -> Rows<'a> {
    Rows {
        groups: None,
        filter: None,
        count,
    }
}

/// All rows are of one group.
struct OneGroup(Box<dyn Columns>);

impl std::fmt::Debug for OneGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OneGroup")
    }
}

impl Accumulator for OneGroup {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, |column| column.len());
        self.0.update(values, one_group(rows));
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&self.0.finish(1), 0)
    }

    fn size(&self) -> usize {
        self.0.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::try_from_array(&self.0.save(1), 0)?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let saved = states.first().and_then(|column| column.as_binary_opt());
        if let Some(saved) = saved {
            let rows = arrow::array::Array::len(saved);
            self.0.merge(saved, one_group(rows));
        }
        Ok(())
    }
}

/// Groups by number.
struct AllGroups {
    columns: Box<dyn Columns>,
    fresh: Box<dyn Fn() -> Box<dyn Columns> + Send + Sync>,
    count: usize,
}

impl AllGroups {
    fn taken(&mut self, emit: EmitTo) -> usize {
        let first = match emit {
            EmitTo::All => self.count,
            EmitTo::First(first) => first,
        };
        self.count -= first;
        first
    }
}

impl GroupsAccumulator for AllGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> Result<()> {
        self.count = count;
        let rows = Rows {
            groups: Some(groups),
            filter,
            count: groups.len(),
        };
        self.columns.update(values, rows);
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let first = self.taken(emit);
        Ok(self.columns.finish(first))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        let first = self.taken(emit);
        Ok(vec![Arc::new(self.columns.save(first))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], count: usize) -> Result<()> {
        self.count = count;
        let saved = states.first().and_then(|column| column.as_binary_opt());
        if let Some(saved) = saved {
            let rows = Rows {
                groups: Some(groups),
                filter: None,
                count: groups.len(),
            };
            self.columns.merge(saved, rows);
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        // Each row is a group of its own.
        let count = values.first().map_or(0, |column| column.len());
        let mut columns = (self.fresh)();
        let groups: Vec<usize> = (0..count).collect();
        let rows = Rows {
            groups: Some(&groups),
            filter,
            count,
        };
        columns.update(values, rows);
        Ok(vec![Arc::new(columns.save(count))])
    }

    fn size(&self) -> usize {
        self.columns.size()
    }
}

impl std::fmt::Debug for KqlAggregate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KqlAggregate({})", self.aggregate.name)
    }
}

impl PartialEq for KqlAggregate {
    fn eq(&self, other: &Self) -> bool {
        self.aggregate.name == other.aggregate.name
            && self.arg_types == other.arg_types
            && self.constants == other.constants
            && self.result == other.result
    }
}

impl Eq for KqlAggregate {}

impl Hash for KqlAggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (
            self.aggregate.name,
            &self.arg_types,
            &self.constants,
            self.result,
        )
            .hash(state);
    }
}

struct KqlAccumulator {
    state: Box<dyn State>,
    arg_types: Vec<Type>,
    result: Type,
}

impl std::fmt::Debug for KqlAccumulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KqlAccumulator")
    }
}

impl Accumulator for KqlAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, |column| column.len());
        let mut row = vec![Value::Null; values.len()];
        for i in 0..rows {
            for ((cell, column), ty) in row.iter_mut().zip(values).zip(&self.arg_types) {
                *cell = types::read(column, *ty, i);
            }
            self.state.update(&row);
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(types::scalar(&self.state.finish(), self.result))
    }

    fn size(&self) -> usize {
        self.state.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Binary(Some(binary::encode(
            &self.state.save(),
        )))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(saved) = states
            .first()
            .and_then(|column| column.as_binary_opt::<i32>())
        else {
            return Ok(());
        };
        for bytes in saved.iter().flatten() {
            self.state.merge(&binary::decode(bytes));
        }
        Ok(())
    }
}
