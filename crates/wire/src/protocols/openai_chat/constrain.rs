//! Weakening a chat completion call.

use atalaya_model::{Constraints, Redaction};

use crate::call::{ParsedCall, WireError, root_object};
use crate::edit::{Edits, clamp, json_string, reread};
use crate::protocol::AppliedConstraint;

const TOOL_MEMBERS: &[&str] = &[
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "parallel_tool_calls",
];

pub(super) fn constrain(
    body: &[u8],
    call: &ParsedCall<'_>,
    constraints: &Constraints,
    redactions: &[Redaction],
) -> Result<(Vec<u8>, Vec<AppliedConstraint>), WireError> {
    let document = reread(body)?;
    let root = root_object(&document)?;
    let mut edits = Edits::default();
    let mut applied = Vec::new();
    let mut note = |kind, count| {
        if count > 0 {
            applied.push(AppliedConstraint { kind, count });
        }
    };
    if let Some(max) = constraints.max_output_tokens {
        // Both names exist in the wild, and a server may read either: both are clamped.
        let names = ["max_tokens", "max_completion_tokens"];
        #[expect(
            clippy::cast_precision_loss,
            reason = "token counts are far below 2^52"
        )]
        let changed = clamp(&mut edits, root, &names, "max_tokens", max as f64);
        note("max_output_tokens", u32::from(changed));
    }
    if let Some(max) = constraints.temperature_max {
        let changed = clamp(&mut edits, root, &["temperature"], "temperature", max);
        note("temperature", u32::from(changed));
    }
    if let Some(text) = &constraints.safety_message {
        let messages = root
            .get("messages")
            .ok_or(WireError::Missing { path: "/messages" })?;
        let message = format!("{{\"role\":\"system\",\"content\":{}}}", json_string(text));
        edits.add_first(messages, &message);
        note("safety_message", 1);
    }
    if constraints.drop_tools {
        let removed = edits.remove_members(root, TOOL_MEMBERS);
        note(
            "drop_tools",
            if removed > 0 {
                u32::try_from(call.tools.len()).unwrap_or(1).max(1)
            } else {
                0
            },
        );
    }
    note("redact", edits.redact(body, call, redactions));
    Ok((edits.apply(body)?, applied))
}
