//! Sliding windows of two panes: what happened in the last one to two lengths of a pane.
//!
//! Cheaper than a true sliding window by the number of its buckets, and never splits a burst in
//! two as a tumbling one does: a burst shorter than a pane is always seen whole.

use crate::stored::{Input, Stored};

/// What is counted in a pane.
pub(crate) trait Pane: Default + Copy {
    /// Adds what the other counted.
    fn merge(&mut self, other: &Self);
}

/// Two panes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Panes<P> {
    start: u32,
    now: P,
    before: P,
}

impl<P: Pane> Panes<P> {
    /// The pane of this time, to count in. Time that runs backwards counts in the current pane.
    pub(crate) fn at(&mut self, now: u32, pane_s: u32) -> &mut P {
        let elapsed = now.saturating_sub(self.start);
        if self.start == 0 || elapsed >= 2 * pane_s {
            (self.start, self.now, self.before) = (now, P::default(), P::default());
        } else if elapsed >= pane_s {
            self.start += pane_s;
            self.before = std::mem::take(&mut self.now);
        }
        &mut self.now
    }

    /// Both panes together.
    pub(crate) fn sum(&self) -> P {
        let mut sum = self.before;
        sum.merge(&self.now);
        sum
    }

    /// Reads one number of both panes, without summing the rest.
    pub(crate) fn total(&self, of: impl Fn(&P) -> u32) -> u32 {
        of(&self.now).saturating_add(of(&self.before))
    }

    /// When the window began, at the latest.
    pub(crate) const fn start(&self) -> u32 {
        self.start
    }
}

impl<P: Stored> Stored for Panes<P> {
    fn store(&self, out: &mut Vec<u8>) {
        self.start.store(out);
        self.now.store(out);
        self.before.store(out);
    }

    fn load(from: &mut Input<'_>) -> Option<Self> {
        Some(Self {
            start: u32::load(from)?,
            now: P::load(from)?,
            before: P::load(from)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Pane, Panes};

    impl Pane for u32 {
        fn merge(&mut self, other: &Self) {
            *self += other;
        }
    }

    #[test]
    fn a_window_forgets_what_is_older_than_two_panes_and_nothing_younger_than_one() {
        let mut panes = Panes::<u32>::default();
        *panes.at(1_000, 60) += 1;
        *panes.at(1_059, 60) += 1;
        *panes.at(1_060, 60) += 1;
        assert_eq!(panes.sum(), 3);
        *panes.at(1_119, 60) += 1;
        assert_eq!(panes.sum(), 4);
        *panes.at(1_120, 60) += 1;
        assert_eq!(panes.sum(), 3);
        *panes.at(9_000, 60) += 1;
        assert_eq!(panes.sum(), 1);
        *panes.at(8_000, 60) += 1;
        assert_eq!(panes.sum(), 2);
    }
}
