//! What the gateway adds to the frames of a stream, beyond what its window holds by design.
//!
//! Every frame carries the time at which it was sent. A frame is free as soon as the window's bytes
//! have followed it: the delay counts from when the frame that frees it
//! was sent until the caller has it. Direct calls and a bare proxy are measured beside it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame};
use hyper::client::conn::http1::handshake;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::driver::{own, say, wait_until_ready};
use crate::report::percentile_us;
use crate::upstream::Answer;
use crate::{Error, listen};

/// Frames of one stream.
const FRAMES: usize = 60;
/// Between two frames, as of a model that thinks.
const PAUSE: Duration = Duration::from_millis(20);
/// What one frame says: longer than a step, so that each is looked at by itself.
const TEXT: &str =
    " The three cities that people visit first are Lisbon, Porto and then Coimbra, say";
/// Bytes that the default window holds.
const HOLD_BYTES: usize = 256;
/// What may be added, at the 99th percentile.
const BAR: Duration = Duration::from_millis(5);

/// How to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Streams at once.
    #[arg(long, default_value_t = 4)]
    streams: usize,
    /// Rounds; the targets take turns in each.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Exit code 1 if the bar is missed.
    #[arg(long)]
    check: bool,
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(0))
}

pub(crate) async fn run(args: &Args) -> Result<bool, Error> {
    let upstream = listen::free_address()?;
    let _upstream = own(&["upstream", &upstream.to_string()])?;
    let bare = listen::free_address()?;
    let _bare = own(&["proxy", &bare.to_string(), &upstream.to_string(), "2"])?;
    let mut guards = Vec::new();
    let mut targets = vec![("direct", upstream, 0), ("bare proxy", bare, 0)];
    for (name, hold) in [("no window", 0), ("window of 256 bytes", HOLD_BYTES)] {
        let (address, admin) = (listen::free_address()?, listen::free_address()?);
        let hold_bytes = hold.to_string();
        let arguments = [
            "guard",
            &address.to_string(),
            &admin.to_string(),
            &upstream.to_string(),
            "--hold-bytes",
            &hold_bytes,
        ];
        guards.push(own(&arguments)?);
        wait_until_ready(admin).await?;
        targets.push((name, address, hold));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut figures: Vec<(Vec<Duration>, Vec<Duration>)> = vec![Default::default(); targets.len()];
    for _ in 0..args.rounds {
        for ((_, address, hold), (frames, firsts)) in targets.iter().zip(&mut figures) {
            let calls: Vec<_> = (0..args.streams).map(|_| delays(*address, *hold)).collect();
            for measured in join(calls).await {
                let measured = measured?;
                firsts.extend(measured.first());
                frames.extend(measured);
            }
        }
    }
    say("delay beyond what the window holds, microseconds\n")?;
    say(
        "| target | frames | p50 | p99 | first frame p50 | first frame p99 |\n|---|---|---|---|---|---|",
    )?;
    for ((name, _, _), (frames, firsts)) in targets.iter().zip(&figures) {
        let at = |list: &[Duration], part| percentile_us(list, part);
        say(&format!(
            "| {name} | {} | {:.0} | {:.0} | {:.0} | {:.0} |",
            frames.len(),
            at(frames, 0.5),
            at(frames, 0.99),
            at(firsts, 0.5),
            at(firsts, 0.99)
        ))?;
    }
    let direct = percentile_us(&figures[0].0, 0.99);
    let bar_us = BAR.as_secs_f64() * 1e6;
    let is_met = figures[2..].iter().all(|(frames, firsts)| {
        percentile_us(frames, 0.99) - direct <= bar_us
            && percentile_us(firsts, 0.99) - percentile_us(&figures[0].1, 0.99) <= bar_us
    });
    let verdict = if is_met { "met" } else { "missed" };
    say(&format!(
        "\nbar: p99 at most {bar_us:.0} above direct: {verdict}"
    ))?;
    Ok(is_met || !args.check)
}

/// All of them at the same time.
async fn join<F: Future<Output = Result<Vec<Duration>, Error>> + 'static>(
    calls: Vec<F>,
) -> Vec<Result<Vec<Duration>, Error>> {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let tasks: Vec<_> = calls.into_iter().map(tokio::task::spawn_local).collect();
            let mut all = Vec::new();
            for task in tasks {
                all.push(task.await.unwrap_or_else(|error| Err(error.into())));
            }
            all
        })
        .await
}

