//! Put something before human eyes, and keep what the model said beside what a person expects.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Action, ActionError, Call, Parameter, optional, query};
use crate::context::text_of;
use crate::ports::Ports;
use crate::review::{self, ReviewItem};

/// Most records that one step puts into the queue.
const ITEMS_MAX: usize = 64;

fn item(call: &Call, subject: String, record_id: &str, ports: &Ports) -> ReviewItem {
    ReviewItem {
        subject,
        record_id: record_id.to_owned(),
        rules: vec![call.context.text("rule")],
        caller: call.context.text("caller"),
        reason: call.text_or("reason", &call.title),
        queue: call.text_or("queue", "analysts"),
        incident_id: call.context.incident_id.clone(),
        added: ports.now(),
        ..ReviewItem::default()
    }
}

fn records(call: &Call) -> Vec<String> {
    let known = call.context.fact("record_ids");
    let ids = known.as_array().into_iter().flatten().map(text_of);
    ids.take(ITEMS_MAX).collect()
}

/// Flags the alert's records for people.
pub(super) struct FlagReview;

#[async_trait]
impl Action for FlagReview {
    fn name(&self) -> &'static str {
        "flag_review"
    }
    fn summary(&self) -> &'static str {
        "put the alert's records into the review queue"
    }
    fn parameters(&self) -> &'static [Parameter] {
        const {
            &[
                optional("queue", "who should look, e.g. ml-platform"),
                optional("reason", "what to look for"),
            ]
        }
    }
    fn activity(&self) -> &'static str {
        "analyze-collected-data"
    }
    fn plan(&self, call: &Call) -> String {
        let queue = call.text_or("queue", "analysts");
        format!("flag {} records for review by {queue}", records(call).len())
    }
    async fn run(&self, call: &Call, ports: &Ports) -> Result<Value, ActionError> {
        let ids = records(call);
        if ids.is_empty() {
            return Err(ActionError::Skipped(
                "the alert names no records".to_owned(),
            ));
        }
        for id in &ids {
            let item = item(call, format!("decision:{id}"), id, ports);
            review::add(ports.documents.as_ref(), &item).await?;
        }
        Ok(json!({"flagged": ids.len(), "queue": call.text_or("queue", "analysts")}))
    }
}

/// Records what a model predicted, so that a person can write down what it should have said.
pub(super) struct RecordPrediction;

#[async_trait]
impl Action for RecordPrediction {
    fn name(&self) -> &'static str {
        "record_prediction"
    }
    fn summary(&self) -> &'static str {
        "keep the model's prediction, with a place beside it for the human-expected output"
    }
    fn parameters(&self) -> &'static [Parameter] {
        const {
            &[
                optional(
                    "query",
                    "KQL that gives the record's id, its input's hash and the predicted class",
                ),
                optional("queue", "who says what was expected"),
            ]
        }
    }
    fn activity(&self) -> &'static str {
        "analyze-collected-data"
    }
    fn plan(&self, call: &Call) -> String {
        let queue = call.text_or("queue", "analysts");
        format!("record the predictions for {queue} to compare with what is expected")
    }
    async fn run(&self, call: &Call, ports: &Ports) -> Result<Value, ActionError> {
        let kql = call.text("query");
        if kql.is_empty() {
            return Err(ActionError::Final(
                "give a `query` for the predictions".to_owned(),
            ));
        }
        let found = query::rows(&kql, ITEMS_MAX, ports).await?;
        let mut recorded = 0;
        for row in &found.rows {
            let cell = |index: usize| row.get(index).map(text_of).unwrap_or_default();
            let (id, hash) = (cell(0), cell(1));
            let mut item = item(call, format!("prediction:{id}"), &id, ports);
            item.content_sha256 = hash;
            item.model_output = row.get(2).cloned().unwrap_or_default();
            review::add(ports.documents.as_ref(), &item).await?;
            recorded += 1;
        }
        Ok(json!({"recorded": recorded}))
    }
}
