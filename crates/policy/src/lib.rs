//! A verdict and a policy file become a decision, and say why.
//!
//! A policy is one YAML file with an id and a version; both, and the SHA-256 of its bytes, go into
//! every decision that it caused. Deciding is pure: the same verdict, facts and policy give the
//! same outcome. Left out: looking at text (`inspect`) and carrying a decision out (`gateway`).

mod apply;
mod context;
mod decide;
mod document;
mod expression;
mod response;
mod rules;

use std::sync::Arc;

use atalaya_model::{Diagnostic, Span};
use sha2::{Digest, Sha256};

use expression::Expression;

pub use decide::{CallFacts, Outcome, ReasonCode};
pub use document::{
    BlockAnswer, BlockStyle, CategoryPolicy, PolicyDocument, RouteMatch, RoutePolicy, Thresholds,
    UnjudgedPolicy, UnknownRoute,
};

pub use context::{CallContext, ToolAction};
pub use response::{ResponseOutcome, ResponsePolicy, Streaming};
pub use rules::{
    Allowed, ApprovalRule, ApprovalStyle, Rule, RuleMatch, SessionsPolicy, TaintPolicy, ToolRule,
    ToolsPolicy,
};

const BUILTIN: &str = include_str!("builtin.yml");

/// A policy in force.
#[derive(Clone, Debug)]
pub struct Policy {
    document: PolicyDocument,
    hash: String,
    /// The conditions of `rules` and of `tools.rules`, in their order.
    conditions: Arc<[Vec<Option<Expression>>; 2]>,
}

impl Policy {
    /// The policy that is in force when nobody configured one.
    ///
    /// # Panics
    /// Never: a test reads the same text.
    #[must_use]
    pub fn builtin() -> Self {
        Self::parse(BUILTIN).unwrap_or_else(|_| Self {
            document: PolicyDocument::default(),
            hash: hash(""),
            conditions: Arc::new([Vec::new(), Vec::new()]),
        })
    }

    /// The text of the built-in policy, to start one's own from.
    #[must_use]
    pub const fn builtin_text() -> &'static str {
        BUILTIN
    }

    /// Reads a policy file.
    ///
    /// # Errors
    /// Every mistake that could be found, with place and remedy.
    pub fn parse(text: &str) -> Result<Self, Vec<Diagnostic>> {
        let document: PolicyDocument = atalaya_yaml::parse(text).map_err(|error| vec![*error])?;
        let mut problems = document.problems();
        let rules = document.rules.iter().map(|rule| (&rule.id, &rule.when));
        let tools = document
            .tools
            .rules
            .iter()
            .map(|rule| (&rule.id, &rule.when));
        let conditions = [
            compiled(rules, &mut problems),
            compiled(tools, &mut problems),
        ];
        if problems.is_empty() {
            return Ok(Self {
                document,
                hash: hash(text),
                conditions: Arc::new(conditions),
            });
        }
        Err(problems
            .into_iter()
            .map(|(key, message, help)| {
                let start = text.find(&key).unwrap_or(0);
                let span = Span::new(start, start + key.len());
                Diagnostic::error("POL001", span, message).with_help(help)
            })
            .collect())
    }

    /// Id of the policy.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.document.id
    }

    /// Version of the policy.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.document.revision
    }

    /// SHA-256 of the policy file's bytes, hexadecimal.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    pub(crate) fn rules(&self) -> impl Iterator<Item = (&Rule, Option<&Expression>)> {
        let conditions = self.conditions[0].iter().map(Option::as_ref);
        self.document.rules.iter().zip(conditions)
    }

    pub(crate) fn tool_rules(&self) -> impl Iterator<Item = (&ToolRule, Option<&Expression>)> {
        let conditions = self.conditions[1].iter().map(Option::as_ref);
        self.document.tools.rules.iter().zip(conditions)
    }

    /// What the file says.
    #[must_use]
    pub fn document(&self) -> &PolicyDocument {
        &self.document
    }
}

type Problem = (String, String, String);

fn compiled<'r>(
    rules: impl Iterator<Item = (&'r String, &'r Option<String>)>,
    problems: &mut Vec<Problem>,
) -> Vec<Option<Expression>> {
    let mut compile = |(id, when): (&String, &Option<String>)| {
        let source = when.as_deref()?;
        let compiled = Expression::compile(source);
        compiled
            .map_err(|why| {
                let help = "variables are call, findings, score, session, time, tool, arguments";
                let what = format!("the condition of `{id}`: {why}");
                problems.push((source.to_owned(), what, help.to_owned()));
            })
            .ok()
    };
    rules.map(&mut compile).collect()
}

fn hash(text: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(text.as_bytes())
        .iter()
        .fold(String::with_capacity(64), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}
