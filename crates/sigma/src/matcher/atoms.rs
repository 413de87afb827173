//! Atoms: every different test of every field once, however many rules share it.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::glob::Glob;
use super::paths::{NONE, Paths};
use super::{fold, keys};
use crate::ir::{Network, Operator, Part, Pattern, Position, RegexFlags, Test, TimePart};

/// The field of keywords: every value.
pub(super) const KEYWORD: u32 = NONE;

/// A test of the values of one field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Check {
    /// A folded text somewhere. Decided while the event is indexed.
    Literal(Position, String),
    /// A text with its case.
    Cased(Position, String),
    /// A pattern with wildcards within.
    Glob(Glob),
    /// A number, or its text.
    Number(u64),
    /// Index in [`Atoms::regexes`].
    Regex(u32),
    Cidr(Network),
    Compare(Operator, u64),
    /// There, and not `null`.
    Present,
    /// There, be it `null`.
    Exists,
    /// Absent or `null`.
    Null,
    /// Another field.
    FieldRef(u32, Position, bool),
    Time(TimePart, Operator, u64),
    /// Any of these, all of which the index decides: a long list costs one look.
    Set(Vec<u32>),
}

impl Check {
    /// Whether the index decides it.
    pub(super) const fn is_indexed(&self) -> bool {
        matches!(self, Self::Literal(..) | Self::Number(_) | Self::Set(_))
    }
}

#[derive(Debug)]
pub(super) struct Atom {
    pub(super) field: u32,
    pub(super) check: Check,
}

/// A regular expression, built when it is first asked.
#[derive(Debug)]
pub(super) struct LazyRegex {
    pub(super) pattern: String,
    flags: RegexFlags,
    built: OnceLock<Option<regex::Regex>>,
    /// Folded texts of which a match must hold one; empty: not known.
    pub(super) required: Vec<String>,
}

/// Largest size of a built expression.
const REGEX_BYTES_MAX: usize = 4 * 1024 * 1024;

impl LazyRegex {
    pub(super) fn new(pattern: String, flags: RegexFlags) -> Self {
        Self {
            required: keys::required_by_regex(&pattern, flags),
            pattern,
            flags,
            built: OnceLock::new(),
        }
    }

    pub(super) fn is_buildable(&self) -> bool {
        self.get().is_some()
    }

    /// The expression; `None` if it becomes too large.
    pub(super) fn get(&self) -> Option<&regex::Regex> {
        let build = || {
            regex::RegexBuilder::new(&self.pattern)
                .case_insensitive(self.flags.ignore_case)
                .multi_line(self.flags.multi_line)
                .dot_matches_new_line(self.flags.dot_all)
                .size_limit(REGEX_BYTES_MAX)
                .build()
                .ok()
        };
        self.built.get_or_init(build).as_ref()
    }
}

/// All atoms.
#[derive(Debug, Default)]
pub(super) struct Atoms {
    pub(super) atoms: Vec<Atom>,
    known: HashMap<(u32, Check), u32>,
    pub(super) regexes: Vec<LazyRegex>,
    known_regexes: HashMap<(String, RegexFlags), u32>,
    pub(super) paths: Paths,
}

/// What a test comes to.
pub(super) enum Tested {
    Atom(u32),
    /// Any of these.
    Any(Vec<u32>),
    Not(u32),
    /// Cannot hold: a placeholder that nobody resolved, a piece of another language.
    Never,
}

impl Atoms {
    pub(super) fn intern(&mut self, field: u32, check: Check) -> u32 {
        let next = u32::try_from(self.atoms.len()).unwrap_or(NONE - 1);
        match self.known.entry((field, check)) {
            std::collections::hash_map::Entry::Occupied(known) => *known.get(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let check = entry.key().1.clone();
                self.atoms.push(Atom { field, check });
                *entry.insert(next)
            }
        }
    }

    /// Only needed while rules are added.
    pub(super) fn finish(&mut self) {
        self.known = HashMap::new();
        self.known_regexes = HashMap::new();
        self.paths.finish();
    }

