//! A caller looks for the border: predictions that stay around one half, or texts that stay just
//! below what is blocked.

use atalaya_model::EntityKind;

use crate::analytics::Analytic;
use crate::engine::{Case, reason};

parameters! {
    /// Predictions within an hour.
    predictions_min: u16 = 60,
    /// Share of them with a confidence between 0.35 and 0.65.
    unsure_share_min: f64 = 0.6,
    /// The same share of all of the model's predictions, at most.
    model_unsure_share_max: f64 = 0.3,
    /// Texts within an hour with a score just below a block.
    hovering_min: u16 = 12,
    /// And texts that were blocked.
    blocked_min: u16 = 3,
    /// Share of the caller's texts of the hour that these are: among very many, some are by chance.
    found_share_min: f64 = 0.15,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    if !case.event.opens() || !case.event.is_model_call() {
        return;
    }
    let hour = |of: fn(&crate::caller::Hour) -> u16| case.caller.hour.total(|hour| u32::from(of(hour)));
    let (classified, unsure) = (hour(|h| h.classified), hour(|h| h.unsure));
    let (hovering, refused) = (hour(|h| h.hovering), hour(|h| h.refused));
    let since = case.caller.hour.start();
    let found = f64::from(hovering + refused) / f64::from(hour(|h| h.calls).max(1));
    let hovers = hovering >= u32::from(p.hovering_min)
        && refused >= u32::from(p.blocked_min)
        && found >= p.found_share_min;
    if hovers && case.event.score > 0 && case.may_speak(Analytic::boundary_probing) {
        let reasons = vec![
            reason("scores_below_the_limit", f64::from(hovering), f64::from(p.hovering_min)),
            reason("blocked", f64::from(refused), f64::from(p.blocked_min)),
            reason("share", found, p.found_share_min),
        ];
        case.about_caller(Analytic::boundary_probing, since, u64::from(hovering + refused), reasons);
        return;
    }
    let share = f64::from(unsure) / f64::from(classified.max(1));
    let is_unsure = classified >= u32::from(p.predictions_min) && share >= p.unsure_share_min;
    if !is_unsure || !case.event.is_classification() || !case.may_speak(Analytic::boundary_probing) {
        return;
    }
    let model = case.world.models.get_mut(&case.event.model);
    // A model that is unsure with everybody is not being probed.
    let usual = model.map_or(0.0, |model| f64::from(model.unsure.mean));
    if usual > p.model_unsure_share_max {
        return;
    }
    let reasons = vec![
        reason("unsure_share", share, usual),
        reason("predictions", f64::from(classified), f64::from(p.predictions_min)),
    ];
    let model = case.event.model.clone();
    case.about_caller(Analytic::boundary_probing, since, u64::from(classified), reasons)
        .also(EntityKind::Model, &model);
}
