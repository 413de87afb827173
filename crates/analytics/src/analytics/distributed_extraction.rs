//! Many accounts copy a model together: each stays below every limit, the group does not.
//!
//! A group is what shares network and client, TLS fingerprint, or template. Colleagues behind one
//! address that use one application share these as well; what they do not share is the pace of a
//! machine, calls around the clock, or accounts that are all new. One of these must be there.

use atalaya_model::{Entity, EntityKind};

use crate::analytics::Analytic;
use crate::engine::{Case, is_quiet, reason};
use crate::finding::Reason;
use crate::world::{Cluster, Clusters};

parameters! {
    /// Members within a day.
    callers_min: f64 = 10.0,
    /// Calls of all of them within a day.
    calls_min: u32 = 1_000,
    /// Share of the commonest template, where templates are told.
    template_share_min: f64 = 0.6,
    /// Mean distance of inputs to their centroid, bits, where they are not.
    centroid_distance_max: f64 = 18.0,
    /// Different inputs per call.
    coverage_min: f64 = 0.5,
    /// Output tokens per input token.
    output_ratio_min: f64 = 2.0,
    /// Share of calls with a single turn.
    single_turn_share_min: f64 = 0.8,
    /// Coefficient of variation of calls per member: load that was spread evenly.
    unevenness_max: f64 = 0.5,
    /// Share of calls at a machine's pace.
    paced_share_min: f64 = 0.6,
    /// Share of calls of members that are new within two days.
    new_share_min: f64 = 0.6,
    /// Share of calls in the quietest third of the day's hours.
    night_share_min: f64 = 0.2,
    /// Signs of the softer kind that must come together.
    signs_min: usize = 2,
    /// Mean deviation of gaps, relative to their mean, that is still a machine's pace.
    irregularity_max: f64 = 0.4,
}

const NEW_S: u32 = 2 * 86_400;
/// Only after that can the engine tell who is new.
const AGE_S: u32 = 3 * 86_400;

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    if !case.event.is_model_call() || case.event.is_classification() {
        return;
    }
    let caller = &*case.caller;
    let irregularity = caller.pacing.irregularity();
    let member = crate::world::Member {
        event: case.event,
        caller,
        now: case.now,
        is_new: case.age_s >= AGE_S && case.now.saturating_sub(caller.first_seen) < NEW_S,
        is_paced: irregularity.is_some_and(|i| f64::from(i) <= p.irregularity_max),
    };
    let mut found = None;
    for key in Clusters::keys(case.event, case.network) {
        if key.0 == 0 {
            continue;
        }
        let Some(cluster) = case.world.clusters.add(key, &member) else {
            continue;
        };
        cluster.keep(case.place);
        let calls = cluster.day.total(|day| day.calls);
        let is_due = calls >= p.calls_min && calls >= cluster.checked.saturating_add(50);
        if calls < cluster.checked {
            cluster.checked = 0;
        }
        let quiet = is_quiet(cluster.spoke, case.now);
        if !is_due || quiet {
            continue;
        }
        cluster.checked = calls;
        if let Some(reasons) = reasons(p, cluster) {
            cluster.spoke = case.now;
            found = Some((cluster.clone(), reasons));
            break;
        }
    }
    if let Some((cluster, reasons)) = found {
        tell(case, &cluster, reasons);
    }
}

fn reasons(p: &Parameters, cluster: &Cluster) -> Option<Vec<Reason>> {
    let day = cluster.day.sum();
    let (count, callers) = (f64::from(day.calls), day.callers.estimate());
    if callers < p.callers_min {
        return None;
    }
    let template_share = f64::from(day.templates.most()) / f64::from(day.templated.max(1));
    let distance = f64::from(day.distance) / f64::from(day.measured.max(1));
    let is_templated = day.templated * 2 >= day.calls && template_share >= p.template_share_min;
    let is_moulded = day.measured * 2 >= day.calls && distance <= p.centroid_distance_max;
    if !is_templated && !is_moulded {
        return None;
    }
    let mut reasons = vec![
        reason("callers", callers, p.callers_min),
        reason("calls", count, f64::from(p.calls_min)),
    ];
    reasons.push(if is_templated {
        reason("template_share", template_share.min(1.0), p.template_share_min)
    } else {
        reason("centroid_distance_bits", distance, p.centroid_distance_max)
    });
    let machine = [
        ("paced_share", f64::from(day.paced) / count, p.paced_share_min),
        ("new_caller_share", f64::from(day.new) / count, p.new_share_min),
        ("night_share", night_share(&day.clock), p.night_share_min),
    ];
    let machine = machine.into_iter().filter(|(_, seen, least)| seen >= least);
    let machine: Vec<Reason> = machine.map(|(name, seen, least)| reason(name, seen, least)).collect();
    let mean = count / callers;
    let variance = (f64::from(day.squares) / callers - mean * mean).max(0.0);
    let soft = [
        ("coverage", day.inputs.estimate() / count, p.coverage_min),
        ("single_turn_share", f64::from(day.single) / count, p.single_turn_share_min),
        (
            "output_input_ratio",
            f64::from(day.output_tokens) / f64::from(day.input_tokens).max(1.0),
            p.output_ratio_min,
        ),
        ("evenness", 1.0 - variance.sqrt() / mean, 1.0 - p.unevenness_max),
    ];
    let soft = soft.into_iter().filter(|(_, seen, least)| seen >= least);
    let soft: Vec<Reason> = soft.map(|(name, seen, least)| reason(name, seen, least)).collect();
    // Copying needs new inputs: without coverage it is something else.
    let covers = soft.iter().any(|reason| reason.signal == "coverage");
    if machine.is_empty() || soft.len() < p.signs_min || !covers {
        return None;
    }
    reasons.extend(machine);
    reasons.extend(soft);
    Some(reasons)
}

/// Share of the eight quietest hours of the day; 0 before most of a day was seen.
fn night_share(clock: &[u16; 24]) -> f64 {
    let mut hours = *clock;
    hours.sort_unstable();
    let total: u32 = hours.iter().map(|n| u32::from(*n)).sum();
    let night: u32 = hours.iter().take(8).map(|n| u32::from(*n)).sum();
    f64::from(night) / f64::from(total.max(1))
}

fn tell(case: &mut Case<'_>, cluster: &Cluster, reasons: Vec<Reason>) {
    let callers = cluster.callers.iter().map(|name| Entity {
        kind: EntityKind::Caller,
        value: name.to_string(),
    });
    let (kind, value) = match cluster.kind {
        1 => ("network_and_client", case.event.address.to_string()),
        2 => ("tls_fingerprint", case.event.tls.to_string()),
        _ => ("prompt_template", case.event.model.to_string()),
    };
    let since = cluster.day.start();
    let count = u64::from(cluster.day.total(|day| day.calls));
    let about = (callers.collect(), &cluster.places[..]);
    case.about(Analytic::distributed_extraction, since, count, about, reasons)
        .note("shared", kind)
        .note("seen_at", value);
}
