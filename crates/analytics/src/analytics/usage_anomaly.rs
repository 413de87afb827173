//! Far more than is usual for this caller at this hour of the week, in calls or in tokens: the
//! robust z-score, with enough history and an absolute floor, against the busiest hour as well.

use crate::analytics::Analytic;
use crate::engine::{Case, reason};

parameters! {
    /// Robust z-score of the hour's calls.
    z_min: f64 = 4.0,
    /// Calls of an hour that are looked at.
    calls_min: u32 = 400,
    /// Times the busiest hour before.
    most_factor: f64 = 4.0,
    /// Tokens of an hour that are looked at; those that were read count an eighth.
    tokens_min: f64 = 300_000.0,
    /// Times the most tokens of an hour before.
    tokens_factor: f64 = 5.0,
    /// Active hours of history.
    hours_min: u16 = 20,
    /// Days of history.
    days_min: u32 = 3,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    let hours = &case.caller.hours;
    let (calls, tokens) = (hours.calls, f64::from(hours.tokens));
    let is_due = calls >= p.calls_min && calls.is_multiple_of(8);
    let is_heavy = tokens >= p.tokens_min && case.event.tokens().is_some();
    if !(is_due || is_heavy) || !case.may_speak(Analytic::usage_anomaly) {
        return;
    }
    let Some(usual) = hours.judge(p.hours_min, p.days_min) else {
        return;
    };
    let mut reasons = Vec::new();
    if is_due && usual.z >= p.z_min && f64::from(calls) >= p.most_factor * usual.most_calls {
        reasons.push(reason("calls", f64::from(calls), usual.usual_calls));
        reasons.push(reason("robust_z", usual.z, p.z_min));
        reasons.push(reason("busiest_hour", f64::from(calls), usual.most_calls));
    }
    let is_token_flood = tokens >= p.tokens_factor * usual.most_tokens.max(1.0);
    if is_heavy && is_token_flood && usual.most_tokens > 0.0 {
        reasons.push(reason("tokens", tokens, usual.usual_tokens));
        reasons.push(reason("heaviest_hour", tokens, usual.most_tokens));
    }
    if reasons.is_empty() {
        return;
    }
    reasons.push(reason("active_hours_known", f64::from(usual.hours), f64::from(p.hours_min)));
    let since = case.now - case.now % 3_600;
    case.about_caller(Analytic::usage_anomaly, since, u64::from(calls), reasons);
}
