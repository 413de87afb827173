//! What the demo's callers say, read from `calls.yml`.

use atalaya_model::{Diagnostic, ThreatCategory};
use serde::Deserialize;

const CALLS: &str = include_str!("calls.yml");

/// Where a text stands in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TextRole {
    /// The caller's own words.
    User,
    /// A document that the application retrieved.
    Document,
    /// A tool's answer.
    ToolOutput,
}

/// A text that must be found.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attack {
    pub(crate) id: String,
    pub(crate) technique: String,
    pub(crate) category: ThreatCategory,
    pub(crate) role: TextRole,
    pub(crate) text: String,
}

/// The whole script.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Script {
    pub(crate) benign: Vec<String>,
    pub(crate) attacks: Vec<Attack>,
    pub(crate) leaks: Vec<Attack>,
}

/// Reads the script.
///
/// # Errors
/// A diagnostic: the file is part of the binary, so only a developer ever sees it.
pub(crate) fn load() -> Result<Script, Box<Diagnostic>> {
    atalaya_yaml::parse(CALLS)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_script_reads() {
        let script = super::load().unwrap();
        assert!(script.benign.len() >= 20 && script.attacks.len() >= 8);
    }
}
