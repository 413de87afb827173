//! Whether calls come at the pace of a machine: mean gap and mean deviation from it.

use crate::stored::stored;

/// How much a new gap weighs.
const WEIGHT: f32 = 0.05;

/// Gaps between calls.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Pacing {
    last_ms: u64,
    mean_ms: f32,
    deviation_ms: f32,
    gaps: u16,
}

stored!(Pacing {
    last_ms,
    mean_ms,
    deviation_ms,
    gaps
});

impl Pacing {
    /// A call at that time.
    pub(crate) fn add(&mut self, now_ms: u64) {
        if self.last_ms != 0 {
            let gap = now_ms.saturating_sub(self.last_ms) as f32;
            if self.gaps == 0 {
                self.mean_ms = gap;
            }
            // The first gaps weigh more, so that the mean is a mean from the start.
            let weight = WEIGHT.max(1.0 / (f32::from(self.gaps) + 1.0));
            let off = (gap - self.mean_ms).abs();
            self.mean_ms += weight * (gap - self.mean_ms);
            self.deviation_ms += weight * (off - self.deviation_ms);
            self.gaps = self.gaps.saturating_add(1);
        }
        self.last_ms = now_ms;
    }

    /// Mean deviation of the gaps relative to their mean; `None` for too few calls. People and
    /// independent arrivals are near 0.74 or above, timers near 0.
    pub(crate) fn irregularity(&self) -> Option<f32> {
        (self.gaps >= 20 && self.mean_ms > 0.0).then(|| self.deviation_ms / self.mean_ms)
    }
}
