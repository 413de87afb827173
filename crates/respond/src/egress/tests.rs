//! What may be called, and what never is.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use async_trait::async_trait;

use super::{Destination, Egress, EgressConfig, EgressError, OutgoingRequest, Resolve};

/// Every name resolves to these.
struct Fixed(Vec<IpAddr>);

#[async_trait]
impl Resolve for Fixed {
    async fn resolve(&self, _host: &str, _port: u16) -> std::io::Result<Vec<IpAddr>> {
        Ok(self.0.clone())
    }
}

fn egress(config: EgressConfig, addresses: &[&str]) -> Egress {
    let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
    Egress::new(config, Arc::new(Fixed(addresses))).unwrap()
}

async fn refusal(egress: &Egress, url: &str) -> String {
    let outcome = match Destination::parse(url) {
        Ok(to) => egress.check(&to).await.map(|a| a.to_string()),
        Err(error) => Err(error),
    };
    match outcome {
        Err(EgressError::Refused(why)) => why,
        other => panic!("{url} was not refused: {other:?}"),
    }
}

#[tokio::test]
async fn metadata_and_link_local_addresses_are_refused_in_every_spelling() {
    let everything = EgressConfig {
        allow_addresses: vec!["0.0.0.0/0".into(), "::/0".into()],
        allow_http: true,
        ..EgressConfig::default()
    };
    let egress = egress(everything, &["93.184.215.14"]);
    for url in [
        "http://169.254.169.254/latest/meta-data/",
        "http://169.254.170.2/",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://0251.0376.0251.0376/",
        "http://169.254.43518/",
        "http://169.16689662/",
        "http://0xa9.0xfe.0xa9.0xfe/",
        "http://0xA9FEA9FE/",
        "http://025177524776/",
        "http://169.254.169.254./",
        "http://169%2e254%2e169%2e254/",
        "http://①⑥⑨.②⑤④.①⑥⑨.②⑤④/",
        "http://169。254。169。254/",
        "http://[::169.254.169.254]/",
        "http://[::ffff:0:a9fe:a9fe]/",
        "http://[2001:db8::5efe:a9fe:a9fe]/",
        "http://[0:0:0:0:0:ffff:a9fe:a9fe]/",
        "http://[fd00:0ec2:0:0:0:0:0:0254]/",
        "http://[fd20:ce::254]/",
        "http://[fe80::a9fe:a9fe]/",
        "http://[4000::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[2002:a9fe:a9fe::1]/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
        "http://100.100.100.200/",
        "http://0.0.0.0/",
        "http://[::]/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "https://user:pass@example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
    ] {
        refusal(&egress, url).await;
    }
}

#[tokio::test]
async fn a_name_is_judged_by_every_address_it_resolves_to() {
    for addresses in [
        &["169.254.169.254"][..],
        &["93.184.215.14", "169.254.169.254"],
        &["93.184.215.14", "10.0.0.7"],
        &["127.0.0.1"],
        &["::1"],
        &["::ffff:10.0.0.1"],
    ] {
        let egress = egress(EgressConfig::default(), addresses);
        refusal(&egress, "https://hooks.example.com/x").await;
    }
    let public = egress(EgressConfig::default(), &["93.184.215.14"]);
    let to = Destination::parse("https://hooks.example.com/x").unwrap();
    assert_eq!(
        public.check(&to).await.unwrap().to_string(),
        "93.184.215.14:443"
    );
    refusal(&public, "http://hooks.example.com/x").await;
}

#[tokio::test]
async fn loopback_and_private_networks_have_to_be_listed() {
    let plain = egress(EgressConfig::default(), &[]);
    assert!(
        refusal(&plain, "https://127.0.0.1/")
            .await
            .contains("allow_addresses")
    );
    refusal(&plain, "https://192.168.1.4/").await;
    let listed = EgressConfig {
        allow_addresses: vec!["127.0.0.1".into(), "10.2.0.0/16".into()],
        allow_http: true,
        ..EgressConfig::default()
    };
    let listed = egress(listed, &[]);
    for (url, address) in [
        ("http://127.0.0.1:9/x", "127.0.0.1:9"),
        ("https://10.2.3.4/", "10.2.3.4:443"),
    ] {
        let to = Destination::parse(url).unwrap();
        assert_eq!(listed.check(&to).await.unwrap().to_string(), address);
    }
    refusal(&listed, "https://10.3.0.1/").await;
    refusal(&listed, "https://127.0.0.2/").await;
}

