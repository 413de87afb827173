//! What a policy file may say.

use std::collections::BTreeMap;

use atalaya_model::{Constraints, Decision, Mode, ThreatCategory, UnjudgedReason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::response::ResponsePolicy;
use crate::rules::{Allowed, Rule, SessionsPolicy, ToolsPolicy};

/// The version of the file format.
const FORMAT_VERSION: u32 = 1;

/// A policy file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyDocument {
    /// Version of the file format: 1.
    pub version: u32,
    /// Id of the policy, recorded in every decision.
    pub id: String,
    /// The author's version of this policy, recorded in every decision.
    pub revision: String,
    /// `enforce` carries decisions out, `shadow` only records them as `WouldDecision`.
    #[serde(default)]
    #[schemars(with = "String")]
    pub mode: Mode,
    /// Scores from which a category without an entry of its own is acted on.
    #[serde(default)]
    pub thresholds: Thresholds,
    /// Thresholds and constraints of single categories.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, CategoryPolicy>")]
    pub categories: BTreeMap<ThreatCategory, CategoryPolicy>,
    /// What CONSTRAIN does where a category does not say.
    #[serde(default)]
    #[schemars(with = "serde_json_value::Any")]
    pub constrain: Constraints,
    /// What a blocked caller gets.
    #[serde(default)]
    pub on_block: BlockAnswer,
    /// What happens to calls of which something could not be judged.
    #[serde(default)]
    pub unjudged: UnjudgedPolicy,
    /// What holds for the model's answers.
    #[serde(default)]
    pub response: ResponsePolicy,
    /// Rules; the strictest of all that hold counts.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Findings that are known to be harmless, by fingerprint.
    #[serde(default)]
    pub allowlist: Vec<Allowed>,
    /// Which tools may be used.
    #[serde(default)]
    pub tools: ToolsPolicy,
    /// What holds for conversations over several calls.
    #[serde(default)]
    pub sessions: SessionsPolicy,
    /// What happens to routes that no protocol understands.
    #[serde(default)]
    pub unknown_route: UnknownRoute,
    /// Deviations for some calls; the first that matches counts.
    #[serde(default)]
    pub routes: Vec<RoutePolicy>,
}

/// Stand-in for free-form members in the JSON Schema.
mod serde_json_value {
    /// Any value.
    #[derive(schemars::JsonSchema)]
    pub(super) struct Any {}
}

impl Default for PolicyDocument {
    fn default() -> Self {
        Self {
            version: FORMAT_VERSION,
            id: "default".to_owned(),
            revision: "0".to_owned(),
            mode: Mode::default(),
            thresholds: Thresholds::default(),
            categories: BTreeMap::new(),
            constrain: Constraints::default(),
            on_block: BlockAnswer::default(),
            unjudged: UnjudgedPolicy::default(),
            response: ResponsePolicy::default(),
            rules: Vec::new(),
            allowlist: Vec::new(),
            tools: ToolsPolicy::default(),
            sessions: SessionsPolicy::default(),
            unknown_route: UnknownRoute::default(),
            routes: Vec::new(),
        }
    }
}

impl PolicyDocument {
    /// Mistakes that the types do not catch: (text to point at, what, remedy).
    pub(crate) fn problems(&self) -> Vec<(String, String, String)> {
        let mut problems = Vec::new();
        if self.version != FORMAT_VERSION {
            problems.push((
                "version".to_owned(),
                format!("format version {} is not known", self.version),
                format!("this release reads version {FORMAT_VERSION}"),
            ));
        }
        if !self.thresholds.is_ordered() {
            problems.push(disorder("thresholds"));
        }
        self.rule_problems(&mut problems);
        if !self.response.thresholds.is_none_or(Thresholds::is_ordered) {
            problems.push(disorder("response"));
        }
        for (category, policy) in self.categories.iter().chain(&self.response.categories) {
            if !policy.thresholds().is_ordered() {
                problems.push(disorder(category.as_str()));
            }
        }
        problems
    }
}

impl PolicyDocument {
    fn rule_problems(&self, problems: &mut Vec<(String, String, String)>) {
        if !self.sessions.thresholds.is_ordered() {
            problems.push(disorder("sessions"));
        }
        let rules = self.rules.iter().map(|rule| &rule.id);
        let ids: Vec<&String> = rules
            .chain(self.tools.rules.iter().map(|rule| &rule.id))
            .collect();
        for (index, id) in ids.iter().enumerate() {
            if ids.get(..index).is_some_and(|before| before.contains(id)) {
                problems.push((
                    (*id).clone(),
                    format!("two rules have the id `{id}`"),
                    "give each rule an id of its own: the decision log names it".to_owned(),
                ));
            }
        }
        for allowed in &self.allowlist {
            let (author, reason) = (allowed.author.trim(), allowed.reason.trim());
            if allowed.end().is_none() {
                problems.push((
                    allowed.expires.clone(),
                    format!("`{}` is no date and no time", allowed.expires),
                    "write 2026-12-31 or 2026-12-31T00:00:00Z".to_owned(),
                ));
            }
            if author.is_empty() || reason.is_empty() {
                problems.push((
                    allowed.fingerprint.clone(),
                    "an entry of the allowlist has no author or no reason".to_owned(),
                    "say who allows it and why: somebody will ask".to_owned(),
                ));
            }
        }
    }
}

fn disorder(key: &str) -> (String, String, String) {
    (
        key.to_owned(),
        format!("the thresholds of `{key}` are not in order or above 100"),
        "write log <= constrain <= block, each 0-100; leave out what must never happen".to_owned(),
    )
}

