//! A data set or artefact is not what its manifest says: other bytes, another size, other rows,
//! another source. Certain, and therefore before all statistics.

use atalaya_model::EntityKind;

use crate::analytics::Analytic;
use crate::engine::{Case, reason};
use crate::finding::entity;

parameters! {
    /// Fields that must disagree.
    fields_min: usize = 1,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    let Some(act) = &case.event.act else { return };
    if case.manifests.is_empty() {
        return;
    }
    let violations = case.manifests.check(act);
    if violations.is_empty() || violations.len() < p.fields_min {
        return;
    }
    let reasons = vec![reason("fields", violations.len() as f64, 0.0)];
    let mut entities: Vec<_> = entity(EntityKind::Document, act.subject()).into_iter().collect();
    entities.extend(case.actor());
    let (now, place) = (case.now, [case.place]);
    let finding = case.about(Analytic::manifest_violation, now, 1, (entities, &place), reasons);
    for violation in violations {
        finding.note(
            violation.field,
            format!("{}, the manifest says {}", violation.found, violation.expected),
        );
    }
}
