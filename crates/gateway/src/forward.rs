//! From the caller's request to the upstream's: the same bytes, other hop.

use atalaya_model::Timestamp;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Request, Uri};
use http_body_util::Full;

use crate::approve::APPROVAL_HEADER;
use crate::judge::Forward;
use crate::upstream::Target;

/// Headers that are about one connection, not about the message (RFC 9110 section 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Headers that end here: ours; what waits for a body that is here; and those by which some servers
/// find another method or route than the one that was judged.
const NOT_FORWARDED: [&str; 19] = [
    "x-atalaya-session",
    "x-atalaya-application",
    "x-atalaya-agent",
    APPROVAL_HEADER,
    "expect",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-original-uri",
    "x-override-url",
    "x-forwarded-uri",
    "x-forwarded-path",
    "x-forwarded-prefix",
    "x-original-method",
    "x-forwarded-method",
    "x-http-path-override",
    "x-middleware-rewrite",
];

/// Builds the request to the upstream.
///
/// # Errors
/// When the path cannot be joined with the upstream's.
pub(crate) fn upstream_request(
    head: &Parts,
    target: &Target,
    forward: &Forward,
    now: Timestamp,
) -> Result<Request<Full<Bytes>>, http::Error> {
    let path = head.uri.path();
    let path = path
        .strip_prefix(forward.path_prefix.as_str())
        .unwrap_or(path);
    let query = head.uri.query();
    let uri = join(&target.base_path, path, query)?;
    let mut headers = head.headers.clone();
    strip_hop_by_hop(&mut headers);
    headers.insert(header::HOST, target.host.clone());
    // Facts are read from the answer as it passes: it must not be compressed.
    headers.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
    if forward.is_modified {
        headers.remove(header::CONTENT_LENGTH);
    }
    for name in NOT_FORWARDED {
        headers.remove(name);
    }
    if let Some(key) = &target.api_key {
        inject_key(&mut headers, key)?;
    }
    if let Some(signer) = &target.aws {
        signer.sign(&mut headers, (&head.method, &uri, &forward.body), now)?;
    }
    let mut request = Request::new(Full::new(forward.body.clone()));
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}

fn join(base: &str, path: &str, query: Option<&str>) -> Result<Uri, http::Error> {
    let mut whole = String::with_capacity(base.len() + path.len() + 16);
    whole.push_str(base);
    whole.push_str(path);
    if let Some(query) = query {
        whole.push('?');
        whole.push_str(query);
    }
    Ok(Uri::try_from(whole)?)
}

/// Replaces the caller's credentials by ours, in the header that the caller used.
fn inject_key(headers: &mut HeaderMap, key: &str) -> Result<(), http::Error> {
    let mut value = HeaderValue::from_str(key)?;
    value.set_sensitive(true);
    let mut bearer = HeaderValue::from_str(&format!("Bearer {key}"))?;
    bearer.set_sensitive(true);
    if headers.contains_key("x-goog-api-key") {
        headers.remove(header::AUTHORIZATION);
        headers.insert("x-goog-api-key", value);
        return Ok(());
    }
    let has_api_key =
        headers.contains_key("x-api-key") || headers.contains_key("anthropic-version");
    headers.remove(header::AUTHORIZATION);
    if has_api_key {
        headers.insert("x-api-key", value);
    } else {
        headers.insert(header::AUTHORIZATION, bearer);
    }
    Ok(())
}

/// Makes an upstream's headers ours to send on.
pub(crate) fn relay_head(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if let Some(named) = headers.get(header::CONNECTION) {
        let named: Vec<HeaderName> = named
            .to_str()
            .unwrap_or("")
            .split(',')
            .filter_map(|name| name.trim().parse().ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}
