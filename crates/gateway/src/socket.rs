//! Responses over a web socket: each message with which a caller asks for a response is a call, judged
//! by the same code as one with POST, and the events that come back are looked at as those of a
//! stream are.
//!
//! A socket to the provider is opened for each of the caller's, so that what the provider keeps for
//! the connection stays with it. The opening itself is a call without a text, with a decision of its
//! own. One response is in the making at a time, as the provider has it; what is asked meanwhile
//! waits. Left out: compression, and everything but `response.create`.

mod exchange;
mod frames;
mod session;

use std::rc::Rc;
use std::time::Duration;

use atalaya_wire::{ErrorKind, Protocol, Settled, protocols};
use base64::Engine as _;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, ORIGIN, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use ring::rand::SecureRandom as _;

use crate::end::{End, set_decision};
use crate::forward::upstream_request;
use crate::judge::Forward;
use crate::ports::Recorder;
use crate::record::{Ending, Outcome};
use crate::relay::{GatewayBody, millis};
use crate::shared::ConnectionPermit;
use crate::worker::{Peer, Worker};
use session::Session;

/// RFC 6455 section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A request to open a web socket that is spoken here.
pub(crate) struct Opening {
    pub(crate) protocol: &'static dyn Protocol,
    key: HeaderValue,
    upgrade: OnUpgrade,
    /// The request with its proof of who calls: each message is asked about anew.
    head: Parts,
}

impl Opening {
    /// The opening in a request, if it is one; then the request is an ordinary one from here on.
    pub(crate) fn of(head: &mut Parts) -> Option<Self> {
        let protocol = protocols::find_socket(head.method.as_str(), head.uri.path())?;
        let is = |name: &HeaderName, wanted: &str| {
            let mut values = head.headers.get_all(name).iter();
            let value = values.next().and_then(|value| value.to_str().ok());
            values.next().is_none() && value.is_some_and(|value| value.eq_ignore_ascii_case(wanted))
        };
        let is_spoken = is(&UPGRADE, "websocket") && is(&SEC_WEBSOCKET_VERSION, "13");
        if !is_spoken || is_cross_site(&head.headers) {
            return None;
        }
        let key = head.headers.get(SEC_WEBSOCKET_KEY)?.clone();
        let upgrade = head.extensions.remove::<OnUpgrade>()?;
        for name in [
            UPGRADE,
            SEC_WEBSOCKET_KEY,
            SEC_WEBSOCKET_VERSION,
            SEC_WEBSOCKET_EXTENSIONS,
        ] {
            head.headers.remove(name);
        }
        Some(Self {
            protocol,
            key,
            upgrade,
            head: head.clone(),
        })
    }
}

/// Whether a page of another site asks: browsers open web sockets to anywhere, without asking first
/// as they do for other requests, and say where the page is from (RFC 6455 section 10.2). Programs
/// say nothing.
pub(crate) fn is_cross_site(headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter().peekable();
    if origins.peek().is_none() {
        return false;
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    !origins.all(|origin| {
        let origin = origin.to_str().ok();
        let site = origin.and_then(|origin| origin.split_once("://"));
        matches!((site, host), (Some((_, site)), Some(host)) if site.eq_ignore_ascii_case(host))
    })
}

/// What a server answers to a key.
fn accepted(key: &[u8]) -> String {
    let both = [key, GUID].concat();
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &both);
    base64::engine::general_purpose::STANDARD.encode(digest)
}

