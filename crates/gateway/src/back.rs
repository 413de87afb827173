//! The way back of a call, once the upstream's head is there: relayed frame by frame, looked at
//! as it streams, or kept until all of it was looked at. One settlement, whichever it is.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atalaya_model::{Decision, UnjudgedReason};
use atalaya_policy::Policy;
use atalaya_wire::{ErrorKind, Framing};
use bytes::{Bytes, BytesMut};
use http::Response;
use http::response::Parts;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use sha2::{Digest as _, Sha256};

use crate::answer::{Asked, Report, StreamGuard, Watch, Whole, judge_text, judge_whole, refused};
use crate::approve::{self, ApprovalNeeded};
use crate::arrival::hex;
use crate::end::{End, set_decision};
use crate::forward::relay_head;
use crate::judging::parse_limits;
use crate::ports::Recorder;
use crate::record::{Ending, Outcome};
use crate::relay::{GatewayBody, LineEnds, Relay, millis};
use crate::shared::{CallPermit, Shared};
use crate::upstream::{Answered, Pool, Sender};
use crate::worker::Worker;

/// The way that a call took.
pub(crate) struct Way {
    pub(crate) pool: Rc<Pool>,
    pub(crate) forwarded: Instant,
    pub(crate) asked: Asked,
    pub(crate) permit: CallPermit,
}

/// How an answer is treated.
enum Treatment {
    /// Relayed unseen: nobody wants it looked at, or nobody can.
    Relay(Option<Report>),
    /// Looked at as it comes.
    Stream(Watch),
    /// Kept and looked at.
    Whole(Watch),
    /// Not given to the caller.
    Refuse(Report),
}

/// Sends an answer on.
pub(crate) async fn answer<R: Recorder>(
    worker: &Rc<Worker<R>>,
    end: End<'_, R>,
    answered: Answered,
    way: Way,
) -> Response<GatewayBody<R>> {
    let (mut parts, incoming) = answered.response.into_parts();
    relay_head(&mut parts.headers);
    let framing = end.protocol.map_or(Framing::Opaque, |protocol| {
        protocol.framing(content_type(&parts), way.asked.framing)
    });
    set_decision(&mut parts.headers, &end.arrival.id);
    end.add_limits(&mut parts.headers);
    let policy = worker.shared.policy();
    let hop = Hop {
        worker,
        parts,
        incoming,
        sender: answered.sender,
        framing,
    };
    match treatment(&hop, &end, &policy, &way.asked) {
        Treatment::Relay(report) => relay(end, hop, way, (None, report)),
        Treatment::Stream(watch) => {
            let guard = StreamGuard::new(watch, framing);
            relay(end, hop, way, (Some(guard), None))
        }
        Treatment::Whole(watch) => whole(end, hop, way, watch).await,
        Treatment::Refuse(report) => {
            let on_block = &policy.document().on_block;
            let mut end = end;
            end.report = Some(report);
            let waited = millis(way.forwarded.elapsed());
            let kind = ErrorKind::Blocked;
            end.fail(kind, &on_block.text, Outcome::AnswerRefused, Some(waited))
        }
    }
}

/// An answer on its way.
struct Hop<'w, R: Recorder> {
    worker: &'w Rc<Worker<R>>,
    parts: Parts,
    incoming: Incoming,
    sender: Sender,
    framing: Framing,
}

fn content_type(parts: &Parts) -> &str {
    parts
        .headers
        .get("content-type")
        .and_then(|value| value.to_str().ok())
        .unwrap_or("")
}

