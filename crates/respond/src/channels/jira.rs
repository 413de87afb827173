//! Jira: one issue per step, found again by a label before another is made.

use serde_json::{Value, json};

use super::{ChannelConfig, Message, basic, judge, post_json};
use crate::actions::ActionError;
use crate::egress::{Egress, OutgoingRequest};

/// Most characters of a summary that Jira takes.
const SUMMARY_MAX: usize = 250;

pub(super) async fn send(
    config: &ChannelConfig,
    message: &Message,
    egress: &Egress,
) -> Result<String, ActionError> {
    let ChannelConfig::Jira {
        url,
        project,
        issue_type,
        user,
        token,
    } = config
    else {
        return Err(ActionError::Final("the channel is not Jira".to_owned()));
    };
    let base = url.trim_end_matches('/');
    let authorization = ("authorization".to_owned(), basic(user, token));
    let label = label(&message.key);
    let jql: String =
        url::form_urlencoded::byte_serialize(format!("labels = \"{label}\"").as_bytes()).collect();
    let known = egress
        .send(OutgoingRequest {
            url: format!("{base}/rest/api/3/search/jql?jql={jql}&fields=key&maxResults=1"),
            headers: vec![authorization.clone()],
            ..OutgoingRequest::default()
        })
        .await?;
    if let Some(key) = issue_key(&judge(known)?.body, "/issues/0/key") {
        return Ok(key);
    }
    let body = json!({"fields": {
        "project": {"key": project},
        "issuetype": {"name": issue_type},
        "summary": message.title.chars().take(SUMMARY_MAX).collect::<String>(),
        "labels": [label, "atalaya"],
        "description": {"type": "doc", "version": 1, "content": [
            {"type": "paragraph", "content": [{"type": "text", "text": message.plain()}]}
        ]},
    }});
    let made = post_json(
        &format!("{base}/rest/api/3/issue"),
        vec![authorization],
        &body,
        egress,
    )
    .await?;
    Ok(issue_key(&made.body, "/key").unwrap_or_default())
}

/// Labels have no spaces; a key has none either, but slashes.
fn label(key: &str) -> String {
    format!(
        "atalaya-{}",
        key.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
    )
}

fn issue_key(body: &[u8], pointer: &str) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    answer.pointer(pointer)?.as_str().map(str::to_owned)
}
