//! Somebody tries what there is: many different endpoints or model names within an hour, most of
//! them wrong. By one caller, or by many (or nobody) from one network.

use atalaya_model::{Entity, EntityKind};

use crate::analytics::Analytic;
use crate::caller::Hour;
use crate::engine::{Case, is_quiet, reason};
use crate::finding::Reason;

parameters! {
    /// Different paths.
    paths_min: f64 = 10.0,
    /// Different model names.
    models_min: f64 = 8.0,
    /// Share of requests that were errors.
    error_share_min: f64 = 0.4,
    /// Requests.
    requests_min: u32 = 12,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    // A success changes nothing for the worse.
    if !(400..500).contains(&case.event.status) && case.event.auth != "failure" {
        return;
    }
    let hour = case.caller.hour.sum();
    if case.may_speak(Analytic::interface_enumeration)
        && let Some(reasons) = reasons(p, &hour)
    {
        let since = case.caller.hour.start();
        let count = u64::from(hour.calls);
        let address = case.event.address.clone();
        case.about_caller(Analytic::interface_enumeration, since, count, reasons)
            .also(EntityKind::Address, &address);
        if let Some(network) = case.world.networks.get_mut(case.network) {
            network.spoke[0] = case.now;
        }
        return;
    }
    let now = case.now;
    let Some(network) = case.world.networks.get_mut(case.network) else {
        return;
    };
    let quiet = is_quiet(network.spoke[0], now);
    let all = network.hour.sum();
    // One caller's own requests are judged above.
    if quiet || all.callers.estimate() < 1.5 {
        return;
    }
    let Some(mut reasons) = reasons(p, &all.all) else {
        return;
    };
    network.spoke[0] = now;
    let network = network.clone();
    reasons.push(reason("callers", all.callers.estimate(), 1.0));
    let entities = network.addresses.iter().map(|address| Entity {
        kind: EntityKind::Address,
        value: address.to_string(),
    });
    let about = (entities.collect(), &network.places[..]);
    let count = u64::from(all.all.calls);
    case.about(Analytic::interface_enumeration, network.hour.start(), count, about, reasons);
}

fn reasons(p: &Parameters, hour: &Hour) -> Option<Vec<Reason>> {
    if u32::from(hour.calls) < p.requests_min {
        return None;
    }
    let share = f64::from(hour.errors) / f64::from(hour.calls.max(1));
    let (paths, models) = (Hour::different(hour.paths), Hour::different(hour.models));
    let is_wide = paths >= p.paths_min || models >= p.models_min;
    (is_wide && share >= p.error_share_min).then(|| {
        vec![
            reason("paths", paths, p.paths_min),
            reason("models", models, p.models_min),
            reason("error_share", share, p.error_share_min),
            reason("denied", f64::from(hour.denied), 0.0),
        ]
    })
}
