//! What is usual at this hour of the week, per caller, in 240 bytes.
//!
//! Counts are kept as logarithms in quarter doublings, one byte each: a level of 40 means about
//! 2^10. The level of an hour follows the median of what that hour brought (it moves by steps,
//! not by amounts, so that one wild hour cannot drag it), and the spread follows the median of
//! the deviations: a streaming form of 0.6745 (x - median) / MAD, on logarithms.
//!
//! An hour of the week is seen once a week. Until it was seen twice, the same hour of the other
//! days stands in; until there are enough hours at all, nothing is judged.

use crate::stored::stored;

const HOUR_S: u32 = 3_600;
/// Steps per doubling.
const STEPS: f32 = 4.0;
/// A level that was never set.
const UNSET: u8 = 255;

/// Levels by hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct HourlyBaseline {
    week: [u8; 168],
    day: [u8; 24],
    /// Median deviation, in steps.
    spread: f32,
    highest: u8,
    hours_active: u16,
    hour: u32,
    first_hour: u32,
    pub(crate) calls: u32,
    pub(crate) tokens: f32,
    /// Tokens per hour: the usual level, and the highest.
    tokens_level: f32,
    tokens_highest: f32,
}

stored!(HourlyBaseline {
    week,
    day,
    spread,
    highest,
    hours_active,
    hour,
    first_hour,
    calls,
    tokens,
    tokens_level,
    tokens_highest
});

impl Default for HourlyBaseline {
    fn default() -> Self {
        Self {
            week: [UNSET; 168],
            day: [UNSET; 24],
            spread: STEPS,
            highest: 0,
            hours_active: 0,
            hour: 0,
            first_hour: 0,
            calls: 0,
            tokens: 0.0,
            tokens_level: 0.0,
            tokens_highest: 0.0,
        }
    }
}

/// This hour against the usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Judgement {
    /// Robust z-score of the calls of this hour.
    pub(crate) z: f64,
    /// What is usual at this hour.
    pub(crate) usual_calls: f64,
    /// The busiest hour before.
    pub(crate) most_calls: f64,
    /// The usual tokens of an active hour.
    pub(crate) usual_tokens: f64,
    /// The most tokens of an hour before.
    pub(crate) most_tokens: f64,
    /// Active hours that it is judged by.
    pub(crate) hours: u16,
}

fn level_of(count: f32) -> f32 {
    (count + 1.0).log2() * STEPS
}

fn count_of(level: f32) -> f64 {
    f64::from((level / STEPS).exp2() - 1.0)
}

impl HourlyBaseline {
    /// Moves on to the hour of this time; hours that have ended become history.
    pub(crate) fn at(&mut self, now: u32) {
        let hour = now / HOUR_S;
        if hour <= self.hour && self.hour != 0 {
            return;
        }
        if self.hour == 0 {
            self.first_hour = hour;
        } else {
            self.close();
        }
        (self.hour, self.calls, self.tokens) = (hour, 0, 0.0);
    }

    fn close(&mut self) {
        let level = level_of(self.calls as f32);
        let expected = self.expected(self.hour);
        if let Some(expected) = expected {
            let off = (level - expected).abs();
            let step = if off > self.spread { 0.25 } else { -0.25 };
            self.spread = (self.spread + step).clamp(1.0, 12.0);
        }
        follow(&mut self.week[(self.hour % 168) as usize], level);
        follow(&mut self.day[(self.hour % 24) as usize], level);
        self.highest = self.highest.max(level.min(254.0) as u8);
        self.hours_active = self.hours_active.saturating_add(1);
        self.tokens_highest = self.tokens_highest.max(self.tokens);
        if self.tokens_level == 0.0 {
            self.tokens_level = self.tokens;
        } else {
            let step = if self.tokens > self.tokens_level {
                1.15
            } else {
                1.0 / 1.15
            };
            self.tokens_level *= step;
        }
    }

    fn expected(&self, hour: u32) -> Option<f32> {
        let known = |level: u8| (level != UNSET).then_some(f32::from(level));
        known(self.week[(hour % 168) as usize]).or_else(|| known(self.day[(hour % 24) as usize]))
    }

    /// Days since the first call.
    pub(crate) const fn days(&self) -> u32 {
        (self.hour - self.first_hour) / 24
    }

    /// The hour so far against the usual; `None` before there is a usual.
    pub(crate) fn judge(&self, hours_min: u16, days_min: u32) -> Option<Judgement> {
        if self.hours_active < hours_min || self.days() < days_min {
            return None;
        }
        // An hour in which nothing ever came has no level: nothing is usual then.
        let expected = self.expected(self.hour).unwrap_or(0.0);
        let off = level_of(self.calls as f32) - expected;
        Some(Judgement {
            z: 0.6745 * f64::from(off / self.spread),
            usual_calls: count_of(expected),
            most_calls: count_of(f32::from(self.highest)),
            usual_tokens: f64::from(self.tokens_level),
            most_tokens: f64::from(self.tokens_highest),
            hours: self.hours_active,
        })
    }
}

/// Moves a level towards what was seen: at once if there is none, else by at most two steps.
fn follow(level: &mut u8, seen: f32) {
    let seen = seen.round().clamp(0.0, 254.0);
    *level = if *level == UNSET {
        seen as u8
    } else {
        let known = f32::from(*level);
        (known + (seen - known).clamp(-2.0, 2.0)) as u8
    };
}

#[cfg(test)]
mod tests {
    use super::HourlyBaseline;

    #[test]
    fn a_burst_at_a_quiet_hour_stands_out_and_the_weekly_batch_does_not() {
        let mut hours = HourlyBaseline::default();
        let start = 1_700_000 * 1_000 / 3_600 * 3_600 / 604_800 * 604_800;
        let mut run = |hour: u32, calls: u32| {
            hours.at(start + hour * 3_600);
            hours.calls += calls;
            hours
        };
        for hour in 0..168 * 3 {
            let calls = match hour % 168 {
                30 => 5_000,
                h if (9..17).contains(&(h % 24)) => 40,
                _ => 2,
            };
            let judged = run(hour, calls).judge(24, 3);
            if let Some(judged) = judged.filter(|_| hour > 168) {
                assert!(judged.z < 3.5, "{hour}: {judged:?}");
            }
        }
        let judged = run(168 * 3 + 3, 2_000).judge(24, 3).unwrap();
        assert!(judged.z > 3.5, "{judged:?}");
        assert!(
            judged.usual_calls < 10.0 && judged.most_calls > 3_000.0,
            "{judged:?}"
        );
    }
}
