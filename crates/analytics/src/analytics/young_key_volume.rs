//! A key that was made a short while ago is used in bulk: an account that was opened for one
//! purpose, or a stolen console that made itself a key.

use atalaya_model::EntityKind;

use crate::analytics::Analytic;
use crate::engine::{Case, reason};

parameters! {
    /// How long a key is young, seconds.
    young_s: u32 = 3_600,
    /// Calls of a key whose making was told.
    calls_min: u32 = 300,
    /// Calls of a caller that was only never seen before.
    calls_unseen_min: u32 = 3_000,
    /// How long the engine must have watched before "never seen" means anything, seconds.
    age_min_s: u32 = 86_400,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    if !case.event.opens() || case.caller.calls < p.calls_min {
        return;
    }
    let (calls, first_seen) = (case.caller.calls, case.caller.first_seen);
    let age_s = match case.event.key_created {
        Some(created) => {
            let created = u32::try_from(created.0.max(0) / 1_000_000).unwrap_or(u32::MAX);
            // A caller that is older than its key has changed it, as one should.
            if first_seen.saturating_add(p.young_s) < created {
                return;
            }
            case.now.saturating_sub(created)
        }
        None if case.age_s >= p.age_min_s && calls >= p.calls_unseen_min => {
            case.now.saturating_sub(first_seen)
        }
        None => return,
    };
    if age_s >= p.young_s || !case.may_speak(Analytic::young_key_volume) {
        return;
    }
    let reasons = vec![
        reason("calls", f64::from(calls), f64::from(p.calls_min)),
        reason("age_s", f64::from(age_s), f64::from(p.young_s)),
    ];
    let key = case.event.key.clone();
    case.about_caller(Analytic::young_key_volume, first_seen, u64::from(calls), reasons)
        .also(EntityKind::Key, &key);
}
