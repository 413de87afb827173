//! A JSON row of a log table as an [`Event`].
//!
//! Strings are borrowed from the text unless they hold escapes. Columns that no analytic reads are
//! skipped without being built. Types are taken as they come: a number in a text column (or the
//! other way round) is what other systems' logs are full of, and no reason to lose the row.

use std::borrow::Cow;

use atalaya_model::{Decision, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::event::{Act, Event, Phase, Source, hash, hash_of};

/// Most documents of one retrieval that are looked at.
const DOCUMENTS_MAX: usize = 64;
/// Most labels, features and bins of histograms.
const HISTOGRAM_MAX: usize = 64;

/// Any JSON value, unparsed.
type Raw<'a> = Option<&'a RawValue>;

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Row<'a> {
    #[serde(borrow, rename = "$settles")]
    settles: Raw<'a>,
    #[serde(borrow)]
    time_generated: Raw<'a>,
    #[serde(borrow)]
    decision_id: Raw<'a>,
    #[serde(borrow)]
    event_id: Raw<'a>,
    #[serde(borrow)]
    tenant_id: Raw<'a>,
    #[serde(borrow)]
    trace_id: Raw<'a>,
    #[serde(borrow)]
    session_id: Raw<'a>,
    #[serde(borrow)]
    user_id: Raw<'a>,
    #[serde(borrow, rename = "PerformedBy_UPN")]
    performed_by: Raw<'a>,
    #[serde(borrow)]
    caller_key_id: Raw<'a>,
    #[serde(borrow)]
    agent_id: Raw<'a>,
    #[serde(borrow)]
    src_ip_addr: Raw<'a>,
    #[serde(borrow)]
    src_asn: Raw<'a>,
    #[serde(borrow)]
    src_geo_country: Raw<'a>,
    #[serde(borrow)]
    http_user_agent: Raw<'a>,
    #[serde(borrow)]
    tls_fingerprint: Raw<'a>,
    #[serde(borrow)]
    model_name: Raw<'a>,
    #[serde(borrow)]
    model_id: Raw<'a>,
    #[serde(borrow)]
    http_path: Raw<'a>,
    #[serde(borrow)]
    input_sim_hash: Raw<'a>,
    #[serde(borrow)]
    input_hash: Raw<'a>,
    #[serde(borrow)]
    embedding_bucket: Raw<'a>,
    #[serde(borrow)]
    content_sha256: Raw<'a>,
    #[serde(borrow)]
    prompt_template_hash: Raw<'a>,
    #[serde(borrow)]
    predicted_class: Raw<'a>,
    #[serde(borrow)]
    confidence_score: Raw<'a>,
    #[serde(borrow)]
    input_tokens: Raw<'a>,
    #[serde(borrow)]
    output_tokens: Raw<'a>,
    #[serde(borrow)]
    reasoning_tokens: Raw<'a>,
    #[serde(borrow)]
    cost_usd: Raw<'a>,
    #[serde(borrow)]
    upstream_latency_ms: Raw<'a>,
    #[serde(borrow)]
    log_probs: Raw<'a>,
    #[serde(borrow)]
    top_log_probs: Raw<'a>,
    #[serde(borrow)]
    candidate_count: Raw<'a>,
    #[serde(borrow)]
    decision: Raw<'a>,
    #[serde(borrow)]
    reason_code: Raw<'a>,
    #[serde(borrow)]
    threat_detection: Raw<'a>,
    #[serde(borrow)]
    threat_score: Raw<'a>,
    #[serde(borrow)]
    response_status: Raw<'a>,
    #[serde(borrow)]
    upstream_status: Raw<'a>,
    #[serde(borrow)]
    auth_result: Raw<'a>,
    #[serde(borrow)]
    finish_reason: Raw<'a>,
    #[serde(borrow)]
    turn_index: Raw<'a>,
    #[serde(borrow)]
    step_index: Raw<'a>,
    #[serde(borrow)]
    tool_name: Raw<'a>,
    #[serde(borrow)]
    tool_args_hash: Raw<'a>,
    #[serde(borrow)]
    retrieved_doc_ids: Raw<'a>,
    #[serde(borrow)]
    key_created_at: Raw<'a>,
    #[serde(borrow)]
    outcome: Raw<'a>,
}