fn treatment<R: Recorder>(
    hop: &Hop<'_, R>,
    end: &End<'_, R>,
    policy: &Arc<Policy>,
    asked: &Asked,
) -> Treatment {
    let Some(protocol) = end.protocol.filter(|_| policy.document().response.inspect) else {
        return Treatment::Relay(None);
    };
    let shared = &hop.worker.shared;
    let watch = Watch {
        protocol,
        inspector: Arc::clone(&shared.inspector),
        policy: Arc::clone(policy),
        parse_limits: parse_limits(shared),
        decision_id: end.arrival.id.clone(),
        created_s: end.arrival.at.0 / 1_000_000,
        upstream: end.upstream.clone(),
        path: end.arrival.path.clone(),
        asked: asked.clone(),
    };
    let is_encoded = hop
        .parts
        .headers
        .get_all("content-encoding")
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    let is_empty = hyper::body::Body::is_end_stream(&hop.incoming);
    match hop.framing {
        _ if is_empty => Treatment::Relay(None),
        _ if is_encoded => unseen(&watch, UnjudgedReason::Encoded, ""),
        Framing::Opaque if content_type(&hop.parts).is_empty() => Treatment::Whole(watch),
        Framing::Opaque => {
            let what = content_type(&hop.parts).split(';').next().unwrap_or("");
            unseen(&watch, UnjudgedReason::Media, what.trim())
        }
        framing if framing.is_stream() => Treatment::Stream(watch),
        _ => Treatment::Whole(watch),
    }
}

/// What nobody can look at: the policy says whether it passes.
fn unseen(watch: &Watch, reason: UnjudgedReason, what: &str) -> Treatment {
    let (report, is_blocked) = watch.unseen(reason, what);
    if is_blocked {
        Treatment::Refuse(report)
    } else {
        Treatment::Relay(Some(report))
    }
}

fn relay<R: Recorder>(
    end: End<'_, R>,
    mut hop: Hop<'_, R>,
    way: Way,
    (guard, report): (Option<StreamGuard>, Option<Report>),
) -> Response<GatewayBody<R>> {
    let timeouts = &hop.worker.shared.config.timeouts;
    let idle_timeout = Duration::from_millis(timeouts.idle_ms);
    if guard.is_some() {
        // What is replaced changes the length.
        hop.parts.headers.remove("content-length");
    }
    let reader = end
        .protocol
        .map(|protocol| protocol.response_reader(hop.framing));
    let relay = Relay {
        settlement: end.settlement,
        inner: hop.incoming,
        reader,
        protocol: end.protocol,
        framing: hop.framing,
        reply_to: way.asked.reply_to,
        connection: Some((way.pool, hop.sender)),
        status: hop.parts.status.as_u16(),
        forwarded: way.forwarded,
        first_byte_ms: None,
        bytes: 0,
        line_ends: LineEnds::default(),
        idle_timeout,
        deadline: way.forwarded + Duration::from_millis(timeouts.total_ms),
        timer: Box::pin(tokio::time::sleep(idle_timeout)),
        last_frame: Instant::now(),
        is_settled: false,
        guard,
        hold_timer: None,
        approval: None,
        report,
        worker: Rc::clone(hop.worker),
        _permit: way.permit,
    };
    Response::from_parts(hop.parts, GatewayBody::Relay(Box::new(relay)))
}

/// Why an answer could not be kept.
enum Broken {
    TooLarge,
    Cut,
    Stalled,
}

impl Broken {
    /// What the caller is told, and how the call ended.
    fn told(self, policy: &Policy) -> (ErrorKind, &str, Outcome) {
        match self {
            Self::TooLarge => (
                ErrorKind::Blocked,
                &policy.document().on_block.text,
                Outcome::AnswerRefused,
            ),
            Self::Cut => (
                ErrorKind::UpstreamUnreachable,
                "the model's answer broke off",
                Outcome::UpstreamCut,
            ),
            Self::Stalled => (
                ErrorKind::UpstreamTimeout,
                "the model did not answer in time",
                Outcome::TimedOut,
            ),
        }
    }
}

