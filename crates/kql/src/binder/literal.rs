//! Typed literals: `datetime(…)`, `dynamic(…)`, `timespan(…)`, `guid(…)`, `long(…)`.

use atalaya_model::Span;

use super::Binder;
use crate::bound::{Expr, ExprKind, Literal, Type};
use crate::parser::timespan_ticks;

/// Ticks of a second.
const SECOND: i64 = 10_000_000;
/// Ticks of a day.
const DAY: i64 = 86_400 * SECOND;

impl Binder<'_> {
    pub(crate) fn typed_literal(&mut self, name: &str, raw: &str, span: Span) -> Option<Expr> {
        let ty = Type::parse(name)?;
        if raw == "null" || (raw.is_empty() && ty != Type::DateTime) {
            return Some(literal(Literal::Null, ty, span));
        }
        let unquoted = raw.trim_matches(['"', '\'']);
        let value = match ty {
            Type::Bool => match raw {
                "true" | "1" => Some(Literal::Bool(true)),
                "false" | "0" => Some(Literal::Bool(false)),
                _ => None,
            },
            Type::Int | Type::Long => match raw.strip_prefix("0x").or(raw.strip_prefix("0X")) {
                Some(hex) => i64::from_str_radix(hex, 16).ok().map(Literal::Long),
                None => raw.parse().ok().map(Literal::Long),
            },
            Type::Real => match raw {
                "nan" | "NaN" => Some(Literal::Real(f64::NAN)),
                "+inf" | "inf" => Some(Literal::Real(f64::INFINITY)),
                "-inf" => Some(Literal::Real(f64::NEG_INFINITY)),
                _ => raw.parse().ok().map(Literal::Real),
            },
            Type::Decimal => Some(Literal::Decimal(raw.to_owned())),
            Type::String => Some(Literal::String(unquoted.to_owned())),
            Type::DateTime if raw == "now" || raw.is_empty() => {
                Some(Literal::DateTime(self.options.now_ticks))
            }
            Type::DateTime => datetime_ticks(unquoted).map(Literal::DateTime),
            Type::Timespan => timespan(unquoted).map(Literal::Timespan),
            Type::Guid => guid(unquoted).map(Literal::Guid),
            Type::Dynamic => match super::dynamic::to_json(raw) {
                Ok(json) => Some(Literal::Dynamic(json)),
                Err(place) => {
                    let message = "here the literal stops being JSON".to_owned();
                    self.error("KS006", self.place_in_literal(span, raw, place), message);
                    return None;
                }
            },
        };
        // Kusto takes it and means null: it may be a placeholder that is filled in later.
        if value.is_none() {
            let short: String = raw.chars().take(60).collect();
            let message = format!("`{short}` is no {}: it stands for null", ty.name());
            let help = match ty {
                Type::DateTime => "write a date as `2024-01-31 13:00:00`".to_owned(),
                ty => format!("write `to{}(…)` to convert a value", ty.name()),
            };
            let warning = atalaya_model::Diagnostic::warning("ATL105", span, message);
            self.diagnostics.push(warning.with_help(help));
        }
        Some(literal(value.unwrap_or(Literal::Null), ty, span))
    }
}

impl Binder<'_> {
    /// A place in the text between a literal's parentheses; parentheses may stand around it too.
    fn place_in_literal(&self, literal: Span, raw: &str, place: usize) -> Span {
        let inside = literal.slice(&self.source).find(raw).unwrap_or(0);
        let start = (literal.start + inside + place).min(literal.end);
        let next = self
            .source
            .get(start..)
            .and_then(|rest| rest.chars().next());
        Span::new(start, start + next.map_or(0, char::len_utf8))
    }
}

pub(crate) fn literal(value: Literal, ty: Type, span: Span) -> Expr {
    let range = match &value {
        #[expect(clippy::cast_precision_loss, reason = "a range is a hint, not a value")]
        Literal::Long(value) => Some((*value as f64, *value as f64)),
        Literal::Real(value) if value.is_finite() => Some((*value, *value)),
        _ => None,
    };
    Expr {
        kind: ExprKind::Literal(value),
        ty,
        span,
        range,
    }
}

