//! One text of a streamed answer, put together from the pieces in its frames.
//!
//! The text that detectors see is the window: what was sent lately and what is held back. Of every
//! character it is known from which frame and place it came, so that a finding can be replaced
//! there. A text that is JSON (arguments of a tool call) is read through its escapes, and only what
//! stands inside its strings and numbers is ever replaced, so that it stays JSON.

use std::collections::VecDeque;

use atalaya_model::{SegmentKind, Span};

/// Where a part of the window came from. Positions in the text count from the stream's beginning.
#[derive(Clone, Debug)]
struct Piece {
    start: usize,
    end: usize,
    frame: u64,
    segment: usize,
    /// Place in the decoded text of that segment.
    source: Span,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Bytes of the window are bytes of the source.
    Plain,
    /// One character that the source writes with several.
    Escape,
    /// Digits outside of strings: they stay digits.
    Number,
    /// Brackets, quotes, literals: never replaced.
    Structure,
}

/// A replacement at a place in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) frame: u64,
    pub(super) segment: usize,
    pub(super) span: Span,
    pub(super) text: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Json {
    /// Nothing but white space has been seen.
    #[default]
    Unknown,
    /// The text is no JSON.
    No,
    Outside,
    Inside,
    /// In an escape, of which this has been seen.
    Escape(String),
}

/// A text in the making.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) kind: SegmentKind,
    window: String,
    /// Where the window begins.
    base: usize,
    /// Up to where detectors have looked.
    scanned: usize,
    pieces: VecDeque<Piece>,
    json: Json,
}

impl Channel {
    pub(super) fn new(kind: SegmentKind, is_json: bool) -> Self {
        Self {
            kind,
            window: String::new(),
            base: 0,
            scanned: 0,
            pieces: VecDeque::new(),
            json: if is_json { Json::Unknown } else { Json::No },
        }
    }

    pub(super) fn window(&self) -> &str {
        &self.window
    }

    pub(super) fn end(&self) -> usize {
        self.base + self.window.len()
    }

    pub(super) const fn scanned(&self) -> usize {
        self.scanned
    }

    pub(super) fn unscanned(&self) -> usize {
        self.end() - self.scanned
    }

    /// Detectors have looked at all of it.
    pub(super) fn looked(&mut self) {
        self.scanned = self.end();
    }

    /// Takes the next piece; gives the end of the text now.
    pub(super) fn push(&mut self, text: &str, frame: u64, segment: usize) -> usize {
        if self.json == Json::Unknown {
            match text.trim_start().chars().next() {
                Some('{' | '[') => self.json = Json::Outside,
                Some(_) => self.json = Json::No,
                None => {}
            }
        }
        if matches!(self.json, Json::No | Json::Unknown) {
            let start = self.end();
            self.window.push_str(text);
            let source = Span::new(0, text.len());
            self.piece((start, frame, segment), source, What::Plain);
        } else {
            for (at, c) in text.char_indices() {
                let source = Span::new(at, at + c.len_utf8());
                self.json_char(c, source, (frame, segment));
            }
        }
        self.end()
    }

    fn piece(&mut self, (start, frame, segment): (usize, u64, usize), source: Span, what: What) {
        let end = self.end();
        if let Some(last) = self.pieces.back_mut() {
            let goes_on = what != What::Escape
                && last.what == what
                && (last.frame, last.segment) == (frame, segment)
                && (last.end, last.source.end) == (start, source.start);
            if goes_on {
                last.end = end;
                last.source.end = source.end;
                return;
            }
        }
        self.pieces.push_back(Piece {
            start,
            end,
            frame,
            segment,
            source,
            what,
        });
    }

    fn json_char(&mut self, c: char, source: Span, (frame, segment): (u64, usize)) {
        let start = self.end();
        let place = (start, frame, segment);
        let state = std::mem::take(&mut self.json);
        self.json = match (state, c) {
            (Json::Inside, '\\') => {
                self.piece(place, source, What::Escape);
                Json::Escape(String::new())
            }
            (Json::Inside, '"') => {
                self.window.push(c);
                self.piece(place, source, What::Structure);
                Json::Outside
            }
            (Json::Inside, _) => {
                self.window.push(c);
                self.piece(place, source, What::Plain);
                Json::Inside
            }
            (Json::Escape(mut seen), _) => {
                seen.push(c);
                let decoded = decode(&seen);
                if let Some(Some(character)) = decoded {
                    self.window.push(character);
                }
                self.piece(place, source, What::Escape);
                if decoded.is_some() {
                    Json::Inside
                } else {
                    Json::Escape(seen)
                }
            }
            (_, '"') => {
                self.window.push(c);
                self.piece(place, source, What::Structure);
                Json::Inside
            }
            (_, _) => {
                self.window.push(c);
                let what = if c.is_ascii_digit() {
                    What::Number
                } else {
                    What::Structure
                };
                self.piece(place, source, what);
                Json::Outside
            }
        };
    }

