//! The shape of a pattern file.

use std::collections::HashMap;

use atalaya_model::{Role, ThreatCategory};
use serde::Deserialize;

/// A `patterns.yml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatternFile {
    /// First part of the rule ids.
    pub(crate) detector: String,
    pub(crate) category: ThreatCategory,
    #[serde(default)]
    pub(crate) atlas: Vec<String>,
    /// Percent of a pattern's score that counts in a role; what is missing counts fully.
    #[serde(default)]
    pub(crate) weights: HashMap<Role, u16>,
    /// Words of this file, on top of the built-in lexicon.
    #[serde(default)]
    pub(crate) lexicon: HashMap<String, String>,
    pub(crate) patterns: Vec<PatternSource>,
}

/// One pattern.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatternSource {
    pub(crate) id: String,
    pub(crate) score: u8,
    /// Regular expression (or several) on folded text; `{name}` stands for a lexicon entry.
    pub(crate) regex: OneOrMany,
    #[serde(default)]
    pub(crate) category: Option<ThreatCategory>,
    #[serde(default)]
    pub(crate) atlas: Vec<String>,
    #[serde(default)]
    pub(crate) weights: HashMap<Role, u16>,
    /// Match on the text as written: for tokens whose case carries meaning.
    #[serde(default)]
    pub(crate) case_sensitive: bool,
    /// Score fully even when quoted or written about.
    #[serde(default)]
    pub(crate) even_quoted: bool,
    /// Kind of secret or datum, for `SecretTypes`.
    #[serde(default)]
    pub(crate) kind: Option<String>,
    /// Name of a built-in check that a match has to pass: `luhn`, `entropy`, …
    #[serde(default)]
    pub(crate) check: Option<String>,
    /// Texts that the pattern has to find.
    #[serde(default, rename = "match")]
    pub(crate) finds: Vec<String>,
    /// Texts that it must not find.
    #[serde(default)]
    pub(crate) no_match: Vec<String>,
    /// The role under which the cases are read.
    #[serde(default)]
    pub(crate) role: Option<Role>,
}

/// One text or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(crate) fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// A text of a pattern file, and whether a rule has to find something in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The rule.
    pub rule: String,
    /// The role under which the text is read.
    pub role: Role,
    /// The text.
    pub text: String,
    /// Whether the rule has to report it.
    pub found: bool,
}

impl PatternFile {
    pub(crate) fn cases(&self) -> impl Iterator<Item = Case> {
        self.patterns.iter().flat_map(move |pattern| {
            let rule = format!("{}.{}", self.detector, pattern.id);
            let role = pattern.role.unwrap_or(Role::User);
            let finds = pattern.finds.iter().map(|text| (text, true));
            let no_match = pattern.no_match.iter().map(|text| (text, false));
            finds.chain(no_match).map(move |(text, found)| Case {
                rule: rule.clone(),
                role,
                text: text.clone(),
                found,
            })
        })
    }
}
