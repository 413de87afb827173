//! How alike a stream of SimHashes is: the distance of each to the majority of those before it.
//!
//! A prompt template with small changes gives SimHashes around one point; unrelated texts lie
//! about 32 bits from any point. Votes are halved when one overflows, so old inputs fade.

use crate::stored::stored;

/// The bitwise majority of many SimHashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Centroid {
    votes: [i8; 64],
}

stored!(Centroid { votes });

impl Default for Centroid {
    fn default() -> Self {
        Self { votes: [0; 64] }
    }
}

impl Centroid {
    /// Distance of a SimHash to the majority so far, in bits, and adds it.
    pub(crate) fn add(&mut self, simhash: u64) -> u32 {
        let mut distance = 0;
        let mut is_full = false;
        for (bit, vote) in self.votes.iter_mut().enumerate() {
            let is_set = simhash >> bit & 1 == 1;
            distance += u32::from((*vote > 0) != is_set);
            *vote += if is_set { 1 } else { -1 };
            is_full |= vote.unsigned_abs() >= 100;
        }
        if is_full {
            for vote in &mut self.votes {
                *vote /= 2;
            }
        }
        distance
    }
}

#[cfg(test)]
mod tests {
    use super::Centroid;
    use crate::sketch::mix;

    #[test]
    fn near_equal_inputs_are_near_the_centroid_and_others_are_not() {
        let (mut near, mut far) = (Centroid::default(), Centroid::default());
        let base = mix(1);
        let (mut near_sum, mut far_sum) = (0, 0);
        for i in 0..500_u64 {
            let (one, two) = (mix(i) % 64, mix(i + 9) % 64);
            near_sum += near.add(base ^ 1 << one ^ 1 << two);
            far_sum += far.add(mix(i));
        }
        assert!(near_sum / 500 <= 3, "{near_sum}");
        assert!(far_sum / 500 >= 25, "{far_sum}");
    }
}
