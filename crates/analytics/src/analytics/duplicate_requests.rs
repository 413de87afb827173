//! The same request, hundreds of times within an hour: a replay, a runaway client, or noise that
//! is meant to hide something. Timers of monitoring are slower, and usual at this hour.

use crate::analytics::Analytic;
use crate::engine::{Case, reason};

parameters! {
    /// Repeated inputs within an hour.
    repeats_min: u32 = 300,
    /// Share of the hour's calls.
    share_min: f64 = 0.5,
    /// A caller with days of history must exceed its busiest hour this many times.
    most_factor: f64 = 2.0,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    if !case.relation.is_repeat {
        return;
    }
    let caller = &case.caller;
    let repeats = caller.hour.total(|hour| u32::from(hour.repeats));
    if repeats < p.repeats_min || !case.may_speak(Analytic::duplicate_requests) {
        return;
    }
    let calls = caller.hour.total(|hour| u32::from(hour.calls)).max(1);
    let share = f64::from(repeats) / f64::from(calls);
    let most = caller.hours.judge(4, 1).map_or(0.0, |usual| usual.most_calls);
    if share < p.share_min || f64::from(caller.hours.calls) < p.most_factor * most {
        return;
    }
    let reasons = vec![
        reason("repeats", f64::from(repeats), f64::from(p.repeats_min)),
        reason("share", share, p.share_min),
        reason("busiest_hour", f64::from(caller.hours.calls), most),
    ];
    let since = caller.hour.start();
    case.about_caller(Analytic::duplicate_requests, since, u64::from(repeats), reasons);
}
