//! A streamed answer on its way: frames wait until their texts have been looked at and enough of
//! what follows is known.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use atalaya_inspect::Scratch;
use atalaya_model::{Decision, Redaction, Segment, Span, Unjudged, UnjudgedReason, Verdict};
use atalaya_policy::{BlockStyle, Streaming};
use atalaya_wire::{ErrorContext, ErrorKind, Frame, Framing, Splitter, rewrite};

use super::channel::{Channel, Edit};
use super::tools::{ToolWatch, ToolsOutcome};
use super::{Report, Watch, redactions, replacement, unjudged, whole};
use crate::approve::ApprovalNeeded;

/// New text, bytes, from which on it is worth looking again.
const STEP_BYTES: usize = 64;
/// Texts of one answer that are kept apart; more are not possible in any protocol's practice.
const CHANNELS_MAX: usize = 256;
/// Documents of sent frames that are kept for the end of a stopped stream.
const LAST_FRAMES: usize = 4;

/// A frame that waits.
struct Held {
    number: u64,
    frame: Frame,
    /// Texts it has pieces of, and where these end.
    needs: Vec<(usize, usize)>,
    edits: Vec<Edit>,
}

/// Why texts are looked at now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// New frames are there.
    Fed,
    /// They have waited long enough.
    Due,
    /// There will be no more.
    End,
}

/// A stream under watch.
pub(crate) struct StreamGuard {
    watch: Watch,
    framing: Framing,
    splitter: Splitter,
    channels: Vec<(String, Channel)>,
    held: VecDeque<Held>,
    held_bytes: usize,
    /// Frames before it have been sent.
    next_number: u64,
    first: Vec<u8>,
    last: Vec<Vec<u8>>,
    has_sent: bool,
    first_text: Option<Instant>,
    waiting_since: Option<Instant>,
    pub(crate) report: Report,
    is_stopped: bool,
    tools: ToolWatch,
    /// Frames from this one on wait until the tools of the answer are decided.
    hold_from: Option<u64>,
    /// A person is asked about the tools of the answer.
    waits: Option<ToolsOutcome>,
}

impl StreamGuard {
    pub(crate) fn new(watch: Watch, framing: Framing) -> Self {
        let frame_bytes_max = watch.policy.document().response.frame_bytes_max;
        Self {
            watch,
            framing,
            splitter: Splitter::new(framing, frame_bytes_max),
            channels: Vec::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            next_number: 0,
            first: Vec::new(),
            last: Vec::new(),
            has_sent: false,
            first_text: None,
            waiting_since: None,
            report: Report::default(),
            is_stopped: false,
            tools: ToolWatch::default(),
            hold_from: None,
            waits: None,
        }
    }

    /// What a person has to be asked before the rest is sent, once the answer has ended.
    pub(crate) fn waits(&self) -> Option<&ApprovalNeeded> {
        self.waits.as_ref()?.approval.as_ref()
    }

    /// The rest, or the end, when the person has decided.
    pub(crate) fn decided(&mut self, is_approved: bool) -> Vec<u8> {
        let outcome = self.waits.take().unwrap_or_default();
        if !is_approved {
            self.report.add_tools(&outcome);
            return self.stop();
        }
        self.report.rule = outcome.rule;
        self.hold_from = None;
        self.send(When::End)
    }

    /// Whether the policy ended the stream: nothing more is to be read or sent.
    pub(crate) const fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// When held text is due, if some is held.
    pub(crate) fn due(&self) -> Option<Instant> {
        let response = &self.watch.policy.document().response;
        if response.streaming == Streaming::Buffer {
            return None;
        }
        self.waiting_since
            .map(|since| since + Duration::from_millis(response.hold_ms))
    }

    /// Takes bytes of the upstream, gives bytes for the caller.
    pub(crate) fn feed(&mut self, bytes: &[u8], scratch: &mut Scratch) -> Vec<u8> {
        if self.is_stopped {
            return Vec::new();
        }
        let started = Instant::now();
        let Ok(frames) = self.splitter.feed(bytes) else {
            return self.broken(bytes.len());
        };
        for frame in frames {
            self.take(frame, scratch);
            if self.is_stopped {
                return self.stop();
            }
        }
        let out = self.go_on(When::Fed, scratch);
        self.report.eval += started.elapsed();
        out
    }

