//! Signed tokens (RFC 7519, RFC 7515) of an issuer whose keys are known (RFC 7517).
//!
//! Strict: the algorithm must be one that the key's type allows, so that neither `none` nor a
//! symmetric algorithm over a public key is ever accepted (RFC 8725 section 3.1); issuer and
//! expiry are always checked, the audience whenever one is configured. The signatures are checked
//! by `ring`, which TLS uses already: a library of its own would bring a second cryptography.
//!
//! Left out: encrypted tokens, keys inside of tokens (`jwk`, `x5c`), and `crit` extensions, which
//! are refused.

use atalaya_model::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest token, bytes.
const TOKEN_BYTES_MAX: usize = 16 << 10;
/// Most keys of one issuer.
const KEYS_MAX: usize = 128;
/// Smallest RSA modulus, bytes (2048 bits, RFC 7518 section 3.3).
const RSA_BYTES_MIN: usize = 256;

/// Who signs tokens, and how their claims are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// The `iss` claim.
    pub issuer: String,
    /// The `aud` claim must name one of these; not checked if empty.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// Where its keys are (JWKS): a file, or a URL that is fetched and kept.
    pub jwks: String,
    /// Claim that becomes `UserId`.
    #[serde(default = "sub")]
    pub caller_claim: String,
    /// Claim that becomes the team; a list counts with its first entry.
    #[serde(default)]
    pub team_claim: Option<String>,
    /// Claim that becomes `AgentId`.
    #[serde(default)]
    pub agent_claim: Option<String>,
    /// How far clocks may be apart, seconds.
    #[serde(default = "leeway")]
    pub leeway_s: u64,
}

fn sub() -> String {
    "sub".to_owned()
}

const fn leeway() -> u64 {
    60
}

/// Why a token is not accepted. Nothing of the token is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Not three parts of base64url with JSON in them.
    #[error("the token is malformed")]
    Malformed,
    /// No key of the issuer fits, or the algorithm is not allowed.
    #[error("the token is signed with a key or an algorithm that is not known")]
    UnknownKey,
    /// The signature is wrong.
    #[error("the token's signature is wrong")]
    Signature,
    /// Another issuer.
    #[error("the token is of another issuer")]
    Issuer,
    /// For somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// Too old, too young, or without an end.
    #[error("the token is not valid at this time")]
    Time,
    /// The claim that names the caller is missing.
    #[error("the token names no caller")]
    Caller,
}

/// What a token says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The caller.
    pub caller: String,
    /// Its team.
    pub team: String,
    /// Its agent.
    pub agent: String,
    /// `jti`, or empty.
    pub id: String,
}

enum PublicKey {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

struct Key {
    id: Option<String>,
    algorithm: Option<String>,
    public: PublicKey,
}

/// The keys of an issuer.
#[derive(Default)]
pub struct KeySet(Vec<Key>);

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeySet({} keys)", self.0.len())
    }
}

impl KeySet {
    /// Reads a JWKS document; keys that cannot sign tokens are passed over.
    ///
    /// # Errors
    /// If it is no JWKS, or holds no key that can be used.
    pub fn parse(text: &str) -> Result<Self, String> {
        let document: Value =
            serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        let keys = document["keys"]
            .as_array()
            .ok_or("there is no `keys` in it")?;
        let keys: Vec<Key> = keys.iter().take(KEYS_MAX).filter_map(key).collect();
        if keys.is_empty() {
            return Err("it holds no RSA, EC (P-256, P-384) or Ed25519 key for signatures".into());
        }
        Ok(Self(keys))
    }

    /// Whether a key of that id is there.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// Checks a token's signature, issuer, audience and times.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self, token: &str, issuer: &Issuer, now: Timestamp) -> Result<Claims, JwtError> {
        let parts = Parts::of(token)?;
        let header: Value =
            serde_json::from_slice(&parts.header).map_err(|_| JwtError::Malformed)?;
        if header.get("crit").is_some() {
            return Err(JwtError::UnknownKey);
        }
        let algorithm = header["alg"].as_str().ok_or(JwtError::Malformed)?;
        let id = header["kid"].as_str();
        let mut outcome = Err(JwtError::UnknownKey);
        let fitting = self.0.iter().filter(|key| key.fits(id, algorithm));
        for key in fitting {
            outcome = key.check(algorithm, parts.signed, &parts.signature);
            if outcome.is_ok() {
                break;
            }
        }
        outcome?;
        let claims: Value =
            serde_json::from_slice(&parts.claims).map_err(|_| JwtError::Malformed)?;
        accept(&claims, issuer, now)
    }
}

/// The key id in a token's header, unchecked: to know whether the keys must be fetched again.
pub(crate) fn key_id(token: &str) -> Option<String> {
    let parts = Parts::of(token).ok()?;
    let header: Value = serde_json::from_slice(&parts.header).ok()?;
    header["kid"].as_str().map(str::to_owned)
}

/// The issuer in a token's claims, unchecked: to know whose keys to take.
pub(crate) fn issuer_of(token: &str) -> Option<String> {
    let parts = Parts::of(token).ok()?;
    let claims: Value = serde_json::from_slice(&parts.claims).ok()?;
    claims["iss"].as_str().map(str::to_owned)
}