/// The columns that only the audit log has.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ActRow<'a> {
    #[serde(borrow)]
    operation: Raw<'a>,
    #[serde(borrow)]
    resource: Raw<'a>,
    #[serde(borrow)]
    resource_name: Raw<'a>,
    #[serde(borrow)]
    resource_type: Raw<'a>,
    #[serde(borrow)]
    stage: Raw<'a>,
    #[serde(borrow)]
    source_uri: Raw<'a>,
    #[serde(borrow)]
    sha256: Raw<'a>,
    #[serde(borrow)]
    scan_verdict: Raw<'a>,
    #[serde(borrow)]
    size_bytes: Raw<'a>,
    #[serde(borrow)]
    rows_added: Raw<'a>,
    #[serde(borrow)]
    rows_changed: Raw<'a>,
    #[serde(borrow)]
    rows_deleted: Raw<'a>,
    #[serde(borrow)]
    new_value: Raw<'a>,
    #[serde(borrow)]
    label_hist: Raw<'a>,
    #[serde(borrow)]
    additional_fields: Raw<'a>,
}

/// Reads a row of a table; `None` if it is none that analytics read, or no JSON object.
#[must_use]
pub fn event<'a>(table: &str, text: &'a str) -> Option<Event<'a>> {
    let source = match table {
        "AIGuardrailDecisions" => Source::Decision,
        "ModelInferenceLog" => Source::Inference,
        "AuditLog" => Source::Audit,
        "APIAccessLog" => Source::Access,
        _ => return None,
    };
    let row: Row<'a> = serde_json::from_str(text).ok()?;
    let mut event = row.event(source);
    if source == Source::Audit {
        let act: ActRow<'a> = serde_json::from_str(text).ok()?;
        event.act = Some(Box::new(act.act()));
    }
    Some(event)
}

/// The table that a record of the journal is for.
#[must_use]
pub fn table_of(text: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Record<'a> {
        #[serde(borrow, rename = "$table")]
        table: Cow<'a, str>,
    }
    // It is the first key of every record that we write: no need to read the rest.
    if let Some(rest) = text.strip_prefix("{\"$table\":\"") {
        return rest.split_once('"').map(|(table, _)| Cow::Borrowed(table));
    }
    let record: Record<'_> = serde_json::from_str(text).ok()?;
    Some(record.table)
}

/// The id of the decision that a record settles, if it is a settlement.
#[must_use]
pub fn settles(event: &Event<'_>) -> Option<String> {
    (event.phase == Phase::Settled).then(|| event.decision_id.to_string())
}

impl<'a> Row<'a> {
    fn event(&self, source: Source) -> Event<'a> {
        let caller = first(&[self.user_id, self.performed_by]);
        let model = first(&[self.model_name, self.model_id]);
        let simhash = text(self.input_sim_hash);
        let fallback = first(&[self.input_hash, self.embedding_bucket, self.content_sha256]);
        let input = if simhash.is_empty() {
            hash(&fallback)
        } else {
            hash(&simhash)
        };
        let (tool, args) = (text(self.tool_name), text(self.tool_args_hash));
        let settles = text(self.settles);
        let (id, phase) = match source {
            Source::Decision if !settles.is_empty() => (settles.clone(), Phase::Settled),
            Source::Decision if self.outcome.is_none() && self.response_status.is_none() => {
                (text(self.decision_id), Phase::Decided)
            }
            Source::Decision => (text(self.decision_id), Phase::Whole),
            _ => (text(self.event_id), Phase::Whole),
        };
        Event {
            source,
            phase,
            time: timestamp(self.time_generated).unwrap_or_default(),
            id,
            decision_id: if settles.is_empty() {
                text(self.decision_id)
            } else {
                settles
            },
            tenant: text(self.tenant_id),
            caller,
            key: text(self.caller_key_id),
            agent: text(self.agent_id),
            session: text(self.session_id),
            trace: text(self.trace_id),
            address: text(self.src_ip_addr),
            asn: number(self.src_asn).unwrap_or(0.0) as u32,
            country: text(self.src_geo_country),
            user_agent: text(self.http_user_agent),
            tls: text(self.tls_fingerprint),
            model,
            path: text(self.http_path),
            simhash: hexadecimal(&simhash),
            input,
            template: hash(&text(self.prompt_template_hash)),
            label: text(self.predicted_class),
            confidence: number(self.confidence_score).map(|n| n as f32),
            decision: decision(&text(self.decision)),
            reason: text(self.reason_code),
            category: text(self.threat_detection),
            score: number(self.threat_score).unwrap_or(0.0) as u8,
            status: number(self.response_status)
                .or_else(|| number(self.upstream_status))
                .unwrap_or(0.0) as u16,
            auth: text(self.auth_result),
            finish: text(self.finish_reason),
            turn: number(self.turn_index).unwrap_or(0.0) as u32,
            step: number(self.step_index).unwrap_or(0.0) as u32,
            tool_call: if args.is_empty() {
                0
            } else {
                hash_of(&[&tool, &args])
            },
            documents: documents(self.retrieved_doc_ids),
            key_created: timestamp(self.key_created_at),
            act: None,
            ..self.measures()
        }
    }

    /// What the call cost.
    fn measures(&self) -> Event<'a> {
        Event {
            input_tokens: count(self.input_tokens),
            output_tokens: count(self.output_tokens),
            reasoning_tokens: count(self.reasoning_tokens),
            cost_usd: number(self.cost_usd),
            latency_ms: number(self.upstream_latency_ms),
            logprobs: flag(self.log_probs) || count(self.top_log_probs).is_some_and(|n| n > 0),
            candidates: number(self.candidate_count).unwrap_or(0.0) as u32,
            ..Event::default()
        }
    }
}

