//! Tell somebody, through a configured channel.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Action, ActionError, Call, Parameter, optional, required};
use crate::channels::Message;
use crate::ports::Ports;

/// Sends a message.
pub(super) struct Notify;

/// The message of a step: what it is about, without any text of a call.
pub(super) fn message(call: &Call, event: &str) -> Message {
    let facts = &call.context;
    let default = format!(
        "{} ({}, {}): {} records",
        facts.text("rule_name"),
        facts.text("severity"),
        facts.text("techniques"),
        facts.text("count"),
    );
    Message {
        key: call.key.clone(),
        event: event.to_owned(),
        title: call.text_or("title", &call.title),
        text: call.text_or("text", &default),
        severity: facts.text("severity"),
        incident: facts.incident_id.clone().unwrap_or_default(),
        runbook: call.runbook_id.clone(),
        run: call.run_id.clone(),
        facts: [
            "alert",
            "rule",
            "techniques",
            "caller",
            "key",
            "agent",
            "session",
            "model",
            "tool",
            "address",
            "count",
            "first_seen",
            "last_seen",
        ]
        .into_iter()
        .map(|name| (name.to_owned(), facts.text(name)))
        .filter(|(_, value)| !value.is_empty())
        .collect(),
        details: Value::Null,
    }
}

#[async_trait]
impl Action for Notify {
    fn name(&self) -> &'static str {
        "notify"
    }
    fn summary(&self) -> &'static str {
        "tell a channel: webhook, Slack, Teams, PagerDuty, e-mail"
    }
    fn parameters(&self) -> &'static [Parameter] {
        const {
            &[
                required("channel", "name of a channel in the configuration"),
                optional("title", "headline; the step's title by default"),
                optional("text", "text; `{caller}` and other facts are filled in"),
            ]
        }
    }
    fn activity(&self) -> &'static str {
        "deliver-content"
    }
    fn plan(&self, call: &Call) -> String {
        format!(
            "notify {}: {}",
            call.text("channel"),
            call.text_or("title", &call.title)
        )
    }
    async fn run(&self, call: &Call, ports: &Ports) -> Result<Value, ActionError> {
        let channel = ports.channels.find(&call.text("channel"))?;
        let sent = channel
            .send(&message(call, "notify"), &ports.egress)
            .await?;
        Ok(json!({"channel": call.text("channel"), "sent": sent}))
    }
}
