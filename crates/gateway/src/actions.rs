//! Which tools a call executes, and with what: MCP's `tools/call`, and calls of tools that are
//! shown to `/v1/evaluate`.
//!
//! Read generically, because every protocol says the same in other words: an object with a `name`
//! and `arguments`, `input` or `args`. Only for protocols in which the call itself executes; the
//! tool calls in a chat's history have been executed before.

use std::collections::HashSet;

use atalaya_policy::ToolAction;
use atalaya_wire::ParsedCall;
use serde_json::Value;

/// Most tool calls of one call.
const ACTIONS_MAX: usize = 64;
/// Members that hold arguments.
const ARGUMENTS: [&str; 4] = ["arguments", "input", "args", "parameters"];
/// Deepest object that is looked at.
const DEPTH_MAX: usize = 16;

/// The tools that a request executes; none for requests that only offer tools.
pub(crate) fn of_call(call: &ParsedCall<'_>, body: &[u8]) -> Vec<ToolAction> {
    if call.operation.as_deref() != Some("tools/call") {
        return Vec::new();
    }
    let mut actions = of_body(body);
    // What executes and cannot be read, or comes after the most that is read, is still known by its
    // name.
    let is_cut = actions.len() >= ACTIONS_MAX;
    let read = actions.iter().map(|action| action.name.clone());
    let mut known: HashSet<String> = read.filter(|_| !is_cut).collect();
    for name in &call.tools {
        if known.insert(name.to_string()) {
            actions.push(ToolAction {
                name: name.to_string(),
                arguments: Value::Null,
            });
        }
    }
    actions
}

/// Every tool call in a document.
pub(crate) fn of_body(body: &[u8]) -> Vec<ToolAction> {
    let mut out = Vec::new();
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        collect(&value, 0, &mut out);
    }
    out
}

fn collect(value: &Value, depth: usize, out: &mut Vec<ToolAction>) {
    if depth > DEPTH_MAX || out.len() >= ACTIONS_MAX {
        return;
    }
    match value {
        Value::Array(items) => {
            for item in items {
                collect(item, depth + 1, out);
            }
        }
        Value::Object(members) => {
            let name = members.get("name").and_then(Value::as_str);
            let arguments = ARGUMENTS.iter().find_map(|known| members.get(*known));
            if let (Some(name), Some(arguments)) = (name, arguments) {
                out.push(ToolAction {
                    name: name.to_owned(),
                    arguments: unwrapped(arguments),
                });
                return;
            }
            for member in members.values() {
                collect(member, depth + 1, out);
            }
        }
        _ => {}
    }
}

/// Arguments that are JSON in a string.
fn unwrapped(arguments: &Value) -> Value {
    match arguments {
        Value::String(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::of_body;

    #[test]
    fn tool_calls_are_found_in_every_protocols_words() {
        for body in [
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"pay","arguments":{"to":"x"}}}"#,
            r#"{"tool_calls":[{"function":{"name":"pay","arguments":"{\"to\":\"x\"}"}}]}"#,
            r#"{"content":[{"type":"tool_use","name":"pay","input":{"to":"x"}}]}"#,
            r#"{"parts":[{"functionCall":{"name":"pay","args":{"to":"x"}}}]}"#,
        ] {
            let actions = of_body(body.as_bytes());
            assert_eq!(actions.len(), 1, "{body}");
            assert_eq!(
                (
                    actions[0].name.as_str(),
                    actions[0].arguments["to"].as_str()
                ),
                ("pay", Some("x"))
            );
        }
        assert!(of_body(b"not json").is_empty());
    }
}
