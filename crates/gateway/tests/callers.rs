//! Who may call: keys, scopes, limits, tokens, proxies.

use std::sync::Arc;

use atalaya_access::{
    Access, Cidr, Entitlement, LimitRules, Scopes, Snapshot, VirtualKey, new_secret,
};
use atalaya_gateway::config::{Authentication, Price};
use atalaya_model::Timestamp;
use serde_json::{Value, json};

use crate::bench::{ANSWER, ATTACK, Answer, Bench, CHAT, MESSAGES, Setup, chat, setup};
use crate::upstream::Script;

/// A key and its secret.
pub(crate) fn key(id: &str, caller: &str) -> (VirtualKey, String) {
    let mut random = [7; 32];
    random[..id.len().min(32)].copy_from_slice(&id.as_bytes()[..id.len().min(32)]);
    let now = Timestamp::now();
    let (secret, kept) = new_secret(&random, now);
    let key = VirtualKey {
        id: id.into(),
        name: id.into(),
        caller: caller.into(),
        team: String::new(),
        agent: String::new(),
        secrets: vec![kept],
        scopes: Scopes::default(),
        limits: LimitRules::default(),
        created_at: now,
        author: "test".into(),
        expires_at: None,
        revoked_at: None,
        revoked_by: None,
        revoked_reason: None,
    };
    (key, secret)
}

fn with_keys(keys: Vec<VirtualKey>) -> Setup {
    with(keys, Vec::new())
}

fn with(keys: Vec<VirtualKey>, entitlements: Vec<Entitlement>) -> Setup {
    let setup = setup();
    setup
        .access
        .replace(Snapshot::new(keys, Vec::new(), entitlements));
    setup
}

async fn ask(bench: &Bench, path: &str, headers: &str) -> Answer {
    bench.post_with(path, headers, &chat("hello")).await
}

fn bearer(secret: &str) -> String {
    format!("authorization: Bearer {secret}\r\n")
}

async fn decisions(bench: &Bench, count: usize) -> Vec<Value> {
    let records = bench.records(count * 2).await;
    records
        .into_iter()
        .filter(|record| record.get("Decision").is_some())
        .collect()
}

#[tokio::test]
async fn with_a_key_in_force_nobody_calls_without_one_and_it_never_reaches_the_provider() {
    let (mut key, secret) = key("key_1", "ana");
    key.team = "red".into();
    key.agent = "crawler".into();
    let bench = Bench::with(Script::Answer(200, ANSWER), with_keys(vec![key])).await;
    for headers in [
        String::new(),
        bearer("sk-of-a-provider"),
        bearer(&format!("{secret}x")),
        "x-atalaya-key: atk_wrong\r\n".to_owned(),
    ] {
        let refused = ask(&bench, CHAT, &headers).await;
        assert_eq!(refused.status, 401, "{headers} {refused:?}");
        assert_eq!(refused.json()["error"]["code"], "invalid_api_key");
    }
    assert!(bench.upstream.received().is_empty());
    for headers in [
        bearer(&secret),
        format!("x-api-key: {secret}\r\n"),
        format!("api-key: {secret}\r\n"),
        format!("x-goog-api-key: {secret}\r\n"),
        format!("x-atalaya-key: {secret}\r\n{}", bearer("sk-of-a-provider")),
    ] {
        let answered = ask(&bench, CHAT, &headers).await;
        assert_eq!(answered.status, 200, "{headers} {answered:?}");
    }
    let in_query = format!("{CHAT}?a=1&key={secret}&b=2");
    assert_eq!(ask(&bench, &in_query, "").await.status, 200);
    let received = bench.upstream.received();
    assert_eq!(received.len(), 6);
    for call in &received {
        assert!(!call.head.contains("atk_"), "{}", call.head);
    }
    assert!(
        received[4]
            .head
            .contains("authorization: bearer sk-of-a-provider")
    );
    assert!(
        received[5]
            .head
            .starts_with("post /v1/chat/completions?a=1&b=2 ")
    );
    let decided = decisions(&bench, 10).await;
    assert_eq!(decided.len(), 10);
    for record in &decided[..4] {
        assert_eq!(record["Decision"], "BLOCK");
        assert_eq!(record["ReasonCode"], "unauthenticated");
    }
    let allowed = &decided[4];
    assert_eq!(allowed["UserId"], "ana");
    assert_eq!(allowed["TeamId"], "red");
    assert_eq!(allowed["AgentId"], "crawler");
    assert_eq!(allowed["CallerKeyId"], "key_1");
    assert!(!format!("{decided:?}").contains("atk_"));
}

