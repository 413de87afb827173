//! A decision as the ladders see it.

use atalaya_model::{Decision, Entity, EntityKind, Timestamp};
use serde::Deserialize;

/// What a ladder knows of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `DecisionId`.
    pub record_id: String,
    /// When it was written.
    pub time: Timestamp,
    /// What was decided (would have been, in shadow mode).
    pub decision: Decision,
    /// `ThreatScore`.
    pub score: u8,
    /// `ThreatDetection`.
    pub detection: String,
    /// `Atlas`.
    pub techniques: Vec<String>,
    /// `RuleIds`: the detectors.
    pub patterns: Vec<String>,
    /// `ContentSha256`.
    pub content_sha256: String,
    /// `RouteName`.
    pub route: String,
    /// Caller, key, agent, session, model, address, as far as they are known.
    pub entities: Vec<Entity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    #[serde(rename = "$table")]
    table: String,
    #[serde(rename = "$settles", default)]
    settles: Option<String>,
    #[serde(default)]
    decision_id: String,
    #[serde(default)]
    decision: Option<Decision>,
    #[serde(default)]
    would_decision: Option<Decision>,
    #[serde(default)]
    threat_score: f64,
    #[serde(default)]
    threat_detection: String,
    #[serde(default)]
    atlas: Vec<String>,
    #[serde(default)]
    rule_ids: Vec<String>,
    #[serde(default)]
    content_sha256: String,
    #[serde(default)]
    route_name: String,
    #[serde(default)]
    user_id: String,
    #[serde(default)]
    caller_key_id: String,
    #[serde(default)]
    agent_id: String,
    #[serde(default)]
    session_id: String,
    #[serde(default)]
    model_name: String,
    #[serde(default)]
    src_ip_addr: String,
}

impl Seen {
    /// Reads a record of the journal; `None` if it is no decision.
    #[must_use]
    pub fn of_record(payload: &[u8], time: Timestamp) -> Option<Self> {
        // Most of what is not a decision says so in its first bytes.
        const TABLE: &[u8] = b"\"AIGuardrailDecisions\"";
        let head = payload.get(..64.min(payload.len()))?;
        if !head.windows(TABLE.len()).any(|window| window == TABLE) {
            return None;
        }
        let row: Row = serde_json::from_slice(payload).ok()?;
        if row.table != "AIGuardrailDecisions" || row.settles.is_some() {
            return None;
        }
        let entities = [
            (EntityKind::Caller, row.user_id),
            (EntityKind::Key, row.caller_key_id),
            (EntityKind::Agent, row.agent_id),
            (EntityKind::Session, row.session_id),
            (EntityKind::Model, row.model_name),
            (EntityKind::Address, row.src_ip_addr),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(kind, value)| Entity { kind, value })
        .collect();
        let decision = row.decision.unwrap_or_default();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 0-100 before"
        )]
        let score = row.threat_score.clamp(0.0, 100.0) as u8;
        Some(Self {
            record_id: row.decision_id,
            time,
            decision: decision.max(row.would_decision.unwrap_or_default()),
            score,
            detection: row.threat_detection,
            techniques: row.atlas,
            patterns: row.rule_ids,
            content_sha256: row.content_sha256,
            route: row.route_name,
            entities,
        })
    }

    /// A decision of which only id, content and detectors are known: a row of these three.
    pub(crate) fn of_content(row: &[serde_json::Value]) -> Option<Self> {
        let [id, content, patterns] = row else {
            return None;
        };
        let patterns = match patterns {
            serde_json::Value::String(text) => serde_json::from_str(text).ok()?,
            other => serde_json::from_value(other.clone()).unwrap_or_default(),
        };
        Some(Self {
            record_id: id.as_str()?.to_owned(),
            time: Timestamp(0),
            decision: Decision::default(),
            score: 0,
            detection: String::new(),
            techniques: Vec::new(),
            patterns,
            content_sha256: content.as_str()?.to_owned(),
            route: String::new(),
            entities: Vec::new(),
        })
    }

    /// The entity of a kind.
    #[must_use]
    pub fn entity(&self, kind: EntityKind) -> Option<&Entity> {
        self.entities.iter().find(|entity| entity.kind == kind)
    }
}
