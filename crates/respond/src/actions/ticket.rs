//! Open a ticket in Jira or ServiceNow; one that carries the step's key already is found again.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Action, ActionError, Call, Parameter, notify, optional, required};
use crate::ports::Ports;

/// Opens a ticket.
pub(super) struct OpenTicket;

#[async_trait]
impl Action for OpenTicket {
    fn name(&self) -> &'static str {
        "ticket"
    }
    fn summary(&self) -> &'static str {
        "open a ticket in Jira or ServiceNow"
    }
    fn parameters(&self) -> &'static [Parameter] {
        const {
            &[
                required(
                    "channel",
                    "name of a Jira or ServiceNow channel in the configuration",
                ),
                optional("title", "summary of the ticket"),
                optional("text", "description of the ticket"),
            ]
        }
    }
    fn activity(&self) -> &'static str {
        "deliver-content"
    }
    fn plan(&self, call: &Call) -> String {
        format!(
            "open a ticket in {}: {}",
            call.text("channel"),
            call.text_or("title", &call.title)
        )
    }
    async fn run(&self, call: &Call, ports: &Ports) -> Result<Value, ActionError> {
        let channel = ports.channels.find(&call.text("channel"))?;
        let sent = channel
            .send(&notify::message(call, "ticket"), &ports.egress)
            .await?;
        Ok(json!({"channel": call.text("channel"), "ticket": sent}))
    }
}
