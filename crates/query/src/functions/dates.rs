//! Dates and times: parts, starts and ends, differences, formats.

use super::{Function, long, string, text};
use crate::value::datetime::{self, Civil};
use crate::value::{TICKS_PER_DAY, TICKS_PER_SECOND, Value};

const WEEK: i64 = 7 * TICKS_PER_DAY;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::rows("startofday", |a| start(a, TICKS_PER_DAY, 1, 0)),
    Function::rows("endofday", |a| start(a, TICKS_PER_DAY, 1, 1)),
    Function::rows("startofweek", |a| week(a, 0)),
    Function::rows("endofweek", |a| week(a, 1)),
    Function::rows("startofmonth", |a| months(a, 1, 0)),
    Function::rows("endofmonth", |a| months(a, 1, 1)),
    Function::rows("startofyear", |a| months(a, 12, 0)),
    Function::rows("endofyear", |a| months(a, 12, 1)),
    Function::rows("dayofweek", |a| {
        Some(Value::Timespan(
            datetime::day_of_week(ticks(a, 0)?) * TICKS_PER_DAY,
        ))
    }),
    Function::rows("dayofmonth", |a| part(a, |c| c.day)),
    Function::rows("dayofyear", |a| part(a, Civil::day_of_year)),
    Function::rows("monthofyear", |a| part(a, |c| c.month)),
    Function::rows("getmonth", |a| part(a, |c| c.month)),
    Function::rows("getyear", |a| part(a, |c| c.year)),
    Function::rows("hourofday", |a| {
        part(a, |c| c.ticks_of_day / (3_600 * TICKS_PER_SECOND))
    }),
    Function::rows("weekofyear", |a| int(datetime::iso_week(ticks(a, 0)?))),
    Function::rows("week_of_year", |a| {
        Some(Value::Long(datetime::iso_week(ticks(a, 0)?)))
    }),
    Function::rows("datetime_part", |a| {
        datetime_part(&text(a, 0)?, ticks(a, 1)?)
    }),
    Function::rows("datepart", |a| datetime_part(&text(a, 0)?, ticks(a, 1)?)),
    Function::rows("datetime_add", |a| {
        let at = match &a[2] {
            Value::DateTime(v) => *v,
            _ => return None,
        };
        add(&text(a, 0)?, long(a, 1)?, at).map(Value::DateTime)
    }),
    Function::rows("datetime_diff", |a| {
        difference(&text(a, 0)?, ticks(a, 1)?, ticks(a, 2)?).map(Value::Long)
    }),
    Function::rows("make_datetime", make_datetime),
    Function::rows("make_timespan", make_timespan),
    Function::rows("around", |a| {
        let far = a[0].as_i64()?.checked_sub(a[1].as_i64()?)?.checked_abs()?;
        Some(Value::Bool(far <= a[2].as_i64()?.checked_abs()?))
    }),
    Function::rows("format_datetime", |a| {
        string(format(&text(a, 1)?, &Clock::of_datetime(ticks(a, 0)?))?)
    }),
    Function::rows("format_timespan", |a| match &a[0] {
        Value::Timespan(v) => {
            let sign = if *v < 0 { "-" } else { "" };
            let body = format(&text(a, 1)?, &Clock::of_timespan(*v))?;
            string(format!("{sign}{body}"))
        }
        _ => None,
    }),
    Function::rows("unixtime_seconds_todatetime", |a| unix(a, TICKS_PER_SECOND)),
    Function::rows("unixtime_milliseconds_todatetime", |a| unix(a, 10_000)),
    Function::rows("unixtime_microseconds_todatetime", |a| unix(a, 10)),
    Function::rows("unixtime_nanoseconds_todatetime", |a| {
        let ticks = long(a, 0)?.div_euclid(100) + datetime::UNIX_EPOCH_TICKS;
        datetime::in_range(ticks).map(Value::DateTime)
    }),
];

fn ticks(args: &[Value], index: usize) -> Option<i64> {
    match args.get(index)? {
        Value::DateTime(v) => Some(*v),
        // A datetime inside a dynamic is often text.
        Value::String(text) => datetime::parse(text),
        _ => None,
    }
}

fn int(value: i64) -> Option<Value> {
    i32::try_from(value).ok().map(Value::Int)
}

fn part(args: &[Value], of: fn(Civil) -> i64) -> Option<Value> {
    match args.first()? {
        // `hourofday` and its like also take a timespan's clock part.
        Value::Timespan(v) => int(of(Civil::from_ticks(v.rem_euclid(TICKS_PER_DAY)))),
        _ => int(of(Civil::from_ticks(ticks(args, 0)?))),
    }
}

/// Start (`ends` 0) or last tick (`ends` 1) of a fixed-length unit, moved by an offset.
fn start(args: &[Value], unit: i64, scale: i64, ends: i64) -> Option<Value> {
    let at = ticks(args, 0)?;
    let offset = offset(args)?.checked_mul(scale)?;
    let first = at - at.rem_euclid(unit) + offset.checked_mul(unit)?;
    datetime::in_range(first + ends * unit - ends).map(Value::DateTime)
}

