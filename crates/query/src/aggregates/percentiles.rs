//! Percentiles, exact: nearest rank over the kept values.

use super::{Aggregate, AggregateCall, State};
use crate::types::Type;
use crate::value::Value;

pub(super) const AGGREGATES: &[Aggregate] = &[
    Aggregate::new("percentile", |c| percentiles(c, false, false)),
    Aggregate::new("percentiles_array", |c| percentiles(c, true, false)),
    Aggregate::new("percentilew", |c| percentiles(c, false, true)),
    Aggregate::new("percentilesw_array", |c| percentiles(c, true, true)),
];

struct Percentiles {
    values: Vec<Value>,
    /// One for each value, if values weigh differently.
    weights: Vec<Value>,
    is_weighted: bool,
    ranks: Vec<f64>,
    as_array: bool,
    result: Type,
}

fn percentiles(call: &AggregateCall<'_>, as_array: bool, is_weighted: bool) -> Box<dyn State> {
    let mut ranks = Vec::new();
    for constant in call
        .constants
        .iter()
        .skip(1 + usize::from(is_weighted))
        .flatten()
    {
        match constant.as_array() {
            Some(items) => ranks.extend(items.iter().filter_map(Value::as_f64)),
            None => ranks.extend(constant.as_f64()),
        }
    }
    Box::new(Percentiles {
        values: Vec::new(),
        weights: Vec::new(),
        is_weighted,
        ranks,
        as_array,
        result: call.result,
    })
}

impl Percentiles {
    /// The value at a rank: the first that as much lies at or below.
    fn at(&self, rank: f64) -> Value {
        let position = (rank / 100.0 * self.values.len() as f64).ceil().max(1.0) as usize;
        self.values.get(position - 1).cloned().unwrap_or_default()
    }

    /// The same, where values weigh differently.
    fn weighted(&self) -> Vec<Value> {
        let mut pairs: Vec<(&Value, f64)> = self
            .values
            .iter()
            .zip(
                self.weights
                    .iter()
                    .map(|weight| weight.as_f64().unwrap_or(0.0)),
            )
            .collect();
        pairs.sort_by(|a, b| a.0.sort_order(b.0));
        let total: f64 = pairs.iter().map(|(_, weight)| weight).sum();
        let at = |rank: &f64| {
            let mut below = 0.0;
            let found = pairs.iter().find(|(_, weight)| {
                below += weight;
                below >= rank / 100.0 * total
            });
            found
                .or(pairs.last())
                .map(|(value, _)| (*value).clone())
                .unwrap_or_default()
        };
        self.ranks.iter().map(at).collect()
    }
}

impl State for Percentiles {
    fn update(&mut self, args: &[Value]) {
        if args[0].is_null() {
            return;
        }
        if self.is_weighted {
            match args[1].as_f64() {
                Some(weight) if weight > 0.0 => self.weights.push(args[1].clone()),
                _ => return,
            }
        }
        self.values.push(args[0].clone());
    }

    fn save(&self) -> Value {
        let values = Value::array(self.values.clone());
        Value::array(vec![values, Value::array(self.weights.clone())])
    }

    fn merge(&mut self, saved: &Value) {
        let (values, weights) = (saved.item(0), saved.item(1));
        self.values
            .extend_from_slice(values.as_array().unwrap_or_default());
        self.weights
            .extend_from_slice(weights.as_array().unwrap_or_default());
    }

    fn finish(&mut self) -> Value {
        let values = if self.is_weighted {
            self.weighted()
        } else {
            self.values.sort_by(Value::sort_order);
            self.ranks.iter().map(|rank| self.at(*rank)).collect()
        };
        if self.as_array {
            return Value::array(values);
        }
        let value = values.into_iter().next().unwrap_or_default();
        match (self.result, &value) {
            (Type::Real, other) => other.as_f64().map_or(Value::Null, Value::Real),
            _ => value,
        }
    }

    fn size(&self) -> usize {
        let values = self.values.capacity() + self.weights.capacity();
        256 + values * std::mem::size_of::<Value>()
    }
}
