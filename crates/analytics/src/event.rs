//! One log row as the analytics see it: borrowed, typed, and the same whatever table it is from.
//!
//! Nothing here is prompt text. What identifies an input are hashes.

use std::borrow::Cow;

use atalaya_model::{Decision, Timestamp};
use twox_hash::XxHash64;

/// Which log a row is from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// `AIGuardrailDecisions`.
    #[default]
    Decision,
    /// `ModelInferenceLog`.
    Inference,
    /// `AuditLog`.
    Audit,
    /// `APIAccessLog`.
    Access,
}

/// How much of a call a row tells. The gateway writes two records per call; other logs write one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// The call was decided; its end is still to come.
    Decided,
    /// How a call that was told before has ended.
    Settled,
    /// All of it.
    #[default]
    Whole,
}

/// What was done to training data, an artefact or an index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Act<'a> {
    /// What was done, e.g. `upload`.
    pub operation: Cow<'a, str>,
    /// Kind or path of what it was done to.
    pub resource: Cow<'a, str>,
    /// Name of that thing.
    pub name: Cow<'a, str>,
    /// dataset, artifact, config, tool, index.
    pub resource_type: Cow<'a, str>,
    /// Pipeline stage.
    pub stage: Cow<'a, str>,
    /// Where the data came from.
    pub source_uri: Cow<'a, str>,
    /// SHA-256 of the content, hexadecimal.
    pub sha256: Cow<'a, str>,
    /// Verdict of a scan.
    pub scan_verdict: Cow<'a, str>,
    /// Size in bytes.
    pub size_bytes: Option<u64>,
    /// Records added.
    pub rows_added: u64,
    /// Records changed.
    pub rows_changed: u64,
    /// Records deleted.
    pub rows_deleted: u64,
    /// Records in all, where the source says so.
    pub rows_total: Option<u64>,
    /// Histogram of labels.
    pub labels: Vec<(Cow<'a, str>, f64)>,
    /// Histograms of features, over bins that stay the same from version to version.
    pub features: Vec<(Cow<'a, str>, Vec<f64>)>,
}

impl Act<'_> {
    /// What the act was done to: the name, or the kind where there is no name.
    #[must_use]
    pub fn subject(&self) -> &str {
        if self.name.is_empty() {
            &self.resource
        } else {
            &self.name
        }
    }
}

/// One row. Empty texts and zeros mean "not told".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event<'a> {
    /// Which log.
    pub source: Source,
    /// How much of the call.
    pub phase: Phase,
    /// When.
    pub time: Timestamp,
    /// Id of the row.
    pub id: Cow<'a, str>,
    /// Decision of the gateway that the row belongs to.
    pub decision_id: Cow<'a, str>,
    /// Tenant.
    pub tenant: Cow<'a, str>,
    /// Who.
    pub caller: Cow<'a, str>,
    /// Key.
    pub key: Cow<'a, str>,
    /// Agent.
    pub agent: Cow<'a, str>,
    /// Conversation.
    pub session: Cow<'a, str>,
    /// Trace.
    pub trace: Cow<'a, str>,
    /// Client address.
    pub address: Cow<'a, str>,
    /// Autonomous system of the client.
    pub asn: u32,
    /// Country of the client, ISO 3166-1 alpha-2.
    pub country: Cow<'a, str>,
    /// User agent.
    pub user_agent: Cow<'a, str>,
    /// TLS fingerprint.
    pub tls: Cow<'a, str>,
    /// Model.
    pub model: Cow<'a, str>,
    /// Path of the request.
    pub path: Cow<'a, str>,
    /// SimHash of the input, if it is one.
    pub simhash: Option<u64>,
    /// Hash of the input, of whatever kind.
    pub input: u64,
    /// Hash of the prompt template.
    pub template: u64,
    /// Predicted class.
    pub label: Cow<'a, str>,
    /// Confidence of the prediction, 0-1.
    pub confidence: Option<f32>,
    /// Input tokens.
    pub input_tokens: Option<u64>,
    /// Output tokens.
    pub output_tokens: Option<u64>,
    /// Reasoning tokens.
    pub reasoning_tokens: Option<u64>,
    /// Cost, US dollars.
    pub cost_usd: Option<f64>,
    /// Latency of the model, milliseconds.
    pub latency_ms: Option<f64>,
    /// Whether log-probabilities were asked for.
    pub logprobs: bool,
    /// Answers that were asked for.
    pub candidates: u32,
    /// What the gateway did.
    pub decision: Option<Decision>,
    /// Why, e.g. `limit`.
    pub reason: Cow<'a, str>,
    /// Category of the threat.
    pub category: Cow<'a, str>,
    /// Threat score, 0-100.
    pub score: u8,
    /// HTTP status given to the caller.
    pub status: u16,
    /// `success`, `failure` or `none`.
    pub auth: Cow<'a, str>,
    /// Why the model stopped.
    pub finish: Cow<'a, str>,
    /// Number of user turns.
    pub turn: u32,
    /// Step in an agent's loop.
    pub step: u32,
    /// Hash of tool and arguments of a tool call.
    pub tool_call: u64,
    /// Documents that were retrieved.
    pub documents: Vec<Cow<'a, str>>,
    /// When the key was made.
    pub key_created: Option<Timestamp>,
    /// The act, for rows of the audit log.
    pub act: Option<Box<Act<'a>>>,
}

