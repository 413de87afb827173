//! Receiving a body: all of it, in time, within the limit, and readable.

use std::time::Duration;

use atalaya_model::UnjudgedReason;
use atalaya_wire::{ErrorKind, is_utf8_by_charset};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, UPGRADE};
use http::request::Parts;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use crate::arrival::HEADER_VALUE_BYTES_MAX;
use crate::config::GatewayConfig;
use crate::export;
use crate::judge::Fault;
use crate::socket::is_cross_site;

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

/// Why a head cannot be judged whatever the body says: what is between us and the model could read
/// it as another request.
fn ambiguous(head: &Parts) -> Option<Received> {
    let malformed = |message| {
        let reason = Some(UnjudgedReason::Malformed);
        let fault = Fault::new(ErrorKind::Malformed, "malformed", reason);
        Some(Received::Refused(fault, String::from(message)))
    };
    if is_ambiguous(head.uri.path()) {
        return malformed("the path has dot segments, or characters that are not written plainly");
    }
    if head.uri.path().len() > HEADER_VALUE_BYTES_MAX {
        return malformed("the path is longer than any that is known");
    }
    if head.uri.query().is_some_and(overrides_method) {
        return malformed("the query asks for another method");
    }
    let mut types = head.headers.get_all(CONTENT_TYPE).iter();
    let content_type = types.next();
    if types.next().is_some() {
        return malformed("the content-type stands there more than once");
    }
    if content_type
        .is_some_and(|value| value.len() > HEADER_VALUE_BYTES_MAX || value.to_str().is_err())
    {
        return malformed("the content-type is too long, or not ASCII");
    }
    let upgrades = head.headers.get_all(UPGRADE).iter();
    let mut upgrades = upgrades.filter_map(|value| value.to_str().ok());
    if upgrades.any(|value| value.to_ascii_lowercase().contains("websocket")) {
        let message = if is_cross_site(&head.headers) {
            "pages of other sites may not open web sockets here: the origin is not the gateway's"
        } else {
            "messages of this web socket are not looked at here: use the same path with POST, and server-sent events for a stream"
        };
        let reason = Some(UnjudgedReason::UnknownContent);
        return Some(refused(ErrorKind::UnsupportedMedia, reason, message));
    }
    None
}

/// Whether a query names another method than the request, as some frameworks let it.
fn overrides_method(query: &str) -> bool {
    const NAMES: [&str; 5] = [
        "_method",
        "x-http-method-override",
        "$httpmethod",
        "httpmethod",
        "$method",
    ];
    query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or("");
        let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
        NAMES.contains(&name.to_ascii_lowercase().as_str())
    })
}

/// Whether servers disagree about what a path means.
fn is_ambiguous(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    // Names of models at Amazon have slashes.
    let has_slash = lower.contains("%2f") && !lower.contains("/model/");
    let has_odd = ["%5c", "%00", "%0a", "%0d", "%25", "%3b"]
        .iter()
        .any(|escape| lower.contains(escape));
    let is_dot = |segment: &str| {
        let segment = segment.split(';').next().unwrap_or("");
        matches!(segment.replace("%2e", ".").as_str(), "." | "..")
    };
    has_slash || has_odd || lower.contains(['\\', ';']) || lower.split('/').any(is_dot)
}

/// Receives the whole body.
pub(crate) async fn receive(head: &Parts, body: Incoming, config: &GatewayConfig) -> Received {
    if let Some(refused) = ambiguous(head) {
        return refused;
    }
    let is_encoded = head
        .headers
        .get_all("content-encoding")
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if is_encoded && !export::unpacks(head) {
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
        Ok(Ok(body)) if is_read_alike(head, &body) => Received::Body(body),
        Ok(Ok(_)) => refused(
            ErrorKind::UnsupportedMedia,
            Some(UnjudgedReason::Encoded),
            "the content-type names a charset in which the body may say something else; send UTF-8",
        ),
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

/// Whether those who follow the content type's charset read the same text as those who do not.
fn is_read_alike(head: &Parts, body: &[u8]) -> bool {
    let content_type = head.headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    is_utf8_by_charset(content_type.unwrap_or(""), body)
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

#[cfg(test)]
mod tests {
    use super::{is_ambiguous, overrides_method};

    #[test]
    fn queries_that_name_another_method_are_known() {
        for query in [
            "_method=DELETE",
            "a=1&%5Fmethod=PUT",
            "$httpMethod=GET&b",
            "X-HTTP-Method-Override=PUT",
        ] {
            assert!(overrides_method(query), "{query}");
        }
        for query in ["", "alt=sse", "api-version=2024-10-21&key=_method"] {
            assert!(!overrides_method(query), "{query}");
        }
    }

    #[test]
    fn paths_that_servers_read_differently_are_known() {
        for path in [
            "/v1/../chat/completions",
            "/v1/./chat",
            "/v1/%2e%2E/chat",
            "/v1/.%2e/chat",
            "/v1%2Fchat",
            "/v1%5cchat",
            "/v1\\chat",
            "/v1/chat%00",
            "/v1/chat%252fx",
            "/v1/..;/chat",
            "/v1/chat;x=1",
        ] {
            assert!(is_ambiguous(path), "{path}");
        }
        for path in [
            "/",
            "/v1/chat/completions",
            "/model/arn%3Aaws%3Abedrock%3Aeu%3A1%3Ainference-profile%2Fx/converse",
            "/v1beta/models/gemini-2.5:generateContent",
            "/v1/files/file.name..txt",
            "/.well-known/agent-card.json",
        ] {
            assert!(!is_ambiguous(path), "{path}");
        }
    }
}
