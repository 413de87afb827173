//! Bundles of model signing, made with fresh keys.

use atalaya_modelscan::{PublicKey, verify_bundle};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

fn pem(prefix: &[u8], key: &[u8]) -> String {
    let body = STANDARD.encode([prefix, key].concat());
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn statement() -> Value {
    let digests = [Sha256::digest(b"weights"), Sha256::digest(b"config")];
    let root = Sha256::digest(digests.concat());
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "model", "digest": {"sha256": hex(&root)}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "ignore_paths": ["model.sig"]},
            "resources": [
                {"name": "model.safetensors", "algorithm": "sha256", "digest": hex(&digests[0])},
                {"name": "config.json", "algorithm": "sha256", "digest": hex(&digests[1])},
            ],
        },
    })
}

fn bundle(statement: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> Value {
    let payload = statement.to_string();
    let kind = "application/vnd.in-toto+json";
    let message = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": "x"}},
        "dsseEnvelope": {
            "payload": STANDARD.encode(&payload),
            "payloadType": kind,
            "signatures": [{"sig": STANDARD.encode(sign(message.as_bytes()))}],
        },
    })
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "keys of three kinds are made and tried in one go"
)]
fn bundles_of_every_kind_of_key_verify_and_altered_ones_do_not() {
    let random = SystemRandom::new();
    let p256 = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let p384 = &ECDSA_P384_SHA384_ASN1_SIGNING;
    let edwards =
        Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref())
            .unwrap();
    let ecdsa = |algorithm| {
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap()
    };
    let (p256, p384) = (ecdsa(p256), ecdsa(p384));
    let oid = |curve: &[u8], lengths: [u8; 2]| {
        [
            &[
                0x30, lengths[0], 0x30, lengths[1], 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
                0x01,
            ][..],
            curve,
        ]
        .concat()
    };
    let p256_prefix = oid(
        &[
            0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0,
        ],
        [0x59, 0x13],
    );
    let p384_prefix = oid(
        &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0],
        [0x76, 0x10],
    );
    let ed_prefix = [
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ];
    let statement = statement();
    let with = |key: &EcdsaKeyPair, message: &[u8]| {
        key.sign(&SystemRandom::new(), message)
            .unwrap()
            .as_ref()
            .to_vec()
    };
    let cases = [
        (
            pem(&ed_prefix, edwards.public_key().as_ref()),
            bundle(&statement, |m| edwards.sign(m).as_ref().to_vec()),
        ),
        (
            pem(&p256_prefix, p256.public_key().as_ref()),
            bundle(&statement, |m| with(&p256, m)),
        ),
        (
            pem(&p384_prefix, p384.public_key().as_ref()),
            bundle(&statement, |m| with(&p384, m)),
        ),
    ];
    for (number, (key, bundle)) in cases.iter().enumerate() {
        let key = PublicKey::from_pem(key).unwrap();
        let model = verify_bundle(&bundle.to_string(), &key).unwrap();
        assert_eq!(model.files.len(), 2);
        assert_eq!(model.ignored, ["model.sig"]);
        let other = PublicKey::from_pem(&cases[(number + 1) % 3].0).unwrap();
        assert!(verify_bundle(&bundle.to_string(), &other).is_err());
        let mut altered = bundle.clone();
        let payload = statement.to_string().replace("config.json", "konfig.json");
        altered["dsseEnvelope"]["payload"] = STANDARD.encode(payload).into();
        assert!(verify_bundle(&altered.to_string(), &key).is_err());
    }
    // Signed, but its digest is not that of its files.
    let mut wrong = statement.clone();
    wrong["subject"][0]["digest"]["sha256"] = "00".repeat(32).into();
    let wrong = bundle(&wrong, |m| edwards.sign(m).as_ref().to_vec());
    let key = PublicKey::from_pem(&cases[0].0).unwrap();
    let error = verify_bundle(&wrong.to_string(), &key)
        .unwrap_err()
        .to_string();
    assert!(error.contains("digest"), "{error}");
    for text in ["", "{}", r#"{"dsseEnvelope":{}}"#] {
        assert!(verify_bundle(text, &key).is_err());
    }
    assert!(
        PublicKey::from_pem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----").is_err()
    );
}
