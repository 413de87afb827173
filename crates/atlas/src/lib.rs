//! MITRE ATLAS as facts: ids, names, tactics, maturity, references to ATT&CK, retired ids; and
//! our own judgement of what the four log sources can see of each technique.
//!
//! Release 2026.09 is built in (`data/*.tsv`); [`load`] reads MITRE's own YAML when a user has a
//! later one. A release is data, never code: nothing here matches on a technique id.
//!
//! Facts about ATLAS (c) MITRE, Apache-2.0. Left out: descriptions, mitigations, case studies.

mod builtin;
pub mod coverage;
mod load;
pub mod navigator;
mod priority;
mod release;
mod visibility;

pub use coverage::{Coverage, Gap, RuleFacts, coverage};
pub use load::{LoadError, Loaded, load};
pub use priority::{Override, Priority, Tier, priorities};
pub use release::{Maturity, Release, Resolution, Tactic, Technique};
pub use visibility::{LogSource, Rating, Visibility};

/// Name of the built-in release, as records and rules say it.
pub const RELEASE: &str = "2026.09";

/// The built-in release.
#[must_use]
pub fn release() -> &'static Release {
    builtin::release()
}

/// A technique or sub-technique of the built-in release.
#[must_use]
pub fn technique(id: &str) -> Option<&'static Technique> {
    release().technique(id)
}

/// A tactic of the built-in release.
#[must_use]
pub fn tactic(id: &str) -> Option<&'static Tactic> {
    release().tactic(id)
}

/// Every technique of the built-in release, by id.
pub fn techniques() -> impl Iterator<Item = &'static Technique> {
    release().techniques().iter()
}

/// What an id means today: itself, its successor if it was retired, or nothing.
#[must_use]
pub fn resolve(id: &str) -> Resolution<'static> {
    release().resolve(id)
}

/// The page of a technique or tactic on MITRE's site. A sub-technique keeps its dot.
#[must_use]
pub fn url(id: &str) -> String {
    let kind = if id.starts_with("AML.TA") {
        "tactics"
    } else {
        "techniques"
    };
    format!("https://atlas.mitre.org/{kind}/{id}/")
}

/// The tag that the open proposal for Sigma gives a technique: `atlas.aml.t0051.001`.
#[must_use]
pub fn sigma_tag(id: &str) -> String {
    format!("atlas.{}", id.to_ascii_lowercase())
}

/// The technique id of a Sigma tag, in ATLAS's spelling.
#[must_use]
pub fn technique_of_sigma_tag(tag: &str) -> Option<String> {
    let id = tag.strip_prefix("atlas.")?.to_ascii_uppercase();
    id.starts_with("AML.T").then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_urls_round_trip() {
        assert_eq!(sigma_tag("AML.T0051.001"), "atlas.aml.t0051.001");
        assert_eq!(
            technique_of_sigma_tag("atlas.aml.t0051.001").as_deref(),
            Some("AML.T0051.001")
        );
        assert_eq!(technique_of_sigma_tag("attack.t1059"), None);
        assert_eq!(
            url("AML.T0051.001"),
            "https://atlas.mitre.org/techniques/AML.T0051.001/"
        );
        assert_eq!(
            url("AML.TA0005"),
            "https://atlas.mitre.org/tactics/AML.TA0005/"
        );
    }
}
