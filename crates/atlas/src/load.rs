//! Reads MITRE's own YAML: the frozen 5.x format and the 6.0.0 format.
//!
//! Lenient on purpose: the official 5.6.0 file holds malformed entries that its own schema does
//! not notice. What cannot be used is left out and named in `remarks`; only a file without
//! techniques is refused. References are checked here, because nobody else does.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{Maturity, Release, Tactic, Technique, builtin};

mod references;

/// Largest file that is read, bytes (the official ones have about 1 MB).
const FILE_BYTES_MAX: usize = 32 << 20;

/// Why a file cannot be used as an ATLAS release.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Too large to be ATLAS.
    #[error("the file has {bytes} bytes, more than {FILE_BYTES_MAX}: that is no ATLAS release")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not YAML.
    #[error("the file is not YAML: {0}")]
    Yaml(String),
    /// A raw download of a symbolic link gives the name of another file.
    #[error(
        "the file only names another file (`{0}`): a symbolic link was downloaded; fetch that file"
    )]
    Pointer(String),
    /// YAML, but neither format.
    #[error(
        "no techniques found: expected `matrices[0].techniques` (format 5) or `techniques` and `relationships` (format 6)"
    )]
    NoTechniques,
}

/// A release from a file.
#[derive(Debug)]
pub struct Loaded {
    /// The release.
    pub release: Release,
    /// `5` or `6`.
    pub format: u8,
    /// What was left out or is inconsistent, one sentence each.
    pub remarks: Vec<String>,
}

/// Reads a release from MITRE's YAML. Our judgement of visibility is kept for ids that the
/// built-in release knows.
///
/// # Errors
/// If the text is not YAML or holds no techniques.
pub fn load(text: &str) -> Result<Loaded, LoadError> {
    if text.len() > FILE_BYTES_MAX {
        return Err(LoadError::TooLarge { bytes: text.len() });
    }
    let document = parse(text)?;
    if let Value::String(target) = &document {
        return Err(LoadError::Pointer(target.clone()));
    }
    let mut reader = Reader::default();
    let format = if document.get("relationships").is_some() {
        reader.read_6(&document);
        6
    } else {
        reader.read_5(&document);
        5
    };
    reader.finish(format)
}

fn parse(text: &str) -> Result<Value, LoadError> {
    let mut options = serde_saphyr::Options::default();
    options.with_snippet = false;
    options.budget = None; // The size is bounded above; the file is the operator's own.
    serde_saphyr::from_str_with_options(text, options).map_err(|e| LoadError::Yaml(e.to_string()))
}

#[derive(Default)]
struct Reader {
    release: Release,
    tactics: BTreeMap<String, Tactic>,
    order: Vec<String>,
    techniques: BTreeMap<String, Technique>,
    remarks: Vec<String>,
}

impl Reader {
    fn read_5(&mut self, document: &Value) {
        self.release.name = text(document, "version").unwrap_or_default();
        let matrix = &document["matrices"][0];
        for entry in list(&matrix["tactics"]) {
            self.add_tactic(text(entry, "id"), entry);
        }
        for entry in list(&matrix["techniques"]) {
            let tactics = list(&entry["tactics"]).filter_map(as_text).collect();
            self.add_technique(text(entry, "id"), entry, tactics);
        }
        self.check_lists(matrix, document);
    }

    fn read_6(&mut self, document: &Value) {
        self.release.name = text(&document["collection"], "version")
            .or_else(|| text(document, "version"))
            .unwrap_or_default();
        for (id, entry) in map(&document["tactics"]) {
            self.add_tactic(Some(id.clone()), entry);
        }
        for (id, entry) in map(&document["techniques"]) {
            self.add_technique(Some(id.clone()), entry, Vec::new());
        }
        let relationships = &document["relationships"];
        for (technique, tactic) in edges(&relationships["achieves"]) {
            match self.techniques.get_mut(&technique) {
                Some(known) if !known.tactics.contains(&tactic) => known.tactics.push(tactic),
                Some(_) => {}
                None => self
                    .remarks
                    .push(format!("`achieves` names {technique}, which is not there")),
            }
        }
        self.order_tactics(&relationships["sequences"]);
        self.check_relationships(document);
    }

    fn add_tactic(&mut self, id: Option<String>, entry: &Value) {
        let (Some(id), Some(name)) = (id, text(entry, "name")) else {
            self.remarks.push("a tactic without id or name".to_owned());
            return;
        };
        let tactic = Tactic {
            shortname: name.to_lowercase().replace(' ', "-"),
            attack: attack(entry),
            name,
            id: id.clone(),
        };
        self.order.push(id.clone());
        self.tactics.insert(id, tactic);
    }

