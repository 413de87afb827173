//! OTLP's trace export, as far as it is needed: protobuf by its field numbers, JSON by its names.

use bytes::Bytes;
use prost::Message;
use serde_json::{Value, json};

/// Deepest nested value of an attribute.
const DEPTH_MAX: usize = 32;

/// An export cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the export is no OTLP trace request: {0}")]
pub(crate) struct OtlpError(String);

/// One span, its attributes as JSON.
#[derive(Clone, Debug, Default)]
pub(crate) struct Span {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    pub(crate) attributes: Vec<(String, Value)>,
    /// Name and attributes.
    pub(crate) events: Vec<(String, Vec<(String, Value)>)>,
}

impl Span {
    pub(crate) fn is_model_call(&self) -> bool {
        self.attributes
            .iter()
            .any(|(name, _)| name.starts_with("gen_ai."))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        find(&self.attributes, name)
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).and_then(Value::as_str).unwrap_or("")
    }

    /// The first of several names that is there.
    pub(crate) fn first(&self, names: &[&str]) -> &str {
        names
            .iter()
            .map(|name| self.text(name))
            .find(|text| !text.is_empty())
            .unwrap_or("")
    }

    pub(crate) fn number(&self, names: &[&str]) -> Option<u64> {
        names.iter().find_map(|name| self.get(name)?.as_u64())
    }

    pub(crate) fn joined(&self, name: &str) -> String {
        match self.get(name) {
            Some(Value::Array(several)) => {
                let texts: Vec<&str> = several.iter().filter_map(Value::as_str).collect();
                texts.join(",")
            }
            Some(Value::String(text)) => text.clone(),
            _ => String::new(),
        }
    }

    pub(crate) fn duration_ms(&self) -> Option<f64> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "durations are far below 2^52 ns"
        )]
        let millis = self.end_ns.checked_sub(self.start_ns)? as f64 / 1_000_000.0;
        Some(millis)
    }
}

pub(crate) fn find<'v>(attributes: &'v [(String, Value)], name: &str) -> Option<&'v Value> {
    attributes
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value)
}

/// The answer to an export: empty, or how many spans were not taken.
pub(crate) fn answer(is_json: bool, rejected: usize) -> (&'static str, Bytes) {
    if is_json {
        let body = match rejected {
            0 => json!({}),
            count => json!({"partialSuccess": {"rejectedSpans": count.to_string(),
                "errorMessage": "too many spans in one export"}}),
        };
        return ("application/json", Bytes::from(body.to_string()));
    }
    let partial_success = (rejected > 0).then(|| PartialSuccess {
        rejected_spans: i64::try_from(rejected).unwrap_or(i64::MAX),
        error_message: "too many spans in one export".to_owned(),
    });
    let body = ExportResponse { partial_success }.encode_to_vec();
    ("application/x-protobuf", Bytes::from(body))
}

/// Reads the protobuf form.
pub(crate) fn from_protobuf(body: &[u8]) -> Result<Vec<Span>, OtlpError> {
    let export = ExportRequest::decode(body).map_err(|error| OtlpError(error.to_string()))?;
    let scopes = export
        .resource_spans
        .into_iter()
        .flat_map(|resource| resource.scope_spans);
    Ok(scopes
        .flat_map(|scope| scope.spans)
        .map(Span::from)
        .collect())
}

/// Reads the JSON form.
pub(crate) fn from_json(body: &[u8]) -> Result<Vec<Span>, OtlpError> {
    let export: Value =
        serde_json::from_slice(body).map_err(|error| OtlpError(error.to_string()))?;
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    if !export["resourceSpans"].is_array() {
        return Err(OtlpError("`resourceSpans` is missing".to_owned()));
    }
    let mut spans = Vec::new();
    for resource in list(&export, "resourceSpans") {
        for scope in list(&resource, "scopeSpans") {
            for span in list(&scope, "spans") {
                let text = |name: &str| span[name].as_str().unwrap_or("").to_lowercase();
                let events = list(&span, "events");
                spans.push(Span {
                    trace_id: text("traceId"),
                    span_id: text("spanId"),
                    start_ns: nanoseconds(&span["startTimeUnixNano"]),
                    end_ns: nanoseconds(&span["endTimeUnixNano"]),
                    attributes: json_attributes(&span["attributes"], 0),
                    events: events
                        .iter()
                        .map(|event| {
                            let name = event["name"].as_str().unwrap_or("").to_owned();
                            (name, json_attributes(&event["attributes"], 0))
                        })
                        .collect(),
                });
            }
        }
    }
    Ok(spans)
}

