//! The counters: hits per ladder and entity in a sliding window.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use atalaya_model::Timestamp;

use super::{Ladder, Meaning, Seen, Signal};
use crate::duration::micros;

/// Most entities that are counted at the same time, over all ladders.
pub const ENTITIES_MAX: usize = 200_000;
/// Most record ids that a signal names.
const RECORD_IDS_MAX: usize = 256;

/// Hits of one entity on one ladder.
#[derive(Default)]
struct Hits {
    /// Times and decisions in the window, oldest first, as many as the highest rung needs.
    recent: VecDeque<(Timestamp, String)>,
    /// Per rung: until when it is not reached again.
    quiet_until: Vec<Timestamp>,
}

/// Counts decisions.
pub struct Counters {
    ladders: Vec<Arc<Ladder>>,
    hits: HashMap<(usize, String), Hits>,
    entities_max: usize,
}

impl Counters {
    /// Counters of these ladders, all at zero.
    #[must_use]
    pub fn new(ladders: Vec<Arc<Ladder>>) -> Self {
        Self {
            ladders,
            hits: HashMap::new(),
            entities_max: ENTITIES_MAX,
        }
    }

    /// The longest window: how far back counting has to begin after a start.
    #[must_use]
    pub fn longest_window(ladders: &[Arc<Ladder>]) -> std::time::Duration {
        ladders.iter().map(|l| l.window).max().unwrap_or_default()
    }

    /// Counts a decision; the rungs that it reaches. `is_allowed` says which ladders it does not
    /// count for.
    pub fn count(&mut self, seen: &Seen, is_allowed: &dyn Fn(&Ladder) -> bool) -> Vec<Signal> {
        let mut signals = Vec::new();
        for (index, ladder) in self.ladders.clone().iter().enumerate() {
            if !ladder.enabled || !ladder.matches.covers(seen) || is_allowed(ladder) {
                continue;
            }
            let Some(entity) = seen.entity(ladder.by) else {
                continue;
            };
            let key = (index, entity.value.clone());
            if !self.hits.contains_key(&key) && self.hits.len() >= self.entities_max {
                self.make_room(seen.time);
            }
            let hits = self.hits.entry(key).or_default();
            signals.extend(hits.add(ladder, seen));
        }
        signals
    }

    /// Forgets who has been quiet, and if that is not enough, who was quiet longest.
    fn make_room(&mut self, now: Timestamp) {
        let ladders = &self.ladders;
        self.hits.retain(|(index, _), hits| {
            let window = ladders.get(*index).map_or(0, |l| micros(l.window));
            hits.last() > now.0.saturating_sub(window)
        });
        if self.hits.len() < self.entities_max {
            return;
        }
        let mut lasts: Vec<i64> = self.hits.values().map(Hits::last).collect();
        lasts.sort_unstable();
        let cut = lasts.get(lasts.len() / 10).copied().unwrap_or(i64::MAX);
        self.hits.retain(|_, hits| hits.last() > cut);
    }
}

impl Hits {
    fn last(&self) -> i64 {
        self.recent.back().map_or(i64::MIN, |(time, _)| time.0)
    }

    fn add(&mut self, ladder: &Ladder, seen: &Seen) -> Vec<Signal> {
        let window = micros(ladder.window);
        let begin = seen.time.0.saturating_sub(window);
        while self.recent.front().is_some_and(|(t, _)| t.0 <= begin) {
            self.recent.pop_front();
        }
        let most = ladder.rungs.last().map_or(1, |rung| rung.at) as usize;
        if self.recent.len() >= most.max(1) {
            self.recent.pop_front();
        }
        self.recent.push_back((seen.time, seen.record_id.clone()));
        self.quiet_until
            .resize(ladder.rungs.len(), Timestamp(i64::MIN));
        let count = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        let mut signals = Vec::new();
        for (rung, quiet) in ladder.rungs.iter().zip(&mut self.quiet_until) {
            if rung.meaning == Meaning::Log || count < rung.at || seen.time < *quiet {
                continue;
            }
            *quiet = Timestamp(seen.time.0.saturating_add(window));
            signals.push(rung_reached(ladder, *rung, seen, &self.recent));
        }
        signals
    }
}

