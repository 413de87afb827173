//! Configuration of the gateway: where it listens, whom it calls, and every limit.

mod callers;
mod canaries;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use callers::{Authentication, Callers, Price};
pub use canaries::{CanaryPer, InsertedCanaries};

/// The gateway section of the configuration file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// Addresses to listen on. Loopback by default: opening it to a network is a decision.
    pub listen: Vec<SocketAddr>,
    /// Certificate and key (PEM); without them the listener speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Single-threaded workers, each with its own upstream connections; 0 means one per core.
    pub workers: usize,
    /// Model providers by name.
    pub upstreams: BTreeMap<String, Upstream>,
    /// Which calls go where; the first that matches counts.
    pub routes: Vec<Route>,
    /// Who may call, and how much.
    pub callers: Callers,
    /// Conversations over several calls.
    pub sessions: Sessions,
    /// Canaries in system prompts.
    pub canaries: InsertedCanaries,
    /// When an upstream is left alone.
    pub resilience: BreakerConfig,
    /// Limits on what comes in.
    pub limits: Limits,
    /// Time limits of the phases of a call.
    pub timeouts: Timeouts,
    /// Whether inspected text is stored in the sensitive column `PromptText`.
    pub prompt_text: PromptText,
    /// What happens to calls whose decision cannot be made durable.
    pub on_log_failure: OnLogFailure,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8400))],
            tls: None,
            workers: 0,
            upstreams: default_upstreams(),
            routes: default_routes(),
            callers: Callers::default(),
            sessions: Sessions::default(),
            canaries: InsertedCanaries::default(),
            resilience: BreakerConfig::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            prompt_text: PromptText::default(),
            on_log_failure: OnLogFailure::default(),
        }
    }
}

fn default_upstreams() -> BTreeMap<String, Upstream> {
    let upstream = |base_url: &str| Upstream {
        base_url: base_url.to_owned(),
        ..Upstream::default()
    };
    BTreeMap::from([
        (
            "anthropic".to_owned(),
            upstream("https://api.anthropic.com"),
        ),
        ("openai".to_owned(), upstream("https://api.openai.com")),
    ])
}

fn default_routes() -> Vec<Route> {
    let anthropic = |protocol: &str| Route {
        protocol: Some(protocol.to_owned()),
        ..Route::to("anthropic")
    };
    vec![
        anthropic("anthropic.messages"),
        anthropic("anthropic.count_tokens"),
        anthropic("anthropic.batches"),
        Route::to("openai"),
    ]
}

/// Certificate and key of the listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// Certificate chain, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
    /// Certificate authority (PEM) of client certificates. With it, callers can prove with a
    /// certificate who they are: the first URI, DNS or mail name in it, else its common name.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
}

/// A model provider, or anything that speaks a provider's protocol (vLLM, Ollama, …).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Upstream {
    /// Scheme, host, port and an optional path prefix, e.g. `http://127.0.0.1:11434`.
    pub base_url: String,
    /// Name for the log's `ProviderName`; the upstream's own name by default.
    pub provider: Option<String>,
    /// A key that replaces the caller's, as `${env:NAME}` or `${file:PATH}`. Sent as
    /// `Authorization: Bearer` and, for Anthropic, as `x-api-key`. Without it the caller's own
    /// credentials are passed on.
    pub api_key: Option<String>,
    /// Credentials with which calls to Amazon Bedrock are signed again (Signature Version 4) in
    /// place of the caller's signature, which would cover another host and perhaps another body.
    pub aws: Option<AwsCredentials>,
    /// A certificate authority (PEM) to trust instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// Speak HTTP/2 to it: by ALPN under TLS, with prior knowledge without.
    pub http2: bool,
}

/// Credentials for AWS, the secret ones as `${env:NAME}` or `${file:PATH}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsCredentials {
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: String,
    /// Session token of temporary credentials.
    #[serde(default)]
    pub session_token: Option<String>,
    /// Region, e.g. `eu-west-1`.
    pub region: String,
    /// Name of the service in the signature.
    #[serde(default = "default_aws_service")]
    pub service: String,
}

