//! Aggregates of `summarize`.

use super::Function;
use super::Returns::{Always, Of, Sum};
use crate::bound::Type::{Dynamic, Long, Real};

const fn f(name: &'static str, min: usize, max: usize, returns: super::Returns) -> Function {
    Function {
        name,
        min,
        max,
        returns,
    }
}

/// All of them. `arg_max` and `arg_min` are bound column by column.
pub const AGGREGATES: &[Function] = &[
    f("any", 1, 64, Of(0)),
    f("anyif", 2, 2, Of(0)),
    f("arg_max", 1, 64, Of(0)),
    f("arg_min", 1, 64, Of(0)),
    f("argmax", 1, 64, Of(0)),
    f("argmin", 1, 64, Of(0)),
    f("avg", 1, 1, Always(Real)),
    f("avgif", 2, 2, Always(Real)),
    f("binary_all_and", 1, 1, Always(Long)),
    f("binary_all_or", 1, 1, Always(Long)),
    f("binary_all_xor", 1, 1, Always(Long)),
    f("count", 0, 1, Always(Long)),
    f("count_distinct", 1, 1, Always(Long)),
    f("count_distinctif", 2, 2, Always(Long)),
    f("countif", 1, 1, Always(Long)),
    f("covariance", 2, 2, Always(Real)),
    f("covarianceif", 3, 3, Always(Real)),
    f("covariancep", 2, 2, Always(Real)),
    f("covariancepif", 3, 3, Always(Real)),
    f("dcount", 1, 2, Always(Long)),
    f("dcountif", 2, 3, Always(Long)),
    f("make_bag", 1, 2, Always(Dynamic)),
    f("make_bag_if", 2, 3, Always(Dynamic)),
    f("make_dictionary", 1, 2, Always(Dynamic)),
    f("make_list", 1, 2, Always(Dynamic)),
    f("make_list_if", 2, 3, Always(Dynamic)),
    f("make_list_with_nulls", 1, 2, Always(Dynamic)),
    f("make_set", 1, 2, Always(Dynamic)),
    f("make_set_if", 2, 3, Always(Dynamic)),
    f("makelist", 1, 2, Always(Dynamic)),
    f("makeset", 1, 2, Always(Dynamic)),
    f("max", 1, 1, Of(0)),
    f("maxif", 2, 2, Of(0)),
    f("min", 1, 1, Of(0)),
    f("minif", 2, 2, Of(0)),
    f("percentile", 2, 2, Sum),
    f("percentiles", 2, 64, Sum),
    f("percentiles_array", 2, 64, Always(Dynamic)),
    f("percentilesw", 3, 64, Sum),
    f("percentilesw_array", 3, 64, Always(Dynamic)),
    f("percentilew", 3, 3, Sum),
    f("stdev", 1, 1, Always(Real)),
    f("stdevif", 2, 2, Always(Real)),
    f("stdevp", 1, 1, Always(Real)),
    f("stdevpif", 2, 2, Always(Real)),
    f("sum", 1, 1, Sum),
    f("sumif", 2, 2, Sum),
    f("take_any", 1, 64, Of(0)),
    f("take_anyif", 2, 2, Of(0)),
    f("variance", 1, 1, Always(Real)),
    f("varianceif", 2, 2, Always(Real)),
    f("variancep", 1, 1, Always(Real)),
    f("variancepif", 2, 2, Always(Real)),
];
