//! Reading points in time as logs write them.

/// Microseconds per day.
pub(crate) const DAY_US: i64 = 86_400_000_000;

/// The UTC day (days since 1970-01-01) of a time in microseconds.
pub(crate) fn day_of(time_us: i64) -> i32 {
    i32::try_from(time_us.div_euclid(DAY_US)).unwrap_or(0)
}

/// `YYYY-MM-DD` of a day.
pub(crate) fn day_text(day: i32) -> String {
    let (year, month, day) = atalaya_model::time::civil_from_days(i64::from(day));
    format!("{year:04}-{month:02}-{day:02}")
}

/// The day that a text `YYYY-MM-DD` names.
pub(crate) fn parse_day(text: &str) -> Option<i32> {
    parse_datetime(text).map(day_of)
}

/// Reads ISO 8601 as logs write it: a date, or a date and a time separated by `T` or a space,
/// with seconds and their fraction optional, and `Z`, an offset, or nothing (then UTC).
/// Fractions finer than a microsecond are cut.
pub(crate) fn parse_datetime(text: &str) -> Option<i64> {
    let mut rest = text.trim().as_bytes();
    let year = digits(&mut rest, 4)?;
    take(&mut rest, b'-')?;
    let month = digits(&mut rest, 2)?;
    take(&mut rest, b'-')?;
    let day = digits(&mut rest, 2)?;
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let mut time = days_from_civil(year, month, day) * DAY_US;
    if rest.is_empty() {
        return Some(time);
    }
    if !matches!(rest[0], b'T' | b't' | b' ') {
        return None;
    }
    rest = &rest[1..];
    time += time_of_day(&mut rest)?;
    let offset_minutes = offset(rest)?;
    Some(time - offset_minutes * 60_000_000)
}

/// A number as a point in time, its unit told by its size: seconds, milliseconds, microseconds or
/// nanoseconds since 1970. The ranges do not overlap for times between 1973 and 5138.
pub(crate) fn from_epoch(value: i64) -> Option<i64> {
    match value.unsigned_abs() {
        0..100_000_000_000 => value.checked_mul(1_000_000),
        100_000_000_000..100_000_000_000_000 => value.checked_mul(1_000),
        100_000_000_000_000..100_000_000_000_000_000 => Some(value),
        _ => Some(value.div_euclid(1_000)),
    }
}

fn time_of_day(rest: &mut &[u8]) -> Option<i64> {
    let hour = digits(rest, 2)?;
    take(rest, b':')?;
    let minute = digits(rest, 2)?;
    let mut second = 0;
    let mut micros = 0;
    if take(rest, b':').is_some() {
        second = digits(rest, 2)?;
        if take(rest, b'.').or_else(|| take(rest, b',')).is_some() {
            micros = fraction(rest)?;
        }
    }
    // A leap second is counted as the second before it.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(((hour * 60 + minute) * 60 + second.min(59)) * 1_000_000 + micros)
}

fn fraction(rest: &mut &[u8]) -> Option<i64> {
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let mut micros = 0;
    for index in 0..6 {
        let digit = if index < length {
            rest[index] - b'0'
        } else {
            0
        };
        micros = micros * 10 + i64::from(digit);
    }
    *rest = &rest[length..];
    Some(micros)
}

fn offset(mut rest: &[u8]) -> Option<i64> {
    while let Some((b' ', after)) = rest.split_first() {
        rest = after;
    }
    if rest.is_empty() || rest.eq_ignore_ascii_case(b"z") || rest == b"UTC" {
        return Some(0);
    }
    let sign = match rest[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    rest = &rest[1..];
    let hours = digits(&mut rest, 2)?;
    let _ = take(&mut rest, b':');
    let minutes = if rest.is_empty() {
        0
    } else {
        digits(&mut rest, 2)?
    };
    (rest.is_empty() && hours <= 15 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}

fn digits(rest: &mut &[u8], count: usize) -> Option<i64> {
    let (head, tail) = rest.split_at_checked(count)?;
    let mut value = 0;
    for byte in head {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    *rest = tail;
    Some(value)
}

fn take(rest: &mut &[u8], byte: u8) -> Option<()> {
    let (first, tail) = rest.split_first()?;
    (*first == byte).then(|| *rest = tail)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Algorithm: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (2013).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let yoe = year.rem_euclid(400);
    let doy = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use atalaya_model::Timestamp;

    #[test]
    fn reads_what_logs_write() {
        for (text, expected) in [
            (
                "2026-11-24T02:45:10.123456Z",
                Some("2026-11-24T02:45:10.123456Z"),
            ),
            (
                "2026-11-24T02:45:10.1234567Z",
                Some("2026-11-24T02:45:10.123456Z"),
            ),
            ("2026-11-24T02:45:10.5", Some("2026-11-24T02:45:10.500000Z")),
            ("2026-11-24 02:45:10", Some("2026-11-24T02:45:10.000000Z")),
            ("2026-11-24 02:45", Some("2026-11-24T02:45:00.000000Z")),
            ("2026-11-24", Some("2026-11-24T00:00:00.000000Z")),
            (
                "2026-11-24T02:45:10+02:00",
                Some("2026-11-24T00:45:10.000000Z"),
            ),
            (
                "2026-11-24T02:45:10-0530",
                Some("2026-11-24T08:15:10.000000Z"),
            ),
            ("2024-02-29T23:59:60Z", Some("2024-02-29T23:59:59.000000Z")),
            ("2023-02-29", None),
            ("2026-13-01", None),
            ("2026-11-24T25:00:00Z", None),
            ("2026-11-24T02:45:10.Z", None),
            ("2026-11-24Tx", None),
            ("yesterday", None),
            ("", None),
        ] {
            let found = parse_datetime(text).map(|time| Timestamp(time).to_rfc3339());
            assert_eq!(found.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn numbers_tell_their_unit() {
        let expected = 1_700_000_000_000_000;
        for value in [1_700_000_000, 1_700_000_000_000, expected, expected * 1_000] {
            assert_eq!(from_epoch(value), Some(expected), "{value}");
        }
    }
}
