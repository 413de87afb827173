//! Patterns in rows: what `autocluster`, `basket` and `diffpatterns` look for. Not functions that
//! people call; the plugins are queries over them.
//!
//! A row is a bag of its columns' texts, an item is a column with a value, a pattern is a set of
//! items. Patterns grow item by item over the rows that hold them (depth first, M. J. Zaki's
//! Eclat, 2000), so that a pattern that is too rare is never extended.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Function, real};
use crate::value::Value;

/// Most patterns that are looked at; the most frequent items come first.
const PATTERNS_MAX: usize = 20_000;
/// Most patterns that are answered.
const ANSWERS_MAX: usize = 1_000;
/// Most segments that a clustering answers.
const CLUSTERS_MAX: usize = 20;

pub(super) const FUNCTIONS: &[Function] = &[
    // rows, smallest share, most items
    Function::rows("__basket", |a| {
        let rows = Rows::of(&a[0])?;
        let (share, items) = (real(a, 1)?, real(a, 2)? as usize);
        let mut found = rows.patterns(share * rows.weight, items, &[]);
        found.sort_by(|x, y| y.weight.total_cmp(&x.weight));
        found.truncate(ANSWERS_MAX);
        Some(rows.segments(&found))
    }),
    // rows, weight of size against weight of detail
    Function::rows("__autocluster", |a| {
        let rows = Rows::of(&a[0])?;
        Some(rows.segments(&rows.clusters(real(a, 1)?)))
    }),
    // rows, smallest difference of shares, most items; a row's side is its `$side`
    Function::rows("__diffpatterns", |a| {
        let rows = Rows::of(&a[0])?;
        Some(rows.differences(real(a, 1)?, real(a, 2)? as usize))
    }),
];

/// Rows as numbers of items.
struct Rows {
    /// Column and value of each item.
    items: Vec<(Arc<str>, Arc<str>)>,
    /// Which rows hold an item, ascending.
    holders: Vec<Vec<u32>>,
    weights: Vec<f64>,
    weight: f64,
    /// Whether a row is on the first side.
    sides: Vec<bool>,
}

/// Items, and the rows that hold them all.
#[derive(Clone)]
struct Pattern {
    items: Vec<usize>,
    rows: Vec<u32>,
    weight: f64,
}

impl Rows {
    fn of(rows: &Value) -> Option<Self> {
        let rows = rows.as_array()?;
        let mut numbers: HashMap<(Arc<str>, Arc<str>), usize> = HashMap::new();
        let mut found = Self {
            items: Vec::new(),
            holders: Vec::new(),
            weights: Vec::with_capacity(rows.len()),
            weight: 0.0,
            sides: Vec::with_capacity(rows.len()),
        };
        for (at, row) in rows.iter().enumerate() {
            let (mut weight, mut side) = (1.0, false);
            for (column, value) in row.as_bag()? {
                match &**column {
                    "$weight" => weight = value.as_f64().unwrap_or(0.0).max(0.0),
                    "$side" => side = value.as_bool() == Some(true),
                    _ => {
                        let item = (Arc::clone(column), value.to_text());
                        let number = *numbers.entry(item.clone()).or_insert_with(|| {
                            found.items.push(item);
                            found.holders.push(Vec::new());
                            found.items.len() - 1
                        });
                        found.holders[number].push(u32::try_from(at).ok()?);
                    }
                }
            }
            found.weights.push(weight);
            found.weight += weight;
            found.sides.push(side);
        }
        Some(found)
    }

    fn weigh(&self, rows: &[u32]) -> f64 {
        rows.iter().map(|row| self.weights[*row as usize]).sum()
    }

    /// All patterns that weigh as much on at least one side (on both together without `sides`).
    fn patterns(&self, least: f64, items_max: usize, sides: &[f64]) -> Vec<Pattern> {
        let is_heavy = |rows: &[u32]| match sides {
            [a, b] => {
                let on = self.on_first(rows);
                on >= least * a || self.weigh(rows) - on >= least * b
            }
            _ => self.weigh(rows) >= least,
        };
        let mut singles: Vec<Pattern> = (0..self.items.len())
            .filter(|item| is_heavy(&self.holders[*item]))
            .map(|item| Pattern {
                items: vec![item],
                rows: self.holders[item].clone(),
                weight: self.weigh(&self.holders[item]),
            })
            .collect();
        singles.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        let (mut found, mut open) = (Vec::new(), Vec::new());
        for (at, single) in singles.iter().enumerate().rev() {
            open.push((single.clone(), at));
        }
        while let Some((pattern, last)) = open.pop() {
            if found.len() >= PATTERNS_MAX {
                break;
            }
            if pattern.items.len() < items_max {
                for (at, single) in singles.iter().enumerate().skip(last + 1).rev() {
                    let column = &self.items[single.items[0]].0;
                    if pattern
                        .items
                        .iter()
                        .any(|item| self.items[*item].0 == *column)
                    {
                        continue;
                    }
                    let rows = both(&pattern.rows, &single.rows);
                    if !rows.is_empty() && is_heavy(&rows) {
                        let mut items = pattern.items.clone();
                        items.push(single.items[0]);
                        let weight = self.weigh(&rows);
                        open.push((
                            Pattern {
                                items,
                                rows,
                                weight,
                            },
                            at,
                        ));
                    }
                }
            }
            found.push(pattern);
        }
        found
    }

    fn on_first(&self, rows: &[u32]) -> f64 {
        let first = rows.iter().filter(|row| self.sides[**row as usize]);
        first.map(|row| self.weights[*row as usize]).sum()
    }

