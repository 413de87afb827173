//! Threat intelligence by file: domains, addresses, URLs, hashes and mail addresses that others
//! have seen in attacks, as a STIX 2.1 bundle.
//!
//! An indicator is a whole value: `evil.example` is found in `https://a.evil.example/x`, and not in
//! `notevil.example`. One automaton looks for all of them at once, in every view of a text.
//!
//! Trade-off: of STIX patterns, comparisons by `=` joined with OR are read (that is what feeds
//! carry); an indicator with anything else is counted as left out, not guessed at. Left out too:
//! fetching feeds, and ageing them (`valid_until` is up to who provides the file).

use aho_corasick::{AhoCorasick, MatchKind};
use atalaya_model::{Finding, Span, ThreatCategory};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{Detector, Reading};

/// Largest bundle.
pub(crate) const FILE_BYTES_MAX: usize = 64 << 20;
/// Most indicators of a bundle.
const INDICATORS_MAX: usize = 500_000;
/// Findings in one segment.
const FINDINGS_MAX: usize = 8;
const SCORE: u8 = 80;

/// Indicators, ready to look for.
#[derive(Debug)]
pub struct ThreatIntelligence {
    automaton: AhoCorasick,
    indicators: usize,
    left_out: usize,
    version: String,
}

/// Why a bundle cannot be used.
#[derive(Debug)]
pub struct BundleError(String);

impl std::fmt::Display for BundleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BundleError {}

#[derive(Deserialize)]
struct Bundle {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    pattern: Option<String>,
    #[serde(default)]
    pattern_type: Option<String>,
    #[serde(default)]
    revoked: bool,
}

