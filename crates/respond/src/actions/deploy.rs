//! Models and their training, through a signed webhook to whoever deploys them.
//!
//! Atalaya does not deploy models. It tells the deployment system, in a message that is signed
//! and names the step, and that system decides.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Action, ActionError, Call, Parameter, notify, optional, required};
use crate::ports::Ports;

async fn send(call: &Call, event: &str, ports: &Ports) -> Result<Value, ActionError> {
    let channel = ports.channels.find(&call.text("channel"))?;
    let mut message = notify::message(call, event);
    let model = call.text_or("model", &call.context.text("model"));
    message.details = json!({
        "model": model, "version": call.text("version"), "resource": call.text("resource"),
    });
    let sent = channel.send(&message, &ports.egress).await?;
    Ok(json!({"event": event, "model": model, "sent": sent}))
}

macro_rules! deployment {
    ($(#[$doc:meta])* $type:ident, $name:literal, $event:literal, $undo:expr, $summary:literal, $activity:literal, $gate:literal) => {
        $(#[$doc])*
        pub(super) struct $type;

        #[async_trait]
        impl Action for $type {
            fn name(&self) -> &'static str {
                $name
            }
            fn summary(&self) -> &'static str {
                $summary
            }
            fn parameters(&self) -> &'static [Parameter] {
                const { &[
                    required("channel", "name of the deployment system's webhook channel"),
                    optional("model", "the model; the alert's by default"),
                    optional("version", "the version to bring into service"),
                    optional("resource", "data set or pipeline"),
                    optional("text", "text for people"),
                ] }
            }
            fn activity(&self) -> &'static str {
                $activity
            }
            fn needs_a_gate(&self) -> bool {
                $gate
            }
            fn can_be_undone(&self) -> bool {
                let undo: Option<&str> = $undo;
                undo.is_some()
            }
            fn plan(&self, call: &Call) -> String {
                let model = call.text_or("model", &call.context.text("model"));
                format!("tell {}: {} {model} {}", call.text("channel"), $event, call.text("version"))
            }
            async fn run(&self, call: &Call, ports: &Ports) -> Result<Value, ActionError> {
                send(call, $event, ports).await
            }
            async fn undo(&self, call: &Call, _: &Value, ports: &Ports) -> Result<Value, ActionError> {
                let undo: Option<&str> = $undo;
                match undo {
                    Some(event) => send(call, event, ports).await,
                    None => Err(ActionError::Skipped(concat!("`", $name, "` cannot be undone").to_owned())),
                }
            }
        }
    };
}

deployment!(
    /// Brings a model that was tested into service.
    Redeploy, "redeploy", "model.redeploy", Some("model.rollback"),
    "have a tested model brought into service", "restore-capabilities", true
);
deployment!(
    /// Brings the version before back.
    RollBack, "roll_back", "model.rollback", None,
    "have the version before a model's current one brought back", "revert-system", true
);
deployment!(
    /// Nothing is learnt from data that may be poisoned.
    FreezeRetraining, "freeze_retraining", "retraining.freeze", Some("retraining.resume"),
    "have scheduled retraining stopped until somebody has looked at the data", "disconnect-system", false
);
