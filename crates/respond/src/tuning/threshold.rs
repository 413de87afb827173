//! What another threshold would have meant: the effect is shown before anything is applied.
//!
//! History is run through the ladder again, once per candidate. What a threshold finds is compared
//! with what analysts said about the same callers: a threshold that loses an attack is never
//! suggested.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use super::allow::Allowlist;
use crate::ladder::{Counters, Ladder, Meaning, Rung, Seen};

/// What one threshold would have meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Effect {
    /// The rung.
    pub at: u32,
    /// Alerts.
    pub alerts: usize,
    /// Entities that they are about.
    pub entities: usize,
    /// Entities that were judged to attack, and are found.
    pub attackers_found: usize,
    /// Entities that were judged to attack, and are not found.
    pub attackers_missed: usize,
    /// Entities that were judged not to attack, and are alerted on.
    pub innocents_alerted: usize,
}

/// A suggestion, with everything that it was chosen from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    /// The ladder.
    pub ladder_id: String,
    /// Its lowest rung that alerts, now.
    pub current: u32,
    /// The suggested one; none if history gives no reason to change.
    pub suggested: Option<u32>,
    /// Why.
    pub reason: String,
    /// The effect of every candidate, the current one included.
    pub effects: Vec<Effect>,
    /// Decisions that were looked at.
    pub decisions: usize,
}

/// Callers that analysts judged.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// Judged to attack.
    pub attackers: BTreeSet<String>,
    /// Judged not to.
    pub innocents: BTreeSet<String>,
}

/// Suggests the lowest rung of a ladder that alerts.
#[must_use]
pub fn suggest(
    ladder: &Ladder,
    history: &[Seen],
    allowed: &Allowlist,
    judged: &Judged,
) -> Suggestion {
    let current = alerting(ladder).map_or(0, |rung| rung.at);
    let effects: Vec<Effect> = candidates(current)
        .into_iter()
        .map(|at| effect(ladder, at, history, allowed, judged))
        .collect();
    let now = effects.iter().find(|effect| effect.at == current);
    // The fewest innocents, then the fewest alerts, among those that lose no attacker.
    let best = effects
        .iter()
        .filter(|effect| now.is_none_or(|now| effect.attackers_missed <= now.attackers_missed))
        .min_by_key(|effect| (effect.innocents_alerted, effect.alerts, effect.at));
    let (suggested, reason) = match (now, best) {
        _ if judged.attackers.is_empty() && judged.innocents.is_empty() => (
            None,
            "nobody was judged yet: give incidents a disposition or label decisions".to_owned(),
        ),
        (Some(now), Some(best)) if best.at != current => {
            let spared = now.innocents_alerted.saturating_sub(best.innocents_alerted);
            if spared == 0 {
                let reason = "no other threshold spares an innocent caller".to_owned();
                (None, reason)
            } else {
                let reason = format!(
                    "spares {spared} innocent callers and {} alerts, and loses no attacker",
                    now.alerts.saturating_sub(best.alerts)
                );
                (Some(best.at), reason)
            }
        }
        _ => (None, "the current threshold is the best of them".to_owned()),
    };
    Suggestion {
        ladder_id: ladder.id.clone(),
        current,
        suggested,
        reason,
        effects,
        decisions: history.len(),
    }
}

fn alerting(ladder: &Ladder) -> Option<&Rung> {
    ladder
        .rungs
        .iter()
        .find(|rung| rung.meaning != Meaning::Log)
}

fn candidates(current: u32) -> Vec<u32> {
    let current = current.max(1);
    let mut found: Vec<u32> = [
        current / 5,
        current / 2,
        current,
        current + current / 2,
        current * 2,
        current * 3,
        current * 5,
        current * 10,
    ]
    .into_iter()
    .filter(|at| *at > 0)
    .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The ladder with one rung only.
#[must_use]
pub fn with_rung(ladder: &Ladder, at: u32) -> Ladder {
    let rung = alerting(ladder).copied().unwrap_or(Rung {
        at,
        meaning: Meaning::Alert,
        severity: atalaya_model::Severity::Medium,
    });
    Ladder {
        rungs: vec![Rung { at, ..rung }],
        ..ladder.clone()
    }
}

fn effect(
    ladder: &Ladder,
    at: u32,
    history: &[Seen],
    allowed: &Allowlist,
    judged: &Judged,
) -> Effect {
    let mut counters = Counters::new(vec![Arc::new(with_rung(ladder, at))]);
    let mut alerts = 0;
    let mut found = BTreeSet::new();
    for seen in history {
        let is_allowed = |ladder: &Ladder| allowed.of_decision(seen, ladder).is_some();
        for signal in counters.count(seen, &is_allowed) {
            alerts += 1;
            found.insert(signal.entity.value);
        }
    }
    let attackers_found = judged.attackers.intersection(&found).count();
    Effect {
        at,
        alerts,
        entities: found.len(),
        attackers_found,
        attackers_missed: judged.attackers.len() - attackers_found,
        innocents_alerted: judged.innocents.intersection(&found).count(),
    }
}

#[cfg(test)]
mod tests {
    use atalaya_model::{Decision, Entity, EntityKind, Timestamp};

    use super::{Judged, suggest};
    use crate::ladder::{Ladder, Seen};
    use crate::tuning::allow::Allowlist;

    fn history(caller: &str, hits: i64) -> impl Iterator<Item = Seen> + '_ {
        (0..hits).map(move |n| Seen {
            record_id: format!("{caller}{n}"),
            time: Timestamp(n * 1_000_000),
            decision: Decision::Block,
            score: 90,
            detection: "prompt_injection".into(),
            techniques: vec![],
            patterns: vec![],
            content_sha256: String::new(),
            route: String::new(),
            entities: vec![Entity {
                kind: EntityKind::Caller,
                value: caller.to_owned(),
            }],
        })
    }

    #[test]
    fn a_threshold_that_spares_the_innocent_and_loses_nobody_is_suggested() {
        let ladder = Ladder::parse(
            "id: l\ntitle: L\nmatch: {score_min: 50}\nby: caller\nwindow: 1h\n\
             rungs: [{at: 10, then: alert}]",
        )
        .unwrap();
        let history: Vec<Seen> = history("tester", 14)
            .chain(history("mallory", 60))
            .collect();
        let judged = Judged {
            attackers: ["mallory".to_owned()].into(),
            innocents: ["tester".to_owned()].into(),
        };
        let suggestion = suggest(&ladder, &history, &Allowlist::default(), &judged);
        assert_eq!(suggestion.suggested, Some(15), "{suggestion:?}");
        let best = suggestion.effects.iter().find(|e| e.at == 15).unwrap();
        assert_eq!((best.attackers_missed, best.innocents_alerted), (0, 0));
        let nobody = suggest(&ladder, &history, &Allowlist::default(), &Judged::default());
        assert_eq!(nobody.suggested, None);
    }
}
