//! Percentiles, exact: nearest rank over the kept values.

use super::{Aggregate, AggregateCall, State};
use crate::types::Type;
use crate::value::Value;

pub(super) const AGGREGATES: &[Aggregate] = &[
    Aggregate::new("percentile", |c| percentiles(c, false)),
    Aggregate::new("percentiles_array", |c| percentiles(c, true)),
];

struct Percentiles {
    values: Vec<Value>,
    ranks: Vec<f64>,
    as_array: bool,
    result: Type,
}

fn percentiles(call: &AggregateCall<'_>, as_array: bool) -> Box<dyn State> {
    let mut ranks = Vec::new();
    for constant in call.constants.iter().skip(1).flatten() {
        match constant.as_array() {
            Some(items) => ranks.extend(items.iter().filter_map(Value::as_f64)),
            None => ranks.extend(constant.as_f64()),
        }
    }
    Box::new(Percentiles {
        values: Vec::new(),
        ranks,
        as_array,
        result: call.result,
    })
}

impl State for Percentiles {
    fn update(&mut self, args: &[Value]) {
        if !args[0].is_null() {
            self.values.push(args[0].clone());
        }
    }

    fn save(&self) -> Value {
        Value::array(self.values.clone())
    }

    fn merge(&mut self, saved: &Value) {
        self.values
            .extend_from_slice(saved.as_array().unwrap_or_default());
    }

    fn finish(&mut self) -> Value {
        self.values.sort_by(Value::sort_order);
        let at = |rank: f64| {
            let position = (rank / 100.0 * self.values.len() as f64).ceil().max(1.0) as usize;
            self.values.get(position - 1).cloned().unwrap_or_default()
        };
        if self.as_array {
            return Value::array(self.ranks.iter().map(|r| at(*r)).collect());
        }
        let value = self.ranks.first().map_or(Value::Null, |r| at(*r));
        match (self.result, &value) {
            (Type::Real, other) => other.as_f64().map_or(Value::Null, Value::Real),
            _ => value,
        }
    }

    fn size(&self) -> usize {
        256 + self.values.capacity() * std::mem::size_of::<Value>()
    }
}
