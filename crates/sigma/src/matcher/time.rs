//! Points in time as events write them: ISO 8601 with or without a zone (then UTC), seconds or
//! milliseconds since 1970.

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, civil};

use crate::ir::TimePart;

/// From here on a number means milliseconds; as seconds it would be the year 5138.
const MILLISECONDS_FROM: f64 = 1e11;
/// And from here on microseconds, then nanoseconds.
const MICROSECONDS_FROM: f64 = 1e14;
const NANOSECONDS_FROM: f64 = 1e17;

/// Milliseconds since 1970.
#[expect(clippy::cast_possible_truncation, reason = "checked to be in range")]
pub(crate) fn milliseconds(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(number) = super::index::number(text.as_bytes()) {
        let size = number.abs();
        let factor = if size < MILLISECONDS_FROM {
            1e3
        } else if size < MICROSECONDS_FROM {
            1.0
        } else if size < NANOSECONDS_FROM {
            1e-3
        } else {
            1e-6
        };
        return Some((number * factor).round() as i64);
    }
    if text.len() < 8 || !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp.as_millisecond());
    }
    let civil = text.parse::<civil::DateTime>().ok();
    let civil = civil.or_else(|| text.parse::<civil::Date>().ok().map(civil::Date::into))?;
    let zoned = civil.to_zoned(TimeZone::fixed(Offset::UTC)).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

/// A part of a point in time, in UTC.
pub(super) fn part(text: &str, part: TimePart) -> Option<f64> {
    let timestamp = Timestamp::from_millisecond(milliseconds(text)?).ok()?;
    let civil = Offset::UTC.to_datetime(timestamp);
    Some(match part {
        TimePart::Minute => f64::from(civil.minute()),
        TimePart::Hour => f64::from(civil.hour()),
        TimePart::Day => f64::from(civil.day()),
        TimePart::Week => f64::from(civil.date().iso_week_date().week()),
        TimePart::Month => f64::from(civil.month()),
        TimePart::Year => f64::from(civil.year()),
    })
}

#[cfg(test)]
mod tests {
    use super::{milliseconds, part};
    use crate::ir::TimePart;

    #[test]
    fn points_in_time_are_read_as_logs_write_them() {
        for text in [
            "2026-03-09T14:30:05Z",
            "2026-03-09 14:30:05",
            "2026-03-09T14:30:05.000",
            "2026-03-09T16:30:05+02:00",
            "2026-03-09 14:30:05Z",
            "1773066605",
            "1773066605000",
        ] {
            assert_eq!(milliseconds(text), Some(1_773_066_605_000), "{text}");
            assert_eq!(part(text, TimePart::Hour), Some(14.0), "{text}");
            assert_eq!(part(text, TimePart::Week), Some(11.0), "{text}");
        }
        assert_eq!(part("2026-03-09", TimePart::Day), Some(9.0));
        for wrong in ["", "soon", "12:30", "2026-13-40"] {
            assert_eq!(milliseconds(wrong), None, "{wrong}");
        }
    }
}
