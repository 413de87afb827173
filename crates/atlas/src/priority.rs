//! What to worry about and what to build next, technique by technique, each with its reason.
//!
//! Risk (likelihood × impact) and build order (× detectability) are kept apart: a technique that
//! logs hardly show is late in the build order and may still be a high risk, one that needs
//! another control. A site knows better than publications how often it is attacked: its own alert
//! history raises a likelihood, its own judgement replaces any number.
//!
//! The default view has three tiers: immediate (likely, harmful, visible), secondary, ongoing.
//! Some techniques are placed in a tier by the table `data/tiers.tsv`, because their class as a
//! whole belongs there; all others fall by their numbers.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::{Release, Technique, Visibility};

const TIERS: &str = include_str!("../data/tiers.tsv");

/// How many own alerts make a likelihood of at least 3, 4 and 5.
const ALERTS_FOR_LIKELIHOOD: [(u64, u8); 3] = [(20, 5), (5, 4), (1, 3)];

/// When to deal with a technique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Likely, harmful, and good to see: first.
    Immediate,
    /// Less likely or less visible.
    Secondary,
    /// Rare or hard to see: prevent, and keep watching.
    Ongoing,
}

impl Tier {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::Secondary => "secondary",
            Self::Ongoing => "ongoing",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let all = [Self::Immediate, Self::Secondary, Self::Ongoing];
        all.into_iter().find(|tier| tier.as_str() == text)
    }
}

/// What a site says about a technique itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Override {
    /// 1-5.
    pub likelihood: Option<u8>,
    /// 1-5.
    pub impact: Option<u8>,
    /// 0-4.
    pub detectability: Option<u8>,
    /// Why.
    pub reason: String,
}

/// One technique, weighed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Priority {
    /// Technique id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Tier of the default view.
    pub tier: Tier,
    /// 1-5.
    pub likelihood: u8,
    /// 1-5.
    pub impact: u8,
    /// 0-4.
    pub detectability: u8,
    /// Likelihood × impact: what to worry about.
    pub risk: u8,
    /// Risk × detectability: what to build next.
    pub build_priority: u8,
    /// Whether it is a high risk that logs hardly show.
    pub needs_another_control: bool,
    /// Own alerts that were counted.
    pub own_alerts: u64,
    /// Why these numbers.
    pub reason: String,
}

/// Weighs every technique that the release's judgement knows, by build priority.
#[must_use]
pub fn priorities(
    release: &Release,
    overrides: &BTreeMap<String, Override>,
    own_alerts: &BTreeMap<String, u64>,
) -> Vec<Priority> {
    let default = Override::default();
    let mut all: Vec<Priority> = release
        .techniques()
        .iter()
        .filter_map(|technique| {
            let visibility = technique.visibility.as_ref()?;
            let site = overrides.get(&technique.id).unwrap_or(&default);
            let alerts = own_alerts.get(&technique.id).copied().unwrap_or(0);
            Some(weigh(technique, visibility, site, alerts))
        })
        .collect();
    all.sort_by(|a, b| {
        let key = |p: &Priority| (p.tier, u8::MAX - p.build_priority, u8::MAX - p.risk);
        key(a).cmp(&key(b)).then_with(|| a.id.cmp(&b.id))
    });
    all
}

fn weigh(
    technique: &Technique,
    visibility: &Visibility,
    site: &Override,
    own_alerts: u64,
) -> Priority {
    let mut reason = visibility.reason();
    let mut likelihood = visibility.likelihood;
    let seen = ALERTS_FOR_LIKELIHOOD
        .iter()
        .find(|(alerts, _)| own_alerts >= *alerts);
    if let Some((_, least)) = seen
        && *least > likelihood
    {
        reason.push_str(&format!(
            "; {own_alerts} own alerts raise the likelihood from {likelihood} to {least}"
        ));
        likelihood = *least;
    }
    let mut own = |name: &str, from: u8, to: Option<u8>, most: u8| match to.map(|n| n.min(most)) {
        Some(to) if to != from => {
            reason.push_str(&format!("; {name} {to} instead of {from}"));
            if !site.reason.is_empty() {
                reason.push_str(&format!(" ({})", site.reason));
            }
            to
        }
        _ => from,
    };
    let likelihood = own("likelihood", likelihood, site.likelihood, 5);
    let impact = own("impact", visibility.impact, site.impact, 5);
    let detectability = own(
        "detectability",
        visibility.detectability,
        site.detectability,
        4,
    );
    let risk = likelihood.saturating_mul(impact);
    let (tier, why) = tier(&technique.id, likelihood, impact, detectability);
    if let Some(why) = why {
        reason.push_str(&format!("; {why}"));
    }
    Priority {
        id: technique.id.clone(),
        name: technique.name.clone(),
        tier,
        likelihood,
        impact,
        detectability,
        risk,
        build_priority: risk.saturating_mul(detectability),
        needs_another_control: risk >= 12 && detectability <= 2,
        own_alerts,
        reason,
    }
}

/// The tier by the table, else by the numbers.
fn tier(id: &str, likelihood: u8, impact: u8, detectability: u8) -> (Tier, Option<&'static str>) {
    static PLACED: LazyLock<BTreeMap<&'static str, (Tier, &'static str)>> = LazyLock::new(|| {
        let rows = TIERS.lines().skip(1);
        rows.filter_map(|row| {
            let mut cells = row.split('\t');
            let id = cells.next()?;
            Some((id, (Tier::parse(cells.next()?)?, cells.next()?)))
        })
        .collect()
    });
    if let Some((tier, why)) = PLACED.get(id) {
        return (*tier, Some(why));
    }
    let tier = match (likelihood, impact, detectability) {
        (4.., 4.., 3..) => Tier::Immediate,
        (2.., 3.., 2..) => Tier::Secondary,
        _ => Tier::Ongoing,
    };
    (tier, None)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Override, Tier, priorities};

    #[test]
    fn the_tiers_are_those_that_a_soc_starts_with() {
        let all = priorities(crate::release(), &BTreeMap::new(), &BTreeMap::new());
        let of = |id: &str| all.iter().find(|p| p.id == id).unwrap();
        assert_eq!(of("AML.T0051.000").tier, Tier::Immediate);
        assert_eq!(of("AML.T0024.002").tier, Tier::Secondary);
        assert_eq!(of("AML.T0020").tier, Tier::Ongoing);
        assert_eq!(of("AML.T0086").build_priority, 100);
        assert!(of("AML.T0025").needs_another_control);
        assert_eq!(all.len(), 208);
        // The table names techniques that exist.
        for row in super::TIERS.lines().skip(1) {
            assert!(
                crate::technique(row.split('\t').next().unwrap()).is_some(),
                "{row}"
            );
        }
    }

    #[test]
    fn own_alerts_raise_and_a_site_decides() {
        let alerts = BTreeMap::from([("AML.T0024.000".to_owned(), 7)]);
        let own = Override {
            impact: Some(5),
            reason: "patients' records".to_owned(),
            ..Override::default()
        };
        let overrides = BTreeMap::from([("AML.T0024.000".to_owned(), own)]);
        let all = priorities(crate::release(), &overrides, &alerts);
        let found = all.iter().find(|p| p.id == "AML.T0024.000").unwrap();
        assert_eq!((found.likelihood, found.impact, found.risk), (4, 5, 20));
        assert!(found.reason.contains("7 own alerts raise the likelihood"));
        assert!(found.reason.contains("patients' records"));
    }
}
