//! A model server of bare sockets, so that it can misbehave in ways that no library allows.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What it does with a call.
#[derive(Clone, Debug)]
pub(crate) enum Script {
    /// Answers with this status and body.
    Answer(u16, &'static str),
    /// Answers with a stream of these pieces, with pauses, and ends it well.
    Stream(&'static [&'static str]),
    /// The same, but cuts the connection instead of ending.
    Cut(&'static [&'static str]),
    /// Begins a stream with these pieces and then says nothing more.
    Stall(&'static [&'static str]),
    /// Answers with a body of that content type, in these pieces, without pauses.
    Pieces(&'static str, Arc<Vec<Vec<u8>>>),
    /// Closes the connection without an answer.
    Reset,
    /// Never answers.
    Silent,
}

/// A call that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

pub(crate) const PAUSE: Duration = Duration::from_millis(30);

impl Upstream {
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Self {
            address: listener.local_addr().unwrap(),
            received: Arc::default(),
        };
        let received = Arc::clone(&upstream.received);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, received) = (script.clone(), Arc::clone(&received));
                tokio::spawn(async move { serve(stream, script, received).await });
            }
        });
        upstream
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, script: Script, received: Arc<Mutex<Vec<Received>>>) {
    while let Some(call) = read(&mut stream).await {
        received.lock().unwrap().push(call);
        if answer(&mut stream, &script).await.is_none() {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                let body = bytes[end + 4..].to_vec();
                return Some(Received { head, body });
            }
        }
        let mut piece = [0; 4_096];
        match stream.read(&mut piece).await {
            Ok(length) if length > 0 => bytes.extend_from_slice(&piece[..length]),
            _ => return None,
        }
    }
}

/// `None` when the connection is over.
async fn answer(stream: &mut TcpStream, script: &Script) -> Option<()> {
    match script {
        Script::Answer(status, body) => {
            let answer = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nx-request-id: up-1\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.ok()
        }
        Script::Stream(pieces) => {
            pieces_of(stream, pieces).await?;
            stream.write_all(b"0\r\n\r\n").await.ok()
        }
        Script::Cut(pieces) => {
            pieces_of(stream, pieces).await?;
            None
        }
        Script::Stall(pieces) => {
            pieces_of(stream, pieces).await?;
            tokio::time::sleep(Duration::from_secs(30)).await;
            None
        }
        Script::Pieces(content_type, pieces) => {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.ok()?;
            for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
                let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
                chunk.extend_from_slice(piece);
                chunk.extend_from_slice(b"\r\n");
                stream.write_all(&chunk).await.ok()?;
            }
            stream.write_all(b"0\r\n\r\n").await.ok()
        }
        Script::Reset => None,
        Script::Silent => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            None
        }
    }
}

async fn pieces_of(stream: &mut TcpStream, pieces: &[&str]) -> Option<()> {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.ok()?;
    for piece in pieces {
        let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
        stream.write_all(chunk.as_bytes()).await.ok()?;
        tokio::time::sleep(PAUSE).await;
    }
    Some(())
}
