//! What a pattern needs beside its beginning: sets of literals of which one has to stand further
//! on. "Show …" begins many sentences; with "instructions" behind it, few.

use regex_syntax::hir::literal::{ExtractKind, Extractor, Literal};
use regex_syntax::hir::{Class, Hir, HirKind};

/// Literals, sorted, of which one has to occur at the start of a word.
pub(crate) type LiteralSet = Vec<Vec<u8>>;

/// Bytes from its first literal within which a pattern has to match.
pub(crate) const WINDOW_BYTES: usize = 400;

/// What an alternative needs.
#[derive(Debug)]
pub(crate) struct Need {
    pub(crate) set: LiteralSet,
    /// Bytes from the beginning of a match within which a literal of the set has to start.
    pub(crate) reach: usize,
    /// Instead of a set with a word that nearly every sentence has: rarer words of the same part, of
    /// which one has to start within [`WINDOW_BYTES`].
    pub(crate) rarer: Option<LiteralSet>,
}

/// Whether a text seldom has a word of a set.
pub(crate) fn is_telling(set: &LiteralSet) -> bool {
    /// Words of which nearly every sentence has one.
    const COMMON: [&[u8]; 12] = [
        b"the", b"and", b"to", b"of", b"in", b"is", b"it", b"a", b"you", b"your", b"for", b"this",
    ];
    !set.iter()
        .any(|literal| COMMON.contains(&literal.as_slice()))
}

/// Sets of one alternative that are kept.
const SETS_MAX: usize = 4;
/// Bytes that a word of any letters has at most, and white space between words: longer ones are
/// as rare as patterns that are missed for it.
const ANY_WORD_BYTES: usize = 14;
const BETWEEN_BYTES: usize = 4;
/// Most literals of one set.
const LITERALS_MAX: usize = 160;
/// Shortest literal of a set.
const LITERAL_BYTES_MIN: usize = 2;
/// Shortest literal of a second set.
const TELLING_BYTES_MIN: usize = 4;
/// Longest part of a literal that is looked for.
const LITERAL_BYTES_MAX: usize = 12;

/// For every alternative of a pattern the sets that it needs, all of them.
pub(super) fn needs(hir: &Hir) -> Vec<Vec<Need>> {
    let of = |alternative: &Hir| match alternative.kind() {
        HirKind::Concat(parts) => sets(parts),
        _ => Vec::new(),
    };
    alternatives(hir).into_iter().map(of).collect()
}

/// The alternatives of a pattern.
pub(super) fn alternatives(hir: &Hir) -> Vec<&Hir> {
    match hir.kind() {
        HirKind::Alternation(parts) => parts.iter().flat_map(alternatives).collect(),
        HirKind::Capture(capture) => alternatives(&capture.sub),
        _ => vec![hir],
    }
}

fn sets(parts: &[Hir]) -> Vec<Need> {
    let mut sets: Vec<Need> = Vec::new();
    let mut reach = 0;
    // Whether what follows starts a word, whatever matched so far.
    let mut between = false;
    for part in parts {
        if between && let Some(set) = literals(part) {
            let rarer = (!is_telling(&set)).then(|| rarer(part)).flatten();
            sets.push(Need { set, reach, rarer });
        }
        between = ends_between_words(part) || between && ends_between_words_or_is_empty(part);
        reach += bytes_max(part);
    }
    // The longest words are the rarest.
    sets.sort_by_key(|Need { set, .. }| {
        let shortest = set.iter().map(Vec::len).min().unwrap_or(0);
        (std::cmp::Reverse(shortest), set.len())
    });
    sets.truncate(SETS_MAX);
    // Beside those, short words rule hardly anything out.
    let mut seen = false;
    sets.retain(|Need { set, .. }| {
        let is_short = set.iter().any(|literal| literal.len() < TELLING_BYTES_MIN);
        let keeps = !(seen && is_short);
        seen = true;
        keeps
    });
    sets
}

/// Bytes of the longest match of a part, as far as words go.
fn bytes_max(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(_) => 1,
        HirKind::Capture(capture) => bytes_max(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(bytes_max).sum(),
        HirKind::Alternation(parts) => parts.iter().map(bytes_max).max().unwrap_or(0),
        HirKind::Repetition(repetition) => match repetition.max {
            Some(max) => bytes_max(&repetition.sub).saturating_mul(max as usize),
            None if ends_between_words(&repetition.sub) => BETWEEN_BYTES,
            None => ANY_WORD_BYTES * bytes_max(&repetition.sub),
        },
    }
}

fn literals(hir: &Hir) -> Option<LiteralSet> {
    let mut extractor = Extractor::new();
    extractor
        .kind(ExtractKind::Prefix)
        .limit_class(16)
        .limit_repeat(4)
        .limit_literal_len(LITERAL_BYTES_MAX)
        .limit_total(LITERALS_MAX);
    let sequence = extractor.extract(hir);
    let mut set: LiteralSet = sequence
        .literals()?
        .iter()
        .map(Literal::as_bytes)
        .map(<[u8]>::to_vec)
        .collect();
    set.sort();
    // A word that starts with another one says nothing more.
    set.dedup_by(|longer, shorter| longer.starts_with(shorter));
    let usable = !set.is_empty() && set.iter().all(|literal| literal.len() >= LITERAL_BYTES_MIN);
    usable.then_some(set)
}

/// A sign that every match has and few texts do.
pub(super) fn rare_sign(hir: &Hir) -> Option<u8> {
    const RARE: &[u8] = b"=@{}<>|\\`$%&#+*~^[]";
    RARE.iter().copied().find(|sign| has_always(hir, *sign))
}

