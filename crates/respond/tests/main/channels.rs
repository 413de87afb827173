//! Every kind of channel against a receiver on the loopback: what it sends, and under which key.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use atalaya_respond::actions::ActionError;
use atalaya_respond::channels::{ChannelConfig, Channels, Message, Security};
use atalaya_respond::egress::{Egress, EgressConfig, SystemResolver};

use crate::receiver;

fn egress() -> Egress {
    let config = EgressConfig {
        allow_addresses: vec!["127.0.0.1".into()],
        allow_http: true,
        ..EgressConfig::default()
    };
    Egress::new(config, Arc::new(SystemResolver)).unwrap()
}

fn message() -> Message {
    Message {
        key: "run-1/tell".into(),
        event: "notify".into(),
        title: "Burst by mallory".into(),
        text: "five attempts".into(),
        severity: "high".into(),
        incident: "i1".into(),
        runbook: "prompt-injection".into(),
        facts: BTreeMap::from([("caller".to_owned(), "mallory".to_owned())]),
        ..Message::default()
    }
}

async fn send(config: ChannelConfig) -> Result<String, ActionError> {
    let config = BTreeMap::from([("c".to_owned(), config)]);
    let channels = Channels::new(&config, &|text| Ok(text.to_owned())).unwrap();
    channels
        .find("c")
        .unwrap()
        .send(&message(), &egress())
        .await
}

#[tokio::test]
async fn every_http_channel_says_what_happened_under_the_steps_key() {
    /// Name, configuration for an address, requests that are made, header that is looked at.
    type Case = (
        &'static str,
        fn(String) -> ChannelConfig,
        usize,
        &'static str,
    );
    let cases: [Case; 6] = [
        (
            "webhook",
            |url| ChannelConfig::Webhook {
                url,
                secret: "s".into(),
            },
            1,
            "run-1/tell",
        ),
        ("slack", |url| ChannelConfig::Slack { url }, 1, "run-1/tell"),
        ("teams", |url| ChannelConfig::Teams { url }, 1, "run-1/tell"),
        (
            "pagerduty",
            |url| ChannelConfig::Pagerduty {
                routing_key: "r".into(),
                url: Some(url),
            },
            1,
            "\"dedup_key\":\"run-1/tell\"",
        ),
        // Tickets are looked for before they are made.
        (
            "jira",
            |url| ChannelConfig::Jira {
                url,
                project: "SEC".into(),
                issue_type: "Task".into(),
                user: "u".into(),
                token: "t".into(),
            },
            2,
            "atalaya-run-1-tell",
        ),
        (
            "servicenow",
            |url| ChannelConfig::Servicenow {
                url,
                user: "u".into(),
                password: "p".into(),
                table: "incident".into(),
            },
            2,
            "\"correlation_id\":\"run-1/tell\"",
        ),
    ];
    for (name, config, requests, key) in cases {
        let receiver = receiver::start(&[]);
        send(config(receiver.url.clone())).await.unwrap();
        let received = receiver.received.lock().clone();
        assert_eq!(received.len(), requests, "{name}");
        let last = received.last().unwrap();
        assert!(last.head.starts_with("POST "), "{name}");
        assert!(last.body.contains("mallory"), "{name}: {}", last.body);
        let said = format!("{}{}", last.head, last.body);
        assert!(said.contains(key), "{name}: {said}");
    }
}

#[tokio::test]
async fn a_secret_has_to_be_a_reference_that_resolves() {
    let config = BTreeMap::from([(
        "c".to_owned(),
        ChannelConfig::Webhook {
            url: "https://example.com".into(),
            secret: "written out".into(),
        },
    )]);
    let error = Channels::new(&config, &|_| Err("it must be a reference".into())).unwrap_err();
    assert!(error.starts_with("respond.channels.c:"), "{error}");
}

/// Takes one e-mail and gives back the dialogue.
fn mail_server(refuse: bool) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        stream.write_all(b"220 test\r\n").unwrap();
        let mut said = Vec::new();
        let mut is_data = false;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return said;
            }
            let line = line.trim_end().to_owned();
            said.push(line.clone());
            let answer: &[u8] = match line.split(' ').next().unwrap_or("") {
                "." if is_data => {
                    is_data = false;
                    b"250 2.0.0 queued as 7\r\n"
                }
                _ if is_data => continue,
                "EHLO" => b"250-test\r\n250 8BITMIME\r\n",
                "DATA" => {
                    is_data = true;
                    b"354 go on\r\n"
                }
                "RCPT" if refuse => b"451 try later\r\n",
                "QUIT" => b"221 bye\r\n",
                _ => b"250 ok\r\n",
            };
            stream.write_all(answer).unwrap();
        }
    });
    (address, thread)
}

fn mail(server: String, username: Option<&str>) -> ChannelConfig {
    ChannelConfig::Email {
        server,
        security: Security::None,
        from: "Atalaya <soc@example.com>".into(),
        to: vec!["ml@example.com".into(), "ciso@example.com".into()],
        username: username.map(str::to_owned),
        password: username.map(|_| "p".to_owned()),
    }
}

#[tokio::test]
async fn an_e_mail_is_handed_to_a_server() {
    let (server, thread) = mail_server(false);
    let sent = send(mail(server, None)).await.unwrap();
    assert!(sent.contains("queued as 7"), "{sent}");
    let said = thread.join().unwrap().join("\n");
    for part in [
        "MAIL FROM:<soc@example.com>",
        "RCPT TO:<ml@example.com>",
        "RCPT TO:<ciso@example.com>",
        "Subject: [high] Burst by mallory",
        "Message-ID: <run.1.tell@example.com>",
    ] {
        assert!(said.contains(part), "{part}:\n{said}");
    }
}

#[tokio::test]
async fn a_mail_server_that_is_busy_is_asked_again_and_a_password_needs_tls() {
    let (server, _thread) = mail_server(true);
    assert!(matches!(
        send(mail(server, None)).await,
        Err(ActionError::Retry(_))
    ));
    let refused = send(mail("127.0.0.1:9".into(), Some("u"))).await;
    assert!(matches!(refused, Err(ActionError::Final(_))), "{refused:?}");
}
