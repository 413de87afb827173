//! What callers get instead of an answer, as golden files: `tests/cases/<protocol>/golden/`.
//! `UPDATE_GOLDEN=1` writes them anew; the difference is then for the reviewer to read.

use atalaya_wire::{Answer, ErrorContext, ErrorKind, RefusalContext, protocols};

use crate::cases::folder;

fn context(stream: bool) -> RefusalContext<'static> {
    RefusalContext {
        decision_id: "01900000-0000-7000-8000-000000000001",
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
                decision_id: "01900000-0000-7000-8000-000000000001",
                kind,
                message: "why \"it\" failed",
            };
            errors.push_str(&render(&protocol.error(&context)));
            assert_eq!(protocol.error(&context).status, kind.status());
        }
        let context_cut = ErrorContext {
            decision_id: "01900000-0000-7000-8000-000000000001",
            kind: ErrorKind::UpstreamUnreachable,
            message: "the model's answer broke off",
        };
        let cut = String::from_utf8(protocol.stream_error(&context_cut)).expect("text");
        for (name, text) in [
            ("refusal.txt", render(&protocol.refusal(&context(false)))),
            (
                "refusal_stream.txt",
                render(&protocol.refusal(&context(true))),
            ),
            ("errors.txt", errors),
            ("stream_error.txt", cut),
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
            let answer = protocol.refusal(&context(stream));
            let is_stream = answer.content_type != "application/json";
            let mut reader = protocol.response_reader(is_stream);
            reader.feed(&answer.body);
            let settled = reader.finish();
            assert!(settled.complete, "{} stream {stream}", protocol.name());
        }
    }
}

fn render(answer: &Answer) -> String {
    let body = String::from_utf8_lossy(&answer.body);
    format!("{} {}\n{body}\n", answer.status, answer.content_type)
}

fn check_golden(protocol: &str, name: &str, text: &str) {
    let file = folder(protocol).join("golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(file.parent().expect("folder")).expect("made");
        std::fs::write(&file, text).expect("written");
    }
    let golden = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, golden, "{}", file.display());
}
