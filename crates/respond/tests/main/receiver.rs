//! A receiver of webhooks on the loopback that says what it got.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use parking_lot::Mutex;

#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) key: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) struct Receiver {
    pub(crate) url: String,
    pub(crate) received: Arc<Mutex<Vec<Received>>>,
}

/// Answers with `answers` in turn, and with 200 after that.
pub(crate) fn start(answers: &[u16]) -> Receiver {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let received = Arc::new(Mutex::new(Vec::new()));
    let (log, answers) = (Arc::clone(&received), answers.to_vec());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while reader.read_line(&mut head).is_ok_and(|n| n > 2) {}
            let value = |name: &str| {
                let line = head.lines().find(|l| l.to_lowercase().starts_with(name));
                line.and_then(|l| l.split_once(':'))
                    .map(|(_, v)| v.trim().to_owned())
                    .unwrap_or_default()
            };
            let length: usize = value("content-length:").parse().unwrap_or(0);
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_err() {
                continue;
            }
            let number = {
                let mut log = log.lock();
                log.push(Received {
                    key: value("idempotency-key:"),
                    body: String::from_utf8(body).unwrap(),
                    head: head.clone(),
                });
                log.len() - 1
            };
            let status = answers.get(number).copied().unwrap_or(200);
            let _ = write!(
                stream,
                "HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
        }
    });
    Receiver { url, received }
}
