//! From a pattern as written to one that runs.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use atalaya_model::{Role, ThreatCategory};
use regex_automata::MatchKind;
use regex_automata::hybrid::dfa::{self, DFA};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{Class, Hir, HirKind};

use super::diagnose::{Problem, code};
use super::file::{PatternFile, PatternSource};
use super::needs::{alternatives, needs, rare_sign};
use super::{Build, Pattern, ROLES, lexicon, role_index};
use crate::detectors;
use crate::normalise::fold_pattern;

/// Shortest literal that a match may start with.
const ANCHOR_BYTES_MIN: usize = 2;
/// Longest part of a literal that the prefilter looks for.
const ANCHOR_BYTES_MAX: usize = 12;
/// Characters of one place of a literal: both cases of a letter, and not every hexadecimal digit,
/// three of which would make four thousand literals.
const ANCHOR_CLASS_MAX: usize = 4;
/// Of a pattern that would start with less than [`ANCHOR_BYTES_MIN`] otherwise.
const ANCHOR_CLASS_MAX_OF_SHORT: usize = 16;
/// Largest automaton of one pattern.
const NFA_BYTES_MAX: usize = 1024 * 1024;
/// Memory in which the lazy automaton of one pattern may grow per scratch. The largest ones need
/// most of it; with less they are built again and again, which costs more than all other work.
const DFA_CACHE_BYTES: usize = 1024 * 1024;

/// A pattern's automaton, built when it is first needed.
#[derive(Debug)]
pub(crate) struct Automaton {
    hir: Hir,
    built: OnceLock<Option<DFA>>,
}

impl Automaton {
    /// The automaton; `None` if it would be too large.
    pub(crate) fn get(&self) -> Option<&DFA> {
        self.built.get_or_init(|| build(&self.hir).ok()).as_ref()
    }
}

pub(super) fn compile(
    file: &PatternFile,
    source: &PatternSource,
    when: Build,
) -> Result<Pattern, Problem> {
    let parts = parse(file, source)?;
    let hir = Hir::alternation(parts.clone());
    let anchors = anchors(&hir, source)?;
    let alternatives: Vec<&Hir> = if source.case_sensitive {
        Vec::new()
    } else {
        parts.iter().flat_map(alternatives).collect()
    };
    let needs = alternatives.iter().flat_map(|one| needs(one)).collect();
    let begins = begins(&anchors, &alternatives);
    let check = source.check.as_deref().map(check).transpose()?;
    let category = source.category.unwrap_or(file.category);
    Ok(Pattern {
        rule: Cow::Owned(format!("{}.{}", file.detector, source.id)),
        category,
        atlas: atlas(file, source, category),
        scores: scores(file, source),
        plain: source.case_sensitive,
        quotable: !source.even_quoted,
        kind: source.kind.clone().map(Cow::Owned),
        check,
        unbroken_bytes: if source.case_sensitive {
            unbroken_bytes(&hir)
        } else {
            0
        },
        rare_sign: rare_sign(&hir),
        automaton: automaton(hir, source, when)?,
        anchors,
        needs,
        begins,
    })
}

fn parse(file: &PatternFile, source: &PatternSource) -> Result<Vec<Hir>, Problem> {
    let mut parts = Vec::new();
    for regex in source.regex.as_slice() {
        let expanded = lexicon::expand(regex, &file.lexicon)?;
        let ready = if source.case_sensitive {
            expanded
        } else {
            fold_pattern(&expanded)
        };
        let hir = ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .nest_limit(100)
            .build()
            .parse(&ready)
            .map_err(|error| regex_problem(&error, regex))?;
        parts.push(hir);
    }
    Ok(parts)
}

fn regex_problem(error: &regex_syntax::Error, regex: &str) -> Problem {
    let (message, place) = match error {
        regex_syntax::Error::Parse(error) => (error.kind().to_string(), error.span()),
        regex_syntax::Error::Translate(error) => (error.kind().to_string(), error.span()),
        other => {
            return Problem {
                code: code::REGEX,
                message: other.to_string(),
                help: "write a regular expression".to_owned(),
                near: regex.to_owned(),
            };
        }
    };
    let near = regex
        .get(place.start.offset..place.end.offset)
        .filter(|near| !near.is_empty())
        .unwrap_or(regex);
    Problem {
        code: code::REGEX,
        message,
        help: "syntax: https://docs.rs/regex, without Unicode classes, on lower-case text"
            .to_owned(),
        near: near.to_owned(),
    }
}

