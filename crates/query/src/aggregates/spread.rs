//! Variance and standard deviation, of samples and of populations (Welford's method).

use super::basic::passes;
use super::{Aggregate, State};
use crate::value::Value;

pub(super) const AGGREGATES: &[Aggregate] = &[
    Aggregate::new("variance", |_| spread(true, false, false)),
    Aggregate::new("varianceif", |_| spread(true, false, true)),
    Aggregate::new("variancep", |_| spread(false, false, false)),
    Aggregate::new("variancepif", |_| spread(false, false, true)),
    Aggregate::new("stdev", |_| spread(true, true, false)),
    Aggregate::new("stdevif", |_| spread(true, true, true)),
    Aggregate::new("stdevp", |_| spread(false, true, false)),
    Aggregate::new("stdevpif", |_| spread(false, true, true)),
    Aggregate::new("covariance", |_| covariance(true, false)),
    Aggregate::new("covarianceif", |_| covariance(true, true)),
    Aggregate::new("covariancep", |_| covariance(false, false)),
    Aggregate::new("covariancepif", |_| covariance(false, true)),
];

struct Spread {
    count: f64,
    mean_x: f64,
    mean_y: f64,
    /// Sum of products of deviations.
    moment: f64,
    sample: bool,
    root: bool,
    conditional: bool,
    pairs: bool,
}

fn spread(sample: bool, root: bool, conditional: bool) -> Box<dyn State> {
    Box::new(Spread {
        count: 0.0,
        mean_x: 0.0,
        mean_y: 0.0,
        moment: 0.0,
        sample,
        root,
        conditional,
        pairs: false,
    })
}

fn covariance(sample: bool, conditional: bool) -> Box<dyn State> {
    Box::new(Spread {
        count: 0.0,
        mean_x: 0.0,
        mean_y: 0.0,
        moment: 0.0,
        sample,
        root: false,
        conditional,
        pairs: true,
    })
}

impl State for Spread {
    fn update(&mut self, args: &[Value]) {
        let y = usize::from(self.pairs);
        let (Some(x), Some(y)) = (args[0].as_f64(), args.get(y).and_then(Value::as_f64)) else {
            return;
        };
        if !passes(args, self.conditional) {
            return;
        }
        self.count += 1.0;
        let delta_x = x - self.mean_x;
        self.mean_x += delta_x / self.count;
        self.mean_y += (y - self.mean_y) / self.count;
        self.moment += delta_x * (y - self.mean_y);
    }

    fn save(&self) -> Value {
        let parts = [self.count, self.mean_x, self.mean_y, self.moment];
        Value::array(parts.into_iter().map(Value::Real).collect())
    }

    fn merge(&mut self, saved: &Value) {
        let part = |i| saved.item(i).as_f64().unwrap_or(0.0);
        let count = part(0);
        if count == 0.0 {
            return;
        }
        let total = self.count + count;
        let (dx, dy) = (part(1) - self.mean_x, part(2) - self.mean_y);
        self.moment += part(3) + dx * dy * self.count * count / total;
        self.mean_x += dx * count / total;
        self.mean_y += dy * count / total;
        self.count = total;
    }

    fn finish(&mut self) -> Value {
        let divisor = if self.sample {
            self.count - 1.0
        } else {
            self.count
        };
        if divisor <= 0.0 {
            return Value::Real(0.0);
        }
        let variance = self.moment / divisor;
        Value::Real(if self.root { variance.sqrt() } else { variance })
    }
}
