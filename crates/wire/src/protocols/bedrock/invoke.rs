//! InvokeModel and InvokeModelWithResponseStream.

use atalaya_model::SegmentKind::{
    Assistant, Document, Reasoning, Response, System, ToolCall, ToolResult, User,
};
use atalaya_model::{Constraints, Redaction};

use super::{answers, head_facts, operation};
use crate::answer::{Answer, ErrorContext, RefusalContext, StopContext};
use crate::call::{ParseLimits, ParsedAnswer, ParsedCall, WireError};
use crate::coverage::Coverage;
use crate::framing::Framing;
use crate::json;
use crate::protocol::{AppliedConstraint, Protocol, RequestHead};
use crate::protocols::anthropic_messages::{answer::BLOCKS, constrain, facts, parse};
use crate::reader::{ResponseReader, reader};
use crate::rules::{Fact, Is, Of, Table, read, read_request, rule};
use crate::weaken::{Order, Shape, weaken};

/// The formats of other makers: Amazon, Meta, Mistral, Cohere, AI21, OpenAI's open models.
const REQUEST: Table = Table {
    roles: &[
        ("user", User),
        ("assistant", Assistant),
        ("system", System),
        ("developer", System),
        ("tool", ToolResult),
    ],
    ..Table::of(
        User,
        &[
            rule("prompt", Is::Text(Of::Kind(User))),
            rule("inputText", Is::Text(Of::Kind(User))),
            rule("inputImage", Is::Media("image")),
            rule("message", Is::Text(Of::Kind(User))),
            rule("texts", Is::Text(Of::Kind(Document))),
            rule("images", Is::Media("image")),
            rule("image", Is::Media("image")),
            rule("documents", Is::Text(Of::Kind(Document))),
            rule("preamble", Is::Text(Of::Kind(System))),
            rule("system", Is::Text(Of::Kind(System))),
            rule("chat_history", Is::Text(Of::Kind(User))),
            rule("tools", Is::Tools),
            rule("toolConfig/tools", Is::Tools),
            rule("tool_results", Is::Text(Of::Kind(ToolResult))),
            rule("messages/#", Is::Turn),
            rule(
                "messages/#/tool_calls/#/function/arguments",
                Is::Json(Of::Kind(ToolCall)),
            ),
            rule("messages/#/content/#/image", Is::Media("image")),
            rule("messages/#/content/#/image_url", Is::Media("image")),
            rule("messages/#/content/#/toolUse", Is::Text(Of::Kind(ToolCall))),
            rule(
                "messages/#/content/#/toolResult",
                Is::Text(Of::Kind(ToolResult)),
            ),
            rule("messages/#/content", Is::Text(Of::Turn)),
            rule("taskType", Is::Label(Of::Kind(User))),
            rule("textToImageParams", Is::Text(Of::Kind(User))),
            rule("max_tokens", Is::Fact(Fact::MaxTokens)),
            rule("max_gen_len", Is::Fact(Fact::MaxTokens)),
            rule("temperature", Is::Fact(Fact::Temperature)),
            rule(
                "textGenerationConfig/maxTokenCount",
                Is::Fact(Fact::MaxTokens),
            ),
            rule(
                "textGenerationConfig/temperature",
                Is::Fact(Fact::Temperature),
            ),
        ],
    )
};

/// Anthropic's answers and those of the others.
const ANSWER: Table = Table::of(
    Response,
    &[
        rule("content/#", Is::Block(BLOCKS)),
        rule("content/#/text", Is::Text(Of::Turn)),
        rule("content/#/thinking", Is::Text(Of::Turn)),
        rule("content/#/input", Is::Text(Of::Turn)),
        rule("content_block", Is::Block(BLOCKS)),
        rule("content_block/text", Is::Delta(Of::Turn)),
        rule("content_block/thinking", Is::Delta(Of::Turn)),
        rule("delta/text", Is::Delta(Of::Kind(Response))),
        rule("delta/thinking", Is::Delta(Of::Kind(Reasoning))),
        rule("delta/partial_json", Is::DeltaJson(Of::Kind(ToolCall))),
        rule("delta/signature", Is::Label(Of::Kind(Reasoning))),
        rule(
            "contentBlockDelta/delta/text",
            Is::Delta(Of::Kind(Response)),
        ),
        rule(
            "contentBlockDelta/delta/toolUse/input",
            Is::DeltaJson(Of::Kind(ToolCall)),
        ),
        rule(
            "output/message/content/#/text",
            Is::Text(Of::Kind(Response)),
        ),
        rule(
            "output/message/content/#/toolUse/input",
            Is::Text(Of::Kind(ToolCall)),
        ),
        rule("completion", Is::Delta(Of::Kind(Response))),
        rule("outputText", Is::Delta(Of::Kind(Response))),
        rule("results/#/outputText", Is::Text(Of::Kind(Response))),
        rule("generation", Is::Delta(Of::Kind(Response))),
        rule("generations/#/text", Is::Text(Of::Kind(Response))),
        rule("outputs/#/text", Is::Delta(Of::Kind(Response))),
        rule("text", Is::Delta(Of::Kind(Response))),
        rule("choices/#/message/content", Is::Text(Of::Kind(Response))),
        rule(
            "choices/#/message/tool_calls/#/function/arguments",
            Is::Json(Of::Kind(ToolCall)),
        ),
        rule("choices/#/delta/content", Is::Delta(Of::Kind(Response))),
        rule(
            "choices/#/delta/tool_calls/#/function/arguments",
            Is::DeltaJson(Of::Kind(ToolCall)),
        ),
        rule("images", Is::Media("image")),
        rule("message", Is::Text(Of::Kind(Response))),
    ],
);

