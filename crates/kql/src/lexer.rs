//! Text to tokens. Never fails: what is not a token becomes [`Kind::Bad`] and a diagnostic.

use atalaya_model::{Diagnostic, Span};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name or a keyword.
    Name,
    /// A whole number.
    Long,
    /// A number with a fraction or an exponent.
    Real,
    /// A number with a time unit: `5m`, `1.5h`.
    Timespan,
    /// A string, quotes and prefix included.
    String,
    /// Punctuation or an operator.
    Punct,
    /// Not a token.
    Bad,
    /// The end.
    End,
}

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where it stands.
    pub span: Span,
}

/// Longest query, bytes.
pub const QUERY_BYTES_MAX: usize = 2 << 20;

/// Most diagnostics of one query's text; what comes after them is not told.
pub(crate) const DIAGNOSTICS_MAX: usize = 1_000;

const PUNCTUATION: [&str; 32] = [
    "!~", "!=", "==", "=~", "<=", ">=", "<>", "=>", "..", "|", ",", ";", ":", ".", "(", ")", "[",
    "]", "{", "}", "=", "<", ">", "+", "-", "*", "/", "%", "!", "?", "@", "~",
];

/// Splits a text into tokens; the last one is [`Kind::End`].
#[must_use]
pub fn lex(source: &str) -> (Vec<Token>, Vec<Diagnostic>) {
    let mut lexer = Lexer {
        source,
        at: 0,
        tokens: Vec::new(),
        diagnostics: Vec::new(),
    };
    if source.len() > QUERY_BYTES_MAX {
        lexer.diagnostics.push(Diagnostic::error(
            "KQL001",
            Span::new(0, 0),
            format!("the query is longer than {QUERY_BYTES_MAX} bytes"),
        ));
    } else {
        while lexer.step() {}
    }
    let end = Span::new(source.len(), source.len());
    lexer.tokens.push(Token {
        kind: Kind::End,
        span: end,
    });
    (lexer.tokens, lexer.diagnostics)
}

