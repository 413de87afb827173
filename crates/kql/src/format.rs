//! Formatting: one operator per line, lines indented by the parentheses they stand in.
//!
//! Works on tokens, so a query that does not bind can be formatted too. Only white space changes:
//! comments, line breaks inside of lists and the text of literals stay. Formatting twice is
//! formatting once.

use atalaya_model::Diagnostic;

use crate::lexer::{Kind, Token, closings, lex};
use crate::parser::LITERAL_TYPES;

/// Words that are no functions, whatever stands in the brackets behind them.
const BEFORE_BRACKETS: [&str; 12] = [
    "and", "between", "by", "extend", "has_all", "has_any", "in", "join", "on", "or", "union",
    "where",
];

/// Longest text in parentheses whose pipes stay on one line, characters.
const INLINE_MAX: usize = 60;
/// Blanks of one level.
const INDENT: usize = 4;
/// Words that are followed by `=` without blanks: options, not names of columns.
const OPTIONS: [&str; 8] = [
    "kind",
    "withsource",
    "isfuzzy",
    "flags",
    "with_itemindex",
    "bagexpansion",
    "default",
    "decodeblocks",
];

/// Formats a query.
///
/// # Errors
/// What cannot be split into tokens, e.g. a string that is not closed.
pub fn format(source: &str) -> Result<String, Vec<Diagnostic>> {
    let (tokens, diagnostics) = lex(source);
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    let pieces = pieces(source, &tokens);
    let mut writer = Writer {
        breaks: breaks(&pieces),
        before_pipes: before_pipes(&pieces),
        pieces,
        out: String::with_capacity(source.len() + source.len() / 8),
        open: Vec::new(),
        starts_statement: true,
    };
    Ok(writer.write())
}

/// A token, a literal as a whole, or a comment.
struct Piece<'s> {
    text: &'s str,
    kind: Kind,
    is_comment: bool,
    /// Line breaks before it.
    lines_before: usize,
    /// Whether white space stands before it.
    is_apart: bool,
}

fn pieces<'s>(source: &'s str, tokens: &[Token]) -> Vec<Piece<'s>> {
    let closings = closings(source, tokens);
    let mut pieces = Vec::new();
    let (mut end, mut at) = (0, 0);
    while let Some(token) = tokens.get(at) {
        let mut lines_before = 0;
        let gap = &source[end..token.span.start];
        for (index, line) in gap.split('\n').enumerate() {
            lines_before += usize::from(index > 0);
            let line = line.trim();
            if !line.is_empty() {
                pieces.push(Piece {
                    text: line,
                    kind: Kind::Bad,
                    is_comment: true,
                    lines_before,
                    is_apart: true,
                });
                lines_before = 0;
            }
        }
        if token.kind == Kind::End {
            break;
        }
        let last = literal_end(source, tokens, &closings, at);
        end = tokens[last].span.end;
        pieces.push(Piece {
            text: &source[token.span.start..end],
            kind: token.kind,
            is_comment: false,
            lines_before,
            is_apart: !gap.is_empty(),
        });
        at = last + 1;
    }
    pieces
}

/// The last token of a typed literal that starts here, whose inside is not ours to change.
fn literal_end(source: &str, tokens: &[Token], closings: &[usize], at: usize) -> usize {
    let name = tokens[at].span.slice(source);
    if tokens[at].kind != Kind::Name || !LITERAL_TYPES.contains(&name) {
        return at;
    }
    // What is no parenthesis, or is not closed, has no closing one.
    match closings.get(at + 1) {
        Some(end) if *end > 0 => *end,
        _ => at,
    }
}

