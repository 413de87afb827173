//! A caller that never asked for probabilities asks for many: the raw material of inversion,
//! membership inference and copying.

use crate::analytics::Analytic;
use crate::engine::{Case, reason};

parameters! {
    /// Calls with log-probabilities within an hour.
    logprobs_min: u16 = 60,
    /// Share of the hour's calls.
    share_min: f64 = 0.5,
    /// Share of earlier calls that still counts as "never asked".
    usual_max: f64 = 0.25,
    /// Calls within an hour that are too many whoever asks.
    logprobs_alone_min: u16 = 600,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    if !case.event.logprobs || !case.event.opens() {
        return;
    }
    let caller = &case.caller;
    let logprobs = caller.hour.total(|hour| u32::from(hour.logprobs));
    if logprobs < u32::from(p.logprobs_min) || !case.may_speak(Analytic::score_harvesting) {
        return;
    }
    let calls = caller.hour.total(|hour| u32::from(hour.calls)).max(1);
    let share = f64::from(logprobs) / f64::from(calls);
    // The share before this hour, worked back from the exponential mean.
    let weight = 1.0 - 0.996_f64.powi(calls as i32);
    let usual = ((f64::from(caller.usual_logprobs) - weight * share) / (1.0 - weight).max(0.01)).clamp(0.0, 1.0);
    let had_a_habit = caller.calls >= calls + 100;
    let is_new_habit = had_a_habit && usual <= p.usual_max && share >= p.share_min;
    if !is_new_habit && logprobs < u32::from(p.logprobs_alone_min) {
        return;
    }
    if had_a_habit && !is_new_habit && usual > p.usual_max {
        return;
    }
    let reasons = vec![
        reason("logprob_calls", f64::from(logprobs), f64::from(p.logprobs_min)),
        reason("share", share, usual),
    ];
    let since = caller.hour.start();
    case.about_caller(Analytic::score_harvesting, since, u64::from(logprobs), reasons);
}
