//! The red team: attacks all day, by right.

use serde_json::json;

use super::Caller;
use crate::events::{self, Call};
use crate::rows::{ACCESS, HOUR, SECOND, Week};

/// Callers of the red team, as they stand on the allowlist: by name, address and key.
pub(crate) fn is_allowlisted(entities: &[(String, String)]) -> bool {
    entities
        .iter()
        .any(|(_, value)| value.starts_with("svc-redteam") || value.starts_with("192.0.2.24"))
}

pub(super) fn day(caller: &mut Caller, week: &mut Week, midnight: i64) {
    if !caller.name.starts_with("svc-redteam") {
        caller.name = format!("svc-redteam-{}", caller.number);
        caller.origin.address = format!("192.0.2.24{}", caller.number % 5);
        "garak/0.17".clone_into(&mut caller.origin.client);
    }
    let categories = [
        "prompt_injection",
        "jailbreak",
        "system_prompt_extraction",
        "hidden_payload",
        "indirect_prompt_injection",
        "malicious_code",
        "tool_abuse",
        "exfiltration",
        "memory_poisoning",
    ];
    let start = midnight + 10 * HOUR;
    for number in 0..250 {
        let mut call = Call::chat(
            start + number * 30 * SECOND,
            "assistant-large",
            &mut caller.random,
        );
        if number % 3 != 0 {
            let category = caller
                .random
                .of(&categories)
                .copied()
                .unwrap_or("jailbreak");
            call.decision = events::finding_of(category, &mut caller.random, caller.mix);
            call.decision["ThreatScore"] = json!(70 + caller.random.below(30));
            call.decision["Decision"] = json!("BLOCK");
        }
        call.session = format!("rt-{}-{}", caller.number, number / 20);
        caller.send(week, call);
    }
    for number in 0..40 {
        let row = json!({
            "SrcIpAddr": caller.origin.address, "UserId": caller.name, "HttpMethod": "GET", "HttpPath": format!("/api/v{number}/models"),
            "ResponseStatus": 404, "AuthResult": "success", "ViaGateway": true, "HttpUserAgent": caller.origin.client, "HttpHost": "ai.corp.example",
        });
        week.add(ACCESS, start + number * SECOND, row);
    }
}
