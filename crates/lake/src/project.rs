//! A call that was decided and settled is also a row of the access log and, if it reached a
//! model, of the inference log. Those rows share the decision's columns by name; since columns
//! are shared arrays, the projection copies nothing but what it filters.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch, StringArray, new_null_array,
};
use arrow::datatypes::{Float64Type, Int64Type, SchemaRef};
use arrow::error::ArrowError;

/// The rows of `decisions` as rows of the access log.
pub(crate) fn access_log(
    decisions: &RecordBatch,
    schema: &SchemaRef,
) -> Result<RecordBatch, ArrowError> {
    project(decisions, schema, |name| match name {
        "EventId" => column(decisions, "DecisionId"),
        "ViaGateway" => Some(Arc::new(BooleanArray::from(vec![
            true;
            decisions.num_rows()
        ]))),
        "SourceType" => Some(repeated("gateway", decisions.num_rows())),
        "DurationMs" => duration_ms(decisions),
        _ => None,
    })
}

/// The rows of `decisions`, all of which reached a model, as rows of the inference log.
pub(crate) fn inference_log(
    decisions: &RecordBatch,
    schema: &SchemaRef,
) -> Result<RecordBatch, ArrowError> {
    project(decisions, schema, |name| match name {
        "EventId" => column(decisions, "DecisionId"),
        "ModelId" => column(decisions, "ModelName"),
        "ModelType" => Some(repeated("llm", decisions.num_rows())),
        "InputHash" => column(decisions, "ContentSha256"),
        "Status" => status(decisions),
        "SourceType" => Some(repeated("gateway", decisions.num_rows())),
        _ => None,
    })
}

fn project(
    from: &RecordBatch,
    schema: &SchemaRef,
    special: impl Fn(&str) -> Option<ArrayRef>,
) -> Result<RecordBatch, ArrowError> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| {
            special(field.name())
                .or_else(|| column(from, field.name()))
                .filter(|column| column.data_type() == field.data_type())
                .unwrap_or_else(|| new_null_array(field.data_type(), from.num_rows()))
        })
        .collect();
    RecordBatch::try_new(Arc::clone(schema), columns)
}

fn column(batch: &RecordBatch, name: &str) -> Option<ArrayRef> {
    batch.column_by_name(name).cloned()
}

fn repeated(value: &str, count: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
        value, count,
    )))
}

/// The gateway's own time and the upstream's.
fn duration_ms(decisions: &RecordBatch) -> Option<ArrayRef> {
    let own = column(decisions, "GatewayLatencyUs")?;
    let upstream = column(decisions, "UpstreamLatencyMs")?;
    let (own, upstream) = (
        own.as_primitive_opt::<Int64Type>()?,
        upstream.as_primitive_opt::<Float64Type>()?,
    );
    let sum: Float64Array = own
        .iter()
        .zip(upstream)
        .map(|(own_us, upstream_ms)| {
            #[expect(clippy::cast_precision_loss, reason = "a latency is far below 2^53 µs")]
            let own_ms = own_us.map(|us| us as f64 / 1_000.0);
            match (own_ms, upstream_ms) {
                (None, None) => None,
                (own, upstream) => Some(own.unwrap_or(0.0) + upstream.unwrap_or(0.0)),
            }
        })
        .collect();
    Some(Arc::new(sum))
}

/// `ok`, or the kind of failure.
fn status(decisions: &RecordBatch) -> Option<ArrayRef> {
    let outcome = column(decisions, "Outcome")?;
    let class = column(decisions, "ErrorClass")?;
    let (outcome, class) = (
        outcome.as_string_opt::<i32>()?,
        class.as_string_opt::<i32>()?,
    );
    let status: StringArray = outcome
        .iter()
        .zip(class)
        .map(|(outcome, class)| match outcome {
            Some("answered") => Some("ok"),
            outcome => class.filter(|class| !class.is_empty()).or(outcome),
        })
        .collect();
    Some(Arc::new(status))
}
