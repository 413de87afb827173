//! What is said about a rule, and where it looks.

use atalaya_model::{Diagnostic, Severity};
use atalaya_yaml::tree::Node;

use super::Reader;
use crate::code;
use crate::ir::{FilterRules, LogSource, Metadata, Related};

/// Keys that have a place of their own in [`Metadata`] or beside it.
const KNOWN: &[&str] = &[
    "title",
    "id",
    "name",
    "description",
    "level",
    "status",
    "author",
    "license",
    "date",
    "modified",
    "taxonomy",
    "tags",
    "falsepositives",
    "references",
    "fields",
    "related",
    "logsource",
    "detection",
    "correlation",
    "filter",
    "action",
];

impl Reader<'_, '_> {
    pub(super) fn metadata(&mut self, document: &Node) -> Metadata {
        let text = |key: &str| {
            document
                .get(key)
                .and_then(Node::scalar)
                .filter(|t| !t.is_empty())
        };
        let texts = |key: &str| {
            let items = document.get(key).map(Node::items).unwrap_or_default();
            items.iter().filter_map(Node::scalar).collect::<Vec<_>>()
        };
        let mut severity = None;
        if let Some(level) = text("level") {
            severity = serde_json::from_value::<Severity>(level.as_str().into()).ok();
            let span = document
                .get("level")
                .map(|node| node.span)
                .unwrap_or_default();
            if severity.is_none() {
                let message = format!("there is no level `{level}`");
                let remark = Diagnostic::warning(code::LEVEL, span, message);
                let help = "informational, low, medium, high or critical";
                self.problems.push(remark.with_help(help));
            }
        }
        let known = |key: &str| KNOWN.contains(&key);
        let pairs = document.map().unwrap_or_default();
        Metadata {
            title: text("title").unwrap_or_default(),
            id: text("id"),
            name: text("name"),
            description: text("description").unwrap_or_default(),
            severity,
            status: text("status"),
            author: text("author"),
            license: text("license"),
            date: text("date"),
            modified: text("modified"),
            taxonomy: text("taxonomy"),
            tags: texts("tags"),
            false_positives: texts("falsepositives"),
            references: texts("references"),
            fields: texts("fields"),
            related: related(document),
            custom: pairs
                .iter()
                .filter(|(key, _)| !known(&key.text))
                .map(|(key, node)| (key.text.clone(), node.to_json()))
                .collect(),
        }
    }
}

fn related(document: &Node) -> Vec<Related> {
    let items = document.get("related").map(Node::items).unwrap_or_default();
    let one = |node: &Node| {
        Some(Related {
            id: node.get("id")?.scalar()?,
            kind: node.get("type").and_then(Node::scalar).unwrap_or_default(),
        })
    };
    items.iter().filter_map(one).collect()
}

pub(super) fn log_source(document: &Node) -> LogSource {
    let text = |key: &str| {
        let node = document.get("logsource").and_then(|source| source.get(key));
        node.and_then(Node::scalar).unwrap_or_default()
    };
    LogSource {
        product: text("product"),
        category: text("category"),
        service: text("service"),
        definition: text("definition"),
    }
}

pub(super) fn filter_rules(filter: &Node) -> FilterRules {
    let items = filter.get("rules").map(Node::items).unwrap_or_default();
    let named: Vec<_> = items
        .iter()
        .filter_map(|node| Some((node.scalar()?, node.span)))
        .collect();
    match named.as_slice() {
        [] => FilterRules::Any,
        [(any, _)] if any == "any" => FilterRules::Any,
        _ => FilterRules::Named(named),
    }
}
