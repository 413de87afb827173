//! Weakening a chat completion call.

use crate::call::WireError;
use crate::edit::json_string;
use crate::json::Value;
use crate::protocol::AppliedConstraint;
use crate::weaken::{Order, Shape, weaken};

const SHAPE: Shape = Shape {
    settings: None,
    // Both names exist in the wild, and a server may read either: both are clamped.
    output_tokens: &["max_tokens", "max_completion_tokens"],
    temperature: Some("temperature"),
    is_temperature_fixed: false,
    tools: &[
        "tools",
        "tool_choice",
        "functions",
        "function_call",
        "parallel_tool_calls",
    ],
};

/// OpenAI's reasoning models refuse the old name of the limit, and any temperature but their own.
const REASONING_SHAPE: Shape = Shape {
    output_tokens: &["max_completion_tokens", "max_tokens"],
    is_temperature_fixed: true,
    ..SHAPE
};

pub(super) fn constrain(order: Order<'_>) -> Result<(Vec<u8>, Vec<AppliedConstraint>), WireError> {
    weaken(order, shape, |weakening, constraints| {
        if let Some(text) = &constraints.safety_message {
            let path = "/messages";
            let messages = weakening
                .root
                .get("messages")
                .ok_or(WireError::Missing { path })?;
            let message = format!("{{\"role\":\"system\",\"content\":{}}}", json_string(text));
            weakening.edits.add_first(messages, &message);
            weakening.note("safety_message", 1);
        }
        Ok(())
    })
}

fn shape(root: Value<'_, '_>) -> Shape {
    if is_reasoning_model(&root.get_str("model").unwrap_or_default()) {
        REASONING_SHAPE
    } else {
        SHAPE
    }
}

fn is_reasoning_model(model: &str) -> bool {
    const PREFIXES: [&str; 4] = ["o1", "o3", "o4", "gpt-5"];
    let name = model.rsplit('/').next().unwrap_or(model);
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
