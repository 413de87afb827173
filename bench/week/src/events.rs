//! What one call leaves in the logs: a decision, an inference, an access.

use serde_json::{Value, json};

use crate::options::Mix;
use crate::random::Random;
use crate::rows::{ACCESS, DECISIONS, INFERENCE, SECOND, Week, joined};

/// Where a caller comes from, and with what.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) address: String,
    pub(crate) asn: i64,
    pub(crate) country: &'static str,
    pub(crate) client: String,
}

/// One call, as far as callers differ in it.
pub(crate) struct Call {
    pub(crate) time: i64,
    pub(crate) path: &'static str,
    pub(crate) model: String,
    pub(crate) kind: &'static str,
    pub(crate) simhash: u64,
    /// 0: as unique as the time.
    pub(crate) input: u64,
    pub(crate) tokens: (i64, i64),
    pub(crate) template: String,
    pub(crate) session: String,
    pub(crate) turn: i64,
    pub(crate) status: i64,
    pub(crate) inference: Value,
    pub(crate) decision: Value,
    pub(crate) access: Value,
}

impl Call {
    pub(crate) fn chat(time: i64, model: &str, random: &mut Random) -> Self {
        Self {
            time,
            path: "/v1/chat/completions",
            model: model.to_owned(),
            kind: "llm",
            simhash: random.next(),
            input: 0,
            tokens: (150 + random.below(2_500), 60 + random.below(800)),
            template: String::new(),
            session: String::new(),
            turn: 1,
            status: 200,
            inference: json!({}),
            decision: json!({}),
            access: json!({}),
        }
    }
}

/// A SimHash that differs from `base` in at most `bits` bits.
pub(crate) fn near(base: u64, bits: i64, random: &mut Random) -> u64 {
    (0..random.below(bits + 1)).fold(base, |hash, _| hash ^ (1 << random.below(64)))
}

/// Category, ATLAS ids, usual role, and its share of false findings.
const CATEGORIES: &[(&str, &[&str], &str, i64)] = &[
    ("prompt_injection", &["AML.T0051.000"], "user", 16),
    ("jailbreak", &["AML.T0054"], "user", 12),
    ("secret", &["AML.T0055"], "user", 14),
    ("personal_data", &["AML.T0057"], "user", 26),
    ("hidden_payload", &["AML.T0068"], "user", 8),
    (
        "system_prompt_extraction",
        &["AML.T0056", "AML.T0069.002"],
        "user",
        6,
    ),
    (
        "indirect_prompt_injection",
        &["AML.T0051.001"],
        "document",
        8,
    ),
    ("malicious_code", &["AML.T0050"], "user", 6),
    ("exfiltration", &["AML.T0077"], "response", 4),
    ("tool_abuse", &["AML.T0053"], "tool_call", 4),
    ("tool_poisoning", &["AML.T0110.000"], "tool_definition", 1),
    ("memory_poisoning", &["AML.T0080.000"], "user", 2),
    ("resource_exhaustion", &["AML.T0034.001"], "user", 2),
    ("model_extraction", &["AML.T0024.002"], "user", 1),
];

/// Rarer ids that findings of a category may carry besides.
const RARE: &[&str] = &[
    "AML.T0094",
    "AML.T0051.002",
    "AML.T0101",
    "AML.T0113",
    "AML.T0067",
    "AML.T0088",
    "AML.T0052.000",
    "AML.T0017.001",
    "AML.T0084",
    "AML.T0085.001",
    "AML.T0100",
    "AML.T0061",
    "AML.T0071",
    "AML.T0082",
    "AML.T0098",
    "AML.T0123",
    "AML.T0069.000",
    "AML.T0131",
    "AML.T0006.003",
    "AML.T0084.002",
];

/// A finding on a harmless text: mostly weak, now and then strong.
pub(crate) fn false_finding(random: &mut Random, mix: Mix) -> Value {
    let mut at = random.below(CATEGORIES.iter().map(|c| c.3).sum());
    let mut chosen = &CATEGORIES[0];
    for category in CATEGORIES {
        if at < category.3 {
            chosen = category;
            break;
        }
        at -= category.3;
    }
    finding_of(chosen.0, random, mix)
}

