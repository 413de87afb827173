//! Who was never seen before runs into limits at once: a caller or a network that is new within a
//! day, with many 429 within an hour.

use atalaya_model::EntityKind;

use crate::analytics::Analytic;
use crate::engine::{Case, is_quiet, reason};
use crate::finding::entity;

parameters! {
    /// Requests that hit a limit within an hour.
    limited_min: u16 = 20,
    /// How long one is new, seconds.
    new_s: u32 = 86_400,
    /// Share of the hour's requests that hit a limit.
    share_min: f64 = 0.2,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    // Before the engine has watched for as long, everybody seems new.
    if !case.event.is_limited() || case.age_s < p.new_s {
        return;
    }
    let now = case.now;
    let caller = &case.caller;
    let limited = caller.hour.total(|hour| u32::from(hour.limited));
    let calls = caller.hour.total(|hour| u32::from(hour.calls)).max(1);
    let share = f64::from(limited) / f64::from(calls);
    let age_s = now.saturating_sub(caller.first_seen);
    let is_new = age_s < p.new_s;
    if is_new && limited >= u32::from(p.limited_min) && share >= p.share_min {
        if case.may_speak(Analytic::limits_by_new_source) {
            let reasons = vec![
                reason("limited", f64::from(limited), f64::from(p.limited_min)),
                reason("share", share, p.share_min),
                reason("known_for_s", f64::from(age_s), f64::from(p.new_s)),
            ];
            let since = caller.hour.start();
            let address = case.event.address.clone();
            case.about_caller(Analytic::limits_by_new_source, since, u64::from(limited), reasons)
                .also(EntityKind::Address, &address);
        }
        return;
    }
    let Some(network) = case.world.networks.get_mut(case.network) else {
        return;
    };
    let age_s = now.saturating_sub(network.first_seen);
    let all = network.hour.sum();
    let limited = u32::from(all.all.limited);
    let quiet = is_quiet(network.spoke[1], now);
    // Known callers that move to another network bring their load with them.
    let is_new = age_s < p.new_s && is_new;
    if quiet || !is_new || limited < u32::from(p.limited_min) || all.callers.estimate() < 1.5 {
        return;
    }
    network.spoke[1] = now;
    let (places, since) = (network.places, network.hour.start());
    let reasons = vec![
        reason("limited", f64::from(limited), f64::from(p.limited_min)),
        reason("callers", all.callers.estimate(), 1.0),
        reason("known_for_s", f64::from(age_s), f64::from(p.new_s)),
    ];
    let entities = entity(EntityKind::Address, &case.event.address).into_iter().collect();
    case.about(Analytic::limits_by_new_source, since, u64::from(limited), (entities, &places), reasons);
}
