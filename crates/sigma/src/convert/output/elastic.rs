//! Rules of Elastic's detection engine, as its import takes them.

use atalaya_model::Severity;
use serde_json::{Value, json};

use super::super::Language;
use super::{Written, schedule, tags};

/// One rule.
pub(super) fn rule(written: &Written<'_>, language: Language) -> Value {
    let metadata = written.metadata;
    let query = written.query;
    let (frequency, period) = schedule(query);
    let (severity, risk) = severity(metadata.severity);
    let (kind, name) = match language {
        Language::Eql => ("eql", "eql"),
        Language::Esql => ("esql", "esql"),
        _ => ("query", "lucene"),
    };
    let id = metadata
        .id
        .clone()
        .unwrap_or_else(|| metadata.title.clone());
    let mut all_tags = vec!["Sigma".to_owned()];
    all_tags.extend(
        tags::atlas(&metadata.tags)
            .iter()
            .map(|id| format!("ATLAS: {id}")),
    );
    all_tags.extend(metadata.tags.iter().cloned());
    let mut rule = json!({
        "rule_id": id,
        "name": metadata.title,
        "description": if metadata.description.is_empty() { &metadata.title } else { &metadata.description },
        "type": kind,
        "language": name,
        "query": query.text,
        "severity": severity,
        "risk_score": risk,
        "interval": format!("{}s", frequency.as_secs()),
        "from": format!("now-{}s", period.as_secs()),
        "to": "now",
        "enabled": true,
        "immutable": false,
        "author": metadata.author.iter().collect::<Vec<_>>(),
        "license": metadata.license.as_deref().unwrap_or("DRL"),
        "false_positives": metadata.false_positives,
        "references": metadata.references,
        "tags": all_tags,
        "threat": threat(&metadata.tags),
        "max_signals": 100,
        "output_index": "",
        "version": 1,
        "exceptions_list": [],
    });
    if language != Language::Esql
        && let Some(rule) = rule.as_object_mut()
    {
        let index = match query.state.texts("index") {
            indices if indices.is_empty() => [
                "apm-*-transaction*",
                "auditbeat-*",
                "endgame-*",
                "filebeat-*",
                "logs-*",
                "packetbeat-*",
                "winlogbeat-*",
            ]
            .map(str::to_owned)
            .to_vec(),
            indices => indices,
        };
        rule.insert("index".to_owned(), json!(index));
    }
    rule
}

const fn severity(severity: Option<Severity>) -> (&'static str, u8) {
    match severity {
        Some(Severity::Critical) => ("critical", 99),
        Some(Severity::High) => ("high", 73),
        Some(Severity::Medium) => ("medium", 47),
        _ => ("low", 21),
    }
}

/// Tactics with the techniques; ATT&CK's techniques stand under each of the rule's tactics, for
/// Sigma's tags do not say which belongs to which.
fn threat(tag_list: &[String]) -> Vec<Value> {
    let techniques: Vec<Value> = tags::techniques(tag_list)
        .iter()
        .map(|id| attack(id))
        .collect();
    let mut out: Vec<Value> = tags::tactics(tag_list)
        .into_iter()
        .map(|(name, id)| {
            json!({
                "framework": "MITRE ATT&CK",
                "tactic": {
                    "id": id,
                    "name": name,
                    "reference": format!("https://attack.mitre.org/tactics/{id}/"),
                },
                "technique": techniques,
            })
        })
        .collect();
    let atlas: Vec<Value> = tags::atlas(tag_list)
        .iter()
        .map(|id| {
            json!({
                "id": id,
                "name": id,
                "reference": format!("https://atlas.mitre.org/techniques/{id}"),
            })
        })
        .collect();
    if !atlas.is_empty() {
        out.push(json!({
            "framework": "MITRE ATLAS",
            "tactic": { "id": "AML", "name": "MITRE ATLAS", "reference": "https://atlas.mitre.org/" },
            "technique": atlas,
        }));
    }
    out
}

fn attack(id: &str) -> Value {
    let (parent, sub) = match id.split_once('.') {
        Some((parent, _)) => (parent, Some(id)),
        None => (id, None),
    };
    let reference = |id: &str| {
        format!(
            "https://attack.mitre.org/techniques/{}/",
            id.replace('.', "/")
        )
    };
    let mut technique = json!({ "id": parent, "name": parent, "reference": reference(parent) });
    if let (Some(sub), Some(technique)) = (sub, technique.as_object_mut()) {
        technique.insert(
            "subtechnique".to_owned(),
            json!([{ "id": sub, "name": sub, "reference": reference(sub) }]),
        );
    }
    technique
}
