//! Reading a document by a table: which path holds what. A protocol is its table; the walk, and
//! the rule that nothing is left unread, are the same for all.
//!
//! Paths are keys joined with `/`, `#` for any element of an array and `*` for any key. The first
//! rule that fits counts. What no rule is about is read as text of the turn it stands in, unless it
//! looks like a name, an id or a switch. Trade-off: a few comparisons per value, against one
//! hand-written reader per protocol; the two busiest protocols keep theirs for requests.

mod walk;

use atalaya_model::SegmentKind;

pub(crate) use walk::{read, read_request};

/// What is said to be `Unjudged` of a call that goes on from an answer.
pub const PREVIOUS: &str = "previous_response_id";

/// What stands on a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) at: &'static str,
    pub(crate) is: Is,
}

/// Short for the tables.
pub(crate) const fn rule(at: &'static str, is: Is) -> Rule {
    Rule { at, is }
}

/// Whose text it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    /// Always the same.
    Kind(SegmentKind),
    /// That of the turn in which it stands.
    Turn,
}

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Is {
    /// Text, at any depth.
    Text(Of),
    /// Text if it is a string; anything else is read on.
    Words(Of),
    /// A name, an id or a switch; text if it does not look like one.
    Label(Of),
    /// Usually JSON inside a string.
    Json(Of),
    /// A list of tool definitions, or one; the second is the member that holds the definition.
    Tools,
    /// A JSON schema or a definition.
    Schema(Of),
    /// A picture, sound or file, and what it is called.
    Media(&'static str),
    /// Readable by the provider alone.
    Opaque(&'static str),
    /// Text or token ids.
    Tokens(Of),
    /// An object that says whose it is; its members are read on.
    Turn,
    /// An element that says with `type` what it is; its members are read on.
    Block(&'static [(&'static str, Block)]),
    /// An element whose members say what it is; they are read on.
    Keyed(&'static [&'static str]),
    /// A piece of a text.
    Delta(Of),
    /// A piece of a text that is JSON.
    DeltaJson(Of),
    /// Repeats a text in pieces.
    Echo,
    /// A fact of the call.
    Fact(Fact),
}

/// What a block of a known type is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Block {
    /// Its members are read on, as text of the turn.
    Plain,
    /// Its members are read on, as text of that kind.
    Of(SegmentKind),
    /// A picture, sound or file.
    Media,
    /// Readable by the provider alone; its members are read on.
    Opaque,
}

/// A fact of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fact {
    Model,
    Stream,
    MaxTokens,
    Temperature,
    Candidates,
    LogProbs,
    User,
    Session,
    /// What is asked for within the protocol.
    Operation,
    /// Id of the request, for its answer.
    ReplyTo,
    /// Name of a tool that is called.
    Tool,
    /// Id of the answer that the call goes on from; what was said before lies with the provider.
    Previous,
}

/// How a document is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    pub(crate) rules: &'static [Rule],
    /// Values of `role` (or else of `type`) in an object that is a turn.
    pub(crate) roles: &'static [(&'static str, SegmentKind)],
    /// Whose text is what stands in no turn.
    pub(crate) rest: SegmentKind,
    /// A member of the root without which it is no call.
    pub(crate) required: Option<&'static str>,
    /// Types of turns that only name what lies with the provider.
    pub(crate) hidden: &'static [&'static str],
    /// Without a word on it, a stream is asked for.
    pub(crate) streams: bool,
}

impl Table {
    /// A table of those rules, for texts of that kind.
    pub(crate) const fn of(rest: SegmentKind, rules: &'static [Rule]) -> Self {
        Self {
            rules,
            roles: &[],
            rest,
            required: None,
            hidden: &[],
            streams: false,
        }
    }

    /// Kinds of segments that the table can give, in the order of its rules.
    pub(crate) fn kinds(&self) -> Vec<SegmentKind> {
        let mut kinds = Vec::new();
        let mut add = |kind: SegmentKind| {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        };
        for (_, kind) in self.roles {
            add(*kind);
        }
        for rule in self.rules {
            match rule.is {
                Is::Text(Of::Kind(kind))
                | Is::Words(Of::Kind(kind))
                | Is::Json(Of::Kind(kind))
                | Is::Schema(Of::Kind(kind))
                | Is::Tokens(Of::Kind(kind))
                | Is::Delta(Of::Kind(kind))
                | Is::DeltaJson(Of::Kind(kind)) => add(kind),
                Is::Tools => add(SegmentKind::ToolDefinition),
                Is::Block(blocks) => {
                    for (_, block) in blocks {
                        if let Block::Of(kind) = block {
                            add(*kind);
                        }
                    }
                }
                _ => {}
            }
        }
        add(self.rest);
        kinds
    }

    /// What the table names as not to be looked at.
    pub(crate) fn blind(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for rule in self.rules {
            match rule.is {
                Is::Media(what) | Is::Opaque(what) => names.push(what),
                Is::Tokens(_) => names.push("token_ids"),
                Is::Fact(Fact::Previous) => names.push(PREVIOUS),
                Is::Block(blocks) => names.extend(
                    blocks
                        .iter()
                        .filter(|(_, block)| matches!(block, Block::Media | Block::Opaque))
                        .map(|(name, _)| *name),
                ),
                _ => {}
            }
        }
        names.sort_unstable();
        names.dedup();
        names
    }
}