    /// The atoms of a test of a field.
    pub(super) fn test(&mut self, field: u32, test: &Test) -> Tested {
        let check = match test {
            Test::Text(pattern) => return self.pattern(field, pattern),
            Test::AnyOf(tests) => return self.any(field, tests),
            Test::Windash { pattern, .. } => return self.windash(field, pattern),
            Test::Number(number) if field == KEYWORD => {
                return self.pattern(field, &Pattern::literal(number.0.clone()));
            }
            Test::Bool(value) if field == KEYWORD => {
                return self.pattern(field, &Pattern::literal(value.to_string()));
            }
            Test::Bool(value) => Check::Literal(Position::Whole, value.to_string()),
            Test::Regex { pattern, flags } => Check::Regex(self.regex(pattern, *flags)),
            Test::Query { .. } => return Tested::Never,
            _ if field == KEYWORD => return Tested::Never,
            Test::Number(number) => Check::Number((number.value() + 0.0).to_bits()),
            Test::Null => Check::Null,
            Test::Cidr(network) => Check::Cidr(network.clone()),
            Test::Compare(operator, number) => {
                Check::Compare(*operator, (number.value() + 0.0).to_bits())
            }
            Test::Exists(true) => Check::Exists,
            Test::Exists(false) => return Tested::Not(self.intern(field, Check::Exists)),
            Test::FieldRef {
                field: other,
                position,
                cased,
            } => {
                let other = self.paths.field(other);
                Check::FieldRef(other, *position, *cased)
            }
            Test::Time {
                part,
                operator,
                number,
            } => Check::Time(*part, *operator, (number.value() + 0.0).to_bits()),
        };
        Tested::Atom(self.intern(field, check))
    }

    fn any(&mut self, field: u32, tests: &[Test]) -> Tested {
        let mut any = Vec::with_capacity(tests.len());
        for test in tests {
            match self.test(field, test) {
                Tested::Atom(atom) => any.push(atom),
                Tested::Any(atoms) => any.extend(atoms),
                Tested::Not(_) | Tested::Never => {}
            }
        }
        Tested::Any(any)
    }

    /// All choices of up to two dashes are literals; of more, a pattern over texts whose dashes
    /// are made equal.
    fn windash(&mut self, field: u32, pattern: &Pattern) -> Tested {
        let is_dash = |c: char| c == '-' || c == '/';
        let literals = pattern.parts.iter().filter_map(|part| match part {
            Part::Literal(text) => Some(text.chars().filter(|c| is_dash(*c)).count()),
            _ => None,
        });
        if literals.sum::<usize>() > 2 || pattern.cased {
            let glob = Glob::new(pattern, true);
            return Tested::Atom(self.intern(field, Check::Glob(glob)));
        }
        let mut variants = vec![String::new()];
        for c in pattern.to_sigma().chars() {
            let choices: &[char] = if is_dash(c) {
                &crate::read::DASHES
            } else {
                &[c]
            };
            let longer = variants.iter().flat_map(|variant| {
                choices.iter().map(move |choice| {
                    let mut variant = variant.clone();
                    variant.push(*choice);
                    variant
                })
            });
            variants = longer.collect();
        }
        let tests: Vec<Test> = variants
            .iter()
            .map(|variant| Test::Text(Pattern::of_sigma(variant)))
            .collect();
        self.any(field, &tests)
    }

    fn pattern(&mut self, field: u32, pattern: &Pattern) -> Tested {
        if pattern.has_placeholder() {
            return Tested::Never;
        }
        let check = if field == KEYWORD {
            keyword(pattern)
        } else {
            of_field(pattern)
        };
        Tested::Atom(self.intern(field, check))
    }

    fn regex(&mut self, pattern: &str, flags: RegexFlags) -> u32 {
        let pattern = crate::read::regex_to_rust(pattern, flags.multi_line);
        let next = u32::try_from(self.regexes.len()).unwrap_or(NONE - 1);
        match self.known_regexes.entry((pattern, flags)) {
            std::collections::hash_map::Entry::Occupied(known) => *known.get(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let pattern = entry.key().0.clone();
                self.regexes.push(LazyRegex::new(pattern, flags));
                *entry.insert(next)
            }
        }
    }
}

/// A pattern over the whole of a value.
fn of_field(pattern: &Pattern) -> Check {
    let text = |text: &str, position: Position| {
        if pattern.cased {
            Check::Cased(position, text.to_owned())
        } else {
            Check::Literal(position, fold::fold(text))
        }
    };
    match pattern.parts.as_slice() {
        [] => text("", Position::Whole),
        [Part::Many] => Check::Present,
        [Part::Literal(literal)] => text(literal, Position::Whole),
        [Part::Literal(literal), Part::Many] => text(literal, Position::Start),
        [Part::Many, Part::Literal(literal)] => text(literal, Position::End),
        [Part::Many, Part::Literal(literal), Part::Many] => text(literal, Position::Anywhere),
        _ => Check::Glob(Glob::new(pattern, false)),
    }
}

/// A pattern anywhere in a value.
fn keyword(pattern: &Pattern) -> Check {
    let mut open = Pattern {
        parts: vec![Part::Many],
        cased: pattern.cased,
    };
    for part in &pattern.parts {
        open.push(part.clone());
    }
    open.push(Part::Many);
    match of_field(&open) {
        // Of no text at all, every value is one that holds it.
        Check::Present => Check::Literal(Position::Anywhere, String::new()),
        check => check,
    }
}
