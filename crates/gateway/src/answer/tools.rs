//! Tools that a model asks for in its answer: put together from the pieces of a stream and held
//! against the policy's lists and rules, the caller's scopes, enforcement, and what tainted the
//! conversation.
//!
//! A name is enough for most; where arguments or a person decide, everything from the name on waits
//! until the answer has ended. Nothing is looked at when nobody says anything about tools.

use std::sync::Arc;

use atalaya_model::{Decision, Timestamp};
use atalaya_policy::{CallContext, CallFacts, ToolAction};
use atalaya_wire::{ToolCallPiece, tool_calls};
use serde_json::Value;

use super::Watch;
use crate::approve::ApprovalNeeded;
use crate::door::Entry;

/// Most calls of tools in one answer; more are not let through where tools are ruled.
const CALLS_MAX: usize = 256;
/// Longest arguments that are read, bytes; longer ones count as unreadable.
const ARGUMENTS_BYTES_MAX: usize = 1 << 20;

/// Who asked, as far as rules about tools may know.
#[derive(Clone, Debug, Default)]
pub(crate) struct AskedBy {
    pub(crate) entry: Arc<Entry>,
    pub(crate) route: String,
    pub(crate) user: String,
    pub(crate) team: String,
    pub(crate) agent: String,
    pub(crate) key: String,
    pub(crate) address: String,
    pub(crate) session: String,
    pub(crate) stream: bool,
    pub(crate) max_tokens: u64,
    pub(crate) at: Timestamp,
    pub(crate) session_score: u8,
    pub(crate) is_tainted: bool,
}

impl AskedBy {
    fn context<'c>(&'c self, tools: &'c [&'c str], actions: &'c [ToolAction]) -> CallContext<'c> {
        CallContext {
            route: &self.route,
            caller: &self.user,
            team: &self.team,
            agent: &self.agent,
            key: &self.key,
            address: &self.address,
            session: &self.session,
            stream: self.stream,
            max_tokens: self.max_tokens,
            tools,
            actions,
            fingerprints: &[],
            now: self.at,
            session_score: self.session_score,
            is_tainted: self.is_tainted,
        }
    }
}

/// What is done about the tools of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ToolsOutcome {
    pub(crate) decision: Decision,
    pub(crate) would_decision: Decision,
    /// Id of the rule that decided, or empty.
    pub(crate) rule: String,
    /// A person may say yes.
    pub(crate) approval: Option<ApprovalNeeded>,
}

impl ToolsOutcome {
    /// The stricter of both; a person's yes does not help against a rule that asks nobody.
    pub(crate) fn stricter(self, other: Self) -> Self {
        let is_stricter = match other.decision.cmp(&self.decision) {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => {
                self.decision == Decision::Allow
                    || self.approval.is_some() && other.approval.is_none()
            }
        };
        let would_decision = self.would_decision.max(other.would_decision);
        let stricter = if is_stricter { other } else { self };
        Self {
            would_decision,
            ..stricter
        }
    }

    fn blocked(rule: &str) -> Self {
        Self {
            decision: Decision::Block,
            would_decision: Decision::Block,
            rule: rule.to_owned(),
            approval: None,
        }
    }
}

/// A call that is put together.
#[derive(Debug)]
struct Called {
    channel: String,
    name: String,
    arguments: String,
    is_whole: bool,
}

/// The tools of one answer.
#[derive(Debug, Default)]
pub(crate) struct ToolWatch {
    calls: Vec<Called>,
    is_overfull: bool,
    /// Rules wait for arguments.
    is_waiting: bool,
}

