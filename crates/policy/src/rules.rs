//! Rules, allowlist, tools and sessions of a policy file.

use atalaya_model::{Constraints, Decision, Mode, ThreatCategory, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{BlockAnswer, Thresholds};

/// Which calls a rule is for; every member that is there must match, `*` stands for any text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RuleMatch {
    /// Protocol.
    pub protocol: Option<String>,
    /// Path starts with this.
    pub path_prefix: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Upstream.
    pub upstream: Option<String>,
    /// Name of the route.
    pub route: Option<String>,
    /// Caller (`UserId`).
    pub caller: Option<String>,
    /// Team.
    pub team: Option<String>,
    /// Agent.
    pub agent: Option<String>,
    /// Any tool that is offered or executed.
    pub tool: Option<String>,
    /// Any finding of this category.
    #[schemars(with = "Option<String>")]
    pub category: Option<ThreatCategory>,
}

/// A rule: what is done with calls that it is for. The strictest of all that hold counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Id, recorded with the decision.
    pub id: String,
    /// `shadow` only records what the rule would do.
    #[serde(default)]
    #[schemars(with = "String")]
    pub mode: Mode,
    /// Which calls.
    #[serde(default, rename = "match")]
    pub matches: RuleMatch,
    /// CEL condition over `call`, `findings`, `score`, `session`, `time`.
    #[serde(default)]
    pub when: Option<String>,
    /// What is done.
    #[schemars(with = "String")]
    pub decision: Decision,
    /// What CONSTRAIN does, instead of the general one.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Value>")]
    pub constraints: Option<Constraints>,
    /// Answer to a blocked caller, instead of the general one.
    #[serde(default)]
    pub on_block: Option<BlockAnswer>,
}

/// A finding that is known to be harmless.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// `fp` of the finding in the decision log.
    pub fingerprint: String,
    /// Until when: a date or a time (RFC 3339).
    pub expires: String,
    /// Who allowed it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// Only for these callers; for all if missing.
    #[serde(default)]
    pub caller: Option<String>,
}

impl Allowed {
    /// Its end, if it can be read.
    pub(crate) fn end(&self) -> Option<Timestamp> {
        Timestamp::parse_rfc3339(&self.expires)
    }
}

/// A person has to say yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApprovalRule {
    /// `hold` keeps the call waiting; `ticket` answers 202 with a token to repeat the call with.
    pub style: ApprovalStyle,
    /// Seconds until somebody must have decided.
    pub timeout_s: u64,
    /// Whether the call goes on if nobody did.
    pub default_approve: bool,
}

impl Default for ApprovalRule {
    fn default() -> Self {
        Self {
            style: ApprovalStyle::default(),
            timeout_s: 300,
            default_approve: false,
        }
    }
}

/// How a call waits for approval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalStyle {
    /// Status 202 and a token.
    #[default]
    Ticket,
    /// The call waits.
    Hold,
}

/// What holds for some tools. Holds when a tool is executed (MCP `tools/call`, `/v1/evaluate`) or
/// asked for in a model's answer; without `when` also when it is offered to a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolRule {
    /// Id, recorded with the decision.
    pub id: String,
    /// The tool; `*` stands for any text.
    pub tool: String,
    /// `shadow` only records what the rule would do.
    #[serde(default)]
    #[schemars(with = "String")]
    pub mode: Mode,
    /// CEL condition over `tool` and `arguments`, and what rules know.
    #[serde(default)]
    pub when: Option<String>,
    /// What is done; BLOCK if missing. CONSTRAIN removes the call's tools.
    #[serde(default = "block")]
    #[schemars(with = "String")]
    pub decision: Decision,
    /// A person has to say yes before the tool is executed; `decision` is what happens otherwise.
    #[serde(default)]
    pub approval: Option<ApprovalRule>,
}

const fn block() -> Decision {
    Decision::Block
}

/// Which tools may be used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ToolsPolicy {
    /// Only these; any if empty.
    pub allow: Vec<String>,
    /// Never these.
    pub deny: Vec<String>,
    /// What is done with a call that offers or executes another; BLOCK, or CONSTRAIN to remove the
    /// call's tools.
    #[schemars(with = "Option<String>")]
    pub decision: Option<Decision>,
    /// Single tools.
    pub rules: Vec<ToolRule>,
}

/// What holds for conversations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SessionsPolicy {
    /// Scores of the whole conversation from which a call is acted on. Weak findings of its turns
    /// add up; what is repeated from earlier turns counts once.
    pub thresholds: Thresholds,
    /// Least score of a finding that adds up.
    pub score_min: u8,
    /// What an injection in a tool result or document does to the rest of the conversation.
    pub taint: TaintPolicy,
}

impl Default for SessionsPolicy {
    fn default() -> Self {
        Self {
            thresholds: Thresholds {
                log: Some(50),
                constrain: Some(80),
                block: Some(95),
            },
            score_min: 25,
            taint: TaintPolicy::default(),
        }
    }
}

/// What an injection in a tool result or document does to the rest of the conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TaintPolicy {
    /// Least score of the injection; missing turns it off.
    pub from_score: Option<u8>,
    /// Tools that reach outward: with these, a tainted conversation could carry something out.
    pub outward_tools: Vec<String>,
    /// What is done with a call of a tainted conversation that offers or executes such a tool.
    #[schemars(with = "String")]
    pub decision: Decision,
}

impl Default for TaintPolicy {
    fn default() -> Self {
        let outward = [
            "*send*",
            "*mail*",
            "*post*",
            "*http*",
            "*fetch*",
            "*upload*",
            "*webhook*",
            "*browse*",
            "*publish*",
            "*share*",
            "*exec*",
            "*shell*",
            "*transfer*",
            "*pay*",
            "*write*",
            "*delete*",
            "*request*",
            "*curl*",
            "*slack*",
            "*message*",
        ];
        Self {
            from_score: Some(60),
            outward_tools: outward.map(str::to_owned).to_vec(),
            decision: Decision::Constrain,
        }
    }
}