#[tokio::test]
async fn an_open_gateway_still_refuses_keys_that_are_wrong_and_requires_none() {
    let bench = Bench::start(Script::Answer(200, ANSWER)).await;
    assert_eq!(ask(&bench, CHAT, "").await.status, 200);
    assert_eq!(
        ask(&bench, CHAT, &bearer("sk-of-a-provider")).await.status,
        200
    );
    assert_eq!(ask(&bench, CHAT, &bearer("atk_wrong")).await.status, 401);
    let mut setup = setup();
    setup.config.callers.authentication = Authentication::Required;
    let closed = Bench::with(Script::Answer(200, ANSWER), setup).await;
    assert_eq!(ask(&closed, CHAT, "").await.status, 401);
}

#[tokio::test]
async fn expired_and_revoked_keys_are_refused() {
    let (mut expired, first) = key("key_1", "ana");
    expired.expires_at = Some(Timestamp(1));
    let (mut revoked, second) = key("key_2", "ana");
    revoked.revoked_at = Some(Timestamp(1));
    let (mut rotated, third) = key("key_3", "ana");
    rotated.secrets[0].expires_at = Some(Timestamp(1));
    let bench = Bench::with(
        Script::Answer(200, ANSWER),
        with_keys(vec![expired, revoked, rotated]),
    )
    .await;
    for secret in [first, second, third] {
        assert_eq!(ask(&bench, CHAT, &bearer(&secret)).await.status, 401);
    }
}

#[tokio::test]
async fn scopes_hold_for_routes_models_and_tools_in_each_protocols_words() {
    let (mut key, secret) = key("key_1", "ana");
    key.scopes.models = vec!["m-*".into()];
    key.scopes.tools = vec!["read_*".into()];
    let (mut elsewhere, other) = crate::callers::key("key_2", "eva");
    elsewhere.scopes.routes = vec!["other".into()];
    let bench = Bench::with(Script::Answer(200, ANSWER), with_keys(vec![key, elsewhere])).await;
    let call = |model: &str, tools: &[&str]| {
        let tools: Vec<Value> = tools
            .iter()
            .map(|name| json!({"type": "function", "function": {"name": name, "parameters": {}}}))
            .collect();
        let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
        if !tools.is_empty() {
            body["tools"] = tools.into();
        }
        body.to_string().into_bytes()
    };
    for (secret, model, tools, status) in [
        (&secret, "m-1", &["read_file"][..], 200),
        (&secret, "m-1", &["read_file", "send_mail"], 403),
        (&secret, "gpt-5", &[], 403),
        (&other, "m-1", &[], 403),
    ] {
        let answer = bench
            .post_with(CHAT, &bearer(secret), &call(model, tools))
            .await;
        assert_eq!(answer.status, status, "{model} {tools:?} {answer:?}");
    }
    let body = json!({"model": "claude", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]});
    let answer = bench
        .post_with(MESSAGES, &bearer(&secret), body.to_string().as_bytes())
        .await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.json()["type"], "error");
    assert_eq!(answer.json()["error"]["type"], "permission_error");
    let decided = decisions(&bench, 5).await;
    assert_eq!(decided[1]["ReasonCode"], "not_entitled");
    assert_eq!(decided[1]["Decision"], "BLOCK");
}

#[tokio::test]
async fn limits_are_told_and_enforced_in_each_protocols_words() {
    let (mut key, secret) = key("key_1", "ana");
    key.limits = LimitRules {
        requests_per_minute: Some(2),
        tokens_per_day: Some(1_000),
        ..LimitRules::default()
    };
    let bench = Bench::with(Script::Answer(200, ANSWER), with_keys(vec![key])).await;
    let first = ask(&bench, CHAT, &bearer(&secret)).await;
    assert_eq!(first.status, 200);
    assert!(
        first.head.contains("x-ratelimit-limit-requests: 2"),
        "{}",
        first.head
    );
    assert!(
        first.head.contains("x-ratelimit-remaining-requests: 1"),
        "{}",
        first.head
    );
    assert!(
        first.head.contains("x-ratelimit-limit-tokens: 1000"),
        "{}",
        first.head
    );
    assert_eq!(ask(&bench, CHAT, &bearer(&secret)).await.status, 200);
    let refused = ask(&bench, CHAT, &bearer(&secret)).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.json()["error"]["code"], "rate_limit_exceeded");
    let retry = refused
        .head
        .lines()
        .find_map(|line| line.strip_prefix("retry-after: "));
    assert!((50..=61).contains(&retry.unwrap().parse::<u64>().unwrap()));
    let refused = ask(&bench, MESSAGES, &bearer(&secret)).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.json()["error"]["type"], "rate_limit_error");
    let decided = decisions(&bench, 4).await;
    assert_eq!(decided[2]["ReasonCode"], "rate_limit");
    assert_eq!(bench.upstream.received().len(), 2);
}

