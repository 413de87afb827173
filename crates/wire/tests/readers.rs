//! Runs `tests/cases/<protocol>/answers.yml`: what is read from answers, however they are split.

use atalaya_wire::{Framing, Protocol, Settled, aws_event};
use serde::Deserialize;

use crate::cases::for_each_file;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    stream: bool,
    /// The answer's bytes.
    #[serde(default)]
    answer: String,
    /// Or the messages of a binary event stream: type and payload.
    #[serde(default)]
    events: Vec<(String, String)>,
    /// Framing of a stream, where it is not the protocol's first.
    #[serde(default)]
    framing: Option<String>,
    settled: Expected,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Expected {
    model: Option<String>,
    id: Option<String>,
    finish: Option<String>,
    input: Option<u64>,
    output: Option<u64>,
    cached: Option<u64>,
    reasoning: Option<u64>,
    tools: Vec<String>,
    error: Option<String>,
    complete: bool,
}

#[test]
fn answers_are_read_as_the_cases_say_however_they_are_split() {
    for_each_file("answers.yml", |protocol, text, file| {
        let cases: Vec<Case> = serde_saphyr::from_str(text).expect(file);
        for case in cases {
            let at = format!("{file}: {}", case.name);
            let expected = settled(&case.settled);
            let framing = framing(protocol, &case);
            if !case.events.is_empty() {
                let answer: Vec<u8> = case
                    .events
                    .iter()
                    .flat_map(|(name, payload)| aws_event(name, payload.as_bytes()))
                    .collect();
                for size in [1, 7, 1 << 20] {
                    let found = read(protocol, framing, &answer, size);
                    assert_eq!(found, expected, "{at}, pieces of {size}");
                }
                continue;
            }
            let crlf = case.answer.replace('\n', "\r\n");
            let cr = case.answer.replace('\n', "\r");
            let mut ends = vec![case.answer.as_str(), crlf.as_str()];
            // A lone CR ends a line of an event stream, not of JSON lines.
            if case.answer.starts_with("event:") || case.answer.starts_with("data:") {
                ends.push(cr.as_str());
            }
            for answer in ends {
                for size in [1, 2, 3, 7, 64, 1 << 20] {
                    let found = read(protocol, framing, answer.as_bytes(), size);
                    assert_eq!(found, expected, "{at}, pieces of {size}");
                }
            }
        }
    });
}

#[test]
fn an_endless_line_takes_no_memory_and_hides_nothing_behind_it() {
    let protocol = atalaya_wire::protocols::by_name("openai.chat").expect("there");
    let mut reader = protocol.response_reader(Framing::Events);
    reader.feed(b"data: {\"choices\":[{\"delta\":{\"content\":\"");
    for _ in 0..2_000 {
        reader.feed(&[b'x'; 10_000]);
    }
    reader.feed(b"\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
    let settled = reader.finish();
    assert_eq!(settled.finish_reason.as_deref(), Some("stop"));
    assert!(settled.complete);
}

fn framing(protocol: &dyn Protocol, case: &Case) -> Framing {
    if !case.stream {
        return Framing::Whole;
    }
    let named = |name: &String| {
        Framing::STREAMS
            .into_iter()
            .find(|framing| framing.as_str() == name)
            .expect("a framing of that name")
    };
    let first = protocol.coverage().streams.first().copied();
    case.framing
        .as_ref()
        .map_or(first.unwrap_or(Framing::Events), named)
}

fn read(protocol: &dyn Protocol, framing: Framing, answer: &[u8], size: usize) -> Settled {
    let mut reader = protocol.response_reader(framing);
    for piece in answer.chunks(size) {
        reader.feed(piece);
    }
    reader.finish()
}

fn settled(expected: &Expected) -> Settled {
    Settled {
        response_model: expected.model.clone(),
        response_id: expected.id.clone(),
        finish_reason: expected.finish.clone(),
        input_tokens: expected.input,
        output_tokens: expected.output,
        cached_tokens: expected.cached,
        reasoning_tokens: expected.reasoning,
        tool_names: expected.tools.clone(),
        error_type: expected.error.clone(),
        complete: expected.complete,
    }
}
