//! Counting: curves from scores of 0 to 100, with ties.

/// Number of different scores.
const SCORES: usize = 101;

/// How often each score was given.
#[derive(Clone, Debug)]
pub struct Pool {
    counts: [u64; SCORES],
    all: u64,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            counts: [0; SCORES],
            all: 0,
        }
    }
}

impl Pool {
    /// Counts a score.
    pub fn add(&mut self, score: u8) {
        if let Some(count) = self.counts.get_mut(usize::from(score.min(100))) {
            *count += 1;
            self.all += 1;
        }
    }

    /// Number of scores.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.all
    }

    /// Whether nothing was counted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.all == 0
    }

    /// Scores that reach a threshold.
    #[must_use]
    pub fn reaching(&self, threshold: usize) -> u64 {
        self.counts.iter().skip(threshold).sum()
    }

    /// Share of the scores that reach a threshold.
    #[must_use]
    pub fn share(&self, threshold: usize) -> f64 {
        if self.all == 0 {
            return 0.0;
        }
        self.reaching(threshold) as f64 / self.all as f64
    }

    /// The lowest threshold that at most a share of these scores reaches; 101 if there is none.
    #[must_use]
    pub fn threshold_for(&self, share: f64) -> usize {
        (0..=SCORES)
            .find(|threshold| self.share(*threshold) <= share)
            .unwrap_or(SCORES)
    }
}

/// Attacks against innocent texts.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Area under the curve; ties count half.
    pub auc: f64,
    /// Recall where at most 1 % of the innocent texts are reached.
    pub recall_at_1_percent: f64,
    /// Recall where at most 0.1 % are.
    pub recall_at_01_percent: f64,
}

/// False positive rate and recall at every threshold, from high to low.
#[derive(Clone, Debug)]
pub struct Curve(pub Vec<(f64, f64)>);

impl Figures {
    /// `None` if one of the two is empty.
    #[must_use]
    pub fn of(attacks: &Pool, innocent: &Pool) -> Option<Self> {
        if attacks.is_empty() || innocent.is_empty() {
            return None;
        }
        let mut wins = 0.0;
        let mut below = 0_u64;
        for (attack, other) in attacks.counts.iter().zip(&innocent.counts) {
            wins += *attack as f64 * (below as f64 + *other as f64 / 2.0);
            below += other;
        }
        let recall = |share| attacks.share(innocent.threshold_for(share));
        Some(Self {
            auc: wins / (attacks.all as f64 * innocent.all as f64),
            recall_at_1_percent: recall(0.01),
            recall_at_01_percent: recall(0.001),
        })
    }
}

impl Curve {
    /// The curve of attacks against innocent texts.
    #[must_use]
    pub fn of(attacks: &Pool, innocent: &Pool) -> Self {
        Self(
            (0..=SCORES)
                .rev()
                .map(|threshold| (innocent.share(threshold), attacks.share(threshold)))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Figures, Pool};

    fn pool(scores: &[u8]) -> Pool {
        let mut pool = Pool::default();
        for score in scores {
            pool.add(*score);
        }
        pool
    }

    #[test]
    fn figures_are_those_of_the_textbook() {
        let figures = Figures::of(&pool(&[90, 60, 50]), &pool(&[10, 50, 20, 0])).expect("figures");
        assert!((figures.auc - 11.5 / 12.0).abs() < 1e-9);
        assert!((figures.recall_at_1_percent - 2.0 / 3.0).abs() < 1e-9);
        assert!(Figures::of(&pool(&[]), &pool(&[1])).is_none());
    }

    #[test]
    fn a_threshold_that_nothing_reaches_lies_above_all_scores() {
        assert_eq!(pool(&[100, 100]).threshold_for(0.01), 101);
        assert_eq!(pool(&[0, 40]).threshold_for(0.5), 1);
    }
}
