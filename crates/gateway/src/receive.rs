//! Receiving a body: all of it, in time, within the limit, and readable.

use std::time::Duration;

use atalaya_model::UnjudgedReason;
use atalaya_wire::ErrorKind;
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use crate::config::GatewayConfig;
use crate::judge::Fault;

/// A body, or why there is none.
pub(crate) enum Received {
    Body(Bytes),
    Refused(Fault, String),
}

fn refused(kind: ErrorKind, unjudged: Option<UnjudgedReason>, message: &str) -> Received {
    let reason = if unjudged.is_some() {
        "unjudged"
    } else {
        "limit"
    };
    Received::Refused(Fault::new(kind, reason, unjudged), message.to_owned())
}

/// Receives the whole body.
pub(crate) async fn receive(head: &Parts, body: Incoming, config: &GatewayConfig) -> Received {
    let is_encoded = head
        .headers
        .get_all("content-encoding")
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if is_encoded {
        let message =
            "compressed request bodies are not accepted; send it without content-encoding";
        return refused(
            ErrorKind::UnsupportedMedia,
            Some(UnjudgedReason::Encoded),
            message,
        );
    }
    let max = config.limits.body_bytes_max;
    let too_large = || {
        let message = format!("the body is longer than {max} bytes");
        refused(
            ErrorKind::TooLarge,
            Some(UnjudgedReason::TooLarge),
            &message,
        )
    };
    if body.size_hint().lower() > u64::try_from(max).unwrap_or(u64::MAX) {
        return too_large();
    }
    let timeout = Duration::from_millis(config.timeouts.body_ms);
    match tokio::time::timeout(timeout, collect(body, max)).await {
        Ok(Ok(body)) => Received::Body(body),
        Ok(Err(CollectError::TooLarge)) => too_large(),
        Ok(Err(CollectError::Broken)) => refused(
            ErrorKind::Malformed,
            None,
            "the body broke off before its end",
        ),
        Err(_) => refused(
            ErrorKind::RequestTimeout,
            None,
            "the body did not arrive in time",
        ),
    }
}

enum CollectError {
    TooLarge,
    Broken,
}

/// Collects the frames; a body of one frame is taken as it is.
async fn collect(mut body: Incoming, max: usize) -> Result<Bytes, CollectError> {
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| CollectError::Broken)?.into_data() else {
            continue;
        };
        let length = first.as_ref().map_or(0, Bytes::len) + rest.len() + data.len();
        if length > max {
            return Err(CollectError::TooLarge);
        }
        match &first {
            None => first = Some(data),
            Some(start) => {
                if rest.is_empty() {
                    rest.reserve(start.len() + data.len());
                    rest.extend_from_slice(start);
                    first = Some(Bytes::new());
                }
                rest.extend_from_slice(&data);
            }
        }
    }
    Ok(if rest.is_empty() {
        first.unwrap_or_default()
    } else {
        rest.freeze()
    })
}
