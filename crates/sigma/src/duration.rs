//! Time spans as Sigma writes them: `30s`, `15m`, `24h`, `7d`, `2w`, `1M`, `1y`.

use std::time::Duration;

/// Longest time span, one year: keeps arithmetic on it exact.
const SECONDS_MAX: u64 = 366 * 86_400;

/// Reads a time span.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        'M' => 30 * 86_400,
        'y' => 365 * 86_400,
        _ => return None,
    };
    let count: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
    let total = count.checked_mul(seconds)?;
    (total > 0 && total <= SECONDS_MAX).then(|| Duration::from_secs(total))
}

/// The shortest way to write a time span, as Sigma and KQL read it.
#[must_use]
pub fn write(duration: Duration) -> String {
    let seconds = duration.as_secs();
    for (unit, length) in [("d", 86_400), ("h", 3_600), ("m", 60)] {
        // `24h` stays what everybody writes.
        if seconds.is_multiple_of(length) && (unit != "d" || seconds > 86_400) {
            return format!("{}{unit}", seconds / length);
        }
    }
    format!("{seconds}s")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    #[test]
    fn what_is_written_is_read_again() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("24h", 86_400), ("7d", 604_800)] {
            assert_eq!(super::parse(text), Some(Duration::from_secs(seconds)));
            assert_eq!(super::write(Duration::from_secs(seconds)), text);
        }
        for wrong in ["", "h", "24", "-1h", "0h", "9999999d", "2y"] {
            assert_eq!(super::parse(wrong), None, "{wrong}");
        }
    }
}