fn anchors(hir: &Hir, source: &PatternSource) -> Result<Vec<Vec<u8>>, Problem> {
    let mut literals = prefixes(hir, ANCHOR_CLASS_MAX);
    if shortest(&literals).len() < ANCHOR_BYTES_MIN {
        literals = prefixes(hir, ANCHOR_CLASS_MAX_OF_SHORT);
    }
    let shortest = shortest(&literals);
    if shortest.len() < ANCHOR_BYTES_MIN {
        let start = String::from_utf8_lossy(shortest);
        return Err(Problem {
            code: code::NO_ANCHOR,
            message: format!(
                "a match may start with only `{start}`: {ANCHOR_BYTES_MIN} literal bytes are needed"
            ),
            help: "start with words, e.g. `(?:ignore|forget){s}…`; put what is optional later"
                .to_owned(),
            near: source.regex.as_slice().first().cloned().unwrap_or_default(),
        });
    }
    let mut anchors: Vec<Vec<u8>> = literals
        .iter()
        .map(|literal| literal.to_ascii_lowercase())
        .collect();
    anchors.sort();
    // A word that starts with another anchor would only be reported twice.
    anchors.dedup_by(|longer, shorter| longer.starts_with(shorter));
    Ok(anchors)
}

/// For every anchor the alternatives that a match there can be of.
fn begins(anchors: &[Vec<u8>], alternatives: &[&Hir]) -> Vec<Vec<usize>> {
    let starts: Vec<Vec<Vec<u8>>> = alternatives
        .iter()
        .map(|one| prefixes(one, ANCHOR_CLASS_MAX))
        .collect();
    let can_begin = |anchor: &[u8], starts: &[Vec<u8>]| {
        // An alternative that starts with anything has no literals. Literals may be cut off.
        starts.is_empty()
            || starts.iter().any(|literal| {
                let literal = literal.to_ascii_lowercase();
                literal.starts_with(anchor) || anchor.starts_with(&literal)
            })
    };
    anchors
        .iter()
        .map(|anchor| {
            let all = (0..).zip(&starts);
            let those = all.filter(|(_, starts)| can_begin(anchor, starts));
            those.map(|(number, _)| number).collect()
        })
        .collect()
}

/// Bytes without white space that every match starts with, at least.
fn unbroken_bytes(hir: &Hir) -> usize {
    let is_blank = |byte: u8| byte.is_ascii_whitespace() || byte == 0x0B;
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => literal.0.iter().take_while(|b| !is_blank(**b)).count(),
        HirKind::Class(_) => usize::from(is_without_blanks(hir)),
        HirKind::Repetition(repetition) if repetition.min == 0 => 0,
        HirKind::Repetition(repetition) => {
            let once = unbroken_bytes(&repetition.sub);
            if is_without_blanks(&repetition.sub) {
                once.saturating_mul(repetition.min as usize)
            } else {
                once
            }
        }
        HirKind::Capture(capture) => unbroken_bytes(&capture.sub),
        HirKind::Concat(parts) => {
            let mut bytes: usize = 0;
            for part in parts {
                bytes = bytes.saturating_add(unbroken_bytes(part));
                if !is_without_blanks(part) {
                    break;
                }
            }
            bytes
        }
        HirKind::Alternation(parts) => parts.iter().map(unbroken_bytes).min().unwrap_or(0),
    }
}

/// Whether nothing that this matches has white space in it.
fn is_without_blanks(hir: &Hir) -> bool {
    let is_blank = |c: u32| matches!(c, 0x09..=0x0D | 0x20);
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => !literal.0.iter().any(|b| is_blank(u32::from(*b))),
        HirKind::Class(Class::Bytes(class)) => class
            .iter()
            .all(|range| !(u32::from(range.start())..=u32::from(range.end())).any(is_blank)),
        HirKind::Class(Class::Unicode(class)) => class.iter().all(|range| {
            // Blanks are all below 0x21.
            !(u32::from(range.start())..=u32::from(range.end()).min(0x20)).any(is_blank)
        }),
        HirKind::Repetition(repetition) => is_without_blanks(&repetition.sub),
        HirKind::Capture(capture) => is_without_blanks(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().all(is_without_blanks),
    }
}

