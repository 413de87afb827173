use atalaya_model::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::{Claims, Issuer, JwtError, KeySet};

const NOW_S: i64 = 1_800_000_000;

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        let document = document.unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random);
        Self(pair.unwrap())
    }

    fn keys(&self) -> KeySet {
        let point = self.0.public_key().as_ref();
        let part = |from: usize| URL_SAFE_NO_PAD.encode(&point[from..from + 32]);
        let keys = json!({"keys": [{"kty": "oct", "k": "AAAA"},
            {"kty": "EC", "crv": "P-256", "kid": "k1", "use": "sig", "x": part(1), "y": part(33)}]});
        KeySet::parse(&keys.to_string()).unwrap()
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self
            .0
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

fn issuer() -> Issuer {
    Issuer {
        issuer: "https://id.example".into(),
        audiences: vec!["models".into()],
        jwks: String::new(),
        caller_claim: "sub".into(),
        team_claim: Some("groups".into()),
        agent_claim: None,
        leeway_s: 60,
    }
}

#[test]
fn tokens_are_accepted_only_whole_in_time_and_for_us() {
    let signer = Signer::new();
    let keys = signer.keys();
    let header = json!({"alg": "ES256", "kid": "k1"});
    let good = json!({"iss": "https://id.example", "aud": ["x", "models"], "sub": "ana",
        "exp": NOW_S + 10, "groups": ["red", "blue"], "jti": "j1"});
    let check = |header: &Value, claims: &Value| {
        let token = signer.token(header, claims);
        keys.verify(&token, &issuer(), Timestamp(NOW_S * 1_000_000))
    };
    let accepted = Claims {
        caller: "ana".into(),
        team: "red".into(),
        agent: String::new(),
        id: "j1".into(),
    };
    assert_eq!(check(&header, &good), Ok(accepted));
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    for (claims, expected) in [
        (with("iss", json!("https://evil.example")), JwtError::Issuer),
        (with("aud", json!("others")), JwtError::Audience),
        (with("aud", Value::Null), JwtError::Audience),
        (with("exp", json!(NOW_S - 60)), JwtError::Time),
        (with("exp", Value::Null), JwtError::Time),
        (with("nbf", json!(NOW_S + 61)), JwtError::Time),
        (with("nbf", json!("soon")), JwtError::Time),
        (with("sub", json!("")), JwtError::Caller),
    ] {
        assert_eq!(check(&header, &claims), Err(expected), "{claims}");
    }
    for (header, expected) in [
        (json!({"alg": "none"}), JwtError::UnknownKey),
        (json!({"alg": "HS256", "kid": "k1"}), JwtError::UnknownKey),
        (json!({"alg": "RS256", "kid": "k1"}), JwtError::UnknownKey),
        (
            json!({"alg": "ES256", "kid": "other"}),
            JwtError::UnknownKey,
        ),
        (json!({"alg": "ES256", "crit": ["x"]}), JwtError::UnknownKey),
        (json!({"kid": "k1"}), JwtError::Malformed),
    ] {
        assert_eq!(check(&header, &good), Err(expected), "{header}");
    }
}

#[test]
fn a_token_that_was_changed_is_refused() {
    let signer = Signer::new();
    let claims =
        json!({"iss": "https://id.example", "aud": "models", "sub": "ana", "exp": NOW_S + 10});
    let header = json!({"alg": "ES256"});
    let token = signer.token(&header, &claims);
    let verify = |token: &str| {
        signer
            .keys()
            .verify(token, &issuer(), Timestamp(NOW_S * 1_000_000))
    };
    assert!(verify(&token).is_ok());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let forged =
        json!({"iss": "https://id.example", "aud": "models", "sub": "root", "exp": NOW_S + 10});
    let forged = format!("{}.{}.{signature}", encode(&header), encode(&forged));
    assert_eq!(verify(&forged), Err(JwtError::Signature));
    assert_eq!(verify(&format!("{signed}.")), Err(JwtError::Signature));
    assert_eq!(
        verify(&Signer::new().token(&header, &claims)),
        Err(JwtError::Signature)
    );
    for malformed in ["", ".", "a.b", "a.b.c", "....", "é.é.é"] {
        assert_eq!(verify(malformed), Err(JwtError::Malformed), "{malformed}");
    }
}
