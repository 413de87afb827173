//! What callers get instead of an answer, as golden files: `tests/cases/<protocol>/golden/`.
//! `UPDATE_GOLDEN=1` writes them anew; the difference is then for the reviewer to read.

use atalaya_wire::{
    Answer, ErrorContext, ErrorKind, Framing, Protocol, RefusalContext, StopContext, protocols,
};

use crate::cases::folder;

fn context(protocol: &dyn Protocol, stream: bool) -> RefusalContext<'static> {
    let framing = if stream {
        protocol
            .coverage()
            .streams
            .first()
            .copied()
            .unwrap_or(Framing::Events)
    } else {
        Framing::Whole
    };
    RefusalContext {
        framing,
        reply_to: "\"r-1\"",
        decision_id: DECISION,
        model: "model-1",
        stream,
        text: "I can't help with \"that\".",
        created_s: 1_790_000_000,
    }
}

#[test]
fn refusals_and_errors_are_as_in_the_golden_files() {
    for protocol in protocols::ALL {
        let mut errors = String::new();
        for kind in ErrorKind::ALL {
            let context = ErrorContext {
                reply_to: "7",
                ..ErrorContext::new(DECISION, kind, "why \"it\" failed")
            };
            errors.push_str(&render(&protocol.error(&context)));
            assert_eq!(protocol.error(&context).status, kind.status());
        }
        let framing = context(*protocol, true).framing;
        let context_cut = ErrorContext {
            reply_to: "7",
            framing,
            ..ErrorContext::new(
                DECISION,
                ErrorKind::UpstreamUnreachable,
                "the model's answer broke off",
            )
        };
        let cut = readable(&protocol.stream_error(&context_cut));
        let stopped = readable(&protocol.stream_stop(&StopContext {
            decision_id: DECISION,
            model: "model-1",
            text: "I can't help with \"that\".",
            created_s: 1_790_000_000,
            framing,
            reply_to: "7",
            first: b"{\"id\":\"a-1\",\"model\":\"m-2\",\"type\":\"x\"}",
            last: &[
                b"{\"type\":\"content_block_delta\",\"index\":1,\"contentBlockIndex\":1,\"delta\":{},\"sequence_number\":4}".to_vec(),
            ],
        }));
        for (name, text) in [
            (
                "refusal.txt",
                render(&protocol.refusal(&context(*protocol, false))),
            ),
            (
                "refusal_stream.txt",
                render(&protocol.refusal(&context(*protocol, true))),
            ),
            ("errors.txt", errors),
            ("stream_error.txt", cut),
            ("stream_stop.txt", stopped),
        ] {
            check_golden(protocol.name(), name, &text);
        }
    }
}

/// Our own refusals are read by our own readers as what they are.
#[test]
fn refusals_are_complete_answers() {
    for protocol in protocols::ALL {
        for stream in [false, true] {
            let answer = protocol.refusal(&context(*protocol, stream));
            let is_stream = answer.content_type != "application/json";
            let framing = protocol.framing(answer.content_type, context(*protocol, stream).framing);
            let mut reader = protocol.response_reader(framing);
            reader.feed(&answer.body);
            let settled = reader.finish();
            // JSON-RPC has no end of a stream but its answer, and an array ends with its bytes.
            let is_told = !is_stream || !["mcp", "a2a"].contains(&protocol.name());
            assert!(
                settled.complete || !is_told,
                "{} stream {stream}",
                protocol.name()
            );
        }
    }
}

const DECISION: &str = "01900000-0000-7000-8000-000000000001";

/// Bytes as text; what is no text is shown as numbers.
fn readable(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'))
        .map_or_else(|| bytes.escape_ascii().to_string(), str::to_owned)
}

fn render(answer: &Answer) -> String {
    let body = readable(&answer.body);
    format!("{} {}\n{body}\n", answer.status, answer.content_type)
}

pub(crate) fn check_golden(protocol: &str, name: &str, text: &str) {
    let file = folder(protocol).join("golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(file.parent().expect("folder")).expect("made");
        std::fs::write(&file, text).expect("written");
    }
    let golden = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, golden, "{}", file.display());
}
