//! Datetimes: ticks of 100 ns since 0001-01-01 UTC, calendar arithmetic and text.

use std::fmt::Write as _;

use super::{TICKS_PER_DAY, TICKS_PER_SECOND};

/// Days from 0001-01-01 to 1970-01-01.
const UNIX_EPOCH_DAYS: i64 = 719_162;
/// Ticks from 0001-01-01 to 1970-01-01.
pub const UNIX_EPOCH_TICKS: i64 = UNIX_EPOCH_DAYS * TICKS_PER_DAY;
/// The last tick of year 9999.
pub const TICKS_MAX: i64 = 3_652_059 * TICKS_PER_DAY - 1;

/// Ticks of a stored time; `None` outside years 1-9999.
#[must_use]
pub fn from_unix_micros(micros: i64) -> Option<i64> {
    in_range(micros.checked_mul(10)?.checked_add(UNIX_EPOCH_TICKS)?)
}

/// Stored time of ticks, rounded down to microseconds.
#[must_use]
pub const fn to_unix_micros(ticks: i64) -> i64 {
    (ticks - UNIX_EPOCH_TICKS).div_euclid(10)
}

/// The ticks when they are within years 1-9999.
#[must_use]
pub fn in_range(ticks: i64) -> Option<i64> {
    (0..=TICKS_MAX).contains(&ticks).then_some(ticks)
}

/// Broken-down time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// 1-9999
    pub year: i64,
    /// 1-12
    pub month: i64,
    /// 1-31
    pub day: i64,
    /// Ticks since midnight.
    pub ticks_of_day: i64,
}

impl Civil {
    /// Breaks ticks down.
    #[must_use]
    pub fn from_ticks(ticks: i64) -> Self {
        let days = ticks.div_euclid(TICKS_PER_DAY);
        let (year, month, day) = atalaya_model::time::civil_from_days(days - UNIX_EPOCH_DAYS);
        Self {
            year,
            month,
            day,
            ticks_of_day: ticks.rem_euclid(TICKS_PER_DAY),
        }
    }

    /// Ticks; `None` when the date does not exist.
    #[must_use]
    pub fn to_ticks(self) -> Option<i64> {
        if !(1..=9999).contains(&self.year)
            || !(1..=12).contains(&self.month)
            || !(1..=days_in_month(self.year, self.month)).contains(&self.day)
        {
            return None;
        }
        let days = days_from_civil(self.year, self.month, self.day);
        in_range(days * TICKS_PER_DAY + self.ticks_of_day)
    }

    /// Day of the year, from 1.
    #[must_use]
    pub fn day_of_year(self) -> i64 {
        days_from_civil(self.year, self.month, self.day) - days_from_civil(self.year, 1, 1) + 1
    }
}

/// Midnight of a date, in ticks; `None` when there is no such date.
#[must_use]
pub fn from_date(year: i64, month: i64, day: i64) -> Option<i64> {
    Civil {
        year,
        month,
        day,
        ticks_of_day: 0,
    }
    .to_ticks()
}

/// Day of the week, Sunday is 0.
#[must_use]
pub const fn day_of_week(ticks: i64) -> i64 {
    (ticks.div_euclid(TICKS_PER_DAY) + 1).rem_euclid(7)
}

/// ISO 8601 week number.
#[must_use]
pub fn iso_week(ticks: i64) -> i64 {
    let monday_based = (day_of_week(ticks) + 6).rem_euclid(7);
    let thursday = ticks - (monday_based - 3) * TICKS_PER_DAY;
    (Civil::from_ticks(thursday).day_of_year() - 1) / 7 + 1
}

/// Adds months, clamping the day to the month's length; `None` outside years 1-9999.
#[must_use]
pub fn add_months(ticks: i64, months: i64) -> Option<i64> {
    let civil = Civil::from_ticks(ticks);
    let total = (civil.year * 12 + civil.month - 1).checked_add(months)?;
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
    if !(1..=9999).contains(&year) {
        return None;
    }
    Civil {
        year,
        month,
        day: civil.day.min(days_in_month(year, month)),
        ..civil
    }
    .to_ticks()
}

