//! `POST /v1/evaluate`: a decision for applications that cannot be proxied. A text, several, a
//! tool call, or a whole call or answer in a provider's words; judged like any call, logged like any
//! call, and carried out by the application.

mod answer;

use atalaya_inspect::Scratch;
use atalaya_model::{Decision, Segment, SegmentKind, Span, Verdict};
use atalaya_policy::{CallFacts, ToolAction};
use atalaya_wire::{ErrorKind, ParsedCall, Protocol, RequestHead, protocols};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::actions;
use crate::arrival::{Arrival, hex};
use crate::assess::{Assessment, Subject};
use crate::judge::{Fault, Judge, Judged, Next, redactions};
use crate::record::{self, CallRow, DecisionFacts};
use crate::session::View;

/// Path of the data plane.
pub(crate) const PATH: &str = "/v1/evaluate";
/// Name in the log's `Protocol` column for what is no provider's call.
const PROTOCOL: &str = "atalaya.evaluate";
/// What a request has to say.
const ONE_OF: &str = "give one of `text`, `texts`, `tool`, `call` and `answer`";
/// Most texts of one request.
const TEXTS_MAX: usize = 10_000;

/// What is to be evaluated: `text`, `texts`, `tool`, `call` or `answer`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request<'r> {
    /// One text of a user.
    #[serde(default)]
    text: Option<String>,
    /// Texts with their roles.
    #[serde(default)]
    texts: Vec<Text>,
    /// A tool that is about to be executed.
    #[serde(default)]
    tool: Option<Tool>,
    /// A whole call, as it would be sent to the provider.
    #[serde(borrow, default)]
    call: Option<&'r RawValue>,
    /// A whole answer, as it came from the provider.
    #[serde(borrow, default)]
    answer: Option<&'r RawValue>,
    /// The path that it would be sent to, e.g. `/v1/chat/completions`.
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    session: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    role: SegmentKind,
    text: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tool {
    name: String,
    #[serde(default)]
    arguments: serde_json::Value,
}

/// The decision, without any text.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    decision_id: &'a str,
    decision: Decision,
    would_decision: Decision,
    enforced: bool,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    threat_score: u8,
    threat_detection: &'a str,
    session_score: u8,
    session_tainted: bool,
    findings: Vec<FindingView<'a>>,
    unjudged: &'a [atalaya_model::Unjudged],
    constraints: &'a atalaya_model::Constraints,
    /// The call or answer as CONSTRAIN makes it; missing where it cannot be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    edited: Option<Box<RawValue>>,
    policy: PolicyView<'a>,
    ruleset_hash: &'a str,
}

#[derive(Debug, Serialize)]
struct FindingView<'a> {
    category: &'a str,
    score: u8,
    rule: &'a str,
    fp: &'a str,
    path: &'a str,
    role: &'a str,
    start: usize,
    end: usize,
    atlas: &'a [std::borrow::Cow<'static, str>],
}

#[derive(Debug, Serialize)]
struct PolicyView<'a> {
    id: &'a str,
    version: &'a str,
    hash: &'a str,
}

impl Request<'_> {
    /// The path that is meant, and the protocol that has it.
    fn spoken(&self) -> Result<(&str, &'static dyn Protocol), String> {
        let path = self.path.as_deref().unwrap_or("/v1/chat/completions");
        let protocol = protocols::find("POST", path);
        let protocol = protocol.ok_or_else(|| format!("no protocol has the path `{path}`"))?;
        Ok((path, protocol))
    }
}

/// A call in the making.
struct Read<'r> {
    protocol: &'static str,
    path: String,
    body: &'r [u8],
    call: ParsedCall<'r>,
    actions: Vec<ToolAction>,
    /// Whose words `body` is in; nothing for what has no body.
    speaks: Option<&'static dyn Protocol>,
}

