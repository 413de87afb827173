//! Patterns are data: files that an analyst writes, with the cases that prove them.
//!
//! [`PatternSet::add`] reads a file, expands the lexicon (`{override_verb}`), takes the literal
//! words that a match has to start with (the prefilter looks for those), and compiles the rest
//! to a lazy DFA without look-around beyond ASCII word boundaries: linear time by construction.
//!
//! Trade-off: every pattern has to start with literal text. That is what makes one pass over
//! the text enough for all of them, and a pattern that cannot be anchored is refused with a
//! diagnostic instead of slowing down everybody.

mod compile;
mod diagnose;
mod file;
mod lexicon;
mod needs;

use std::borrow::Cow;

use atalaya_model::{Diagnostic, Role, ThreatCategory};
use sha2::{Digest, Sha256};

pub(crate) use self::compile::Automaton;
use self::compile::compile;
pub use self::file::Case;
use self::file::PatternFile;
pub(crate) use self::needs::{LiteralSet, Need, WINDOW_BYTES, is_telling};
use crate::detectors::Check;

/// Most patterns of all files together.
pub(crate) const PATTERNS_MAX: usize = 4096;
/// Largest pattern file.
pub(crate) const FILE_BYTES_MAX: usize = 1024 * 1024;

/// A pattern, ready to run.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// `<detector>.<id>`.
    pub(crate) rule: Cow<'static, str>,
    pub(crate) category: ThreatCategory,
    pub(crate) atlas: Cow<'static, [Cow<'static, str>]>,
    /// Score by role, in the order of [`role_index`].
    pub(crate) scores: [u8; ROLES],
    /// Matched on the text as written instead of the folded one.
    pub(crate) plain: bool,
    /// Bytes without white space that every match starts with; of patterns that read the plain text.
    pub(crate) unbroken_bytes: usize,
    /// Whether quoting and writing about attacks lower the score.
    pub(crate) quotable: bool,
    pub(crate) kind: Option<Cow<'static, str>>,
    pub(crate) check: Option<Check>,
    /// Built at the first match that is tried: most calls need few of them.
    pub(crate) automaton: Automaton,
    /// A sign that every match has: without it no match is tried.
    pub(crate) rare_sign: Option<u8>,
    /// Literals that a match starts with, folded.
    pub(crate) anchors: Vec<Vec<u8>>,
    /// For each of its alternatives what has to stand further on; one of them suffices.
    pub(crate) needs: Vec<Vec<Need>>,
    /// For each of its anchors the alternatives that can begin with it.
    pub(crate) begins: Vec<Vec<usize>>,
}

/// When automata are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Build {
    /// When first needed: the built-in files are covered by tests.
    Later,
    /// At once, so that a pattern that is too large is refused where it was written.
    Now,
}

/// Number of roles.
pub(crate) const ROLES: usize = 6;

/// Place of a role in [`Pattern::scores`].
pub(crate) const fn role_index(role: Role) -> usize {
    match role {
        Role::Instruction => 0,
        Role::User => 1,
        Role::Model => 2,
        Role::ToolDefinition => 3,
        Role::ToolOutput => 4,
        Role::Document => 5,
    }
}

/// Every pattern of every file, in order.
#[derive(Debug, Default)]
pub(crate) struct PatternSet {
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) cases: Vec<Case>,
    hash: Sha256,
}

impl PatternSet {
    /// Reads and compiles a file; on any mistake nothing of it is kept.
    pub(crate) fn add(&mut self, text: &str, build: Build) -> Result<(), Vec<Diagnostic>> {
        if text.len() > FILE_BYTES_MAX {
            return Err(vec![diagnose::file_too_large(text)]);
        }
        let file: PatternFile = atalaya_yaml::parse(text).map_err(|error| vec![*error])?;
        if self.patterns.len() + file.patterns.len() > PATTERNS_MAX {
            return Err(vec![diagnose::too_many_patterns(text)]);
        }
        let mut compiled = Vec::with_capacity(file.patterns.len());
        let mut problems = Vec::new();
        for source in &file.patterns {
            let rule = format!("{}.{}", file.detector, source.id);
            let known = self
                .patterns
                .iter()
                .chain(&compiled)
                .any(|p| p.rule == rule);
            if known {
                problems.push(diagnose::duplicate_id(text, &source.id));
                continue;
            }
            match compile(&file, source, build) {
                Ok(pattern) => compiled.push(pattern),
                Err(problem) => problems.push(diagnose::pattern(text, &source.id, &problem)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        self.cases.extend(file.cases());
        self.patterns.append(&mut compiled);
        self.hash.update(text.as_bytes());
        self.hash.update([0]);
        Ok(())
    }

    /// Mixes something else that decides about findings into the hash.
    pub(crate) fn mix(&mut self, what: impl AsRef<[u8]>) {
        self.hash.update(what.as_ref());
        self.hash.update([0]);
    }

    /// SHA-256 over every file, in order, as hexadecimal digits.
    pub(crate) fn hash(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(64);
        for byte in self.hash.clone().finalize() {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}