/// Number of days of a month.
#[must_use]
pub const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 0001-01-01 (Howard Hinnant's algorithm, shifted epoch).
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let mp = (month + 9) % 12;
    let doy = (153 * mp + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 306
}

/// `2020-01-31T08:00:00.0000000Z`: always seven digits, as `tostring` gives.
#[must_use]
pub fn to_text(ticks: i64) -> String {
    let mut out = seconds_text(ticks);
    let _ = write!(out, ".{:07}Z", ticks.rem_euclid(TICKS_PER_SECOND));
    out
}

/// The same with as many fractional digits as needed, as results print it.
#[must_use]
pub fn to_short_text(ticks: i64) -> String {
    let mut out = seconds_text(ticks);
    let fraction = ticks.rem_euclid(TICKS_PER_SECOND);
    if fraction != 0 {
        let digits = format!("{fraction:07}");
        out.push('.');
        out.push_str(digits.trim_end_matches('0'));
    }
    out.push('Z');
    out
}

fn seconds_text(ticks: i64) -> String {
    let civil = Civil::from_ticks(ticks);
    let seconds = civil.ticks_of_day / TICKS_PER_SECOND;
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        civil.year,
        civil.month,
        civil.day,
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Parses ISO 8601 (date, date and time, offset), `M/d/yyyy h:mm:ss tt` and RFC 822 texts.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    if !text.is_ascii() {
        return None;
    }
    parse_iso(text)
        .or_else(|| parse_slashes(text))
        .or_else(|| parse_slashes(&text.replacen('-', "/", 2)))
        .or_else(|| parse_rfc822(text))
}

fn parse_iso(text: &str) -> Option<i64> {
    let (date, rest) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], text[at + 1..].trim()),
        None => (text.trim_end_matches(['Z', 'z']), ""),
    };
    let mut parts = date.split('-');
    let year_text = parts.next()?;
    if year_text.len() == 8 && rest.is_empty() && !date.contains('-') {
        let day = from_date(
            number(&year_text[..4])?,
            number(&year_text[4..6])?,
            number(&year_text[6..])?,
        );
        return day;
    }
    if year_text.len() != 4 {
        return None;
    }
    let year = number(year_text)?;
    let month = parts.next().map_or(Some(1), number)?;
    let day = parts.next().map_or(Some(1), number)?;
    if parts.next().is_some() {
        return None;
    }
    with_time(from_date(year, month, day)?, rest)
}

fn parse_slashes(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut parts = date.split('/');
    let (a, b, c) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let day = if a.len() == 4 {
        from_date(number(a)?, number(b)?, number(c)?)?
    } else if c.len() == 4 {
        from_date(number(c)?, number(a)?, number(b)?)?
    } else {
        return None;
    };
    with_time(day, rest.trim())
}

fn parse_rfc822(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let text = text.split_once(',').map_or(text, |(_, rest)| rest).trim();
    let mut words = text.split_whitespace();
    let (first, second, third) = (words.next()?, words.next()?, words.next()?);
    let month_of = |word: &str| {
        let key = word.get(..3)?.to_ascii_lowercase();
        let at = MONTHS.iter().position(|m| *m == key)?;
        i64::try_from(at + 1).ok()
    };
    let (day, month) = match month_of(first) {
        Some(month) => (number(second.trim_end_matches(','))?, month),
        None => (number(first)?, month_of(second)?),
    };
    let year = match (third.len(), number(third)?) {
        (2, short) if short < 50 => 2000 + short,
        (2, short) => 1900 + short,
        (4, year) => year,
        _ => return None,
    };
    let rest: Vec<&str> = words.collect();
    with_time(from_date(year, month, day)?, &rest.join(" "))
}