/// For every opening parenthesis or brace the index of the token that closes it; 0 where there is
/// none.
pub(crate) fn closings(source: &str, tokens: &[Token]) -> Vec<usize> {
    let mut closings = vec![0; tokens.len()];
    let (mut parentheses, mut braces) = (Vec::new(), Vec::new());
    for (at, token) in tokens.iter().enumerate() {
        let closed = match (token.kind, token.span.slice(source)) {
            (Kind::Punct, "(") => {
                parentheses.push(at);
                None
            }
            (Kind::Punct, "{") => {
                braces.push(at);
                None
            }
            (Kind::Punct, ")") => parentheses.pop(),
            (Kind::Punct, "}") => braces.pop(),
            _ => None,
        };
        if let Some(start) = closed {
            closings[start] = at;
        }
    }
    closings
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
    tokens: Vec<Token>,
    diagnostics: Vec<Diagnostic>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn step(&mut self) -> bool {
        let blank = self.rest().len() - self.rest().trim_start().len();
        self.at += blank;
        if self.rest().starts_with("//") {
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
            return true;
        }
        let Some(first) = self.rest().chars().next() else {
            return false;
        };
        let start = self.at;
        let kind = match first {
            '0'..='9' => self.number(),
            '"' | '\'' | '`' => self.string(),
            'h' | 'H' | '@' if self.is_prefixed_string() => self.string(),
            c if is_name_start(c) => {
                self.name();
                Kind::Name
            }
            _ => self.punctuation(first),
        };
        self.tokens.push(Token {
            kind,
            span: Span::new(start, self.at),
        });
        true
    }

    fn is_prefixed_string(&self) -> bool {
        let rest = self.rest().trim_start_matches(['h', 'H']);
        let rest = if self.rest().len() - rest.len() <= 1 {
            rest
        } else {
            return false;
        };
        let rest = rest.strip_prefix('@').unwrap_or(rest);
        rest.starts_with(['"', '\'']) || rest.starts_with("```")
    }

    fn name(&mut self) {
        let length = self
            .rest()
            .find(|c: char| !is_name_part(c))
            .unwrap_or(self.rest().len());
        self.at += length;
        if !self.rest().starts_with('-') {
            return;
        }
        // Hyphenated keywords are one name: `project-away`, `mv-expand`, `top-nested`, …
        for keyword in HYPHENATED {
            let (head, tail) = keyword.split_once('-').unwrap_or((keyword, ""));
            let word = &self.source[self.at - length..self.at];
            let follows = self.rest().strip_prefix('-').is_some_and(|rest| {
                rest.strip_prefix(tail)
                    .is_some_and(|after| !after.starts_with(is_name_part))
            });
            if word == head && follows {
                self.at += 1 + tail.len();
                return;
            }
        }
    }

    fn number(&mut self) -> Kind {
        let bytes = self.source.as_bytes();
        let start = self.at;
        if self.rest().starts_with("0x") || self.rest().starts_with("0X") {
            self.at += 2;
            while bytes.get(self.at).is_some_and(u8::is_ascii_hexdigit) {
                self.at += 1;
            }
            return Kind::Long;
        }
        let digits = |at: &mut usize| {
            while bytes.get(*at).is_some_and(u8::is_ascii_digit) {
                *at += 1;
            }
        };
        digits(&mut self.at);
        let mut kind = Kind::Long;
        let has_fraction = bytes.get(self.at) == Some(&b'.')
            && bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit);
        if has_fraction {
            kind = Kind::Real;
            self.at += 1;
            digits(&mut self.at);
        }
        if matches!(bytes.get(self.at), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(self.at + 1), Some(b'+' | b'-')));
            if bytes
                .get(self.at + 1 + sign)
                .is_some_and(u8::is_ascii_digit)
            {
                kind = Kind::Real;
                self.at += 1 + sign;
                digits(&mut self.at);
            }
        }
        let unit = self
            .rest()
            .find(|c: char| !is_name_part(c))
            .unwrap_or(self.rest().len());
        if unit == 0 {
            return kind;
        }
        if unit_ticks(&self.rest()[..unit]).is_some() {
            self.at += unit;
            return Kind::Timespan;
        }
        // A name may start with digits (`2ndColumn`): only as a whole.
        if kind == Kind::Long {
            self.at = start;
            self.name();
            return Kind::Name;
        }
        kind
    }

    fn string(&mut self) -> Kind {
        if self.rest().starts_with(['h', 'H']) {
            self.at += 1;
        }
        let is_verbatim = self.rest().starts_with('@');
        self.at += usize::from(is_verbatim);
        for fence in ["```", "~~~"] {
            if let Some(rest) = self.rest().strip_prefix(fence) {
                let end = rest.find(fence).map(|end| end + 6);
                return self.close(end);
            }
        }
        let Some(quote) = self.rest().chars().next() else {
            return Kind::Bad;
        };
        let bytes = self.rest().as_bytes();
        let quote_byte = u8::try_from(quote).unwrap_or(b'"');
        let mut at = 1;
        let end = loop {
            match bytes.get(at) {
                None | Some(b'\n') => break None,
                Some(b'\\') if !is_verbatim => at += 2,
                Some(byte) if *byte == quote_byte => {
                    if is_verbatim && bytes.get(at + 1) == Some(&quote_byte) {
                        at += 2;
                    } else {
                        break Some(at + 1);
                    }
                }
                Some(_) => at += 1,
            }
        };
        self.close(end)
    }

    fn close(&mut self, length: Option<usize>) -> Kind {
        if let Some(length) = length {
            self.at = (self.at + length).min(self.source.len());
            return Kind::String;
        }
        self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        // Where the quote is missing.
        let span = Span::new(self.at, self.at);
        self.complain(
            Diagnostic::error("KS003", span, "the string literal is not closed")
                .with_help("add the closing quote"),
        );
        Kind::String
    }

    fn punctuation(&mut self, first: char) -> Kind {
        if let Some(punct) = PUNCTUATION
            .iter()
            .find(|punct| self.rest().starts_with(**punct))
        {
            self.at += punct.len();
            return Kind::Punct;
        }
        let span = Span::new(self.at, self.at + first.len_utf8());
        self.at = span.end;
        self.complain(Diagnostic::error("KS001", span, "unexpected character"));
        Kind::Bad
    }

    fn complain(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < DIAGNOSTICS_MAX {
            self.diagnostics.push(diagnostic);
        }
    }
}

const HYPHENATED: [&str; 26] = [
    "project-away",
    "project-keep",
    "project-rename",
    "project-reorder",
    "project-by-names",
    "mv-expand",
    "mv-apply",
    "make-series",
    "make-graph",
    "parse-where",
    "parse-kv",
    "top-nested",
    "top-hitters",
    "sample-distinct",
    "assert-schema",
    "granny-asc",
    "granny-desc",
    "graph-mark-components",
    "graph-match",
    "graph-shortest-paths",
    "graph-to-table",
    "graph-where-edges",
    "graph-where-nodes",
    "macro-expand",
    "execute-and-cache",
    "partition-by",
];

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

/// Whatever starts a name is part of it: a name is never empty, so that lexing always ends.
fn is_name_part(c: char) -> bool {
    is_name_start(c) || c.is_alphanumeric()
}

/// Ticks (100 ns) of a timespan unit.
#[must_use]
pub fn unit_ticks(unit: &str) -> Option<i64> {
    const SECOND: i64 = 10_000_000;
    Some(match unit {
        "d" | "day" | "days" => 86_400 * SECOND,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600 * SECOND,
        "m" | "min" | "minute" | "minutes" => 60 * SECOND,
        "s" | "sec" | "second" | "seconds" => SECOND,
        "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => SECOND / 1_000,
        "micro" | "micros" | "microsecond" | "microseconds" => SECOND / 1_000_000,
        "nano" | "nanos" | "nanosecond" | "nanoseconds" => 0,
        "tick" | "ticks" => 1,
        _ => return None,
    })
}
