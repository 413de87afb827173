//! Preserve evidence: a signed bundle of everything behind the alert, and a hold on it.

use async_trait::async_trait;
use serde_json::Value;

use super::{Action, ActionError, Call, Parameter, optional};
use crate::ports::{Ports, PreserveRequest};

/// Makes an evidence bundle.
pub(super) struct PreserveEvidence;

#[async_trait]
impl Action for PreserveEvidence {
    fn name(&self) -> &'static str {
        "preserve_evidence"
    }
    fn summary(&self) -> &'static str {
        "put requests, answers, decisions, alerts and the chain's proof into a signed bundle"
    }
    fn parameters(&self) -> &'static [Parameter] {
        const { &[optional("records", "ids of more records to keep")] }
    }
    fn activity(&self) -> &'static str {
        "analyze-collected-data"
    }
    fn plan(&self, call: &Call) -> String {
        format!(
            "bundle the records of {} alerts",
            call.context.alert_ids.len()
        )
    }
    async fn run(&self, call: &Call, ports: &Ports) -> Result<Value, ActionError> {
        let keeper = ports
            .evidence
            .as_deref()
            .ok_or_else(|| ActionError::Final("no decision log can be read here".to_owned()))?;
        let mut record_ids = call.list("records");
        let known = call.context.fact("record_ids");
        let known = known.as_array().into_iter().flatten();
        record_ids.extend(known.filter_map(Value::as_str).map(str::to_owned));
        let request = PreserveRequest {
            key: call.key.clone(),
            incident_id: call.context.incident_id.clone(),
            alert_ids: call.context.alert_ids.clone(),
            record_ids,
            author: call.author.clone(),
        };
        Ok(keeper.preserve(&request).await?)
    }
}
