//! The events of one group, and what is computed over a window of them.

use crate::ir::{Bound, Correlation, CorrelationCondition, CorrelationKind, RuleExpr};

/// An event of a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) time: i64,
    /// A number's bits, or a hash of a text.
    pub(super) value: u64,
    /// The rules that it matches, by their places.
    pub(super) rules: u64,
    /// The caller's number of it.
    pub(super) event: u64,
    /// Whether the window that ends with it has fired.
    pub(super) fired: bool,
}

/// When a window fires.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    kind: CorrelationKind,
    bounds: Vec<Bound>,
    percentile: f64,
    expr: Option<RuleExpr>,
    rules: usize,
}

impl Condition {
    pub(super) fn new(correlation: &Correlation) -> Self {
        let (bounds, percentile, expr) = match &correlation.condition {
            CorrelationCondition::Threshold(threshold) => {
                (threshold.bounds.clone(), threshold.percentile, None)
            }
            CorrelationCondition::Rules(expr) => (Vec::new(), 50.0, Some(expr.clone())),
        };
        Self {
            kind: correlation.kind,
            bounds,
            percentile,
            expr,
            rules: correlation.rules.len(),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a bound out of range is as good as none"
    )]
    pub(super) fn largest_bound(&self) -> usize {
        let bounds = self.bounds.iter().map(|bound| bound.number.value());
        let largest = bounds.fold(0.0, f64::max);
        if self.kind == CorrelationKind::EventCount || self.kind == CorrelationKind::ValueCount {
            largest.min(1e9) as usize
        } else {
            0
        }
    }

    /// What is computed, if the window fires.
    pub(super) fn fires(&self, window: &[Entry]) -> Option<f64> {
        let rules = window.iter().fold(0, |rules, entry| rules | entry.rules);
        if let Some(expr) = &self.expr {
            let in_order = self.kind != CorrelationKind::TemporalOrdered
                || ordered(window, self.rules, rules) == rules.count_ones();
            return (holds(expr, rules) && in_order).then(|| f64::from(rules.count_ones()));
        }
        let value = match self.kind {
            CorrelationKind::Temporal => f64::from(rules.count_ones()),
            CorrelationKind::TemporalOrdered => f64::from(ordered(window, self.rules, u64::MAX)),
            kind => computed(kind, window, self.percentile)?,
        };
        let holds = |bound: &Bound| bound.operator.holds(value, bound.number.value());
        self.bounds.iter().all(holds).then_some(value)
    }
}

fn holds(expr: &RuleExpr, rules: u64) -> bool {
    match expr {
        RuleExpr::And(parts) => parts.iter().all(|part| holds(part, rules)),
        RuleExpr::Or(parts) => parts.iter().any(|part| holds(part, rules)),
        RuleExpr::Not(inner) => !holds(inner, rules),
        RuleExpr::Rule(index) => rules & (1 << index) != 0,
    }
}

/// How many of the rules, in their order, have matched one strictly after the other; rules that
/// are not `wanted` are passed over.
fn ordered(window: &[Entry], rules: usize, wanted: u64) -> u32 {
    let mut count = 0;
    let mut after = None;
    for rule in (0..rules).filter(|rule| wanted & (1 << rule) != 0) {
        let next = window.iter().find(|entry| {
            entry.rules & (1 << rule) != 0 && after.is_none_or(|after| entry.time > after)
        });
        let Some(entry) = next else {
            break;
        };
        after = Some(entry.time);
        count += 1;
    }
    count
}

#[expect(
    clippy::cast_precision_loss,
    reason = "windows are limited to a million events"
)]
fn computed(kind: CorrelationKind, window: &[Entry], percentile: f64) -> Option<f64> {
    let numbers = window.iter().map(|entry| f64::from_bits(entry.value));
    match kind {
        CorrelationKind::ValueCount => {
            let mut values: Vec<u64> = window.iter().map(|entry| entry.value).collect();
            values.sort_unstable();
            values.dedup();
            Some(values.len() as f64)
        }
        CorrelationKind::ValueSum => Some(numbers.sum()),
        CorrelationKind::ValueAvg => {
            (!window.is_empty()).then(|| numbers.sum::<f64>() / window.len() as f64)
        }
        CorrelationKind::ValuePercentile | CorrelationKind::ValueMedian => {
            interpolated(numbers.collect(), percentile)
        }
        _ => Some(window.len() as f64),
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a list of at most a million"
)]
fn interpolated(mut numbers: Vec<f64>, percentile: f64) -> Option<f64> {
    numbers.sort_unstable_by(f64::total_cmp);
    let last = numbers.len().checked_sub(1)?;
    let place = percentile / 100.0 * last as f64;
    let low = place.floor() as usize;
    let (low_value, high_value) = (numbers.get(low)?, numbers.get((low + 1).min(last))?);
    Some(low_value + (high_value - low_value) * (place - low as f64))
}
