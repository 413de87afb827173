//! From findings to one `ThreatScore`: the worst finding, raised by independent evidence.
//!
//! Scale, which policies build on: 85 and more is a clear attack, 50-79 suspicious, 20-49 weak.
//! Secrets and personal data have their own scale and are never added up: ten e-mail addresses
//! are not an attack.

use std::collections::BTreeSet;

use atalaya_model::{Finding, ThreatCategory, Verdict};

/// Findings of one call that are reported; the worst ones are kept.
pub const FINDINGS_MAX: usize = 64;
/// Pieces of evidence that raise a score.
const EVIDENCE_MAX: usize = 6;
/// Percent of what is missing to 100 that a further finding of score 100 adds.
const FURTHER_PERCENT: u32 = 55;
/// Weaker findings raise nothing: they are frequent in innocent text.
const EVIDENCE_SCORE_MIN: u8 = 15;

/// Whether a category is data rather than an attack.
#[must_use]
pub(crate) const fn is_data(category: ThreatCategory) -> bool {
    matches!(
        category,
        ThreatCategory::Secret | ThreatCategory::PersonalData
    )
}

/// Raises the worst attack finding of a segment by the other ones.
pub(crate) fn combine(findings: &mut [Finding]) {
    findings.sort_by(|a, b| b.score.cmp(&a.score).then(a.span.start.cmp(&b.span.start)));
    let mut rules = BTreeSet::new();
    let mut total = 0_u32;
    let mut first = None;
    for (index, finding) in findings.iter().enumerate() {
        if is_data(finding.category) || !rules.insert(family(&finding.rule)) {
            continue;
        }
        if first.is_none() {
            first = Some(index);
            total = u32::from(finding.score);
        } else if rules.len() <= EVIDENCE_MAX && finding.score >= EVIDENCE_SCORE_MIN {
            total += (100 - total) * u32::from(finding.score) * FURTHER_PERCENT / 10_000;
        }
    }
    if let Some(worst) = first.and_then(|index| findings.get_mut(index)) {
        worst.score = u8::try_from(total.min(100)).unwrap_or(100);
    }
}

/// Rules that say the same thing in other words: everything before the last dot.
fn family(rule: &str) -> &str {
    rule.rsplit_once('.').map_or(rule, |(family, _)| family)
}

/// Sorts the findings of all segments and writes the summary.
pub(crate) fn summarise(verdict: &mut Verdict) {
    verdict.findings.sort_by(|a, b| {
        b.score
            .cmp(&a.score)
            .then_with(|| a.segment.cmp(&b.segment))
            .then_with(|| a.span.start.cmp(&b.span.start))
    });
    verdict.findings.truncate(FINDINGS_MAX);
    if let Some(worst) = verdict.findings.first() {
        verdict.score = worst.score;
        verdict.detection = Some(worst.category);
        verdict.pattern = Some(worst.rule.clone());
    }
}
