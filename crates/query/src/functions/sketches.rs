//! What a query asks of sketches: distinct counts of HyperLogLog, percentiles of t-digests. Their
//! aggregates are in [`crate::aggregates`].

use super::{Function, real};
use crate::aggregates::{Digest, Sketch};
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::rows("dcount_hll", |a| {
        Some(Value::Long(Sketch::from_value(&a[0])?.count()))
    }),
    Function::rows("hll_merge", |a| {
        let mut sketches = a.iter().filter_map(Sketch::from_value);
        let mut merged = sketches.next()?;
        sketches.for_each(|sketch| merged.merge(&sketch));
        Some(merged.take_value())
    }),
    Function::rows("tdigest_merge", merge_digests),
    Function::rows("merge_tdigest", merge_digests),
    Function::rows("percentile_tdigest", |a| {
        let value = Digest::from_value(&a[0])?.percentile(real(a, 1)?)?;
        Some(Value::Real(value))
    }),
    Function::rows("percentiles_array_tdigest", |a| {
        let digest = Digest::from_value(&a[0])?;
        let ranks: Vec<f64> = match a[1].as_array() {
            Some(ranks) => ranks.iter().filter_map(Value::as_f64).collect(),
            None => a[1..].iter().filter_map(Value::as_f64).collect(),
        };
        let values = ranks.iter().map(|rank| digest.percentile(*rank));
        let values = values.map(|value| value.map_or(Value::Null, Value::Real));
        Some(Value::array(values.collect()))
    }),
    Function::rows("rank_tdigest", |a| {
        Some(Value::Real(Digest::from_value(&a[0])?.rank(real(a, 1)?)))
    }),
    Function::rows("percentrank_tdigest", |a| {
        let rank = Digest::from_value(&a[0])?.percent_rank(real(a, 1)?)?;
        Some(Value::Real(rank))
    }),
];

fn merge_digests(args: &[Value]) -> Option<Value> {
    let mut digests = args.iter().filter_map(Digest::from_value);
    let mut merged = digests.next()?;
    digests.for_each(|digest| merged.merge(&digest));
    Some(merged.to_value())
}
