//! ServiceNow: one record per step, found again by its `correlation_id` before another is made.

use serde_json::{Value, json};

use super::{ChannelConfig, Message, basic, judge, post_json};
use crate::actions::ActionError;
use crate::egress::{Egress, OutgoingRequest};

pub(super) async fn send(
    config: &ChannelConfig,
    message: &Message,
    egress: &Egress,
) -> Result<String, ActionError> {
    let ChannelConfig::Servicenow {
        url,
        user,
        password,
        table,
    } = config
    else {
        return Err(ActionError::Final(
            "the channel is not ServiceNow".to_owned(),
        ));
    };
    let base = format!("{}/api/now/table/{table}", url.trim_end_matches('/'));
    let headers = vec![
        ("authorization".to_owned(), basic(user, password)),
        ("accept".to_owned(), "application/json".to_owned()),
    ];
    let key: String = url::form_urlencoded::byte_serialize(message.key.as_bytes()).collect();
    let known = egress
        .send(OutgoingRequest {
            url: format!(
                "{base}?sysparm_query=correlation_id%3D{key}&sysparm_fields=number&sysparm_limit=1"
            ),
            headers: headers.clone(),
            ..OutgoingRequest::default()
        })
        .await?;
    if let Some(number) = number(&judge(known)?.body, "/result/0/number") {
        return Ok(number);
    }
    let (impact, urgency) = match message.severity.as_str() {
        "critical" => (1, 1),
        "high" => (2, 1),
        "medium" => (2, 2),
        _ => (3, 3),
    };
    let body = json!({
        "short_description": message.title, "description": message.plain(),
        "correlation_id": message.key, "correlation_display": "atalaya",
        "impact": impact, "urgency": urgency,
    });
    let made = post_json(&base, headers, &body, egress).await?;
    Ok(number(&made.body, "/result/number").unwrap_or_default())
}

fn number(body: &[u8], pointer: &str) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    answer.pointer(pointer)?.as_str().map(str::to_owned)
}
