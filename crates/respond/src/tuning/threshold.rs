//! What another threshold would have meant: the effect is shown before anything is applied.
//!
//! History is run through the ladder again, once per candidate; a rule is run once with its lowest
//! candidate, and the values in its rows say what the others would have raised. What a threshold
//! finds is compared with what analysts said about the same callers: a threshold that loses an
//! attack is never suggested.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use atalaya_model::Alert;
use serde::Serialize;

use super::allow::Allowlist;
use crate::duration::micros;
use crate::ladder::{Counters, Ladder, Meaning, Rung, Seen};

/// What one threshold would have meant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// The threshold.
    pub at: f64,
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
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suggestion {
    /// The ladder or rule.
    pub id: String,
    /// What is changed: `at` of a ladder's lowest rung that alerts, or the column of a rule.
    pub threshold: String,
    /// The threshold now.
    pub current: f64,
    /// The suggested one; none if history gives no reason to change.
    pub suggested: Option<f64>,
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

impl Judged {
    /// What a threshold means that raises so many alerts about these entities.
    fn effect(&self, at: f64, alerts: usize, found: &BTreeSet<String>) -> Effect {
        let attackers_found = self.attackers.intersection(found).count();
        Effect {
            at,
            alerts,
            entities: found.len(),
            attackers_found,
            attackers_missed: self.attackers.len() - attackers_found,
            innocents_alerted: self.innocents.intersection(found).count(),
        }
    }
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
    let effects = candidates(f64::from(current))
        .into_iter()
        .map(|at| effect(ladder, at, history, allowed, judged))
        .collect();
    let suggestion = Suggestion {
        id: ladder.id.clone(),
        threshold: "at".to_owned(),
        current: f64::from(current),
        suggested: None,
        reason: String::new(),
        effects,
        decisions: history.len(),
    };
    chosen(suggestion, judged)
}

/// One threshold of a rule.
#[derive(Clone, Copy, Debug)]
pub struct OfRule<'a> {
    /// The rule.
    pub id: &'a str,
    /// The column that is compared.
    pub column: &'a str,
    /// With which number, now.
    pub current: f64,
    /// Whether the number itself is enough (`>=`), or a value has to exceed it.
    pub inclusive: bool,
    /// How long an ongoing story is one alert.
    pub suppression: Duration,
}

/// Suggests a threshold of a rule. `alerts` are those that the lowest of [`candidates`] raises with
/// no suppression, oldest first; `decisions` is how many were looked at.
#[must_use]
pub fn suggest_for_rule(
    rule: OfRule<'_>,
    alerts: &[Alert],
    judged: &Judged,
    decisions: usize,
) -> Suggestion {
    let effects = candidates(rule.current)
        .into_iter()
        .map(|at| rule_effect(rule, at, alerts, judged))
        .collect();
    let suggestion = Suggestion {
        id: rule.id.to_owned(),
        threshold: rule.column.to_owned(),
        current: rule.current,
        suggested: None,
        reason: String::new(),
        effects,
        decisions,
    };
    chosen(suggestion, judged)
}

fn rule_effect(rule: OfRule<'_>, at: f64, alerts: &[Alert], judged: &Judged) -> Effect {
    let mut last: BTreeMap<Vec<&str>, i64> = BTreeMap::new();
    let mut found = BTreeSet::new();
    let mut raised = 0;
    for alert in alerts {
        let value = alert.details.get(rule.column);
        let value = value.and_then(|text| text.parse::<f64>().ok());
        let is_reached = |value: f64| value > at || rule.inclusive && value >= at;
        if !value.is_some_and(is_reached) {
            continue;
        }
        let story: Vec<&str> = alert.entities.iter().map(|e| e.value.as_str()).collect();
        found.extend(story.iter().map(|value| (*value).to_owned()));
        let now = alert.time_generated.0;
        let before = last.get(&story);
        let quiet_until = before.map(|time| time.saturating_add(micros(rule.suppression)));
        if quiet_until.is_none_or(|until| now >= until) {
            raised += 1;
            last.insert(story, now);
        }
    }
    judged.effect(at, raised, &found)
}