    /// Few patterns that say much: each is the best of what the ones before it leave.
    fn clusters(&self, size_weight: f64) -> Vec<Pattern> {
        let columns = {
            let mut names: Vec<&str> = self.items.iter().map(|(column, _)| &**column).collect();
            names.sort_unstable();
            names.dedup();
            names.len().max(1)
        };
        let mut candidates = self.patterns(self.weight * 0.02, columns, &[]);
        let mut left = vec![true; self.weights.len()];
        let mut found = Vec::new();
        while found.len() < CLUSTERS_MAX {
            let score = |pattern: &Pattern| {
                let new = pattern.rows.iter().filter(|row| left[**row as usize]);
                let new: f64 = new.map(|row| self.weights[*row as usize]).sum();
                let size = (new / self.weight).max(f64::MIN_POSITIVE);
                let detail = pattern.items.len() as f64 / columns as f64;
                (new / pattern.weight >= 0.5)
                    .then(|| size.powf(size_weight) * detail.powf(1.0 - size_weight))
            };
            let best = candidates
                .iter()
                .enumerate()
                .filter_map(|(at, pattern)| Some((at, score(pattern)?)))
                .max_by(|a, b| a.1.total_cmp(&b.1));
            let Some((at, _)) = best else { break };
            let pattern = candidates.swap_remove(at);
            for row in &pattern.rows {
                left[*row as usize] = false;
            }
            found.push(pattern);
        }
        found.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        found
    }

    /// Bags with number, count, share and the items.
    fn segments(&self, patterns: &[Pattern]) -> Value {
        let segment = |(at, pattern): (usize, &Pattern)| {
            let mut pairs = vec![
                ("$id", Value::Long(i64::try_from(at).unwrap_or(0))),
                ("$count", Value::Long(pattern.weight.round() as i64)),
                (
                    "$percent",
                    Value::Real(100.0 * pattern.weight / self.weight),
                ),
            ];
            self.push_items(pattern, &mut pairs);
            bag(pairs)
        };
        Value::array(patterns.iter().enumerate().map(segment).collect())
    }

    fn push_items<'a>(&'a self, pattern: &Pattern, pairs: &mut Vec<(&'a str, Value)>) {
        for item in &pattern.items {
            let (column, value) = &self.items[*item];
            pairs.push((column, Value::String(Arc::clone(value))));
        }
    }

    /// The patterns whose shares of the two sides differ most; one that only narrows another
    /// without making the difference larger is left out.
    fn differences(&self, least: f64, items_max: usize) -> Value {
        let all: Vec<u32> = (0..u32::try_from(self.weights.len()).unwrap_or(0)).collect();
        let first = self.on_first(&all);
        let second = self.weight - first;
        let share = |weight: f64, of: f64| if of > 0.0 { weight / of } else { 0.0 };
        let mut found: Vec<(f64, f64, Pattern)> = self
            .patterns(least, items_max, &[first, second])
            .into_iter()
            .map(|pattern| {
                let on = self.on_first(&pattern.rows);
                (on, pattern.weight - on, pattern)
            })
            .collect();
        let difference = |on: f64, off: f64| (share(on, first) - share(off, second)).abs();
        found.retain(|(on, off, _)| difference(*on, *off) >= least);
        found.sort_by(|a, b| {
            let order = difference(b.0, b.1).total_cmp(&difference(a.0, a.1));
            order.then(b.2.items.len().cmp(&a.2.items.len()))
        });
        let mut kept: Vec<(f64, f64, Pattern)> = Vec::new();
        for (on, off, pattern) in found {
            let is_told = kept.iter().any(|(_, _, known)| {
                let shared = both(&known.rows, &pattern.rows).len() as f64;
                shared >= 0.95 * known.rows.len().max(pattern.rows.len()) as f64
            });
            if !is_told && kept.len() < ANSWERS_MAX {
                kept.push((on, off, pattern));
            }
        }
        let segment = |(at, (on, off, pattern)): (usize, &(f64, f64, Pattern))| {
            let (a, b) = (100.0 * share(*on, first), 100.0 * share(*off, second));
            let mut pairs = vec![
                ("$id", Value::Long(i64::try_from(at).unwrap_or(0))),
                ("$count_a", Value::Long(on.round() as i64)),
                ("$count_b", Value::Long(off.round() as i64)),
                ("$percent_a", Value::Real(a)),
                ("$percent_b", Value::Real(b)),
                ("$difference", Value::Real((a - b).abs())),
            ];
            self.push_items(pattern, &mut pairs);
            bag(pairs)
        };
        Value::array(kept.iter().enumerate().map(segment).collect())
    }
}

fn bag(pairs: Vec<(&str, Value)>) -> Value {
    let owned = pairs
        .into_iter()
        .map(|(key, value)| (Arc::from(key), value));
    Value::bag(owned.collect())
}

/// What is in both of two ascending lists.
fn both(left: &[u32], right: &[u32]) -> Vec<u32> {
    let (mut l, mut r) = (0, 0);
    let mut found = Vec::with_capacity(left.len().min(right.len()));
    while let (Some(a), Some(b)) = (left.get(l), right.get(r)) {
        match a.cmp(b) {
            std::cmp::Ordering::Less => l += 1,
            std::cmp::Ordering::Greater => r += 1,
            std::cmp::Ordering::Equal => {
                found.push(*a);
                l += 1;
                r += 1;
            }
        }
    }
    found
}