    /// The edits that replace a span of the window; nothing if it has no place that may be
    /// replaced.
    pub(super) fn edits(&self, span: Span, replacement: &str) -> Vec<Edit> {
        let (from, to) = (self.base + span.start, self.base + span.end);
        let mut edits = Vec::new();
        let mut is_said = false;
        for piece in &self.pieces {
            let is_empty = piece.start == piece.end;
            let is_hit = if is_empty {
                from <= piece.start && piece.start < to
            } else {
                piece.start < to && from < piece.end
            };
            if !is_hit || piece.what == What::Structure {
                continue;
            }
            let source = match piece.what {
                What::Escape => piece.source,
                _ => Span::new(
                    piece.source.start + from.saturating_sub(piece.start),
                    piece.source.end - piece.end.saturating_sub(to),
                ),
            };
            let text = match piece.what {
                What::Number => "9".repeat(source.len()),
                _ if is_said => String::new(),
                _ => {
                    is_said = true;
                    replacement.to_owned()
                }
            };
            edits.push(Edit {
                frame: piece.frame,
                segment: piece.segment,
                span: source,
                text,
            });
        }
        edits
    }

    /// Forgets what lies before a position.
    pub(super) fn forget_before(&mut self, position: usize) {
        let cut = position.min(self.end()).saturating_sub(self.base);
        let cut = self.window.floor_char_boundary(cut);
        if cut == 0 {
            return;
        }
        self.window.drain(..cut);
        self.base += cut;
        while self
            .pieces
            .front()
            .is_some_and(|piece| piece.end <= self.base)
        {
            self.pieces.pop_front();
        }
        self.scanned = self.scanned.max(self.base);
    }

    /// The end of the last word that nothing can follow without a space: what lies behind it may
    /// be half of something. Groups of digits belong together, as numbers of cards are written.
    pub(super) fn last_boundary(&self) -> usize {
        let is_digit_like = |c: char| c.is_ascii_digit() || "-.()+ \t\r\n".contains(c);
        // Behind a space after which only digits came.
        let mut digits_from = None;
        let mut is_digits = true;
        for (at, c) in self.window.char_indices().rev() {
            if !c.is_ascii() {
                // Scripts without spaces: each character is a boundary of what detectors know.
                return self.base + digits_from.unwrap_or(at + c.len_utf8());
            }
            if c.is_ascii_whitespace() {
                if !is_digits {
                    return self.base + at + 1;
                }
                digits_from = Some(at + 1);
            } else if !is_digit_like(c) {
                if let Some(from) = digits_from {
                    return self.base + from;
                }
                is_digits = false;
            }
        }
        self.base
    }
}

/// What an escape means, once it is whole: a character, or half of one.
fn decode(seen: &str) -> Option<Option<char>> {
    let mut chars = seen.chars();
    let plain = match chars.next()? {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'u' => {
            let digits = chars.as_str();
            if digits.len() < 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return None;
            }
            let code = u32::from_str_radix(digits.get(..4).unwrap_or(""), 16).ok();
            return Some(code.and_then(char::from_u32));
        }
        other => other,
    };
    Some(Some(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_through_their_escapes_and_only_strings_are_replaced() {
        let mut channel = Channel::new(SegmentKind::ToolCall, true);
        channel.push("{\"k\":\"A\\u00", 0, 0);
        channel.push("4bIA\",\"n\":12", 1, 0);
        channel.push("34}", 2, 0);
        assert_eq!(channel.window(), "{\"k\":\"AKIA\",\"n\":1234}");
        let start = channel.window().find("AKIA").unwrap();
        let edits = channel.edits(Span::new(start, start + 4), "[R]");
        assert_eq!(edits[0].text, "[R]");
        assert!(edits[1..].iter().all(|edit| edit.text.is_empty()));
        assert_eq!(apply("{\"k\":\"A\\u00", &edits, 0), "{\"k\":\"[R]");
        assert_eq!(apply("4bIA\",\"n\":12", &edits, 1), "\",\"n\":12");
        let number = channel.window().find("1234").unwrap();
        let edits = channel.edits(Span::new(number, number + 4), "[R]");
        assert_eq!(apply("4bIA\",\"n\":12", &edits, 1), "4bIA\",\"n\":99");
        assert_eq!(apply("34}", &edits, 2), "99}");
    }

    #[test]
    fn what_may_be_half_of_something_is_behind_the_last_boundary() {
        for (text, sent) in [
            ("say AKIA", "say "),
            ("card 4539 1488 03", "card "),
            ("all said. ", "all said. "),
            ("秘密です", "秘密です"),
            ("word", ""),
        ] {
            let mut channel = Channel::new(SegmentKind::Response, false);
            channel.push(text, 0, 0);
            assert_eq!(&text[..channel.last_boundary()], sent, "{text}");
        }
    }

    fn apply(text: &str, edits: &[Edit], frame: u64) -> String {
        let mut out = text.to_owned();
        for edit in edits.iter().rev().filter(|edit| edit.frame == frame) {
            out.replace_range(edit.span.start..edit.span.end, &edit.text);
        }
        out
    }
}
