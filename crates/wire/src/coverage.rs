//! What of a protocol is looked at: the source of the coverage matrix in the documentation.
//!
//! `docs/coverage-gateway.md` is written from the protocols' own tables; a test fails when it is
//! stale, and another when a protocol claims a kind of text that none of its cases shows.

use std::fmt::Write as _;

use atalaya_model::SegmentKind;

use crate::framing::Framing;
use crate::protocols;

/// What of a protocol is looked at, and what can be done about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Kinds of segments in requests.
    pub request: Vec<SegmentKind>,
    /// Kinds of segments in answers.
    pub answer: Vec<SegmentKind>,
    /// What is said to be `Unjudged` in requests.
    pub request_unjudged: Vec<&'static str>,
    /// What is said to be `Unjudged` in answers.
    pub answer_unjudged: Vec<&'static str>,
    /// Framings of streams that can be stopped and masked.
    pub streams: Vec<Framing>,
}

/// Kinds of segments, in the order of the matrix.
const KINDS: [SegmentKind; 9] = [
    SegmentKind::System,
    SegmentKind::User,
    SegmentKind::Assistant,
    SegmentKind::Reasoning,
    SegmentKind::ToolDefinition,
    SegmentKind::ToolCall,
    SegmentKind::ToolResult,
    SegmentKind::Document,
    SegmentKind::Response,
];

const HEAD: &str = "# What the gateway looks at

Written from the tables of the protocols (`crates/wire/src/protocols`); a test fails when it is
stale. No cell is silent:

| cell | means |
|---|---|
| block, mask | detectors read every such text; the policy can block the call (or the answer), and replace what was found |
| – | the protocol has no such text there (or no body at all: one that comes all the same is refused); a text in a member that nobody knows is read as text of the turn in which it stands |

What cannot be read is never passed silently: it is listed as `Unjudged`, goes into the log with
its type and size, and the policy says whether it passes (`unjudged:`). So are bodies that cannot
be parsed (`malformed`), compressed ones (`encoded`), media, and content of unknown types. Routes
that no protocol knows are refused unless the policy passes them, as `Unjudged`. Over a web socket
Responses are looked at message by message; other web sockets (Realtime) are refused and logged, and
so are paths with dot segments or encoded separators, requests with two content types, a charset in
which the body may say something else, queries that name another method, and names of members that
differ from the protocol's by case alone.

A text that is cut is one text: the parts of a message, and messages of one role in a row, are looked
at across their seams as well. Tools that the provider runs by itself (`mcp`, `file_search`,
`web_search`, `google_search`, …) bring in what no detector sees: they are `Unjudged` by their type.

Whose text it is decides how it is read. An attack stops a call in the user's words, in material
(documents, results, predicted answers), and in definitions (tools, schemas of an answer). In the
application's own instructions and in what the model said before (answers, refusals, reasoning) the
same words are looked at for what is bad there (secrets, leaks, malicious code): instructions say
`ignore` and `never reveal` all day, and a refusal repeats what it refuses.

Tools that a model asks for in its answer are held against the policy's lists and rules, the
caller's scopes and what tainted the conversation, in whole and streamed answers of every protocol.

";

/// The matrix, as Markdown.
#[must_use]
pub fn matrix() -> String {
    let mut out = HEAD.to_owned();
    out.push_str("## Requests\n\n");
    table(
        &mut out,
        "Block: the call is refused in its own protocol before it reaches the model. Mask: the text is replaced in the body, everything else stays byte for byte.",
        |coverage| &coverage.request,
    );
    out.push_str("\n## Answers\n\n");
    table(
        &mut out,
        "Block: a whole answer gives way to a refusal; a stream ends in its own protocol. Mask: the text is replaced, in a whole answer and in the frames of a stream; arguments of tool calls stay JSON.",
        |coverage| &coverage.answer,
    );
    out.push_str("\n## Streams and what is `Unjudged`\n\n");
    out.push_str("| protocol | streams: block and mask in | `Unjudged` in requests | `Unjudged` in answers |\n|---|---|---|---|\n");
    for protocol in protocols::ALL {
        let coverage = protocol.coverage();
        let framings: Vec<&str> = coverage.streams.iter().map(|f| f.as_str()).collect();
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} |",
            protocol.name(),
            or_none(&framings, "no streams"),
            or_none(&coverage.request_unjudged, "nothing by name"),
            or_none(&coverage.answer_unjudged, "nothing by name"),
        );
    }
    out
}

fn or_none(names: &[&str], none: &str) -> String {
    if names.is_empty() {
        return none.to_owned();
    }
    names.join(", ")
}

fn table(out: &mut String, note: &str, kinds: fn(&Coverage) -> &Vec<SegmentKind>) {
    out.push_str(note);
    out.push_str("\n\n| protocol |");
    for kind in KINDS {
        let _ = write!(out, " {} |", kind.as_str());
    }
    out.push_str("\n|---|");
    out.push_str(&"---|".repeat(KINDS.len()));
    out.push('\n');
    for protocol in protocols::ALL {
        let coverage = protocol.coverage();
        let here = kinds(&coverage);
        let _ = write!(out, "| `{}` |", protocol.name());
        for kind in KINDS {
            let cell = if here.contains(&kind) {
                "block, mask"
            } else {
                "–"
            };
            let _ = write!(out, " {cell} |");
        }
        out.push('\n');
    }
}
