//! A caller's web socket beside the provider's: messages in, events out, until one of them ends.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atalaya_access::Permit;
use atalaya_wire::{ErrorKind, FrameError, Framing, Protocol, Splitter, protocols};
use bytes::Bytes;
use http::request::Parts;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::exchange::{Exchange, Passed};
use super::frames::{Message, Side, Socket, SocketError};
use super::posted;
use crate::approve::APPROVAL_HEADER;
use crate::arrival::Arrival;
use crate::call::{answered_here, record};
use crate::door::{Denied, Entry, enter};
use crate::end::End;
use crate::judge::{Fault, Next, Refusal};
use crate::judging::judge_and_ask;
use crate::ports::Recorder;
use crate::receive::Received;
use crate::record::Outcome;
use crate::relay::GatewayBody;
use crate::worker::{Peer, Worker};

/// The event with which a caller asks for a response.
const CREATE: &str = "response.create";
/// What the log says in place of a method.
const METHOD: &str = "WEBSOCKET";
/// Questions that wait while a response is in the making.
const WAITING_MAX: usize = 8;
/// A socket on which nothing is asked for so long is closed.
const IDLE_MAX: Duration = Duration::from_secs(3_600);

type Io = TokioIo<Upgraded>;

/// Both sockets and what is in the making between them.
pub(super) struct Session<R: Recorder> {
    worker: Rc<Worker<R>>,
    peer: Peer,
    /// The opening, as it arrived.
    head: Parts,
    arrival: Arrival,
    target: usize,
    exchange: Option<Exchange<R>>,
    waiting: VecDeque<String>,
    last_call: Instant,
}

enum Event {
    Caller(Result<Message, SocketError>),
    Model(Result<Message, SocketError>),
    /// Held text is due.
    Due,
    /// The provider, or the caller, is too late.
    Late,
    Drain,
}

/// The session is over, with this code for the caller.
struct Over(u16);

impl From<SocketError> for Over {
    fn from(error: SocketError) -> Self {
        Self(error.close_code())
    }
}

impl<R: Recorder> Session<R> {
    pub(super) fn new(
        worker: &Rc<Worker<R>>,
        peer: Peer,
        (arrival, head): (&Arrival, Parts),
        target: usize,
    ) -> Self {
        Self {
            worker: Rc::clone(worker),
            peer,
            head,
            arrival: arrival.clone(),
            target,
            exchange: None,
            waiting: VecDeque::new(),
            last_call: Instant::now(),
        }
    }

    /// Runs until one side ends.
    pub(super) async fn run(mut self, caller: Upgraded, model: Upgraded) {
        let shared = Arc::clone(&self.worker.shared);
        let answer_bytes_max = shared.policy().document().response.body_bytes_max;
        let body_bytes_max = shared.config.limits.body_bytes_max;
        let idle = Duration::from_millis(shared.config.timeouts.idle_ms);
        let mut caller = Socket::new(TokioIo::new(caller), Side::Server, body_bytes_max, idle);
        let mut model = Socket::new(TokioIo::new(model), Side::Client, answer_bytes_max, idle);
        let code = loop {
            let event = self.event(&mut caller, &mut model).await;
            if let Err(Over(code)) = self.handle(event, &mut caller, &mut model).await {
                break code;
            }
        };
        if let Some(exchange) = &mut self.exchange {
            exchange.settle(Outcome::ClientAborted, "");
        }
        model.close(1000).await;
        caller.close(code).await;
    }

