//! The load: a closed loop over many connections, and an open one at a fixed rate.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::bodies::Texts;
use crate::{Error, bodies};

/// Time between two calls of the open loop.
pub(crate) const PACE: Duration = Duration::from_millis(5);
/// Connections of the open loop: enough that a call never waits for one.
const OPEN_CONNECTIONS: usize = 8;

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    target: SocketAddr,
}

impl Connection {
    async fn open(target: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::task::spawn_local(async move {
            // The sender sees the failure.
            let _ = connection.await;
        });
        Ok(Self { sender, target })
    }

    /// Makes one call and reads the whole answer.
    async fn call(&mut self, body: Bytes) -> Result<(), Error> {
        let request = Request::post("/v1/chat/completions")
            .header("host", self.target.to_string())
            .header("content-type", "application/json")
            .header("authorization", "Bearer bench-key")
            .body(Full::new(body))?;
        self.sender.ready().await?;
        let mut response = self.sender.send_request(request).await?;
        if !response.status().is_success() {
            return Err(format!("the target answered {}", response.status()).into());
        }
        while let Some(frame) = response.frame().await {
            frame?;
        }
        Ok(())
    }
}

/// As many calls as the target takes; returns how many in how long.
pub(crate) async fn closed(
    target: SocketAddr,
    connections: usize,
    seconds: u64,
    (texts, stream): (Texts, bool),
) -> Result<(u64, Duration), Error> {
    let calls = Rc::new(Cell::new(0_u64));
    let started = Instant::now();
    let end = started + Duration::from_secs(seconds);
    let local = LocalSet::new();
    let tasks: Vec<_> = (0..connections)
        .map(|number| {
            let calls = Rc::clone(&calls);
            local.spawn_local(async move {
                let mut connection = Connection::open(target).await?;
                // Far apart, so that no two connections send the same number.
                let mut next = number * 1_000_003;
                while Instant::now() < end {
                    connection.call(bodies::body(next, texts, stream)).await?;
                    calls.set(calls.get() + 1);
                    next += 1;
                }
                Ok::<(), Error>(())
            })
        })
        .collect();
    local.await;
    for task in tasks {
        task.await??;
    }
    Ok((calls.get(), started.elapsed()))
}

/// Latencies of calls that start at a fixed rate, whatever the target does.
pub(crate) async fn open(target: SocketAddr, seconds: u64) -> Result<Vec<Duration>, Error> {
    let local = LocalSet::new();
    local
        .run_until(async move {
            let mut idle = Vec::new();
            for _ in 0..OPEN_CONNECTIONS {
                idle.push(Connection::open(target).await?);
            }
            let (give_back, mut returned) = tokio::sync::mpsc::unbounded_channel();
            let mut latencies = Vec::new();
            let mut ticks = tokio::time::interval(PACE);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            for number in 0..(seconds * 1_000 / 5) {
                ticks.tick().await;
                while let Ok((connection, latency)) = returned.try_recv() {
                    idle.push(connection);
                    latencies.push(latency);
                }
                let mut connection = match idle.pop() {
                    Some(connection) => connection,
                    None => Connection::open(target).await?,
                };
                let give_back = give_back.clone();
                let body = bodies::body(usize::try_from(number)?, Texts::Repeated, false);
                tokio::task::spawn_local(async move {
                    let started = Instant::now();
                    if connection.call(body).await.is_ok() {
                        // The loop has ended if nobody listens.
                        let _ = give_back.send((connection, started.elapsed()));
                    }
                });
            }
            Ok(latencies)
        })
        .await
}
