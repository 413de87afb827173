//! Fetching a small document over HTTP(S): the key sets of issuers. No redirects: what is
//! configured is what is trusted.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Request;

use crate::config::Upstream;
use crate::upstream::{Pool, Target};

/// Largest document, bytes.
const BYTES_MAX: usize = 1 << 20;
/// Longest time for all of it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Fetches a document on the current `LocalSet`.
pub(crate) async fn fetch(url: &str) -> Result<String, String> {
    tokio::time::timeout(TIMEOUT, get(url))
        .await
        .unwrap_or_else(|_| Err(format!("{url}: no answer in time")))
}

async fn get(url: &str) -> Result<String, String> {
    let config = Upstream {
        base_url: url.to_owned(),
        ..Upstream::default()
    };
    let target = Target::new("jwks", &config).map_err(|error| error.to_string())?;
    let uri: http::Uri = url.parse().map_err(|_| format!("`{url}` is no URL"))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header("host", target.host.clone())
        .header("accept", "application/json")
        .body(Full::new(Bytes::new()))
        .map_err(|error| error.to_string())?;
    let pool = Pool::new(std::sync::Arc::new(target), 0, TIMEOUT);
    let answered = pool
        .send(request)
        .await
        .map_err(|error| format!("{url}: {error}"))?;
    let status = answered.response.status();
    if !status.is_success() {
        return Err(format!("{url}: status {status}"));
    }
    let body = Limited::new(answered.response.into_body(), BYTES_MAX);
    let bytes = body
        .collect()
        .await
        .map_err(|error| format!("{url}: {error}"))?
        .to_bytes();
    String::from_utf8(bytes.to_vec()).map_err(|_| format!("{url}: not UTF-8"))
}