/// The best of the effects: the fewest innocents, then the fewest alerts, among those that lose no
/// attacker.
fn chosen(mut suggestion: Suggestion, judged: &Judged) -> Suggestion {
    let effects = &suggestion.effects;
    let is_current = |effect: &&Effect| effect.at.total_cmp(&suggestion.current).is_eq();
    let now = effects.iter().find(is_current);
    let best = effects
        .iter()
        .filter(|effect| now.is_none_or(|now| effect.attackers_missed <= now.attackers_missed))
        .min_by(|a, b| {
            let cost = |effect: &Effect| (effect.innocents_alerted, effect.alerts);
            cost(a).cmp(&cost(b)).then(a.at.total_cmp(&b.at))
        });
    let (suggested, reason) = match (now, best) {
        _ if judged.attackers.is_empty() && judged.innocents.is_empty() => (
            None,
            "nobody was judged yet: give incidents a disposition or label decisions".to_owned(),
        ),
        (Some(now), Some(best)) if !is_current(&best) => {
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
    suggestion.suggested = suggested;
    suggestion.reason = reason;
    suggestion
}

fn alerting(ladder: &Ladder) -> Option<&Rung> {
    ladder
        .rungs
        .iter()
        .find(|rung| rung.meaning != Meaning::Log)
}

/// What is tried instead of a threshold, the threshold itself included; in order.
#[must_use]
pub fn candidates(current: f64) -> Vec<f64> {
    const FACTORS: [f64; 8] = [0.2, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0];
    let is_whole = current.fract().abs() < f64::EPSILON;
    let mut found: Vec<f64> = FACTORS
        .iter()
        .map(|factor| current * factor)
        .map(|at| if is_whole { at.floor() } else { at })
        .filter(|at| *at > 0.0)
        .collect();
    found.sort_by(f64::total_cmp);
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
    at: f64,
    history: &[Seen],
    allowed: &Allowlist,
    judged: &Judged,
) -> Effect {
    // Rungs are whole numbers, and so are the candidates of one.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let rung = at as u32;
    let mut counters = Counters::new(vec![Arc::new(with_rung(ladder, rung))]);
    let mut alerts = 0;
    let mut found = BTreeSet::new();
    for seen in history {
        let is_allowed = |ladder: &Ladder| allowed.of_decision(seen, ladder).is_some();
        for signal in counters.count(seen, &is_allowed) {
            alerts += 1;
            found.insert(signal.entity.value);
        }
    }
    judged.effect(at, alerts, &found)
}

#[cfg(test)]
mod tests {
    use atalaya_model::{Decision, Entity, EntityKind, Timestamp};

    use super::{Alert, Duration, Judged, OfRule, suggest, suggest_for_rule};
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
        assert_eq!(suggestion.suggested, Some(15.0), "{suggestion:?}");
        let best = suggestion
            .effects
            .iter()
            .find(|e| e.at.total_cmp(&15.0).is_eq())
            .unwrap();
        assert_eq!((best.attackers_missed, best.innocents_alerted), (0, 0));
        let nobody = suggest(&ladder, &history, &Allowlist::default(), &Judged::default());
        assert_eq!(nobody.suggested, None);
    }

    fn alert(caller: &str, minute: i64, calls: u32) -> Alert {
        Alert {
            alert_id: format!("{caller}{minute}"),
            time_generated: Timestamp(minute * 60_000_000),
            rule_id: "r".into(),
            rule_name: "R".into(),
            rule_version: String::new(),
            rule_hash: String::new(),
            severity: atalaya_model::Severity::Low,
            techniques: vec![],
            atlas_release: String::new(),
            entities: vec![Entity {
                kind: EntityKind::Caller,
                value: caller.to_owned(),
            }],
            first_seen: Timestamp(0),
            last_seen: Timestamp(0),
            count: 1,
            record_ids: vec![],
            details: [("Calls".to_owned(), calls.to_string())].into(),
            status: atalaya_model::AlertStatus::New,
        }
    }

    #[test]
    fn a_rules_rows_say_what_each_threshold_would_have_raised() {
        // A batch job reaches 25 every ten minutes of an hour, an attacker 90 once.
        let mut alerts: Vec<Alert> = (0..6).map(|n| alert("batch", n * 10, 25)).collect();
        alerts.push(alert("mallory", 61, 90));
        let judged = Judged {
            attackers: ["mallory".to_owned()].into(),
            innocents: ["batch".to_owned()].into(),
        };
        let rule = OfRule {
            id: "r",
            column: "Calls",
            current: 20.0,
            inclusive: true,
            suppression: Duration::from_secs(30 * 60),
        };
        let suggestion = suggest_for_rule(rule, &alerts, &judged, 600);
        let raised: Vec<(f64, usize)> = suggestion
            .effects
            .iter()
            .map(|effect| (effect.at, effect.alerts))
            .collect();
        // An ongoing story is one alert for half an hour: two of the batch job.
        assert_eq!(
            raised[2..5],
            [(20.0, 3), (30.0, 1), (40.0, 1)],
            "{raised:?}"
        );
        assert_eq!(suggestion.suggested, Some(30.0), "{suggestion:?}");
        assert_eq!(suggestion.effects.last().unwrap().attackers_missed, 1);
    }
}