impl<'a> ActRow<'a> {
    fn act(&self) -> Act<'a> {
        let resource_type = text(self.resource_type);
        let more = json(self.additional_fields);
        let more = |name: &str| more.as_ref().and_then(|value| value.get(name));
        Act {
            operation: text(self.operation),
            resource: text(self.resource),
            name: text(self.resource_name),
            stage: text(self.stage),
            source_uri: text(self.source_uri),
            sha256: text(self.sha256),
            scan_verdict: text(self.scan_verdict),
            size_bytes: count(self.size_bytes),
            rows_added: count(self.rows_added).unwrap_or(0),
            rows_changed: count(self.rows_changed).unwrap_or(0),
            rows_deleted: count(self.rows_deleted).unwrap_or(0),
            rows_total: more("RowCount").and_then(Value::as_u64).or_else(|| {
                let new_value = (resource_type == "dataset").then(|| text(self.new_value));
                new_value.and_then(|text| text.parse().ok())
            }),
            labels: json(self.label_hist).map(histogram).unwrap_or_default(),
            features: more("FeatureHist").map(features).unwrap_or_default(),
            resource_type,
        }
    }
}

fn histogram(value: Value) -> Vec<(Cow<'static, str>, f64)> {
    let Value::Object(members) = value else {
        return Vec::new();
    };
    let counts = members.into_iter().take(HISTOGRAM_MAX);
    counts
        .filter_map(|(label, count)| Some((Cow::Owned(label), count.as_f64()?)))
        .collect()
}

fn features(value: &Value) -> Vec<(Cow<'static, str>, Vec<f64>)> {
    let members = value.as_object().into_iter().flatten().take(HISTOGRAM_MAX);
    let bins = |bins: &Value| {
        let bins = bins.as_array()?.iter().take(HISTOGRAM_MAX);
        Some(bins.map(|bin| bin.as_f64().unwrap_or(0.0)).collect())
    };
    members
        .filter_map(|(name, counts)| Some((Cow::Owned(name.clone()), bins(counts)?)))
        .collect()
}

/// A dynamic column: a JSON value, or text that holds one.
fn json(raw: Raw<'_>) -> Option<Value> {
    match serde_json::from_str(raw?.get()).ok()? {
        Value::Null => None,
        Value::String(text) => serde_json::from_str(&text).ok(),
        value => Some(value),
    }
}

fn documents(raw: Raw<'_>) -> Vec<Cow<'_, str>> {
    if raw.is_none_or(|raw| matches!(raw.get(), "null" | "[]" | "\"\"")) {
        return Vec::new();
    }
    let Some(Value::Array(items)) = json(raw) else {
        return Vec::new();
    };
    let items = items.into_iter().take(DOCUMENTS_MAX);
    items
        .filter_map(|item| match item {
            Value::String(id) => Some(Cow::Owned(id)),
            Value::Number(id) => Some(Cow::Owned(id.to_string())),
            _ => None,
        })
        .collect()
}

/// A text, or a number as text; empty for anything else.
fn text(raw: Raw<'_>) -> Cow<'_, str> {
    let Some(raw) = raw.map(RawValue::get) else {
        return Cow::Borrowed("");
    };
    match raw
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        Some(inner) if !inner.contains('\\') => Cow::Borrowed(inner),
        Some(_) => serde_json::from_str(raw).map_or(Cow::Borrowed(""), Cow::Owned),
        None if raw.starts_with(|c: char| c.is_ascii_digit() || c == '-') => Cow::Borrowed(raw),
        None => Cow::Borrowed(""),
    }
}

fn first<'a>(raws: &[Raw<'a>]) -> Cow<'a, str> {
    let mut texts = raws.iter().map(|raw| text(*raw));
    texts.find(|text| !text.is_empty()).unwrap_or_default()
}

fn number(raw: Raw<'_>) -> Option<f64> {
    text(raw).parse().ok().filter(|n: &f64| n.is_finite())
}

fn count(raw: Raw<'_>) -> Option<u64> {
    number(raw).map(|n| n.max(0.0) as u64)
}

fn flag(raw: Raw<'_>) -> bool {
    raw.is_some_and(|raw| matches!(raw.get(), "true" | "1" | "\"true\""))
}

fn decision(name: &str) -> Option<Decision> {
    Decision::ALL
        .into_iter()
        .find(|known| known.as_str() == name)
}

