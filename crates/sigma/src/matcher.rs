//! Rules compiled together, asked about streams of events.
//!
//! ```text
//! event ─ paths ─▶ values of known fields ─ index ─▶ literals that hold ─ keys ─▶ candidates
//!                                                                                   │
//!                                         matches ◀─ conditions over atoms ◀────────┘
//! ```
//!
//! The work for an event grows with its length and with the rules that it nearly matches, not
//! with the number of rules. Every different test is an atom that is decided once per event.
//! Texts are compared folded, so that case costs nothing; what depends on case, wildcards within
//! a text, expressions, networks and comparisons are only looked at for candidates.

mod atoms;
mod evaluate;
mod event;
mod fold;
mod glob;
mod index;
mod keys;
mod paths;
mod program;
pub(crate) mod time;
mod within;

use std::collections::HashMap;

use self::atoms::Atoms;
use self::index::FieldIndex;
use self::program::Program;
use crate::ir::{Collection, Expr, LogSource, RegexFlags};

pub(crate) use self::paths::hash;

pub use self::evaluate::Scratch;
pub use self::event::{EVENT_BYTES_MAX, EventError};

/// Compiled rules. One is shared by all threads; each has a [`Scratch`] of its own.
#[derive(Debug)]
pub struct Matcher {
    compiled: Compiled,
    sources: Vec<LogSource>,
}

/// Rules that an event of a log source may match.
#[derive(Clone, Debug)]
pub struct Allowed(Vec<bool>);

#[derive(Debug, Default)]
struct Compiled {
    atoms: Atoms,
    program: Program,
    /// By rule: where its condition begins.
    rules: Vec<u32>,
    fields: Vec<FieldIndex>,
    keywords: FieldIndex,
    /// Whether keywords are asked for that the index cannot decide.
    keywords_everywhere: bool,
    /// By atom: rules that it makes candidates.
    triggered: Lists,
    /// By atom: the sets that it is in.
    sets: Lists,
    /// Rules that may match without any atom of theirs.
    always: Vec<u32>,
}

impl Matcher {
    /// Compiles all rules of a collection; matches are indexes of its `rules`.
    ///
    /// # Errors
    /// Texts of the rules that are too much for one automaton.
    pub fn new(collection: &Collection) -> Result<Self, String> {
        Self::with_fields(collection, &[])
    }

    /// The same, with more fields whose values can be asked for after a match.
    pub(crate) fn with_fields(collection: &Collection, fields: &[&str]) -> Result<Self, String> {
        let mut compiled = Compiled::default();
        for field in fields {
            compiled.atoms.paths.field(field);
        }
        for rule in &collection.rules {
            let any = rule.conditions.iter();
            let any = any
                .map(|c| {
                    let expr = crate::taxonomy::with_columns(&c.expr, &rule.source);
                    compiled.program.add(&expr, &mut compiled.atoms)
                })
                .collect::<Vec<_>>();
            let root = compiled.program.any(any);
            compiled.rules.push(root);
        }
        compiled.choose_keys();
        compiled.collect_sets();
        compiled.keywords_everywhere = compiled.asks_for_keywords();
        compiled.atoms.finish();
        (compiled.fields, compiled.keywords) = index::build(&compiled.atoms)?;
        Ok(Self {
            compiled,
            sources: collection
                .rules
                .iter()
                .map(|rule| rule.source.clone())
                .collect(),
        })
    }

    /// Appends the rules that an event matches, in order. With `allowed`, only those.
    ///
    /// # Errors
    /// The event is no JSON object.
    pub fn matches(
        &self,
        event: &str,
        scratch: &mut Scratch,
        allowed: Option<&Allowed>,
        out: &mut Vec<u32>,
    ) -> Result<(), EventError> {
        let allowed = allowed.map(|allowed| allowed.0.as_slice());
        self.compiled.run(event, scratch, allowed, out)
    }

    /// The rules that events of a log source may match: those that say nothing else.
    #[must_use]
    pub fn allowed(&self, source: &LogSource) -> Allowed {
        Allowed(
            self.sources
                .iter()
                .map(|rule| rule.covers(source))
                .collect(),
        )
    }

    /// The rules of these places in the collection.
    #[must_use]
    pub fn allowed_where(&self, is_allowed: impl Fn(usize) -> bool) -> Allowed {
        Allowed((0..self.sources.len()).map(is_allowed).collect())
    }

    /// The rules that events of any of several log sources may match.
    #[must_use]
    pub fn allowed_any(&self, sources: &[LogSource]) -> Allowed {
        let any = |rule: &LogSource| sources.iter().any(|source| rule.covers(source));
        Allowed(self.sources.iter().map(any).collect())
    }

    /// The number of a field, if anything asks for it.
    pub(crate) fn field(&self, name: &str) -> Option<u32> {
        self.compiled.atoms.paths.find_field(name)
    }

    /// The first text, number or truth value of a field in the event that was matched last.
    pub(crate) fn value<'s>(
        &self,
        event: &'s str,
        scratch: &'s mut Scratch,
        field: u32,
    ) -> Option<&'s str> {
        scratch.value(event, field)
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.compiled.rules.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.compiled.rules.is_empty()
    }

    /// How many rules are looked at for every event, because they may match without any of the
    /// texts that they name.
    #[must_use]
    pub fn always(&self) -> usize {
        self.compiled.always.len()
    }
}

/// Reads the log sources of events from what the events say.
#[derive(Debug)]
pub struct SourceReader {
    paths: paths::Paths,
    event: event::Event,
}

impl Default for SourceReader {
    fn default() -> Self {
        let mut paths = paths::Paths::default();
        for field in crate::taxonomy::SOURCE_FIELDS {
            paths.field(field);
        }
        paths.finish();
        Self {
            paths,
            event: event::Event::default(),
        }
    }
}