/// 64-bit numbers are strings in OTLP's JSON, and numbers in some exporters'.
fn nanoseconds(value: &Value) -> u64 {
    let text = value.as_str().and_then(|text| text.parse().ok());
    text.or_else(|| value.as_u64()).unwrap_or(0)
}

fn json_attributes(list: &Value, depth: usize) -> Vec<(String, Value)> {
    let each = list.as_array().into_iter().flatten();
    each.filter_map(|pair| {
        let name = pair["key"].as_str()?.to_owned();
        Some((name, json_value(&pair["value"], depth)))
    })
    .collect()
}

fn json_value(value: &Value, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    let Some((kind, inner)) = value.as_object().and_then(|members| members.iter().next()) else {
        return Value::Null;
    };
    match kind.as_str() {
        "intValue" => match inner {
            Value::String(text) => text.parse::<i64>().map_or(Value::Null, Value::from),
            other => other.clone(),
        },
        "arrayValue" => {
            let values = inner["values"].as_array().into_iter().flatten();
            values.map(|value| json_value(value, depth + 1)).collect()
        }
        "kvlistValue" => Value::Object(
            json_attributes(&inner["values"], depth + 1)
                .into_iter()
                .collect(),
        ),
        _ => inner.clone(),
    }
}

#[derive(Clone, PartialEq, Message)]
struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<ProtoSpan>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoSpan {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, repeated, tag = "11")]
    events: Vec<ProtoEvent>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoEvent {
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "3")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Any", tags = "1, 2, 3, 4, 5, 6, 7")]
    value: Option<Any>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Any {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    Array(ArrayValue),
    #[prost(message, tag = "6")]
    Map(KeyValueList),
    #[prost(bytes = "vec", tag = "7")]
    Bytes(Vec<u8>),
}

#[derive(Clone, PartialEq, Message)]
struct ArrayValue {
    #[prost(message, repeated, tag = "1")]
    values: Vec<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValueList {
    #[prost(message, repeated, tag = "1")]
    values: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_spans: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

impl From<ProtoSpan> for Span {
    fn from(span: ProtoSpan) -> Self {
        let events = span.events.into_iter();
        Self {
            trace_id: crate::arrival::hex(&span.trace_id),
            span_id: crate::arrival::hex(&span.span_id),
            start_ns: span.start_time_unix_nano,
            end_ns: span.end_time_unix_nano,
            attributes: pairs(span.attributes),
            events: events
                .map(|event| (event.name, pairs(event.attributes)))
                .collect(),
        }
    }
}

/// Nesting is bounded by the decoder (100 levels).
fn pairs(list: Vec<KeyValue>) -> Vec<(String, Value)> {
    let each = list.into_iter();
    each.map(|pair| (pair.key, pair.value.map_or(Value::Null, any)))
        .collect()
}

fn any(value: AnyValue) -> Value {
    match value.value {
        None | Some(Any::Bytes(_)) => Value::Null,
        Some(Any::Text(text)) => Value::String(text),
        Some(Any::Bool(flag)) => Value::Bool(flag),
        Some(Any::Int(number)) => Value::from(number),
        Some(Any::Double(number)) => Value::from(number),
        Some(Any::Array(array)) => array.values.into_iter().map(any).collect(),
        Some(Any::Map(map)) => Value::Object(pairs(map.values).into_iter().collect()),
    }
}