    async fn event(&self, caller: &mut Socket<Io>, model: &mut Socket<Io>) -> Event {
        let timeouts = &self.worker.shared.config.timeouts;
        let idle = Duration::from_millis(timeouts.idle_ms);
        let total = Duration::from_millis(timeouts.total_ms);
        let exchange = self.exchange.as_ref();
        let due = exchange.and_then(Exchange::due);
        let late = exchange.map_or(self.last_call + IDLE_MAX, |one| one.deadline(idle, total));
        let mut drain = self.worker.drain.clone();
        let at = |moment: Option<Instant>| async move {
            match moment {
                Some(moment) => tokio::time::sleep_until(moment.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            message = model.next() => Event::Model(message),
            message = caller.next() => Event::Caller(message),
            () = at(due) => Event::Due,
            () = at(Some(late)) => Event::Late,
            _ = drain.wait_for(|drain| *drain), if exchange.is_none() => Event::Drain,
        }
    }

    async fn handle(
        &mut self,
        event: Event,
        caller: &mut Socket<Io>,
        model: &mut Socket<Io>,
    ) -> Result<(), Over> {
        match event {
            Event::Caller(message) => match message? {
                Message::Text(text) if self.exchange.is_some() => self.wait(text)?,
                Message::Text(text) => self.ask(text, caller, model).await?,
                Message::Ping(payload) => caller.pong(&payload).await?,
                Message::Pong => {}
                Message::Close => return Err(Over(1000)),
            },
            Event::Model(message) => match message {
                Ok(Message::Text(text)) => {
                    let Some(exchange) = &mut self.exchange else {
                        // Nobody asked for it, so nobody gets it.
                        return Ok(());
                    };
                    let passed = exchange.event(&self.worker, &text);
                    self.pass(passed, caller, model).await?;
                }
                Ok(Message::Ping(payload)) => model.pong(&payload).await?,
                Ok(Message::Pong) => {}
                Ok(Message::Close) | Err(_) => self.lost(Outcome::UpstreamCut, caller).await?,
            },
            Event::Due => {
                if let Some(exchange) = &mut self.exchange {
                    let passed = exchange.tick(&self.worker);
                    self.pass(passed, caller, model).await?;
                }
            }
            Event::Late if self.exchange.is_some() => {
                self.lost(Outcome::TimedOut, caller).await?;
            }
            Event::Late | Event::Drain => return Err(Over(1001)),
        }
        Ok(())
    }

    fn wait(&mut self, text: String) -> Result<(), Over> {
        let max = self.worker.shared.config.limits.body_bytes_max;
        let bytes: usize = self.waiting.iter().map(String::len).sum();
        if self.waiting.len() >= WAITING_MAX || bytes + text.len() > max {
            return Err(Over(1008));
        }
        self.waiting.push_back(text);
        Ok(())
    }

    /// The provider has gone, or is too late.
    async fn lost(&mut self, outcome: Outcome, caller: &mut Socket<Io>) -> Result<(), Over> {
        if let Some(mut exchange) = self.exchange.take() {
            let kind = match outcome {
                Outcome::TimedOut => ErrorKind::UpstreamTimeout,
                _ => ErrorKind::UpstreamUnreachable,
            };
            exchange.settle(outcome, kind.as_str());
            let error = json!({"message": "the model's answer broke off", "code": kind.as_str()});
            caller.text(&failed(kind.status(), &error)).await?;
        }
        Err(Over(1011))
    }

    /// Sends on what may go, and asks what has waited when a response is over.
    async fn pass(
        &mut self,
        passed: Result<Passed, FrameError>,
        caller: &mut Socket<Io>,
        model: &mut Socket<Io>,
    ) -> Result<(), Over> {
        let Ok(passed) = passed else {
            return self.lost(Outcome::UpstreamCut, caller).await;
        };
        for message in passed.messages {
            caller.text(&message).await?;
        }
        if !passed.is_ended {
            return Ok(());
        }
        self.exchange = None;
        while self.exchange.is_none() {
            let Some(text) = self.waiting.pop_front() else {
                break;
            };
            self.ask(text, caller, model).await?;
        }
        Ok(())
    }

    /// One call: judged, recorded, and sent on or answered here.
    async fn ask(
        &mut self,
        text: String,
        caller: &mut Socket<Io>,
        model: &mut Socket<Io>,
    ) -> Result<(), Over> {
        self.last_call = Instant::now();
        let worker = Rc::clone(&self.worker);
        let shared = &worker.shared;
        let Some(mut head) = posted(&self.head, text.len()) else {
            return Err(Over(1011));
        };
        let mut arrival = Arrival {
            id: shared.world.new_id().hyphenated().to_string(),
            at: shared.world.now(),
            method: METHOD.to_owned(),
            ..self.arrival.clone()
        };
        let permit = shared.admit();
        let (entry, limits, received) = match self.let_in(&mut head, &mut arrival, permit.is_some())
        {
            Ok((entry, limits)) => (entry, Some(limits), read(&text, shared)),
            Err(denied) => {
                let (fault, message) = denied.into_fault();
                (Entry::default(), None, Received::Refused(fault, message))
            }
        };
        let (entry, ready) = (Arc::new(entry), Instant::now());
        let token = head.headers.remove(APPROVAL_HEADER);
        let token = token.and_then(|token| token.to_str().ok().map(str::to_owned));
        let protocol = protocols::by_name("openai.responses");
        let judged = judge_and_ask(&worker, &arrival, (protocol, &entry, token), received).await;
        let mut end = End::new(&arrival, protocol, shared);
        end.begin(shared, limits, &judged);
        let next = record(shared, judged).await;
        end.settlement.gateway_us = u64::try_from(ready.elapsed().as_micros()).unwrap_or(u64::MAX);
        let (forward, protocol, permit) = match (self.here(next), protocol.zip(permit)) {
            (Next::Forward(forward), Some((protocol, permit))) => (forward, protocol, permit),
            (next, _) => return Ok(answered(answered_here(end, next), caller).await?),
        };
        if let Some(account) = &mut end.settlement.account {
            account.price = forward.price.clone();
            account.is_forwarded = true;
        }
        end.settlement.attempts = 1;
        let name = &worker.pools[self.target].target.name;
        end.settlement.upstream.clone_from(name);
        let spoken: (&'static dyn Protocol, _) = (protocol, forward.asked);
        let kept = (end.settlement, permit);
        self.exchange = Some(Exchange::new(&worker, &arrival, spoken, kept));
        if model.text(&forward.body).await.is_err() {
            return self.lost(Outcome::UpstreamCut, caller).await;
        }
        Ok(())
    }

    /// Asks the door anew: a key may be revoked and a caller stopped since the last question.
    fn let_in(
        &self,
        head: &mut Parts,
        arrival: &mut Arrival,
        has_place: bool,
    ) -> Result<(Entry, Permit), Denied> {
        let shared = &self.worker.shared;
        if !has_place {
            return Err(Denied::overloaded());
        }
        let certificate = self.peer.certificate.as_deref();
        enter(&shared.door, &shared.config, head, arrival, certificate)
    }

    /// What is to happen, on this socket: a refusal comes as events, and there is one provider.
    fn here(&self, next: Next) -> Next {
        match next {
            Next::Forward(forward) if forward.target != self.target => Next::Fail {
                kind: ErrorKind::NotFound,
                message: "this model's route leads elsewhere: open another socket".to_owned(),
                exceeded: None,
            },
            Next::Refuse(refusal) => Next::Refuse(Refusal {
                stream: true,
                framing: Framing::Events,
                ..refusal
            }),
            next => next,
        }
    }
}

/// A message as a body; one that asks for nothing that is known is refused.
fn read<R: Recorder>(text: &str, shared: &crate::shared::Shared<R>) -> Received {
    let limits = crate::judging::parse_limits(shared).json;
    let document = atalaya_wire::json::parse(text.as_bytes(), limits);
    let kind = document
        .ok()
        .and_then(|document| document.root().get_str("type").map(|kind| kind == CREATE));
    if kind == Some(false) {
        let reason = Some(atalaya_model::UnjudgedReason::UnknownContent);
        let fault = Fault::new(ErrorKind::UnsupportedMedia, "unjudged", reason);
        let message = "of a web socket's events only response.create is looked at here";
        return Received::Refused(fault, message.to_owned());
    }
    Received::Body(Bytes::copy_from_slice(text.as_bytes()))
}

/// Sends an answer that was made here: its events, or an error event.
async fn answered<R: Recorder>(
    response: http::Response<GatewayBody<R>>,
    caller: &mut Socket<Io>,
) -> Result<(), SocketError> {
    let (parts, body) = response.into_parts();
    let GatewayBody::Whole(body) = body else {
        return Ok(());
    };
    let body = body.unwrap_or_default();
    let kind = parts.headers.get("content-type");
    let is_stream = kind.is_some_and(|kind| kind.as_bytes() == b"text/event-stream");
    if !is_stream {
        let said: Value = serde_json::from_slice(&body).unwrap_or_default();
        let error = said.get("error").cloned().unwrap_or(said);
        return caller.text(&failed(parts.status.as_u16(), &error)).await;
    }
    let mut splitter = Splitter::new(Framing::Events, body.len() + 1);
    for frame in splitter.feed(&body).unwrap_or_default() {
        if !frame.data.is_empty() {
            caller.text(&frame.data).await?;
        }
    }
    Ok(())
}

/// The provider's form of an error.
fn failed(status: u16, error: &Value) -> Vec<u8> {
    json!({"type": "error", "status": status, "error": error})
        .to_string()
        .into_bytes()
}
