//! Values that differ from row to row without a reason.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use super::Function;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    // `rand(n)`: a whole number below n.
    Function::rows("rand", |a| {
        let fraction = (next() >> 11) as f64 / (1_u64 << 53) as f64;
        Some(Value::Real(match a.first() {
            Some(limit) if !limit.is_null() => (fraction * limit.as_f64()?).floor(),
            _ => fraction,
        }))
    }),
    Function::rows("new_guid", |_| {
        let bits = (u128::from(next()) << 64) | u128::from(next());
        let guid = uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid();
        Some(Value::Guid(Arc::from(guid.to_string())))
    }),
];

/// Pseudo-random bits (`SplitMix64`), started from the system's randomness in each thread: good for
/// sampling, not for secrets.
fn next() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0_u8));
    }
    STATE.with(|state| {
        let seed = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(seed);
        let mut z = seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}
