//! A layer for MITRE's ATLAS Navigator.
//!
//! The deployed Navigator reads layer format 4.3 with the domain `atlas-atlas`; later formats
//! raise an alert there, other domains do not load. Techniques carry no `tactic`, so that an
//! annotation shows under every tactic and survives renamed tactics. Ids that are newer than
//! the data the Navigator hosts are ignored silently there: the description says so.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Release;

const COVERED: &str = "#2e7d32";
const GAP: &str = "#ef6c00";
const INVISIBLE: &str = "#bdbdbd";

/// The layer in the format that MITRE's deployed ATLAS Navigator reads, or in the later one, for
/// people who host a Navigator with ATLAS data themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LayerFormat {
    /// 4.3.
    #[default]
    V43,
    /// 4.5: the deployed ATLAS Navigator raises an alert on it.
    V45,
}

/// The layer: for each technique the titles of rules that cover it.
#[must_use]
pub fn layer(
    release: &Release,
    rules: &BTreeMap<String, Vec<String>>,
    format: LayerFormat,
) -> Value {
    let versions = match format {
        LayerFormat::V43 => json!({"layer": "4.3", "navigator": "4.6.4"}),
        LayerFormat::V45 => json!({"layer": "4.5", "navigator": "5.1.0"}),
    };
    let techniques: Vec<Value> = release
        .techniques()
        .iter()
        .map(|t| {
            let titles = rules.get(&t.id).map_or(&[][..], Vec::as_slice);
            let visibility = t.visibility.as_ref();
            let why_not = visibility.and_then(crate::Visibility::why_not);
            let (color, comment) = match (titles, why_not) {
                ([], Some(reason)) => (INVISIBLE, reason.to_owned()),
                ([], None) => (GAP, "no rule yet".to_owned()),
                (titles, _) => (COVERED, titles.join("; ")),
            };
            json!({
                "techniqueID": t.id,
                "score": titles.len().min(5),
                "color": color,
                "comment": comment,
                "enabled": true,
                "showSubtechniques": !t.is_sub_technique(),
                "links": [{"label": t.id, "url": crate::url(&t.id)}],
                "metadata": [
                    {"name": "detectability", "value": visibility.map_or_else(|| "unknown".to_owned(), |v| v.detectability.to_string())},
                    {"name": "build_priority", "value": visibility.map_or_else(|| "unknown".to_owned(), |v| v.build_priority().to_string())},
                ],
            })
        })
        .collect();
    json!({
        "name": "Atalaya: detection coverage",
        "versions": versions,
        "domain": "atlas-atlas",
        "description": format!(
            "Techniques of ATLAS {} with a tested rule. Techniques that are newer than the data this Navigator hosts are not shown.",
            release.name()
        ),
        "sorting": 0,
        "layout": {"layout": "side", "showID": true, "showName": true},
        "hideDisabled": false,
        "techniques": techniques,
        "gradient": {"colors": ["#ffffff", COVERED], "minValue": 0, "maxValue": 5},
        "legendItems": [
            {"label": "tested rule", "color": COVERED},
            {"label": "visible in logs, no rule yet", "color": GAP},
            {"label": "not visible in logs", "color": INVISIBLE},
        ],
        "metadata": [{"name": "atlas_data_version", "value": release.name()}],
        "showTacticRowBackground": false,
        "selectTechniquesAcrossTactics": true,
        "selectSubtechniquesWithParent": false,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    #[test]
    fn a_layer_has_every_technique_once_and_no_tactic() {
        let rules = BTreeMap::from([("AML.T0086".to_owned(), vec!["Rule".to_owned()])]);
        let layer = super::layer(crate::release(), &rules, super::LayerFormat::V43);
        assert_eq!(layer["versions"]["layer"], "4.3");
        assert_eq!(layer["domain"], "atlas-atlas");
        let techniques = layer["techniques"].as_array().unwrap();
        assert_eq!(techniques.len(), 208);
        assert!(techniques.iter().all(|t| t.get("tactic").is_none()));
        let covered = |t: &&serde_json::Value| t["score"] == 1;
        assert_eq!(techniques.iter().filter(covered).count(), 1);
    }
}
