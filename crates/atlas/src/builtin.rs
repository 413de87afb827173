//! The built-in release, read once from the tables in `data/`.
//!
//! A malformed line would be skipped; the tests below hold the counts to MITRE's published
//! totals, so that none is.

use std::sync::LazyLock;

use crate::release::Retired;
use crate::{LogSource, Maturity, RELEASE, Rating, Release, Tactic, Technique, Visibility};

const TACTICS: &str = include_str!("../data/tactics.tsv");
const TECHNIQUES: &str = include_str!("../data/techniques.tsv");
const RETIRED: &str = include_str!("../data/retired.tsv");
const FORMER_NAMES: &str = include_str!("../data/former_names.tsv");

pub(crate) fn release() -> &'static Release {
    static BUILTIN: LazyLock<Release> = LazyLock::new(|| {
        let mut release = Release {
            name: RELEASE.to_owned(),
            tactics: rows(TACTICS).filter_map(|row| tactic(&row)).collect(),
            techniques: rows(TECHNIQUES).filter_map(|row| technique(&row)).collect(),
            ..Release::default()
        };
        add_history(&mut release);
        release
    });
    &BUILTIN
}

/// Adds what became of old ids and names: also useful beside a release that a user loaded.
pub(crate) fn add_history(release: &mut Release) {
    release.retired = rows(RETIRED)
        .filter_map(|row| {
            let [id, successor, release, note] = row.as_slice() else {
                return None;
            };
            let retired = Retired {
                successor: (*successor).to_owned(),
                release: (*release).to_owned(),
                note: (*note).to_owned(),
            };
            Some(((*id).to_owned(), retired))
        })
        .collect();
    release.former_names = rows(FORMER_NAMES)
        .filter_map(|row| match row.as_slice() {
            [id, name] => Some(((*id).to_owned(), (*name).to_owned())),
            _ => None,
        })
        .collect();
}

fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().skip(1).map(|line| line.split('\t').collect())
}

fn tactic(row: &[&str]) -> Option<Tactic> {
    let [id, name, shortname, attack] = row else {
        return None;
    };
    Some(Tactic {
        id: (*id).to_owned(),
        name: (*name).to_owned(),
        shortname: (*shortname).to_owned(),
        attack: filled(attack),
    })
}

fn technique(row: &[&str]) -> Option<Technique> {
    let [id, name, tactics, maturity, attack, since, judgement @ ..] = row else {
        return None;
    };
    Some(Technique {
        id: (*id).to_owned(),
        name: (*name).to_owned(),
        tactics: tactics.split(',').map(str::to_owned).collect(),
        maturity: Maturity::parse(maturity),
        attack: filled(attack),
        since: (*since).to_owned(),
        visibility: visibility(judgement),
    })
}

fn visibility(row: &[&str]) -> Option<Visibility> {
    let [
        rating,
        sources,
        likelihood,
        impact,
        detectability,
        case_studies,
    ] = row
    else {
        return None;
    };
    Some(Visibility {
        rating: match *rating {
            "direct" => Rating::Direct,
            "behavioural" => Rating::Behavioural,
            "indirect" => Rating::Indirect,
            _ => Rating::None,
        },
        sources: LogSource::ALL
            .into_iter()
            .filter(|source| sources.contains(source.letter()))
            .collect(),
        likelihood: likelihood.parse().ok()?,
        impact: impact.parse().ok()?,
        detectability: detectability.parse().ok()?,
        case_studies: case_studies.parse().ok()?,
    })
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::{Rating, Resolution, release, resolve};

    #[test]
    fn the_counts_are_those_that_mitre_published() {
        let release = release();
        let subs = release.techniques().iter().filter(|t| t.is_sub_technique());
        assert_eq!(release.tactics().len(), 16);
        assert_eq!(release.techniques().len(), 208);
        assert_eq!(subs.count(), 88);
        let edges: usize = release.techniques().iter().map(|t| t.tactics.len()).sum();
        assert_eq!(edges, 225);
        let attack = |sub| {
            let all = release.techniques().iter();
            all.filter(|t| t.is_sub_technique() == sub && t.attack.is_some())
                .count()
        };
        assert_eq!((attack(false), attack(true)), (31, 13));
    }

    #[test]
    fn every_reference_resolves() {
        let release = release();
        for technique in release.techniques() {
            for tactic in &technique.tactics {
                assert!(release.tactic(tactic).is_some(), "{tactic}");
            }
            if let Some(parent) = technique.parent_id() {
                assert!(release.technique(parent).is_some(), "{parent}");
            }
            assert!(technique.visibility.is_some(), "{}", technique.id);
        }
        for (id, _) in &release.former_names {
            assert!(release.technique(id).is_some() || release.tactic(id).is_some());
        }
    }

    #[test]
    fn the_ceiling_is_what_coverage_is_measured_against() {
        let visible = || {
            release()
                .techniques()
                .iter()
                .filter_map(|t| t.visibility.as_ref())
        };
        let rated = |rating| visible().filter(|v| v.rating == rating).count();
        assert_eq!(rated(Rating::Direct), 74);
        assert_eq!(rated(Rating::Behavioural), 60);
        assert_eq!(rated(Rating::None), 55);
        assert_eq!(visible().filter(|v| v.is_usable()).count(), 88);
        assert_eq!(visible().filter(|v| v.is_within_ceiling()).count(), 134);
        let top = release().technique("AML.T0086").unwrap();
        assert_eq!(top.visibility.as_ref().unwrap().build_priority(), 100);
    }

    #[test]
    fn retired_ids_lead_to_their_successors() {
        let Resolution::Retired {
            successor, release, ..
        } = resolve("AML.T0058")
        else {
            panic!("retired");
        };
        assert_eq!(
            (successor.id.as_str(), release),
            ("AML.T0115.001", "2026.07")
        );
        assert!(matches!(resolve("AML.T0051"), Resolution::Current(_)));
        let Resolution::Unknown { parent } = resolve("AML.T0051.999") else {
            panic!("unknown");
        };
        assert_eq!(parent.unwrap().id, "AML.T0051");
        assert_eq!(resolve("T0051"), Resolution::Unknown { parent: None });
        assert_eq!(
            super::release()
                .ids_named("llm meta prompt extraction")
                .collect::<Vec<_>>(),
            ["AML.T0056"]
        );
    }
}