    /// What is due after waiting: up to the last word.
    pub(crate) fn tick(&mut self, scratch: &mut Scratch) -> Vec<u8> {
        self.waiting_since = None;
        self.go_on(When::Due, scratch)
    }

    /// The rest, at the end of the upstream's answer.
    pub(crate) fn finish(&mut self, scratch: &mut Scratch) -> Vec<u8> {
        if self.is_stopped {
            return Vec::new();
        }
        match self.splitter.finish() {
            Ok(Some(frame)) => self.take(frame, scratch),
            Ok(None) => {}
            Err(_) => return self.broken(self.splitter.kept_bytes()),
        }
        if self.is_stopped {
            return self.stop();
        }
        self.go_on(When::End, scratch)
    }

    /// What may still go when the upstream breaks off: whole frames, looked at to their end.
    pub(crate) fn cut(&mut self, scratch: &mut Scratch) -> Vec<u8> {
        if self.is_stopped {
            return Vec::new();
        }
        let out = self.go_on(When::End, scratch);
        // Nobody is asked about half a call.
        if self.waits.is_some() {
            return [out, self.decided(false)].concat();
        }
        out
    }

    fn broken(&mut self, bytes: usize) -> Vec<u8> {
        let part = unjudged(UnjudgedReason::Malformed, self.framing.as_str(), bytes);
        self.judge_unjudged(vec![part]);
        // What cannot be cut into frames cannot be passed in part: the stream ends here.
        self.report.decision = Decision::Block;
        self.stop()
    }

    fn judge_unjudged(&mut self, unjudged: Vec<Unjudged>) {
        let verdict = Verdict {
            unjudged,
            ..Verdict::default()
        };
        let outcome = self.watch.decide(&verdict);
        self.report.add(&verdict, &outcome);
        self.is_stopped |= outcome.decision == Decision::Block;
    }

    /// Reads a frame and puts it into the queue.
    fn take(&mut self, frame: Frame, scratch: &mut Scratch) {
        let number = self.next_number;
        self.next_number += 1;
        self.held_bytes += frame.raw.len();
        let mut held = Held {
            number,
            frame,
            needs: Vec::new(),
            edits: Vec::new(),
        };
        let data = std::mem::take(&mut held.frame.data);
        let marker = self.watch.protocol.end_marker();
        if !data.is_empty() && (marker.is_empty() || data.trim_ascii() != marker) {
            self.read(&data, &mut held, scratch);
        }
        held.frame.data = data;
        self.held.push_back(held);
        let max = self.watch.policy.document().response.body_bytes_max;
        if self.held_bytes > max {
            let part = unjudged(UnjudgedReason::TooLarge, "stream", self.held_bytes);
            self.judge_unjudged(vec![part]);
            self.is_stopped = true;
            self.report.decision = Decision::Block;
        }
    }

    fn read(&mut self, data: &[u8], held: &mut Held, scratch: &mut Scratch) {
        let protocol = self.watch.protocol;
        let Ok(answer) = protocol.parse_answer(data, &self.watch.parse_limits) else {
            let part = unjudged(UnjudgedReason::Malformed, "frame", data.len());
            // Readable all the same: what stands in it is looked at as text.
            let text = String::from_utf8_lossy(data);
            let segment = Segment {
                kind: atalaya_model::SegmentKind::Response,
                path: "".into(),
                body: Span::new(0, data.len()),
                text: text.as_ref().into(),
            };
            let mut verdict = whole::inspect(&self.watch, &[segment], scratch);
            verdict.unjudged.push(part);
            let outcome = self.watch.decide(&verdict);
            self.report.add(&verdict, &outcome);
            // It cannot be edited, so a finding in it ends the stream.
            self.is_stopped |= outcome.decision >= Decision::Constrain;
            return;
        };
        if let Some(outcome) = self.tools.take(&self.watch, data) {
            self.report.add_tools(&outcome);
            self.is_stopped |= outcome.decision == Decision::Block;
        }
        if self.tools.is_waiting() {
            self.hold_from.get_or_insert(held.number);
        }
        let mut is_delta = vec![false; answer.call.segments.len()];
        for delta in &answer.deltas {
            if let Some(flag) = is_delta.get_mut(delta.segment) {
                *flag = true;
            }
            let segment = &answer.call.segments[delta.segment];
            self.first_text.get_or_insert_with(Instant::now);
            let index = self.channel(&delta.channel, segment.kind, delta.is_json);
            let end = self.channels[index]
                .1
                .push(&segment.text, held.number, delta.segment);
            held.needs.push((index, end));
        }
        // Whole texts are looked at at once, under their own numbers.
        let indices: Vec<usize> = (0..is_delta.len())
            .filter(|index| !is_delta[*index])
            .collect();
        let wholes: Vec<Segment<'_>> = indices
            .iter()
            .map(|index| answer.call.segments[*index].clone())
            .collect();
        if wholes.is_empty() && answer.call.unjudged.is_empty() {
            return;
        }
        let mut verdict = whole::inspect(&self.watch, &wholes, scratch);
        verdict
            .unjudged
            .extend(answer.call.unjudged.iter().cloned());
        let outcome = self.watch.decide(&verdict);
        self.report.add(&verdict, &outcome);
        self.is_stopped |= outcome.decision == Decision::Block;
        for redaction in redactions(&verdict, &outcome) {
            self.report.masked += 1;
            held.edits.push(Edit {
                frame: held.number,
                segment: indices[redaction.segment as usize],
                span: redaction.span,
                text: redaction.replacement,
            });
        }
    }

