//! What must pass, because the APIs document it.

use serde_json::{Value, json};

use crate::bench::{Bench, CHAT, MESSAGES, setup};
use crate::surfaces::{post, request};
use crate::upstream::Script;

/// Requests as their APIs document them: a guard that refuses these is turned off.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn what_is_legitimate_passes_as_it_came() {
    let user = json!({"role": "user", "content": "What is the capital of Portugal?"});
    let form = |name: &str, rest: &str| {
        format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"{rest}\r\n")
    };
    let picture =
        |name: &str| form(name, "; filename=\"a.png\"") + "content-type: image/png\r\n\r\nPNG\r\n";
    let edit = format!(
        "{}\r\ngpt-image-1\r\n{}\r\nA red hat, please\r\n{}{}--x--\r\n",
        form("model", ""),
        form("prompt", ""),
        picture("image[]"),
        picture("image[]")
    );
    let sound = format!(
        "{}content-type: audio/wav\r\n\r\nRIFF\r\n{}\r\nwhisper-1\r\n{}\r\nword\r\n{}\r\nsegment\r\n--x--\r\n",
        form("file", "; filename=\"a.wav\""),
        form("model", ""),
        form("timestamp_granularities[]", ""),
        form("timestamp_granularities[]", "")
    );
    let tool = json!({"type": "function", "function": {"name": "get_current_weather_for_city_and_day", "description": "The weather of a city.", "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "City": {"type": "string"}}}}});
    let chat = json!({"model": "gpt-4o", "messages": [{"role": "developer", "content": "Be brief."}, user, {"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":[1,2,3]}"}}]}, {"role": "tool", "tool_call_id": "call_1", "content": "{\"Text\":\"21 degrees\"}"}], "tools": [tool], "tool_choice": "auto", "parallel_tool_calls": true, "logit_bias": {"50256": -100}, "stop": ["\n"], "n": 2, "logprobs": true, "top_logprobs": 3, "seed": 7, "stream_options": {"include_usage": true}, "service_tier": "auto", "store": false, "reasoning_effort": "low", "verbosity": "low", "modalities": ["text"], "response_format": {"type": "json_schema", "json_schema": {"name": "weather", "strict": true, "schema": {"type": "object", "properties": {"t": {"type": "number", "description": "Degrees."}}}}}});
    let responses = json!({"model": "gpt-5", "instructions": "Be brief.", "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hello"}, {"type": "input_image", "image_url": "https://e.example/a.png", "detail": "auto"}]}], "tools": [{"type": "web_search"}, {"type": "code_interpreter", "container": {"type": "auto"}}, {"type": "function", "name": "f", "parameters": {}, "strict": true}], "include": ["reasoning.encrypted_content", "message.output_text.logprobs"], "reasoning": {"effort": "low", "summary": "auto"}, "truncation": "auto", "text": {"verbosity": "low"}, "background": false});
    let messages = json!({"model": "claude-sonnet-4-5", "max_tokens": 64, "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}], "messages": [user, {"role": "assistant", "content": "The capital is"}], "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}, {"type": "bash_20250124", "name": "bash"}], "thinking": {"type": "enabled", "budget_tokens": 1024}, "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}, "metadata": {"user_id": "u-1"}, "stop_sequences": ["END"]});
    let json = |path: &str, body: &Value| post(path, body);
    let typed = |kind: &str, path: &str, body: &str| {
        request(
            &format!("POST {path}"),
            &format!("content-type: {kind}\r\n"),
            body.as_bytes(),
        )
    };
    let text = chat.to_string();
    let cases = [
        json(CHAT, &chat),
        json(
            "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
            &chat,
        ),
        typed("application/json; charset=UTF-8", CHAT, &text),
        typed("application/json;charset=\"utf-8\"", CHAT, &text),
        typed("application/json; charset=ISO-8859-1", CHAT, &text),
        request(&format!("POST {CHAT}"), "", text.as_bytes()),
        json("/v1/responses", &responses),
        json("/v1/responses/input_tokens", &responses),
        request(
            "GET /v1/responses/resp_1?stream=true&starting_after=4",
            "",
            b"",
        ),
        json(MESSAGES, &messages),
        json("/v1/messages?beta=true", &messages),
        json("/v1/messages/count_tokens", &messages),
        json(
            "/v1/completions",
            &json!({"model": "m", "prompt": ["Once upon", "A time"], "echo": true, "logprobs": 2}),
        ),
        json(
            "/v1/embeddings",
            &json!({"model": "m", "input": ["a text", "another"], "encoding_format": "base64", "dimensions": 256}),
        ),
        json(
            "/v1/moderations",
            &json!({"input": [{"type": "text", "text": "hello"}, {"type": "image_url", "image_url": {"url": "https://e.example/a.png"}}]}),
        ),
        typed("multipart/form-data; boundary=x", "/v1/images/edits", &edit),
        typed(
            "multipart/form-data; boundary=\"x\"",
            "/v1/audio/transcriptions",
            &sound,
        ),
        json(
            "/v1beta/models/gemini-2.5-flash:generateContent?key=k",
            &json!({"systemInstruction": {"parts": [{"text": "Be brief."}]}, "contents": [{"role": "user", "parts": [{"text": "Hello"}]}], "safetySettings": [{"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "threshold": "BLOCK_MEDIUM_AND_ABOVE"}], "generationConfig": {"thinkingConfig": {"thinkingBudget": 0}, "responseModalities": ["TEXT"]}, "tools": [{"google_search": {}}, {"urlContext": {}}]}),
        ),
        json(
            "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
            &json!({"system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}], "messages": [{"role": "user", "content": [{"text": "Hello"}]}], "additionalModelRequestFields": {"top_k": 200}, "inferenceConfig": {"maxTokens": 64, "stopSequences": ["END"]}}),
        ),
        json(
            "/api/chat",
            &json!({"model": "llama3", "messages": [user], "stream": false, "think": true, "keep_alive": "5m", "options": {"seed": 1, "num_ctx": 8192, "stop": ["END"]}}),
        ),
        json(
            "/api/generate",
            &json!({"model": "llama3", "prompt": "Hello", "raw": true, "context": [1, 2, 3], "images": ["iVBORw0KGgo="]}),
        ),
        json(
            "/mcp",
            &json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {"roots": {"listChanged": true}, "sampling": {}, "elicitation": {}}, "clientInfo": {"name": "c", "title": "A client", "version": "1.0"}}}),
        ),
        json(
            "/mcp",
            &json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        ),
        json(
            "/a2a",
            &json!({"jsonrpc": "2.0", "id": "1", "method": "message/send", "params": {"message": {"kind": "message", "messageId": "m-1", "role": "user", "parts": [{"kind": "text", "text": "Hello"}]}, "configuration": {"blocking": true, "acceptedOutputModes": ["text/plain"]}}}),
        ),
    ];
    for request in cases {
        let bench = Bench::with(Script::Answer(200, "{}"), setup()).await;
        let answer = bench.raw(&request).await;
        let at = String::from_utf8_lossy(&request[..request.len().min(300)]).into_owned();
        let received = bench.upstream.received();
        let (decision, _) = bench.call_record().await;
        assert_eq!(
            (answer.status, received.len()),
            (200, 1),
            "{at}\n{decision}"
        );
        assert!(request.ends_with(&received[0].body), "{at}");
    }
}
