//! Reading a Messages call.

use atalaya_model::{SegmentKind, UnjudgedReason};

use crate::call::{ParseLimits, ParsedCall, WireError};
use crate::collect::{Collector, Path, check_spelling, elements, root_object, wrong_type};
use crate::json::{self, Kind, Value};

/// Kinds of segments in a request.
pub(crate) const KINDS: &[SegmentKind] = &[
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
pub(crate) const BLIND: &[&str] = &[
    "base64",
    "container",
    "container_upload",
    "encrypted_content",
    "file",
    "mcp_server",
    "redacted_thinking",
    "url",
    "web_fetch",
    "web_search",
];

/// Members that are known here.
const MEMBERS: &[&str] = &[
    "messages",
    "system",
    "tools",
    "tool_choice",
    "output_format",
    "output_config",
    "mcp_servers",
    "model",
    "stream",
    "max_tokens",
    "temperature",
    "metadata",
    "container",
    "stop_sequences",
    "thinking",
];

pub(crate) fn parse<'a>(body: &'a [u8], limits: &ParseLimits) -> Result<ParsedCall<'a>, WireError> {
    let document = json::parse(body, limits.json)?;
    let root = root_object(&document)?;
    let mut collector = Collector::new(limits);
    if !call(&mut collector, &Path::Root, root)? {
        return Err(WireError::Missing { path: "/messages" });
    }
    Ok(collector.call)
}

/// The members of a call; whether there are messages among them.
pub(crate) fn call<'a>(
    collector: &mut Collector<'a>,
    here: &Path<'_>,
    root: Value<'_, 'a>,
) -> Result<bool, WireError> {
    let mut has_messages = false;
    check_spelling(root, MEMBERS)?;
    for member in root.children() {
        let key = member.key();
        let path = here.key(&key);
        collector.key(SegmentKind::User, &path, member)?;
        match key.as_ref() {
            "messages" => {
                has_messages = true;
                messages(collector, &path, member)?;
            }
            "system" => content(collector, SegmentKind::System, &path, member)?,
            "tools" => tools(collector, &path, member)?,
            "output_format" | "output_config" => {
                collector.schema(SegmentKind::ToolDefinition, &path, member)?;
            }
            "mcp_servers" => mcp_servers(collector, &path, member)?,
            _ => switch(collector, &path, (key.as_ref(), member))?,
        }
    }
    Ok(has_messages)
}

/// A member that says how to answer, or one that nobody knows yet.
fn switch<'a>(
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
        "max_tokens" => call.max_tokens = member.as_u64(),
        "temperature" => call.temperature = member.as_f64(),
        "metadata" => {
            call.user = member.get_str("user_id");
            return collector.text_except(SegmentKind::User, path, member, &["user_id"]);
        }
        "container" if member.kind() != Kind::Null => {
            // Files and skills in it are read by the provider alone.
            call.session = member.as_str();
            collector.unjudged(path, UnjudgedReason::Opaque, Some(key), member);
        }
        _ if !MEMBERS.contains(&key) => collector.numbers(path, member),
        _ => {}
    }
    // A switch of an unexpected type or length is text, whatever it is called.
    collector.label(SegmentKind::User, path, member)
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
        for member in message.children() {
            let key = member.key();
            let path = path.key(&key);
            collector.key(kind, &path, member)?;
            match key.as_ref() {
                "content" => content(collector, kind, &path, member)?,
                "role" => collector.label(kind, &path, member)?,
                _ => collector.text(kind, &path, member)?,
            }
        }
    }
    Ok(())
}

/// `content` and `system`: a string, or blocks. Content nests (a document in a tool's result),
/// as deep as the document does.
fn content<'a>(
    collector: &mut Collector<'a>,
    kind: SegmentKind,
    path: &Path<'_>,
    value: Value<'_, 'a>,
) -> Result<(), WireError> {
    match value.kind() {
        Kind::String => collector.text(kind, path, value),
        Kind::Null => Ok(()),
        Kind::Array => value.children().enumerate().try_for_each(|(index, block)| {
            content_block(collector, kind, &path.index(index), block)
        }),
        Kind::Object => content_block(collector, kind, path, value),
        _ => Err(wrong_type(path, "a string or an array")),
    }
}

