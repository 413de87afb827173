//! Rotate a virtual key: the leaked secret ends, its owner gets a new one.

use async_trait::async_trait;
use serde_json::Value;

use super::{Action, ActionError, Call, Parameter, optional};
use crate::ports::Ports;

/// Replaces the secret of a virtual key.
pub(super) struct RotateKey;

#[async_trait]
impl Action for RotateKey {
    fn name(&self) -> &'static str {
        "rotate_key"
    }
    fn summary(&self) -> &'static str {
        "replace the secret of a virtual key"
    }
    fn parameters(&self) -> &'static [Parameter] {
        const { &[optional("key", "id of the key; the alert's by default")] }
    }
    fn activity(&self) -> &'static str {
        "eliminate-risk"
    }
    fn needs_a_gate(&self) -> bool {
        true
    }
    fn plan(&self, call: &Call) -> String {
        format!(
            "rotate key {}",
            call.text_or("key", &call.context.text("key"))
        )
    }
    async fn run(&self, call: &Call, ports: &Ports) -> Result<Value, ActionError> {
        let key_id = call.text_or("key", &call.context.text("key"));
        if key_id.is_empty() {
            return Err(ActionError::Skipped("the alert names no key".to_owned()));
        }
        let keys = ports
            .keys
            .as_deref()
            .ok_or_else(|| ActionError::Skipped("there are no virtual keys here".to_owned()))?;
        Ok(keys.rotate(&key_id, &call.author, &call.key).await?)
    }
}
