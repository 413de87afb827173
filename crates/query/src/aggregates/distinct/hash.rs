//! Hashes of a column's values.

use arrow::array::{Array as _, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use twox_hash::XxHash64;

/// Texts of this length and less lie in their view whole.
const INLINE_BYTES_MAX: u128 = 12;
/// Odd numbers without a pattern: the first digits of pi.
const KEYS: [u64; 4] = [
    0x243f_6a88_85a3_08d3,
    0x1319_8a2e_0370_7345,
    0xa409_3822_299f_31d1,
    0x082e_fa98_ec4e_6c89,
];

/// How texts are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hashing {
    /// As in every version (XXH64): for sketches that outlive the query.
    Lasting,
    /// As is fastest: for counts that do not.
    Passing,
}

/// Hashes a column. Where the nulls that come back say so there is no value; a `string` is never
/// null.
pub(super) fn hash_all(
    values: &ArrayRef,
    hashing: Hashing,
    into: &mut Vec<u64>,
) -> Option<NullBuffer> {
    into.clear();
    let hash = |bytes: &[u8]| XxHash64::oneshot(0, bytes);
    match values.data_type() {
        DataType::Utf8View => {
            hash_texts(values, hashing, into);
            return None;
        }
        DataType::Int64 => {
            let numbers = values.as_primitive::<Int64Type>().values().iter();
            into.extend(numbers.map(|n| hash(&n.to_le_bytes())));
        }
        DataType::Int32 => {
            let numbers = values.as_primitive::<Int32Type>().values().iter();
            into.extend(numbers.map(|n| hash(&i64::from(*n).to_le_bytes())));
        }
        DataType::Float64 => {
            let numbers = values.as_primitive::<Float64Type>().values().iter();
            // Both zeros are one value.
            into.extend(numbers.map(|n| hash(&(n + 0.0).to_bits().to_le_bytes())));
        }
        DataType::Boolean => {
            let flags = values.as_boolean().values().iter();
            into.extend(flags.map(|b| hash(&[u8::from(b)])));
        }
        DataType::BinaryView => {
            let bytes = values.as_binary_view().iter();
            into.extend(bytes.map(|bytes| bytes.map_or(0, hash)));
        }
        _ => {
            into.resize(values.len(), 0);
            return Some(NullBuffer::new_null(values.len()));
        }
    }
    values.nulls().cloned()
}

fn hash_texts(values: &ArrayRef, hashing: Hashing, into: &mut Vec<u64>) {
    let texts = values.as_string_view();
    if hashing == Hashing::Lasting || texts.null_count() > 0 {
        let hash = |text: &str| match hashing {
            Hashing::Lasting => XxHash64::oneshot(0, text.as_bytes()),
            Hashing::Passing if text.len() as u128 <= INLINE_BYTES_MAX => {
                let mut view = [0; 16];
                view[..4].copy_from_slice(&(text.len() as u32).to_le_bytes());
                view[4..4 + text.len()].copy_from_slice(text.as_bytes());
                of_view(u128::from_le_bytes(view))
            }
            Hashing::Passing => XxHash64::oneshot(0, text.as_bytes()),
        };
        into.extend(texts.iter().map(|text| hash(text.unwrap_or(""))));
        return;
    }
    let all = texts.views().iter().enumerate();
    into.extend(all.map(|(row, view)| {
        if view & u128::from(u32::MAX) <= INLINE_BYTES_MAX {
            of_view(*view)
        } else {
            XxHash64::oneshot(0, texts.value(row).as_bytes())
        }
    }));
}

/// The hash of a text in its view: two rounds of a product folded into a word, as wyhash does.
const fn of_view(view: u128) -> u64 {
    let (low, high) = (view as u64 ^ KEYS[0], (view >> 64) as u64 ^ KEYS[1]);
    let product = low as u128 * high as u128;
    let (low, high) = (product as u64 ^ KEYS[2], (product >> 64) as u64 ^ KEYS[3]);
    let product = low as u128 * high as u128;
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::{Hashing, hash_all};
    use arrow::array::{ArrayRef, StringViewArray};
    use std::collections::HashSet;
    use std::sync::Arc;

    fn hashes(texts: &[Option<String>], hashing: Hashing) -> Vec<u64> {
        let array = StringViewArray::from_iter(texts.iter().map(Option::as_deref));
        let array: ArrayRef = Arc::new(array);
        let mut into = Vec::new();
        assert!(hash_all(&array, hashing, &mut into).is_none());
        into
    }

    #[test]
    fn different_texts_differ_in_all_bits_and_equal_ones_do_not() {
        let short = (0..160_000).map(|n| Some(format!("s{n:08x}")));
        let long = (0..160_000).map(|n| Some(format!("a longer session {n}")));
        let zeros = (0..12).map(|n| Some("\0".repeat(n)));
        let texts: Vec<Option<String>> = short.chain(long).chain(zeros).collect();
        for hashing in [Hashing::Passing, Hashing::Lasting] {
            let all = hashes(&texts, hashing);
            assert_eq!(all.iter().collect::<HashSet<_>>().len(), texts.len());
            // Registers are chosen by the upper bits, places in a table by the lower ones.
            for shift in [0, 25, 50] {
                let parts: HashSet<u64> = all.iter().map(|h| h >> shift & 0x3fff).collect();
                assert_eq!(parts.len(), 1 << 14, "{hashing:?}, bits from {shift} on");
            }
            // A batch with a null hashes its texts as one without.
            let mut with_null = texts[..1_000].to_vec();
            with_null.push(None);
            let again = hashes(&with_null, hashing);
            assert_eq!(again[..1_000], all[..1_000]);
            assert_eq!(again[1_000], hashes(&[Some(String::new())], hashing)[0]);
        }
    }
}
