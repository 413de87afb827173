//! Whether what a release refers to is there. MITRE's own schema does not look: the official 5.6.0
//! holds two objects where texts belong, and a release may name what was retired.

use serde_json::Value;

use super::{Reader, edges, list, map, text};

/// Remarks of one kind; more are counted.
const REMARKS_MAX: usize = 20;

impl Reader {
    /// Mitigations and case studies of format 5.
    pub(super) fn check_lists(&mut self, matrix: &Value, document: &Value) {
        let mut missing = Vec::new();
        for entry in list(&matrix["techniques"]) {
            let (id, parent) = (text(entry, "id"), text(entry, "subtechnique-of"));
            if let (Some(id), Some(parent)) = (id, parent)
                && !id.starts_with(&format!("{parent}."))
            {
                missing.push(format!("{id} says that it is a sub-technique of {parent}"));
            }
        }
        for mitigation in list(&matrix["mitigations"]) {
            let id = text(mitigation, "id").unwrap_or_else(|| "a mitigation".to_owned());
            self.check_texts(&id, mitigation);
            for link in list(&mitigation["techniques"]) {
                let target = text(link, "id").or_else(|| super::as_text(link));
                self.check_link(&mut missing, &id, target);
            }
        }
        for study in list(&document["case-studies"]) {
            let id = text(study, "id").unwrap_or_else(|| "a case study".to_owned());
            for step in list(&study["procedure"]) {
                self.check_link(&mut missing, &id, text(step, "technique"));
                self.check_link(&mut missing, &id, text(step, "tactic"));
            }
        }
        self.remark(missing);
    }

    /// Relationships of format 6, other than which technique achieves which tactic.
    pub(super) fn check_relationships(&mut self, document: &Value) {
        let relationships = &document["relationships"];
        let mut missing = Vec::new();
        for (source, target) in edges(&relationships["specializes"]) {
            if self.techniques.contains_key(&source) && !source.starts_with(&format!("{target}.")) {
                missing.push(format!("{source} says that it specializes {target}"));
            }
        }
        for (kind, owners) in [("mitigates", "mitigations"), ("employs", "case-studies")] {
            for (source, target) in edges(&relationships[kind]) {
                if document[owners].get(&source).is_none() {
                    missing.push(format!("`{kind}` names {source}, which is not there"));
                }
                self.check_link(&mut missing, &source, Some(target));
            }
        }
        for (id, entry) in map(&document["mitigations"]) {
            self.check_texts(id, entry);
        }
        self.remark(missing);
    }

    fn check_link(&self, missing: &mut Vec<String>, source: &str, target: Option<String>) {
        let Some(target) = target else {
            missing.push(format!("{source} refers to something without an id"));
            return;
        };
        if !self.techniques.contains_key(&target) && !self.tactics.contains_key(&target) {
            missing.push(format!("{source} names {target}, which is not there"));
        }
    }

    /// In the official 5.6.0 a link to a technique lies in two lists of texts, so that MITRE's own
    /// export loses it.
    fn check_texts(&mut self, id: &str, entry: &Value) {
        for key in ["ml-lifecycle", "category", "categories", "lifecycle-phases"] {
            for item in list(&entry[key]).filter(|item| !item.is_string()) {
                let what = text(item, "id").unwrap_or_else(|| "an object".to_owned());
                self.remarks.push(format!(
                    "{id}: `{key}` holds {what} where a text belongs; left out"
                ));
            }
        }
    }

    fn remark(&mut self, mut missing: Vec<String>) {
        missing.dedup();
        let more = missing.len().saturating_sub(REMARKS_MAX);
        missing.truncate(REMARKS_MAX);
        self.remarks.extend(missing);
        if more > 0 {
            self.remarks.push(format!("and {more} more of that kind"));
        }
    }
}