/// Keeps an answer, looks at it, sends it.
async fn whole<R: Recorder>(
    mut end: End<'_, R>,
    mut hop: Hop<'_, R>,
    way: Way,
    watch: Watch,
) -> Response<GatewayBody<R>> {
    let max = watch.policy.document().response.body_bytes_max;
    let mut first_byte_ms = None;
    let collected = collect(&mut hop, &way, max, &mut first_byte_ms).await;
    let waited_ms = millis(way.forwarded.elapsed());
    let body = match collected {
        Ok(body) => body,
        Err(broken) => {
            if matches!(broken, Broken::TooLarge) {
                let (mut report, _) = watch.unseen(UnjudgedReason::TooLarge, "");
                report.decision = Decision::Block;
                end.report = Some(report);
            }
            let (kind, message, outcome) = broken.told(&watch.policy);
            return end.fail(kind, message, outcome, Some(waited_ms));
        }
    };
    way.pool.give_back(hop.sender);
    let status = hop.parts.status;
    let mut reader = watch.protocol.response_reader(hop.framing);
    reader.feed(&body);
    let settled = reader.finish();
    let mut report = Report::default();
    let whole = {
        let mut scratch = hop.worker.scratch.borrow_mut();
        if hop.framing == Framing::Whole {
            judge_whole(
                &watch,
                (&body, status.is_success()),
                &mut scratch,
                &mut report,
            )
        } else {
            judge_text(&watch, &body, None, (&mut scratch, &mut report))
        }
    };
    let whole = match whole {
        Whole::Waits(needed, whole) => {
            let asked = (&*hop.worker.shared, end.arrival.id.as_str(), &body[..]);
            let is_approved = is_approved(asked, &needed, &mut report).await;
            if is_approved { *whole } else { refused(&watch) }
        }
        decided => decided,
    };
    let ending = Ending {
        outcome: Outcome::Answered,
        upstream_status: Some(status.as_u16()),
        response_status: Some(status.as_u16()),
        error_class: "",
        response_bytes: 0,
        upstream_ms: Some(waited_ms),
        first_byte_ms,
        gateway_us: end.settlement.gateway_us,
        settled,
        report: Some(report),
    };
    send(end, hop.parts, (whole, body), ending)
}

/// Asks a person about the tools of an answer that is kept.
async fn is_approved<R: Recorder>(
    (shared, decision_id, body): (&Shared<R>, &str, &[u8]),
    needed: &ApprovalNeeded,
    report: &mut Report,
) -> bool {
    let content_sha256 = hex(&Sha256::digest(body));
    let held = approve::hold(
        shared.approvals.clone(),
        needed,
        decision_id,
        content_sha256,
    );
    let is_approved = held.await;
    if is_approved {
        report.rule.clone_from(&needed.rule);
    } else {
        report.deny(&needed.rule);
    }
    is_approved
}

async fn collect<R: Recorder>(
    hop: &mut Hop<'_, R>,
    way: &Way,
    max: usize,
    first_byte_ms: &mut Option<f64>,
) -> Result<Bytes, Broken> {
    let timeouts = &hop.worker.shared.config.timeouts;
    let idle = Duration::from_millis(timeouts.idle_ms);
    let deadline = way.forwarded + Duration::from_millis(timeouts.total_ms);
    let mut body = BytesMut::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let frame = tokio::time::timeout(idle.min(left), hop.incoming.frame()).await;
        let Some(frame) = frame.map_err(|_| Broken::Stalled)? else {
            return Ok(body.freeze());
        };
        let Ok(data) = frame.map_err(|_| Broken::Cut)?.into_data() else {
            continue;
        };
        first_byte_ms.get_or_insert_with(|| millis(way.forwarded.elapsed()));
        if body.len() + data.len() > max {
            return Err(Broken::TooLarge);
        }
        body.extend_from_slice(&data);
    }
}

fn send<R: Recorder>(
    mut end: End<'_, R>,
    mut parts: Parts,
    (whole, body): (Whole, Bytes),
    mut ending: Ending,
) -> Response<GatewayBody<R>> {
    let body = match whole {
        Whole::Same => body,
        Whole::Masked(masked) => {
            parts.headers.remove("content-length");
            Bytes::from(masked)
        }
        // Decided before.
        Whole::Waits(_, whole) => return send(end, parts, (*whole, body), ending),
        Whole::Refused(answer) => {
            ending.outcome = Outcome::AnswerRefused;
            ending.error_class = ErrorKind::Blocked.as_str();
            ending.response_status = Some(answer.status);
            ending.response_bytes = u64::try_from(answer.body.len()).unwrap_or(0);
            let mut limits = http::HeaderMap::new();
            end.add_limits(&mut limits);
            end.settlement.write(&ending);
            return end.response(answer, limits);
        }
    };
    ending.response_bytes = u64::try_from(body.len()).unwrap_or(0);
    end.settlement.write(&ending);
    Response::from_parts(parts, GatewayBody::Whole(Some(body)))
}
