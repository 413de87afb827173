//! A KQL aggregate as DataFusion sees it.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Signature, Volatility,
};

use crate::aggregates::{Aggregate, AggregateCall, State};
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
        let state = (self.aggregate.start)(&AggregateCall {
            arg_types: &self.arg_types,
            constants: &self.constants,
            result: self.result,
        });
        Ok(Box::new(KqlAccumulator {
            state,
            arg_types: self.arg_types.clone(),
            result: self.result,
        }))
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
