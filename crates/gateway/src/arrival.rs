//! A request as it arrived: who, when, how, before anything of its body is known.

use std::net::{IpAddr, SocketAddr};

use atalaya_access::Caller;
use atalaya_model::Timestamp;
use atalaya_wire::RequestHead;
use http::HeaderMap;
use http::request::Parts;
use sha2::{Digest, Sha256};

use crate::ports::World;

/// Longest value that is taken over from a header into the log.
pub(crate) const HEADER_VALUE_BYTES_MAX: usize = 512;

/// A request head, reduced to what the log says of it.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) id: String,
    pub(crate) at: Timestamp,
    pub(crate) peer: SocketAddr,
    /// The caller's, behind trusted proxies.
    pub(crate) address: IpAddr,
    /// The authenticated caller, or empty.
    pub(crate) principal: String,
    pub(crate) team: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) content_type: String,
    pub(crate) user_agent: String,
    pub(crate) request_id: String,
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) session: String,
    pub(crate) application: String,
    pub(crate) agent: String,
    pub(crate) key_id: String,
}

impl Arrival {
    pub(crate) fn new(world: &dyn World, peer: SocketAddr, head: &Parts) -> Self {
        let id = world.new_id().hyphenated().to_string();
        let (trace_id, span_id) = trace_parent(&head.headers);
        Self {
            at: world.now(),
            peer,
            address: peer.ip().to_canonical(),
            principal: String::new(),
            team: String::new(),
            method: bounded(head.method.as_str()),
            path: bounded(head.uri.path()),
            query: bounded(head.uri.query().unwrap_or("")),
            content_type: header(&head.headers, "content-type"),
            user_agent: header(&head.headers, "user-agent"),
            request_id: header(&head.headers, "x-request-id"),
            trace_id,
            span_id,
            session: header(&head.headers, "x-atalaya-session"),
            application: header(&head.headers, "x-atalaya-application"),
            agent: header(&head.headers, "x-atalaya-agent"),
            key_id: key_id(&head.headers),
            id,
        }
    }

    /// Takes over who the caller proved to be.
    pub(crate) fn identify(&mut self, caller: &Caller) {
        self.principal.clone_from(&caller.id);
        self.team.clone_from(&caller.team);
        if !caller.key_id.is_empty() {
            self.key_id.clone_from(&caller.key_id);
        }
        if !caller.agent.is_empty() {
            self.agent.clone_from(&caller.agent);
        }
    }
}

impl Arrival {
    /// What a protocol needs of it.
    pub(crate) fn head(&self) -> RequestHead<'_> {
        RequestHead {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            content_type: &self.content_type,
        }
    }
}

fn bounded(text: &str) -> String {
    let mut end = text.len().min(HEADER_VALUE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(bounded)
        .unwrap_or_default()
}

/// W3C Trace Context, `traceparent`: version-traceid-parentid-flags.
fn trace_parent(headers: &HeaderMap) -> (String, String) {
    let value = header(headers, "traceparent");
    let mut parts = value.split('-');
    let (_, trace, span) = (parts.next(), parts.next(), parts.next());
    let is_hex = |text: &&str, length| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    match (
        trace.filter(|t| is_hex(t, 32)),
        span.filter(|s| is_hex(s, 16)),
    ) {
        (Some(trace), Some(span)) => (trace.to_owned(), span.to_owned()),
        _ => (String::new(), String::new()),
    }
}

/// The first half of the SHA-256 of the key that the caller presented: it tells keys apart and
/// gives none away.
fn key_id(headers: &HeaderMap) -> String {
    let presented = headers
        .get("authorization")
        .map(http::HeaderValue::as_bytes)
        .map(|value| value.strip_prefix(b"Bearer ").unwrap_or(value))
        .or_else(|| headers.get("x-api-key").map(http::HeaderValue::as_bytes))
        .or_else(|| headers.get("api-key").map(http::HeaderValue::as_bytes));
    let Some(presented) = presented.filter(|key| !key.is_empty()) else {
        return String::new();
    };
    hex(&Sha256::digest(presented)[..8])
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}
