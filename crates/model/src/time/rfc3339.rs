//! Reading RFC 3339, and serde's `with` for documents that people read.
//!
//! Microseconds are kept, finer digits are cut off. Left out: leap seconds (`:60` is refused) and
//! the space that the RFC allows in place of `T`.

use serde::{Deserialize as _, Deserializer, Serializer};

use super::Timestamp;

/// Writes the RFC 3339 form.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.to_rfc3339())
}

/// Reads the RFC 3339 form.
///
/// # Errors
/// If the text is no instant.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    Timestamp::parse_rfc3339(&text)
        .ok_or_else(|| serde::de::Error::custom("not a time like 2026-01-31T08:00:00Z (RFC 3339)"))
}

/// The same for times that may be missing.
pub mod option {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::Timestamp;

    /// Writes the RFC 3339 form or null.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(
        at: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => super::serialize(at, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads the RFC 3339 form or null.
    ///
    /// # Errors
    /// If the text is no instant.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let parse = |text: std::borrow::Cow<'de, str>| {
            Timestamp::parse_rfc3339(&text).ok_or_else(|| {
                serde::de::Error::custom("not a time like 2026-01-31T08:00:00Z (RFC 3339)")
            })
        };
        text.map(parse).transpose()
    }
}

impl Timestamp {
    /// Reads `2026-01-31T08:00:00.5Z` or `2026-01-31T08:00:00+02:00`; a date alone is its
    /// beginning in UTC. `None` for anything else.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let number = |from: usize, to: usize| -> Option<i64> {
            let digits = bytes.get(from..to)?;
            digits.iter().all(u8::is_ascii_digit).then_some(())?;
            text.get(from..to)?.parse().ok()
        };
        let at = |index: usize, wanted: &[u8]| {
            bytes
                .get(index)
                .is_some_and(|byte| wanted.contains(byte))
                .then_some(())
        };
        at(4, b"-")?;
        at(7, b"-")?;
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let days = days_from_civil(year, month, day);
        if super::civil_from_days(days) != (year, month, day) {
            return None;
        }
        let midnight = days * 86_400_000_000;
        if bytes.len() == 10 {
            return Some(Self(midnight));
        }
        at(10, b"Tt")?;
        at(13, b":")?;
        at(16, b":")?;
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let (micros, rest) = fraction(text.get(19..)?)?;
        let offset = offset_minutes(rest)?;
        let seconds = hour * 3_600 + minute * 60 + second - offset * 60;
        Some(Self(midnight + seconds * 1_000_000 + micros))
    }
}

/// Microseconds, and what stands behind them.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(digits) = text.strip_prefix('.') else {
        return Some((0, text));
    };
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    let mut micros = 0;
    for place in 0..6 {
        let digit = digits.as_bytes().get(place).filter(|_| place < end);
        micros = micros * 10 + digit.map_or(0, |digit| i64::from(digit - b'0'));
    }
    (end > 0).then_some((micros, digits.get(end..)?))
}

fn offset_minutes(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    ((0..24).contains(&hours) && (0..60).contains(&minutes))
        .then_some(sign * (hours * 60 + minutes))
}

/// The inverse of [`super::civil_from_days`].
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = if month > 2 { month - 3 } else { month + 9 };
    let doy = (153 * mp + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01", Some(0)),
            ("1970-01-01T02:00:00+02:00", Some(0)),
            ("1969-12-31T23:59:59.9999999Z", Some(-1)),
            ("2000-02-29T00:00:00.000001Z", Some(951_782_400_000_001)),
            ("9999-12-31T23:59:59.999999Z", Some(253_402_300_799_999_999)),
            ("2001-02-29", None),
            ("2001-13-01", None),
            ("2001-01-01T24:00:00Z", None),
            ("2001-01-01T00:00:60Z", None),
            ("2001-01-01T00:00:00", None),
            ("2001-01-01T00:00:00.Z", None),
            ("2001-01-01T00:00:00+2:00", None),
            ("é001-01-01", None),
            ("", None),
        ] {
            assert_eq!(
                Timestamp::parse_rfc3339(text),
                micros.map(Timestamp),
                "{text}"
            );
        }
    }
}