/// A finding of that category.
pub(crate) fn finding_of(category: &str, random: &mut Random, mix: Mix) -> Value {
    let Some((name, atlas, role, _)) = CATEGORIES.iter().find(|c| c.0 == category) else {
        return json!({});
    };
    let strong = random.once_in(if mix == Mix::Company { 8 } else { 4 });
    let score = if strong {
        60 + random.below(35)
    } else {
        30 + random.below(30)
    };
    let decision = match score {
        85.. => "BLOCK",
        70.. => "CONSTRAIN",
        _ => "LOG",
    };
    let mut ids: Vec<&str> = atlas.to_vec();
    if random.once_in(12) {
        ids.extend(random.of(RARE));
    }
    let mut row = json!({
        "ThreatDetection": name, "DetectedPattern": format!("{name}.family.rule_{}", random.below(9)),
        "ThreatScore": score, "Decision": decision, "WouldDecision": decision, "SegmentRole": role, "Atlas": ids,
        "RuleIds": [format!("{name}.family.rule")],
    });
    if *role == "document" {
        row["DocId"] = json!(format!("doc-{}", random.below(3_000)));
        row["Channel"] = json!(random.of(&["document", "web", "email", "ticket"]).copied());
    }
    if *name == "hidden_payload" || random.once_in(10) {
        row["NormFlags"] = json!([random
            .of(&["zero_width", "base64", "homoglyph", "hex"])
            .copied()]);
    }
    if matches!(*name, "secret" | "personal_data") {
        row["SecretTypes"] = json!([random
            .of(&["email", "iban", "aws_access_key", "phone"])
            .copied()]);
    }
    row
}

/// Who calls.
pub(crate) struct Who<'a> {
    pub(crate) name: &'a str,
    pub(crate) key: &'a str,
    pub(crate) key_made: &'a str,
    pub(crate) application: &'a str,
}

/// Adds the rows of a call.
pub(crate) fn emit(
    week: &mut Week,
    who: &Who<'_>,
    origin: &Origin,
    call: &Call,
    random: &mut Random,
) {
    let id = format!("{:016x}", random.next());
    let simhash = format!("{:016x}", call.simhash);
    let input = if call.input == 0 {
        random.next()
    } else {
        call.input
    };
    let session = if call.session.is_empty() {
        format!("s-{}-{}", who.name, call.time / (1_800 * SECOND))
    } else {
        call.session.clone()
    };
    let shared = json!({
        "UserId": who.name, "CallerKeyId": who.key, "TraceId": format!("t{id}"), "SessionId": session,
        "ModelName": call.model, "SrcIpAddr": origin.address, "DecisionId": format!("d{id}"),
    });
    let decision = json!({
        "Decision": "ALLOW", "WouldDecision": "ALLOW", "Enforced": true, "ThreatScore": random.below(18), "ThreatDetection": "",
        "Stage": "request", "TurnIndex": call.turn, "ModelEndpoint": format!("openai{}", call.path), "RouteName": "default",
        "InputSimHash": simhash, "ApplicationName": who.application, "HttpUserAgent": origin.client, "HttpPath": call.path,
        "Entropy": 3.8 + real(random, 0.9), "InputTokens": call.tokens.0, "OutputTokens": call.tokens.1,
        "ContentSha256": format!("{input:016x}"), "ResponseStatus": call.status, "FinishReason": "stop",
    });
    let inference = json!({
        "EventId": format!("i{id}"), "ModelId": call.model, "ModelType": call.kind, "InputSimHash": simhash,
        "InputHash": format!("{input:016x}"), "Status": if call.status < 400 { "ok" } else { "error" }, "UpstreamStatus": call.status,
        "InputTokens": call.tokens.0, "OutputTokens": call.tokens.1, "CostUsd": cost(call.tokens),
        "UpstreamLatencyMs": 300 + call.tokens.1 * 12 + random.below(900), "FinishReason": "stop", "OutputClass": "text",
        "OutputHash": format!("{:016x}", random.next()), "TurnIndex": call.turn, "PromptTemplateHash": call.template, "Temperature": 0.7,
    });
    let access = json!({
        "EventId": format!("a{id}"), "SrcAsn": origin.asn, "SrcGeoCountry": origin.country, "HttpUserAgent": origin.client,
        "HttpMethod": "POST", "HttpPath": call.path, "HttpHost": "ai.corp.example", "ResponseStatus": call.status,
        "AuthResult": if call.status == 401 { "failure" } else { "success" }, "ViaGateway": true, "KeyCreatedAt": who.key_made,
        "RequestBytes": call.tokens.0 * 4 + 300, "ResponseBytes": call.tokens.1 * 5 + 500, "DurationMs": 400 + call.tokens.1 * 12,
    });
    let whole = |part: &Value, more: &Value| joined(&joined(&shared, part), more);
    week.add(ACCESS, call.time, whole(&access, &call.access));
    if call.status == 401 {
        return;
    }
    week.add(DECISIONS, call.time, whole(&decision, &call.decision));
    let blocked = call.decision.get("Decision") == Some(&json!("BLOCK"));
    if !blocked {
        week.add(
            INFERENCE,
            call.time + SECOND / 5,
            whole(&inference, &call.inference),
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
fn cost(tokens: (i64, i64)) -> f64 {
    (tokens.0 as f64).mul_add(1.5e-6, tokens.1 as f64 * 6e-6)
}

/// From 0 to `most`.
#[expect(clippy::cast_precision_loss, reason = "a share")]
pub(crate) fn real(random: &mut Random, most: f64) -> f64 {
    random.below(1_000_000) as f64 / 1_000_000.0 * most
}
