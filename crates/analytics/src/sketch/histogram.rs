//! A histogram with eight bins per doubling: quantiles of positive numbers within 9 %.

use crate::stored::stored;

/// Bins: numbers from 1 to 2^24.
const BINS: usize = 192;
const PER_DOUBLING: f64 = 8.0;

/// Counts by magnitude.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogHistogram {
    bins: [u32; BINS],
    total: u64,
}

stored!(LogHistogram { bins, total });

impl Default for LogHistogram {
    fn default() -> Self {
        Self {
            bins: [0; BINS],
            total: 0,
        }
    }
}

impl LogHistogram {
    pub(crate) fn add(&mut self, value: f64) {
        let bin = (value.max(1.0).log2() * PER_DOUBLING) as usize;
        if let Some(count) = self.bins.get_mut(bin.min(BINS - 1)) {
            *count = count.saturating_add(1);
        }
        self.total += 1;
        // Old numbers fade, so that a model's habits may change.
        if self.total >= 1 << 20 {
            self.bins.iter_mut().for_each(|count| *count /= 2);
            self.total = self.bins.iter().map(|count| u64::from(*count)).sum();
        }
    }

    /// How many numbers there were.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// An upper bound of the quantile; 0 if there were no numbers.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let above = (self.total as f64 * (1.0 - share)) as u64;
        let mut seen = 0;
        for (bin, count) in self.bins.iter().enumerate().rev() {
            seen += u64::from(*count);
            if seen > above {
                return ((bin + 1) as f64 / PER_DOUBLING).exp2();
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::LogHistogram;

    #[test]
    fn quantiles_are_within_a_bin() {
        let mut histogram = LogHistogram::default();
        (1..=10_000).for_each(|i| histogram.add(f64::from(i)));
        for (share, value) in [(0.5, 5_000.0), (0.999, 9_990.0)] {
            let found = histogram.quantile(share);
            assert!(found >= value && found <= value * 1.2, "{share}: {found}");
        }
    }
}