#[tokio::test]
async fn tokens_and_costs_are_charged_as_the_provider_counted_them() {
    let (mut key, secret) = key("key_1", "ana");
    key.limits = LimitRules {
        tokens_per_minute: Some(1_000),
        cost_usd_per_day: Some(1.0),
        ..LimitRules::default()
    };
    const COSTLY: &str = r#"{"id":"c-1","object":"chat.completion","model":"m-2","choices":[],"usage":{"prompt_tokens":100000,"completion_tokens":100000}}"#;
    let mut setup = with_keys(vec![key]);
    setup.config.callers.prices = vec![Price {
        model: "m-*".into(),
        input_usd_per_million: 2.0,
        output_usd_per_million: 10.0,
        cached_usd_per_million: None,
    }];
    let bench = Bench::with(Script::Answer(200, COSTLY), setup).await;
    assert_eq!(ask(&bench, CHAT, &bearer(&secret)).await.status, 200);
    let settled = bench
        .records(2)
        .await
        .into_iter()
        .find(|r| r.get("$settles").is_some());
    assert_eq!(settled.unwrap()["CostUsd"], 1.2);
    let refused = ask(&bench, CHAT, &bearer(&secret)).await;
    assert_eq!(refused.status, 429);
    let unknown = json!({"model": "gpt-9", "messages": []}).to_string();
    let other = Bench::with(Script::Answer(200, ANSWER), {
        let (mut key, _) = crate::callers::key("key_1", "ana");
        key.limits.cost_usd_per_day = Some(1.0);
        with_keys(vec![key])
    })
    .await;
    let refused = other
        .post_with(CHAT, &bearer(&secret), unknown.as_bytes())
        .await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.body.contains("no price"));
}

#[tokio::test]
async fn entitlements_of_a_team_are_shared_and_calls_at_once_are_bounded() {
    let (mut one, first) = key("key_1", "ana");
    one.team = "red".into();
    let (mut two, second) = key("key_2", "eva");
    two.team = "red".into();
    let entitlement = Entitlement {
        team: Some("red".into()),
        limits: LimitRules {
            requests_per_day: Some(3),
            concurrency_max: Some(1),
            ..LimitRules::default()
        },
        ..Entitlement::default()
    };
    let bench = Bench::with(
        Script::Stream(&["data: {}\n\n", "data: {}\n\n", "data: [DONE]\n\n"]),
        with(vec![one, two], vec![entitlement]),
    )
    .await;
    let bench = Arc::new(bench);
    let slow = tokio::spawn({
        let (bench, headers) = (Arc::clone(&bench), bearer(&first));
        async move { ask(&bench, CHAT, &headers).await.status }
    });
    while bench.upstream.received().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    assert_eq!(ask(&bench, CHAT, &bearer(&second)).await.status, 429);
    assert_eq!(slow.await.unwrap(), 200);
    let statuses = [
        ask(&bench, CHAT, &bearer(&second)).await.status,
        ask(&bench, CHAT, &bearer(&first)).await.status,
        ask(&bench, CHAT, &bearer(&second)).await.status,
    ];
    assert_eq!(statuses, [200, 200, 429]);
}

#[tokio::test]
async fn the_address_behind_trusted_proxies_is_the_callers() {
    let mut setup = setup();
    setup.config.callers.trusted_proxies = vec!["127.0.0.0/8".parse::<Cidr>().unwrap()];
    let bench = Bench::with(Script::Answer(200, ANSWER), setup).await;
    ask(&bench, CHAT, "x-forwarded-for: 6.6.6.6, 198.51.100.7\r\n").await;
    assert_eq!(decisions(&bench, 1).await[0]["SrcIpAddr"], "198.51.100.7");
    let untrusting = Bench::start(Script::Answer(200, ANSWER)).await;
    ask(&untrusting, CHAT, "x-forwarded-for: 198.51.100.7\r\n").await;
    assert_eq!(decisions(&untrusting, 1).await[0]["SrcIpAddr"], "127.0.0.1");
}

#[tokio::test]
async fn an_attack_with_a_key_is_refused_as_ever_and_charged_no_tokens() {
    let (mut key, secret) = key("key_1", "ana");
    key.limits.tokens_per_day = Some(10_000);
    let setup = with_keys(vec![key]);
    let access: Arc<Access> = Arc::clone(&setup.access);
    let bench = Bench::with(Script::Answer(200, ANSWER), setup).await;
    let refused = bench.post_with(CHAT, &bearer(&secret), &chat(ATTACK)).await;
    assert_eq!(refused.status, 200);
    assert!(refused.body.contains("declined"), "{refused:?}");
    assert_eq!(bench.upstream.received().len(), 0);
    let rules = LimitRules {
        tokens_per_day: Some(10_000),
        ..LimitRules::default()
    };
    let left = access
        .usage("key:key_1")
        .remaining(&rules, Timestamp::now());
    assert_eq!(left[0].remaining, 10_000);
}
