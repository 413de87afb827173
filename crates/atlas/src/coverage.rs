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
    /// Techniques that cannot have a rule, with the reason.
    pub invisible: BTreeMap<String, &'static str>,
    /// Ids that rules name and the release does not know.
    pub unknown: Vec<String>,
}

/// Measures which techniques are covered. A rule covers exactly the ids that it names: a parent
/// says nothing about its sub-techniques, nor the other way round.
#[must_use]
pub fn coverage(release: &Release, covered: &BTreeSet<String>) -> Coverage {
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
    use std::collections::BTreeSet;

    use super::coverage;
    use crate::LogSource;

    #[test]
    fn one_rule_moves_every_number_by_one_and_unknown_ids_by_none() {
        let covered = BTreeSet::from(["AML.T0086", "AML.T9999"].map(str::to_owned));
        let result = coverage(crate::release(), &covered);
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
