//! Calls of tools in answers, whole and in pieces: who is called and with what, so that rules about
//! tools hold for what a model asks for and not only for what MCP executes.
//!
//! Read generically, because every protocol says the same in other words: an object with a `name`
//! and `arguments`, `input` or `args`, as a `function`, a `toolUse`, a `functionCall` or a block of a
//! type such as `tool_use` and `function_call`. Pieces of arguments are known by the numbers on
//! their way (choice, block, call). Definitions of tools that come back are not calls.

use crate::json::{self, JsonLimits, Kind, Value};

/// Members of which an object is a call of a tool.
const HOLDERS: [&str; 5] = [
    "function",
    "custom",
    "functionCall",
    "function_call",
    "toolUse",
];
/// Members that hold arguments.
const ARGUMENTS: [&str; 3] = ["arguments", "input", "args"];
/// Members that repeat what the caller sent.
const ECHOES: [&str; 4] = ["tools", "tool_choice", "toolConfig", "prompts"];
/// Members that tell the calls of one answer apart.
const NUMBERS: [&str; 4] = [
    "index",
    "output_index",
    "contentBlockIndex",
    "candidateIndex",
];
/// Most calls in one document.
const CALLS_MAX: usize = 256;
/// Deepest object that is looked at.
const DEPTH_MAX: usize = 32;

/// A call of a tool, or a piece of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolCallPiece {
    /// Which call of the answer: the same in every frame of a stream.
    pub channel: String,
    /// Name of the tool; nothing in further pieces.
    pub name: Option<String>,
    /// Arguments, or the next piece of them, as JSON.
    pub arguments: String,
    /// The arguments are all there.
    pub is_whole: bool,
}

/// Every call of a tool in a document of an answer; nothing in what cannot be read.
#[must_use]
pub fn tool_calls(data: &[u8], limits: JsonLimits) -> Vec<ToolCallPiece> {
    let mut reading = Reading::default();
    if let Ok(document) = json::parse(data, limits) {
        reading.value(document.root(), "", 0);
    }
    reading.calls
}

#[derive(Default)]
struct Reading {
    numbers: Vec<String>,
    calls: Vec<ToolCallPiece>,
}

impl Reading {
    fn value(&mut self, value: Value<'_, '_>, key: &str, depth: usize) {
        if depth > DEPTH_MAX || self.calls.len() >= CALLS_MAX {
            return;
        }
        let before = self.numbers.len();
        match value.kind() {
            Kind::Object => {
                for name in NUMBERS {
                    if let Some(number) = value.get(name) {
                        self.numbers.push(number.raw().to_owned());
                    }
                }
                if !self.call(value, key) {
                    for child in value.children() {
                        let key = child.key();
                        if !ECHOES.contains(&key.as_ref()) {
                            self.value(child, &key, depth + 1);
                        }
                    }
                }
            }
            Kind::Array => {
                for (index, child) in value.children().enumerate() {
                    self.numbers.truncate(before);
                    if NUMBERS.iter().all(|name| child.get(name).is_none()) {
                        self.numbers.push(index.to_string());
                    }
                    self.value(child, key, depth + 1);
                }
            }
            _ => {}
        }
        self.numbers.truncate(before);
    }

    /// Whether an object is a call, or a piece of one.
    fn call(&mut self, value: Value<'_, '_>, key: &str) -> bool {
        if key == "delta" && value.get("partial_json").is_some() {
            let arguments = value.get_str("partial_json").unwrap_or_default();
            self.push(None, arguments.into_owned(), false);
            return true;
        }
        let kind = value.get_str("type").unwrap_or_default();
        let is_typed = kind.ends_with("tool_use") || kind.ends_with("_call");
        if !is_typed && !HOLDERS.contains(&key) {
            return false;
        }
        let given = ARGUMENTS.iter().find_map(|name| value.get(name));
        let name = value.get_str("name").map(std::borrow::Cow::into_owned);
        // Tools that the protocol itself knows have a type and no name.
        let name = name.or_else(|| is_typed.then(|| kind.clone().into_owned()));
        if name.is_none() && given.is_none() {
            return false;
        }
        let (arguments, is_whole) = match given {
            Some(text) if text.kind() == Kind::String => {
                (text.as_str().unwrap_or_default().into_owned(), false)
            }
            Some(other) => {
                let is_empty = other.children().next().is_none();
                // An empty object may stand for what is still to come in pieces.
                let text = if is_empty { "" } else { other.outer_text() };
                (text.to_owned(), !is_empty)
            }
            // All of it is what it is called with.
            None if is_typed && value.get("name").is_none() => {
                (value.outer_text().to_owned(), true)
            }
            None => (String::new(), false),
        };
        self.push(name, arguments, is_whole);
        true
    }