fn week(args: &[Value], ends: i64) -> Option<Value> {
    let at = ticks(args, 0)?;
    let sunday = at - at.rem_euclid(TICKS_PER_DAY) - datetime::day_of_week(at) * TICKS_PER_DAY;
    let first = sunday.checked_add(offset(args)?.checked_mul(WEEK)?)?;
    datetime::in_range(first + ends * WEEK - ends).map(Value::DateTime)
}

fn months(args: &[Value], length: i64, ends: i64) -> Option<Value> {
    let civil = Civil::from_ticks(ticks(args, 0)?);
    let first = datetime::from_date(civil.year, if length == 12 { 1 } else { civil.month }, 1)?;
    let steps = offset(args)?.checked_mul(length)?;
    let shifted = datetime::add_months(first, steps)?;
    if ends == 0 {
        return Some(Value::DateTime(shifted));
    }
    // The end of year 9999 has no following start.
    let next = datetime::add_months(shifted, length).unwrap_or(datetime::TICKS_MAX + 1);
    Some(Value::DateTime(next - 1))
}

fn offset(args: &[Value]) -> Option<i64> {
    match args.get(1) {
        Some(value) => value.as_i64(),
        None => Some(0),
    }
}

fn datetime_part(unit: &str, at: i64) -> Option<Value> {
    let civil = Civil::from_ticks(at);
    let of_day = civil.ticks_of_day;
    let second = of_day % TICKS_PER_SECOND;
    int(match unit.to_ascii_lowercase().as_str() {
        "year" => civil.year,
        "quarter" => (civil.month - 1) / 3 + 1,
        "month" => civil.month,
        "week_of_year" | "weekofyear" => datetime::iso_week(at),
        "day" => civil.day,
        "dayofyear" => civil.day_of_year(),
        "hour" => of_day / (3_600 * TICKS_PER_SECOND),
        "minute" => of_day / (60 * TICKS_PER_SECOND) % 60,
        "second" => of_day / TICKS_PER_SECOND % 60,
        "millisecond" => second / 10_000,
        "microsecond" => second / 10,
        "nanosecond" => second * 100,
        _ => return None,
    })
}

fn unit_ticks(unit: &str) -> Option<i64> {
    Some(match unit {
        "week" => WEEK,
        "day" => TICKS_PER_DAY,
        "hour" => 3_600 * TICKS_PER_SECOND,
        "minute" => 60 * TICKS_PER_SECOND,
        "second" => TICKS_PER_SECOND,
        "millisecond" => 10_000,
        "microsecond" => 10,
        _ => return None,
    })
}

fn add(unit: &str, amount: i64, at: i64) -> Option<i64> {
    let unit = unit.to_ascii_lowercase();
    match unit.as_str() {
        "year" => datetime::add_months(at, amount.checked_mul(12)?),
        "quarter" => datetime::add_months(at, amount.checked_mul(3)?),
        "month" => datetime::add_months(at, amount),
        "nanosecond" => datetime::in_range(at.checked_add(amount / 100)?),
        other => {
            let step = amount.checked_mul(unit_ticks(other)?)?;
            datetime::in_range(at.checked_add(step)?)
        }
    }
}

/// Number of unit boundaries between two times.
fn difference(unit: &str, a: i64, b: i64) -> Option<i64> {
    let (ca, cb) = (Civil::from_ticks(a), Civil::from_ticks(b));
    let unit = unit.to_ascii_lowercase();
    Some(match unit.as_str() {
        "year" => ca.year - cb.year,
        "quarter" => (ca.year * 4 + (ca.month - 1) / 3) - (cb.year * 4 + (cb.month - 1) / 3),
        "month" => (ca.year * 12 + ca.month) - (cb.year * 12 + cb.month),
        "week" => {
            let sunday = |t: i64| (t.div_euclid(TICKS_PER_DAY) + 1).div_euclid(7);
            sunday(a) - sunday(b)
        }
        "nanosecond" => (a - b).checked_mul(100)?,
        other => {
            let size = unit_ticks(other)?;
            a.div_euclid(size) - b.div_euclid(size)
        }
    })
}

fn make_datetime(args: &[Value]) -> Option<Value> {
    let field = |i: usize, default: i64| args.get(i).map_or(Some(default), Value::as_i64);
    let (hour, minute) = (field(3, 0)?, field(4, 0)?);
    let second = match args.get(5) {
        Some(value) => value.as_f64()?,
        None => 0.0,
    };
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0.0..60.0).contains(&second) {
        return None;
    }
    let ticks_of_day = (hour * 3_600 + minute * 60) * TICKS_PER_SECOND + seconds(second);
    let civil = Civil {
        year: field(0, 0)?,
        month: field(1, 1)?,
        day: field(2, 1)?,
        ticks_of_day,
    };
    civil.to_ticks().map(Value::DateTime)
}

