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

    use serde_json::Value;

    use super::LayerFormat;

    fn layer(format: LayerFormat) -> Value {
        let rules = BTreeMap::from([("AML.T0086".to_owned(), vec!["Rule".to_owned()])]);
        super::layer(crate::release(), &rules, format)
    }

    #[test]
    fn a_layer_has_every_technique_once_and_no_tactic() {
        let layer = layer(LayerFormat::V43);
        assert_eq!(layer["versions"]["layer"], "4.3");
        assert_eq!(layer["domain"], "atlas-atlas");
        let techniques = layer["techniques"].as_array().unwrap();
        assert_eq!(techniques.len(), 208);
        assert!(techniques.iter().all(|t| t.get("tactic").is_none()));
        let covered = |t: &&serde_json::Value| t["score"] == 1;
        assert_eq!(techniques.iter().filter(covered).count(), 1);
    }

    /// What the Navigator demands of a member before it takes it over; what does not fit is left
    /// out there without a word to the user.
    fn fits(kind: &str, value: &Value) -> bool {
        match kind {
            "text" => value.as_str().is_some_and(|text| !text.is_empty()),
            "number" => value.is_number(),
            "flag" => value.is_boolean(),
            "color" => value.as_str().is_some_and(|text| {
                text.len() == 7
                    && text.starts_with('#')
                    && text.chars().skip(1).all(|c| c.is_ascii_hexdigit())
            }),
            "placement" => matches!(value.as_str(), Some("side" | "flat" | "mini")),
            _ => false,
        }
    }

    fn check(place: &str, object: &Value, members: &[(&str, &str)], faults: &mut Vec<String>) {
        let Some(object) = object.as_object() else {
            faults.push(format!("{place} is no object"));
            return;
        };
        for (name, value) in object {
            let kind = members.iter().find(|(known, _)| known == name);
            match kind {
                None => faults.push(format!("{place}.{name} is not of this format")),
                Some((_, "parts")) => {}
                Some((_, kind)) if !fits(kind, value) => {
                    faults.push(format!("{place}.{name} is no {kind}: {value}"));
                }
                Some(_) => {}
            }
        }
    }

    fn each(place: &str, list: &Value, members: &[(&str, &str)], faults: &mut Vec<String>) {
        let items = list.as_array().map_or(&[][..], Vec::as_slice);
        for item in items {
            check(place, item, members, faults);
            for (name, _) in members {
                if item.get(*name).is_none() {
                    faults.push(format!("{place}.{name} is missing"));
                }
            }
        }
    }

    #[test]
    fn the_navigator_takes_over_every_member() {
        let pair = [("name", "text"), ("value", "text")];
        let link = [("label", "text"), ("url", "text")];
        for format in [LayerFormat::V43, LayerFormat::V45] {
            let layer = layer(format);
            let mut faults = Vec::new();
            let whole = [
                ("name", "text"),
                ("domain", "text"),
                ("description", "text"),
                ("sorting", "number"),
                ("hideDisabled", "flag"),
                ("showTacticRowBackground", "flag"),
                ("selectTechniquesAcrossTactics", "flag"),
                ("selectSubtechniquesWithParent", "flag"),
                ("versions", "parts"),
                ("layout", "parts"),
                ("techniques", "parts"),
                ("gradient", "parts"),
                ("legendItems", "parts"),
                ("metadata", "parts"),
                ("links", "parts"),
            ];
            check("layer", &layer, &whole, &mut faults);
            let versions = [("layer", "text"), ("navigator", "text")];
            check("versions", &layer["versions"], &versions, &mut faults);
            let layout = [
                ("layout", "placement"),
                ("showID", "flag"),
                ("showName", "flag"),
            ];
            check("layout", &layer["layout"], &layout, &mut faults);
            let legend = [("label", "text"), ("color", "color")];
            each("legend", &layer["legendItems"], &legend, &mut faults);
            each("metadata", &layer["metadata"], &pair, &mut faults);
            let technique = [
                ("techniqueID", "text"),
                ("score", "number"),
                ("color", "color"),
                ("comment", "text"),
                ("enabled", "flag"),
                ("showSubtechniques", "flag"),
                ("links", "parts"),
                ("metadata", "parts"),
            ];
            each("technique", &layer["techniques"], &technique, &mut faults);
            for technique in layer["techniques"].as_array().unwrap() {
                each("links", &technique["links"], &link, &mut faults);
                each("metadata", &technique["metadata"], &pair, &mut faults);
            }
            let gradient = &layer["gradient"];
            let colors = gradient["colors"].as_array().unwrap();
            assert!(colors.len() >= 2 && colors.iter().all(|color| fits("color", color)));
            assert!(gradient["minValue"].as_i64() < gradient["maxValue"].as_i64());
            assert!(faults.is_empty(), "{format:?}: {faults:#?}");
        }
    }
}
