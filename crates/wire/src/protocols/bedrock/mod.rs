//! Amazon Bedrock: `POST /model/{id}/{converse,converse-stream,invoke,
//! invoke-with-response-stream,count-tokens}`.
//!
//! Source: Amazon Bedrock API reference, "Converse", "InvokeModel". The model stands in the path.
//! What InvokeModel carries is the model maker's own format: Anthropic's is read as such, of the
//! others every text is read and the known ones with their role. Streams are binary events.

mod answers;
mod converse;
mod invoke;

pub(crate) use converse::PROTOCOL as CONVERSE;
pub(crate) use invoke::PROTOCOL as INVOKE;

use crate::call::ParsedCall;
use crate::framing::Framing;
use crate::protocol::RequestHead;

/// Model and operation of a path.
fn operation(path: &str) -> Option<(&str, &str)> {
    let (before, operation) = path.rsplit_once('/')?;
    let (_, model) = before.rsplit_once("/model/")?;
    Some((model, operation))
}

fn head_facts(head: &RequestHead<'_>, call: &mut ParsedCall<'_>) {
    let Some((model, operation)) = operation(head.path) else {
        return;
    };
    let model = model.replace("%3A", ":").replace("%3a", ":");
    call.model = Some(model.into());
    call.operation = Some(operation.to_owned().into());
    call.stream = operation.ends_with("-stream");
    call.framing = if call.stream {
        Framing::AwsEvents
    } else {
        Framing::Whole
    };
}
