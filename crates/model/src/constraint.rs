//! What CONSTRAIN does to a call: less output, less randomness, a warning, no tools, no secrets.

use serde::{Deserialize, Serialize};

use crate::{Span, ThreatCategory};

/// How a call is weakened before it is forwarded. Everything off means "unchanged".
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Constraints {
    /// Upper bound for output tokens; a lower value in the call stays.
    pub max_output_tokens: Option<u64>,
    /// Upper bound for the sampling temperature; a lower value in the call stays.
    pub temperature_max: Option<f64>,
    /// Text that is added to the call as a system instruction.
    pub safety_message: Option<String>,
    /// Findings of these categories are replaced in the call's text.
    pub redact: Vec<ThreatCategory>,
    /// Tools are removed from the call.
    pub drop_tools: bool,
}

impl Constraints {
    /// Whether nothing at all is constrained.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes over what another one adds: the stricter of both, member by member.
    pub fn merge(&mut self, more: &Self) {
        self.max_output_tokens = match (self.max_output_tokens, more.max_output_tokens) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.temperature_max = match (self.temperature_max, more.temperature_max) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if self.safety_message.is_none() {
            self.safety_message.clone_from(&more.safety_message);
        }
        self.drop_tools |= more.drop_tools;
        for category in &more.redact {
            if !self.redact.contains(category) {
                self.redact.push(*category);
            }
        }
    }
}

/// One span of a segment's decoded text that is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {
    /// Index of the segment in the call.
    pub segment: u32,
    /// Byte span in the segment's decoded text.
    pub span: Span,
    /// What stands there instead, e.g. `[REDACTED:secret]`.
    pub replacement: String,
}
