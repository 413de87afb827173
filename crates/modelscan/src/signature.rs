//! Signatures of models: an OpenSSF model signing bundle (`model_signing`: a Sigstore bundle with a
//! DSSE envelope over an in-toto statement) against a public key.
//!
//! The signature says which files with which digests belong to the model; whether they are the
//! files at hand is compared by who reads them. Keys: Ed25519, ECDSA on P-256 and P-384. Left out:
//! certificates and transparency logs of keyless signing, P-521 and RSA; these are refused by name.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
const PREDICATES: [&str; 2] = [
    "https://model_signing/signature/v1.0",
    "https://model_signing/signature/v1.1",
];

/// Why a signature is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureError(String);

impl std::fmt::Display for SignatureError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SignatureError {}

fn refused<T>(reason: impl Into<String>) -> Result<T, SignatureError> {
    Err(SignatureError(reason.into()))
}

/// A public key.
pub struct PublicKey {
    algorithm: &'static dyn VerificationAlgorithm,
    name: &'static str,
    bytes: Vec<u8>,
    spki: Vec<u8>,
}

/// Begin of a SubjectPublicKeyInfo (RFC 5480, RFC 8410) up to the key itself.
const ED25519: &[u8] = &[
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const P384: &[u8] = &[
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
    0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
];

impl PublicKey {
    /// Reads a key from PEM (`-----BEGIN PUBLIC KEY-----`).
    ///
    /// # Errors
    /// If it is no such key, or of a kind that is not verified here.
    pub fn from_pem(text: &str) -> Result<Self, SignatureError> {
        let body = text
            .split_once("-----BEGIN PUBLIC KEY-----")
            .and_then(|(_, rest)| rest.split_once("-----END PUBLIC KEY-----"));
        let Some((body, _)) = body else {
            return refused("the key is no PEM file with a PUBLIC KEY");
        };
        let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        let Ok(spki) = STANDARD.decode(body) else {
            return refused("the key's PEM is no base64");
        };
        let kinds: [(&[u8], &'static dyn VerificationAlgorithm, &str, usize); 3] = [
            (ED25519, &signature::ED25519, "Ed25519", 32),
            (P256, &signature::ECDSA_P256_SHA256_ASN1, "ECDSA P-256", 65),
            (P384, &signature::ECDSA_P384_SHA384_ASN1, "ECDSA P-384", 97),
        ];
        for (prefix, algorithm, name, length) in kinds {
            if let Some(bytes) = spki.strip_prefix(prefix)
                && bytes.len() == length
            {
                let bytes = bytes.to_vec();
                return Ok(Self {
                    algorithm,
                    name,
                    bytes,
                    spki,
                });
            }
        }
        refused("the key is neither Ed25519 nor ECDSA on P-256 or P-384, uncompressed")
    }

    /// What kind of key.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.name
    }

    /// SHA-256 of the key, hexadecimal: the `Signer` of the audit log.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hexadecimal(&Sha256::digest(&self.spki))
    }

    /// Whether a signature over a message is by this key.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(self.algorithm, &self.bytes);
        key.verify(message, signature).is_ok()
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a signature says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedModel {
    /// SHA-256 by path.
    pub files: BTreeMap<String, String>,
    /// Paths that the signer left out.
    pub ignored: Vec<String>,
}

/// Verifies a bundle; what it says about the model's files.
///
/// # Errors
/// If it is none, is not signed by the key, or contradicts itself.
pub fn verify_bundle(bundle: &str, key: &PublicKey) -> Result<SignedModel, SignatureError> {
    let Ok(bundle) = serde_json::from_str::<Value>(bundle) else {
        return refused("the bundle is no JSON");
    };
    let Some(envelope) = bundle.get("dsseEnvelope") else {
        return refused("the bundle has no DSSE envelope");
    };
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let kind = text(envelope, "payloadType").unwrap_or_default();
    if kind != PAYLOAD_TYPE {
        return refused(format!(
            "the envelope holds {kind:?}, not an in-toto statement"
        ));
    }
    let Some(payload) = text(envelope, "payload").and_then(|text| decode(&text)) else {
        return refused("the envelope's payload is no base64");
    };
    let signatures = envelope.get("signatures").and_then(Value::as_array);
    let message = pre_authentication(&kind, &payload);
    let is_signed = signatures.into_iter().flatten().any(|signature| {
        let bytes = text(signature, "sig").and_then(|text| decode(&text));
        bytes.is_some_and(|bytes| key.verifies(&message, &bytes))
    });
    if !is_signed {
        return refused(format!("no signature is by this {} key", key.kind()));
    }
    let Ok(statement) = serde_json::from_slice::<Value>(&payload) else {
        return refused("the signed statement is no JSON");
    };
    statement_of(&statement)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD
        .decode(text)
        .or_else(|_| URL_SAFE.decode(text))
        .ok()
}

/// What DSSE signs: type and payload with their lengths.
fn pre_authentication(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message
}

fn statement_of(statement: &Value) -> Result<SignedModel, SignatureError> {
    let kind = statement
        .get("predicateType")
        .and_then(Value::as_str)
        .unwrap_or("");
    if !PREDICATES.contains(&kind) {
        return refused(format!(
            "the statement is about {kind:?}, not a model's signature"
        ));
    }
    let resources = statement
        .pointer("/predicate/resources")
        .and_then(Value::as_array);
    let mut files = BTreeMap::new();
    let mut root = Sha256::new();
    for resource in resources.into_iter().flatten() {
        let member = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or("");
        let (name, digest, algorithm) = (member("name"), member("digest"), member("algorithm"));
        if algorithm != "sha256" {
            return refused(format!(
                "{name}: digests by {algorithm:?} are not compared here"
            ));
        }
        let Some(bytes) = bytes_of(digest).filter(|bytes| bytes.len() == 32) else {
            return refused(format!("{name}: its digest is no SHA-256"));
        };
        root.update(&bytes);
        if files
            .insert(name.to_owned(), digest.to_ascii_lowercase())
            .is_some()
        {
            return refused(format!("{name} stands twice"));
        }
    }
    if files.is_empty() {
        return refused("the statement lists no files");
    }
    let subject = statement
        .pointer("/subject/0/digest/sha256")
        .and_then(Value::as_str);
    if subject.map(str::to_ascii_lowercase) != Some(hexadecimal(&root.finalize())) {
        return refused("the statement's digest is not that of the files that it lists");
    }
    let ignored = statement.pointer("/predicate/serialization/ignore_paths");
    let ignored = ignored.and_then(Value::as_array).into_iter().flatten();
    Ok(SignedModel {
        files,
        ignored: ignored
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
    })
}

fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
