//! What rules may know of a call besides its verdict and its route.

use atalaya_model::Timestamp;

/// A tool that is about to be called.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolAction {
    /// Its name.
    pub name: String,
    /// What it is called with; null if that cannot be read.
    pub arguments: serde_json::Value,
}

/// See the module. Everything that is empty is not known.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallContext<'a> {
    /// Name of the route.
    pub route: &'a str,
    /// `UserId`.
    pub caller: &'a str,
    /// Team.
    pub team: &'a str,
    /// `AgentId`.
    pub agent: &'a str,
    /// `CallerKeyId`.
    pub key: &'a str,
    /// `SrcIpAddr`.
    pub address: &'a str,
    /// `SessionId`.
    pub session: &'a str,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// Output token limit, 0 if none.
    pub max_tokens: u64,
    /// Names of the tools that are offered.
    pub tools: &'a [&'a str],
    /// Tools that this very call executes.
    pub actions: &'a [ToolAction],
    /// Fingerprints of the verdict's findings, in their order.
    pub fingerprints: &'a [String],
    /// When.
    pub now: Timestamp,
    /// Score of the conversation over all its turns.
    pub session_score: u8,
    /// A tool result or document of this conversation carried an injection.
    pub is_tainted: bool,
}
