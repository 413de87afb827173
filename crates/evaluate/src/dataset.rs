//! Labelled texts as JSON lines: `text`, `label`, and what is known beside it. A conversation has
//! `messages` in place of `text`: `[{"role": "user", "content": "…"}, …]`.
//!
//! `label` is 1, true or "attack", 0, false or "benign"; an export of the review queue may say
//! `disposition` instead (`true_positive`, `false_positive`, `benign_positive`), and its `text` is a
//! stored call: a list of texts with their roles. Lines without a label (null, undetermined), and
//! lines of an export whose text was not kept, are left out and counted.

use atalaya_inspect::language::Language;
use atalaya_model::SegmentKind;
use serde::Deserialize;
use serde_json::Value;

/// What is said when a role is none.
const ROLES: &str =
    "`role` must be user, document, tool_output, tool_definition, system or assistant";
/// Longest line.
const LINE_BYTES_MAX: usize = 16 << 20;

/// A labelled text.
#[derive(Clone, Debug)]
pub struct Case {
    /// Name in reports: the dataset's own id, or its line.
    pub id: String,
    /// The file, or the row's `source`.
    pub dataset: String,
    /// The texts: one, or the messages of a conversation.
    pub texts: Vec<(SegmentKind, String)>,
    /// Whether it is an attack.
    pub attack: bool,
    /// Kind of attack or of innocent text.
    pub kind: String,
    /// How the text reaches a model: its role, or `conversation`.
    pub role: &'static str,
    /// Language tag.
    pub lang: String,
}

/// Why a dataset cannot be used.
#[derive(Debug)]
pub struct DatasetError {
    /// Line, from 1 on.
    pub line: usize,
    /// What is wrong; never repeats the text.
    pub message: String,
}

impl std::fmt::Display for DatasetError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for DatasetError {}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    messages: Vec<Message>,
    #[serde(default)]
    label: Value,
    #[serde(default)]
    disposition: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    lang: Option<String>,
    /// Only exports have it.
    #[serde(default)]
    content_sha256: Option<Value>,
}

/// A message of a conversation, or a stored text of a call.
#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(alias = "text")]
    content: String,
}

/// A dataset as it was read.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// What is judged.
    pub cases: Vec<Case>,
    /// Lines without a label.
    pub unlabelled: usize,
    /// Lines of an export of which no text was kept.
    pub textless: usize,
}

/// Reads JSON lines.
///
/// # Errors
/// With the first line that is no such object.
pub fn read_cases(name: &str, content: &str) -> Result<Dataset, DatasetError> {
    let mut dataset = Dataset::default();
    for (index, line) in content.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |message: &str| DatasetError {
            line: index + 1,
            message: message.to_owned(),
        };
        if line.len() > LINE_BYTES_MAX {
            return Err(wrong("longer than 16 MiB"));
        }
        // A list of values would be taken for an object by its order.
        if !line.trim_start().starts_with('{') {
            return Err(wrong(
                "not an object with `text` (or `messages`) and `label`",
            ));
        }
        let line: Line = serde_json::from_str(line).map_err(|error| {
            wrong(&format!(
                "not an object with `text` (or `messages`) and `label` (column {})",
                error.column()
            ))
        })?;
        let label = match &line.disposition {
            Some(disposition) if line.label.is_null() => by_disposition(disposition),
            _ => by_label(&line.label),
        };
        let label =
            label.ok_or_else(|| wrong("`label` must be 1, 0, \"attack\", \"benign\" or null"))?;
        let Some(attack) = label else {
            dataset.unlabelled += 1;
            continue;
        };
        if line.text.is_none() && line.messages.is_empty() && line.content_sha256.is_some() {
            dataset.textless += 1;
            continue;
        }
        let is_stored = line.content_sha256.is_some();
        let texts = match (line.text, line.messages) {
            (Some(text), messages) if messages.is_empty() => texts(text, &line.role, is_stored),
            (None, messages) if !messages.is_empty() => said(messages),
            _ => return Err(wrong("give either `text` or `messages`")),
        };
        let texts = texts.ok_or_else(|| wrong(ROLES))?;
        let role = match texts.as_slice() {
            [(kind, _)] => kind.as_str(),
            _ => "conversation",
        };
        dataset.cases.push(Case {
            id: match &line.id {
                Value::Null => format!("{name}:{}", index + 1),
                Value::String(id) => id.clone(),
                other => other.to_string(),
            },
            dataset: line.source.unwrap_or_else(|| name.to_owned()),
            lang: line.lang.unwrap_or_else(|| language(&texts)),
            texts,
            attack,
            kind: line
                .kind
                .unwrap_or_else(|| if attack { "attack" } else { "benign" }.to_owned()),
            role,
        });
    }
    Ok(dataset)
}

/// What the last text is written in, where a dataset does not say so.
fn language(texts: &[(SegmentKind, String)]) -> String {
    let last = texts.last().map_or("", |(_, text)| text);
    Language::of_original(last).code().to_owned()
}