/// Whether every match has a byte.
fn has_always(hir: &Hir, byte: u8) -> bool {
    match hir.kind() {
        HirKind::Literal(literal) => literal.0.contains(&byte),
        HirKind::Repetition(repetition) => repetition.min > 0 && has_always(&repetition.sub, byte),
        HirKind::Capture(capture) => has_always(&capture.sub, byte),
        HirKind::Concat(parts) => parts.iter().any(|part| has_always(part, byte)),
        HirKind::Alternation(parts) => parts.iter().all(|part| has_always(part, byte)),
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => false,
    }
}

/// For every alternative of a part the longest words that it needs: `never` for `and never stop`.
fn rarer(part: &Hir) -> Option<LiteralSet> {
    let alternatives = match part.kind() {
        HirKind::Capture(capture) => return rarer(&capture.sub),
        HirKind::Alternation(alternatives) => alternatives,
        _ => return None,
    };
    let mut all = LiteralSet::new();
    for alternative in alternatives {
        all.extend(longest(alternative)?);
    }
    all.sort();
    all.dedup_by(|longer, shorter| longer.starts_with(shorter));
    is_telling(&all).then_some(all)
}

/// The set of the longest literals that an alternative needs at the start of a word.
fn longest(alternative: &Hir) -> Option<LiteralSet> {
    let shortest = |set: &LiteralSet| set.iter().map(Vec::len).min().unwrap_or(0);
    let HirKind::Concat(parts) = alternative.kind() else {
        return literals(alternative);
    };
    let mut best: Option<LiteralSet> = None;
    let mut between = true;
    for (at, part) in parts.iter().enumerate() {
        let rest = || Hir::concat(parts.get(at..).unwrap_or_default().to_vec());
        if between
            && let Some(set) = literals(&rest())
            && best
                .as_ref()
                .is_none_or(|best| shortest(&set) > shortest(best))
        {
            best = Some(set);
        }
        between = ends_between_words(part) || between && ends_between_words_or_is_empty(part);
    }
    best
}

/// Whether this matches nothing, or what ends with a character that no word has.
fn ends_between_words_or_is_empty(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Repetition(repetition) => ends_between_words(&repetition.sub),
        _ => false,
    }
}

/// Whether whatever this matches ends with a character that no word has, so that what follows
/// starts a word. Folded text has no capital letters.
fn ends_between_words(hir: &Hir) -> bool {
    let is_between =
        |byte: u8| byte.is_ascii() && !byte.is_ascii_lowercase() && !byte.is_ascii_digit();
    match hir.kind() {
        HirKind::Literal(literal) => literal.0.last().copied().is_some_and(is_between),
        HirKind::Class(Class::Bytes(class)) => class
            .iter()
            .all(|range| (range.start()..=range.end()).all(is_between)),
        HirKind::Class(Class::Unicode(class)) => class.iter().all(|range| {
            (u32::from(range.start())..=u32::from(range.end()))
                .all(|c| u8::try_from(c).is_ok_and(is_between))
        }),
        HirKind::Repetition(repetition) => {
            repetition.min > 0 && ends_between_words(&repetition.sub)
        }
        HirKind::Capture(capture) => ends_between_words(&capture.sub),
        HirKind::Concat(parts) => parts.last().is_some_and(ends_between_words),
        HirKind::Alternation(parts) => parts.iter().all(ends_between_words),
        HirKind::Empty | HirKind::Look(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use regex_syntax::hir::Hir;

    use super::{Need, needs, rare_sign};

    fn parse(regex: &str) -> Hir {
        let mut builder = regex_syntax::ParserBuilder::new();
        let mut parser = builder.unicode(false).utf8(false).build();
        parser.parse(regex).unwrap()
    }

    fn words(regex: &str) -> Vec<Vec<Vec<String>>> {
        let hir = parse(regex);
        let text = |Need { set, rarer, .. }: Need| {
            let set = rarer.unwrap_or(set);
            set.into_iter()
                .map(|literal| String::from_utf8(literal).unwrap())
                .collect()
        };
        needs(&hir)
            .into_iter()
            .map(|sets| sets.into_iter().map(text).collect())
            .collect()
    }

    #[test]
    fn signs_that_every_match_has_are_known() {
        for (regex, sign) in [
            (r"https?://\w+[?&](?:data|d)=\w", Some(b'=')),
            (r"[a-z]+://[^@]*:[^@]+@", Some(b'@')),
            (r"a(?:b=)?c", None),
            (r"a(?:b=){1,3}c|=d", Some(b'=')),
            (r"a=|b", None),
        ] {
            assert_eq!(rare_sign(&parse(regex)), sign, "{regex}");
        }
    }

    #[test]
    fn only_what_must_stand_there_is_needed() {
        let found = words(r"(?:show|tell)(?:[ ]+\w+){0,3}?[ ]+(?:rules?|prompts?)");
        assert_eq!(found, [[["prompt", "rule"]]]);
        // Words between, as the files write them, and what is optional.
        let between = "[^a-z0-9\\x80-\\xff.!?;]+";
        let regex = format!("show{between}(?:me{between})?(?:all{between}){{0,2}}(?:rules|text)");
        assert_eq!(words(&regex), [[["rules", "text"]]]);
        // Optional, or not at the start of a word: not needed.
        assert_eq!(words(r"show(?:[ ]+rules)?"), [Vec::<Vec<String>>::new()]);
        assert_eq!(words(r"show\w*rules"), [Vec::<Vec<String>>::new()]);
        // Rarer words instead of common ones.
        let regex =
            format!("say{between}(?:forever|and{between}never{between}stop|ad{between}infinitum)");
        assert_eq!(words(&regex), [[["forever", "infinitum", "never"]]]);
        // Alternatives have needs of their own.
        assert_eq!(words(r"show[ ]+rules|tell\w+").len(), 2);
    }
}
