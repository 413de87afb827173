//! Who calls, over sockets: client certificates, and tokens whose issuer's keys lie behind a URL.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use atalaya_access::Issuer;
use atalaya_gateway::config::TlsFiles;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::bench::{ANSWER, Bench, CHAT, Setup, chat, setup};
use crate::callers::key;
use crate::upstream::Script;

fn file(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
    folder.join(name)
}

/// A gateway that speaks TLS and knows the authority of its callers.
pub(crate) fn with_tls() -> Setup {
    let mut setup = setup();
    setup.config.tls = Some(TlsFiles {
        certificate: file("server.pem"),
        key: file("server.key"),
        client_ca: Some(file("authority.pem")),
    });
    setup
}

/// A connection, with that certificate and protocol.
pub(crate) async fn connect(
    bench: &Bench,
    who: Option<&str>,
    alpn: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(file("authority.pem")).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match who {
        None => config.with_no_client_auth(),
        Some(who) => {
            let chain = vec![CertificateDer::from_pem_file(file(&format!("{who}.pem"))).unwrap()];
            let key = PrivateKeyDer::from_pem_file(file(&format!("{who}.key"))).unwrap();
            config.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let stream = TcpStream::connect(bench.gateway.addresses()[0]).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

/// The status of one call; 0 if the connection was closed.
async fn call(bench: &Bench, who: Option<&str>, headers: &str) -> u16 {
    let asked = async {
        let mut stream = connect(bench, who, "http/1.1").await?;
        let body = chat("hello");
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body).await?;
        let mut answer = Vec::new();
        // A close without notice is fine after a whole answer.
        let _ = stream.read_to_end(&mut answer).await;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = asked.await.unwrap_or_default();
    answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0)
}

#[tokio::test]
async fn a_certificate_is_an_identity_and_a_strangers_is_none() {
    let bench = Bench::with(Script::Answer(200, ANSWER), with_tls()).await;
    assert_eq!(call(&bench, Some("caller"), "").await, 200);
    let (decision, _) = bench.call_record().await;
    assert_eq!(decision["UserId"], "spiffe://example.org/ana");
    assert_eq!(decision["TeamId"], "red");
    assert_eq!(decision["CallerKeyId"].as_str().unwrap().len(), 16);
    // The authority does not know this one, whatever it says of itself.
    assert_eq!(call(&bench, Some("stranger"), "").await, 0);
    // Without a certificate the connection stands, but not without a proof.
    assert_eq!(call(&bench, None, "").await, 401);
    assert_eq!(bench.upstream.received().len(), 1);
}

#[tokio::test]
async fn a_key_counts_where_there_is_a_certificate_too() {
    let (key, secret) = key("key_1", "eva");
    let setup = with_tls();
    setup.access.replace(atalaya_access::Snapshot::new(
        vec![key],
        Vec::new(),
        Vec::new(),
    ));
    let bench = Bench::with(Script::Answer(200, ANSWER), setup).await;
    let headers = format!("x-atalaya-key: {secret}\r\n");
    assert_eq!(call(&bench, Some("caller"), &headers).await, 200);
    assert_eq!(bench.call_record().await.0["UserId"], "eva");
}

/// An issuer: what it signs with, and what it says that its keys are.
struct Signer {
    pair: EcdsaKeyPair,
    id: &'static str,
}

impl Signer {
    fn new(id: &'static str) -> Self {
        let random = SystemRandom::new();
        let way = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(way, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(way, document.as_ref(), &random).unwrap();
        Self { pair, id }
    }

    fn key(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let part = |from: usize| URL_SAFE_NO_PAD.encode(&point[from..from + 32]);
        json!({"kty": "EC", "crv": "P-256", "kid": self.id, "use": "sig", "x": part(1), "y": part(33)})
    }

    fn bearer(&self) -> String {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = encode(json!({"alg": "ES256", "kid": self.id}));
        let claims = encode(
            json!({"iss": "https://id.example", "aud": "models", "sub": "ana", "iat": now, "exp": now + 600}),
        );
        let signed = format!("{head}.{claims}");
        let random = SystemRandom::new();
        let signature = self.pair.sign(&random, signed.as_bytes()).unwrap();
        let signature = URL_SAFE_NO_PAD.encode(signature.as_ref());
        format!("authorization: Bearer {signed}.{signature}\r\n")
    }
}

/// A server of keys; what it serves can be changed. Without an answer it says nothing at all.
async fn serve(answer: Arc<Mutex<Option<(u16, String)>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys.json", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut head = [0; 4_096];
                let _ = stream.read(&mut head).await;
                let answer = answer.lock().unwrap().clone();
                let Some((status, body)) = answer else {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    return;
                };
                let whole = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(whole.as_bytes()).await;
            });
        }
    });
    url
}

