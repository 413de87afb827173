//! What clients of the admin API see, over a real socket.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::net::SocketAddr;
use std::sync::Arc;

use atalaya_api::resources::{approvals, enforcements, keys, node, policies, tokens};
use atalaya_api::{Router, serve};
use atalaya_control::{Control, Settings};
use atalaya_store::SqliteStore;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

struct Ready;

impl node::Status for Ready {
    fn ready(&self) -> Result<(), String> {
        Err("the log is full".into())
    }

    fn metrics(&self) -> String {
        "atalaya_up 1\n".into()
    }
}

struct Api {
    address: SocketAddr,
    token: String,
}

impl Api {
    async fn start() -> Self {
        let store = Arc::new(SqliteStore::in_memory().unwrap());
        let control = Control::open(store, Settings::default()).await.unwrap();
        control.adopt_policy(None).await.unwrap();
        let token = control.first_admin_token().await.unwrap().unwrap().token;
        let resources = vec![
            node::resource(Arc::new(Ready)),
            keys::resource(&control),
            enforcements::resource(&control),
            approvals::resource(&control),
            policies::resource(&control),
            tokens::resource(&control),
        ];
        let router = Arc::new(Router::new(control, resources));
        let address = serve("127.0.0.1:0".parse().unwrap(), router).await.unwrap();
        Self { address, token }
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.ask_as(&self.token, method, path, body).await
    }

    async fn ask_as(&self, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: api\r\nauthorization: Bearer {token}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (
            status,
            serde_json::from_str(body).unwrap_or_else(|_| Value::from(body)),
        )
    }
}

#[tokio::test]
async fn nothing_but_the_probes_is_open_and_viewers_cannot_change() {
    let api = Api::start().await;
    for (path, status) in [
        ("/healthz", 200),
        ("/readyz", 503),
        ("/metrics", 200),
        ("/openapi.json", 200),
        ("/v1/keys", 401),
        ("/v1/tokens", 401),
        ("/v1/enforcements", 401),
        ("/v1/policies", 401),
        ("/nowhere", 404),
    ] {
        let (found, body) = api.ask_as("wrong", "GET", path, &Value::Null).await;
        assert_eq!(found, status, "{path} {body}");
    }
    let viewer = json!({"name": "watcher", "role": "viewer"});
    let (_, created) = api.ask("POST", "/v1/tokens", &viewer).await;
    let token = created["token"].as_str().unwrap();
    assert_eq!(
        api.ask_as(token, "GET", "/v1/keys", &Value::Null).await.0,
        200
    );
    let (status, problem) = api
        .ask_as(token, "POST", "/v1/keys", &json!({"name": "x"}))
        .await;
    assert_eq!((status, problem["code"].as_str()), (403, Some("forbidden")));
    let revoke = format!("/v1/tokens/{}/revoke", created["id"].as_str().unwrap());
    assert_eq!(api.ask("POST", &revoke, &Value::Null).await.0, 204);
    assert_eq!(
        api.ask_as(token, "GET", "/v1/keys", &Value::Null).await.0,
        401
    );
}

#[tokio::test]
async fn keys_and_enforcements_are_made_and_ended() {
    let api = Api::start().await;
    let new = json!({"name": "batch", "team": "red", "scopes": {"models": ["gpt-*"]},
        "limits": {"requests_per_minute": 5}, "expires_in_s": 60});
    let (status, key) = api.ask("POST", "/v1/keys", &new).await;
    assert_eq!(status, 201, "{key}");
    assert!(key["secret"].as_str().unwrap().starts_with("atk_"));
    let path = format!("/v1/keys/{}", key["id"].as_str().unwrap());
    let (_, shown) = api.ask("GET", &path, &Value::Null).await;
    assert_eq!(shown["remaining"][0]["remaining"], 5);
    assert!(
        shown.get("secret").is_none() && !shown.to_string().contains("hash"),
        "{shown}"
    );
    let (status, _) = api
        .ask("POST", &format!("{path}/rotate"), &json!({"overlap_s": 10}))
        .await;
    assert_eq!(status, 201);
    let (status, revoked) = api
        .ask(
            "POST",
            &format!("{path}/revoke"),
            &json!({"reason": "leak"}),
        )
        .await;
    assert_eq!((status, revoked["state"].as_str()), (200, Some("revoked")));
    assert_eq!(
        api.ask(
            "POST",
            &format!("{path}/revoke"),
            &json!({"reason": "leak"})
        )
        .await
        .0,
        409
    );

    let new = json!({"subject": {"kind": "address", "value": "192.0.2.0/24"},
        "effect": {"type": "rate_limit", "requests_per_minute": 3}, "reason": "scan"});
    let (status, made) = api.ask("POST", "/v1/enforcements", &new).await;
    assert_eq!(
        (status, made["author"].as_str()),
        (201, Some("admin")),
        "{made}"
    );
    let (_, list) = api.ask("GET", "/v1/enforcements", &Value::Null).await;
    assert_eq!(list.as_array().unwrap().len(), 1);
    let lift = format!("/v1/enforcements/{}/lift", made["id"].as_str().unwrap());
    assert_eq!(api.ask("POST", &lift, &Value::Null).await.0, 200);
    let (_, list) = api.ask("GET", "/v1/enforcements", &Value::Null).await;
    assert_eq!(list, json!([]));
    let (_, list) = api
        .ask("GET", "/v1/enforcements?state=all", &Value::Null)
        .await;
    assert_eq!(list[0]["lifted_by"], "admin");
}

#[tokio::test]
async fn mistakes_are_problems_with_a_remedy() {
    let api = Api::start().await;
    for (method, path, body, status, code) in [
        (
            "POST",
            "/v1/keys",
            json!({"nme": "x"}),
            400,
            "invalid_request",
        ),
        (
            "POST",
            "/v1/keys",
            json!({"name": ""}),
            400,
            "invalid_request",
        ),
        ("DELETE", "/v1/keys", Value::Null, 405, "method_not_allowed"),
        ("GET", "/v1/keys/key_none", Value::Null, 404, "not_found"),
        (
            "GET",
            "/v1/enforcements?state=old",
            Value::Null,
            400,
            "invalid_request",
        ),
        (
            "POST",
            "/v1/policies/rollback",
            Value::Null,
            409,
            "conflict",
        ),
        (
            "POST",
            "/v1/policies",
            json!({"text": "version: 1\nid: x\n"}),
            422,
            "invalid_document",
        ),
        (
            "POST",
            "/v1/approvals/x/approve",
            Value::Null,
            404,
            "not_found",
        ),
    ] {
        let (found, problem) = api.ask(method, path, &body).await;
        assert_eq!(
            (found, problem["code"].as_str()),
            (status, Some(code)),
            "{path} {problem}"
        );
        assert_eq!(problem["type"], format!("urn:atalaya:problem:{code}"));
        assert!(!problem["detail"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_description_names_every_operation() {
    let api = Api::start().await;
    let (_, document) = api.ask("GET", "/openapi.json", &Value::Null).await;
    assert_eq!(document["openapi"], "3.1.0");
    let text = document.to_string();
    let mut ids = std::collections::BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{method} {path}: {id} twice");
        }
    }
    assert!(ids.contains("post_keys_id_rotate"), "{ids:?}");
    let references = text.split("\"$ref\":\"#/components/schemas/").skip(1);
    for name in references.map(|rest| rest.split('"').next().unwrap()) {
        assert!(
            document["components"]["schemas"].get(name).is_some(),
            "{name}"
        );
    }
    assert!(
        !text.contains("\"hash\":{\"$ref\""),
        "hashes of secrets are no part of the API"
    );
}