    fn add_technique(&mut self, id: Option<String>, entry: &Value, tactics: Vec<String>) {
        let (Some(id), Some(name)) = (id, text(entry, "name")) else {
            self.remarks
                .push("a technique without id or name".to_owned());
            return;
        };
        let known = crate::technique(&id);
        let technique = Technique {
            tactics,
            maturity: text(entry, "maturity").and_then(|m| Maturity::parse(&m)),
            attack: attack(entry),
            since: known.map_or_else(|| self.release.name.clone(), |t| t.since.clone()),
            visibility: known.and_then(|t| t.visibility.clone()),
            name,
            id: id.clone(),
        };
        if self.techniques.insert(id.clone(), technique).is_some() {
            self.remarks.push(format!("{id} stands twice"));
        }
    }

    /// Sorts tactics by their position in the matrix, where the file gives one.
    fn order_tactics(&mut self, sequences: &Value) {
        let mut positions: Vec<(i64, String)> = Vec::new();
        visit_edges(sequences, &mut |target, entry| {
            let position = entry["position"].as_i64();
            if let (Some(target), Some(position)) = (target, position) {
                positions.push((position, target));
            }
        });
        positions.sort();
        if positions.len() == self.order.len() {
            self.order = positions.into_iter().map(|(_, id)| id).collect();
        }
    }

    fn finish(mut self, format: u8) -> Result<Loaded, LoadError> {
        if self.techniques.is_empty() {
            return Err(LoadError::NoTechniques);
        }
        self.inherit_tactics();
        let mut release = self.release;
        for id in &self.order {
            release.tactics.extend(self.tactics.remove(id));
        }
        for technique in self.techniques.values() {
            for tactic in &technique.tactics {
                if release.tactic(tactic).is_none() {
                    let id = &technique.id;
                    self.remarks.push(format!(
                        "{id} names the tactic {tactic}, which is not there"
                    ));
                }
            }
        }
        release.techniques = self.techniques.into_values().collect();
        builtin::add_history(&mut release);
        Ok(Loaded {
            release,
            format,
            remarks: self.remarks,
        })
    }

    /// In format 5 a sub-technique has no tactics of its own.
    fn inherit_tactics(&mut self) {
        let parents: BTreeMap<String, Vec<String>> = self
            .techniques
            .values()
            .filter(|t| !t.is_sub_technique())
            .map(|t| (t.id.clone(), t.tactics.clone()))
            .collect();
        for technique in self.techniques.values_mut() {
            let Some(parent) = technique.parent_id() else {
                continue;
            };
            match parents.get(parent) {
                Some(tactics) if technique.tactics.is_empty() => {
                    technique.tactics.clone_from(tactics);
                }
                Some(_) => {}
                None => self.remarks.push(format!(
                    "{} is a sub-technique of {parent}, which is not there",
                    technique.id
                )),
            }
        }
    }
}

fn attack(entry: &Value) -> Option<String> {
    let reference = entry
        .get("ATT&CK-reference")
        .or_else(|| entry.get("attack-reference"))?;
    text(reference, "id").or_else(|| as_text(reference))
}

/// `source → target` pairs of a relationship, in any of the shapes the format allows: a list of
/// `{source, target}`, or a map from source to one target or several.
fn edges(relationship: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in list(relationship) {
        let source = ["source", "source-id", "from"]
            .iter()
            .find_map(|k| text(entry, k));
        let target = target_of(entry);
        found.extend(source.zip(target));
    }
    for (source, targets) in map(relationship) {
        visit_edges(targets, &mut |target, _| {
            found.extend(target.map(|t| (source.clone(), t)));
        });
    }
    found
}

fn visit_edges(value: &Value, visit: &mut dyn FnMut(Option<String>, &Value)) {
    match value {
        Value::String(target) => visit(Some(target.clone()), value),
        Value::Array(items) => items.iter().for_each(|item| visit_edges(item, visit)),
        Value::Object(object) if target_of(value).is_some() || object.is_empty() => {
            visit(target_of(value), value);
        }
        Value::Object(object) => {
            for (key, inner) in object {
                if key.starts_with("AML.T") && !inner.is_array() {
                    visit(Some(key.clone()), inner);
                } else {
                    visit_edges(inner, visit);
                }
            }
        }
        _ => {}
    }
}

fn target_of(entry: &Value) -> Option<String> {
    ["target", "target-id", "to", "tactic", "technique"]
        .iter()
        .find_map(|key| text(entry, key))
}

fn text(entry: &Value, key: &str) -> Option<String> {
    entry.get(key).and_then(as_text)
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map_or(&[][..], Vec::as_slice).iter()
}

fn map(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}
