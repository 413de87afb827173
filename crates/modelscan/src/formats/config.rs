//! JSON files beside the weights: code that comes with a model, chat templates.

use atalaya_model::Severity;
use serde_json::Value;

use super::Seen;
use crate::report::code;

/// What is odd about a configuration, and the chat templates in it.
pub(crate) fn check(config: &Value) -> (Vec<Seen>, Vec<String>) {
    let mut seen = Vec::new();
    let map = config.get("auto_map").and_then(Value::as_object);
    for target in map.into_iter().flat_map(|map| map.values()).flat_map(texts) {
        let target: String = target
            .chars()
            .filter(|c| !c.is_control())
            .take(120)
            .collect();
        let message = format!("the model is loaded by code of its own: {target}");
        // Code of another repository is fetched when the model is loaded.
        let severity = if target.contains("--") {
            Severity::High
        } else {
            Severity::Medium
        };
        seen.push(Seen::new(0, code::REMOTE_CODE, severity, message));
    }
    if config.get("trust_remote_code").and_then(Value::as_bool) == Some(true) {
        let message = "the configuration says that code of the model is to be trusted";
        seen.push(Seen::new(0, code::REMOTE_CODE, Severity::Medium, message));
    }
    let templates = match config.get("chat_template") {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => {
            let named = list
                .iter()
                .filter_map(|item| item.get("template")?.as_str());
            named.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    (seen, templates)
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
