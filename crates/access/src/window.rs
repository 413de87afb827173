//! A count over a time that slides: how many in the last minute, in the last day.
//!
//! The time is cut into buckets; the oldest falls out as a whole. What is counted is therefore
//! what happened in the span plus at most one bucket before it: never more than the limit passes
//! in any span, at the price of up to one bucket's width of strictness.

/// Microseconds of a second.
const SECOND_US: i64 = 1_000_000;

/// How long a window is, and in how many buckets it is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// 60 buckets of a second.
    Minute,
    /// 96 buckets of 15 minutes.
    Day,
}

impl Span {
    const fn bucket_us(self) -> i64 {
        match self {
            Self::Minute => SECOND_US,
            Self::Day => 900 * SECOND_US,
        }
    }

    const fn buckets(self) -> usize {
        match self {
            Self::Minute => 60,
            Self::Day => 96,
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    span: Span,
    /// Ring: bucket `n` of all time is at `n` modulo the length.
    buckets: Box<[u64]>,
    /// Number of the newest bucket since the epoch.
    newest: i64,
    total: u64,
}

impl Window {
    pub(crate) fn new(span: Span) -> Self {
        Self {
            span,
            // One more than the span: the newest is only partly over.
            buckets: vec![0; span.buckets() + 1].into_boxed_slice(),
            newest: 0,
            total: 0,
        }
    }

    fn slot(&self, bucket: i64) -> usize {
        let length = i64::try_from(self.buckets.len()).unwrap_or(1);
        usize::try_from(bucket.rem_euclid(length)).unwrap_or(0)
    }

    /// Lets fall out what is too old. A clock that goes back changes nothing.
    fn advance(&mut self, now_us: i64) {
        let current = now_us.div_euclid(self.span.bucket_us());
        let steps = current.saturating_sub(self.newest);
        if steps <= 0 {
            return;
        }
        if steps >= i64::try_from(self.buckets.len()).unwrap_or(i64::MAX) {
            self.buckets.fill(0);
            self.total = 0;
        } else {
            for bucket in self.newest + 1..=current {
                let slot = self.slot(bucket);
                if let Some(count) = self.buckets.get_mut(slot) {
                    self.total -= std::mem::take(count).min(self.total);
                }
            }
        }
        self.newest = current;
    }

    /// How many there were.
    pub(crate) fn used(&mut self, now_us: i64) -> u64 {
        self.advance(now_us);
        self.total
    }

    pub(crate) fn add(&mut self, now_us: i64, count: u64) {
        self.advance(now_us);
        let slot = self.slot(self.newest);
        if let Some(bucket) = self.buckets.get_mut(slot) {
            *bucket = bucket.saturating_add(count);
            self.total = self.total.saturating_add(count);
        }
    }

    /// Takes back what was reserved and not used, from the newest buckets.
    pub(crate) fn take_back(&mut self, now_us: i64, count: u64) {
        self.advance(now_us);
        let mut left = count;
        for age in 0..i64::try_from(self.buckets.len()).unwrap_or(0) {
            let slot = self.slot(self.newest - age);
            if let Some(bucket) = self.buckets.get_mut(slot) {
                let taken = left.min(*bucket);
                *bucket -= taken;
                self.total -= taken.min(self.total);
                left -= taken;
            }
            if left == 0 {
                return;
            }
        }
    }

    /// Microseconds until so many have fallen out.
    pub(crate) fn frees_after(&mut self, now_us: i64, wanted: u64) -> i64 {
        self.advance(now_us);
        let length = i64::try_from(self.buckets.len()).unwrap_or(1);
        let mut freed = 0_u64;
        for age in (0..length).rev() {
            let bucket = self.newest - age;
            freed = freed.saturating_add(self.buckets.get(self.slot(bucket)).copied().unwrap_or(0));
            if freed >= wanted.max(1) {
                let gone_at = (bucket + length) * self.span.bucket_us();
                return (gone_at - now_us).max(0);
            }
        }
        length * self.span.bucket_us()
    }

    /// The buckets that are not empty: (number since the epoch, count).
    pub(crate) fn save(&self) -> Vec<(i64, u64)> {
        let length = i64::try_from(self.buckets.len()).unwrap_or(1);
        (self.newest - length + 1..=self.newest)
            .filter_map(|bucket| {
                let count = self.buckets.get(self.slot(bucket)).copied()?;
                (count > 0).then_some((bucket, count))
            })
            .collect()
    }

    pub(crate) fn restore(span: Span, buckets: &[(i64, u64)]) -> Self {
        let mut window = Self::new(span);
        let mut sorted = buckets.to_vec();
        sorted.sort_unstable();
        for (bucket, count) in sorted {
            window.add(bucket.saturating_mul(span.bucket_us()), count);
        }
        window
    }
}

#[cfg(test)]
mod tests {
    use super::{SECOND_US, Span, Window};

    #[test]
    fn counts_slide_out_bucket_by_bucket() {
        let mut window = Window::new(Span::Minute);
        let start = 1_000 * SECOND_US;
        window.add(start, 3);
        window.add(start + 30 * SECOND_US, 2);
        assert_eq!(window.used(start + 59 * SECOND_US), 5);
        assert_eq!(window.used(start + 60 * SECOND_US), 5);
        assert_eq!(window.used(start + 61 * SECOND_US), 2);
        assert_eq!(
            window.frees_after(start + 61 * SECOND_US, 1),
            30 * SECOND_US
        );
        assert_eq!(window.used(start + 91 * SECOND_US), 0);
    }

    #[test]
    fn the_clock_may_go_back_and_reservations_may_be_returned() {
        let mut window = Window::new(Span::Day);
        let start = 1_000_000 * SECOND_US;
        window.add(start, 10);
        window.add(start - 5_000 * SECOND_US, 1);
        assert_eq!(window.used(start), 11);
        window.take_back(start + 1_000 * SECOND_US, 4);
        assert_eq!(window.used(start + 1_000 * SECOND_US), 7);
        window.take_back(start, 100);
        assert_eq!(window.used(start), 0);
    }

    #[test]
    fn what_was_saved_is_what_is_restored() {
        let mut window = Window::new(Span::Minute);
        for second in 0..200 {
            window.add(second * SECOND_US, 1);
        }
        let now = 200 * SECOND_US;
        let mut again = Window::restore(Span::Minute, &window.save());
        assert_eq!(again.used(now), window.used(now));
        assert_eq!(
            again.used(now + 30 * SECOND_US),
            window.used(now + 30 * SECOND_US)
        );
    }
}
