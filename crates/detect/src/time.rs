//! Reads the datetimes that a query engine writes.

use atalaya_model::Timestamp;

/// Reads ISO 8601: `2026-09-30`, `2026-09-30T12:00:00.1234567Z`, with `Z`, an offset or nothing
/// (UTC). Digits beyond microseconds are cut off.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (text.get(..at)?, text.get(at + 1..)?),
        None => (text, ""),
    };
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4)?;
    let month = number(parts.next()?, 2)?;
    let day = number(parts.next()?, 2)?;
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day);
    if parts.next().is_some() || !in_range {
        return None;
    }
    let (clock, offset_minutes) = split_offset(time)?;
    let micros = days_from_civil(year, month, day) * 86_400_000_000 + clock_micros(clock)?;
    Some(Timestamp(micros - offset_minutes * 60_000_000))
}

fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = time.find(['+', '-']) else {
        return Some((time, 0));
    };
    let (hours, minutes) = time.get(at + 1..)?.split_once(':')?;
    let minutes = number(hours, 2)? * 60 + number(minutes, 2)?;
    let sign = if time.get(at..=at)? == "-" { -1 } else { 1 };
    Some((time.get(..at)?, sign * minutes))
}

fn clock_micros(clock: &str) -> Option<i64> {
    if clock.is_empty() {
        return Some(0);
    }
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = whole.split(':');
    let hours = number(parts.next()?, 2)?;
    let minutes = number(parts.next()?, 2)?;
    let seconds = parts.next().map_or(Some(0), |s| number(s, 2))?;
    if hours > 23 || minutes > 59 || seconds > 59 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let micros: i64 = format!("{:0<6}", fraction.get(..6).unwrap_or(fraction))
        .parse()
        .ok()?;
    Some(((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + micros)
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let right = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    right.then(|| text.parse().ok()).flatten()
}

/// Days since 1970-01-01. Algorithm: Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms" (2013).
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

#[cfg(test)]
mod tests {
    use atalaya_model::Timestamp;

    use super::parse_timestamp;

    #[test]
    fn what_is_written_is_read() {
        for micros in [0, 951_782_400_000_001, -1, 1_790_000_000_123_456] {
            let text = Timestamp(micros).to_rfc3339();
            assert_eq!(parse_timestamp(&text), Some(Timestamp(micros)), "{text}");
        }
        for (text, same) in [
            ("2026-09-30", "2026-09-30T00:00:00Z"),
            ("2026-09-30 12:00", "2026-09-30T12:00:00.000Z"),
            (
                "2026-09-30T12:00:00.1234567Z",
                "2026-09-30T12:00:00.123456Z",
            ),
            ("2026-09-30T12:00:00+02:00", "2026-09-30T10:00:00Z"),
        ] {
            assert!(parse_timestamp(text).is_some(), "{text}");
            assert_eq!(parse_timestamp(text), parse_timestamp(same), "{text}");
        }
        for text in [
            "",
            "soon",
            "2026-13-01",
            "2026-01-01T25:00:00Z",
            "2026-01-01T00:00:00.xZ",
            "é",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }
}
