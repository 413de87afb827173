//! Timespans as text: `[-][d.]hh:mm:ss[.fffffff]`, and the forms that people write.

use std::fmt::Write as _;

use super::{TICKS_PER_DAY, TICKS_PER_SECOND};

/// .NET's constant form: days and fraction only when they are not zero.
#[must_use]
pub fn to_text(ticks: i64) -> String {
    let negative = ticks < 0;
    let ticks = ticks.unsigned_abs();
    let per_second = TICKS_PER_SECOND.unsigned_abs();
    let (days, rest) = (
        ticks / TICKS_PER_DAY.unsigned_abs(),
        ticks % TICKS_PER_DAY.unsigned_abs(),
    );
    let seconds = rest / per_second;
    let mut out = String::with_capacity(26);
    if negative {
        out.push('-');
    }
    if days > 0 {
        let _ = write!(out, "{days}.");
    }
    let _ = write!(
        out,
        "{:02}:{:02}:{:02}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    );
    if rest % per_second > 0 {
        let _ = write!(out, ".{:07}", rest % per_second);
    }
    out
}

/// Parses `1.02:03:04.5`, `02:03`, `3d`, `1.5h`, `100ms`; `None` when it is none of them.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, body) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let ticks = if body.contains(':') {
        parse_clock(body)?
    } else {
        parse_unit(body)?
    };
    Some(if negative { -ticks } else { ticks })
}

fn parse_clock(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let (first, minutes, seconds) = (parts.next()?, parts.next()?, parts.next());
    let fourth = parts.next();
    if parts.next().is_some() {
        return None;
    }
    let (days, hours, minutes, seconds) = match fourth {
        Some(last) => (digits(first)?, digits(minutes)?, digits(seconds?)?, last),
        None => match first.split_once('.') {
            Some((days, hours)) => (
                digits(days)?,
                digits(hours)?,
                digits(minutes)?,
                seconds.unwrap_or("0"),
            ),
            None => (0, digits(first)?, digits(minutes)?, seconds.unwrap_or("0")),
        },
    };
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let whole = digits(whole)?;
    if hours > 23 || minutes > 59 || whole > 59 || fraction.len() > 7 {
        return None;
    }
    let fraction = if fraction.is_empty() {
        0
    } else {
        digits(&format!("{fraction:0<7}"))?
    };
    let seconds = days
        .checked_mul(86_400)?
        .checked_add(hours * 3_600 + minutes * 60 + whole)?;
    seconds.checked_mul(TICKS_PER_SECOND)?.checked_add(fraction)
}

fn digits(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn parse_unit(text: &str) -> Option<i64> {
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit.trim() {
        // A bare number counts days.
        "" | "d" | "day" | "days" => TICKS_PER_DAY,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600 * TICKS_PER_SECOND,
        "m" | "min" | "minute" | "minutes" => 60 * TICKS_PER_SECOND,
        "s" | "sec" | "second" | "seconds" => TICKS_PER_SECOND,
        "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => TICKS_PER_SECOND / 1_000,
        "micro" | "micros" | "microsecond" | "microseconds" => TICKS_PER_SECOND / 1_000_000,
        "tick" | "ticks" => 1,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<i64>() {
        return whole.checked_mul(scale);
    }
    let value: f64 = number.parse().ok()?;
    Some((value * scale as f64).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::{parse, to_text};

    #[test]
    fn text_and_back() {
        for text in [
            "00:00:00",
            "-12:00:00",
            "14.00:00:00",
            "1.12:30:55.1230000",
            "00:00:00.0000001",
            "3652058.00:00:00",
        ] {
            assert_eq!(to_text(parse(text).unwrap()), text);
        }
        assert_eq!(parse("1.5h"), parse("01:30:00"));
        assert_eq!(parse("0.00:03:00"), parse("3m"));
        assert_eq!(parse("25:00:00"), None);
        assert_eq!(parse("x"), None);
    }
}
