//! Adding a sentence to the end of a call's own instructions, as a byte edit.
//!
//! At the end, because providers cache prompts by their beginning; and only where a call brings
//! instructions of its own: an instruction where none was would replace a model's built-in one,
//! and servers refuse conversations with a second system message. A call that cannot take a
//! sentence safely stays as it is.

use crate::call::WireError;
use crate::edit::{Edits, content, json_string};
use crate::json::{self, JsonLimits, Kind, Value};

/// Where a protocol's calls keep the application's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instructions {
    /// Nowhere, or nowhere that a sentence can be added to.
    Nowhere,
    /// The messages that this member begins with, of roles `system` and `developer`.
    Messages(&'static str, Part),
    /// This member: a string, or a list of parts.
    Member(&'static str, Part),
    /// The member `parts` of one of these members.
    Parts(&'static [&'static str]),
    /// This member if it is there, else messages as above.
    MemberOrMessages(&'static str, (&'static str, Part)),
}

/// How a part of an instruction in pieces looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// `{"text": …}`
    Bare,
    /// `{"type": "text", "text": …}`
    Text,
    /// `{"type": "input_text", "text": …}`
    Input,
}

impl Part {
    fn write(self, sentence: &str) -> String {
        let text = json_string(sentence);
        match self {
            Self::Bare => format!("{{\"text\":{text}}}"),
            Self::Text => format!("{{\"type\":\"text\",\"text\":{text}}}"),
            Self::Input => format!("{{\"type\":\"input_text\",\"text\":{text}}}"),
        }
    }
}

/// The body with a sentence at the end of its instructions; `None` if it has none that can take one.
pub(crate) fn instruct(
    place: Instructions,
    body: &[u8],
    sentence: &str,
) -> Result<Option<Vec<u8>>, WireError> {
    let document = json::parse(body, JsonLimits::default())?;
    let root = document.root();
    let target = match place {
        Instructions::Nowhere => None,
        Instructions::Messages(list, part) => last_leading(root, list).map(|text| (text, part)),
        Instructions::Member(name, part) => root.get(name).map(|text| (text, part)),
        Instructions::Parts(names) => names
            .iter()
            .find_map(|name| root.get(name))
            .and_then(|instruction| instruction.get("parts"))
            .map(|parts| (parts, Part::Bare)),
        Instructions::MemberOrMessages(name, (list, part)) => root
            .get(name)
            .filter(|text| text.kind() == Kind::String)
            .or_else(|| last_leading(root, list))
            .map(|text| (text, part)),
    };
    let Some((target, part)) = target else {
        return Ok(None);
    };
    let mut edits = Edits::default();
    match target.kind() {
        Kind::String if !target.raw().is_empty() => {
            let literal = json_string(sentence);
            edits.insert(target.span().end, format!("\\n\\n{}", content(&literal)));
        }
        Kind::Array if target.children().next().is_some() => {
            edits.add_last(target, &part.write(sentence));
        }
        _ => return Ok(None),
    }
    edits.apply(body).map(Some)
}

/// The content of the last of the instructions that a list of messages begins with.
fn last_leading<'d, 'a>(root: Value<'d, 'a>, list: &str) -> Option<Value<'d, 'a>> {
    root.get(list)?
        .children()
        .take_while(|message| {
            let role = message.get_str("role").unwrap_or_default();
            matches!(role.as_ref(), "system" | "developer")
        })
        .last()?
        .get("content")
}

#[cfg(test)]
mod tests {
    use crate::protocols::by_name;

    #[test]
    fn a_sentence_stands_at_the_end_of_the_instructions() {
        for (protocol, before, after) in [
            (
                "openai.chat",
                r#"{"messages": [{"role":"system","content":"Be brief."},{"role":"user","content":"hi"}]}"#,
                r#"{"messages": [{"role":"system","content":"Be brief.\n\n\"x\""},{"role":"user","content":"hi"}]}"#,
            ),
            (
                "openai.chat",
                r#"{"messages":[{"role":"system","content":"a"},{"role":"developer","content":[{"type":"text","text":"b"}]},{"role":"user","content":"hi"}]}"#,
                r#"{"messages":[{"role":"system","content":"a"},{"role":"developer","content":[{"type":"text","text":"b"},{"type":"text","text":"\"x\""}]},{"role":"user","content":"hi"}]}"#,
            ),
            (
                "openai.responses",
                r#"{"instructions":"Be brief.","input":"hi"}"#,
                r#"{"instructions":"Be brief.\n\n\"x\"","input":"hi"}"#,
            ),
            (
                "openai.responses",
                r#"{"instructions":null,"input":[{"role":"developer","content":[{"type":"input_text","text":"b"}]},{"role":"user","content":"hi"}]}"#,
                r#"{"instructions":null,"input":[{"role":"developer","content":[{"type":"input_text","text":"b"},{"type":"input_text","text":"\"x\""}]},{"role":"user","content":"hi"}]}"#,
            ),
            (
                "anthropic.messages",
                r#"{"system":"Be brief.","messages":[]}"#,
                r#"{"system":"Be brief.\n\n\"x\"","messages":[]}"#,
            ),
            (
                "anthropic.messages",
                r#"{"system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}],"messages":[]}"#,
                r#"{"system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"type":"text","text":"\"x\""}],"messages":[]}"#,
            ),
            (
                "gemini.generate",
                r#"{"system_instruction":{"parts":[{"text":"a"}]},"contents":[]}"#,
                r#"{"system_instruction":{"parts":[{"text":"a"},{"text":"\"x\""}]},"contents":[]}"#,
            ),
            (
                "bedrock.converse",
                r#"{"system":[{"text":"a"}],"messages":[]}"#,
                r#"{"system":[{"text":"a"},{"text":"\"x\""}],"messages":[]}"#,
            ),
            (
                "ollama.chat",
                r#"{"messages":[{"role":"system","content":"a"}]}"#,
                r#"{"messages":[{"role":"system","content":"a\n\n\"x\""}]}"#,
            ),
        ] {
            let protocol = by_name(protocol).expect("a protocol");
            let written = protocol.instruct(before.as_bytes(), "\"x\"");
            let written = written.expect("an edit").expect("a place");
            assert_eq!(String::from_utf8_lossy(&written), after);
        }
    }

    #[test]
    fn what_has_no_instructions_stays_as_it_is() {
        for (protocol, body) in [
            (
                "openai.chat",
                r#"{"messages":[{"role":"user","content":"hi"},{"role":"system","content":"late"}]}"#,
            ),
            (
                "openai.chat",
                r#"{"messages":[{"role":"system","content":""}]}"#,
            ),
            ("openai.chat", r#"{"messages":{}}"#),
            ("openai.responses", r#"{"input":"hi"}"#),
            ("anthropic.messages", r#"{"messages":[],"system":7}"#),
            (
                "gemini.generate",
                r#"{"systemInstruction":{"parts":{"text":"a"}}}"#,
            ),
            ("openai.embeddings", r#"{"input":"hi"}"#),
            ("mcp", r#"{"jsonrpc":"2.0"}"#),
        ] {
            let protocol = by_name(protocol).expect("a protocol");
            let written = protocol.instruct(body.as_bytes(), "x");
            assert_eq!(written.expect("no edit"), None, "{body}");
        }
    }
}
