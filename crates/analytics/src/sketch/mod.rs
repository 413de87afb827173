//! Summaries of fixed size: what a caller did, in a few dozen bytes each.
//!
//! Every one trades exactness for a size that an attacker cannot grow. Errors are stated beside
//! the type; thresholds in the rules are set well clear of them.

mod centroid;
mod distinct;
mod histogram;
mod hours;
mod pacing;
mod panes;
mod top;
mod trend;

pub(crate) use centroid::Centroid;
pub(crate) use distinct::Distinct;
pub(crate) use histogram::LogHistogram;
pub(crate) use hours::HourlyBaseline;
pub(crate) use pacing::Pacing;
pub(crate) use panes::{Pane, Panes};
pub(crate) use top::{Frequent, Top};
pub(crate) use trend::Trend;

/// Spreads the bits of a hash whose bits mean something (a SimHash, a small number).
pub(crate) const fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