impl ThreatIntelligence {
    /// Reads a STIX 2.1 bundle.
    ///
    /// # Errors
    /// If it is none, too large, or has no indicator that can be looked for.
    pub fn stix(text: &str) -> Result<Self, BundleError> {
        if text.len() > FILE_BYTES_MAX {
            return Err(BundleError("larger than 64 MiB".to_owned()));
        }
        let bundle: Bundle = serde_json::from_str(text).map_err(|error| {
            BundleError(format!(
                "no STIX bundle: broken at line {} column {}",
                error.line(),
                error.column()
            ))
        })?;
        if bundle.kind != "bundle" {
            return Err(BundleError(
                "no STIX bundle: `type` is not `bundle`".to_owned(),
            ));
        }
        let mut values = Vec::new();
        let mut left_out = 0;
        let indicators = bundle
            .objects
            .iter()
            .filter(|object| object.kind == "indicator" && !object.revoked);
        for indicator in indicators {
            let stix = indicator
                .pattern_type
                .as_deref()
                .is_none_or(|kind| kind == "stix");
            let found = indicator
                .pattern
                .as_deref()
                .filter(|_| stix)
                .and_then(compared);
            match found {
                Some(mut found) => values.append(&mut found),
                None => left_out += 1,
            }
        }
        values.sort();
        values.dedup();
        if values.is_empty() || values.len() > INDICATORS_MAX {
            return Err(BundleError(format!(
                "{} indicators that can be looked for: 1 to {INDICATORS_MAX} are needed",
                values.len()
            )));
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .build(&values)
            .map_err(|error| {
                BundleError(format!("too many indicators for one automaton: {error}"))
            })?;
        Ok(Self {
            automaton,
            indicators: values.len(),
            left_out,
            version: Sha256::digest(text.as_bytes())
                .iter()
                .take(8)
                .map(|b| format!("{b:02x}"))
                .collect(),
        })
    }

    /// Indicators that are looked for.
    #[must_use]
    pub const fn indicators(&self) -> usize {
        self.indicators
    }

    /// Indicators whose pattern says more than `=`.
    #[must_use]
    pub const fn left_out(&self) -> usize {
        self.left_out
    }
}

impl Detector for ThreatIntelligence {
    fn name(&self) -> &'static str {
        "threat_intelligence"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn detect(&self, segment: &Reading<'_>, found: &mut Vec<Finding>) {
        let mut count = 0;
        for view in 0..segment.view_count() {
            let text = segment.folded(view);
            for place in self.automaton.find_iter(text) {
                if !is_whole(text.as_bytes(), place.start(), place.end()) {
                    continue;
                }
                count += 1;
                if count > FINDINGS_MAX {
                    return;
                }
                found.push(Finding {
                    category: ThreatCategory::Exfiltration,
                    score: SCORE,
                    rule: "threat_intelligence.indicator".into(),
                    segment: segment.index(),
                    kind: segment.kind(),
                    span: segment.to_original(view, Span::new(place.start(), place.end())),
                    atlas: ThreatCategory::Exfiltration
                        .atlas()
                        .iter()
                        .map(|id| (*id).into())
                        .collect::<Vec<_>>()
                        .into(),
                });
            }
        }
    }
}

/// Whether a value stands by itself; a host may have more names in front of it.
fn is_whole(text: &[u8], start: usize, end: usize) -> bool {
    let joins = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let before = start.checked_sub(1).and_then(|i| text.get(i));
    let after = text.get(end);
    let goes_on = after == Some(&b'.') && text.get(end + 1).is_some_and(u8::is_ascii_alphanumeric);
    !before.is_some_and(joins) && !after.is_some_and(joins) && !goes_on
}

/// The values of `[a:b = 'x' OR c:d = 'y']`; `None` for any other pattern.
fn compared(pattern: &str) -> Option<Vec<String>> {
    const OBJECTS: &[&str] = &[
        "domain-name:",
        "url:",
        "ipv4-addr:",
        "ipv6-addr:",
        "email-addr:",
        "file:hashes",
        "artifact:",
    ];
    let inner = pattern.trim().strip_prefix('[')?.strip_suffix(']')?;
    let mut values = Vec::new();
    for comparison in inner.split(" OR ") {
        let (object, value) = comparison
            .split_once(" = ")
            .or_else(|| comparison.split_once('='))?;
        let value = value.trim().strip_prefix('\'')?.strip_suffix('\'')?;
        let known = OBJECTS.iter().any(|known| object.trim().starts_with(known));
        if !known || value.len() < 4 || value.contains('\'') {
            return None;
        }
        values.push(value.replace("\\\\", "\\").to_lowercase());
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::ThreatIntelligence;
    use crate::{Inspector, Scratch};
    use atalaya_model::SegmentKind;

    const BUNDLE: &str = r#"{"type":"bundle","id":"bundle--1","objects":[
        {"type":"identity","id":"identity--1"},
        {"type":"indicator","pattern_type":"stix","pattern":"[domain-name:value = 'evil.example' OR url:value = 'http://bad.example/x']"},
        {"type":"indicator","pattern_type":"stix","pattern":"[file:hashes.'SHA-256' = 'E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855']"},
        {"type":"indicator","pattern_type":"stix","revoked":true,"pattern":"[domain-name:value = 'fine.example']"},
        {"type":"indicator","pattern_type":"yara","pattern":"rule x {}"}]}"#;

    #[test]
    fn whole_values_are_found_in_every_view() {
        let feed = ThreatIntelligence::stix(BUNDLE).expect("a bundle");
        assert_eq!((feed.indicators(), feed.left_out()), (3, 1));
        let inspector = Inspector::builder().detector(Box::new(feed)).build();
        let mut scratch = Scratch::default();
        for (text, found) in [
            ("see https://cdn.evil.example/a.png", true),
            ("see https://cdn.EVIL.example", true),
            (
                "see notevil.example and evil.example.org and fine.example",
                false,
            ),
            (
                "aHR0cHM6Ly9jZG4uZXZpbC5leGFtcGxlL2EucG5n and more of it",
                true,
            ),
            (
                "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                true,
            ),
        ] {
            let verdict = inspector.inspect_text(text, SegmentKind::Document, &mut scratch);
            let hit = verdict
                .findings
                .iter()
                .any(|f| f.rule == "threat_intelligence.indicator");
            assert_eq!(hit, found, "{text}");
        }
    }

    #[test]
    fn what_is_no_bundle_is_refused() {
        for text in [
            "",
            "{}",
            r#"{"type":"bundle","objects":[]}"#,
            r#"{"type":"report"}"#,
        ] {
            assert!(ThreatIntelligence::stix(text).is_err(), "{text}");
        }
    }
}
