//! Findings that are replaced: in what is sent on, and in what is kept of a prompt.

use atalaya_model::{Redaction, Segment, ThreatCategory, Verdict};

/// What to replace for findings of these categories.
pub(crate) fn redactions(verdict: &Verdict, categories: &[ThreatCategory]) -> Vec<Redaction> {
    verdict
        .findings
        .iter()
        .filter(|finding| categories.contains(&finding.category))
        .map(|finding| Redaction {
            segment: finding.segment,
            span: finding.span,
            replacement: format!("[REDACTED:{}]", finding.category),
        })
        .collect()
}

/// A segment without secrets and personal data.
pub(super) fn redacted(index: usize, segment: &Segment<'_>, verdict: &Verdict) -> String {
    let categories = [ThreatCategory::Secret, ThreatCategory::PersonalData];
    let mut redactions = redactions(verdict, &categories);
    redactions.retain(|redaction| redaction.segment as usize == index);
    redactions.sort_by_key(|redaction| redaction.span.start);
    let mut out = String::with_capacity(segment.text.len());
    let mut at = 0;
    for redaction in &redactions {
        if redaction.span.start >= at {
            out.push_str(segment.text.get(at..redaction.span.start).unwrap_or(""));
            out.push_str(&redaction.replacement);
        }
        at = at.max(redaction.span.end);
    }
    out.push_str(segment.text.get(at..).unwrap_or(""));
    out
}
