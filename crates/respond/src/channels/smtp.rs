//! Handing an e-mail to a server: SMTP (RFC 5321) with TLS and AUTH PLAIN.
//!
//! Small on purpose: one message per connection, over the same checked way out as everything
//! else. A library would have brought its own connector, and with it its own name resolution.
//! A password is never sent without TLS.

use base64::Engine as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::email::Mail;
use crate::actions::ActionError;
use crate::egress::{Connection, Destination, Egress};

/// How the connection to a mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// Begins in plain text and must change to TLS (port 587).
    #[default]
    Starttls,
    /// TLS from the first byte (port 465).
    Tls,
    /// None: only to an address that `egress` lists, with `allow_http`.
    None,
}

/// Longest line of a server's reply.
const LINE_BYTES_MAX: usize = 4_096;
/// Most lines of one reply.
const LINES_MAX: usize = 64;
/// Longest time for the whole dialogue.
const DIALOGUE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

pub(super) async fn send(
    server: &str,
    security: Security,
    login: Option<(&str, &str)>,
    mail: &Mail,
    egress: &Egress,
) -> Result<String, ActionError> {
    let dialogue = dialogue(server, security, login, mail, egress);
    match tokio::time::timeout(DIALOGUE_TIMEOUT, dialogue).await {
        Ok(sent) => sent,
        Err(_) => Err(ActionError::Retry(
            "the mail server did not answer in time".to_owned(),
        )),
    }
}

async fn dialogue(
    server: &str,
    security: Security,
    login: Option<(&str, &str)>,
    mail: &Mail,
    egress: &Egress,
) -> Result<String, ActionError> {
    let (host, port) = server
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)))
        .ok_or_else(|| ActionError::Final(format!("`{server}` is no `host:port`")))?;
    if security == Security::None && login.is_some() {
        return Err(ActionError::Final(
            "a password is not sent without TLS".to_owned(),
        ));
    }
    let mut to = Destination {
        host: host.trim_matches(['[', ']']).to_ascii_lowercase(),
        port,
        // With STARTTLS nothing of ours is said before TLS: the address is checked as for TLS.
        is_tls: security != Security::None,
        path: String::new(),
    };
    let mut session = match security {
        Security::Starttls => {
            let checked = egress.check(&to).await?;
            let stream = tokio::net::TcpStream::connect(checked)
                .await
                .map_err(|error| ActionError::Retry(format!("`{server}`: {}", error.kind())))?;
            let mut plain = Session::new(Box::pin(stream));
            plain.expect(220).await?;
            plain.say("EHLO atalaya", 250).await?;
            plain.say("STARTTLS", 220).await?;
            Session::new(egress.start_tls(&to, plain.into_inner()?).await?)
        }
        Security::Tls | Security::None => {
            to.is_tls = security == Security::Tls;
            let mut session = Session::new(egress.connect(&to).await?);
            session.expect(220).await?;
            session
        }
    };
    session.say("EHLO atalaya", 250).await?;
    if let Some((user, password)) = login {
        let plain =
            base64::engine::general_purpose::STANDARD.encode(format!("\0{user}\0{password}"));
        session.say(&format!("AUTH PLAIN {plain}"), 235).await?;
    }
    session
        .say(&format!("MAIL FROM:<{}>", address(&mail.from)), 250)
        .await?;
    for receiver in &mail.to {
        session
            .say(&format!("RCPT TO:<{}>", address(receiver)), 250)
            .await?;
    }
    session.say("DATA", 354).await?;
    let stuffed = mail.text.replace("\r\n.", "\r\n..");
    let reply = session.say(&format!("{stuffed}."), 250).await?;
    // The message is taken: how the goodbye goes does not matter.
    let _ = session.say("QUIT", 221).await;
    Ok(reply)
}

/// `Name <a@b>` → `a@b`.
fn address(text: &str) -> &str {
    text.rsplit_once('<')
        .and_then(|(_, rest)| rest.split_once('>'))
        .map_or(text, |(inner, _)| inner)
        .trim()
}

struct Session {
    stream: BufReader<Connection>,
}

impl Session {
    fn new(stream: Connection) -> Self {
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// The stream back, for TLS. What the server said too early would be an injection.
    fn into_inner(self) -> Result<Connection, ActionError> {
        if self.stream.buffer().is_empty() {
            Ok(self.stream.into_inner())
        } else {
            Err(ActionError::Final(
                "the mail server spoke before TLS began".to_owned(),
            ))
        }
    }

    async fn say(&mut self, line: &str, wanted: u16) -> Result<String, ActionError> {
        let write = async {
            self.stream.write_all(line.as_bytes()).await?;
            self.stream.write_all(b"\r\n").await?;
            self.stream.flush().await
        };
        write.await.map_err(broken)?;
        self.expect(wanted).await
    }

    async fn expect(&mut self, wanted: u16) -> Result<String, ActionError> {
        for _ in 0..LINES_MAX {
            let line = self.line().await?;
            let code: u16 = line.get(..3).and_then(|c| c.parse().ok()).unwrap_or(0);
            if line.as_bytes().get(3) == Some(&b'-') {
                continue;
            }
            let text = line.trim().to_owned();
            return match code {
                code if code == wanted || (wanted == 250 && code == 251) => Ok(text),
                400..=499 => Err(ActionError::Retry(format!(
                    "the mail server answered {code}"
                ))),
                code => Err(ActionError::Final(format!(
                    "the mail server answered {code}"
                ))),
            };
        }
        Err(ActionError::Final(
            "the mail server talks too much".to_owned(),
        ))
    }

    async fn line(&mut self) -> Result<String, ActionError> {
        let mut line = Vec::new();
        loop {
            let buffer = self.stream.fill_buf().await.map_err(broken)?;
            if buffer.is_empty() {
                return Err(ActionError::Retry("the mail server hung up".to_owned()));
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(buffer.len(), |end| end + 1);
            line.extend_from_slice(buffer.get(..taken).unwrap_or_default());
            self.stream.consume(taken);
            if end.is_some() {
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if line.len() > LINE_BYTES_MAX {
                return Err(ActionError::Final(
                    "the mail server talks too much".to_owned(),
                ));
            }
        }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what map_err hands over"
)]
fn broken(error: std::io::Error) -> ActionError {
    ActionError::Retry(format!("the mail server: {}", error.kind()))
}