#[tokio::test]
async fn hosts_are_allowed_by_name_when_there_is_a_list() {
    let config = EgressConfig {
        allow_hosts: vec!["hooks.slack.com".into(), "*.corp.example".into()],
        ..EgressConfig::default()
    };
    let egress = egress(config, &["93.184.215.14"]);
    for url in ["https://hooks.slack.com./a", "https://a.b.corp.example/"] {
        egress
            .check(&Destination::parse(url).unwrap())
            .await
            .unwrap();
    }
    for url in [
        "https://corp.example/",
        "https://evilcorp.example/",
        "https://hooks.slack.com.evil.example/",
    ] {
        refusal(&egress, url).await;
    }
}

#[tokio::test]
async fn a_refused_request_never_opens_a_connection() {
    let egress = egress(EgressConfig::default(), &["169.254.169.254"]);
    let request = OutgoingRequest {
        url: "https://internal.example/hook".into(),
        ..OutgoingRequest::default()
    };
    assert!(matches!(
        egress.send(request).await,
        Err(EgressError::Refused(_))
    ));
}

/// Says something else every time it is asked.
struct Rebinding {
    answers: Vec<IpAddr>,
    asked: AtomicUsize,
}

#[async_trait]
impl Resolve for Rebinding {
    async fn resolve(&self, _host: &str, _port: u16) -> std::io::Result<Vec<IpAddr>> {
        let at = self.asked.fetch_add(1, SeqCst);
        Ok(vec![self.answers[at.min(self.answers.len() - 1)]])
    }
}

/// Answers every request with these bytes, and counts them.
fn server(answer: &'static [u8]) -> (u16, Arc<AtomicUsize>) {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut buffer = [0; 4_096];
            let _ = stream.read(&mut buffer);
            counted.fetch_add(1, SeqCst);
            let _ = stream.write_all(answer);
        }
    });
    (port, count)
}

fn loopback() -> EgressConfig {
    EgressConfig {
        allow_addresses: vec!["127.0.0.1".into()],
        allow_http: true,
        ..EgressConfig::default()
    }
}

#[tokio::test]
async fn the_connection_goes_to_the_address_that_was_checked() {
    let (port, count) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let answers = ["127.0.0.1", "169.254.169.254"].map(|a| a.parse().unwrap());
    let resolver = Arc::new(Rebinding {
        answers: answers.into(),
        asked: AtomicUsize::new(0),
    });
    let egress = Egress::new(loopback(), Arc::clone(&resolver) as _).unwrap();
    let request = || OutgoingRequest {
        url: format!("http://rebind.example:{port}/hook"),
        ..OutgoingRequest::default()
    };
    assert_eq!(egress.send(request()).await.unwrap().status, 200);
    assert_eq!(
        resolver.asked.load(SeqCst),
        1,
        "resolved once, connected to that"
    );
    // The next request is checked anew, and meets what the name has become.
    let refused = egress.send(request()).await;
    assert!(
        matches!(refused, Err(EgressError::Refused(_))),
        "{refused:?}"
    );
    assert_eq!(count.load(SeqCst), 1);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (port, count) = server(
        b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest/\r\ncontent-length: 0\r\n\r\n",
    );
    let egress = egress(loopback(), &[]);
    let answer = egress.send(OutgoingRequest {
        url: format!("http://127.0.0.1:{port}/hook"),
        ..OutgoingRequest::default()
    });
    assert_eq!(answer.await.unwrap().status, 302);
    assert_eq!(count.load(SeqCst), 1);
}

#[tokio::test]
async fn a_mail_server_is_checked_as_well() {
    let egress = egress(loopback(), &["169.254.169.254"]);
    for host in ["169.254.169.254", "smtp.internal.example", "2852039166"] {
        let to = Destination {
            host: host.to_owned(),
            port: 25,
            is_tls: true,
            path: String::new(),
        };
        assert!(
            matches!(egress.connect(&to).await, Err(EgressError::Refused(_))),
            "{host}"
        );
    }
}
