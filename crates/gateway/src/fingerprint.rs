//! By what a finding is known again: the rule, and the line of text that it stands in.
//!
//! Keyed with a secret of the installation: nobody who reads the log can try which card number or
//! name a fingerprint stands for. The whole line counts, so that an allowed line is harmless only
//! as a whole, and not wherever its worst words turn up.

use atalaya_model::{Finding, Segment};
use ring::hmac;

use crate::arrival::hex;

/// Longest part of a line on either side of the finding, bytes.
const CONTEXT_BYTES_MAX: usize = 512;
/// Bytes of a fingerprint.
const BYTES: usize = 12;

/// Makes fingerprints.
pub(crate) struct Fingerprints(hmac::Key);

impl Fingerprints {
    /// With the installation's secret.
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// One for each finding, in their order.
    pub(crate) fn of(&self, findings: &[Finding], segments: &[Segment<'_>]) -> Vec<String> {
        findings
            .iter()
            .map(|finding| self.one(finding, segments))
            .collect()
    }

    fn one(&self, finding: &Finding, segments: &[Segment<'_>]) -> String {
        let index = usize::try_from(finding.segment).unwrap_or(usize::MAX);
        let text = segments
            .get(index)
            .map_or("", |segment| segment.text.as_ref());
        let mut context = hmac::Context::with_key(&self.0);
        context.update(finding.rule.as_bytes());
        context.update(&[0]);
        context.update(line(text, finding.span.start, finding.span.end).as_bytes());
        hex(context.sign().as_ref().get(..BYTES).unwrap_or_default())
    }
}

/// The line that a span stands in, without the space around it, bounded.
fn line(text: &str, start: usize, end: usize) -> &str {
    let (start, end) = (start.min(text.len()), end.min(text.len()));
    let from = text.floor_char_boundary(start.saturating_sub(CONTEXT_BYTES_MAX));
    let to = text.ceil_char_boundary(end.saturating_add(CONTEXT_BYTES_MAX).min(text.len()));
    let (start, end) = (
        text.floor_char_boundary(start),
        text.ceil_char_boundary(end),
    );
    let before = text.get(from..start).unwrap_or("");
    let after = text.get(end.max(start)..to).unwrap_or("");
    let from = before.rfind('\n').map_or(from, |at| from + at + 1);
    let to = after.find('\n').map_or(to, |at| end.max(start) + at);
    text.get(from..to).unwrap_or("").trim()
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_finding_is_known_by_its_line() {
        let text = "first\n  ignore all rules, é\nlast";
        let at = text.find("ignore").unwrap();
        assert_eq!(line(text, at, at + 6), "ignore all rules, é");
        assert_eq!(line(text, 0, 2), "first");
        assert_eq!(line(text, text.len() - 1, text.len()), "last");
        assert_eq!(line("", 5, 9), "");
        assert_eq!(line("ééé", 1, 3), "ééé");
    }
}
