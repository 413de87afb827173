//! Local times, with the rules of the IANA time zone database.

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone as _};
use chrono_tz::Tz;

use super::{Function, text};
use crate::value::{TICKS_PER_SECOND, Value};

/// Seconds from 0001-01-01 to 1970-01-01.
const UNIX_SECONDS: i64 = 62_135_596_800;
const NANOS_PER_TICK: i64 = 100;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::rows("datetime_utc_to_local", |a| {
        let zone: Tz = text(a, 1)?.parse().ok()?;
        let at = naive(&a[0])?;
        value(zone.from_utc_datetime(&at).naive_local())
    }),
    Function::rows("datetime_local_to_utc", |a| {
        let zone: Tz = text(a, 1)?.parse().ok()?;
        value(to_utc(zone, naive(&a[0])?)?.naive_utc())
    }),
    Function::rows("datetime_list_timezones", |_| {
        let names = chrono_tz::TZ_VARIANTS
            .iter()
            .map(|zone| Value::string(zone.name()));
        Some(Value::array(names.collect()))
    }),
];

/// The later of two moments with one local time; a time that clocks skip is that when they do.
fn to_utc(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Tz>> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) | LocalResult::Ambiguous(_, at) => Some(at),
        LocalResult::None => {
            let before = local - TimeDelta::try_hours(1)?;
            zone.from_local_datetime(&before).latest()
        }
    }
}

fn naive(value: &Value) -> Option<NaiveDateTime> {
    let Value::DateTime(ticks) = value else {
        return None;
    };
    let seconds = ticks.div_euclid(TICKS_PER_SECOND) - UNIX_SECONDS;
    let nanos = ticks.rem_euclid(TICKS_PER_SECOND) * NANOS_PER_TICK;
    let at = DateTime::from_timestamp(seconds, u32::try_from(nanos).ok()?)?;
    Some(at.naive_utc())
}

fn value(at: NaiveDateTime) -> Option<Value> {
    let at = at.and_utc();
    let seconds = (at.timestamp() + UNIX_SECONDS).checked_mul(TICKS_PER_SECOND)?;
    let ticks = seconds + i64::from(at.timestamp_subsec_nanos()) / NANOS_PER_TICK;
    crate::value::datetime::in_range(ticks).map(Value::DateTime)
}