impl Judge<'_> {
    /// Judges what an application asks about.
    pub(crate) fn evaluate(
        &self,
        arrival: &Arrival,
        body: &Bytes,
        scratch: &mut Scratch,
    ) -> Judged {
        let request: Request<'_> = match serde_json::from_slice(body) {
            Ok(request) => request,
            Err(error) => return self.not_evaluated(arrival, body, error.to_string()),
        };
        if let Some(answer) = request.answer {
            return self.evaluate_answer(arrival, body, (&request, answer), scratch);
        }
        let read = match self.read(&request) {
            Ok(read) => read,
            Err(why) => return self.not_evaluated(arrival, body, why),
        };
        let verdict = self.inspect(read.protocol, &read.call, scratch);
        let subject = Subject {
            facts: CallFacts {
                protocol: read.protocol,
                path: &read.path,
                model: read.call.model.as_deref().unwrap_or(""),
                upstream: "",
            },
            route: "evaluate",
            actions: &read.actions,
            content_sha256: &hex(&Sha256::digest(read.body)),
            thread: None,
        };
        let assessment = self.assess(arrival, &read.call, &verdict, &subject);
        self.evaluated(arrival, &read, &verdict, &assessment)
    }

    fn read<'r>(&self, request: &'r Request<'r>) -> Result<Read<'r>, String> {
        let given = [
            request.text.is_some(),
            !request.texts.is_empty(),
            request.tool.is_some(),
            request.call.is_some(),
        ];
        if given.iter().filter(|given| **given).count() != 1 {
            return Err(ONE_OF.to_owned());
        }
        if let Some(call) = request.call {
            return self.read_call(request, call.get().as_bytes());
        }
        let mut call = ParsedCall::default();
        call.model = request.model.as_deref().map(Into::into);
        call.user = request.user.as_deref().map(Into::into);
        call.session = request.session.as_deref().map(Into::into);
        let mut actions = Vec::new();
        if let Some(text) = &request.text {
            call.segments.push(segment(
                SegmentKind::User,
                "/text".to_owned(),
                text.as_str().into(),
            ));
        }
        if request.texts.len() > TEXTS_MAX {
            return Err(format!("at most {TEXTS_MAX} texts"));
        }
        for (index, text) in request.texts.iter().enumerate() {
            let path = format!("/texts/{index}/text");
            call.segments
                .push(segment(text.role, path, text.text.as_str().into()));
        }
        if let Some(tool) = &request.tool {
            let arguments = tool.arguments.to_string();
            let path = "/tool/arguments".to_owned();
            call.segments
                .push(segment(SegmentKind::ToolCall, path, arguments.into()));
            call.tools.push(tool.name.as_str().into());
            actions.push(ToolAction {
                name: tool.name.clone(),
                arguments: tool.arguments.clone(),
            });
        }
        Ok(Read {
            protocol: PROTOCOL,
            path: PATH.to_owned(),
            body: &[],
            call,
            actions,
            speaks: None,
        })
    }

    fn read_call<'r>(&self, request: &'r Request<'r>, body: &'r [u8]) -> Result<Read<'r>, String> {
        let (path, protocol) = request.spoken()?;
        let head = RequestHead {
            method: "POST",
            path,
            query: "",
            content_type: "application/json",
        };
        let mut call = protocol
            .parse(&head, body, &self.parse_limits)
            .map_err(|error| error.to_string())?;
        if let Some(session) = &request.session {
            call.session = Some(session.as_str().into());
        }
        if let Some(user) = &request.user {
            call.user = Some(user.as_str().into());
        }
        Ok(Read {
            protocol: protocol.name(),
            path: path.to_owned(),
            body,
            actions: actions::of_call(&call, body),
            call,
            speaks: Some(protocol),
        })
    }

    fn not_evaluated(&self, arrival: &Arrival, body: &Bytes, why: String) -> Judged {
        let fault = Fault::new(ErrorKind::Malformed, "malformed", None);
        self.refuse_request(arrival, None, body, fault.saying(why))
    }

    fn evaluated(
        &self,
        arrival: &Arrival,
        read: &Read<'_>,
        verdict: &Verdict,
        assessment: &Assessment<'_>,
    ) -> Judged {
        let outcome = &assessment.outcome;
        let reason = assessment
            .ruling
            .reason()
            .unwrap_or(outcome.reason.as_str());
        let facts = DecisionFacts {
            enforcement: assessment.ruling.enforcement(),
            reason,
            ..self.facts(outcome.decision, outcome)
        };
        let content_sha256 = hex(&Sha256::digest(read.body));
        let row = CallRow {
            protocol: read.protocol,
            route: "evaluate",
            body: read.body,
            content_sha256: &content_sha256,
            fingerprints: &assessment.fingerprints,
            view: assessment.view,
            ..CallRow::default()
        };
        let answer = Answer {
            decision_id: &arrival.id,
            decision: outcome.decision,
            would_decision: outcome.would_decision,
            enforced: outcome.enforced,
            reason,
            rule: outcome.rule,
            threat_score: verdict.score,
            threat_detection: verdict.detection.map_or("", |category| category.as_str()),
            session_score: assessment.view.score,
            session_tainted: assessment.view.is_tainted,
            findings: findings(&read.call, verdict, &assessment.fingerprints),
            unjudged: &verdict.unjudged,
            constraints: &outcome.constraints,
            edited: edited(read, verdict, outcome),
            policy: PolicyView {
                id: self.policy.id(),
                version: self.policy.version(),
                hash: self.policy.hash(),
            },
            ruleset_hash: &self.node.ruleset_hash,
        };
        let called = (Some(&read.call), &row);
        let record = record::decision(self.node, arrival, &facts, verdict, called);
        Judged {
            approval: assessment.approval.clone(),
            ..answer.judged(record, read.body, assessment.view)
        }
    }
}

