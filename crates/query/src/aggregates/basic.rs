//! Counts, sums and averages. Sums of whole numbers wrap; the average of nothing is NaN.

use super::{Aggregate, AggregateCall, State};
use crate::types::Type;
use crate::value::Value;

pub(super) const AGGREGATES: &[Aggregate] = &[
    Aggregate::new("count", |_| Box::new(Count::default())),
    Aggregate::new("countif", |_| Box::new(CountIf::default())),
    Aggregate::new("sum", |call| sum(call, false)),
    Aggregate::new("sumif", |call| sum(call, true)),
    Aggregate::new("avg", |call| average(call, false)),
    Aggregate::new("avgif", |call| average(call, true)),
    Aggregate::new("binary_all_and", |_| bits(|a, b| a & b)),
    Aggregate::new("binary_all_or", |_| bits(|a, b| a | b)),
    Aggregate::new("binary_all_xor", |_| bits(|a, b| a ^ b)),
];

/// Whether a row passes the predicate that the `…if` forms carry last.
pub(super) fn passes(args: &[Value], conditional: bool) -> bool {
    !conditional || args.last().and_then(Value::as_bool) == Some(true)
}

#[derive(Default)]
struct Count(i64);

impl State for Count {
    fn update(&mut self, _: &[Value]) {
        self.0 += 1;
    }

    fn save(&self) -> Value {
        Value::Long(self.0)
    }

    fn merge(&mut self, saved: &Value) {
        self.0 += saved.as_i64().unwrap_or(0);
    }

    fn finish(&mut self) -> Value {
        Value::Long(self.0)
    }
}

#[derive(Default)]
struct CountIf(Count);

impl State for CountIf {
    fn update(&mut self, args: &[Value]) {
        if passes(args, true) {
            self.0.0 += 1;
        }
    }

    fn save(&self) -> Value {
        self.0.save()
    }

    fn merge(&mut self, saved: &Value) {
        self.0.merge(saved);
    }

    fn finish(&mut self) -> Value {
        self.0.finish()
    }
}

struct Sum {
    whole: i64,
    fraction: f64,
    count: i64,
    conditional: bool,
    /// `None` for an average.
    result: Option<Type>,
    input: Type,
}

fn input(call: &AggregateCall<'_>) -> Type {
    call.arg_types.first().copied().unwrap_or(Type::Real)
}

fn sum(call: &AggregateCall<'_>, conditional: bool) -> Box<dyn State> {
    Box::new(Sum {
        whole: 0,
        fraction: 0.0,
        count: 0,
        conditional,
        result: Some(call.result),
        input: input(call),
    })
}

fn average(call: &AggregateCall<'_>, conditional: bool) -> Box<dyn State> {
    Box::new(Sum {
        whole: 0,
        fraction: 0.0,
        count: 0,
        conditional,
        result: None,
        input: input(call),
    })
}

impl Sum {
    const fn is_whole(&self) -> bool {
        !matches!(self.input, Type::Real | Type::Decimal | Type::Dynamic)
    }
}

impl State for Sum {
    fn update(&mut self, args: &[Value]) {
        if args[0].is_null() || !passes(args, self.conditional) {
            return;
        }
        let Some(real) = super::super::functions::to_real(&args[0]) else {
            return;
        };
        self.count += 1;
        self.whole = self.whole.wrapping_add(args[0].as_i64().unwrap_or(0));
        self.fraction += real;
    }

    fn save(&self) -> Value {
        Value::array(vec![
            Value::Long(self.whole),
            Value::Real(self.fraction),
            Value::Long(self.count),
        ])
    }

    fn merge(&mut self, saved: &Value) {
        self.whole = self.whole.wrapping_add(saved.item(0).as_i64().unwrap_or(0));
        self.fraction += saved.item(1).as_f64().unwrap_or(0.0);
        self.count += saved.item(2).as_i64().unwrap_or(0);
    }

    fn finish(&mut self) -> Value {
        match self.result {
            Some(Type::Timespan) => Value::Timespan(self.whole),
            Some(_) if self.is_whole() => Value::Long(self.whole),
            Some(_) => Value::Real(self.fraction),
            None if matches!(self.input, Type::DateTime | Type::Timespan) => {
                if self.count == 0 {
                    return Value::Null;
                }
                let mean = (self.fraction / self.count as f64).round() as i64;
                if self.input == Type::DateTime {
                    Value::DateTime(mean)
                } else {
                    Value::Timespan(self.whole / self.count)
                }
            }
            None if self.is_whole() => Value::Real(self.whole as f64 / self.count as f64),
            None => Value::Real(self.fraction / self.count as f64),
        }
    }
}

struct Bits {
    value: Option<i64>,
    op: fn(i64, i64) -> i64,
}

fn bits(op: fn(i64, i64) -> i64) -> Box<dyn State> {
    Box::new(Bits { value: None, op })
}

impl State for Bits {
    fn update(&mut self, args: &[Value]) {
        if let Some(new) = args[0].as_i64() {
            self.value = Some(self.value.map_or(new, |old| (self.op)(old, new)));
        }
    }

    fn save(&self) -> Value {
        self.value.map_or(Value::Null, Value::Long)
    }

    fn merge(&mut self, saved: &Value) {
        self.update(std::slice::from_ref(saved));
    }

    fn finish(&mut self) -> Value {
        self.save()
    }
}