fn with_issuer(jwks: String) -> Setup {
    let mut setup = setup();
    setup.config.callers.issuers = vec![Issuer {
        issuer: "https://id.example".into(),
        audiences: vec!["models".into()],
        jwks,
        caller_claim: "sub".into(),
        team_claim: None,
        agent_claim: None,
        leeway_s: 60,
    }];
    setup
}

/// Asks until the answer is that one, for as long as a fetch may take to be repeated.
async fn becomes(bench: &Bench, headers: &str, status: u16) -> bool {
    let end = Instant::now() + Duration::from_secs(25);
    while Instant::now() < end {
        let answer = bench.post_with(CHAT, headers, &chat("hello")).await;
        if answer.status == status {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

#[tokio::test]
async fn keys_behind_a_url_are_fetched_again_when_a_token_names_a_new_one() {
    let (first, second) = (Signer::new("k1"), Signer::new("k2"));
    let keys = |list: &[&Signer]| {
        let keys: Vec<Value> = list.iter().map(|signer| signer.key()).collect();
        Some((200, json!({"keys": keys}).to_string()))
    };
    let served = Arc::new(Mutex::new(keys(&[&first])));
    let url = serve(Arc::clone(&served)).await;
    let bench = Bench::with(Script::Answer(200, ANSWER), with_issuer(url)).await;
    assert!(becomes(&bench, &first.bearer(), 200).await);
    let unknown = bench
        .post_with(CHAT, &second.bearer(), &chat("hello"))
        .await;
    assert_eq!(unknown.status, 401);
    // The keys change hands: the new one counts, and the old one no longer does.
    *served.lock().unwrap() = keys(&[&second]);
    assert!(becomes(&bench, &second.bearer(), 200).await);
    let old = bench.post_with(CHAT, &first.bearer(), &chat("hello")).await;
    assert_eq!(old.status, 401);
}

#[tokio::test]
async fn keys_that_cannot_be_had_let_nobody_in_and_stop_nothing_else() {
    let signer = Signer::new("k1");
    for answer in [
        None,
        Some((500, String::new())),
        Some((200, "no keys".to_owned())),
        Some((302, String::new())),
    ] {
        let said = format!("{answer:?}");
        let url = serve(Arc::new(Mutex::new(answer))).await;
        let (key, secret) = key("key_1", "eva");
        let setup = with_issuer(url);
        let keys = atalaya_access::Snapshot::new(vec![key], Vec::new(), Vec::new());
        setup.access.replace(keys);
        let bench = Bench::with(Script::Answer(200, ANSWER), setup).await;
        let refused = bench
            .post_with(CHAT, &signer.bearer(), &chat("hello"))
            .await;
        assert_eq!(refused.status, 401, "{said}");
        let headers = format!("x-atalaya-key: {secret}\r\n");
        let answered = bench.post_with(CHAT, &headers, &chat("hello")).await;
        assert_eq!(answered.status, 200, "{said}");
    }
}

#[tokio::test]
async fn keys_in_force_outlive_an_outage_of_their_issuer() {
    let signer = Signer::new("k1");
    let keys = json!({"keys": [signer.key()]}).to_string();
    let served = Arc::new(Mutex::new(Some((200, keys))));
    let url = serve(Arc::clone(&served)).await;
    let bench = Bench::with(Script::Answer(200, ANSWER), with_issuer(url)).await;
    assert!(becomes(&bench, &signer.bearer(), 200).await);
    *served.lock().unwrap() = Some((500, String::new()));
    // A token of an unknown key makes the gateway ask, in vain.
    let stranger = Signer::new("k9");
    bench
        .post_with(CHAT, &stranger.bearer(), &chat("hello"))
        .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let answered = bench
        .post_with(CHAT, &signer.bearer(), &chat("hello"))
        .await;
    assert_eq!(answered.status, 200);
}
