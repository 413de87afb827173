//! The ordered list of wire protocols.

mod a2a;
mod anthropic_batches;
mod anthropic_messages;
mod bedrock;
mod gemini;
mod mcp;
mod ollama;
mod openai;
mod openai_audio;
mod openai_batches;
mod openai_chat;
mod openai_completions;
mod openai_embeddings;
mod openai_files;
mod openai_images;
mod openai_models;
mod openai_moderations;
mod openai_responses;

use crate::protocol::Protocol;

/// Every protocol, in the order in which routes are matched.
pub const ALL: &[&dyn Protocol] = &[
    &openai_chat::OpenAiChat,
    &openai_responses::PROTOCOL,
    &openai_responses::STORED,
    &openai_completions::PROTOCOL,
    &openai_embeddings::PROTOCOL,
    &openai_images::PROTOCOL,
    &openai_audio::PROTOCOL,
    &openai_moderations::PROTOCOL,
    &openai_models::PROTOCOL,
    &openai_files::PROTOCOL,
    &anthropic_messages::AnthropicMessages,
    &anthropic_batches::COUNT_TOKENS,
    &anthropic_batches::BATCHES,
    &openai_batches::PROTOCOL,
    &gemini::PROTOCOL,
    &bedrock::CONVERSE,
    &bedrock::INVOKE,
    &ollama::CHATS,
    &ollama::GENERATES,
    &ollama::EMBEDS,
    &ollama::SHOWS,
    &ollama::LISTS,
    &mcp::PROTOCOL,
    &a2a::PROTOCOL,
    &a2a::CARDS,
];

/// The protocol that speaks on a route; `path` is without the query string.
#[must_use]
pub fn find(method: &str, path: &str) -> Option<&'static dyn Protocol> {
    ALL.iter()
        .copied()
        .find(|protocol| protocol.matches(method, path))
}

/// The protocol whose messages pass over a web socket that is opened like this; the opening itself
/// brings nothing along.
#[must_use]
pub fn find_socket(method: &str, path: &str) -> Option<&'static dyn Protocol> {
    openai_responses::opens_socket(method, path).then_some(&openai_responses::SOCKET as _)
}

/// The protocol of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static dyn Protocol> {
    ALL.iter().copied().find(|protocol| protocol.name() == name)
}
