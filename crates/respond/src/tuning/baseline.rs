//! What is normal for a caller on a route at this hour of the week.
//!
//! Median and median absolute deviation: a few extreme hours, an attack among them, do not move
//! what is normal. An hour of the week is compared with the same hour of other weeks as soon as
//! there are enough of them; before that with all hours, and before that with nothing: a cold
//! start is said, not hidden behind a number.

use std::collections::BTreeMap;

use atalaya_model::Timestamp;
use serde::Serialize;

/// Scales the median absolute deviation to a normal distribution's standard deviation.
const MAD_SCALE: f64 = 1.4826;
/// Least deviation that counts: counts of one and two must not look like a surprise.
const DEVIATION_MIN: f64 = 1.0;

/// How much history is needed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BaselineConfig {
    /// Weeks that the same hour of the week needs.
    pub weeks_min: usize,
    /// Hours that a caller and route need at all.
    pub hours_min: usize,
    /// From how many deviations on something is unusual.
    pub deviations: f64,
}

impl Default for BaselineConfig {
    fn default() -> Self {
        Self {
            weeks_min: 3,
            hours_min: 24,
            deviations: 6.0,
        }
    }
}

/// What a value was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The same hour of other weeks.
    HourOfWeek,
    /// All hours.
    AllHours,
    /// Nothing: there is too little history.
    ColdStart,
}

impl Basis {
    /// The name in lists and watchlists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HourOfWeek => "hour_of_week",
            Self::AllHours => "all_hours",
            Self::ColdStart => "cold_start",
        }
    }
}

/// What is normal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Normal {
    /// What it was computed from.
    pub basis: Basis,
    /// Values that it was computed from.
    pub samples: usize,
    /// The middle.
    pub median: f64,
    /// How far values are from it.
    pub deviation: f64,
    /// From here on a value is unusual.
    pub limit: f64,
}

impl Normal {
    /// Whether a value is unusual; never at a cold start.
    #[must_use]
    pub fn is_unusual(&self, value: f64) -> bool {
        self.basis != Basis::ColdStart && value > self.limit
    }
}

/// Hourly values of one caller on one route.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// Hour since 1970 → value; hours without a call are not there.
    hours: BTreeMap<i64, f64>,
}

const HOUR_MICROS: i64 = 3_600_000_000;
const HOURS_OF_WEEK: i64 = 168;

impl Series {
    /// Adds to the hour of a time.
    pub fn add(&mut self, at: Timestamp, value: f64) {
        *self.hours.entry(at.0.div_euclid(HOUR_MICROS)).or_default() += value;
    }

    /// Number of hours with a value.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hours.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hours.is_empty()
    }

    /// The value of the hour of a time.
    #[must_use]
    pub fn value(&self, at: Timestamp) -> f64 {
        let hour = at.0.div_euclid(HOUR_MICROS);
        self.hours.get(&hour).copied().unwrap_or(0.0)
    }

    /// What is normal in the hour of a time, from all hours before it.
    #[must_use]
    pub fn normal(&self, at: Timestamp, config: &BaselineConfig) -> Normal {
        let now = at.0.div_euclid(HOUR_MICROS);
        let Some((first, _)) = self.hours.range(..now).next() else {
            return normal(Basis::ColdStart, &[], config);
        };
        // An hour without a call is a value too: zero, since the caller was first seen.
        let weeks = (now - first) / HOURS_OF_WEEK;
        let same: Vec<f64> = (1..=weeks)
            .map(|week| self.hours.get(&(now - week * HOURS_OF_WEEK)))
            .map(|value| value.copied().unwrap_or(0.0))
            .collect();
        if same.len() >= config.weeks_min {
            return normal(Basis::HourOfWeek, &same, config);
        }
        let active: Vec<f64> = self.hours.range(..now).map(|(_, value)| *value).collect();
        if active.len() >= config.hours_min {
            return normal(Basis::AllHours, &active, config);
        }
        normal(Basis::ColdStart, &active, config)
    }
}

fn normal(basis: Basis, values: &[f64], config: &BaselineConfig) -> Normal {
    let samples = values.len();
    let middle = median(values.to_vec());
    let distances = values.iter().map(|value| (value - middle).abs()).collect();
    let spread = median(distances) * MAD_SCALE;
    // Counts scatter at least like their root, also where history happens to be constant.
    let deviation = spread.max(middle.max(0.0).sqrt()).max(DEVIATION_MIN);
    Normal {
        basis,
        samples,
        median: middle,
        deviation,
        limit: config.deviations.mul_add(deviation, middle),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (None, _) => 0.0,
        (Some(high), 0) => {
            let low = middle.checked_sub(1).and_then(|i| values.get(i));
            low.copied().unwrap_or(*high).midpoint(*high)
        }
        (Some(value), _) => *value,
    }
}

#[cfg(test)]
mod tests {
    use atalaya_model::Timestamp;

    use super::{BaselineConfig, Basis, HOUR_MICROS, Series};

    fn at(hour: i64) -> Timestamp {
        Timestamp(hour * HOUR_MICROS)
    }

    /// Weeks of office hours: 100 calls at nine on weekdays, little else.
    fn office(weeks: i64) -> Series {
        let mut series = Series::default();
        for hour in 0..weeks * 168 {
            let (day, of_day) = (hour / 24 % 7, hour % 24);
            let value = if day < 5 && of_day == 9 { 100.0 } else { 2.0 };
            series.add(at(hour), value);
        }
        series
    }

    #[test]
    fn the_same_hour_of_the_week_counts() {
        let (series, config) = (office(6), BaselineConfig::default());
        let monday_nine = series.normal(at(6 * 168 + 9), &config);
        assert_eq!(monday_nine.basis, Basis::HourOfWeek);
        assert!(!monday_nine.is_unusual(120.0));
        assert!(monday_nine.is_unusual(200.0));
        let sunday_nine = series.normal(at(6 * 168 + 6 * 24 + 9), &config);
        assert!(sunday_nine.is_unusual(100.0));
    }

    #[test]
    fn one_attack_in_the_history_moves_nothing() {
        let mut series = office(6);
        series.add(at(3 * 168 + 9), 1_000_000.0);
        let normal = series.normal(at(6 * 168 + 9), &BaselineConfig::default());
        assert!(normal.limit < 200.0, "{normal:?}");
    }

    #[test]
    fn too_little_history_is_said() {
        let config = BaselineConfig::default();
        let normal = Series::default().normal(at(10), &config);
        assert_eq!(normal.basis, Basis::ColdStart);
        assert!(!normal.is_unusual(f64::MAX));
        assert_eq!(office(1).normal(at(200), &config).basis, Basis::AllHours);
        let mut young = Series::default();
        young.add(at(1), 5.0);
        assert_eq!(young.normal(at(3), &config).basis, Basis::ColdStart);
    }
}
