//! Escalate: raise the incident's severity, and tell who has to know.

use async_trait::async_trait;
use atalaya_model::Severity;
use serde_json::{Value, json};

use super::{Action, ActionError, Call, Parameter, notify, optional};
use crate::incident::{Heading, Incident, TimelineEntry};
use crate::ports::Ports;
use crate::typed;

/// Raises an incident.
pub(super) struct Escalate;

#[async_trait]
impl Action for Escalate {
    fn name(&self) -> &'static str {
        "escalate"
    }
    fn summary(&self) -> &'static str {
        "raise the incident's severity and tell who has to know"
    }
    fn parameters(&self) -> &'static [Parameter] {
        const {
            &[
                optional(
                    "severity",
                    "at least this severe from now on; critical by default",
                ),
                optional("owner", "who takes over"),
                optional("channel", "who is told"),
                optional("text", "what they are told"),
            ]
        }
    }
    fn activity(&self) -> &'static str {
        "deliver-content"
    }
    fn plan(&self, call: &Call) -> String {
        let severity = call.text_or("severity", "critical");
        format!("escalate to {severity} {}", call.text("channel"))
    }
    async fn run(&self, call: &Call, ports: &Ports) -> Result<Value, ActionError> {
        let severity = call.text_or("severity", "critical");
        let least: Severity = serde_json::from_value(severity.clone().into())
            .map_err(|_| ActionError::Final(format!("`{severity}` is no severity")))?;
        if let Some(id) = &call.context.incident_id {
            let (owner, now) = (call.text("owner"), ports.now());
            let store = ports.documents.as_ref();
            typed::change(store, id, now, |incident: &mut Incident| {
                incident.severity = incident.severity.max(Some(least));
                if !owner.is_empty() {
                    incident.owner.clone_from(&owner);
                }
                let noted = incident.note(TimelineEntry {
                    time: now,
                    heading: Heading::Respond,
                    kind: "escalation".to_owned(),
                    text: format!("escalated: {}", call.title),
                    actor: call.author.clone(),
                    key: call.key.clone(),
                });
                (noted, ())
            })
            .await?;
        }
        let channel = call.text("channel");
        if channel.is_empty() {
            return Ok(json!({"severity": severity}));
        }
        // A channel that nobody configured must not keep an incident from being escalated.
        let sent = match ports.channels.find(&channel) {
            Ok(found) => {
                let message = notify::message(call, "escalate");
                Value::from(found.send(&message, &ports.egress).await?)
            }
            Err(error) => Value::from(format!("nobody was told: {error}")),
        };
        Ok(json!({"severity": severity, "channel": channel, "sent": sent}))
    }
}
