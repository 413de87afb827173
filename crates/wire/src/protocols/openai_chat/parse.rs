//! Reading a chat completion call.

use atalaya_model::{SegmentKind, UnjudgedReason};

use crate::call::{Collector, ParseLimits, ParsedCall, Path, WireError, root_object};
use crate::json::{self, Kind, Value};

/// Members that hold no text for the model, or are read elsewhere.
const SILENT: &[&str] = &[
    "model",
    "messages",
    "tools",
    "functions",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "n",
    "logprobs",
    "top_logprobs",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "modalities",
    "parallel_tool_calls",
    "reasoning_effort",
    "verbosity",
    "service_tier",
    "store",
    "tool_choice",
    "function_call",
];

pub(super) fn parse<'a>(body: &'a [u8], limits: &ParseLimits) -> Result<ParsedCall<'a>, WireError> {
    let document = json::parse(body, limits.json)?;
    let root = root_object(&document)?;
    let mut collector = Collector::new(limits);
    let here = Path::Root;
    let mut has_messages = false;
    for member in root.children() {
        let key = member.key();
        let path = here.key(&key);
        match key.as_ref() {
            "messages" => {
                has_messages = true;
                messages(&mut collector, &path, member)?;
            }
            "tools" | "functions" => tools(&mut collector, &path, member)?,
            other if SILENT.contains(&other) => scalar(&mut collector, other, member)?,
            // Predictions, response schemas, metadata and everything that a later version or
            // another server adds: what a model could read of it are its strings.
            _ => collector.all_strings(SegmentKind::User, &path, member)?,
        }
    }
    if !has_messages {
        return Err(WireError::Missing { path: "/messages" });
    }
    Ok(collector.call)
}

fn scalar<'a>(
    collector: &mut Collector<'a>,
    key: &str,
    member: Value<'_, 'a>,
) -> Result<(), WireError> {
    let wrong = |expected| WireError::Type {
        path: format!("/{key}"),
        expected,
    };
    let call = &mut collector.call;
    match key {
        "model" => call.model = Some(member.as_str().ok_or_else(|| wrong("a string"))?),
        "user" if member.kind() == Kind::String => call.user = member.as_str(),
        "safety_identifier" if call.user.is_none() => call.user = member.as_str(),
        "prompt_cache_key" => call.session = member.as_str(),
        "stream" if member.kind() != Kind::Null => {
            call.stream = member.as_bool().ok_or_else(|| wrong("a boolean"))?;
        }
        "max_tokens" | "max_completion_tokens" => {
            call.max_tokens = call.max_tokens.max(member.as_u64());
        }
        "temperature" => call.temperature = member.as_f64(),
        "n" => call.candidate_count = member.as_u64(),
        "logprobs" => call.logprobs = member.as_bool(),
        _ => {}
    }
    Ok(())
}

fn messages<'a>(
    collector: &mut Collector<'a>,
    path: &Path<'_>,
    list: Value<'_, 'a>,
) -> Result<(), WireError> {
    if list.kind() != Kind::Array {
        return Err(WireError::Type {
            path: path.pointer(),
            expected: "an array",
        });
    }
    for (index, message) in list.children().enumerate() {
        let path = path.index(index);
        if message.kind() != Kind::Object {
            return Err(WireError::Type {
                path: path.pointer(),
                expected: "an object",
            });
        }
        one_message(collector, &path, message)?;
    }
    Ok(())
}

