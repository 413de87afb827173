//! Reading a chat completion call.

use atalaya_model::{SegmentKind, UnjudgedReason};

use crate::call::{ParseLimits, ParsedCall, WireError};
use crate::collect::{Collector, Path, check_spelling, elements, root_object, wrong_type};
use crate::json::{self, Kind, Value};

/// Kinds of segments in a request.
pub(super) const KINDS: &[SegmentKind] = &[
    SegmentKind::System,
    SegmentKind::User,
    SegmentKind::Assistant,
    SegmentKind::Reasoning,
    SegmentKind::ToolDefinition,
    SegmentKind::ToolCall,
    SegmentKind::ToolResult,
    SegmentKind::Document,
];

/// What is said to be `Unjudged`.
pub(super) const BLIND: &[&str] = &[
    "audio",
    "file",
    "file_id",
    "image_url",
    "input_audio",
    "token_ids",
    "video_url",
    "web_search_options",
];

/// Members that are known here, and those that servers of the same shape take besides.
const MEMBERS: &[&str] = &[
    "messages",
    "tools",
    "functions",
    "tool_choice",
    "function_call",
    "response_format",
    "prediction",
    "documents",
    "model",
    "stream",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "n",
    "logprobs",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "metadata",
    "web_search_options",
    "stop",
    "stop_token_ids",
    "logit_bias",
];

pub(super) fn parse<'a>(body: &'a [u8], limits: &ParseLimits) -> Result<ParsedCall<'a>, WireError> {
    let document = json::parse(body, limits.json)?;
    let root = root_object(&document)?;
    check_spelling(root, MEMBERS)?;
    let mut collector = Collector::new(limits);
    let here = Path::Root;
    let mut has_messages = false;
    for member in root.children() {
        let key = member.key();
        let path = here.key(&key);
        collector.key(SegmentKind::User, &path, member)?;
        match key.as_ref() {
            "messages" => {
                has_messages = true;
                messages(&mut collector, &path, member)?;
            }
            "tools" | "functions" => tools(&mut collector, &path, member)?,
            // Whoever writes the schema speaks to the model in it, as in a tool's definition.
            "response_format" => collector.schema(SegmentKind::ToolDefinition, &path, member)?,
            "prediction" => prediction(&mut collector, &path, member)?,
            "documents" => collector.text(SegmentKind::Document, &path, member)?,
            _ => switch(&mut collector, &path, (key.as_ref(), member))?,
        }
    }
    if !has_messages {
        return Err(WireError::Missing { path: "/messages" });
    }
    Ok(collector.call)
}

/// A member that says how to answer, or one that nobody knows yet: another server's, or a later
/// version's. What a model could read of those are their strings.
pub(crate) fn switch<'a>(
    collector: &mut Collector<'a>,
    path: &Path<'_>,
    (key, member): (&str, Value<'_, 'a>),
) -> Result<(), WireError> {
    let call = &mut collector.call;
    match key {
        "model" => {
            call.model = Some(
                member
                    .as_str()
                    .ok_or_else(|| wrong_type(path, "a string"))?,
            );
        }
        "stream" if member.kind() != Kind::Null => {
            call.stream = member
                .as_bool()
                .ok_or_else(|| wrong_type(path, "a boolean"))?;
        }
        "max_tokens" | "max_completion_tokens" => {
            call.max_tokens = call.max_tokens.max(member.as_u64());
        }
        "temperature" => call.temperature = member.as_f64(),
        "n" => call.candidate_count = member.as_u64(),
        "logprobs" => call.logprobs = member.as_bool(),
        "user" => call.user = member.as_str(),
        "safety_identifier" if call.user.is_none() => call.user = member.as_str(),
        "prompt_cache_key" => call.session = member.as_str(),
        "metadata" => return collector.text(SegmentKind::User, path, member),
        "web_search_options" => {
            // What the provider finds goes into the conversation unseen.
            collector.unjudged(path, UnjudgedReason::Opaque, Some(key), member);
            return collector.text(SegmentKind::User, path, member);
        }
        _ if !MEMBERS.contains(&key) => collector.numbers(path, member),
        _ => {}
    }
    // A switch of an unexpected type or length is text, whatever it is called.
    collector.label(SegmentKind::User, path, member)
}