/// For every opening bracket: whether the pipes inside of it start lines.
fn breaks(pieces: &[Piece<'_>]) -> Vec<bool> {
    let mut breaks = vec![false; pieces.len()];
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut length = 0;
    for (at, piece) in pieces.iter().enumerate() {
        // A comment ends its line: what holds one is never on one line.
        length += if piece.is_comment {
            INLINE_MAX
        } else {
            piece.text.chars().count() + 1
        };
        match piece.text {
            "(" | "[" | "{" if piece.kind == Kind::Punct => open.push((at, length)),
            ")" | "]" | "}" if piece.kind == Kind::Punct => {
                if let Some((start, before)) = open.pop() {
                    breaks[start] = length - before > INLINE_MAX;
                }
            }
            _ => {}
        }
    }
    breaks
}

/// For every comment: whether a pipe or the end comes after it and other comments.
fn before_pipes(pieces: &[Piece<'_>]) -> Vec<bool> {
    let mut before = vec![false; pieces.len()];
    let mut is_pipe = true;
    for (at, piece) in pieces.iter().enumerate().rev() {
        if piece.is_comment {
            before[at] = is_pipe;
        } else {
            is_pipe = piece.text == "|";
        }
    }
    before
}

struct Writer<'s> {
    pieces: Vec<Piece<'s>>,
    breaks: Vec<bool>,
    before_pipes: Vec<bool>,
    out: String,
    /// Open brackets, and whether the pipes inside start lines.
    open: Vec<bool>,
    starts_statement: bool,
}

impl Writer<'_> {
    fn write(&mut self) -> String {
        for at in 0..self.pieces.len() {
            self.separate(at);
            let piece = &self.pieces[at];
            self.out.push_str(piece.text);
            let is_end = piece.kind == Kind::Punct && piece.text == ";" && self.open.is_empty();
            self.starts_statement = is_end || (piece.is_comment && self.starts_statement);
            if piece.kind == Kind::Punct {
                match piece.text {
                    "(" | "[" | "{" => self.open.push(self.breaks[at]),
                    ")" | "]" | "}" => {
                        self.open.pop();
                    }
                    _ => {}
                }
            }
        }
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        std::mem::take(&mut self.out)
    }

    /// What stands between a piece and the one before it.
    fn separate(&mut self, at: usize) {
        let Some(previous) = at.checked_sub(1).map(|before| &self.pieces[before]) else {
            return;
        };
        let piece = &self.pieces[at];
        let is_pipe = piece.kind == Kind::Punct && piece.text == "|";
        let pipe_breaks = self.open.last().copied().unwrap_or(true);
        let is_line = previous.is_comment
            || (is_pipe && pipe_breaks)
            || (self.starts_statement && !piece.is_comment)
            || (piece.lines_before > 0 && !is_pipe);
        if !is_line {
            if is_spaced(previous, piece, &self.pieces, at) {
                self.out.push(' ');
            }
            return;
        }
        self.out.push('\n');
        if piece.lines_before > 1 {
            self.out.push('\n');
        }
        let closes = matches!(piece.text, ")" | "]" | "}") && piece.kind == Kind::Punct;
        let depth = self.open.len() - usize::from(closes && !self.open.is_empty());
        let continues = depth == 0 && !is_pipe && !closes && !self.starts_statement;
        let continues = continues && !self.before_pipes[at];
        let width = INDENT * (depth + usize::from(continues));
        self.out.extend(std::iter::repeat_n(' ', width));
    }
}

/// Whether a blank stands between two pieces on one line.
fn is_spaced(left: &Piece<'_>, right: &Piece<'_>, pieces: &[Piece<'_>], at: usize) -> bool {
    if right.is_comment {
        return true;
    }
    let punct = |piece: &Piece<'_>, text: &str| piece.kind == Kind::Punct && piece.text == text;
    let any = |piece: &Piece<'_>, texts: &[&str]| texts.iter().any(|text| punct(piece, text));
    if any(right, &[",", ";", ")", "]"]) || any(left, &["(", "["]) {
        return false;
    }
    // A path; but `1 .5` and `. .` would become something else.
    let is_word = |piece: &Piece<'_>| {
        piece.kind == Kind::Name && !piece.text.starts_with(|c: char| c.is_ascii_digit())
    };
    let is_step = |piece: &Piece<'_>| is_word(piece) || any(piece, &["]", ")", "["]);
    if punct(left, ".") || punct(right, ".") {
        let other = if punct(left, ".") { right } else { left };
        return right.is_apart && !is_step(other);
    }
    // `0x1Name` can be one name: what touches a number goes on touching it.
    let is_number = matches!(left.kind, Kind::Long | Kind::Real | Kind::Timespan);
    if is_number && right.kind != Kind::Punct && !right.is_apart {
        return false;
    }
    // `kind=inner`
    let is_option = |name: usize| {
        pieces
            .get(name)
            .is_some_and(|piece| piece.kind == Kind::Name && OPTIONS.contains(&piece.text))
    };
    if punct(right, "=") && is_option(at - 1) {
        return false;
    }
    if punct(left, "=") && at >= 2 && is_option(at - 2) {
        return right.is_apart && right.kind == Kind::Punct;
    }
    // `x in(a)` reads like a call.
    if punct(right, "(") && left.kind == Kind::Name && BEFORE_BRACKETS.contains(&left.text) {
        return true;
    }
    // These may be one thing with their neighbours (`Src*`, `-1`, `f(`, `a[0]`, `in~`, `a:long`).
    let close = ["*", "-", "+", "(", "[", "~", ":", "!", "@", "?"];
    if any(right, &close) || any(left, &["*", "-", "+", "~", ":", "@", "?", "!"]) {
        return right.is_apart;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::format;

    #[test]
    fn queries_are_laid_out_by_operator() {
        for (source, wanted) in [
            ("T|where a==1|project b", "T\n| where a == 1\n| project b\n"),
            (
                "let x=5 ;\nT | where a in(1,2) // why\n| take x",
                "let x = 5;\nT\n| where a in (1, 2) // why\n| take x\n",
            ),
            (
                "T | join kind = inner (U | where Column == 'a rather long value here' | project a, b, c) on a",
                "T\n| join kind=inner (U\n    | where Column == 'a rather long value here'\n    | project a, b, c) on a\n",
            ),
            (
                "T|project-reorder a,0x1Name",
                "T\n| project-reorder a, 0x1Name\n",
            ),
            (
                "print datetime(2024-01-01),-1",
                "print datetime(2024-01-01),-1\n",
            ),
        ] {
            let once = format(source).expect("tokens");
            assert_eq!(once, wanted);
            assert_eq!(format(&once).expect("tokens"), once, "twice is once");
        }
        // A step of a path that starts with a digit would become part of a number.
        let apart = format("print 1. 5B").expect("tokens");
        assert_eq!(format(&apart).expect("tokens"), apart);
        assert!(format("print 'open").is_err());
    }
}
