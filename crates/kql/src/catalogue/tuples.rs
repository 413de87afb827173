//! Functions with several results: each becomes a column.

use crate::bound::Type::{self, Dynamic, Long, Real};

/// Name of a function, and names and types of its results.
pub(super) type Tuple = (&'static str, &'static [(&'static str, Type)]);

/// All of them; a column is named `function_argument_result` unless the query names it.
pub const TUPLES: &[Tuple] = &[
    (
        "series_decompose",
        &[
            ("baseline", Dynamic),
            ("seasonal", Dynamic),
            ("trend", Dynamic),
            ("residual", Dynamic),
        ],
    ),
    (
        "series_decompose_anomalies",
        &[
            ("ad_flag", Dynamic),
            ("ad_score", Dynamic),
            ("baseline", Dynamic),
        ],
    ),
    ("series_fft", &[("real", Dynamic), ("imag", Dynamic)]),
    (
        "series_fit_2lines",
        &[
            ("rsquare", Real),
            ("split_idx", Long),
            ("variance", Real),
            ("rvariance", Real),
            ("line_fit", Dynamic),
            ("right_rsquare", Real),
            ("right_slope", Real),
            ("right_interception", Real),
            ("right_variance", Real),
            ("right_rvariance", Real),
            ("left_rsquare", Real),
            ("left_slope", Real),
            ("left_interception", Real),
            ("left_variance", Real),
            ("left_rvariance", Real),
        ],
    ),
    (
        "series_fit_line",
        &[
            ("rsquare", Real),
            ("slope", Real),
            ("variance", Real),
            ("rvariance", Real),
            ("interception", Real),
            ("line_fit", Dynamic),
        ],
    ),
    (
        "series_fit_poly",
        &[
            ("rsquare", Real),
            ("coefficients", Dynamic),
            ("variance", Real),
            ("rvariance", Real),
            ("poly_fit", Dynamic),
        ],
    ),
    ("series_ifft", &[("real", Dynamic), ("imag", Dynamic)]),
    (
        "series_stats",
        &[
            ("min", Real),
            ("min_idx", Long),
            ("max", Real),
            ("max_idx", Long),
            ("avg", Real),
            ("stdev", Real),
            ("variance", Real),
        ],
    ),
];

/// The results of a function that has several.
#[must_use]
pub fn tuple(name: &str) -> Option<&'static [(&'static str, Type)]> {
    TUPLES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, results)| *results)
}
