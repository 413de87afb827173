//! Any receiver: JSON with a key that names the step, and a signature that proves who sent it.
//!
//! `X-Atalaya-Signature: t=<seconds>,v1=<hex>`, where `v1` is HMAC-SHA256 of `<seconds>.<body>`
//! under the shared secret: a receiver checks the time too, so that an old message cannot be sent
//! again by somebody else. `Idempotency-Key` is the same for every attempt of one step.

use std::fmt::Write as _;

use ring::hmac;

use super::{Message, post_json};
use crate::actions::ActionError;
use crate::egress::Egress;

pub(super) async fn send(
    url: &str,
    secret: &str,
    message: &Message,
    egress: &Egress,
) -> Result<String, ActionError> {
    let body = serde_json::to_value(message)
        .map_err(|error| ActionError::Final(format!("the message cannot be written: {error}")))?;
    let seconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let headers = vec![
        ("idempotency-key".to_owned(), message.key.clone()),
        ("x-atalaya-event".to_owned(), message.event.clone()),
        (
            "x-atalaya-signature".to_owned(),
            format!(
                "t={seconds},v1={}",
                signature(secret, seconds, &body.to_string())
            ),
        ),
    ];
    let answer = post_json(url, headers, &body, egress).await?;
    Ok(format!("{}", answer.status))
}

/// HMAC-SHA256 of time and body, hexadecimal.
fn signature(secret: &str, seconds: u64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    tag.as_ref().iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_signature_is_hmac_sha256() {
        // Computed with Python's hmac module.
        assert_eq!(
            super::signature("key", 1, "{}"),
            "1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224"
        );
    }
}
