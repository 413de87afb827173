//! The file as YAML sees it. Unknown keys are allowed: the specification says so.

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Document {
    pub(crate) title: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) level: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) falsepositives: OneOrMany,
    pub(crate) logsource: Option<LogSource>,
    pub(crate) detection: Option<Map<String, Value>>,
    pub(crate) correlation: Option<Correlation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LogSource {
    pub(crate) product: Option<String>,
    pub(crate) category: Option<String>,
    pub(crate) service: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Correlation {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) rules: OneOrMany,
    #[serde(rename = "group-by")]
    pub(crate) group_by: OneOrMany,
    pub(crate) timespan: Option<String>,
    pub(crate) condition: Map<String, Value>,
}

/// Where the specification allows a list, people write one value.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(crate) fn into_vec(self) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::One(value) => vec![value],
            Self::Many(values) => values,
        }
    }
}