impl Issuer {
    /// Whether a token says that it is of this issuer, and the key it names; both unchecked.
    #[must_use]
    pub fn claims(&self, token: &str) -> Option<Option<String>> {
        (issuer_of(token)? == self.issuer).then(|| key_id(token))
    }
}

struct Parts<'t> {
    header: Vec<u8>,
    claims: Vec<u8>,
    signature: Vec<u8>,
    signed: &'t [u8],
}

impl<'t> Parts<'t> {
    fn of(token: &'t str) -> Result<Self, JwtError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(JwtError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(JwtError::Malformed)?;
        let decode = |part: &str| {
            URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| JwtError::Malformed)
        };
        Ok(Self {
            header: decode(header)?,
            claims: decode(claims)?,
            signature: decode(signature)?,
            signed: signed.as_bytes(),
        })
    }
}

fn accept(claims: &Value, issuer: &Issuer, now: Timestamp) -> Result<Claims, JwtError> {
    if claims["iss"].as_str() != Some(issuer.issuer.as_str()) {
        return Err(JwtError::Issuer);
    }
    if !issuer.audiences.is_empty() {
        let is_ours = |audience: &Value| {
            let audience = audience.as_str();
            audience.is_some_and(|audience| issuer.audiences.iter().any(|ours| ours == audience))
        };
        let fits = match &claims["aud"] {
            Value::Array(several) => several.iter().any(is_ours),
            one => is_ours(one),
        };
        if !fits {
            return Err(JwtError::Audience);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^52")]
    let (now_s, leeway) = ((now.0 / 1_000_000) as f64, issuer.leeway_s as f64);
    let expires = claims["exp"].as_f64().ok_or(JwtError::Time)?;
    let begins = match &claims["nbf"] {
        Value::Null => f64::MIN,
        other => other.as_f64().ok_or(JwtError::Time)?,
    };
    if now_s >= expires + leeway || now_s < begins - leeway {
        return Err(JwtError::Time);
    }
    let text = |claim: &str| match &claims[claim] {
        Value::Array(several) => several.first().and_then(Value::as_str).unwrap_or(""),
        one => one.as_str().unwrap_or(""),
    };
    let named = |claim: &Option<String>| claim.as_deref().map_or("", text).to_owned();
    let caller = text(&issuer.caller_claim);
    if caller.is_empty() {
        return Err(JwtError::Caller);
    }
    Ok(Claims {
        caller: caller.to_owned(),
        team: named(&issuer.team_claim),
        agent: named(&issuer.agent_claim),
        id: text("jti").to_owned(),
    })
}

fn key(value: &Value) -> Option<Key> {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    if text("use").is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(value[name].as_str()?).ok();
    let point = |length: usize| {
        let (x, y) = (bytes("x")?, bytes("y")?);
        // Uncompressed (SEC 1 section 2.3.3).
        (x.len() == length && y.len() == length).then(|| [&[4][..], &x, &y].concat())
    };
    let public = match (value["kty"].as_str()?, value["crv"].as_str()) {
        ("RSA", _) => {
            let n = bytes("n")?;
            let n: Vec<u8> = n.into_iter().skip_while(|byte| *byte == 0).collect();
            if n.len() < RSA_BYTES_MIN {
                return None;
            }
            PublicKey::Rsa { n, e: bytes("e")? }
        }
        ("EC", Some("P-256")) => PublicKey::P256(point(32)?),
        ("EC", Some("P-384")) => PublicKey::P384(point(48)?),
        ("OKP", Some("Ed25519")) => PublicKey::Ed25519(bytes("x")?),
        _ => return None,
    };
    Some(Key {
        id: text("kid"),
        algorithm: text("alg"),
        public,
    })
}

impl Key {
    fn fits(&self, id: Option<&str>, algorithm: &str) -> bool {
        let same_id = id.is_none() || self.id.is_none() || id == self.id.as_deref();
        let named = self.algorithm.as_deref().is_none_or(|own| own == algorithm);
        same_id && named
    }

    fn check(&self, algorithm: &str, signed: &[u8], given: &[u8]) -> Result<(), JwtError> {
        let wrong = |_| JwtError::Signature;
        let simple = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key)
                .verify(signed, given)
                .map_err(wrong)
        };
        match (&self.public, algorithm) {
            (PublicKey::P256(key), "ES256") => simple(&signature::ECDSA_P256_SHA256_FIXED, key),
            (PublicKey::P384(key), "ES384") => simple(&signature::ECDSA_P384_SHA384_FIXED, key),
            (PublicKey::Ed25519(key), "EdDSA" | "Ed25519") => simple(&signature::ED25519, key),
            (PublicKey::Rsa { n, e }, name) => {
                let parameters = match name {
                    "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
                    "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
                    "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
                    "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
                    "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
                    "PS512" => &signature::RSA_PSS_2048_8192_SHA512,
                    _ => return Err(JwtError::UnknownKey),
                };
                let components = RsaPublicKeyComponents { n, e };
                components.verify(parameters, signed, given).map_err(wrong)
            }
            _ => Err(JwtError::UnknownKey),
        }
    }
}

#[cfg(test)]
mod tests;