impl ToolWatch {
    /// Takes in a document of the answer; what the new names alone decide.
    pub(crate) fn take(&mut self, watch: &Watch, data: &[u8]) -> Option<ToolsOutcome> {
        let by = watch.asked.by.as_ref()?;
        if !by.entry.rules_tools() && !watch.policy.governs_tools(by.is_tainted) {
            return None;
        }
        let mut names: Vec<String> = Vec::new();
        for piece in tool_calls(data, watch.parse_limits.json) {
            if let Some(name) = self.piece(piece) {
                self.is_waiting |= watch.policy.waits_for_arguments(&name);
                names.push(name);
            }
        }
        if self.is_overfull {
            return Some(ToolsOutcome::blocked("tools"));
        }
        if names.is_empty() {
            return None;
        }
        if names.iter().any(|name| by.entry.stops_tool(name, by.at)) {
            return Some(ToolsOutcome::blocked(""));
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Some(decided(watch, &by.context(&names, &[])))
    }

    /// Whether what comes from now on has to wait for the end.
    pub(crate) const fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    /// What arguments decide, when all of them are there.
    pub(crate) fn finish(&mut self, watch: &Watch) -> Option<ToolsOutcome> {
        let by = watch.asked.by.as_ref()?;
        if !std::mem::take(&mut self.is_waiting) {
            return None;
        }
        let actions: Vec<ToolAction> = self
            .calls
            .iter()
            .filter(|call| watch.policy.waits_for_arguments(&call.name))
            .flat_map(Called::actions)
            .collect();
        Some(decided(watch, &by.context(&[], &actions)))
    }

    /// Puts a piece where it belongs; the name, if it is a new one.
    fn piece(&mut self, piece: ToolCallPiece) -> Option<String> {
        let same_channel = |call: &&mut Called| call.channel == piece.channel;
        let mut known = self.calls.iter_mut().rev();
        let known = match &piece.name {
            // A whole call is one of its own: some protocols number all of them alike.
            Some(_) if piece.is_whole => None,
            Some(name) => known.find(|call| call.name == *name && same_channel(call)),
            None => known.find(same_channel),
        };
        if let Some(call) = known.filter(|call| !call.is_whole) {
            // What goes beyond the limit counts as unreadable, so no more than that is kept.
            let room = (ARGUMENTS_BYTES_MAX + 4).saturating_sub(call.arguments.len());
            let end = piece.arguments.ceil_char_boundary(room);
            call.arguments
                .push_str(piece.arguments.get(..end).unwrap_or(""));
            return None;
        }
        let name = piece.name?;
        if self.calls.len() >= CALLS_MAX {
            self.is_overfull = true;
            return None;
        }
        self.calls.push(Called {
            channel: piece.channel,
            name: name.clone(),
            arguments: piece.arguments,
            is_whole: piece.is_whole,
        });
        Some(name)
    }
}

impl Called {
    /// The call, once for each document of its arguments: some servers repeat them, and some give
    /// several calls one number. What cannot be read is null, with which a condition holds.
    fn actions(&self) -> Vec<ToolAction> {
        read_arguments(&self.name, &self.arguments)
    }
}

/// A call of a tool, once for each document of its arguments.
pub(crate) fn read_arguments(name: &str, arguments: &str) -> Vec<ToolAction> {
    let action = |arguments| ToolAction {
        name: name.to_owned(),
        arguments,
    };
    if arguments.trim().is_empty() {
        return vec![action(Value::Object(serde_json::Map::new()))];
    }
    if arguments.len() > ARGUMENTS_BYTES_MAX {
        return vec![action(Value::Null)];
    }
    let documents = serde_json::Deserializer::from_str(arguments).into_iter::<Value>();
    let read = documents.map(|document| action(document.unwrap_or(Value::Null)));
    read.take(CALLS_MAX).collect()
}

fn decided(watch: &Watch, call: &CallContext<'_>) -> ToolsOutcome {
    let facts = CallFacts {
        protocol: watch.protocol.name(),
        path: &watch.path,
        model: &watch.asked.model,
        upstream: &watch.upstream,
    };
    let outcome = watch.policy.decide_tools(&facts, call);
    let approval = outcome
        .approval
        .filter(|(rule, _, _)| outcome.rule == Some(*rule))
        .map(|(rule, asked, _)| ApprovalNeeded {
            rule: rule.to_owned(),
            is_held: true,
            timeout_s: asked.timeout_s,
            default_approve: asked.default_approve,
            tools: call
                .actions
                .iter()
                .map(|action| action.name.clone())
                .collect(),
            caller: call.caller.to_owned(),
            session: call.session.to_owned(),
            model: watch.asked.model.clone(),
        });
    ToolsOutcome {
        decision: outcome.decision,
        would_decision: outcome.would_decision,
        rule: outcome.rule.unwrap_or("").to_owned(),
        approval,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_arguments_are_unreadable_wherever_they_are_cut() {
        for letter in ["a", "é", "漢", "🦀"] {
            let mut watch = ToolWatch::default();
            let piece = |name: Option<&str>, arguments: String| ToolCallPiece {
                channel: "0".into(),
                name: name.map(Into::into),
                arguments,
                is_whole: false,
            };
            watch.piece(piece(Some("run"), "\"".into()));
            for _ in 0..40 {
                watch.piece(piece(None, letter.repeat(40_000)));
            }
            let call = &watch.calls[0];
            assert!(call.arguments.len() <= ARGUMENTS_BYTES_MAX + 8);
            assert_eq!(call.actions()[0].arguments, Value::Null);
        }
    }
}
