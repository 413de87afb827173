//! One contributor changes far more of a data set than is usual: for it, and for anybody.

use atalaya_model::EntityKind;

use crate::analytics::Analytic;
use crate::engine::{Case, is_quiet, reason};
use crate::finding::entity;

parameters! {
    /// Rows of a contributor within a day that are looked at.
    rows_min: f64 = 1_000.0,
    /// Times the contributor's busiest day.
    own_factor: f64 = 4.0,
    /// Times the usual change of the data set.
    dataset_factor: f64 = 8.0,
    /// Changes by which the data set's usual is known.
    changes_min: u32 = 8,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    let Some(act) = &case.event.act else { return };
    let (now, place) = (case.now, case.place);
    let Some((contribution, usual, changes)) = case.world.datasets.contribute(case.event, act, now, place) else {
        return;
    };
    let quiet = is_quiet(contribution.spoke, now);
    let rows = contribution.rows;
    let is_flood = rows >= p.rows_min
        && changes >= p.changes_min
        && rows >= p.dataset_factor * usual
        && rows >= p.own_factor * contribution.highest;
    if quiet || !is_flood {
        return;
    }
    contribution.spoke = now;
    let contribution = *contribution;
    let reasons = vec![
        reason("rows", rows, usual),
        reason("own_highest", contribution.highest, contribution.usual),
        reason("known_for_s", f64::from(now.saturating_sub(contribution.first_seen)), 0.0),
    ];
    let mut entities: Vec<_> = case.actor().into_iter().collect();
    entities.extend(entity(EntityKind::Document, act.subject()));
    let about = (entities, &contribution.places[..]);
    case.about(Analytic::contribution_flood, now - now % 86_400, rows as u64, about, reasons);
}