fn content_block<'a>(
    collector: &mut Collector<'a>,
    kind: SegmentKind,
    path: &Path<'_>,
    block: Value<'_, 'a>,
) -> Result<(), WireError> {
    let block_type = block.get_str("type").unwrap_or_default();
    let kind = match block_type.as_ref() {
        "text" => kind,
        "thinking" => SegmentKind::Reasoning,
        "tool_use" | "server_tool_use" | "mcp_tool_use" => SegmentKind::ToolCall,
        // Results of the provider's own tools too, whatever they will be called.
        "tool_result" | "mcp_tool_result" => SegmentKind::ToolResult,
        other if other.ends_with("_tool_result") => SegmentKind::ToolResult,
        "document" | "search_result" => SegmentKind::Document,
        "image" => kind,
        "container_upload" => {
            collector.unjudged(path, UnjudgedReason::Opaque, Some(&block_type), block);
            kind
        }
        "redacted_thinking" => {
            collector.unjudged(path, UnjudgedReason::Opaque, Some(&block_type), block);
            return Ok(());
        }
        // What the provider's own tools answer: `bash_code_execution_result` and many more.
        other if kind == SegmentKind::ToolResult && is_result_part(other) => kind,
        other => {
            collector.unjudged(path, UnjudgedReason::UnknownContent, Some(other), block);
            kind
        }
    };
    members(collector, kind, path, block)
}

fn is_result_part(block_type: &str) -> bool {
    ["_result", "_output", "_error", "_reference"]
        .iter()
        .any(|end| block_type.ends_with(end))
}

/// Every text below a block; nested content and media are told apart.
fn members<'a>(
    collector: &mut Collector<'a>,
    kind: SegmentKind,
    path: &Path<'_>,
    block: Value<'_, 'a>,
) -> Result<(), WireError> {
    if block.kind() != Kind::Object {
        return collector.text(kind, path, block);
    }
    for member in block.children() {
        let key = member.key();
        let path = path.key(&key);
        collector.key(kind, &path, member)?;
        match key.as_ref() {
            "type" | "cache_control" | "tool_use_id" | "id" | "media_type" | "file_id" => {
                collector.label(kind, &path, member)?;
            }
            "signature" if !member.raw().contains(' ') => {}
            "encrypted_content" | "encrypted_index" | "encrypted_stdout" => {
                collector.unjudged(&path, UnjudgedReason::Opaque, Some(&key), member);
            }
            "source" => source(collector, kind, &path, member)?,
            "content" => content(collector, kind, &path, member)?,
            _ => collector.text(kind, &path, member)?,
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
    let media_type = source.get_str("media_type");
    match source.get_str("type").unwrap_or_default().as_ref() {
        "base64" => collector.media(
            kind,
            path,
            media_type.as_deref().unwrap_or("base64"),
            source,
        ),
        "url" => collector.media(kind, path, "url", source),
        "file" => {
            collector.unjudged(path, UnjudgedReason::Opaque, Some("file"), source);
            collector.label(kind, path, source)
        }
        _ => members(collector, kind, path, source),
    }
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
        if let Some(name) = tool.get_str("name") {
            collector.call.tools.push(name);
        }
        let path = path.index(index);
        collector.provider_tool(&path, tool);
        collector.schema(SegmentKind::ToolDefinition, &path, tool)?;
    }
    Ok(())
}

/// Servers whose tools the provider calls by itself: nobody here sees those tools.
fn mcp_servers<'a>(
    collector: &mut Collector<'a>,
    path: &Path<'_>,
    list: Value<'_, 'a>,
) -> Result<(), WireError> {
    for (index, server) in elements(path, list)? {
        let path = path.index(index);
        collector.unjudged(&path, UnjudgedReason::Opaque, Some("mcp_server"), server);
        if server.kind() != Kind::Object {
            collector.text(SegmentKind::ToolDefinition, &path, server)?;
        }
        for member in server.children() {
            let key = member.key();
            // The token is for the server and never shown to the model.
            if key != "authorization_token" {
                collector.text(SegmentKind::ToolDefinition, &path.key(&key), member)?;
            }
        }
    }
    Ok(())
}
