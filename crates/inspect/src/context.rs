//! What surrounds a match: quotation marks, and talk about attacks. Users' first complaint
//! about guards is that text *about* prompt injection is taken for one.
//!
//! Trade-off: an attacker can quote too. So the surroundings lower a score, never to nothing,
//! and only where the text both quotes (or lists) and talks about attacks.

use atalaya_model::Span;

/// Terms of writing about attacks on models.
pub(crate) const ABOUT_ATTACKS: &[&str] = &[
    "prompt injection",
    "prompt-injection",
    "injection attack",
    "jailbreak",
    "adversarial",
    "attacker",
    "adversary",
    "adversaries",
    "vulnerabilit",
    "mitigation",
    "threat",
    "malicious",
    "red team",
    "red-team",
    "guardrail",
    "exploit",
    "detects",
    "detection",
    "security research",
    "owasp",
    "mitre",
    "payload",
    "phishing",
    "researchers",
    "for example",
    "such as",
    "e.g.",
    "prompt attack",
    "large language model",
    "attack",
];

/// How a text is meant, as far as its words show.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Surroundings {
    about: u64,
}

impl Surroundings {
    /// Notes a term of [`ABOUT_ATTACKS`].
    pub(crate) const fn note(&mut self, term: u8) {
        self.about |= 1 << (term & 63);
    }

    /// Number of different terms.
    pub(crate) const fn terms(self) -> u32 {
        self.about.count_ones()
    }

    /// Percent of its score that a match keeps.
    pub(crate) fn keeps_percent(self, folded: &str, span: Span) -> u32 {
        let quoted = is_quoted(folded, span);
        match (quoted, self.terms()) {
            (true, 3..) => 45,
            (true, 1..) => 60,
            (true, 0) => 80,
            (false, 5..) => 60,
            (false, 3..) => 75,
            (false, _) => 100,
        }
    }
}

/// Whether a match stands in quotation marks or backticks that begin right before it and end
/// soon after it, within a longer text.
fn is_quoted(folded: &str, span: Span) -> bool {
    /// How far before and after the match the marks may stand.
    const REACH_BYTES: usize = 24;
    const CLOSING_REACH_BYTES: usize = 160;
    let bytes = folded.as_bytes();
    let before = bytes
        .get(span.start.saturating_sub(REACH_BYTES)..span.start)
        .unwrap_or_default();
    let Some(mark) = before
        .iter()
        .rev()
        .copied()
        .find(|b| matches!(b, b'"' | b'`' | b'\''))
    else {
        return false;
    };
    let after_end = (span.end + CLOSING_REACH_BYTES).min(bytes.len());
    let closed = bytes
        .get(span.end..after_end)
        .is_some_and(|after| memchr::memchr(mark, after).is_some());
    // A whole message in quotes is no quotation.
    closed && span.start > REACH_BYTES
}
