//! A document that answers everything: young, and retrieved for many unrelated questions of many
//! callers. Or one that a scan had flagged, and that is retrieved all the same.

use atalaya_model::EntityKind;

use crate::analytics::Analytic;
use crate::engine::{Case, is_quiet, reason};
use crate::finding::entity;

parameters! {
    /// Retrievals within a day.
    times_min: u32 = 30,
    /// Share of all retrievals.
    share_min: f64 = 0.1,
    /// Different kinds of questions, by their SimHash buckets.
    questions_min: f64 = 12.0,
    /// Mean distance of the questions to their centroid, bits: unrelated ones are near 30.
    spread_bits_min: f64 = 18.0,
    /// Different callers.
    callers_min: f64 = 4.0,
    /// How long a document is young, seconds.
    young_s: u32 = 3 * 86_400,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    let (now, place) = (case.now, case.place);
    if let Some(act) = &case.event.act {
        let flags = ["malicious", "suspicious", "injection", "unsafe", "infected", "blocked"];
        let verdict = act.scan_verdict.to_ascii_lowercase();
        let is_flagged = flags.iter().any(|flag| verdict.contains(flag)) && !verdict.starts_with("not");
        if matches!(act.resource_type.as_ref(), "index" | "document") && !act.subject().is_empty() {
            let name = act.subject();
            case.world.documents.written(name, is_flagged, now, place);
        }
        return;
    }
    if case.event.documents.is_empty() || !case.event.opens() {
        return;
    }
    case.world.documents.add(case.event, now, place);
    for id in &case.event.documents {
        judge_one(p, case, id);
    }
}

fn judge_one(p: &Parameters, case: &mut Case<'_>, id: &str) {
    let (now, age_s) = (case.now, case.age_s);
    let Some((document, all)) = case.world.documents.get_mut(id) else {
        return;
    };
    let quiet = is_quiet(document.spoke, now);
    let window = document.window.sum();
    let since = document.written.max(document.first_seen);
    // A document is only known to be young if its writing was logged, or the engine is older.
    let is_young = now.saturating_sub(since) < p.young_s && (document.written != 0 || age_s > p.young_s);
    let share = f64::from(window.times) / f64::from(all.max(1));
    let (questions, callers) = (window.questions.estimate(), window.callers.estimate());
    let spread = f64::from(window.distance) / f64::from(window.measured.max(1));
    let is_everywhere = is_young
        && window.times >= p.times_min
        && share >= p.share_min
        && questions >= p.questions_min
        && callers >= p.callers_min
        && (window.measured == 0 || spread >= p.spread_bits_min);
    if quiet || !(is_everywhere || document.is_flagged) {
        return;
    }
    document.spoke = now;
    let (places, is_flagged) = (document.places, document.is_flagged);
    let reasons = vec![
        reason("retrievals", f64::from(window.times), f64::from(p.times_min)),
        reason("share", share, p.share_min),
        reason("questions", questions, p.questions_min),
        reason("question_spread_bits", spread, p.spread_bits_min),
        reason("callers", callers, p.callers_min),
        reason("age_s", f64::from(now.saturating_sub(since)), f64::from(p.young_s)),
    ];
    let entities = entity(EntityKind::Document, id).into_iter().collect();
    let about = (entities, &places[..]);
    let finding = case.about(Analytic::document_retrieval, since, u64::from(window.times), about, reasons);
    if is_flagged {
        finding.note("scan", "a scan had flagged it");
    }
}