/// The protocol.
pub(crate) struct BedrockInvoke;

pub(crate) const PROTOCOL: BedrockInvoke = BedrockInvoke;

/// Anthropic's format says which version of it is meant.
fn is_anthropic(body: &[u8], limits: &ParseLimits) -> Result<bool, WireError> {
    let document = json::parse(body, limits.json)?;
    Ok(document.root().get("anthropic_version").is_some())
}

impl Protocol for BedrockInvoke {
    fn name(&self) -> &'static str {
        "bedrock.invoke"
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        method == "POST"
            && operation(path).is_some_and(|(_, operation)| {
                matches!(operation, "invoke" | "invoke-with-response-stream")
            })
    }

    fn parse<'a>(
        &self,
        head: &RequestHead<'_>,
        body: &'a [u8],
        limits: &ParseLimits,
    ) -> Result<ParsedCall<'a>, WireError> {
        let mut call = if is_anthropic(body, limits)? {
            parse::parse(body, limits)?
        } else {
            read_request(&REQUEST, body, limits)?.call
        };
        head_facts(head, &mut call);
        Ok(call)
    }

    fn parse_answer<'a>(
        &self,
        data: &'a [u8],
        limits: &ParseLimits,
    ) -> Result<ParsedAnswer<'a>, WireError> {
        Ok(read(&ANSWER, data, limits)?.answer())
    }

    fn constrain(
        &self,
        body: &[u8],
        call: &ParsedCall<'_>,
        constraints: &Constraints,
        redactions: &[Redaction],
    ) -> Result<(Vec<u8>, Vec<AppliedConstraint>), WireError> {
        let order = Order {
            body,
            call,
            constraints,
            redactions,
        };
        if is_anthropic(body, &ParseLimits::default())? {
            return constrain::constrain(order);
        }
        // Each maker has other names: what is there under a known one is lowered.
        weaken(order, |root| shape(&root), |_, _| Ok(()))
    }

    fn refusal(&self, context: &RefusalContext<'_>) -> Answer {
        answers::invoke_refusal(context)
    }

    fn error(&self, context: &ErrorContext<'_>) -> Answer {
        answers::error(context)
    }

    fn stream_error(&self, context: &ErrorContext<'_>) -> Vec<u8> {
        answers::stream_error(context)
    }

    fn stream_stop(&self, context: &StopContext<'_>) -> Vec<u8> {
        answers::invoke_stop(context)
    }

    fn response_reader(&self, framing: Framing) -> Box<dyn ResponseReader> {
        reader(framing, facts::AnthropicFacts::default())
    }

    fn coverage(&self) -> Coverage {
        let mut request = REQUEST.kinds();
        for kind in parse::KINDS {
            if !request.contains(kind) {
                request.push(*kind);
            }
        }
        Coverage {
            request,
            answer: ANSWER.kinds(),
            request_unjudged: REQUEST.blind(),
            answer_unjudged: ANSWER.blind(),
            streams: vec![Framing::AwsEvents],
        }
    }
}

fn shape(root: &json::Value<'_, '_>) -> Shape {
    const LIMITS: [(&str, &[&str]); 3] = [
        ("max_tokens", &["max_tokens"]),
        ("max_gen_len", &["max_gen_len"]),
        ("max_completion_tokens", &["max_completion_tokens"]),
    ];
    let output_tokens = LIMITS
        .iter()
        .find(|(name, _)| root.get(name).is_some())
        .map_or(&[][..], |(_, names)| names);
    Shape {
        output_tokens,
        temperature: root.get("temperature").map(|_| "temperature"),
        tools: &["tools", "tool_choice", "toolConfig"],
        ..Shape::NONE
    }
}