impl Answer<'_> {
    /// What goes into the log and back to the application.
    fn judged(&self, record: Vec<u8>, body: &[u8], view: View) -> Judged {
        Judged {
            record,
            decision: self.decision,
            next: Next::Answer {
                status: 200,
                body: Bytes::from(serde_json::to_vec(self).unwrap_or_default()),
            },
            is_unjudged: !self.unjudged.is_empty(),
            bytes: u64::try_from(body.len()).unwrap_or(0),
            approval: None,
            session: view.key,
            keeper: String::new(),
        }
    }
}

/// The weakened call.
fn edited(
    read: &Read<'_>,
    verdict: &Verdict,
    outcome: &atalaya_policy::Outcome<'_>,
) -> Option<Box<RawValue>> {
    let protocol = read
        .speaks
        .filter(|_| outcome.decision == Decision::Constrain)?;
    let redactions = redactions(verdict, &outcome.constraints.redact);
    let weaker = protocol.constrain(read.body, &read.call, &outcome.constraints, &redactions);
    let (weaker, _) = weaker.ok()?;
    RawValue::from_string(String::from_utf8(weaker).ok()?).ok()
}

fn segment<'t>(kind: SegmentKind, path: String, text: std::borrow::Cow<'t, str>) -> Segment<'t> {
    Segment {
        kind,
        path: path.into(),
        body: Span::new(0, 0),
        text,
    }
}

/// Spans are in the decoded text of each segment: what is evaluated has no other bytes.
fn findings<'a>(
    call: &'a ParsedCall<'_>,
    verdict: &'a Verdict,
    fingerprints: &'a [String],
) -> Vec<FindingView<'a>> {
    let pairs = verdict.findings.iter().zip(fingerprints);
    pairs
        .map(|(finding, fp)| {
            let index = usize::try_from(finding.segment).unwrap_or(usize::MAX);
            let segment = call.segments.get(index);
            FindingView {
                category: finding.category.as_str(),
                score: finding.score,
                rule: &finding.rule,
                fp,
                path: segment.map_or("", |segment| segment.path.as_ref()),
                role: finding.kind.as_str(),
                start: finding.span.start,
                end: finding.span.end,
                atlas: &finding.atlas,
            }
        })
        .collect()
}
