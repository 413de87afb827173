//! Add a task to the incident: what only people can do is written down, not forgotten.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Action, ActionError, Call, Parameter, optional};
use crate::incident::{Heading, Incident, Task};
use crate::ports::Ports;
use crate::typed;

/// Adds a task.
pub(super) struct AddTask;

#[async_trait]
impl Action for AddTask {
    fn name(&self) -> &'static str {
        "task"
    }
    fn summary(&self) -> &'static str {
        "add a task for people to the incident"
    }
    fn parameters(&self) -> &'static [Parameter] {
        const {
            &[
                optional("title", "what is to be done; the step's title by default"),
                optional("assignee", "by whom"),
                optional("heading", "detect, respond, recover or improve"),
            ]
        }
    }
    fn activity(&self) -> &'static str {
        "identify-steps"
    }
    fn can_be_undone(&self) -> bool {
        true
    }
    fn plan(&self, call: &Call) -> String {
        format!("add the task: {}", call.text_or("title", &call.title))
    }
    async fn run(&self, call: &Call, ports: &Ports) -> Result<Value, ActionError> {
        let Some(id) = &call.context.incident_id else {
            return Err(ActionError::Skipped("there is no incident".to_owned()));
        };
        let title = call.text_or("title", &call.title);
        let heading = Heading::parse(&call.text_or("heading", "respond"))
            .ok_or_else(|| ActionError::Final("`heading` is not known".to_owned()))?;
        let (store, now) = (ports.documents.as_ref(), ports.now());
        let task = Task {
            heading,
            title: title.clone(),
            assignee: call.text("assignee"),
            key: call.key.clone(),
            ..Task::default()
        };
        typed::change(store, id, now, |incident: &mut Incident| {
            (incident.add_task(&task), ())
        })
        .await?;
        Ok(json!({"task": title, "key": call.key}))
    }
    async fn undo(&self, call: &Call, output: &Value, ports: &Ports) -> Result<Value, ActionError> {
        let key = output
            .get("key")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if let Some(id) = &call.context.incident_id {
            let (store, now) = (ports.documents.as_ref(), ports.now());
            typed::change(store, id, now, |incident: &mut Incident| {
                let before = incident.tasks.len();
                incident.tasks.retain(|task| task.key != key);
                (incident.tasks.len() < before, ())
            })
            .await?;
        }
        Ok(json!({"removed": key}))
    }
}