fn one_message<'a>(
    collector: &mut Collector<'a>,
    path: &Path<'_>,
    message: Value<'_, 'a>,
) -> Result<(), WireError> {
    let role = message.get_str("role").unwrap_or_default();
    let kind = match role.as_ref() {
        "system" | "developer" => SegmentKind::System,
        "user" => SegmentKind::User,
        "assistant" => SegmentKind::Assistant,
        "tool" | "function" => SegmentKind::ToolResult,
        _ => {
            collector.unjudged(path, UnjudgedReason::UnknownContent, Some("role"), message);
            SegmentKind::User
        }
    };
    collector.call.message_count += 1;
    collector.call.user_turns += u32::from(kind == SegmentKind::User);
    for member in message.children() {
        let key = member.key();
        let path = path.key(&key);
        match key.as_ref() {
            "role" | "tool_call_id" => {}
            "content" => content(collector, kind, &path, member)?,
            "tool_calls" => tool_calls(collector, &path, member)?,
            "function_call" => collector.all_strings(SegmentKind::ToolCall, &path, member)?,
            "reasoning" | "reasoning_content" => {
                collector.all_strings(SegmentKind::Reasoning, &path, member)?;
            }
            _ => collector.all_strings(kind, &path, member)?,
        }
    }
    Ok(())
}

fn content<'a>(
    collector: &mut Collector<'a>,
    kind: SegmentKind,
    path: &Path<'_>,
    value: Value<'_, 'a>,
) -> Result<(), WireError> {
    match value.kind() {
        Kind::String => collector.text(kind, path, value),
        Kind::Null => Ok(()),
        Kind::Array => {
            for (index, part) in value.children().enumerate() {
                content_part(collector, kind, &path.index(index), part)?;
            }
            Ok(())
        }
        _ => Err(WireError::Type {
            path: path.pointer(),
            expected: "a string or an array",
        }),
    }
}

fn content_part<'a>(
    collector: &mut Collector<'a>,
    kind: SegmentKind,
    path: &Path<'_>,
    part: Value<'_, 'a>,
) -> Result<(), WireError> {
    let part_type = part.get_str("type").unwrap_or_default();
    match part_type.as_ref() {
        "text" | "refusal" | "input_text" | "output_text" => {
            for member in part.children().filter(|member| member.key() != "type") {
                let key = member.key();
                collector.all_strings(kind, &path.key(&key), member)?;
            }
            Ok(())
        }
        "image_url" | "input_audio" | "file" | "image" | "video_url" | "audio_url" => {
            collector.unjudged(path, UnjudgedReason::Media, Some(&part_type), part);
            media_strings(collector, kind, path, part)
        }
        other => {
            collector.unjudged(path, UnjudgedReason::UnknownContent, Some(other), part);
            collector.all_strings(kind, path, part)
        }
    }
}

/// Links and file names of a medium are text; its base64 data is not.
fn media_strings<'a>(
    collector: &mut Collector<'a>,
    kind: SegmentKind,
    path: &Path<'_>,
    value: Value<'_, 'a>,
) -> Result<(), WireError> {
    for member in value.children() {
        let key = member.key();
        let path = path.key(&key);
        match member.kind() {
            Kind::Object => media_strings(collector, kind, &path, member)?,
            Kind::String => {
                let is_data = matches!(key.as_ref(), "data" | "file_data")
                    || member.raw().starts_with("data:");
                if !is_data && !matches!(key.as_ref(), "type" | "detail" | "format") {
                    collector.text(kind, &path, member)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn tool_calls<'a>(
    collector: &mut Collector<'a>,
    path: &Path<'_>,
    list: Value<'_, 'a>,
) -> Result<(), WireError> {
    for (index, call) in list.children().enumerate() {
        let path = path.index(index);
        for member in call
            .children()
            .filter(|m| !matches!(m.key().as_ref(), "id" | "type"))
        {
            let key = member.key();
            collector.all_strings(SegmentKind::ToolCall, &path.key(&key), member)?;
        }
    }
    Ok(())
}

fn tools<'a>(
    collector: &mut Collector<'a>,
    path: &Path<'_>,
    list: Value<'_, 'a>,
) -> Result<(), WireError> {
    for (index, tool) in list.children().enumerate() {
        let definition = tool
            .get("function")
            .or_else(|| tool.get("custom"))
            .unwrap_or(tool);
        if let Some(name) = definition.get_str("name") {
            collector.call.tools.push(name);
        }
        let path = path.index(index);
        for member in tool.children().filter(|member| member.key() != "type") {
            let key = member.key();
            collector.all_strings(SegmentKind::ToolDefinition, &path.key(&key), member)?;
        }
    }
    Ok(())
}