/// `5m`, `1.02:03:04.5`, `02:03`, a number of days.
fn timespan(text: &str) -> Option<i64> {
    if let Some(ticks) = timespan_ticks(text) {
        return Some(ticks);
    }
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    if let Ok(days) = text.parse::<i64>() {
        return Some(sign * days.wrapping_mul(DAY));
    }
    let (days, clock) = match text.split_once('.') {
        Some((days, rest)) if rest.contains(':') => (days.parse::<i64>().ok()?, rest),
        _ => (0, text),
    };
    Some(sign * days.wrapping_mul(DAY).wrapping_add(clock_ticks(clock)?))
}

/// `hh:mm[:ss[.fffffff]]`
fn clock_ticks(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let hours: i64 = parts.next()?.parse().ok()?;
    let minutes: i64 = parts.next()?.parse().ok()?;
    let (seconds, fraction) = match parts.next() {
        None => (0, 0),
        Some(seconds) => {
            let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
            (whole.parse::<i64>().ok()?, fraction_ticks(fraction)?)
        }
    };
    if parts.next().is_some() || hours > 24 || minutes > 59 || seconds > 59 {
        return None;
    }
    Some((hours * 3_600 + minutes * 60 + seconds) * SECOND + fraction)
}

fn fraction_ticks(digits: &str) -> Option<i64> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let padded: String = digits.chars().chain("0000000".chars()).take(7).collect();
    padded.parse().ok()
}

/// ISO 8601, with a space or `T`, with or without a zone; UTC where none is given.
pub(crate) fn datetime_ticks(text: &str) -> Option<i64> {
    let text = text.replace(" - ", "-");
    let text = text.as_str();
    if let Some(ticks) = month_first(text) {
        return Some(ticks);
    }
    let (date, rest) = match text.find(['T', ' ']) {
        Some(at) => (&text[..at], text[at + 1..].trim()),
        None => (text, ""),
    };
    let mut parts = date.split(['-', '/']);
    let year: i64 = parts.next()?.parse().ok()?;
    let month: i64 = parts.next().map_or(Some(1), |part| part.parse().ok())?;
    let day: i64 = parts.next().map_or(Some(1), |part| part.parse().ok())?;
    let is_date = (1..=9999).contains(&year) && (1..=12).contains(&month);
    if !is_date || parts.next().is_some() || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    let (clock, offset) = zone(rest)?;
    let clock = if clock.is_empty() {
        0
    } else {
        clock_ticks(clock)?
    };
    Some(days_from_civil(year, month, day) * DAY + clock - offset)
}

/// `01/31/2024 13:00:00`
fn month_first(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut parts = date.split(['/', '-']);
    let (month, day, year) = (parts.next()?, parts.next()?, parts.next()?);
    (year.len() == 4 && month.len() <= 2)
        .then(|| datetime_ticks(&format!("{year}-{month}-{day} {rest}")))?
}

/// Splits off `Z` or `+hh:mm`; returns the clock and the offset in ticks.
fn zone(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = text.rfind(['+', '-']) else {
        return Some((text, 0));
    };
    let sign = if text.as_bytes().get(at) == Some(&b'-') {
        -1
    } else {
        1
    };
    let (hours, minutes) = text[at + 1..]
        .split_once(':')
        .unwrap_or((&text[at + 1..], "0"));
    let hours: i64 = hours.parse().ok()?;
    let minutes: i64 = minutes.parse().ok()?;
    Some((&text[..at], sign * (hours * 3_600 + minutes * 60) * SECOND))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 0001-01-01 (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    // Day 306 of year 0 of this count is 0001-01-01.
    era * 146_097 + doe - 306
}

/// `2024-01-31T13:00:00.0000000Z`
pub(super) fn datetime_text(ticks: i64) -> String {
    // Civil from days (H. Hinnant, "chrono-compatible low-level date algorithms").
    let days = ticks.div_euclid(DAY) + days_of_year_one();
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let rest = ticks.rem_euclid(DAY);
    let (seconds, fraction) = (rest / SECOND, rest % SECOND);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:07}Z")
}

/// Days from 0000-03-01, where the calendar of [`datetime_text`] starts, to 0001-01-01.
const fn days_of_year_one() -> i64 {
    306
}

fn guid(text: &str) -> Option<String> {
    let hex: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let is_guid = hex.len() == 32
        && text
            .chars()
            .all(|c| c.is_ascii_hexdigit() || "-{}()".contains(c));
    let h = hex.to_ascii_lowercase();
    is_guid.then(|| {
        format!(
            "{}-{}-{}-{}-{}",
            &h[..8],
            &h[8..12],
            &h[12..16],
            &h[16..20],
            &h[20..]
        )
    })
}
