//! Smallest, largest, any, and the row that has the extreme.

use std::cmp::Ordering;

use super::basic::passes;
use super::{Aggregate, State};
use crate::value::Value;

pub(super) const AGGREGATES: &[Aggregate] = &[
    Aggregate::new("min", |_| extreme(Ordering::Less, false)),
    Aggregate::new("max", |_| extreme(Ordering::Greater, false)),
    Aggregate::new("minif", |_| extreme(Ordering::Less, true)),
    Aggregate::new("maxif", |_| extreme(Ordering::Greater, true)),
    // One column of `arg_max(x, y)`: arguments are x and y; x itself comes as both.
    Aggregate::new("arg_max", |_| argument(Ordering::Greater)),
    Aggregate::new("arg_min", |_| argument(Ordering::Less)),
    Aggregate::new("take_any", |_| {
        Box::new(Any {
            value: None,
            conditional: false,
        })
    }),
    Aggregate::new("any", |_| {
        Box::new(Any {
            value: None,
            conditional: false,
        })
    }),
    Aggregate::new("take_anyif", |_| {
        Box::new(Any {
            value: None,
            conditional: true,
        })
    }),
    Aggregate::new("anyif", |_| {
        Box::new(Any {
            value: None,
            conditional: true,
        })
    }),
    // The value of a group's first row, also when it is null; for columns carried along.
    Aggregate::new("first row", |_| Box::new(First(None))),
];

struct Extreme {
    best: Value,
    wanted: Ordering,
    conditional: bool,
}

fn extreme(wanted: Ordering, conditional: bool) -> Box<dyn State> {
    Box::new(Extreme {
        best: Value::Null,
        wanted,
        conditional,
    })
}

fn is_nan(value: &Value) -> bool {
    matches!(value, Value::Real(v) if v.is_nan())
}

impl Extreme {
    fn take(&mut self, value: &Value) {
        // NaN is contagious, in either direction.
        if value.is_null() || is_nan(&self.best) {
            return;
        }
        if self.best.is_null() || is_nan(value) || value.sort_order(&self.best) == self.wanted {
            self.best = value.clone();
        }
    }
}

impl State for Extreme {
    fn update(&mut self, args: &[Value]) {
        if passes(args, self.conditional) {
            self.take(&args[0]);
        }
    }

    fn save(&self) -> Value {
        self.best.clone()
    }

    fn merge(&mut self, saved: &Value) {
        self.take(saved);
    }

    fn finish(&mut self) -> Value {
        self.best.clone()
    }
}

struct Argument {
    /// The extreme and what goes with it; `None` before the first row.
    best: Option<(Value, Value)>,
    wanted: Ordering,
}

fn argument(wanted: Ordering) -> Box<dyn State> {
    Box::new(Argument { best: None, wanted })
}

impl State for Argument {
    fn update(&mut self, args: &[Value]) {
        let (key, value) = (&args[0], &args[1]);
        let better = match &self.best {
            // A group of nulls only keeps its first row.
            None => true,
            Some((best, _)) if best.is_null() => !key.is_null(),
            Some(_) if key.is_null() => false,
            // What is no number beats all numbers, in both directions.
            Some((best, _)) if is_nan(key) => !is_nan(best),
            Some((best, _)) if is_nan(best) => false,
            Some((best, _)) => key.sort_order(best) == self.wanted,
        };
        if better {
            self.best = Some((key.clone(), value.clone()));
        }
    }

    fn save(&self) -> Value {
        match &self.best {
            None => Value::Null,
            Some((key, value)) => Value::array(vec![key.clone(), value.clone()]),
        }
    }

    fn merge(&mut self, saved: &Value) {
        if let Some(pair) = saved.as_array() {
            self.update(pair);
        }
    }

    fn finish(&mut self) -> Value {
        self.best.take().map_or(Value::Null, |(_, value)| value)
    }
}

struct Any {
    value: Option<Value>,
    conditional: bool,
}

impl State for Any {
    fn update(&mut self, args: &[Value]) {
        if self.value.is_none() && passes(args, self.conditional) && !args[0].is_null() {
            self.value = Some(args[0].clone());
        }
    }

    fn save(&self) -> Value {
        self.value.clone().unwrap_or_default()
    }

    fn merge(&mut self, saved: &Value) {
        if self.value.is_none() && !saved.is_null() {
            self.value = Some(saved.clone());
        }
    }

    fn finish(&mut self) -> Value {
        self.save()
    }
}

struct First(Option<Value>);

impl State for First {
    fn update(&mut self, args: &[Value]) {
        self.0.get_or_insert_with(|| args[0].clone());
    }

    fn save(&self) -> Value {
        self.0
            .clone()
            .map_or(Value::Null, |v| Value::array(vec![v]))
    }

    fn merge(&mut self, saved: &Value) {
        if let Some([value]) = saved.as_array() {
            self.0.get_or_insert_with(|| value.clone());
        }
    }

    fn finish(&mut self) -> Value {
        self.0.clone().unwrap_or_default()
    }
}
