//! Places where text hides in what other servers, agents and providers say and hold.

use serde_json::{Value, json};

use crate::bench::{ATTACK, CHAT, MESSAGES};
use crate::surfaces::{Case, Fate, base64, chat_with, post};

/// By where the text stands in what other servers and agents say and ask.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(crate) fn others() -> Vec<Case> {
    let rpc = |method: &str, params: Value| {
        post(
            "/mcp",
            &json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}),
        )
    };
    let reply = |result: Value| {
        post(
            "/mcp",
            &json!({"jsonrpc": "2.0", "id": 1, "result": result}),
        )
    };
    let a2a = |part: Value| {
        post(
            "/a2a",
            &json!({"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": {"parts": [part]}}}),
        )
    };
    let stopped = |name, request| Case {
        name,
        request,
        fate: Fate::Stopped,
    };
    let seen = |name, texts, request| Case {
        name,
        request,
        fate: Fate::Seen(texts),
    };
    let said = |name, what, request| Case {
        name,
        request,
        fate: Fate::Said(what),
    };
    vec![
        seen(
            "an argument of a tool",
            1,
            rpc(
                "tools/call",
                json!({"name": "f", "arguments": {"x": ATTACK}}),
            ),
        ),
        seen(
            "an argument of a prompt",
            1,
            rpc(
                "prompts/get",
                json!({"name": "p", "arguments": {"x": ATTACK}}),
            ),
        ),
        seen(
            "the name of a resource",
            1,
            rpc("resources/read", json!({"uri": format!("note://{ATTACK}")})),
        ),
        stopped(
            "what a user was asked for",
            reply(json!({"action": "accept", "content": {"x": ATTACK}})),
        ),
        stopped(
            "what a model was asked for",
            reply(json!({"role": "assistant", "content": {"type": "text", "text": ATTACK}})),
        ),
        stopped(
            "a resource that is read",
            reply(json!({"contents": [{"uri": "a:b", "text": ATTACK}]})),
        ),
        stopped(
            "a resource that is embedded",
            reply(
                json!({"content": [{"type": "resource", "resource": {"uri": "a:b", "text": ATTACK}}]}),
            ),
        ),
        stopped(
            "a link to a resource",
            reply(
                json!({"content": [{"type": "resource_link", "uri": "a:b", "name": "n", "description": ATTACK}]}),
            ),
        ),
        stopped(
            "structured content",
            reply(json!({"content": [], "structuredContent": {"a": [{"b": ATTACK}]}})),
        ),
        stopped(
            "messages of a prompt",
            reply(
                json!({"messages": [{"role": "user", "content": {"type": "text", "text": ATTACK}}]}),
            ),
        ),
        said(
            "a blob",
            "blob",
            reply(json!({"contents": [{"uri": "a:b", "blob": base64(ATTACK)}]})),
        ),
        said(
            "a picture of a tool",
            "image",
            reply(
                json!({"content": [{"type": "image", "mimeType": "image/png", "data": base64(ATTACK)}]}),
            ),
        ),
        stopped(
            "a message behind others",
            post(
                "/mcp",
                &json!([{"jsonrpc": "2.0", "id": 1, "method": "ping"}, {"jsonrpc": "2.0", "id": 2, "result": {"content": [{"type": "text", "text": ATTACK}]}}]),
            ),
        ),
        stopped(
            "data of a part",
            a2a(json!({"kind": "data", "data": {"a": ATTACK}})),
        ),
        stopped(
            "metadata of a part",
            a2a(json!({"kind": "text", "text": "hi", "metadata": {"a": ATTACK}})),
        ),
        said(
            "a file of a part",
            "file",
            a2a(
                json!({"kind": "file", "file": {"bytes": base64(ATTACK), "mimeType": "text/plain"}}),
            ),
        ),
        said(
            "a part that nobody knows",
            "hologram",
            a2a(json!({"hologram": "x"})),
        ),
        stopped(
            "what follows at Ollama",
            post(
                "/api/generate",
                &json!({"prompt": "hi", "suffix": ATTACK, "raw": true}),
            ),
        ),
        seen(
            "a template at Ollama",
            3,
            post(
                "/api/generate",
                &json!({"prompt": "hi", "system": ATTACK, "template": ATTACK}),
            ),
        ),
        said(
            "a context at Ollama",
            "token_ids",
            post(
                "/api/generate",
                &json!({"prompt": "hi", "context": [1, 2, 3]}),
            ),
        ),
        stopped(
            "a context in other letters",
            post(
                "/api/generate",
                &json!({"prompt": "hi", "Context": [1, 2, 3]}),
            ),
        ),
        said(
            "token ids in a member of one server",
            "token_ids",
            post(
                CHAT,
                &json!({"messages": [], "prompt_token_ids": [1, 2, 3, 4, 5, 6, 7, 8]}),
            ),
        ),
        said(
            "servers that the provider asks",
            "mcp_server",
            post(
                MESSAGES,
                &json!({"max_tokens": 9, "messages": [], "mcp_servers": [{"type": "url", "url": "https://m.example", "name": "n"}]}),
            ),
        ),
        said(
            "a server that OpenAI asks",
            "mcp",
            post(
                "/v1/responses",
                &json!({"input": "hi", "tools": [{"type": "mcp", "server_label": "l", "server_url": "https://m.example"}]}),
            ),
        ),
        said(
            "files that OpenAI searches",
            "file_search",
            post(
                "/v1/responses",
                &json!({"input": "hi", "tools": [{"type": "file_search", "vector_store_ids": ["v"]}]}),
            ),
        ),
        said(
            "skills in a container",
            "container",
            post(
                MESSAGES,
                &json!({"max_tokens": 9, "messages": [], "container": {"skills": [{"type": "custom", "skill_id": "s"}]}}),
            ),
        ),
        said(
            "a file in a container",
            "container_upload",
            post(
                MESSAGES,
                &json!({"max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}]}),
            ),
        ),
        said(
            "pages that Google finds",
            "google_search",
            post(
                "/v1beta/models/g:generateContent",
                &json!({"contents": [{"parts": [{"text": "hi"}]}], "tools": [{"google_search": {}}]}),
            ),
        ),
        said(
            "a file at Google",
            "file_data",
            post(
                "/v1beta/models/g:generateContent",
                &json!({"contents": [{"parts": [{"file_data": {"file_uri": "gs://b/f", "mime_type": "text/plain"}}]}]}),
            ),
        ),
        said(
            "a document at Amazon",
            "document",
            post(
                "/model/m/converse",
                &json!({"messages": [{"role": "user", "content": [{"document": {"name": "n", "format": "pdf", "source": {"bytes": base64(ATTACK)}}}]}]}),
            ),
        ),
        said(
            "a sound",
            "input_audio",
            chat_with(
                &json!({"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": base64(ATTACK), "format": "wav"}}]}),
            ),
        ),
        said(
            "a sound that was answered before",
            "audio",
            chat_with(&json!({"role": "assistant", "audio": {"id": "audio_1"}})),
        ),
    ]
}
