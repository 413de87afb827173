//! Gemini: `…/models/{model}:generateContent`, `:streamGenerateContent`, `:countTokens`,
//! `:embedContent` and `:batchEmbedContents`, as the Gemini API and Vertex AI have them.
//!
//! Source: Gemini API reference, "Generating content", "Embeddings". A stream is a JSON array, or
//! events with `?alt=sse`. The model stands in the path.

mod answers;

use atalaya_model::SegmentKind::{
    Assistant, Document, Reasoning, Response, System, ToolCall, ToolDefinition, ToolResult, User,
};

use crate::call::ParsedCall;
use crate::edit::json_string;
use crate::facts::Tell;
use crate::framing::Framing;
use crate::instruct::Instructions;
use crate::json::Kind;
use crate::protocol::RequestHead;
use crate::rules::{Fact, Is, Of, Rule, Table, rule};
use crate::spec::{Spec, spec};
use crate::weaken::{Shape, Weakening};

/// Members of a part that are known.
const PART: &[&str] = &[
    "text",
    "thought",
    "thoughtSignature",
    "thought_signature",
    "inlineData",
    "inline_data",
    "fileData",
    "file_data",
    "functionCall",
    "function_call",
    "functionResponse",
    "function_response",
    "executableCode",
    "executable_code",
    "codeExecutionResult",
    "code_execution_result",
    "videoMetadata",
    "video_metadata",
    "partMetadata",
    "mediaResolution",
];

/// The rules for parts below a place; both spellings are taken by the API.
macro_rules! parts {
    ($text:expr, $($at:literal),*) => { [$(
        rule($at, Is::Keyed(PART)),
        rule(concat!($at, "/text"), $text),
        rule(concat!($at, "/thoughtSignature"), Is::Label(Of::Kind(Reasoning))),
        rule(concat!($at, "/inlineData"), Is::Media("inline_data")),
        rule(concat!($at, "/inline_data"), Is::Media("inline_data")),
        rule(concat!($at, "/fileData"), Is::Media("file_data")),
        rule(concat!($at, "/file_data"), Is::Media("file_data")),
        rule(concat!($at, "/functionCall/args"), Is::Text(Of::Kind(ToolCall))),
        rule(concat!($at, "/function_call/args"), Is::Text(Of::Kind(ToolCall))),
        rule(concat!($at, "/functionResponse/response"), Is::Text(Of::Kind(ToolResult))),
        rule(concat!($at, "/functionResponse/parts/#/inlineData"), Is::Media("inline_data")),
        rule(concat!($at, "/function_response/response"), Is::Text(Of::Kind(ToolResult))),
        rule(concat!($at, "/executableCode/code"), Is::Text(Of::Kind(ToolCall))),
        rule(concat!($at, "/executable_code/code"), Is::Text(Of::Kind(ToolCall))),
        rule(concat!($at, "/codeExecutionResult/output"), Is::Text(Of::Kind(ToolResult))),
        rule(concat!($at, "/code_execution_result/output"), Is::Text(Of::Kind(ToolResult))),
    )*] };
}

const PARTS: [Rule; 64] = parts!(
    Is::Text(Of::Turn),
    "contents/#/parts/#",
    "contents/parts/#",
    "content/parts/#",
    "requests/#/content/parts/#"
);

const OWN: [Rule; 26] = [
    rule("contents/#", Is::Turn),
    rule("contents/#/parts", Is::Words(Of::Turn)),
    rule("contents", Is::Words(Of::Kind(User))),
    rule("systemInstruction", Is::Text(Of::Kind(System))),
    rule("system_instruction", Is::Text(Of::Kind(System))),
    rule("tools", Is::Tools),
    rule("cachedContent", Is::Opaque("cached_content")),
    rule("cached_content", Is::Opaque("cached_content")),
    rule(
        "generationConfig/responseSchema",
        Is::Schema(Of::Kind(ToolDefinition)),
    ),
    rule(
        "generationConfig/responseJsonSchema",
        Is::Schema(Of::Kind(ToolDefinition)),
    ),
    rule(
        "generation_config/response_schema",
        Is::Schema(Of::Kind(ToolDefinition)),
    ),
    rule(
        "generation_config/response_json_schema",
        Is::Schema(Of::Kind(ToolDefinition)),
    ),
    rule(
        "generationConfig/maxOutputTokens",
        Is::Fact(Fact::MaxTokens),
    ),
    rule(
        "generation_config/max_output_tokens",
        Is::Fact(Fact::MaxTokens),
    ),
    rule("generationConfig/temperature", Is::Fact(Fact::Temperature)),
    rule("generation_config/temperature", Is::Fact(Fact::Temperature)),
    rule(
        "generationConfig/candidateCount",
        Is::Fact(Fact::Candidates),
    ),
    rule(
        "generationConfig/responseLogprobs",
        Is::Fact(Fact::LogProbs),
    ),
    rule("generateContentRequest", Is::Text(Of::Kind(User))),
    rule("instances/#/image", Is::Media("image")),
    rule("instances/#/video", Is::Media("video")),
    rule("instances/#/content", Is::Text(Of::Kind(Document))),
    rule("instances/#/prompt", Is::Text(Of::Kind(User))),
    rule("labels", Is::Label(Of::Kind(User))),
    rule("title", Is::Text(Of::Kind(Document))),
    rule("model", Is::Label(Of::Kind(User))),
];