/// Scores (0-100) from which a finding is acted on; `None` means never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// From this score: LOG.
    pub log: Option<u8>,
    /// From this score: CONSTRAIN.
    pub constrain: Option<u8>,
    /// From this score: BLOCK.
    pub block: Option<u8>,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            log: Some(30),
            constrain: Some(60),
            block: Some(80),
        }
    }
}

impl Thresholds {
    /// The decision for a score.
    #[must_use]
    pub fn decide(self, score: u8) -> Decision {
        let reached = |threshold: Option<u8>| threshold.is_some_and(|t| score >= t);
        if reached(self.block) {
            Decision::Block
        } else if reached(self.constrain) {
            Decision::Constrain
        } else if reached(self.log) {
            Decision::Log
        } else {
            Decision::Allow
        }
    }

    fn is_ordered(self) -> bool {
        let steps: Vec<u8> = [self.log, self.constrain, self.block]
            .into_iter()
            .flatten()
            .collect();
        steps.windows(2).all(|pair| pair[0] <= pair[1]) && steps.iter().all(|step| *step <= 100)
    }
}

/// What holds for one category. Left-out thresholds mean "never".
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CategoryPolicy {
    /// From this score: LOG.
    pub log: Option<u8>,
    /// From this score: CONSTRAIN.
    pub constrain: Option<u8>,
    /// From this score: BLOCK.
    pub block: Option<u8>,
    /// What CONSTRAIN does for this category, instead of the general one.
    #[schemars(with = "Option<serde_json_value::Any>")]
    pub constraints: Option<Constraints>,
}

impl CategoryPolicy {
    /// Its thresholds.
    #[must_use]
    pub const fn thresholds(&self) -> Thresholds {
        Thresholds {
            log: self.log,
            constrain: self.constrain,
            block: self.block,
        }
    }
}

/// How a blocked caller is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlockStyle {
    /// Status 200 and a refusal that the official SDKs take for an answer.
    #[default]
    Refusal,
    /// Status 400 and the protocol's own error body.
    Error,
}

/// What a blocked caller gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BlockAnswer {
    /// Refusal or error.
    pub style: BlockStyle,
    /// What the caller is told. Never say why: an attacker would learn from it.
    pub text: String,
}

impl Default for BlockAnswer {
    fn default() -> Self {
        Self {
            style: BlockStyle::default(),
            text: "This request was declined by the security policy of this service.".to_owned(),
        }
    }
}

/// The least decision for calls of which something could not be judged, by reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UnjudgedPolicy {
    /// Routes that no protocol understands, when they are passed.
    #[schemars(with = "String")]
    pub unknown_route: Decision,
    /// Content types and blocks that are not understood.
    #[schemars(with = "String")]
    pub unknown_content: Decision,
    /// Images, audio, video, binary files.
    #[schemars(with = "String")]
    pub media: Decision,
    /// What only the provider can read.
    #[schemars(with = "String")]
    pub opaque: Decision,
    /// Longer than the inspection limit.
    #[schemars(with = "String")]
    pub too_large: Decision,
    /// A detector gave up at its limit.
    #[schemars(with = "String")]
    pub limit_reached: Decision,
    /// Bytes that could not be parsed.
    #[schemars(with = "String")]
    pub malformed: Decision,
    /// A transfer encoding that is not decoded.
    #[schemars(with = "String")]
    pub encoded: Decision,
}

impl Default for UnjudgedPolicy {
    fn default() -> Self {
        Self {
            unknown_route: Decision::Log,
            unknown_content: Decision::Log,
            media: Decision::Log,
            opaque: Decision::Log,
            too_large: Decision::Block,
            limit_reached: Decision::Block,
            malformed: Decision::Block,
            encoded: Decision::Block,
        }
    }
}

impl UnjudgedPolicy {
    /// The least decision for a reason.
    #[must_use]
    pub const fn least(&self, reason: UnjudgedReason) -> Decision {
        match reason {
            UnjudgedReason::UnknownRoute => self.unknown_route,
            UnjudgedReason::UnknownContent => self.unknown_content,
            UnjudgedReason::Media => self.media,
            UnjudgedReason::Opaque => self.opaque,
            UnjudgedReason::TooLarge => self.too_large,
            UnjudgedReason::LimitReached => self.limit_reached,
            UnjudgedReason::Malformed => self.malformed,
            UnjudgedReason::Encoded => self.encoded,
        }
    }
}

/// What happens to routes that no protocol understands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownRoute {
    /// Status 404, logged.
    #[default]
    Refuse,
    /// Forwarded unseen, logged as `Unjudged`.
    Pass,
}

/// Which calls a deviation is for; every member that is there must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteMatch {
    /// Protocol, e.g. `openai.chat`; `*` stands for any text.
    pub protocol: Option<String>,
    /// Path starts with this.
    pub path_prefix: Option<String>,
    /// Model; `*` stands for any text.
    pub model: Option<String>,
    /// Upstream; `*` stands for any text.
    pub upstream: Option<String>,
}

/// A deviation for some calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RoutePolicy {
    /// Which calls.
    #[serde(rename = "match")]
    pub matches: RouteMatch,
    /// Mode instead of the general one.
    #[schemars(with = "Option<String>")]
    pub mode: Option<Mode>,
    /// Thresholds instead of the general ones.
    pub thresholds: Option<Thresholds>,
    /// Categories in place of the general ones of that name.
    #[schemars(with = "BTreeMap<String, CategoryPolicy>")]
    pub categories: BTreeMap<ThreatCategory, CategoryPolicy>,
    /// Answer to a blocked caller instead of the general one.
    pub on_block: Option<BlockAnswer>,
}
