//! How much of ATLAS has a tested rule: four numbers, never one.
//!
//! A single percentage hides that a third of all techniques leave no trace in any log; so the
//! same rules are measured against what is usable, what is visible, and everything.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{LogSource, Release, Technique};

/// A technique worth a rule that has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Technique id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Likelihood × impact × detectability.
    pub build_priority: u8,
}

/// What coverage needs to know of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleFacts {
    /// Ids that it names.
    pub techniques: Vec<String>,
    /// Sources that it reads; it needs all of them.
    pub sources: Vec<LogSource>,
}

/// Covered out of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Techniques with a tested, enabled rule.
    pub covered: usize,
    /// Techniques in all.
    pub of: usize,
}

impl Share {
    fn add(&mut self, covered: bool) {
        self.of += 1;
        self.covered += usize::from(covered);
    }
}

/// Coverage of one release by a set of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Release.
    pub release: String,
    /// Techniques with a tested, enabled rule.
    pub covered: usize,
    /// Against techniques with detectability 3 or more.
    pub usable: Share,
    /// Against techniques that logs can show at all.
    pub ceiling: Share,
    /// Against every technique.
    pub all: Share,
    /// Against techniques within the ceiling, by tactic id.
    pub by_tactic: BTreeMap<String, Share>,
    /// Against techniques within the ceiling, by source that can show them.
    pub by_source: BTreeMap<LogSource, Share>,
    /// Usable techniques without a rule, most worthwhile first.
    pub gaps: Vec<Gap>,
    /// Sources that deliver data now.
    pub delivering: Vec<LogSource>,
    /// The same rules, but only those whose sources all deliver data now.
    pub live: Live,
    /// What one more source would add to the covered techniques within the ceiling.
    pub one_more_source: BTreeMap<LogSource, usize>,
    /// Techniques that cannot have a rule, with the reason.
    pub invisible: BTreeMap<String, &'static str>,
    /// Ids that rules name and the release does not know.
    pub unknown: Vec<String>,
}

/// Coverage by rules whose sources deliver data now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Live {
    /// Techniques.
    pub covered: usize,
    /// Against techniques with detectability 3 or more.
    pub usable: Share,
    /// Against techniques that logs can show at all.
    pub ceiling: Share,
}

/// Measures which techniques are covered by enabled, tested rules. A rule covers exactly the ids
/// that it names: a parent says nothing about its sub-techniques, nor the other way round.
#[must_use]
pub fn coverage(release: &Release, rules: &[RuleFacts], delivering: &[LogSource]) -> Coverage {
    let all = |_: &RuleFacts| true;
    let mut result = of_techniques(release, &techniques_of(rules, all));
    let live = |sources: &[LogSource]| {
        let runs = |rule: &RuleFacts| {
            !rule.sources.is_empty() && rule.sources.iter().all(|s| sources.contains(s))
        };
        of_techniques(release, &techniques_of(rules, runs))
    };
    let now = live(delivering);
    for source in LogSource::ALL {
        if !delivering.contains(&source) {
            let more = live(&[delivering, &[source]].concat());
            let added = more.ceiling.covered - now.ceiling.covered;
            result.one_more_source.insert(source, added);
        }
    }
    result.live = Live {
        covered: now.covered,
        usable: now.usable,
        ceiling: now.ceiling,
    };
    result.delivering = delivering.to_vec();
    result
}

fn techniques_of(rules: &[RuleFacts], counts: impl Fn(&RuleFacts) -> bool) -> BTreeSet<String> {
    let counted = rules.iter().filter(|rule| counts(rule));
    counted.flat_map(|rule| rule.techniques.clone()).collect()
}

fn of_techniques(release: &Release, covered: &BTreeSet<String>) -> Coverage {
    let mut result = Coverage {
        release: release.name().to_owned(),
        unknown: covered
            .iter()
            .filter(|id| release.technique(id).is_none())
            .cloned()
            .collect(),
        ..Coverage::default()
    };
    for technique in release.techniques() {
        result.add(technique, covered.contains(&technique.id));
    }
    result
        .gaps
        .sort_by(|a, b| (b.build_priority, &a.id).cmp(&(a.build_priority, &b.id)));
    result
}

impl Coverage {
    fn add(&mut self, technique: &Technique, covered: bool) {
        self.covered += usize::from(covered);
        self.all.add(covered);
        let Some(visibility) = &technique.visibility else {
            return;
        };
        if let Some(reason) = visibility.why_not()
            && !covered
        {
            self.invisible.insert(technique.id.clone(), reason);
        }
        if visibility.is_usable() {
            self.usable.add(covered);
            if !covered {
                self.gaps.push(Gap {
                    id: technique.id.clone(),
                    name: technique.name.clone(),
                    build_priority: visibility.build_priority(),
                });
            }
        }
        if visibility.is_within_ceiling() {
            self.ceiling.add(covered);
            for tactic in &technique.tactics {
                self.by_tactic
                    .entry(tactic.clone())
                    .or_default()
                    .add(covered);
            }
            for source in &visibility.sources {
                self.by_source.entry(*source).or_default().add(covered);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RuleFacts, coverage};
    use crate::LogSource;

    #[test]
    fn one_rule_moves_every_number_by_one_and_unknown_ids_by_none() {
        let rule = RuleFacts {
            techniques: vec!["AML.T0086".to_owned(), "AML.T9999".to_owned()],
            sources: vec![LogSource::Inference],
        };
        let result = coverage(crate::release(), std::slice::from_ref(&rule), &[]);
        assert_eq!(result.live.covered, 0);
        assert_eq!(result.one_more_source[&LogSource::Inference], 1);
        assert_eq!(result.one_more_source[&LogSource::Pipeline], 0);
        let live = coverage(crate::release(), &[rule], &[LogSource::Inference]);
        assert_eq!((live.live.usable.covered, live.live.usable.of), (1, 88));
        assert_eq!(result.covered, 1);
        assert_eq!((result.usable.covered, result.usable.of), (1, 88));
        assert_eq!((result.ceiling.covered, result.ceiling.of), (1, 134));
        assert_eq!((result.all.covered, result.all.of), (1, 208));
        assert_eq!(result.by_source[&LogSource::Inference].of, 85);
        assert_eq!(result.by_tactic["AML.TA0010"].covered, 1);
        assert_eq!(result.unknown, ["AML.T9999"]);
        assert_eq!(result.gaps.len(), 87);
        assert_eq!(result.gaps[0].build_priority, 80);
        assert!(result.invisible.contains_key("AML.T0000"));
    }
}