const REQUEST_RULES: [Rule; 90] = {
    let mut rules = [rule("", Is::Echo); 90];
    let mut index = 0;
    while index < 90 {
        rules[index] = if index < 26 {
            OWN[index]
        } else {
            PARTS[index - 26]
        };
        index += 1;
    }
    rules
};

const REQUEST: Table = Table {
    roles: &[
        ("user", User),
        ("model", Assistant),
        ("function", ToolResult),
        ("tool", ToolResult),
        ("system", System),
    ],
    ..Table::of(User, &REQUEST_RULES)
};

const ANSWER_PARTS: [Rule; 16] = parts!(
    Is::Delta(Of::Kind(Response)),
    "candidates/#/content/parts/#"
);

const ANSWER_RULES: [Rule; 20] = {
    let mut rules = [rule("", Is::Echo); 20];
    let mut index = 0;
    while index < 16 {
        rules[index] = ANSWER_PARTS[index];
        index += 1;
    }
    rules[16] = rule(
        "candidates/#/groundingMetadata",
        Is::Text(Of::Kind(Document)),
    );
    rules[17] = rule(
        "candidates/#/citationMetadata",
        Is::Text(Of::Kind(Document)),
    );
    rules[18] = rule("candidates/#/logprobsResult", Is::Echo);
    rules[19] = rule("error/message", Is::Text(Of::Kind(Response)));
    rules
};

const ANSWER: Table = Table::of(Response, &ANSWER_RULES);

/// The protocol.
pub(crate) const PROTOCOL: Spec = Spec {
    finish: head_facts,
    shape: Shape {
        settings: Some("generationConfig"),
        output_tokens: &["maxOutputTokens"],
        temperature: Some("temperature"),
        tools: &["tools", "toolConfig", "tool_config"],
        ..Shape::NONE
    },
    extra: |weakening, constraints| {
        if let Some(text) = &constraints.safety_message {
            safety_message(weakening, text);
        }
        Ok(())
    },
    instructions: Instructions::Parts(&["systemInstruction", "system_instruction"]),
    facts: &[
        ("responseId", Tell::Id),
        ("modelVersion", Tell::Model),
        ("candidates/#/finishReason", Tell::FinishEnds),
        ("candidates/#/content/parts/#/functionCall/name", Tell::Tool),
        ("usageMetadata/promptTokenCount", Tell::Input),
        ("usageMetadata/candidatesTokenCount", Tell::Output),
        ("usageMetadata/cachedContentTokenCount", Tell::Cached),
        ("usageMetadata/thoughtsTokenCount", Tell::Reasoning),
        ("totalTokens", Tell::Input),
        ("error/status", Tell::Error),
    ],
    streams: &[Framing::Array, Framing::Events],
    framing: |content_type, asked| match (Framing::of(content_type), asked) {
        (Framing::Whole, Framing::Array) => Framing::Array,
        (framing, _) => framing,
    },
    ..spec(
        "gemini.generate",
        matches,
        (&REQUEST, &ANSWER),
        answers::VOICE,
    )
};

fn operation(path: &str) -> Option<(&str, &str)> {
    let last = path.rsplit('/').next()?;
    last.split_once(':')
}

fn matches(method: &str, path: &str) -> bool {
    const OPERATIONS: [&str; 6] = [
        "generateContent",
        "streamGenerateContent",
        "countTokens",
        "embedContent",
        "batchEmbedContents",
        "predict",
    ];
    method == "POST"
        && (path.contains("/models/") || path.contains("/tunedModels/"))
        && operation(path).is_some_and(|(_, operation)| OPERATIONS.contains(&operation))
}

fn head_facts(head: &RequestHead<'_>, call: &mut ParsedCall<'_>) {
    let Some((model, operation)) = operation(head.path) else {
        return;
    };
    call.model = Some(model.to_owned().into());
    call.operation = Some(operation.to_owned().into());
    if operation == "streamGenerateContent" {
        call.stream = true;
        let is_sse = head.query.split('&').any(|pair| pair == "alt=sse");
        call.framing = if is_sse {
            Framing::Events
        } else {
            Framing::Array
        };
    }
}

fn safety_message(weakening: &mut Weakening<'_, '_>, text: &str) {
    let part = format!("{{\"text\":{}}}", json_string(text));
    let (root, edits) = (weakening.root, &mut weakening.edits);
    let instruction = root
        .get("systemInstruction")
        .or_else(|| root.get("system_instruction"));
    let parts = instruction.and_then(|instruction| instruction.get("parts"));
    match (instruction, parts) {
        (_, Some(parts)) if parts.kind() == Kind::Array => edits.add_first(parts, &part),
        (Some(other), _) => {
            edits.replace(other.outer_span(), format!("{{\"parts\":[{part}]}}"));
        }
        (None, _) => edits.add_member(
            root,
            "systemInstruction",
            &format!("{{\"parts\":[{part}]}}"),
        ),
    }
    weakening.note("safety_message", 1);
}