fn default_aws_service() -> String {
    "bedrock".to_owned()
}

/// Which calls go to which upstream; every member that is there must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Route {
    /// Name for the log; the upstream's by default.
    pub name: Option<String>,
    /// Protocol, e.g. `openai.chat`.
    pub protocol: Option<String>,
    /// The request's path starts with this; it is cut off before forwarding.
    pub path_prefix: Option<String>,
    /// Model, `*` at its end stands for any text.
    pub model: Option<String>,
    /// Where to.
    pub upstream: String,
    /// Further upstreams of the same protocol, in order: tried when no connection comes about, when
    /// an upstream answers 429 or 503, and while it is left alone.
    pub failover: Vec<String>,
}

impl Route {
    fn to(upstream: &str) -> Self {
        Self {
            upstream: upstream.to_owned(),
            ..Self::default()
        }
    }
}

/// Limits on what comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Longest request body, bytes.
    pub body_bytes_max: usize,
    /// Connections at once, over all workers; more are closed at once.
    pub connections_max: usize,
    /// Calls at once, over all workers; more are answered 503.
    pub calls_max: usize,
    /// Idle connections kept to one upstream by one worker.
    pub idle_upstream_connections_max: usize,
    /// Deepest nesting of a JSON body.
    pub json_depth_max: usize,
    /// Bodies longer than this are inspected on a thread of their own.
    pub inline_inspect_bytes_max: usize,
    /// Such bodies at the same time; further calls with one are answered 503.
    pub large_inspections_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 10 << 20,
            connections_max: 4_096,
            calls_max: 2_048,
            idle_upstream_connections_max: 256,
            json_depth_max: 96,
            inline_inspect_bytes_max: 128 << 10,
            large_inspections_max: 32,
        }
    }
}

/// Conversations over several calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// Conversations that are remembered; only those in which something was found are.
    pub sessions_max: usize,
    /// A conversation is over after so long without a call, seconds; taint ends with it.
    pub idle_s: u64,
    /// Time in which what was found before loses half of its weight, seconds; 0 keeps it.
    pub half_life_s: u64,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            sessions_max: 100_000,
            idle_s: 86_400,
            half_life_s: 3_600,
        }
    }
}

/// When an upstream is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerConfig {
    /// Failures in a row (no connection, no answer, status 500 and above) after which an upstream
    /// is left alone; 0 means never.
    pub failures_max: u32,
    /// How long, milliseconds; then one call at a time tries it again.
    pub open_ms: u64,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            failures_max: 10,
            open_ms: 5_000,
        }
    }
}

/// Time limits, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// From connecting to the end of the request head.
    pub header_ms: u64,
    /// From the request head to the end of its body.
    pub body_ms: u64,
    /// Connecting to an upstream, TLS included.
    pub connect_ms: u64,
    /// From forwarding to the head of the answer.
    pub first_byte_ms: u64,
    /// Between two pieces of an answer.
    pub idle_ms: u64,
    /// From forwarding to the end of the answer.
    pub total_ms: u64,
    /// How long a drain waits for calls to end.
    pub drain_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            header_ms: 10_000,
            body_ms: 30_000,
            connect_ms: 5_000,
            first_byte_ms: 300_000,
            idle_ms: 120_000,
            total_ms: 900_000,
            drain_ms: 25_000,
        }
    }
}

/// Whether inspected text is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PromptText {
    /// Never.
    #[default]
    Off,
    /// With secrets and personal data replaced.
    Redacted,
    /// As it came.
    Full,
}

/// What happens when a decision cannot be made durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnLogFailure {
    /// The call is refused with 503.
    #[default]
    Refuse,
    /// The call goes on; it is counted in `atalaya_unlogged_calls_total`.
    Pass,
}
