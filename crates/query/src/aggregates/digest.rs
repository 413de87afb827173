//! Quantile sketches: t-digest (T. Dunning, O. Ertl, 2019). Up to [`CENTROIDS_MAX`] different
//! values a digest holds all of them and its percentiles are exact; beyond that neighbours are
//! merged so that the rank of an answer is off by less than 1 % in the middle and far less at
//! both ends.

use super::{Aggregate, State};
use crate::value::Value;

/// Centroids that are kept; more are merged.
const CENTROIDS_MAX: usize = 1_000;
/// Centroids that a merge leaves, about.
const COMPRESSION: f64 = 400.0;

pub(super) const AGGREGATES: &[Aggregate] = &[
    Aggregate::new("tdigest", |_| Box::new(Digests::of_values())),
    Aggregate::new("tdigest_merge", |_| Box::new(Digests::of_digests())),
    Aggregate::new("merge_tdigest", |_| Box::new(Digests::of_digests())),
];

/// Values and how much each weighs, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digest {
    centroids: Vec<(f64, f64)>,
}

impl Digest {
    pub(crate) fn add(&mut self, value: f64, weight: f64) {
        if !value.is_finite() || weight <= 0.0 {
            return;
        }
        let at = self.centroids.partition_point(|(known, _)| *known < value);
        match self.centroids.get_mut(at) {
            Some((known, held)) if *known == value => *held += weight,
            _ => self.centroids.insert(at, (value, weight)),
        }
        if self.centroids.len() > CENTROIDS_MAX {
            self.compress();
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (value, weight) in &other.centroids {
            self.add(*value, *weight);
        }
    }

    /// Merges neighbours as far as the scale function k1 of the paper allows.
    fn compress(&mut self) {
        let total = self.weight();
        let scale =
            |q: f64| COMPRESSION / std::f64::consts::TAU * (2.0 * q - 1.0).clamp(-1.0, 1.0).asin();
        let mut merged: Vec<(f64, f64)> = Vec::with_capacity(CENTROIDS_MAX);
        let (mut before, mut start) = (0.0, scale(0.0));
        for (value, weight) in std::mem::take(&mut self.centroids) {
            let fits = scale((before + weight) / total) - start <= 1.0;
            match merged.last_mut() {
                Some((mean, held)) if fits => {
                    *held += weight;
                    *mean += (value - *mean) * weight / *held;
                }
                _ => {
                    start = scale(before / total);
                    merged.push((value, weight));
                }
            }
            before += weight;
        }
        self.centroids = merged;
    }

    fn weight(&self) -> f64 {
        self.centroids.iter().map(|(_, weight)| weight).sum()
    }

    /// The first value that so many percent lie at or below.
    pub(crate) fn percentile(&self, percent: f64) -> Option<f64> {
        let wanted = percent / 100.0 * self.weight();
        let mut below = 0.0;
        let found = self.centroids.iter().find(|(_, weight)| {
            below += weight;
            below >= wanted
        });
        found.or(self.centroids.last()).map(|(value, _)| *value)
    }

    /// How much lies below a value.
    pub(crate) fn rank(&self, value: f64) -> f64 {
        let below = self
            .centroids
            .iter()
            .take_while(|(known, _)| *known < value);
        below.map(|(_, weight)| weight).sum()
    }

    /// How many percent lie at or below a value.
    pub(crate) fn percent_rank(&self, value: f64) -> Option<f64> {
        let total = self.weight();
        let within = self
            .centroids
            .iter()
            .take_while(|(known, _)| *known <= value);
        let within: f64 = within.map(|(_, weight)| weight).sum();
        (total > 0.0).then(|| within / total * 100.0)
    }

    /// As a value of a query: values and weights, two arrays.
    pub(crate) fn to_value(&self) -> Value {
        let (values, weights): (Vec<Value>, Vec<Value>) = self
            .centroids
            .iter()
            .map(|(value, weight)| (Value::Real(*value), Value::Real(*weight)))
            .unzip();
        Value::array(vec![Value::array(values), Value::array(weights)])
    }

    /// From a value of a query; nothing if it is no digest.
    pub(crate) fn from_value(value: &Value) -> Option<Self> {
        let [values, weights] = value.as_array()? else {
            return None;
        };
        let (values, weights) = (values.as_array()?, weights.as_array()?);
        if values.len() != weights.len() {
            return None;
        }
        let mut digest = Self::default();
        for (value, weight) in values.iter().zip(weights) {
            digest.add(value.as_f64()?, weight.as_f64()?);
        }
        Some(digest)
    }
}

struct Digests {
    digest: Digest,
    merges: bool,
}

impl Digests {
    fn of_values() -> Self {
        Self {
            digest: Digest::default(),
            merges: false,
        }
    }

    fn of_digests() -> Self {
        Self {
            digest: Digest::default(),
            merges: true,
        }
    }
}

impl State for Digests {
    fn update(&mut self, args: &[Value]) {
        let Some(value) = args.first() else { return };
        if self.merges {
            self.merge(value);
            return;
        }
        let number = match value {
            Value::DateTime(ticks) | Value::Timespan(ticks) => Some(*ticks as f64),
            other => other.as_f64(),
        };
        let weight = args.get(1).map_or(Some(1.0), Value::as_f64);
        if let (Some(number), Some(weight)) = (number, weight) {
            self.digest.add(number, weight);
        }
    }

    fn save(&self) -> Value {
        self.digest.to_value()
    }

    fn merge(&mut self, saved: &Value) {
        if let Some(other) = Digest::from_value(saved) {
            self.digest.merge(&other);
        }
    }

    fn finish(&mut self) -> Value {
        self.save()
    }

    fn size(&self) -> usize {
        256 + self.digest.centroids.capacity() * 16
    }
}

#[cfg(test)]
mod tests {
    use super::Digest;

    #[test]
    fn few_values_are_exact_and_many_are_near() {
        let mut small = Digest::default();
        [5.0, 1.0, 3.0].iter().for_each(|v| small.add(*v, 1.0));
        assert_eq!(small.percentile(50.0), Some(3.0));
        assert_eq!(small.percentile(100.0), Some(5.0));
        assert_eq!(Digest::default().percentile(50.0), None);

        let (mut left, mut right) = (Digest::default(), Digest::default());
        for i in 0..100_000_u32 {
            let side = if i % 3 == 0 { &mut left } else { &mut right };
            side.add(f64::from(i.wrapping_mul(2_654_435_761) % 100_000), 1.0);
        }
        left.merge(&right);
        for percent in [0.1, 1.0, 25.0, 50.0, 75.0, 99.0, 99.9] {
            let found = left.percentile(percent).unwrap();
            assert!(
                (found - percent * 1_000.0).abs() < 1_000.0,
                "{percent}: {found}"
            );
        }
    }
}