fn rung_reached(
    ladder: &Ladder,
    rung: super::Rung,
    seen: &Seen,
    recent: &VecDeque<(Timestamp, String)>,
) -> Signal {
    let mut techniques = ladder.techniques.clone();
    for technique in &seen.techniques {
        if !techniques.contains(technique) {
            techniques.push(technique.clone());
        }
    }
    let (others, entity): (Vec<_>, Vec<_>) = seen
        .entities
        .iter()
        .cloned()
        .partition(|entity| entity.kind != ladder.by);
    let newest = recent.iter().rev().take(RECORD_IDS_MAX);
    let mut record_ids: Vec<String> = newest.map(|(_, id)| id.clone()).collect();
    record_ids.reverse();
    Signal {
        ladder_id: ladder.id.clone(),
        title: ladder.title.clone(),
        version: ladder.version.clone(),
        hash: ladder.hash.clone(),
        rung,
        entity: entity.into_iter().next().unwrap_or(atalaya_model::Entity {
            kind: ladder.by,
            value: String::new(),
        }),
        others,
        techniques,
        count: u32::try_from(recent.len()).unwrap_or(u32::MAX),
        first_seen: recent.front().map_or(seen.time, |(time, _)| *time),
        last_seen: seen.time,
        record_ids,
        crossed_by: seen.record_id.clone(),
        window: ladder.window,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use atalaya_model::{Decision, Entity, EntityKind, Timestamp};

    use super::{Counters, Seen};
    use crate::ladder::{Ladder, Signal};

    const LADDER: &str = "
id: l
title: L
match: {detections: [prompt_injection], score_min: 50}
by: caller
window: 1h
rungs:
  - {at: 1, then: log}
  - {at: 10, then: alert, severity: medium}
  - {at: 50, then: incident, severity: high}
";

    fn seen(caller: &str, n: i64, seconds: i64) -> Seen {
        Seen {
            record_id: format!("{caller}{n}"),
            time: Timestamp(seconds * 1_000_000),
            decision: Decision::Block,
            score: 90,
            detection: "prompt_injection".into(),
            techniques: vec!["AML.T0051.000".into()],
            patterns: vec![],
            content_sha256: String::new(),
            route: String::new(),
            entities: vec![Entity {
                kind: EntityKind::Caller,
                value: caller.into(),
            }],
        }
    }

    fn run(hits: impl Iterator<Item = Seen>) -> Vec<Signal> {
        let mut counters = Counters::new(vec![Arc::new(Ladder::parse(LADDER).unwrap())]);
        hits.flat_map(|seen| counters.count(&seen, &|_| false))
            .collect()
    }

    #[test]
    fn ten_in_an_hour_are_an_alert_and_fifty_an_incident() {
        let signals = run((0..60).map(|n| seen("m", n, n)));
        let rungs: Vec<u32> = signals.iter().map(|signal| signal.rung.at).collect();
        assert_eq!(rungs, [10, 50]);
        assert_eq!(signals[0].crossed_by, "m9");
        assert_eq!(signals[0].record_ids.len(), 10);
        assert_eq!(signals[1].alert(Timestamp(0)).alert.count, 50);
    }

    #[test]
    fn hits_outside_of_the_window_and_of_others_do_not_count() {
        assert!(run((0..9).map(|n| seen("m", n, n))).is_empty());
        assert!(run((0..30).map(|n| seen("m", n, n * 500))).is_empty());
        assert!(run((0..18).map(|n| seen(if n % 2 == 0 { "a" } else { "b" }, n, n))).is_empty());
    }

    #[test]
    fn a_rung_is_reached_again_after_its_window_only() {
        let signals = run((0..200).map(|n| seen("m", n, n * 200)));
        let times: Vec<i64> = signals.iter().map(|s| s.last_seen.0 / 1_000_000).collect();
        assert_eq!(times[0], 1_800);
        assert!(
            times.windows(2).all(|pair| pair[1] - pair[0] >= 3_600),
            "{times:?}"
        );
    }

    #[test]
    fn the_same_crossing_is_the_same_alert() {
        let one = run((0..10).map(|n| seen("m", n, n)));
        let other = run((0..10).map(|n| seen("m", n, n)));
        let (one, other) = (one[0].alert(Timestamp(1)), other[0].alert(Timestamp(2)));
        assert_eq!(one.dedup_key, other.dedup_key);
        assert_eq!(one.alert.alert_id, other.alert.alert_id);
    }

    #[test]
    fn many_entities_are_bounded() {
        let mut counters = Counters::new(vec![Arc::new(Ladder::parse(LADDER).unwrap())]);
        counters.entities_max = 100;
        for n in 0..10_000 {
            counters.count(&seen(&format!("c{n}"), n, n), &|_| false);
        }
        assert!(counters.hits.len() <= 100);
    }
}
