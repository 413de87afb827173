//! Durations as people write them: `500ms`, `10s`, `5m`, `1h`, `7d`.

use std::time::Duration;

/// Reads a duration.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u64 = text.get(..digits)?.parse().ok()?;
    let unit_ms = match text.get(digits..)?.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(unit_ms)?))
}

/// Writes it with the largest unit that divides it.
#[must_use]
pub fn format(duration: Duration) -> String {
    let ms = duration.as_millis();
    for (unit, size) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
    ] {
        if ms >= size && ms.is_multiple_of(size) {
            return format!("{}{unit}", ms / size);
        }
    }
    format!("{ms}ms")
}

/// Microseconds, for arithmetic with timestamps.
#[must_use]
pub fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_written_is_read() {
        for text in ["500ms", "10s", "5m", "1h", "7d", "90m"] {
            assert_eq!(super::format(super::parse(text).unwrap()), text);
        }
        for text in ["", "5", "h", "5 parsecs", "-1s", "99999999999999999999d"] {
            assert!(super::parse(text).is_none(), "{text}");
        }
    }
}
