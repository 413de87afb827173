//! Add to a watchlist: rules and ladders look closer at what stands there.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Action, ActionError, Call, Parameter, enforce, optional, required};
use crate::ports::Ports;
use crate::watchlist;

/// Adds an entity to a watchlist.
pub(super) struct Watch;

#[async_trait]
impl Action for Watch {
    fn name(&self) -> &'static str {
        "watch"
    }
    fn summary(&self) -> &'static str {
        "add an entity to a watchlist"
    }
    fn parameters(&self) -> &'static [Parameter] {
        const {
            &[
                required("list", "name of the watchlist"),
                required("target", "kind of entity, or several"),
                optional("value", "which one; the alert's by default"),
                optional("reason", "why"),
            ]
        }
    }
    fn activity(&self) -> &'static str {
        "match-indicator"
    }
    fn can_be_undone(&self) -> bool {
        true
    }
    fn plan(&self, call: &Call) -> String {
        match enforce::target(call) {
            Ok((kind, value)) => {
                format!("add {kind} {value} to the watchlist {}", call.text("list"))
            }
            Err(error) => format!("nothing: {error}"),
        }
    }
    async fn run(&self, call: &Call, ports: &Ports) -> Result<Value, ActionError> {
        let (kind, value) = enforce::target(call)?;
        let item = watchlist::Item {
            list: call.text("list"),
            kind: kind.clone(),
            value: value.clone(),
            reason: call.text_or("reason", &call.title),
            author: call.author.clone(),
            added: ports.now(),
        };
        watchlist::add(ports.documents.as_ref(), &item).await?;
        Ok(json!({"list": item.list, "kind": kind, "value": value}))
    }
    async fn undo(&self, _: &Call, output: &Value, ports: &Ports) -> Result<Value, ActionError> {
        let text = |name: &str| output.get(name).and_then(Value::as_str).unwrap_or_default();
        let store = ports.documents.as_ref();
        let removed = watchlist::remove(store, text("list"), text("kind"), text("value")).await?;
        Ok(json!({"removed": removed}))
    }
}
