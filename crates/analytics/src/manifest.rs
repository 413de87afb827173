//! What data sets and artefacts must look like at each stage: checked before any statistics,
//! because a wrong hash is certain and a drift is not.
//!
//! A manifest is a JSON file. Its signature is checked by whoever reads it (`atalaya-modelscan`);
//! here it is only compared. A field that a row does not tell is not held against it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::event::Act;

/// What one data set or artefact must look like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ManifestEntry {
    /// Path or name, as in `ResourceName`.
    pub path: String,
    /// Pipeline stage it holds for; empty: every stage.
    pub stage: String,
    /// Size in bytes.
    pub size_bytes: Option<u64>,
    /// SHA-256, hexadecimal.
    pub sha256: Option<String>,
    /// Records.
    pub rows: Option<u64>,
    /// Where it must come from: the address begins with this.
    pub source_uri: Option<String>,
}

/// A manifest file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the format: 1.
    pub version: u32,
    /// Entries.
    pub entries: Vec<ManifestEntry>,
}

/// Manifests in force, by path and stage.
#[derive(Clone, Debug, Default)]
pub struct Manifests {
    by_path: HashMap<String, Vec<ManifestEntry>>,
}

/// What does not agree with a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) field: &'static str,
    pub(crate) expected: String,
    pub(crate) found: String,
}

impl Manifests {
    /// Adds the entries of a manifest.
    pub fn add(&mut self, manifest: Manifest) {
        for entry in manifest.entries {
            let known = self.by_path.entry(entry.path.clone()).or_default();
            known.push(entry);
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_path.is_empty()
    }

    /// Everything about an act that does not agree with its manifest.
    pub(crate) fn check(&self, act: &Act<'_>) -> Vec<Violation> {
        let entries = self.by_path.get(act.subject()).into_iter().flatten();
        let mut entries = entries.filter(|e| e.stage.is_empty() || e.stage == act.stage);
        let Some(entry) = entries.next() else {
            return Vec::new();
        };
        let mut violations = Vec::new();
        let mut compare = |field, expected: Option<String>, found: Option<String>| {
            if let (Some(expected), Some(found)) = (expected, found)
                && expected != found
            {
                violations.push(Violation {
                    field,
                    expected,
                    found,
                });
            }
        };
        let told = |text: &str| (!text.is_empty()).then(|| text.to_ascii_lowercase());
        let number = |n: Option<u64>| n.map(|n| n.to_string());
        let sha256 = entry.sha256.as_deref().map(str::to_ascii_lowercase);
        compare("sha256", sha256, told(&act.sha256));
        compare(
            "size_bytes",
            number(entry.size_bytes),
            number(act.size_bytes),
        );
        compare("rows", number(entry.rows), number(act.rows_total));
        let is_elsewhere = entry.source_uri.as_deref().is_some_and(|expected| {
            !act.source_uri.is_empty() && !act.source_uri.starts_with(expected)
        });
        if is_elsewhere {
            compare(
                "source_uri",
                entry.source_uri.clone(),
                Some(act.source_uri.to_string()),
            );
        }
        violations
    }
}

#[cfg(test)]
mod tests {
    use super::{Manifest, ManifestEntry, Manifests};
    use crate::event::Act;

    #[test]
    fn what_is_told_must_agree_and_what_is_not_told_is_not_held_against_it() {
        let mut manifests = Manifests::default();
        manifests.add(Manifest {
            version: 1,
            entries: vec![ManifestEntry {
                path: "faces-v3".into(),
                sha256: Some("AB".into()),
                rows: Some(10),
                source_uri: Some("s3://approved/".into()),
                ..ManifestEntry::default()
            }],
        });
        let act = |sha256: &str, rows, source: &str| Act {
            name: "faces-v3".to_owned().into(),
            sha256: sha256.to_owned().into(),
            rows_total: rows,
            source_uri: source.to_owned().into(),
            ..Act::default()
        };
        let fields = |act: &Act<'_>| -> Vec<&str> {
            manifests
                .check(act)
                .iter()
                .map(|violation| violation.field)
                .collect()
        };
        assert!(fields(&act("ab", None, "s3://approved/x")).is_empty());
        assert!(fields(&Act::default()).is_empty());
        assert_eq!(
            fields(&act("cd", Some(9), "https://elsewhere/")),
            ["sha256", "rows", "source_uri"]
        );
    }
}