impl SourceReader {
    /// The log sources that an event may be of; empty if it does not say.
    pub fn of(&mut self, event: &str) -> Vec<LogSource> {
        if self.event.read(event, &self.paths, false).is_err() {
            return Vec::new();
        }
        crate::taxonomy::source_of(&mut |name| {
            let field = self.paths.find_field(name)?;
            let at = self.event.first(field)? as usize;
            self.event.unescape(event, at);
            let text = self.event.text(event, at);
            (!text.is_empty()).then(|| text.to_owned())
        })
    }
}

/// Whether one expression matches an event, without compiling it with others.
///
/// # Errors
/// The event is no JSON object, or the expression is too large.
pub(crate) fn holds(expr: &Expr, event: &str) -> Result<bool, String> {
    let mut compiled = Compiled::default();
    let root = compiled.program.add(expr, &mut compiled.atoms);
    compiled.rules.push(root);
    compiled.always.push(0);
    compiled.collect_sets();
    compiled.keywords_everywhere = compiled.asks_for_keywords();
    compiled.atoms.finish();
    (compiled.fields, compiled.keywords) = index::build(&compiled.atoms)?;
    let mut out = Vec::new();
    let result = compiled.run(event, &mut Scratch::default(), None, &mut out);
    result.map_err(|error| error.to_string())?;
    Ok(!out.is_empty())
}

/// The values of a field of an event, as texts.
pub(crate) fn values(field: &str, event: &str) -> Result<Vec<String>, EventError> {
    let mut paths = paths::Paths::default();
    let field = paths.field(field);
    paths.finish();
    let mut read = event::Event::default();
    read.read(event, &paths, false)?;
    let mut values = Vec::new();
    let mut at = read.first(field).unwrap_or(paths::NONE) as usize;
    while let Some(value) = read.values.get(at) {
        let next = value.next as usize;
        read.unescape(event, at);
        values.push(read.text(event, at).to_owned());
        at = next;
    }
    values.reverse();
    Ok(values)
}

impl Compiled {
    fn choose_keys(&mut self) {
        let mut shared = vec![0_u32; self.atoms.atoms.len()];
        for root in &self.rules {
            self.program
                .atoms(*root, &mut |atom| shared[atom as usize] += 1);
        }
        let mut triggers: HashMap<u32, Vec<u32>> = HashMap::new();
        for (index, root) in self.rules.iter().enumerate() {
            let rule = u32::try_from(index).unwrap_or(u32::MAX);
            match keys::keys(*root, &self.program, &mut self.atoms, &shared) {
                Some(keys) => {
                    for atom in keys.atoms {
                        let rules = triggers.entry(atom).or_default();
                        if rules.last() != Some(&rule) {
                            rules.push(rule);
                        }
                    }
                }
                None => self.always.push(rule),
            }
        }
        self.triggered = Lists::new(self.atoms.atoms.len(), &triggers);
    }

    fn collect_sets(&mut self) {
        let mut sets: HashMap<u32, Vec<u32>> = HashMap::new();
        for (index, atom) in self.atoms.atoms.iter().enumerate() {
            if let atoms::Check::Set(members) = &atom.check {
                let set = u32::try_from(index).unwrap_or(u32::MAX);
                for member in members {
                    sets.entry(*member).or_default().push(set);
                }
            }
        }
        self.sets = Lists::new(self.atoms.atoms.len(), &sets);
    }

    fn asks_for_keywords(&self) -> bool {
        self.atoms
            .atoms
            .iter()
            .any(|atom| atom.field == atoms::KEYWORD)
    }
}

/// A list for each of many numbers, in one piece.
#[derive(Debug, Default)]
struct Lists {
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    fn new(count: usize, lists: &HashMap<u32, Vec<u32>>) -> Self {
        let mut made = Self::default();
        for index in 0..u32::try_from(count).unwrap_or(u32::MAX) {
            made.starts
                .push(u32::try_from(made.items.len()).unwrap_or(u32::MAX));
            made.items.extend(lists.get(&index).into_iter().flatten());
        }
        made.starts
            .push(u32::try_from(made.items.len()).unwrap_or(u32::MAX));
        made
    }

    fn of(&self, index: u32) -> &[u32] {
        match self.starts.get(index as usize..index as usize + 2) {
            Some([from, to]) => self
                .items
                .get(*from as usize..*to as usize)
                .unwrap_or_default(),
            _ => &[],
        }
    }
}

/// A text as it is compared.
pub(crate) fn folded(text: &str) -> String {
    fold::fold(text)
}

/// A number, if the text is one.
pub(crate) fn number(text: &str) -> Option<f64> {
    index::number(text.as_bytes())
}

/// From which length on an expression is built when it is read.
const LONG_REGEX_BYTES: usize = 1_000;

/// Whether an expression can be read.
pub(crate) fn check_regex(pattern: &str, flags: RegexFlags) -> Result<(), String> {
    let parsed = regex_syntax::ParserBuilder::new()
        .case_insensitive(flags.ignore_case)
        .multi_line(flags.multi_line)
        .dot_matches_new_line(flags.dot_all)
        .utf8(true)
        .build()
        .parse(pattern);
    parsed.map_err(|error| match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        error => error.to_string(),
    })?;
    // What may become large is built once now: later it would only never match.
    let may_be_large = pattern.len() > LONG_REGEX_BYTES || pattern.contains('{');
    if may_be_large && !atoms::LazyRegex::new(pattern.to_owned(), flags).is_buildable() {
        return Err("it becomes too large".to_owned());
    }
    Ok(())
}
