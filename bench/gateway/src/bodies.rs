//! Calls of about 2 kB: a system message and an ordinary question about a longer text; benign, so
//! that every call is forwarded. Either a few texts in turn, as in conversations, which repeat
//! themselves, or a text that was never seen before in every call.

use bytes::Bytes;
use serde_json::json;

/// Different bodies.
const COUNT: usize = 16;
const TEXT_BYTES: usize = 1_800;

const SENTENCES: [&str; 12] = [
    "The quarterly figures for the northern region arrived on Tuesday and look better than planned.",
    "Deliveries from the warehouse in Porto were late twice, mostly because of the weather.",
    "Our customers ask for shorter invoices and for a summary that fits on one page.",
    "The team agreed to move the meeting to the afternoon so that everybody can join.",
    "Three new suppliers sent samples, and the blue one was the favourite of the jury.",
    "The contract runs for twenty-four months and can be extended by either side.",
    "A reader wrote that the recipe works just as well with chickpeas as with lentils.",
    "The train to Coimbra leaves at seven and takes a little less than two hours.",
    "Most of the tickets were about passwords, the rest about the colour of the buttons.",
    "In the second chapter the lighthouse keeper finds a letter that was never sent.",
    "The new release reads files twice as fast and needs half of the memory.",
    "Please note that the office is closed on the first Monday of every month.",
];

/// Which texts are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Texts {
    /// A few in turn.
    Repeated,
    /// Another one in every call.
    Unseen,
}

/// The body of one call.
pub(crate) fn body(number: usize, texts: Texts, stream: bool) -> Bytes {
    let (part, number) = match texts {
        Texts::Repeated => (number % COUNT, number % COUNT),
        Texts::Unseen => (number, number % COUNT),
    };
    let mut text = format!("Summarise the following notes, part {part}, in three sentences.\n\n");
    let mut index = number * 5;
    while text.len() < TEXT_BYTES {
        text.push_str(SENTENCES[index % SENTENCES.len()]);
        text.push(' ');
        index += 1 + number % 5;
    }
    let call = json!({
        "model": "bench-model", "stream": stream, "temperature": 0.7, "max_tokens": 256,
        "user": format!("user-{number}"),
        "messages": [
            {"role": "system", "content": "You are a careful assistant for an office."},
            {"role": "user", "content": text}],
    });
    Bytes::from(call.to_string())
}