/// Marks networks that are known by their addresses only.
pub(crate) const PREFIX_BIT: u32 = 1 << 31;

impl Event<'_> {
    /// Whether this row is the first that is told of its call.
    #[must_use]
    pub fn opens(&self) -> bool {
        self.phase != Phase::Settled
    }

    /// Whether this row tells how its call ended.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.phase != Phase::Decided
    }

    /// Whether it is about a call of a model.
    #[must_use]
    pub fn is_model_call(&self) -> bool {
        matches!(self.source, Source::Decision | Source::Inference)
    }

    /// Whether a classifier answered.
    #[must_use]
    pub fn is_classification(&self) -> bool {
        !self.label.is_empty() || self.confidence.is_some()
    }

    /// Who is held to account: the caller, else the key, the agent, the address.
    #[must_use]
    pub fn actor(&self) -> &str {
        [&self.caller, &self.key, &self.agent, &self.address]
            .into_iter()
            .find(|name| !name.is_empty())
            .map_or("", |name| name.as_ref())
    }

    /// Whether the model or the gateway refused.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.decision == Some(Decision::Block) || self.is_refused_by_model()
    }

    /// Whether the model, or the filter of its provider, would not answer.
    #[must_use]
    pub fn is_refused_by_model(&self) -> bool {
        self.decision != Some(Decision::Block)
            && matches!(
                self.finish.as_ref(),
                "content_filter" | "refusal" | "safety" | "SAFETY"
            )
    }

    /// Whether a limit was hit.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.status == 429 || self.reason == "limit"
    }

    /// All tokens of the call; `None` if none were told.
    #[must_use]
    pub fn tokens(&self) -> Option<u64> {
        let all = [self.input_tokens, self.output_tokens, self.reasoning_tokens];
        let told = all.iter().any(Option::is_some);
        told.then(|| {
            all.iter()
                .flatten()
                .fold(0, |sum: u64, n| sum.saturating_add(*n))
        })
    }

    pub(crate) fn seconds(&self) -> u32 {
        u32::try_from(self.time.0.max(0) / 1_000_000).unwrap_or(u32::MAX)
    }

    pub(crate) fn millis(&self) -> u64 {
        u64::try_from(self.time.0 / 1_000).unwrap_or(0)
    }

    /// Network of the client: its autonomous system, else its /24 (IPv4) or /48 (IPv6), with the
    /// first bit set; 0 if it is not known.
    pub(crate) fn network(&self) -> u32 {
        if self.asn != 0 {
            return self.asn & !PREFIX_BIT;
        }
        let address: std::net::IpAddr = match self.address.parse() {
            Ok(address) => address,
            Err(_) => return 0,
        };
        let prefix = match address {
            std::net::IpAddr::V4(v4) => u64::from(v4.to_bits() >> 8),
            std::net::IpAddr::V6(v6) => (v6.to_bits() >> 80) as u64 | 1 << 63,
        };
        crate::sketch::mix(prefix) as u32 | PREFIX_BIT
    }
}

/// Hash of a text; the same in every process.
#[must_use]
pub fn hash(text: &str) -> u64 {
    if text.is_empty() {
        return 0;
    }
    XxHash64::oneshot(0, text.as_bytes()).max(1)
}

/// Hash of several texts whose lengths keep them apart.
pub(crate) fn hash_of(parts: &[&str]) -> u64 {
    parts.iter().fold(0, |sum: u64, part| {
        crate::sketch::mix(sum ^ XxHash64::oneshot(part.len() as u64, part.as_bytes()))
    })
}