/// Opens the socket to the provider, then the caller's.
pub(crate) async fn open<R: Recorder>(
    worker: &Rc<Worker<R>>,
    peer: Peer,
    head: &Parts,
    mut end: End<'_, R>,
    (forward, opening): (Forward, Opening),
) -> Response<GatewayBody<R>> {
    let shared = &worker.shared;
    let max = shared.config.limits.connections_max;
    let Some(place) = ConnectionPermit::take(&shared.metrics, max) else {
        let message = "the gateway has too many connections; try again later";
        return end.fail(ErrorKind::Overloaded, message, Outcome::Rejected, None);
    };
    let target = forward.target;
    let name = &worker.pools[target].target.name;
    end.settlement.attempts = 1;
    end.upstream.clone_from(name);
    end.settlement.upstream.clone_from(name);
    let started = std::time::Instant::now();
    let first_byte = Duration::from_millis(shared.config.timeouts.first_byte_ms);
    let opened = tokio::time::timeout(first_byte, dial(worker, head, &forward)).await;
    let waited_ms = millis(started.elapsed());
    let (answered, model) = match opened.unwrap_or_else(|_| Err("it did not answer".to_owned())) {
        Ok(opened) => opened,
        Err(why) => {
            tracing::warn!(why, upstream = name, "a web socket could not be opened");
            let message = "the model's server did not open the web socket; use POST instead";
            let kind = ErrorKind::UpstreamUnreachable;
            return end.fail(kind, message, Outcome::UpstreamFailed, Some(waited_ms));
        }
    };
    let gateway_us = end.settlement.gateway_us;
    end.settlement.write(&Ending {
        outcome: Outcome::Answered,
        upstream_status: Some(101),
        response_status: Some(101),
        error_class: "",
        response_bytes: 0,
        upstream_ms: Some(waited_ms),
        first_byte_ms: Some(waited_ms),
        gateway_us,
        settled: Settled::default(),
        report: None,
    });
    let mut response = Response::new(GatewayBody::Whole(None));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(value) = HeaderValue::from_str(&accepted(opening.key.as_bytes())) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, value);
    }
    if let Some(chosen) = answered.get(SEC_WEBSOCKET_PROTOCOL) {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, chosen.clone());
    }
    set_decision(headers, &end.arrival.id);
    let session = Session::new(worker, peer, (end.arrival, opening.head), target);
    tokio::task::spawn_local(async move {
        let _place = place;
        if let Ok(caller) = opening.upgrade.await {
            session.run(caller, model).await;
        }
    });
    response
}

/// Opens a socket to the provider; the answer's headers, and the connection.
async fn dial<R: Recorder>(
    worker: &Rc<Worker<R>>,
    head: &Parts,
    forward: &Forward,
) -> Result<(HeaderMap, Upgraded), String> {
    let pool = &worker.pools[forward.target];
    let request = upstream_request(head, &pool.target, forward, worker.shared.world.now());
    let mut request = request.map_err(|error| error.to_string())?;
    let mut random = [0; 16];
    let filled = ring::rand::SystemRandom::new().fill(&mut random);
    filled.map_err(|_| "there is no randomness".to_owned())?;
    let key = base64::engine::general_purpose::STANDARD.encode(random);
    let headers = request.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    let value = HeaderValue::from_str(&key).map_err(|error| error.to_string())?;
    headers.insert(SEC_WEBSOCKET_KEY, value);
    headers.remove(CONTENT_LENGTH);
    let opened = pool.open_socket(request).await;
    let mut response = opened.map_err(|error| error.to_string())?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(format!("status {}", response.status()));
    }
    let accept = response.headers().get(SEC_WEBSOCKET_ACCEPT);
    if accept.is_none_or(|accept| accept.as_bytes() != accepted(key.as_bytes()).as_bytes()) {
        return Err("it answered to another key".to_owned());
    }
    if response.headers().contains_key(SEC_WEBSOCKET_EXTENSIONS) {
        return Err("it agreed to an extension that nobody asked for".to_owned());
    }
    let upgraded = hyper::upgrade::on(&mut response).await;
    let upgraded = upgraded.map_err(|error| error.to_string())?;
    Ok((response.headers().clone(), upgraded))
}

/// A message as if it had come with POST.
fn posted(head: &Parts, bytes: usize) -> Option<Parts> {
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = head.uri.clone();
    *request.headers_mut() = head.headers.clone();
    let length = HeaderValue::from_str(&bytes.to_string()).ok()?;
    request.headers_mut().insert(CONTENT_LENGTH, length);
    Some(request.into_parts().0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_key_is_answered_as_in_the_example_of_the_standard() {
        let answer = super::accepted(b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