    fn channel(&mut self, name: &str, kind: atalaya_model::SegmentKind, is_json: bool) -> usize {
        if let Some(index) = self.channels.iter().position(|(known, _)| known == name) {
            return index;
        }
        if self.channels.len() >= CHANNELS_MAX {
            // All further texts are one text: looked at together rather than not at all.
            return CHANNELS_MAX - 1;
        }
        self.channels
            .push((name.to_owned(), Channel::new(kind, is_json)));
        self.channels.len() - 1
    }

    /// Looks at what is new and sends what may go.
    fn go_on(&mut self, when: When, scratch: &mut Scratch) -> Vec<u8> {
        let response = &self.watch.policy.document().response;
        let is_window = response.streaming == Streaming::Window;
        if when == When::End || is_window {
            for index in 0..self.channels.len() {
                let new = self.channels[index].1.unscanned();
                if new > 0 && (new >= STEP_BYTES || when != When::Fed) {
                    self.look(index, scratch);
                }
            }
        }
        if self.is_stopped {
            return self.stop();
        }
        if !is_window && when != When::End {
            return Vec::new();
        }
        if when == When::End && self.tools_stop() {
            return self.stop();
        }
        self.send(when)
    }

    /// Whether what tools are called with ends the answer.
    fn tools_stop(&mut self) -> bool {
        let Some(outcome) = self.tools.finish(&self.watch) else {
            return false;
        };
        if outcome.decision == Decision::Block && outcome.approval.is_some() {
            self.waits = Some(outcome);
            return false;
        }
        self.hold_from = None;
        self.report.add_tools(&outcome);
        outcome.decision == Decision::Block
    }

    /// Looks at the window of a text.
    fn look(&mut self, index: usize, scratch: &mut Scratch) {
        let channel = &self.channels[index].1;
        let segment = Segment {
            kind: channel.kind,
            path: "".into(),
            body: Span::new(0, channel.window().len()),
            text: channel.window().into(),
        };
        let verdict = whole::inspect(&self.watch, std::slice::from_ref(&segment), scratch);
        let outcome = self.watch.decide(&verdict);
        self.report.add(&verdict, &outcome);
        let mut edits = Vec::new();
        let mut is_stuck = outcome.decision == Decision::Block;
        for finding in &verdict.findings {
            if !outcome.redact.contains(&finding.category) {
                continue;
            }
            let found = channel.edits(finding.span, &replacement(finding));
            // Nothing that may be replaced: then none of it is passed on.
            is_stuck |= found.is_empty();
            edits.extend(found);
        }
        for edit in edits {
            let held = self.held.iter_mut().find(|held| held.number == edit.frame);
            // Of what was sent already nothing can be replaced.
            let Some(held) = held else { continue };
            if !held.edits.contains(&edit) {
                self.report.masked += u32::from(!edit.text.is_empty());
                held.edits.retain(|known| {
                    known.segment != edit.segment
                        || known.span.end <= edit.span.start
                        || edit.span.end <= known.span.start
                });
                held.edits.push(edit);
            }
        }
        self.is_stopped |= is_stuck;
        if is_stuck {
            self.report.decision = Decision::Block;
        }
        self.channels[index].1.looked();
    }

