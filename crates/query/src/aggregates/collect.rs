//! Lists, sets and bags. At most 1,048,576 items, as in Kusto.

use std::collections::HashSet;
use std::sync::Arc;

use super::basic::passes;
use super::{Aggregate, AggregateCall, State};
use crate::types::Type;
use crate::value::Value;

/// Kusto's cap on items.
const ITEMS_MAX: usize = 1_048_576;

pub(super) const AGGREGATES: &[Aggregate] = &[
    Aggregate::new("make_list", |c| collect(c, Flavour::plain(1))),
    Aggregate::new("makelist", |c| collect(c, Flavour::plain(1))),
    Aggregate::new("make_list_if", |c| {
        collect(
            c,
            Flavour {
                conditional: true,
                ..Flavour::plain(2)
            },
        )
    }),
    Aggregate::new("make_list_with_nulls", |c| {
        collect(
            c,
            Flavour {
                keep_nulls: true,
                ..Flavour::plain(1)
            },
        )
    }),
    Aggregate::new("make_set", |c| {
        collect(
            c,
            Flavour {
                distinct: true,
                ..Flavour::plain(1)
            },
        )
    }),
    Aggregate::new("makeset", |c| {
        collect(
            c,
            Flavour {
                distinct: true,
                ..Flavour::plain(1)
            },
        )
    }),
    Aggregate::new("make_set_if", |c| {
        collect(
            c,
            Flavour {
                distinct: true,
                conditional: true,
                ..Flavour::plain(2)
            },
        )
    }),
    Aggregate::new("make_bag", |_| {
        Box::new(Bag {
            pairs: Vec::new(),
            conditional: false,
        })
    }),
    Aggregate::new("make_dictionary", |_| {
        Box::new(Bag {
            pairs: Vec::new(),
            conditional: false,
        })
    }),
    Aggregate::new("make_bag_if", |_| {
        Box::new(Bag {
            pairs: Vec::new(),
            conditional: true,
        })
    }),
];

#[derive(Clone, Copy)]
struct Flavour {
    distinct: bool,
    keep_nulls: bool,
    conditional: bool,
    /// Where the optional size limit stands.
    limit_at: usize,
}

impl Flavour {
    const fn plain(limit_at: usize) -> Self {
        Self {
            distinct: false,
            keep_nulls: false,
            conditional: false,
            limit_at,
        }
    }
}

struct Collect {
    items: Vec<Value>,
    seen: HashSet<Value>,
    flavour: Flavour,
    limit: usize,
    dynamic: bool,
    bytes: usize,
}

fn collect(call: &AggregateCall<'_>, flavour: Flavour) -> Box<dyn State> {
    let limit = call
        .constants
        .get(flavour.limit_at)
        .and_then(Option::as_ref);
    let limit = limit
        .and_then(Value::as_i64)
        .and_then(|v| usize::try_from(v).ok());
    Box::new(Collect {
        items: Vec::new(),
        seen: HashSet::new(),
        flavour,
        limit: limit.unwrap_or(ITEMS_MAX).min(ITEMS_MAX),
        dynamic: call.arg_types.first() == Some(&Type::Dynamic),
        bytes: 0,
    })
}

impl Collect {
    fn take(&mut self, value: &Value) {
        if self.items.len() >= self.limit {
            return;
        }
        if self.flavour.distinct && !self.seen.insert(value.clone()) {
            return;
        }
        self.bytes += 48 + value.as_str().map_or(0, str::len);
        self.items.push(value.clone());
    }
}

impl State for Collect {
    fn update(&mut self, args: &[Value]) {
        if self.flavour.conditional && args.get(1).and_then(Value::as_bool) != Some(true) {
            return;
        }
        // Null numbers are skipped; a null inside `dynamic` is a value to `make_list`.
        let keep = self.flavour.keep_nulls || (self.dynamic && !self.flavour.distinct);
        if args[0].is_null() && !keep {
            return;
        }
        match (&args[0], self.flavour.distinct) {
            // Arrays count item by item.
            (Value::Array(items), _) if !self.flavour.keep_nulls => {
                items.iter().for_each(|item| self.take(item));
            }
            (value, _) => self.take(value),
        }
    }

    fn save(&self) -> Value {
        Value::array(self.items.clone())
    }

    fn merge(&mut self, saved: &Value) {
        for item in saved.as_array().unwrap_or_default() {
            self.take(item);
        }
    }

    fn finish(&mut self) -> Value {
        Value::array(std::mem::take(&mut self.items))
    }

    fn size(&self) -> usize {
        256 + self.bytes * if self.flavour.distinct { 2 } else { 1 }
    }
}

struct Bag {
    pairs: Vec<(Arc<str>, Value)>,
    conditional: bool,
}

impl State for Bag {
    fn update(&mut self, args: &[Value]) {
        if passes(&args[..args.len().min(2)], self.conditional) {
            self.merge(&args[0]);
        }
    }

    fn save(&self) -> Value {
        Value::bag(self.pairs.clone())
    }

    fn merge(&mut self, saved: &Value) {
        for (key, value) in saved.as_bag().unwrap_or_default() {
            let known = self.pairs.iter().any(|(k, _)| k == key);
            if !known && self.pairs.len() < ITEMS_MAX {
                self.pairs.push((key.clone(), value.clone()));
            }
        }
    }

    fn finish(&mut self) -> Value {
        self.save()
    }

    fn size(&self) -> usize {
        256 + self.pairs.len() * 128
    }
}
