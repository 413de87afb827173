//! Grammars: texts that are generated instead of collected.
//!
//! A line `name: one | other {name} | …` says what `{name}` can become; alternatives stand between
//! blanks and `|`, lines of the same name add up, `\n` is a line break. A name with a capital
//! starts with a capital letter. A line `[source key=value …] text` asks for `count` texts. Names
//! with `@` are filled with innocent texts of the training set.

use std::collections::BTreeMap;

use crate::random::Random;

/// How deep rules may nest; deeper is a rule that calls itself.
const DEPTH_MAX: usize = 12;

/// Rules and requests of all files.
#[derive(Debug, Default)]
pub(crate) struct Grammar {
    rules: BTreeMap<String, Vec<String>>,
    pub(crate) sections: Vec<Section>,
}

/// A request for texts of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) source: String,
    pub(crate) options: BTreeMap<String, String>,
    starts: Vec<String>,
}

impl Section {
    pub(crate) fn option(&self, name: &str) -> &str {
        self.options.get(name).map_or("", String::as_str)
    }

    pub(crate) fn count(&self) -> usize {
        self.option("count").parse().unwrap_or(0)
    }
}

/// What fills names with `@`.
pub(crate) trait Filler {
    fn fill(&self, name: &str, random: &mut Random) -> String;
}

impl Grammar {
    /// Adds a file.
    pub(crate) fn add(&mut self, text: &str) {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some((head, rest)) = line.strip_prefix('[').and_then(|l| l.split_once(']')) {
                let mut words = head.split_whitespace();
                self.sections.push(Section {
                    source: words.next().unwrap_or("").to_owned(),
                    options: words
                        .filter_map(|word| word.split_once('='))
                        .map(|(key, value)| (key.to_owned(), value.to_owned()))
                        .collect(),
                    starts: alternatives(rest),
                });
            } else if let Some((name, rest)) = line.split_once(':')
                && is_name(name)
            {
                let slot = self.rules.entry(name.to_owned()).or_default();
                slot.extend(alternatives(rest));
            }
        }
    }

    /// Names that are used but stand for nothing.
    pub(crate) fn unknown(&self) -> Vec<String> {
        let mut unknown = Vec::new();
        let starts = self.sections.iter().flat_map(|section| &section.starts);
        for text in self.rules.values().flatten().chain(starts) {
            for piece in pieces(text) {
                if let Piece::Name(name) = piece
                    && !name.starts_with('@')
                    && !self.rules.contains_key(name)
                    && !unknown.iter().any(|known| known == name)
                {
                    unknown.push(name.to_owned());
                }
            }
        }
        unknown
    }

    /// One text of a section.
    pub(crate) fn generate(
        &self,
        section: &Section,
        filler: &impl Filler,
        random: &mut Random,
    ) -> String {
        let mut out = String::new();
        let start = section.starts.get(random.below(section.starts.len()));
        self.expand(
            start.map_or("", String::as_str),
            filler,
            random,
            &mut out,
            0,
        );
        tidy(&out)
    }

    fn expand(
        &self,
        text: &str,
        filler: &impl Filler,
        random: &mut Random,
        out: &mut String,
        depth: usize,
    ) {
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => out.push_str(&text.replace("\\n", "\n")),
                Piece::Name(name) if name.starts_with('@') => {
                    out.push_str(&filler.fill(name, random));
                }
                Piece::Name(name) => {
                    let Some(rule) = self.rules.get(name).filter(|_| depth < DEPTH_MAX) else {
                        continue;
                    };
                    let start = out.len();
                    let choice = rule.get(random.below(rule.len()));
                    self.expand(
                        choice.map_or("", String::as_str),
                        filler,
                        random,
                        out,
                        depth + 1,
                    );
                    if name.starts_with(|c: char| c.is_ascii_uppercase()) {
                        capitalise(out, start);
                    }
                }
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'@'))
}

fn alternatives(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for word in text.trim().split(' ') {
        if word == "|" {
            all.push(String::new());
        } else if let Some(last) = all.last_mut() {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    all
}

enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let after = rest.get(open + 1..).unwrap_or("");
        let name = after
            .split_once('}')
            .map(|(name, _)| name)
            .filter(|name| is_name(name));
        if let Some(name) = name {
            all.push(Piece::Text(rest.get(..open).unwrap_or("")));
            all.push(Piece::Name(name));
            rest = after.get(name.len() + 1..).unwrap_or("");
        } else {
            all.push(Piece::Text(rest.get(..=open).unwrap_or("")));
            rest = after;
        }
    }
    all.push(Piece::Text(rest));
    all
}

fn capitalise(out: &mut String, start: usize) {
    let Some(first) = out.get(start..).and_then(|text| text.chars().next()) else {
        return;
    };
    let upper: String = first.to_uppercase().collect();
    out.replace_range(start..start + first.len_utf8(), &upper);
}

/// Blanks that empty alternatives left over.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim().chars() {
        let doubled = c == ' ' && out.ends_with([' ', '\n']);
        if !doubled {
            if matches!(c, '.' | ',' | '!' | '?') && out.ends_with(' ') {
                out.pop();
            }
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Filler, Grammar};
    use crate::random::Random;

    struct Nothing;

    impl Filler for Nothing {
        fn fill(&self, name: &str, _random: &mut Random) -> String {
            name.to_owned()
        }
    }

    #[test]
    fn rules_expand_and_blanks_are_tidied() {
        let mut grammar = Grammar::default();
        grammar.add("a: x\nB: {a}y\nnone: |\n[s count=2 label=1] {B} {none} {literal-brace} {@q}.");
        let section = grammar.sections.first().expect("a section").clone();
        let text = grammar.generate(&section, &Nothing, &mut Random::new(1));
        assert_eq!(text, "Xy {literal-brace} @q.");
        assert_eq!(section.count(), 2);
        assert!(grammar.unknown().is_empty());
    }
}
