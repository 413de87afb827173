//! The same content is put into a data set or an index under many names within an hour: weight by
//! repetition, or the cluster of near-copies that a retrieval attack needs.

use atalaya_model::EntityKind;

use crate::analytics::Analytic;
use crate::engine::{Case, is_quiet, reason};
use crate::finding::entity;

parameters! {
    /// Times within an hour.
    times_min: u32 = 20,
    /// Different names.
    names_min: f64 = 10.0,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    let Some(act) = &case.event.act else { return };
    let adds = ["upload", "add", "create", "write", "insert", "ingest", "index"];
    let operation = act.operation.to_ascii_lowercase();
    if !adds.iter().any(|known| operation.contains(known)) {
        return;
    }
    let (now, place) = (case.now, case.place);
    let Some(content) = case.world.datasets.upload(act, now, 1_800, place) else {
        return;
    };
    let window: crate::world::Uploads = content.window.sum();
    let quiet = is_quiet(content.spoke, now);
    let names = window.names.estimate();
    if quiet || window.times < p.times_min || names < p.names_min {
        return;
    }
    content.spoke = now;
    let (places, since) = (content.places, content.window.start());
    let reasons = vec![
        reason("times", f64::from(window.times), f64::from(p.times_min)),
        reason("names", names, p.names_min),
    ];
    let entities = case.actor().into_iter().chain(entity(EntityKind::Document, &act.resource));
    let about = (entities.collect(), &places[..]);
    case.about(Analytic::duplicate_burst, since, u64::from(window.times), about, reasons);
}