fn seconds(value: f64) -> i64 {
    (value * TICKS_PER_SECOND as f64).round() as i64
}

fn make_timespan(args: &[Value]) -> Option<Value> {
    let (days, rest) = if args.len() == 4 {
        (args[0].as_i64()?, &args[1..])
    } else {
        (0, args)
    };
    let (hours, minutes) = (rest.first()?.as_i64()?, rest.get(1)?.as_i64()?);
    let second = match rest.get(2) {
        Some(value) => value.as_f64()?,
        None => 0.0,
    };
    if !(0..24).contains(&hours) || !(0..60).contains(&minutes) || !(0.0..60.0).contains(&second) {
        return None;
    }
    let ticks = (days * 86_400 + hours * 3_600 + minutes * 60) * TICKS_PER_SECOND;
    Some(Value::Timespan(ticks + seconds(second)))
}

fn unix(args: &[Value], scale: i64) -> Option<Value> {
    let ticks = match args.first()? {
        Value::Real(v) => (v * scale as f64).round() as i64,
        other => other.as_i64()?.checked_mul(scale)?,
    };
    datetime::in_range(ticks.checked_add(datetime::UNIX_EPOCH_TICKS)?).map(Value::DateTime)
}

/// What a format pattern can ask for.
struct Clock {
    year: i64,
    month: i64,
    day: i64,
    ticks_of_day: i64,
    is_timespan: bool,
}

impl Clock {
    fn of_datetime(ticks: i64) -> Self {
        let civil = Civil::from_ticks(ticks);
        Self {
            year: civil.year,
            month: civil.month,
            day: civil.day,
            ticks_of_day: civil.ticks_of_day,
            is_timespan: false,
        }
    }

    fn of_timespan(ticks: i64) -> Self {
        let ticks = ticks.saturating_abs();
        Self {
            year: 0,
            month: 0,
            day: ticks / TICKS_PER_DAY,
            ticks_of_day: ticks % TICKS_PER_DAY,
            is_timespan: true,
        }
    }

    /// How many equal letters make one field.
    const fn longest(&self, letter: char) -> usize {
        match letter {
            'd' | 'M' | 'h' | 'H' | 'm' | 's' if !self.is_timespan => 2,
            _ => usize::MAX,
        }
    }

    /// The text of a run of equal letters; `None` when the pattern has no such letter.
    fn field(&self, letter: char, width: usize) -> Option<String> {
        let hour = self.ticks_of_day / (3_600 * TICKS_PER_SECOND);
        let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
        let number = match letter {
            'y' if !self.is_timespan && width <= 2 => self.year % 100,
            'y' if !self.is_timespan => self.year,
            'M' if !self.is_timespan => self.month,
            'd' => self.day,
            'H' => hour,
            'h' if self.is_timespan => hour,
            'h' => twelve,
            'm' => self.ticks_of_day / (60 * TICKS_PER_SECOND) % 60,
            's' => self.ticks_of_day / TICKS_PER_SECOND % 60,
            'f' | 'F' if width <= 7 => {
                let digits = format!("{:07}", self.ticks_of_day % TICKS_PER_SECOND);
                let cut = &digits[..width];
                return Some(match letter {
                    'F' => cut.trim_end_matches('0').to_owned(),
                    _ => cut.to_owned(),
                });
            }
            't' if !self.is_timespan => {
                let text = if hour < 12 { "AM" } else { "PM" };
                return Some(text[..width.min(2)].to_owned());
            }
            _ => return None,
        };
        Some(format!("{number:0width$}"))
    }
}

fn format(pattern: &str, clock: &Clock) -> Option<String> {
    let characters: Vec<char> = pattern.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    while at < characters.len() {
        let letter = characters[at];
        let run = characters[at..]
            .iter()
            .take_while(|c| **c == letter)
            .count();
        let run = run.min(clock.longest(letter));
        if letter.is_ascii_alphabetic() {
            out.push_str(&clock.field(letter, run)?);
        } else {
            out.extend(std::iter::repeat_n(letter, run));
        }
        at += run;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::{Clock, difference, format};
    use crate::value::datetime::parse;

    #[test]
    fn differences_count_boundaries() {
        let day = |text| parse(text).unwrap();
        let diff = |unit, a, b| difference(unit, day(a), day(b));
        assert_eq!(diff("quarter", "2024-03-31", "2020-04-01"), Some(15));
        assert_eq!(diff("hour", "2020-03-01", "2020-02-28 12:00:00"), Some(36));
        assert_eq!(diff("week", "2020-12-31", "2020-01-01"), Some(52));
    }

    #[test]
    fn patterns_are_filled() {
        let clock = Clock::of_datetime(parse("2017-01-29 09:00:05.12").unwrap());
        let text = format("yy-MM-dd [HH:mm:ss.fff tt]", &clock);
        assert_eq!(text.as_deref(), Some("17-01-29 [09:00:05.120 AM]"));
    }
}