/// The answer that the caller expects, to speed it up: mostly a file that is being changed, so what
/// stands in it is material.
fn prediction<'a>(
    collector: &mut Collector<'a>,
    path: &Path<'_>,
    prediction: Value<'_, 'a>,
) -> Result<(), WireError> {
    if prediction.kind() != Kind::Object {
        return collector.text(SegmentKind::Document, path, prediction);
    }
    for member in prediction.children() {
        let key = member.key();
        let path = path.key(&key);
        if key == "content" {
            content(collector, SegmentKind::Document, &path, member)?;
        } else {
            collector.label(SegmentKind::Document, &path, member)?;
        }
    }
    Ok(())
}

fn messages<'a>(
    collector: &mut Collector<'a>,
    path: &Path<'_>,
    list: Value<'_, 'a>,
) -> Result<(), WireError> {
    for (index, message) in elements(path, list)? {
        let path = path.index(index);
        if message.kind() != Kind::Object {
            return Err(wrong_type(&path, "an object"));
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
    let kind = match message.get_str("role").unwrap_or_default().as_ref() {
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
        collector.key(kind, &path, member)?;
        match key.as_ref() {
            "role" | "tool_call_id" | "name" => collector.label(kind, &path, member)?,
            "content" => content(collector, kind, &path, member)?,
            "tool_calls" if member.kind() == Kind::Array => {
                for (index, call) in member.children().enumerate() {
                    tool_call(collector, &path.index(index), call)?;
                }
            }
            "tool_calls" | "function_call" => tool_call(collector, &path, member)?,
            "audio" if member.kind() == Kind::Object => {
                collector.unjudged(&path, UnjudgedReason::Opaque, Some("audio"), member);
                collector.label(kind, &path, member)?;
            }
            "reasoning" | "reasoning_content" | "reasoning_details" => {
                collector.text(SegmentKind::Reasoning, &path, member)?;
            }
            _ => collector.text(kind, &path, member)?,
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
        Kind::Array => value
            .children()
            .enumerate()
            .try_for_each(|(index, part)| content_part(collector, kind, &path.index(index), part)),
        _ => Err(wrong_type(path, "a string or an array")),
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
            collector.text_except(kind, path, part, &["type"])
        }
        "thinking" | "reasoning" => {
            collector.text_except(SegmentKind::Reasoning, path, part, &["type"])
        }
        "image_url" | "input_audio" | "audio_url" | "video_url" | "image" | "input_image" => {
            collector.media(kind, path, &part_type, part)
        }
        "file" | "input_file" => {
            let file = part.get("file").unwrap_or(part);
            if file.get("file_id").is_some() {
                collector.unjudged(path, UnjudgedReason::Opaque, Some("file_id"), part);
            }
            collector.media(kind, path, &part_type, part)
        }
        other => {
            collector.unjudged(path, UnjudgedReason::UnknownContent, Some(other), part);
            collector.text(kind, path, part)
        }
    }
}

fn tool_call<'a>(
    collector: &mut Collector<'a>,
    path: &Path<'_>,
    call: Value<'_, 'a>,
) -> Result<(), WireError> {
    if call.kind() != Kind::Object {
        return collector.text(SegmentKind::ToolCall, path, call);
    }
    for member in call.children() {
        let key = member.key();
        let path = path.key(&key);
        collector.key(SegmentKind::ToolCall, &path, member)?;
        match key.as_ref() {
            "id" | "type" | "index" => collector.label(SegmentKind::ToolCall, &path, member)?,
            "function" | "custom" if member.kind() == Kind::Object => {
                tool_call(collector, &path, member)?;
            }
            // What a custom tool is given is free text, and often JSON all the same.
            "arguments" | "input" => collector.embedded(SegmentKind::ToolCall, &path, member)?,
            _ => collector.text(SegmentKind::ToolCall, &path, member)?,
        }
    }
    Ok(())
}

fn tools<'a>(
    collector: &mut Collector<'a>,
    path: &Path<'_>,
    list: Value<'_, 'a>,
) -> Result<(), WireError> {
    if list.kind() == Kind::Null {
        return Ok(());
    }
    for (index, tool) in elements(path, list)? {
        let definition = tool
            .get("function")
            .or_else(|| tool.get("custom"))
            .unwrap_or(tool);
        if let Some(name) = definition.get_str("name") {
            collector.call.tools.push(name);
        }
        let path = path.index(index);
        collector.provider_tool(&path, tool);
        collector.schema(SegmentKind::ToolDefinition, &path, tool)?;
    }
    Ok(())
}
