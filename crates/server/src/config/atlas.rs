//! The section about MITRE ATLAS.
//!
//! The built-in release is what rules are checked against; a file of MITRE's replaces it in the
//! `atalaya atlas` commands. Left out: fetching one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// MITRE ATLAS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AtlasSection {
    /// MITRE's own YAML (format 5 or 6) in place of the built-in release.
    pub release: Option<PathBuf>,
    /// What the site says about techniques, by id.
    pub overrides: BTreeMap<String, AtlasOverride>,
}

/// What the site says about one technique.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AtlasOverride {
    /// 1-5.
    pub likelihood: Option<u8>,
    /// 1-5.
    pub impact: Option<u8>,
    /// 0-4.
    pub detectability: Option<u8>,
    /// Why.
    pub reason: String,
}

impl From<&AtlasOverride> for atalaya_atlas::Override {
    fn from(value: &AtlasOverride) -> Self {
        Self {
            likelihood: value.likelihood,
            impact: value.impact,
            detectability: value.detectability,
            reason: value.reason.clone(),
        }
    }
}