/// The delay of every frame of one stream.
async fn delays(target: SocketAddr, hold: usize) -> Result<Vec<Duration>, Error> {
    let stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    // The sender sees the failure.
    tokio::task::spawn_local(async move { drop(connection.await) });
    let call = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"Where to?"}]}"#;
    let request = Request::post("/v1/chat/completions?script=paced")
        .header("host", target.to_string())
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(call)))?;
    let mut response = sender.send_request(request).await?;
    let mut kept = Vec::new();
    let mut seen: Vec<(u64, u64)> = Vec::new();
    while let Some(frame) = response.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        let at = now_us();
        kept.extend_from_slice(&data);
        while let Some(end) = kept.windows(2).position(|two| two == b"\n\n") {
            let event: Vec<u8> = kept.drain(..end + 2).collect();
            if let Some(sent) = sent_at(&event) {
                seen.push((sent, at));
            }
        }
    }
    if seen.len() != FRAMES {
        return Err(format!("{} frames of {FRAMES} came", seen.len()).into());
    }
    let follow = hold.div_ceil(TEXT.len());
    // The last ones wait for the stream's end, which carries no time.
    let freed = seen.iter().zip(seen.iter().skip(follow));
    Ok(freed
        .map(|((_, at), (sent, _))| Duration::from_micros(at.saturating_sub(*sent)))
        .collect())
}

fn sent_at(event: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(event).ok()?;
    let (_, rest) = text.split_once("\"created\":")?;
    rest.split(',').next()?.parse().ok()
}

/// Answers that a test asks for by name: frames at a pace, and streams that are none.
pub(crate) fn scripted(script: &str) -> Answer {
    let body = Scripted {
        left: match script {
            "paced" => FRAMES + 1,
            "long-line" => 1_600,
            _ => 64,
        },
        script: script.to_owned(),
        timer: None,
    };
    let mut response = Response::new(body.boxed());
    let kind = http::HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert("content-type", kind);
    response
}

struct Scripted {
    script: String,
    left: usize,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Scripted {
    fn piece(&self) -> Bytes {
        match self.script.as_str() {
            "paced" if self.left == 0 => Bytes::from_static(b"data: [DONE]\n\n"),
            "paced" => Bytes::from(format!(
                "data: {{\"id\":\"c\",\"created\":{},\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{TEXT}\"}},\"finish_reason\":null}}]}}\n\n",
                now_us()
            )),
            // 100 MB without an end.
            "long-line" => Bytes::from(vec![b'A'; 64 << 10]),
            "crlf" => Bytes::from_static(b"data: {\"choices\":[{\"index\":0,\r\ndata: \"delta\":{\"content\":\"a\"}}]}\r\n\r\n: note\r\n\r\r\n\n"),
            "half-characters" => Bytes::from_static(b"data: {\"choices\":[{\"delta\":{\"content\":\"\xc3\"}}]}\n\ndata: \xa4\xf0\x9f\n\n"),
            "no-frames" => Bytes::from_static(b"\x00\xff\xfe{]}\n\n\ndata\ndata:\nid: 7\nretry: x\n\n"),
            "deep" => Bytes::from(format!("data: {}\n\n", "[".repeat(5_000))),
            _ => Bytes::from_static(b"data: {\"a\":1,\"a\":2}\n\n"),
        }
    }
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if self.script == "paced" {
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(PAUSE)));
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.timer = None;
        }
        self.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(self.piece()))))
    }
}
