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
    // Adapters name the library that is imported for them.
    let library = config
        .get("auto_mapping")
        .and_then(|map| map.get("parent_library"));
    if let Some(library) = library.and_then(Value::as_str)
        && !LIBRARIES.iter().any(|known| is_below(library, known))
    {
        let shown: String = library
            .chars()
            .filter(|c| !c.is_control())
            .take(120)
            .collect();
        let message = format!("the model is loaded by a library of its own: {shown}");
        seen.push(Seen::new(0, code::REMOTE_CODE, Severity::Medium, message));
    }
    // Pipelines of their own, and modules of sentence encoders.
    let pipelines = config.get("custom_pipelines").and_then(Value::as_object);
    let own = pipelines.into_iter().flat_map(|map| map.values());
    let own = own.filter_map(|pipeline| pipeline.get("impl").and_then(Value::as_str));
    let modules = config.as_array().into_iter().flatten();
    let modules = modules.filter_map(|module| module.get("type").and_then(Value::as_str));
    let modules =
        modules.filter(|kind| kind.contains('.') && !is_below(kind, "sentence_transformers"));
    for target in own.chain(modules) {
        let shown: String = target
            .chars()
            .filter(|c| !c.is_control())
            .take(120)
            .collect();
        let message = format!("the model is loaded by code of its own: {shown}");
        seen.push(Seen::new(0, code::REMOTE_CODE, Severity::Medium, message));
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

/// Libraries that adapters are made for.
const LIBRARIES: &[&str] = &["transformers", "peft", "diffusers", "timm", "torch"];

fn is_below(name: &str, library: &str) -> bool {
    let rest = name.strip_prefix(library);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
