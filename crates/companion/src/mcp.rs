//! Messages of an MCP session, one by one: asked about, and answered in JSON-RPC where they are not
//! passed on. Both generations of the protocol say the same here: a message is a line.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::client::{Client, ClientError, Evaluated};
use crate::lines::Line;

/// Code that JSON-RPC leaves to implementations: what the policy blocks.
const BLOCKED: i64 = -32_001;
/// The same, for what could not be decided.
const FAILED: i64 = -32_000;
/// JSON-RPC 2.0, section 5.1.
const PARSE_ERROR: i64 = -32_700;

/// Who a message is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The program that uses the server.
    Client,
    /// The server.
    Server,
}

/// What is done with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is passed on as it is.
    Pass,
    /// It is passed on like this.
    Edited(Vec<u8>),
    /// It is not passed on.
    Refused {
        /// Code of the error.
        code: i64,
        /// What both sides are told.
        message: String,
        /// Why, in a word.
        reason: &'static str,
        /// The decision in the log, or empty.
        decision_id: String,
    },
}

/// Who decides about messages.
pub trait Judge: Send {
    /// Decides about one message.
    fn judge(&mut self, from: Side, line: &Line) -> Judgement;
}

/// A node that decides.
pub struct NodeJudge {
    client: Client,
    session: String,
}

impl NodeJudge {
    /// Asks through a client; all messages belong to one conversation.
    #[must_use]
    pub const fn new(client: Client, session: String) -> Self {
        Self { client, session }
    }

    fn question(&self, from: Side, message: &[u8]) -> Vec<u8> {
        // What is no single document goes as a string: the node finds that it is no message.
        let raw = match serde_json::from_slice::<&RawValue>(message) {
            Ok(raw) => raw.get().to_owned(),
            Err(_) => json!(String::from_utf8_lossy(message)).to_string(),
        };
        let what = match from {
            Side::Client => "call",
            Side::Server => "answer",
        };
        let session = json!(self.session);
        format!("{{\"path\":\"/mcp\",\"session\":{session},\"{what}\":{raw}}}").into_bytes()
    }
}

impl Judge for NodeJudge {
    fn judge(&mut self, from: Side, line: &Line) -> Judgement {
        let message = match line {
            Line::Whole(message) => message,
            Line::TooLong(bytes) => return failed(&self.client.too_long(*bytes)),
        };
        match self.client.evaluate(self.question(from, message)) {
            Ok((evaluated, _)) => decided(&evaluated),
            Err(error) => failed(&error),
        }
    }
}

fn decided(evaluated: &Evaluated) -> Judgement {
    let blocked = |message: &str, reason| Judgement::Refused {
        code: BLOCKED,
        message: message.to_owned(),
        reason,
        decision_id: evaluated.decision_id.clone(),
    };
    match (evaluated.decision.as_str(), &evaluated.edited) {
        ("ALLOW" | "LOG", _) => Judgement::Pass,
        ("CONSTRAIN", Some(edited)) => Judgement::Edited(one_line(edited.get())),
        _ if evaluated.needs_approval => blocked(
            "a person has to approve this call; use `style: hold` for tools of servers like this",
            "approval_required",
        ),
        // What cannot be weakened is not passed on.
        _ => blocked(
            "this message was declined by the security policy",
            "content_blocked",
        ),
    }
}

fn failed(error: &ClientError) -> Judgement {
    let (code, reason, decision_id) = match error {
        ClientError::Refused {
            status: 400,
            decision_id,
            ..
        } => (PARSE_ERROR, "malformed", decision_id.clone()),
        ClientError::Refused { decision_id, .. } => (FAILED, "refused", decision_id.clone()),
        _ => (FAILED, "not_decided", String::new()),
    };
    Judgement::Refused {
        code,
        message: error.to_string(),
        reason,
        decision_id,
    }
}

/// A document without line feeds: they only stand between its values.
fn one_line(document: &str) -> Vec<u8> {
    document
        .bytes()
        .filter(|byte| !matches!(byte, b'\n' | b'\r'))
        .collect()
}

/// Errors in the place of a message that is not passed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replies {
    /// To whoever sent it: its requests have failed.
    pub(crate) back: Vec<Value>,
    /// To whoever waits for it: its answers are errors.
    pub(crate) onward: Vec<Value>,
}

/// What both sides are told of a message that is not passed on.
pub(crate) fn replies(from: Side, line: &Line, judgement: &Judgement) -> Replies {
    let Judgement::Refused {
        code,
        message,
        reason,
        decision_id,
    } = judgement
    else {
        return Replies::default();
    };
    let error = |id: &Value| {
        json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message,
            "data": {"reason": reason, "decision_id": decision_id}}})
    };
    let mut replies = Replies::default();
    let read = match line {
        Line::Whole(message) => serde_json::from_slice::<Value>(message).ok(),
        Line::TooLong(_) => None,
    };
    let Some(read) = read else {
        // Nobody knows what it was about; a server's noise is nobody's question.
        if from == Side::Client {
            replies.back.push(error(&Value::Null));
        }
        return replies;
    };
    let messages = match &read {
        Value::Array(messages) => messages.as_slice(),
        one => std::slice::from_ref(one),
    };
    for message in messages {
        let Some(id) = message.get("id").filter(|id| !id.is_null()) else {
            continue;
        };
        if message.get("method").is_some() {
            replies.back.push(error(id));
        } else {
            replies.onward.push(error(id));
        }
    }
    replies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_for_an_answer_gets_an_error() {
        let refused = Judgement::Refused {
            code: BLOCKED,
            message: "no".to_owned(),
            reason: "content_blocked",
            decision_id: "d".to_owned(),
        };
        for (from, message, back, onward) in [
            (
                Side::Client,
                r#"{"id":1,"method":"tools/call"}"#,
                vec![json!(1)],
                vec![],
            ),
            (
                Side::Client,
                r#"{"method":"notifications/x"}"#,
                vec![],
                vec![],
            ),
            (
                Side::Client,
                r#"{"id":"a","result":{}}"#,
                vec![],
                vec![json!("a")],
            ),
            (
                Side::Server,
                r#"{"id":1,"result":{}}"#,
                vec![],
                vec![json!(1)],
            ),
            (
                Side::Server,
                r#"{"id":7,"method":"sampling/createMessage"}"#,
                vec![json!(7)],
                vec![],
            ),
            (
                Side::Client,
                r#"[{"id":1,"method":"a"},{"id":2,"method":"b"}]"#,
                vec![json!(1), json!(2)],
                vec![],
            ),
            (Side::Client, "not json", vec![Value::Null], vec![]),
            (Side::Server, "Listening on port 3000", vec![], vec![]),
        ] {
            let line = Line::Whole(message.as_bytes().to_vec());
            let replies = replies(from, &line, &refused);
            let ids = |list: &[Value]| list.iter().map(|one| one["id"].clone()).collect::<Vec<_>>();
            assert_eq!(
                (ids(&replies.back), ids(&replies.onward)),
                (back, onward),
                "{message}"
            );
            for reply in replies.back.iter().chain(&replies.onward) {
                assert_eq!(reply["error"]["code"], BLOCKED);
                assert_eq!(reply["error"]["data"]["decision_id"], "d");
            }
        }
    }
}
