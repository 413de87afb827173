//! A model server that answers at once: whole, or as a stream of small events.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use crate::listen::listener;

/// Events of a stream.
const EVENTS: usize = 40;

pub(crate) fn serve(address: SocketAddr) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    runtime.block_on(local.run_until(async {
        let listener = listener(address)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::task::spawn_local(async move {
                // A connection that ends early is the client's affair.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(answer))
                    .await;
            });
        }
    }))
}

pub(crate) type Answer = Response<BoxBody<Bytes, Infallible>>;

async fn answer(request: Request<Incoming>) -> Result<Answer, hyper::Error> {
    let query = request.uri().query().unwrap_or("").to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    if let Some(script) = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("script="))
    {
        return Ok(crate::frames::scripted(script));
    }
    let wants_stream = body.windows(13).any(|window| window == b"\"stream\":true");
    let (content_type, body) = if wants_stream {
        let events = Events {
            sent: 0,
            is_paused: false,
        };
        ("text/event-stream", events.boxed())
    } else {
        ("application/json", Full::new(whole()).boxed())
    };
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert("content-type", http::HeaderValue::from_static(content_type));
    Ok(response)
}

fn whole() -> Bytes {
    Bytes::from_static(
        br#"{"id":"chatcmpl-bench","object":"chat.completion","created":1,"model":"bench-model","choices":[{"index":0,"message":{"role":"assistant","content":"The notes describe a good quarter, a few late deliveries and a meeting that was moved. Customers want shorter invoices. The new release is faster."},"finish_reason":"stop"}],"usage":{"prompt_tokens":410,"completion_tokens":32,"total_tokens":442}}"#,
    )
}

fn event(number: usize) -> Bytes {
    if number == EVENTS {
        return Bytes::from_static(b"data: [DONE]\n\n");
    }
    let finish = if number + 1 == EVENTS {
        "\"stop\""
    } else {
        "null"
    };
    Bytes::from(format!(
        "data: {{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"bench-model\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" word{number}\"}},\"finish_reason\":{finish}}}]}}\n\n"
    ))
}

/// The events of a stream, each a write of its own, as from a model that thinks in between.
struct Events {
    sent: usize,
    is_paused: bool,
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.sent > EVENTS {
            return Poll::Ready(None);
        }
        self.is_paused = !self.is_paused;
        if self.is_paused {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.sent += 1;
        Poll::Ready(Some(Ok(Frame::data(event(self.sent - 1)))))
    }
}
