//! A wrapped server as its client sees it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are tests; clippy's exemption covers only the test functions"
)]

use std::io::{Cursor, Write};
use std::sync::{Arc, Mutex};

use atalaya_companion::{Judge, Judgement, Line, Side, Wrap};
use serde_json::Value;

const LINE_BYTES_MAX: usize = 1_000;

/// Blocks what says so, and masks what asks for it.
struct Scripted;

impl Judge for Scripted {
    fn judge(&mut self, _: Side, line: &Line) -> Judgement {
        let refused = |reason| Judgement::Refused {
            code: -32_001,
            message: "no".to_owned(),
            reason,
            decision_id: "d-1".to_owned(),
        };
        match line {
            Line::TooLong(_) => refused("too_long"),
            Line::Whole(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                if text.contains("bad") {
                    refused("content_blocked")
                } else if text.contains("secret") {
                    Judgement::Edited(text.replace("secret", "[…]").into_bytes())
                } else {
                    Judgement::Pass
                }
            }
        }
    }
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a client gets that says this to a server of that script, and the exit code.
fn wrapped(script: &str, said: String) -> (Vec<String>, u8) {
    let wrap = Wrap {
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        line_bytes_max: LINE_BYTES_MAX,
    };
    let written = Written::default();
    let ended = wrap
        .run(
            (Cursor::new(said.into_bytes()), written.clone()),
            [Box::new(Scripted), Box::new(Scripted)],
        )
        .unwrap();
    let bytes = written.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    (text.lines().map(str::to_owned).collect(), ended.code)
}

/// Answers every line with it, and ends with 7.
const ECHO: &str = r#"while IFS= read -r line; do printf '%s\n' "$line"; done; exit 7"#;

#[test]
fn what_is_allowed_passes_byte_for_byte_and_the_exit_code_is_the_servers() {
    let said = "{\"id\":1,  \"method\":\"tools/list\"}\n\n{\"id\":2,\"method\":\"ping\"}\r\n";
    let (got, code) = wrapped(ECHO, said.to_owned());
    assert_eq!(
        got,
        [
            "{\"id\":1,  \"method\":\"tools/list\"}",
            "{\"id\":2,\"method\":\"ping\"}"
        ]
    );
    assert_eq!(code, 7);
}

#[test]
fn what_is_blocked_never_arrives_and_whoever_waits_is_told() {
    let long = "x".repeat(LINE_BYTES_MAX + 1);
    let said = format!(
        "{{\"id\":1,\"method\":\"bad\"}}\n{{\"id\":2,\"method\":\"secret\"}}\n{{\"id\":3,\"method\":\"{long}\"}}\n{{\"id\":4,\"method\":\"last\"}}\n"
    );
    let (got, _) = wrapped(ECHO, said);
    let read: Vec<Value> = got
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |id: Value| read.iter().find(|one| one["id"] == id).unwrap().clone();
    assert_eq!(of(1.into())["error"]["data"]["decision_id"], "d-1");
    assert_eq!(of(2.into())["method"], "[…]");
    assert_eq!(of(Value::Null)["error"]["data"]["reason"], "too_long");
    assert_eq!(of(4.into())["method"], "last");
    assert_eq!(read.len(), 4);
}

#[test]
fn a_servers_answer_that_is_blocked_is_an_error_of_the_same_id() {
    let script = r#"read -r line; printf '{"id":1,"result":"bad"}\n{"method":"bad"}\nnoise that is bad\n{"id":2,"result":"fine"}\n'"#;
    let (got, code) = wrapped(script, "{\"id\":1,\"method\":\"a\"}\n".to_owned());
    let read: Vec<Value> = got
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(read.len(), 2, "{got:?}");
    assert_eq!(
        (&read[0]["id"], &read[0]["error"]["code"]),
        (&1.into(), &(-32_001).into())
    );
    assert_eq!(read[1]["result"], "fine");
    assert_eq!(code, 0);
}

#[test]
fn a_server_that_a_signal_ends_says_so() {
    let (_, code) = wrapped("kill -9 $$", String::new());
    assert_eq!(code, 128 + 9);
}
