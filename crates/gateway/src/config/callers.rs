//! Who may call: authentication, entitlements, limits, prices.

use atalaya_access::{Cidr, Entitlement, Issuer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether callers must say who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    /// As soon as there is a virtual key, an issuer of tokens or a client CA, every call must
    /// authenticate; before that, everybody who reaches the listener may call.
    #[default]
    Auto,
    /// Callers may authenticate, and need not.
    Open,
    /// Every call must authenticate, also while there is no key yet.
    Required,
}

/// Who may call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Callers {
    /// `auto`: as soon as there is a virtual key (`atalaya keys create`), an issuer or a client CA,
    /// every call must authenticate; until then the listener, loopback by default, is open.
    /// `open`: never required. `required`: always.
    pub authentication: Authentication,
    /// Issuers of signed tokens (JWT, OIDC), sent as `Authorization: Bearer`.
    pub issuers: Vec<Issuer>,
    /// How often the keys of issuers are fetched again, seconds. A token that names a key nobody
    /// knows fetches them at once, at most every 10 seconds.
    pub jwks_refresh_s: u64,
    /// Addresses of proxies before the gateway whose `X-Forwarded-For` is believed: `SrcIpAddr` is
    /// the last address in it that is not one of these.
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<Cidr>,
    /// What callers and teams may use, and how much; all that cover a caller hold together, and
    /// together with what its key says.
    pub entitlements: Vec<Entitlement>,
    /// What models cost, for limits of cost and the log's `CostUsd`; the first that fits counts. A
    /// caller with a limit of cost may only use models that have a price.
    pub prices: Vec<Price>,
}

impl Default for Callers {
    fn default() -> Self {
        Self {
            authentication: Authentication::default(),
            issuers: Vec::new(),
            jwks_refresh_s: 300,
            trusted_proxies: Vec::new(),
            entitlements: Vec::new(),
            prices: Vec::new(),
        }
    }
}

/// What a model costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Model; `*` stands for any text.
    pub model: String,
    /// US dollars for a million input tokens.
    pub input_usd_per_million: f64,
    /// US dollars for a million output tokens.
    pub output_usd_per_million: f64,
    /// US dollars for a million input tokens that the provider had cached; as any input if missing.
    #[serde(default)]
    pub cached_usd_per_million: Option<f64>,
}

impl Price {
    /// US dollars for a call.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "token counts are far below 2^52"
    )]
    pub fn cost_usd(&self, input: u64, cached: u64, output: u64) -> f64 {
        let cached = cached.min(input);
        let cached_price = self
            .cached_usd_per_million
            .unwrap_or(self.input_usd_per_million);
        ((input - cached) as f64 * self.input_usd_per_million
            + cached as f64 * cached_price
            + output as f64 * self.output_usd_per_million)
            / 1_000_000.0
    }
}