/// A SimHash: hexadecimal digits, up to 16 of them, at least 8.
fn hexadecimal(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let is_hash = (8..=16).contains(&digits.len());
    is_hash
        .then(|| u64::from_str_radix(digits, 16).ok())
        .flatten()
}

/// ISO 8601 in UTC (`2026-09-30T12:00:00.123456Z`), or microseconds since 1970.
fn timestamp(raw: Raw<'_>) -> Option<Timestamp> {
    let text = text(raw);
    if text.len() < 19 {
        return text.parse().ok().map(Timestamp);
    }
    let bytes = text.as_bytes();
    let digits = |from: usize, to: usize| -> Option<i64> {
        let mut value = 0_i64;
        for byte in bytes.get(from..to)? {
            value = value * 10 + i64::from(byte.is_ascii_digit().then_some(byte - b'0')?);
        }
        Some(value)
    };
    let days = days_from_civil(digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let seconds = digits(11, 13)? * 3_600 + digits(14, 16)? * 60 + digits(17, 19)?;
    let mut micros = (days * 86_400 + seconds) * 1_000_000;
    let mut rest = bytes.get(19..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = fraction
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let mut unit = 100_000;
        for byte in fraction.iter().take(length) {
            micros += i64::from(byte - b'0') * unit;
            unit /= 10;
        }
        rest = fraction.get(length..).unwrap_or_default();
    }
    Some(Timestamp(micros - offset_s(rest) * 1_000_000))
}

/// `+02:00` in seconds; `Z` and nothing are UTC.
fn offset_s(zone: &[u8]) -> i64 {
    let sign = match zone.first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return 0,
    };
    let two = |at: usize| {
        let tens = zone
            .get(at..at + 2)
            .and_then(|two| std::str::from_utf8(two).ok());
        tens.and_then(|two| two.parse::<i64>().ok()).unwrap_or(0)
    };
    let minutes_at = if zone.get(3) == Some(&b':') { 4 } else { 3 };
    sign * (two(1) * 3_600 + two(minutes_at) * 60)
}

/// Days since 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2013).
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use atalaya_model::{Decision, Timestamp};

    use super::{event, settles};
    use crate::event::Phase;

    #[test]
    fn times_are_read_as_they_are_written() {
        for micros in [0, 1_759_233_600_123_456, 951_782_400_000_001] {
            let row = format!("{{\"TimeGenerated\":\"{}\"}}", Timestamp(micros));
            assert_eq!(event("AuditLog", &row).unwrap().time, Timestamp(micros));
        }
        let row = r#"{"TimeGenerated":"2026-09-30T14:00:00.5+02:00"}"#;
        let utc = r#"{"TimeGenerated":"2026-09-30T12:00:00.500Z"}"#;
        assert_eq!(
            event("AuditLog", row).unwrap().time,
            event("AuditLog", utc).unwrap().time
        );
    }

    #[test]
    fn rows_of_every_table_become_events_and_odd_types_are_no_reason_to_lose_one() {
        let row = r#"{"DecisionId":"d","UserId":"a\"b","Decision":"BLOCK","ThreatScore":"91",
            "InputSimHash":"00ff00ff00ff00ff","LogProbs":null,"ThreatDetection":["x"]}"#;
        let decided = event("AIGuardrailDecisions", row).unwrap();
        assert_eq!(
            (decided.phase, decided.decision),
            (Phase::Decided, Some(Decision::Block))
        );
        assert_eq!((decided.caller.as_ref(), decided.score), ("a\"b", 91));
        assert_eq!(decided.simhash, Some(0x00ff_00ff_00ff_00ff));
        let row = r#"{"$table":"AIGuardrailDecisions","$settles":"d","OutputTokens":7}"#;
        let settled = event("AIGuardrailDecisions", row).unwrap();
        assert_eq!(settles(&settled).as_deref(), Some("d"));
        assert_eq!(settled.tokens(), Some(7));
        let row = r#"{"EventId":"e","RetrievedDocIds":"[\"d1\",2]","PredictedClass":"cat"}"#;
        let inference = event("ModelInferenceLog", row).unwrap();
        assert_eq!(inference.documents, ["d1", "2"]);
        let row = r#"{"ResourceType":"dataset","NewValue":"120","LabelHist":{"a":3},
            "AdditionalFields":{"FeatureHist":{"age":[1,2]}}}"#;
        let act = event("AuditLog", row).unwrap().act.unwrap();
        assert_eq!(
            (act.rows_total, act.labels.len(), act.features.len()),
            (Some(120), 1, 1)
        );
        assert_eq!(event("SecurityAlert", "{}"), None);
        assert_eq!(event("AuditLog", "[]x"), None);
    }
}
