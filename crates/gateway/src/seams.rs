//! Texts that come in pieces: the parts of one message, and messages of one role in a row, are one
//! text for the model, so that an attack may be cut at the seam between two of them.
//!
//! What stands around each seam is put together and looked at once more; a finding counts if it
//! reaches over a seam. Trade-off: as many bytes again as stand around seams, and only those; an
//! attack of which the pieces lie farther apart than that is left to the conversation's score.

use atalaya_inspect::{Inspector, Scratch};
use atalaya_model::{Finding, Segment, SegmentKind, Span, Verdict};

/// Bytes on either side of a seam that are looked at.
const EDGE_BYTES: usize = 512;
/// Longest text that is put together; a longer one is looked at in overlapping parts.
const WINDOW_BYTES_MAX: usize = 8 * EDGE_BYTES;

/// Protocols in which the texts of a list are independent of each other.
const APART: [&str; 7] = [
    "atalaya.evaluate",
    "openai.embeddings",
    "openai.completions",
    "openai.moderations",
    "openai.files",
    "ollama.embed",
    "anthropic.batches",
];

/// A text that was put together, and where its pieces come from.
struct Window {
    kind: SegmentKind,
    text: String,
    pieces: Vec<Piece>,
}

/// Bytes of a window that stand in a segment.
#[derive(Clone, Copy)]
struct Piece {
    at: Span,
    segment: usize,
    /// Where they begin in that segment's text.
    from: usize,
}

/// Adds what is found across seams.
pub(crate) fn inspect(
    protocol: &str,
    segments: &[Segment<'_>],
    (inspector, scratch): (&Inspector, &mut Scratch),
    verdict: &mut Verdict,
) {
    if APART.contains(&protocol) {
        return;
    }
    let mut found = Vec::new();
    for run in runs(segments) {
        for separator in ["", "\n"] {
            for window in windows(segments, run.clone(), separator) {
                let judged = inspector.inspect_text(&window.text, window.kind, scratch);
                for finding in judged.findings {
                    window.split(&finding, &mut found);
                }
            }
        }
    }
    take(verdict, found);
}

/// Runs of two or more texts of one kind, where texts are material or the user's.
fn runs(segments: &[Segment<'_>]) -> Vec<std::ops::Range<usize>> {
    let mut runs = Vec::new();
    let mut start = 0;
    for end in 1..=segments.len() {
        let goes_on = segments
            .get(end)
            .is_some_and(|next| next.kind == segments[start].kind);
        if goes_on {
            continue;
        }
        let is_read = matches!(
            segments[start].kind,
            SegmentKind::User | SegmentKind::ToolResult | SegmentKind::Document
        );
        if is_read && end - start > 1 {
            runs.push(start..end);
        }
        start = end;
    }
    runs
}

fn windows(segments: &[Segment<'_>], run: std::ops::Range<usize>, separator: &str) -> Vec<Window> {
    let kind = segments[run.start].kind;
    let mut windows = Vec::new();
    let mut window = Window::new(kind);
    for index in run {
        let text = segments[index].text.as_ref();
        if !window.text.is_empty() {
            window.text.push_str(separator);
        }
        if text.len() <= 2 * EDGE_BYTES {
            window.push(index, (0, text));
        } else {
            let head = text.floor_char_boundary(EDGE_BYTES);
            window.push(index, (0, &text[..head]));
            windows.push(window);
            window = Window::new(kind);
            let tail = text.ceil_char_boundary(text.len() - EDGE_BYTES);
            window.push(index, (tail, &text[tail..]));
        }
        if window.text.len() > WINDOW_BYTES_MAX {
            let next = window.tail();
            windows.push(std::mem::replace(&mut window, next));
        }
    }
    windows.push(window);
    windows.retain(|window| window.pieces.len() > 1);
    windows
}

impl Window {
    const fn new(kind: SegmentKind) -> Self {
        Self {
            kind,
            text: String::new(),
            pieces: Vec::new(),
        }
    }

    fn push(&mut self, segment: usize, (from, text): (usize, &str)) {
        let start = self.text.len();
        self.text.push_str(text);
        self.pieces.push(Piece {
            at: Span::new(start, self.text.len()),
            segment,
            from,
        });
    }

    /// A window that begins with the end of this one.
    fn tail(&self) -> Self {
        let cut = self
            .text
            .ceil_char_boundary(self.text.len().saturating_sub(EDGE_BYTES));
        let pieces = self.pieces.iter().filter(|piece| piece.at.end > cut);
        let pieces = pieces.map(|piece| {
            let hidden = cut.saturating_sub(piece.at.start);
            Piece {
                at: Span::new(piece.at.start.max(cut) - cut, piece.at.end - cut),
                from: piece.from + hidden,
                ..*piece
            }
        });
        Self {
            kind: self.kind,
            text: self.text[cut..].to_owned(),
            pieces: pieces.collect(),
        }
    }

    /// A finding as one in each of the segments that it reaches into; nothing of one that a single
    /// segment shows.
    fn split(&self, finding: &Finding, out: &mut Vec<Finding>) {
        let hit: Vec<&Piece> = self
            .pieces
            .iter()
            .filter(|piece| piece.at.start < finding.span.end && finding.span.start < piece.at.end)
            .collect();
        if hit.len() < 2 {
            return;
        }
        out.extend(hit.into_iter().map(|piece| {
            let start = finding.span.start.max(piece.at.start) - piece.at.start;
            let end = finding.span.end.min(piece.at.end) - piece.at.start;
            Finding {
                segment: u32::try_from(piece.segment).unwrap_or(u32::MAX),
                span: Span::new(piece.from + start, piece.from + end),
                ..finding.clone()
            }
        }));
    }
}

/// Takes over what is worse than what the segments show by themselves.
fn take(verdict: &mut Verdict, found: Vec<Finding>) {
    for finding in found {
        let is_known = verdict.findings.iter().any(|known| {
            known.segment == finding.segment
                && known.category == finding.category
                && known.score >= finding.score
                && known.span.start < finding.span.end
                && finding.span.start < known.span.end
        });
        if !is_known {
            verdict.findings.push(finding);
        }
    }
    verdict
        .findings
        .sort_by_key(|finding| std::cmp::Reverse(finding.score));
    verdict.findings.truncate(atalaya_inspect::FINDINGS_MAX);
    if let Some(worst) = verdict.findings.first()
        && worst.score > verdict.score
    {
        verdict.score = worst.score;
        verdict.detection = Some(worst.category);
        verdict.pattern = Some(worst.rule.clone());
    }
}