/// `Some(None)` is a row without a label, `None` a label that nobody knows.
#[expect(
    clippy::option_option,
    reason = "unlabelled and unreadable are different answers"
)]
fn by_label(label: &Value) -> Option<Option<bool>> {
    match label {
        Value::Null => Some(None),
        Value::Bool(attack) => Some(Some(*attack)),
        Value::Number(number) => match number.as_u64() {
            Some(0) => Some(Some(false)),
            Some(1) => Some(Some(true)),
            _ => None,
        },
        Value::String(word) => match word.to_ascii_lowercase().as_str() {
            "attack" | "malicious" | "injection" | "1" | "true" => Some(Some(true)),
            "benign" | "safe" | "legitimate" | "0" | "false" => Some(Some(false)),
            _ => None,
        },
        _ => None,
    }
}

#[expect(
    clippy::option_option,
    reason = "unlabelled and unreadable are different answers"
)]
fn by_disposition(word: &str) -> Option<Option<bool>> {
    match word {
        "true_positive" => Some(Some(true)),
        "false_positive" | "benign_positive" => Some(Some(false)),
        "undetermined" => Some(None),
        _ => None,
    }
}

/// The texts of a line: the stored ones of a call, or one of a role; `None` if the role is none.
fn texts(
    text: String,
    role: &Option<String>,
    is_stored: bool,
) -> Option<Vec<(SegmentKind, String)>> {
    let stored: Option<Vec<Message>> = is_stored
        .then(|| serde_json::from_str(&text).ok())
        .flatten();
    match stored {
        Some(stored) if !stored.is_empty() => said(stored),
        _ => Some(vec![(segment(role.as_deref())?, text)]),
    }
}

fn said(messages: Vec<Message>) -> Option<Vec<(SegmentKind, String)>> {
    let read = |message: Message| Some((segment(Some(&message.role))?, message.content));
    messages.into_iter().map(read).collect()
}

fn segment(role: Option<&str>) -> Option<SegmentKind> {
    Some(match role.unwrap_or("user") {
        "user" => SegmentKind::User,
        "document" => SegmentKind::Document,
        "tool_output" | "tool" | "tool_result" => SegmentKind::ToolResult,
        "tool_definition" => SegmentKind::ToolDefinition,
        "system" | "developer" => SegmentKind::System,
        "reasoning" => SegmentKind::Reasoning,
        "tool_call" => SegmentKind::ToolCall,
        "response" => SegmentKind::Response,
        "assistant" | "model" => SegmentKind::Assistant,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::read_cases;

    #[test]
    fn labels_and_dispositions_are_read() {
        let lines = r#"{"id":"a","text":"x","label":1,"role":"document"}
{"text":"y","label":"benign"}

{"text":"z","disposition":"false_positive"}
{"text":"w","label":null}"#;
        let dataset = read_cases("mine", lines).expect("cases");
        let cases = dataset.cases;
        let labels: Vec<(&str, bool)> = cases.iter().map(|c| (c.id.as_str(), c.attack)).collect();
        assert_eq!(labels, [("a", true), ("mine:2", false), ("mine:4", false)]);
        assert_eq!(dataset.unlabelled, 1);
    }

    #[test]
    fn a_language_that_is_not_said_is_told_by_the_text() {
        let lines = r#"{"text":"Wie wird das Wetter am Freitag in Lissabon?","label":0}
{"text":"Wie wird das Wetter am Freitag in Lissabon?","label":0,"lang":"gsw"}
{"text":"ok","label":0}"#;
        let cases = read_cases("mine", lines).expect("cases").cases;
        let languages: Vec<&str> = cases.iter().map(|case| case.lang.as_str()).collect();
        assert_eq!(languages, ["de", "gsw", "und"]);
    }

    #[test]
    fn messages_are_a_conversation() {
        let line = r#"{"label":0,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#;
        let cases = read_cases("mine", line).expect("cases").cases;
        assert_eq!(cases[0].role, "conversation");
        let texts: Vec<&str> = cases[0]
            .texts
            .iter()
            .map(|(_, text)| text.as_str())
            .collect();
        assert_eq!(texts, ["a", "b"]);
    }

    #[test]
    fn an_export_of_the_review_queue_is_read_as_calls() {
        let lines = r#"{"id":"d1","subject":"decision","label":"true","is_attack":true,"content_sha256":"ab","text":"[{\"role\":\"system\",\"path\":\"/a\",\"text\":\"s\"},{\"role\":\"tool_result\",\"path\":\"/b\",\"text\":\"t\"}]"}
{"id":"d2","subject":"decision","label":"benign","is_attack":false,"content_sha256":""}"#;
        let dataset = read_cases("export", lines).expect("cases");
        assert_eq!(dataset.textless, 1);
        assert!(dataset.cases[0].attack);
        let kinds: Vec<&str> = dataset.cases[0]
            .texts
            .iter()
            .map(|(kind, _)| kind.as_str())
            .collect();
        assert_eq!(kinds, ["system", "tool_result"]);
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_line() {
        for (lines, line) in [
            ("{\"text\":\"x\",\"label\":7}", 1),
            ("{\"text\":\"x\",\"label\":1}\n[]", 2),
            ("{\"text\":\"x\",\"label\":1,\"role\":\"queen\"}", 1),
            ("{\"label\":1}", 1),
            (
                "{\"label\":1,\"text\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
                1,
            ),
        ] {
            assert_eq!(read_cases("mine", lines).expect_err("an error").line, line);
        }
    }
}
