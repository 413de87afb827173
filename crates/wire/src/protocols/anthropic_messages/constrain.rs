//! Weakening a Messages call.

use atalaya_model::Constraints;

use crate::call::WireError;
use crate::edit::{content, json_string};
use crate::json::{Kind, Value};
use crate::protocol::AppliedConstraint;
use crate::weaken::{Order, Shape, Weakening, weaken};

const SHAPE: Shape = Shape {
    settings: None,
    output_tokens: &["max_tokens"],
    temperature: Some("temperature"),
    is_temperature_fixed: false,
    tools: &["tools", "tool_choice", "mcp_servers"],
};

/// A history with tool calls is refused without `tools`: one that does nothing stands in.
const NO_TOOL: &str =
    r#"[{"name":"none","description":"No tool is available.","input_schema":{"type":"object"}}]"#;

/// Least thinking budget that the API takes.
const THINKING_TOKENS_MIN: u64 = 1024;

pub(crate) fn constrain(order: Order<'_>) -> Result<(Vec<u8>, Vec<AppliedConstraint>), WireError> {
    weaken(order, shape, |weakening, constraints| {
        if let Some(text) = &constraints.safety_message {
            safety_message(weakening, text);
            weakening.note("safety_message", 1);
        }
        if constraints.drop_tools
            && weakening.root.get("tools").is_some()
            && has_tool_history(weakening.root)
        {
            let root = weakening.root;
            weakening.edits.add_member(root, "tools", NO_TOOL);
            weakening
                .edits
                .add_member(root, "tool_choice", r#"{"type":"none"}"#);
        }
        thinking(weakening, constraints);
        Ok(())
    })
}

/// While the model thinks, the API takes no temperature but its own.
fn shape(root: Value<'_, '_>) -> Shape {
    let mode = root
        .get("thinking")
        .and_then(|thinking| thinking.get_str("type"));
    Shape {
        is_temperature_fixed: mode.is_some_and(|mode| mode != "disabled"),
        ..SHAPE
    }
}

fn safety_message(weakening: &mut Weakening<'_, '_>, text: &str) {
    let literal = json_string(text);
    let (root, edits) = (weakening.root, &mut weakening.edits);
    match root.get("system") {
        Some(system) if system.kind() == Kind::String => {
            edits.insert(system.span().start, format!("{}\\n\\n", content(&literal)));
        }
        Some(system) if system.kind() == Kind::Array => {
            // At the end: an earlier place would spoil the provider's prompt cache.
            edits.add_last(system, &format!("{{\"type\":\"text\",\"text\":{literal}}}"));
        }
        Some(system) => edits.replace(system.outer_span(), literal),
        None => edits.add_member(root, "system", &literal),
    }
}

fn has_tool_history(root: Value<'_, '_>) -> bool {
    let messages = root.get("messages");
    let mut blocks = messages
        .iter()
        .flat_map(Value::children)
        .filter_map(|message| message.get("content"))
        .flat_map(|content| content.children());
    blocks.any(|block| {
        let block_type = block.get_str("type").unwrap_or_default();
        block_type.ends_with("tool_use") || block_type.ends_with("tool_result")
    })
}

/// The API refuses a thinking budget that is not below `max_tokens`.
fn thinking(weakening: &mut Weakening<'_, '_>, constraints: &Constraints) {
    let Some(max) = constraints.max_output_tokens else {
        return;
    };
    let Some(thinking) = weakening.root.get("thinking") else {
        return;
    };
    let Some(budget) = thinking.get("budget_tokens") else {
        return;
    };
    if budget.as_u64().is_some_and(|tokens| tokens < max) {
        return;
    }
    if max > THINKING_TOKENS_MIN {
        weakening
            .edits
            .replace(budget.outer_span(), (max - 1).to_string());
    } else {
        weakening
            .edits
            .replace(thinking.outer_span(), r#"{"type":"disabled"}"#);
    }
}
