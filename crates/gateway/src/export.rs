//! Exports of spans: calls that were made elsewhere, judged and logged here. OTLP over HTTP
//! (`POST /v1/traces`, JSON or protobuf) and over gRPC, plain or packed with gzip.

use std::io::Read as _;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use atalaya_wire::{ErrorContext, ErrorKind, generic_error};
use bytes::{BufMut as _, Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::arrival::Arrival;
use crate::door::Entry;
use crate::judging::judge_with;
use crate::observed;
use crate::ports::Recorder;
use crate::relay::GatewayBody;
use crate::worker::Worker;

/// The one method of OTLP's service for traces.
const GRPC_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_ENCODING: &str = "grpc-encoding";
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
/// Flag and length before a message.
const PREFIX_BYTES: usize = 5;

/// Status codes of gRPC that are used here.
#[derive(Clone, Copy)]
enum Code {
    Ok = 0,
    InvalidArgument = 3,
    Unavailable = 14,
}

/// Why an export is not taken; what the exporter is told.
struct NotTaken {
    kind: ErrorKind,
    why: String,
}

impl NotTaken {
    fn malformed(why: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Malformed,
            why: why.into(),
        }
    }
}

fn is_grpc(path: &str, headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    path == GRPC_PATH && kind.is_some_and(|kind| kind.starts_with(GRPC.as_bytes()))
}

pub(crate) fn is_export(arrival: &Arrival) -> bool {
    let is_grpc =
        || arrival.path == GRPC_PATH && arrival.content_type.starts_with("application/grpc");
    arrival.method == "POST" && (arrival.path == observed::PATH || is_grpc())
}

/// Whether a packed body is unpacked here: exports are never forwarded, so nobody else reads them.
pub(crate) fn unpacks(head: &Parts) -> bool {
    head.method == http::Method::POST && head.uri.path() == observed::PATH && is_gzip(&head.headers)
}

fn is_gzip(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let coding = codings.next();
    codings.next().is_none()
        && coding.is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"gzip"))
}

/// Takes in spans of calls that were made elsewhere: each is a decision of its own, the export
/// itself is none.
pub(crate) async fn observe<R: Recorder>(
    worker: &Rc<Worker<R>>,
    arrival: &Arrival,
    (entry, head): (&Arc<Entry>, &Parts),
    body: &Bytes,
) -> Response<GatewayBody<R>> {
    let shared = &worker.shared;
    let policy = shared.policy();
    let is_grpc = is_grpc(head.uri.path(), &head.headers);
    let judged = unwrapped(head, body, shared.config.limits.body_bytes_max).and_then(|body| {
        let mut scratch = worker.scratch.borrow_mut();
        let new_id = || shared.world.new_id().hyphenated().to_string();
        let judge = judge_with(shared, &policy, entry, None);
        let observed = judge.observe(arrival, &body, new_id, &mut scratch);
        observed.map_err(|error| NotTaken::malformed(error.to_string()))
    });
    let observed = match judged {
        Ok(observed) => observed,
        Err(not_taken) if is_grpc => return failed(Code::InvalidArgument, &not_taken.why),
        Err(NotTaken { kind, why }) => {
            let answer = generic_error(&ErrorContext::new(&arrival.id, kind, &why));
            return whole(answer.status, answer.content_type, Bytes::from(answer.body));
        }
    };
    for (record, settlement, decision) in observed.records {
        shared.metrics.decided(decision);
        if let Err(error) = shared.recorder.append(record).await {
            tracing::error!(%error, "an observed call could not be logged");
            shared.metrics.log_failures.fetch_add(1, Relaxed);
            // The exporter keeps its spans and comes again.
            let why = "the log is not available";
            return if is_grpc {
                failed(Code::Unavailable, why)
            } else {
                whole(503, "text/plain", Bytes::from_static(why.as_bytes()))
            };
        }
        shared.recorder.append_detached(settlement);
    }
    if observed.rejected > 0 {
        tracing::warn!(spans = observed.rejected, "an export has too many spans");
    }
    let (content_type, body) = observed.answer;
    if is_grpc {
        return message(&body);
    }
    whole(200, content_type, body)
}

/// The export itself, without what it is wrapped in.
fn unwrapped(head: &Parts, body: &Bytes, bytes_max: usize) -> Result<Bytes, NotTaken> {
    if !is_grpc(head.uri.path(), &head.headers) {
        return if is_gzip(&head.headers) {
            unpacked(body, bytes_max)
        } else {
            Ok(body.clone())
        };
    }
    let (prefix, rest) = body
        .split_at_checked(PREFIX_BYTES)
        .ok_or_else(|| NotTaken::malformed("there is no message"))?;
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
    if usize::try_from(length) != Ok(rest.len()) {
        return Err(NotTaken::malformed("there is not exactly one message"));
    }
    let coding = head.headers.get(GRPC_ENCODING).map(HeaderValue::as_bytes);
    match (prefix[0], coding) {
        (0, _) => Ok(body.slice(PREFIX_BYTES..)),
        (1, Some(b"gzip")) => unpacked(rest, bytes_max),
        _ => Err(NotTaken::malformed(
            "the message is packed in an unknown way",
        )),
    }
}

fn unpacked(packed: &[u8], bytes_max: usize) -> Result<Bytes, NotTaken> {
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let mut out = Vec::new();
    let read = MultiGzDecoder::new(packed)
        .take(limit.saturating_add(1))
        .read_to_end(&mut out);
    read.map_err(|_| NotTaken::malformed("the body is no gzip"))?;
    if out.len() > bytes_max {
        return Err(NotTaken {
            kind: ErrorKind::TooLarge,
            why: format!("the export is longer than {bytes_max} bytes when it is unpacked"),
        });
    }
    Ok(Bytes::from(out))
}

fn whole<R: Recorder>(
    status: u16,
    content_type: &'static str,
    body: Bytes,
) -> Response<GatewayBody<R>> {
    let mut response = Response::new(GatewayBody::Whole(Some(body)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let value = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, value);
    response
}

/// A message, and that all is well.
fn message<R: Recorder>(body: &[u8]) -> Response<GatewayBody<R>> {
    let mut out = BytesMut::with_capacity(PREFIX_BYTES + body.len());
    out.put_u8(0);
    out.put_u32(u32::try_from(body.len()).unwrap_or(0));
    out.put_slice(body);
    let trailers = HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from(Code::Ok as u16))]);
    let mut response = Response::new(GatewayBody::Grpc(Some(out.freeze()), Some(trailers)));
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}

/// An outcome without a message.
fn failed<R: Recorder>(code: Code, why: &str) -> Response<GatewayBody<R>> {
    let mut response = Response::new(GatewayBody::Whole(None));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, GRPC);
    headers.insert(GRPC_STATUS, HeaderValue::from(code as u16));
    if let Ok(why) = HeaderValue::from_str(why) {
        headers.insert(GRPC_MESSAGE, why);
    }
    response
}
