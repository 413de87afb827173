//! Weakening a Messages call.

use atalaya_model::{Constraints, Redaction};

use crate::call::{ParsedCall, WireError, root_object};
use crate::edit::{Edits, clamp, json_string, reread};
use crate::json::{Kind, Value};
use crate::protocol::AppliedConstraint;

const TOOL_MEMBERS: &[&str] = &["tools", "tool_choice", "mcp_servers"];

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
        #[expect(
            clippy::cast_precision_loss,
            reason = "token counts are far below 2^52"
        )]
        let changed = clamp(&mut edits, root, &["max_tokens"], "max_tokens", max as f64);
        note("max_output_tokens", u32::from(changed));
    }
    if let Some(max) = constraints.temperature_max {
        let changed = clamp(&mut edits, root, &["temperature"], "temperature", max);
        note("temperature", u32::from(changed));
    }
    if let Some(text) = &constraints.safety_message {
        safety_message(&mut edits, root, text);
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

fn safety_message(edits: &mut Edits, root: Value<'_, '_>, text: &str) {
    let literal = json_string(text);
    match root.get("system") {
        Some(system) if system.kind() == Kind::String => {
            let inner = &literal[1..literal.len() - 1];
            edits.insert(system.span().start, format!("{inner}\\n\\n"));
        }
        Some(system) if system.kind() == Kind::Array => {
            edits.add_first(system, &format!("{{\"type\":\"text\",\"text\":{literal}}}"));
        }
        Some(system) => edits.replace(system.outer_span(), literal),
        None => edits.add_member(root, "system", &literal),
    }
}
