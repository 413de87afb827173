//! Rotate a virtual key: the leaked secret ends, and who looks after keys gives its owner a new one.
//!
//! The old secret ends at once, or after `overlap` if the step says so: a secret that leaked is of
//! use to whoever has it for every minute longer. The runbook makes no new secret, because one that
//! a machine passes on stands in a log: a task says who is to be given one, and `atalaya keys
//! rotate` shows it once to whoever does that. Until then calls with the key are refused. Undone,
//! the old secret is good again, unless its owner has a new one already.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Action, ActionError, Call, Parameter, optional};
use crate::incident::{Heading, Incident, Task};
use crate::ports::Ports;
use crate::{duration, typed};

/// Longest time for which an old secret stays valid.
const OVERLAP_MAX: std::time::Duration = std::time::Duration::from_secs(7 * 86_400);

/// Ends the secret of a virtual key.
pub(super) struct RotateKey;

fn key_of(call: &Call) -> String {
    call.text_or("key", &call.context.text("key"))
}

/// Tells the incident who has to be given a new secret, once.
async fn add_task(call: &Call, key_id: &str, ports: &Ports) -> Result<(), ActionError> {
    let Some(incident) = &call.context.incident_id else {
        return Ok(());
    };
    let (store, now) = (ports.documents.as_ref(), ports.now());
    let task = Task {
        heading: Heading::Recover,
        title: format!("Give the owner of {key_id} a new secret: atalaya keys rotate {key_id}"),
        key: format!("{}/owner", call.key),
        ..Task::default()
    };
    typed::change(store, incident, now, |incident: &mut Incident| {
        (incident.add_task(&task), ())
    })
    .await?;
    Ok(())
}

#[async_trait]
impl Action for RotateKey {
    fn name(&self) -> &'static str {
        "rotate_key"
    }
    fn summary(&self) -> &'static str {
        "end the secret of a virtual key; a task says who is to be given a new one"
    }
    fn parameters(&self) -> &'static [Parameter] {
        const {
            &[
                optional("key", "id of the key; the alert's by default"),
                optional(
                    "overlap",
                    "how long the old secret stays valid, at most 7d; it ends at once by default",
                ),
            ]
        }
    }
    fn activity(&self) -> &'static str {
        "eliminate-risk"
    }
    fn needs_a_gate(&self) -> bool {
        true
    }
    fn can_be_undone(&self) -> bool {
        true
    }
    fn plan(&self, call: &Call) -> String {
        let overlap = call.text("overlap");
        let overlap = if overlap.is_empty() {
            overlap
        } else {
            format!(", its old secret ends after {overlap}")
        };
        format!("rotate key {}{overlap}", key_of(call))
    }
    async fn run(&self, call: &Call, ports: &Ports) -> Result<Value, ActionError> {
        let key_id = key_of(call);
        if key_id.is_empty() {
            return Err(ActionError::Skipped("the alert names no key".to_owned()));
        }
        let overlap = call.text_or("overlap", "0s");
        let overlap = duration::parse(&overlap)
            .filter(|overlap| *overlap <= OVERLAP_MAX)
            .ok_or_else(|| {
                ActionError::Final(format!("`overlap: {overlap}` is no duration up to 7d"))
            })?;
        let keys = ports
            .keys
            .as_deref()
            .ok_or_else(|| ActionError::Skipped("there are no virtual keys here".to_owned()))?;
        let answer = keys
            .rotate(&key_id, overlap, &call.author, &call.key)
            .await?;
        add_task(call, &key_id, ports).await?;
        Ok(answer)
    }
    async fn undo(&self, call: &Call, _: &Value, ports: &Ports) -> Result<Value, ActionError> {
        let keys = ports
            .keys
            .as_deref()
            .ok_or_else(|| ActionError::Skipped("there are no virtual keys here".to_owned()))?;
        // An undo has a key of its own; what was done was done under the step's.
        let key = call.key.replacen("undo:", "", 1);
        let restored = keys.restore(&call.author, &key).await?;
        Ok(json!({"key": key_of(call), "old_secret_is_good_again": restored}))
    }
}
