//! Bloom filters (B. H. Bloom, 1970) with two hashes for all probes (Kirsch and Mitzenmacher,
//! 2006).

use std::io;

use twox_hash::XxHash64;

/// Bits for each term: one term in about 120 is taken for one that is there.
const BITS_PER_TERM: usize = 10;
const PROBES: u64 = 7;
const SEED: u64 = 0x6174_616c_6179_6121;

pub(crate) fn hash(term: &str) -> u64 {
    XxHash64::oneshot(SEED, term.as_bytes())
}

/// A filter of these hashes.
pub(crate) fn build(hashes: impl ExactSizeIterator<Item = u64>) -> Vec<u8> {
    let bytes = (hashes.len() * BITS_PER_TERM).div_ceil(8).max(8);
    let mut bits = vec![0_u8; bytes];
    for hash in hashes {
        for at in probes(hash, bytes as u64) {
            if let Some(byte) = usize::try_from(at / 8).ok().and_then(|at| bits.get_mut(at)) {
                *byte |= 1 << (at % 8);
            }
        }
    }
    bits
}

/// Whether a term can be among those that a filter of so many bytes was built of; `byte` gives one
/// of its bytes.
pub(crate) fn may_hold(
    bytes: u64,
    hash: u64,
    byte: &mut impl FnMut(u64) -> io::Result<u8>,
) -> io::Result<bool> {
    if bytes == 0 {
        return Ok(true);
    }
    for at in probes(hash, bytes) {
        if byte(at / 8)? & 1 << (at % 8) == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn probes(hash: u64, bytes: u64) -> impl Iterator<Item = u64> {
    let count = bytes.saturating_mul(8).max(1);
    let step = hash.rotate_left(32) | 1;
    (0..PROBES).map(move |probe| hash.wrapping_add(probe.wrapping_mul(step)) % count)
}

#[cfg(test)]
mod tests {
    use super::{build, hash};

    fn may_hold(bits: &[u8], hash: u64) -> bool {
        let mut byte = |at: u64| Ok(bits[usize::try_from(at).unwrap()]);
        super::may_hold(bits.len() as u64, hash, &mut byte).unwrap()
    }

    #[test]
    fn what_was_put_in_is_found_and_little_else() {
        let terms: Vec<String> = (0..10_000).map(|n| format!("term{n}")).collect();
        let hashes: Vec<u64> = terms.iter().map(|term| hash(term)).collect();
        let bits = build(hashes.iter().copied());
        assert!(hashes.iter().all(|hash| may_hold(&bits, *hash)));
        let wrong = (0..10_000)
            .filter(|n| may_hold(&bits, hash(&format!("other{n}"))))
            .count();
        assert!(wrong < 200, "{wrong} of 10,000");
    }

    #[test]
    fn an_empty_filter_excludes_nothing_and_one_of_nothing_all() {
        assert!(may_hold(&[], hash("a")));
        assert!(!may_hold(&build(std::iter::empty()), hash("a")));
    }
}
