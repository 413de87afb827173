//! Reading a Messages call.

use atalaya_model::{SegmentKind, UnjudgedReason};

use crate::call::{Collector, ParseLimits, ParsedCall, Path, WireError, root_object};
use crate::json::{self, Kind, Value};

/// Members that hold no text for the model, or are read elsewhere.
const SILENT: &[&str] = &[
    "model",
    "max_tokens",
    "stream",
    "temperature",
    "top_k",
    "top_p",
    "metadata",
    "tool_choice",
    "service_tier",
    "thinking",
    "betas",
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
            "system" => content(&mut collector, SegmentKind::System, &path, member)?,
            "tools" => tools(&mut collector, &path, member)?,
            other if SILENT.contains(&other) => scalar(&mut collector, other, member)?,
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
        "stream" => call.stream = member.as_bool().ok_or_else(|| wrong("a boolean"))?,
        "max_tokens" => call.max_tokens = member.as_u64(),
        "temperature" => call.temperature = member.as_f64(),
        "metadata" => call.user = member.get_str("user_id"),
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
        let kind = match message.get_str("role").unwrap_or_default().as_ref() {
            "user" => SegmentKind::User,
            "assistant" => SegmentKind::Assistant,
            "system" => SegmentKind::System,
            _ => {
                let reason = UnjudgedReason::UnknownContent;
                collector.unjudged(&path, reason, Some("role"), message);
                SegmentKind::User
            }
        };
        collector.call.message_count += 1;
        collector.call.user_turns += u32::from(kind == SegmentKind::User);
        for member in message.children().filter(|member| member.key() != "role") {
            let key = member.key();
            let path = path.key(&key);
            if key == "content" {
                content(collector, kind, &path, member)?;
            } else {
                collector.all_strings(kind, &path, member)?;
            }
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
            for (index, block) in value.children().enumerate() {
                content_block(collector, kind, &path.index(index), block)?;
            }
            Ok(())
        }
        Kind::Object => content_block(collector, kind, path, value),
        _ => Err(WireError::Type {
            path: path.pointer(),
            expected: "a string or an array",
        }),
    }
}

fn content_block<'a>(
    collector: &mut Collector<'a>,
    kind: SegmentKind,
    path: &Path<'_>,
    block: Value<'_, 'a>,
) -> Result<(), WireError> {
    let block_type = block.get_str("type").unwrap_or_default();
    match block_type.as_ref() {
        "text" => members(collector, kind, path, block),
        "thinking" => members(collector, SegmentKind::Reasoning, path, block),
        "tool_use" | "server_tool_use" | "mcp_tool_use" => {
            members(collector, SegmentKind::ToolCall, path, block)
        }
        "tool_result" | "mcp_tool_result" => {
            members(collector, SegmentKind::ToolResult, path, block)
        }
        "document" | "search_result" => members(collector, SegmentKind::Document, path, block),
        "image" | "container_upload" => {
            collector.unjudged(path, UnjudgedReason::Media, Some(&block_type), block);
            members(collector, kind, path, block)
        }
        "redacted_thinking" => {
            collector.unjudged(path, UnjudgedReason::Opaque, Some(&block_type), block);
            Ok(())
        }
        other if other.ends_with("_tool_result") => {
            members(collector, SegmentKind::ToolResult, path, block)
        }
        other => {
            collector.unjudged(path, UnjudgedReason::UnknownContent, Some(other), block);
            members(collector, kind, path, block)
        }
    }
}

/// Every text below a block; nested content and media are told apart.
fn members<'a>(
    collector: &mut Collector<'a>,
    kind: SegmentKind,
    path: &Path<'_>,
    block: Value<'_, 'a>,
) -> Result<(), WireError> {
    for member in block.children() {
        let key = member.key();
        let path = path.key(&key);
        match key.as_ref() {
            "type" | "cache_control" | "tool_use_id" | "id" | "signature" | "media_type" => {}
            "encrypted_content" | "encrypted_index" => {
                collector.unjudged(&path, UnjudgedReason::Opaque, Some(&key), member);
            }
            "source" => source(collector, kind, &path, member)?,
            "content" => content(collector, kind, &path, member)?,
            _ => collector.all_strings(kind, &path, member)?,
        }
    }
    Ok(())
}

fn source<'a>(
    collector: &mut Collector<'a>,
    kind: SegmentKind,
    path: &Path<'_>,
    source: Value<'_, 'a>,
) -> Result<(), WireError> {
    match source.get_str("type").unwrap_or_default().as_ref() {
        "base64" => {
            let what = source.get_str("media_type");
            collector.unjudged(path, UnjudgedReason::Media, what.as_deref(), source);
            Ok(())
        }
        "file" => {
            collector.unjudged(path, UnjudgedReason::Opaque, Some("file"), source);
            Ok(())
        }
        "url" => {
            collector.unjudged(path, UnjudgedReason::Media, Some("url"), source);
            members(collector, kind, path, source)
        }
        _ if source.kind() == Kind::Object => members(collector, kind, path, source),
        _ => collector.all_strings(kind, path, source),
    }
}

fn tools<'a>(
    collector: &mut Collector<'a>,
    path: &Path<'_>,
    list: Value<'_, 'a>,
) -> Result<(), WireError> {
    for (index, tool) in list.children().enumerate() {
        if let Some(name) = tool.get_str("name") {
            collector.call.tools.push(name);
        }
        let path = path.index(index);
        for member in tool.children() {
            let key = member.key();
            if !matches!(key.as_ref(), "type" | "cache_control") {
                collector.all_strings(SegmentKind::ToolDefinition, &path.key(&key), member)?;
            }
        }
    }
    Ok(())
}