/// Literals that a match starts with; characters of larger classes end them.
fn prefixes(hir: &Hir, class_max: usize) -> Vec<Vec<u8>> {
    let mut extractor = Extractor::new();
    extractor
        .kind(ExtractKind::Prefix)
        .limit_class(class_max)
        .limit_repeat(4)
        .limit_literal_len(ANCHOR_BYTES_MAX)
        .limit_total(4096);
    let sequence = extractor.extract(hir);
    let literals = sequence.literals().unwrap_or_default();
    literals.iter().map(|l| l.as_bytes().to_vec()).collect()
}

fn shortest(literals: &[Vec<u8>]) -> &[u8] {
    literals
        .iter()
        .min_by_key(|literal| literal.len())
        .map_or(&[], Vec::as_slice)
}

fn automaton(hir: Hir, source: &PatternSource, when: Build) -> Result<Automaton, Problem> {
    let automaton = Automaton {
        hir,
        built: OnceLock::new(),
    };
    if when == Build::Now
        && let Err(message) = build(&automaton.hir)
    {
        return Err(Problem {
            code: code::REGEX,
            message,
            help: "fewer words, or smaller counts in `{…}`".to_owned(),
            near: source.regex.as_slice().first().cloned().unwrap_or_default(),
        });
    }
    Ok(automaton)
}

fn build(hir: &Hir) -> Result<DFA, String> {
    let nfa = thompson::Compiler::new()
        .configure(
            thompson::Config::new()
                .utf8(false)
                .shrink(false)
                .nfa_size_limit(Some(NFA_BYTES_MAX))
                .which_captures(WhichCaptures::None),
        )
        .build_from_hir(hir)
        .map_err(|error| error.to_string())?;
    DFA::builder()
        .configure(
            dfa::Config::new()
                .match_kind(MatchKind::LeftmostFirst)
                .cache_capacity(DFA_CACHE_BYTES)
                .skip_cache_capacity_check(true),
        )
        .build_from_nfa(nfa)
        .map_err(|error| error.to_string())
}

fn check(name: &str) -> Result<detectors::Check, Problem> {
    detectors::check(name).ok_or_else(|| Problem {
        code: code::UNKNOWN_CHECK,
        message: format!("there is no check `{name}`"),
        help: format!("one of: {}", detectors::check_names()),
        near: name.to_owned(),
    })
}

fn scores(file: &PatternFile, source: &PatternSource) -> [u8; ROLES] {
    let mut scores = [0; ROLES];
    for role in [
        Role::Instruction,
        Role::User,
        Role::Model,
        Role::ToolDefinition,
        Role::ToolOutput,
        Role::Document,
    ] {
        let weight = weight(&source.weights, role)
            .or_else(|| weight(&file.weights, role))
            .unwrap_or(100);
        let score = u32::from(source.score) * u32::from(weight) / 100;
        if let Some(slot) = scores.get_mut(role_index(role)) {
            *slot = u8::try_from(score.min(100)).unwrap_or(100);
        }
    }
    scores
}

fn weight(weights: &HashMap<Role, u16>, role: Role) -> Option<u16> {
    weights.get(&role).copied()
}

fn atlas(
    file: &PatternFile,
    source: &PatternSource,
    category: ThreatCategory,
) -> Cow<'static, [Cow<'static, str>]> {
    let named = if source.atlas.is_empty() {
        &file.atlas
    } else {
        &source.atlas
    };
    if named.is_empty() || (source.atlas.is_empty() && source.category.is_some()) {
        return detectors::atlas_of(category);
    }
    Cow::Owned(named.iter().map(|id| Cow::Owned(id.clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::unbroken_bytes;

    #[test]
    fn what_has_to_stand_there_without_a_blank_is_counted() {
        for (regex, bytes) in [
            ("AKIA[A-Z2-7]{16}", 20),
            ("(?:sk|rkx)_[a-z]{4,9}", 7),
            ("key *= *[a-z]{16}", 3),
            ("BEGIN KEY[A-Z]{9}", 5),
            ("ab(?:c{3})?d", 3),
            ("[^a]{8}", 0),
        ] {
            let hir = regex_syntax::ParserBuilder::new()
                .unicode(false)
                .utf8(false)
                .build()
                .parse(regex)
                .unwrap();
            assert_eq!(unbroken_bytes(&hir), bytes, "{regex}");
        }
    }
}