    fn push(&mut self, name: Option<String>, arguments: String, is_whole: bool) {
        self.calls.push(ToolCallPiece {
            channel: self.numbers.join("."),
            name,
            arguments,
            is_whole,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(document: &str) -> Vec<(String, Option<String>, String)> {
        tool_calls(document.as_bytes(), JsonLimits::default())
            .into_iter()
            .map(|call| (call.channel, call.name, call.arguments))
            .collect()
    }

    #[test]
    fn calls_are_found_in_every_protocols_words() {
        let whole = [
            r#"{"choices":[{"message":{"tool_calls":[{"id":"c","type":"function","function":{"name":"pay","arguments":"{\"to\":\"x\"}"}}]}}]}"#,
            r#"{"choices":[{"message":{"function_call":{"name":"pay","arguments":"{\"to\":\"x\"}"}}}]}"#,
            r#"{"content":[{"type":"text","text":"a"},{"type":"tool_use","id":"t","name":"pay","input":{"to":"x"}}]}"#,
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"pay","args":{"to":"x"}}}]}}]}"#,
            r#"{"output":{"message":{"content":[{"toolUse":{"toolUseId":"t","name":"pay","input":{"to":"x"}}}]}}}"#,
            r#"{"message":{"tool_calls":[{"function":{"name":"pay","arguments":{"to":"x"}}}]}}"#,
            r#"{"tools":[{"name":"pay","input":{}}],"output":[{"type":"function_call","name":"pay","arguments":"{\"to\":\"x\"}"}]}"#,
        ];
        for document in whole {
            let calls = read(document);
            assert_eq!(calls.len(), 1, "{document}");
            assert_eq!(calls[0].1.as_deref(), Some("pay"), "{document}");
            assert_eq!(calls[0].2, r#"{"to":"x"}"#, "{document}");
        }
        let shell = read(r#"{"output":[{"type":"local_shell_call","action":{"command":["ls"]}}]}"#);
        assert_eq!(shell[0].1.as_deref(), Some("local_shell_call"));
        assert!(shell[0].2.contains("\"ls\""));
        for none in [
            r#"{"tools":[{"type":"function","function":{"name":"pay","parameters":{}}}]}"#,
            r#"{"tool_choice":{"type":"function","name":"pay"}}"#,
            r#"{"choices":[{"message":{"content":"pay {\"name\":\"x\"}"}}]}"#,
            "[DONE]",
        ] {
            assert_eq!(read(none), [], "{none}");
        }
    }

    #[test]
    fn pieces_belong_to_the_call_with_the_same_numbers() {
        for frames in [
            [
                r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"name":"pay","arguments":""}}]}}]}"#,
                r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{\"a\""}}]}}]}"#,
            ],
            [
                r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","name":"pay","input":{}}}"#,
                r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\""}}"#,
            ],
            [
                r#"{"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"t","name":"pay"}}}"#,
                r#"{"contentBlockIndex":1,"delta":{"toolUse":{"input":"{\"a\""}}}"#,
            ],
        ] {
            let (first, second) = (read(frames[0]), read(frames[1]));
            assert_eq!((first.len(), second.len()), (1, 1), "{frames:?}");
            assert_eq!(first[0].0, second[0].0, "{frames:?}");
            assert_eq!(
                (first[0].1.as_deref(), first[0].2.as_str()),
                (Some("pay"), "")
            );
            assert_eq!(
                (second[0].1.as_deref(), second[0].2.as_str()),
                (None, "{\"a\"")
            );
        }
    }
}