    /// Up to where each text may be sent.
    fn limits(&self, when: When) -> Vec<usize> {
        let hold = self.watch.policy.document().response.hold_bytes;
        let limit = |channel: &Channel| match when {
            When::End => channel.end(),
            When::Fed => channel.scanned().min(channel.end().saturating_sub(hold)),
            When::Due => {
                let boundary = channel.last_boundary();
                let hold = channel.end().saturating_sub(hold);
                channel.scanned().min(boundary.max(hold))
            }
        };
        self.channels
            .iter()
            .map(|(_, channel)| limit(channel))
            .collect()
    }

    fn send(&mut self, when: When) -> Vec<u8> {
        let limits = self.limits(when);
        let mut out = Vec::new();
        while let Some(held) = self.held.front() {
            let waits = held.needs.iter().any(|(index, end)| *end > limits[*index]);
            if waits || self.hold_from.is_some_and(|from| held.number >= from) {
                break;
            }
            let Some(held) = self.held.pop_front() else {
                break;
            };
            self.held_bytes -= held.frame.raw.len();
            if !held.needs.is_empty() && self.report.added_ttft.is_none() {
                self.report.added_ttft = self.first_text.map(|first| first.elapsed());
            }
            let Some(bytes) = self.written(&held) else {
                self.is_stopped = true;
                self.report.decision = Decision::Block;
                out.extend(self.stop());
                return out;
            };
            out.extend_from_slice(&bytes);
            self.sent(held.frame.data);
        }
        let overlap = self.watch.policy.document().response.overlap_bytes;
        for (index, limit) in limits.iter().enumerate() {
            self.channels[index]
                .1
                .forget_before(limit.saturating_sub(overlap));
        }
        self.waiting_since = match (self.held.is_empty(), when, self.waiting_since) {
            (true, _, _) => None,
            (false, When::Due, _) => None,
            (false, _, since) => Some(since.unwrap_or_else(Instant::now)),
        };
        out
    }

    fn sent(&mut self, data: Vec<u8>) {
        self.has_sent = true;
        if data.is_empty() {
            return;
        }
        if self.first.is_empty() {
            self.first.clone_from(&data);
        }
        if self.last.len() >= LAST_FRAMES {
            self.last.remove(0);
        }
        self.last.push(data);
    }

    /// A frame as it goes out; nothing if it cannot be written safely.
    fn written(&self, held: &Held) -> Option<Vec<u8>> {
        if held.edits.is_empty() {
            return Some(held.frame.raw.clone());
        }
        let protocol = self.watch.protocol;
        let data = &held.frame.data;
        let answer = protocol.parse_answer(data, &self.watch.parse_limits).ok()?;
        let redactions: Vec<Redaction> = held
            .edits
            .iter()
            .map(|edit| Redaction {
                segment: u32::try_from(edit.segment).unwrap_or(u32::MAX),
                span: edit.span,
                replacement: edit.text.clone(),
            })
            .collect();
        let data = protocol.redact_answer(data, &answer, &redactions).ok()?;
        Some(rewrite(self.framing, &held.frame, &data))
    }

    /// Ends the stream in the protocol's own way; what is held is never sent.
    fn stop(&mut self) -> Vec<u8> {
        self.is_stopped = true;
        self.report.decision = self.report.decision.max(Decision::Block);
        self.held.clear();
        let on_block = self.watch.decide(&Verdict::default()).on_block;
        if on_block.style == BlockStyle::Error {
            return self.watch.protocol.stream_error(&ErrorContext {
                reply_to: &self.watch.asked.reply_to,
                framing: self.framing,
                ..ErrorContext::new(&self.watch.decision_id, ErrorKind::Blocked, &on_block.text)
            });
        }
        if !self.has_sent {
            return self.watch.refusal(self.framing, &on_block.text).body;
        }
        let place = (self.first.as_slice(), self.last.as_slice());
        let context = self.watch.stop_context(self.framing, &on_block.text, place);
        self.watch.protocol.stream_stop(&context)
    }
}
