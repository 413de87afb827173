//! An answer that is looked at in one piece.

use std::time::Instant;

use atalaya_inspect::Scratch;
use atalaya_model::{Decision, Segment, SegmentKind, Span, UnjudgedReason, Verdict};
use atalaya_policy::{BlockStyle, Policy};
use atalaya_wire::{ErrorContext, ErrorKind, Framing, ParsedAnswer};

use super::tools::{ToolWatch, ToolsOutcome};
use super::{Needles, PromptMarks, Report, Watch, leak, redactions, unjudged};
use crate::approve::ApprovalNeeded;

/// What the caller gets.
pub(crate) enum Whole {
    /// The same bytes.
    Same,
    /// Others, of the same kind.
    Masked(Vec<u8>),
    /// Another answer.
    Refused(atalaya_wire::Answer),
    /// What comes of it, if a person says yes to its tools.
    Waits(ApprovalNeeded, Box<Whole>),
}

/// Looks at an answer that is one document.
pub(crate) fn judge_whole(
    watch: &Watch,
    (body, is_success): (&[u8], bool),
    scratch: &mut Scratch,
    report: &mut Report,
) -> Whole {
    if body.trim_ascii().is_empty() {
        return Whole::Same;
    }
    match watch.protocol.parse_answer(body, &watch.parse_limits) {
        Ok(answer) => judge_parsed(watch, (body, &answer), scratch, report),
        Err(_) => judge_text(
            watch,
            body,
            is_success.then_some(UnjudgedReason::Malformed),
            (scratch, report),
        ),
    }
}

/// What the segments of an answer show.
pub(super) fn inspect(watch: &Watch, segments: &[Segment<'_>], scratch: &mut Scratch) -> Verdict {
    let mut verdict = watch.inspector.inspect(segments, scratch);
    let sought = (&watch.asked.marks, watch.asked.canaries.as_ref());
    add_leaks(segments, &watch.policy, sought, &mut verdict);
    verdict
}

/// Canaries in an answer whose call nobody saw.
pub(crate) fn leaks_of(segments: &[Segment<'_>], policy: &Policy, verdict: &mut Verdict) {
    let canaries = Needles::of(&policy.document().response.canaries);
    add_leaks(
        segments,
        policy,
        (&PromptMarks::default(), &canaries),
        verdict,
    );
}

fn add_leaks(
    segments: &[Segment<'_>],
    policy: &Policy,
    (marks, canaries): (&PromptMarks, &Needles),
    verdict: &mut Verdict,
) {
    let response = &policy.document().response;
    for (index, segment) in segments.iter().enumerate() {
        let found = leak::leaks(
            &segment.text,
            (u32::try_from(index).unwrap_or(u32::MAX), segment.kind),
            marks,
            (canaries, response.prompt_overlap_words),
        );
        verdict.findings.extend(found);
    }
    verdict
        .findings
        .sort_by_key(|finding| std::cmp::Reverse(finding.score));
}

fn judge_parsed(
    watch: &Watch,
    (body, answer): (&[u8], &ParsedAnswer<'_>),
    scratch: &mut Scratch,
    report: &mut Report,
) -> Whole {
    let started = Instant::now();
    let mut verdict = inspect(watch, &answer.call.segments, scratch);
    verdict
        .unjudged
        .extend(answer.call.unjudged.iter().cloned());
    let outcome = watch.decide(&verdict);
    report.add(&verdict, &outcome);
    let redactions = redactions(&verdict, &outcome);
    let tools = tools_of(watch, body);
    let is_blocked = outcome.decision == Decision::Block;
    let needed = tools.approval.clone().filter(|_| !is_blocked);
    if needed.is_none() {
        report.add_tools(&tools);
    }
    let whole = if is_blocked || needed.is_none() && tools.decision == Decision::Block {
        refused(watch)
    } else if redactions.is_empty() {
        Whole::Same
    } else {
        match watch.protocol.redact_answer(body, answer, &redactions) {
            Ok(masked) => {
                report.masked += u32::try_from(redactions.len()).unwrap_or(u32::MAX);
                Whole::Masked(masked)
            }
            // What cannot be replaced safely is not passed on.
            Err(_) => {
                report.decision = Decision::Block;
                refused(watch)
            }
        }
    };
    report.eval += started.elapsed();
    match needed {
        Some(needed) => Whole::Waits(needed, Box::new(whole)),
        None => whole,
    }
}

/// What the tools of a whole answer decide.
fn tools_of(watch: &Watch, body: &[u8]) -> ToolsOutcome {
    let mut tools = ToolWatch::default();
    let by_name = tools.take(watch, body).unwrap_or_default();
    let by_arguments = tools.finish(watch).unwrap_or_default();
    by_name.stricter(by_arguments)
}

/// Looks at an answer that is readable text, or was to be a document and is none.
pub(crate) fn judge_text(
    watch: &Watch,
    body: &[u8],
    problem: Option<UnjudgedReason>,
    (scratch, report): (&mut Scratch, &mut Report),
) -> Whole {
    let started = Instant::now();
    let text = String::from_utf8_lossy(body);
    let segment = Segment {
        kind: SegmentKind::Response,
        path: "".into(),
        body: Span::new(0, body.len()),
        text: text.as_ref().into(),
    };
    let mut verdict = inspect(watch, std::slice::from_ref(&segment), scratch);
    let is_text = matches!(text, std::borrow::Cow::Borrowed(_));
    let problem = problem.or((!is_text).then_some(UnjudgedReason::Malformed));
    if let Some(reason) = problem {
        verdict.unjudged.push(unjudged(reason, "", body.len()));
    }
    let outcome = watch.decide(&verdict);
    report.add(&verdict, &outcome);
    let mut redactions = redactions(&verdict, &outcome);
    let whole = if outcome.decision == Decision::Block {
        refused(watch)
    } else if redactions.is_empty() {
        Whole::Same
    } else if is_text {
        redactions.sort_by_key(|redaction| redaction.span.start);
        report.masked += u32::try_from(redactions.len()).unwrap_or(u32::MAX);
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for redaction in &redactions {
            if redaction.span.start >= at {
                out.push_str(text.get(at..redaction.span.start).unwrap_or(""));
                out.push_str(&redaction.replacement);
            }
            at = at.max(redaction.span.end);
        }
        out.push_str(text.get(at..).unwrap_or(""));
        Whole::Masked(out.into_bytes())
    } else {
        report.decision = Decision::Block;
        refused(watch)
    };
    report.eval += started.elapsed();
    whole
}

pub(crate) fn refused(watch: &Watch) -> Whole {
    let on_block = watch.decide(&Verdict::default()).on_block;
    if on_block.style == BlockStyle::Error {
        let context = ErrorContext {
            reply_to: &watch.asked.reply_to,
            ..ErrorContext::new(&watch.decision_id, ErrorKind::Blocked, &on_block.text)
        };
        return Whole::Refused(watch.protocol.error(&context));
    }
    Whole::Refused(watch.refusal(Framing::Whole, &on_block.text))
}
