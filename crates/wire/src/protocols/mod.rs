//! The ordered list of wire protocols.

mod anthropic_messages;
mod openai_chat;
mod openai_completions;
mod openai_embeddings;
mod openai_models;

use crate::protocol::Protocol;

/// Every protocol, in the order in which routes are matched.
pub const ALL: &[&dyn Protocol] = &[
    &openai_chat::OpenAiChat,
    &openai_completions::OpenAiCompletions,
    &openai_embeddings::OpenAiEmbeddings,
    &openai_models::OpenAiModels,
    &anthropic_messages::AnthropicMessages,
];

/// The protocol that speaks on a route; `path` is without the query string.
#[must_use]
pub fn find(method: &str, path: &str) -> Option<&'static dyn Protocol> {
    ALL.iter()
        .copied()
        .find(|protocol| protocol.matches(method, path))
}

/// The protocol of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static dyn Protocol> {
    ALL.iter().copied().find(|protocol| protocol.name() == name)
}