fn with_time(midnight: i64, rest: &str) -> Option<i64> {
    if rest.is_empty() {
        return Some(midnight);
    }
    let (clock, offset) = split_offset(rest)?;
    let (clock, afternoon) = match clock.to_ascii_uppercase() {
        upper if upper.ends_with("AM") => (clock[..clock.len() - 2].trim(), Some(false)),
        upper if upper.ends_with("PM") => (clock[..clock.len() - 2].trim(), Some(true)),
        _ => (clock, None),
    };
    let mut parts = clock.split(':');
    let mut hours = number(parts.next()?)?;
    let minutes = parts.next().map_or(Some(0), number)?;
    let seconds = parts.next().unwrap_or("0");
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    if parts.next().is_some() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if let Some(afternoon) = afternoon {
        hours = hours % 12 + if afternoon { 12 } else { 0 };
    }
    let whole = number(whole)?;
    if hours > 23 || minutes > 59 || whole > 59 {
        return None;
    }
    let padded = format!("{fraction:0<7}");
    let ticks = number(padded.get(..7)?)?;
    let of_day = (hours * 3_600 + minutes * 60 + whole) * TICKS_PER_SECOND + ticks;
    in_range(midnight + of_day - offset)
}

/// Splits a clock text from its zone; the zone as ticks ahead of UTC.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    let upper = text.to_ascii_uppercase();
    for zone in ["Z", "GMT", "UTC"] {
        if upper.ends_with(zone) {
            return Some((text[..text.len() - zone.len()].trim(), 0));
        }
    }
    let Some(at) = text.rfind(['+', '-']) else {
        return Some((text, 0));
    };
    let sign = if text[at..].starts_with('-') { -1 } else { 1 };
    let digits = text[at + 1..].replace(':', "");
    let (hours, minutes) = match digits.len() {
        1 | 2 => (number(&digits)?, 0),
        4 => (number(&digits[..2])?, number(&digits[2..])?),
        _ => return None,
    };
    Some((
        text[..at].trim(),
        sign * (hours * 60 + minutes) * 60 * TICKS_PER_SECOND,
    ))
}

fn number(text: &str) -> Option<i64> {
    if text.is_empty() || text.len() > 9 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{TICKS_MAX, add_months, day_of_week, iso_week, parse, to_short_text, to_text};

    #[test]
    fn texts_are_read_and_written() {
        for (text, canonical) in [
            ("2020-01-31", "2020-01-31T00:00:00Z"),
            ("2020-01-31 08:05:06.7", "2020-01-31T08:05:06.7Z"),
            (
                "2020-01-31T08:05:06.1234567Z",
                "2020-01-31T08:05:06.1234567Z",
            ),
            ("2020-01-31T08:05:06+02:00", "2020-01-31T06:05:06Z"),
            ("0001-01-01", "0001-01-01T00:00:00Z"),
            ("12/31/2019 11:59:00 PM", "2019-12-31T23:59:00Z"),
            ("Sat, 8 Nov 14 15:05:02 GMT", "2014-11-08T15:05:02Z"),
            ("2020-1-2 3:04", "2020-01-02T03:04:00Z"),
        ] {
            assert_eq!(
                parse(text).map(to_short_text).as_deref(),
                Some(canonical),
                "{text}"
            );
        }
        for bad in ["", "not a date", "2020-13-01", "2020-02-30", "12:00"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(to_text(TICKS_MAX), "9999-12-31T23:59:59.9999999Z");
    }

    #[test]
    fn the_calendar_holds() {
        let day = |text| parse(text).unwrap();
        assert_eq!(day_of_week(day("1970-05-11")), 1);
        assert_eq!(iso_week(day("2021-01-03")), 53);
        assert_eq!(add_months(day("2024-01-31"), 1), Some(day("2024-02-29")));
        assert_eq!(add_months(day("9999-12-01"), 1), None);
    }
}
