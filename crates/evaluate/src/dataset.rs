//! Labelled texts as JSON lines: `text`, `label`, and what is known beside it.
//!
//! `label` is 1, true or "attack", 0, false or "benign"; an export of the review queue may say
//! `disposition` instead (`true_positive`, `false_positive`, `benign_positive`). Lines without a
//! label (null, undetermined) are left out and counted.

use atalaya_model::SegmentKind;
use serde::Deserialize;
use serde_json::Value;

/// Longest line.
const LINE_BYTES_MAX: usize = 16 << 20;

/// A labelled text.
#[derive(Clone, Debug)]
pub struct Case {
    /// Name in reports: the dataset's own id, or its line.
    pub id: String,
    /// The file, or the row's `source`.
    pub dataset: String,
    /// The text.
    pub text: String,
    /// Whether it is an attack.
    pub attack: bool,
    /// Kind of attack or of innocent text.
    pub kind: String,
    /// How the text reaches a model.
    pub segment: SegmentKind,
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
    text: String,
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
}

/// Reads JSON lines; the second figure is the number of lines without a label.
///
/// # Errors
/// With the first line that is no such object.
pub fn read_cases(name: &str, content: &str) -> Result<(Vec<Case>, usize), DatasetError> {
    let mut cases = Vec::new();
    let mut unlabelled = 0;
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
        let line: Line = serde_json::from_str(line).map_err(|error| {
            wrong(&format!(
                "not an object with `text` and `label` (column {})",
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
            unlabelled += 1;
            continue;
        };
        let segment = segment(line.role.as_deref()).ok_or_else(|| {
            wrong(
                "`role` must be user, document, tool_output, tool_definition, system or assistant",
            )
        })?;
        cases.push(Case {
            id: match &line.id {
                Value::Null => format!("{name}:{}", index + 1),
                Value::String(id) => id.clone(),
                other => other.to_string(),
            },
            dataset: line.source.unwrap_or_else(|| name.to_owned()),
            text: line.text,
            attack,
            kind: line
                .kind
                .unwrap_or_else(|| if attack { "attack" } else { "benign" }.to_owned()),
            segment,
            lang: line.lang.unwrap_or_else(|| "?".to_owned()),
        });
    }
    Ok((cases, unlabelled))
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

fn segment(role: Option<&str>) -> Option<SegmentKind> {
    Some(match role.unwrap_or("user") {
        "user" => SegmentKind::User,
        "document" => SegmentKind::Document,
        "tool_output" => SegmentKind::ToolResult,
        "tool_definition" => SegmentKind::ToolDefinition,
        "system" => SegmentKind::System,
        "assistant" => SegmentKind::Assistant,
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
        let (cases, unlabelled) = read_cases("mine", lines).expect("cases");
        let labels: Vec<(&str, bool)> = cases.iter().map(|c| (c.id.as_str(), c.attack)).collect();
        assert_eq!(labels, [("a", true), ("mine:2", false), ("mine:4", false)]);
        assert_eq!(unlabelled, 1);
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_line() {
        for (lines, line) in [
            ("{\"text\":\"x\",\"label\":7}", 1),
            ("{\"text\":\"x\",\"label\":1}\n[]", 2),
            ("{\"text\":\"x\",\"label\":1,\"role\":\"queen\"}", 1),
        ] {
            assert_eq!(read_cases("mine", lines).expect_err("an error").line, line);
        }
    }
}
