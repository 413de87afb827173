//! AWS Signature Version 4: a call to Bedrock is signed again with the gateway's credentials, since
//! the caller's signature covers a host and a body that may not be those that are sent.
//!
//! Source: AWS documentation, "Create a signed AWS API request". Of the services only those that
//! encode the path twice are meant (all but S3). Left out: other algorithms and presigned URLs.

use atalaya_model::Timestamp;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use http::{Method, Uri};
use sha2::{Digest, Sha256};

use crate::arrival::hex;

/// Headers that the caller's signature brought along.
const OF_THE_CALLER: [&str; 4] = [
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-content-sha256",
    "date",
];

/// Who signs, and for what.
#[derive(Clone)]
pub(crate) struct AwsSigner {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: Option<String>,
    pub(crate) region: String,
    pub(crate) service: String,
}

impl AwsSigner {
    /// Signs a request: replaces what the caller signed.
    pub(crate) fn sign(
        &self,
        headers: &mut HeaderMap,
        (method, uri, body): (&Method, &Uri, &[u8]),
        now: Timestamp,
    ) -> Result<(), http::Error> {
        headers.remove(AUTHORIZATION);
        for name in OF_THE_CALLER {
            headers.remove(name);
        }
        let time = amz_date(now);
        headers.insert("x-amz-date", HeaderValue::from_str(&time)?);
        if let Some(token) = &self.session_token {
            let mut token = HeaderValue::from_str(token)?;
            token.set_sensitive(true);
            headers.insert("x-amz-security-token", token);
        }
        let (canonical, signed) = canonical(headers, (method, uri, body));
        let scope = format!(
            "{}/{}/{}/aws4_request",
            &time[..8],
            self.region,
            self.service
        );
        let hashed = hex(&Sha256::digest(canonical.as_bytes()));
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashed}");
        let first = format!("AWS4{}", self.secret_access_key);
        let key = [&time[..8], &self.region, &self.service, "aws4_request"]
            .iter()
            .fold(first.into_bytes(), |key, part| {
                hmac(&key, part.as_bytes()).as_ref().to_vec()
            });
        let signature = hex(hmac(&key, to_sign.as_bytes()).as_ref());
        let mut value = HeaderValue::from_str(&format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={signature}",
            self.access_key_id
        ))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        Ok(())
    }
}

/// The canonical request, and the names of the headers that it covers.
fn canonical(headers: &HeaderMap, (method, uri, body): (&Method, &Uri, &[u8])) -> (String, String) {
    let mut covered: Vec<(&str, String)> = headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| *name == "host" || *name == "content-type" || name.starts_with("x-amz-"))
        .map(|name| {
            let values: Vec<String> = headers
                .get_all(name)
                .iter()
                .map(|value| {
                    let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
                    text.split_whitespace().collect::<Vec<_>>().join(" ")
                })
                .collect();
            (name, values.join(","))
        })
        .collect();
    covered.sort();
    let signed = covered
        .iter()
        .map(|(name, _)| *name)
        .collect::<Vec<_>>()
        .join(";");
    let lines: String = covered
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let query = canonical_query(uri.query().unwrap_or(""));
    let path = encode_path(uri.path());
    let hashed = hex(&Sha256::digest(body));
    (
        format!("{method}\n{path}\n{query}\n{lines}\n{signed}\n{hashed}"),
        signed,
    )
}

/// Encodes a path that is encoded already, as the services expect it, without empty and dot
/// segments.
fn encode_path(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    let mut out = String::with_capacity(path.len() + 16);
    for segment in &kept {
        out.push('/');
        encode(segment.bytes(), &mut out);
    }
    if kept.is_empty() || path.ends_with('/') {
        out.push('/');
    }
    out
}

/// The query with every name and value encoded once, sorted.
fn canonical_query(query: &str) -> String {
    let encoded = |text: &str| {
        let mut out = String::with_capacity(text.len());
        encode(percent_encoding::percent_decode_str(text), &mut out);
        out
    };
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encoded(name), encoded(value))
        })
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

fn encode(bytes: impl Iterator<Item = u8>, out: &mut String) {
    use std::fmt::Write as _;
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// `20150830T123600Z`.
fn amz_date(now: Timestamp) -> String {
    let mut text = String::new();
    now.write_rfc3339(&mut text);
    let digits: String = text
        .chars()
        .take(19)
        .filter(|c| c.is_ascii_digit() || *c == 'T')
        .collect();
    format!("{digits}Z")
}

fn hmac(key: &[u8], message: &[u8]) -> ring::hmac::Tag {
    ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn signature(method: &Method, uri: &str, content_type: Option<&str>, body: &str) -> String {
        let signer = AwsSigner {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: SECRET.into(),
            session_token: None,
            region: "us-east-1".into(),
            service: "service".into(),
        };
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("example.amazonaws.com"));
        headers.insert(AUTHORIZATION, HeaderValue::from_static("the caller's"));
        headers.insert("x-amz-date", HeaderValue::from_static("the caller's"));
        if let Some(content_type) = content_type {
            headers.insert("content-type", content_type.parse().unwrap());
        }
        let now = Timestamp(1_440_938_160_000_000);
        let request = (method, &uri.parse().unwrap(), body.as_bytes());
        signer.sign(&mut headers, request, now).unwrap();
        let value = headers[AUTHORIZATION].to_str().unwrap().to_owned();
        let signed = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=";
        assert!(value.starts_with(signed), "{value}");
        value.rsplit_once("Signature=").unwrap().1.to_owned()
    }

    /// Cases of AWS's published test suite: get-vanilla, post-vanilla,
    /// get-vanilla-query-order-key-case, get-unreserved, get-slash, post-x-www-form-urlencoded.
    #[test]
    fn a_request_is_signed_as_in_the_published_test_suite() {
        let form = Some("application/x-www-form-urlencoded");
        let unreserved = "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        for (method, uri, content_type, body, expected) in [
            (
                Method::GET,
                "/",
                None,
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                Method::POST,
                "/",
                None,
                "",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                Method::GET,
                "/?Param2=value2&Param1=value1",
                None,
                "",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                Method::GET,
                unreserved,
                None,
                "",
                "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
            ),
            (
                Method::GET,
                "//",
                None,
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                Method::POST,
                "/",
                form,
                "Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
            (
                Method::POST,
                "/model/a%3A0/converse-stream?x=a%3Ab",
                Some("application/json"),
                "{}",
                "a80b8b442d481a9fdb9e40673c6edebc0316adf3db6ea985a8c6df00ab81980c",
            ),
        ] {
            let found = signature(&method, uri, content_type, body);
            assert_eq!(found, expected, "{method} {uri}");
        }
    }

    #[test]
    fn paths_and_queries_are_encoded_as_the_services_expect() {
        for (path, expected) in [
            ("/model/a%3A0/converse", "/model/a%253A0/converse"),
            ("/model/a:0/converse", "/model/a%3A0/converse"),
            ("//a/./b/../c/", "/a/c/"),
            ("", "/"),
        ] {
            assert_eq!(encode_path(path), expected);
        }
        assert_eq!(canonical_query("b=a:b&a=%7E&a="), "a=&a=~&b=a%3Ab");
    }
}
