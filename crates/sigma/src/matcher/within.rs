//! Which literals lie anywhere in a text.
//!
//! Few literals, or short ones: one Aho-Corasick automaton, a step for every byte. Many long
//! ones: for each, its four rarest bytes in a row; every place of the text is looked up in a
//! small table of bits, and only where that says yes is compared. It is two to three times as
//! fast, because no step waits for the one before. What is shorter than four bytes stays with
//! the automaton.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use aho_corasick::automaton::OverlappingState;
use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};

use super::index::Same;

/// Bytes of literals up to which an automaton is a table of transitions: fastest, and largest.
const TABLE_BYTES_MAX: usize = 24 * 1024;
/// Bits of the table for each literal.
const BITS_PER_LITERAL: usize = 24;
/// Sizes of the table, as powers of two: 8 KiB, which stays in the nearest cache, to 128 KiB.
const SIZES: [u32; 3] = [16, 18, 20];
const GRAM: usize = 4;
/// Places that are looked up together, so that their loads overlap.
const BLOCK: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Within {
    automaton: Option<Automaton>,
    grams: Option<Grams>,
}

#[derive(Debug)]
struct Automaton {
    automaton: AhoCorasick,
    atoms: Vec<u32>,
}

#[derive(Debug)]
struct Grams {
    bits: Vec<u64>,
    /// The table has two to the power of this many bits.
    size: u32,
    literals: HashMap<u64, Vec<Literal>, BuildHasherDefault<Same>>,
}

#[derive(Debug)]
struct Literal {
    atom: u32,
    /// How far its four bytes are from its start.
    offset: u32,
    text: Box<[u8]>,
}

impl Within {
    pub(super) fn new(literals: &[(u32, &str)]) -> Result<Self, String> {
        let bytes: usize = literals.iter().map(|(_, text)| text.len()).sum();
        let (short, long): (Vec<_>, Vec<_>) = literals
            .iter()
            .copied()
            .partition(|(_, text)| text.len() < GRAM);
        let automaton_alone = !short.is_empty() && bytes <= TABLE_BYTES_MAX;
        if automaton_alone || long.is_empty() {
            return Ok(Self {
                automaton: Some(Automaton::new(literals)?),
                grams: None,
            });
        }
        let automaton = match short.as_slice() {
            [] => None,
            short => Some(Automaton::new(short)?),
        };
        Ok(Self {
            automaton,
            grams: Some(Grams::new(&long)),
        })
    }

    /// Calls `fire` with the atom of every literal in the text, some more than once.
    pub(super) fn find(&self, text: &[u8], fire: &mut impl FnMut(u32)) {
        if let Some(automaton) = &self.automaton {
            automaton.find(text, fire);
        }
        if let Some(grams) = &self.grams {
            grams.find(text, fire);
        }
    }
}

impl Automaton {
    fn new(literals: &[(u32, &str)]) -> Result<Self, String> {
        let bytes: usize = literals.iter().map(|(_, text)| text.len()).sum();
        let kind = if bytes <= TABLE_BYTES_MAX {
            AhoCorasickKind::DFA
        } else {
            AhoCorasickKind::ContiguousNFA
        };
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(kind))
            .prefilter(false)
            .build(literals.iter().map(|(_, text)| text))
            .map_err(|error| error.to_string())?;
        Ok(Self {
            automaton,
            atoms: literals.iter().map(|(atom, _)| *atom).collect(),
        })
    }

    fn find(&self, text: &[u8], fire: &mut impl FnMut(u32)) {
        let mut state = OverlappingState::start();
        let input = Input::new(text);
        loop {
            let found = self
                .automaton
                .try_find_overlapping(input.clone(), &mut state);
            let (Ok(()), Some(found)) = (found, state.get_match()) else {
                return;
            };
            if let Some(atom) = self.atoms.get(found.pattern().as_usize()) {
                fire(*atom);
            }
        }
    }
}

impl Grams {
    fn new(literals: &[(u32, &str)]) -> Self {
        let wanted = literals.len() * BITS_PER_LITERAL;
        let [.., largest] = SIZES;
        let fits = |size: &u32| (1 << size) >= wanted;
        let size = SIZES.into_iter().find(fits).unwrap_or(largest);
        let mut grams = Self {
            bits: vec![0; (1 << size) / 64],
            size,
            literals: HashMap::default(),
        };
        for (atom, text) in literals {
            let text = text.as_bytes();
            let offsets = 0..=text.len() - GRAM;
            // Rare bytes, and those that few other literals are known by.
            let cost = |at: &usize| {
                let gram = &text[*at..at + GRAM];
                let known = grams.literals.get(&u64::from(word(gram)));
                u64::from(commonness(gram)) * (1 + known.map_or(0, Vec::len) as u64)
            };
            let rarest = offsets.min_by_key(cost).unwrap_or(0);
            let gram = word(&text[rarest..]);
            let place = grams.place(gram);
            grams.bits[place / 64] |= 1 << (place % 64);
            grams
                .literals
                .entry(u64::from(gram))
                .or_default()
                .push(Literal {
                    atom: *atom,
                    offset: u32::try_from(rarest).unwrap_or(0),
                    text: text.into(),
                });
        }
        grams
    }

    const fn place(&self, gram: u32) -> usize {
        (gram.wrapping_mul(FACTOR) >> (32 - self.size)) as usize
    }

    fn find(&self, text: &[u8], fire: &mut impl FnMut(u32)) {
        let mut hit = |at: usize| self.compare(text, at, fire);
        // The shift is a constant in each: it stands in the innermost loop.
        match self.size {
            16 => scan::<16>(&self.bits, text, &mut hit),
            18 => scan::<18>(&self.bits, text, &mut hit),
            _ => scan::<20>(&self.bits, text, &mut hit),
        }
    }

    #[cold]
    fn compare(&self, text: &[u8], at: usize, fire: &mut impl FnMut(u32)) {
        let Some(literals) = self.literals.get(&u64::from(word(&text[at..]))) else {
            return;
        };
        for literal in literals {
            let from = at
                .checked_sub(literal.offset as usize)
                .and_then(|from| text.get(from..));
            if from.is_some_and(|from| from.starts_with(&literal.text)) {
                fire(literal.atom);
            }
        }
    }
}

const FACTOR: u32 = 0x9e37_79b1;

/// Calls `hit` with every place of the text whose four bytes are in the table of bits.
fn scan<const SIZE: u32>(bits: &[u64], text: &[u8], hit: &mut impl FnMut(usize)) {
    let mask = bits.len() - 1;
    let bit = |gram: u32| {
        let place = (gram.wrapping_mul(FACTOR) >> (32 - SIZE)) as usize;
        // The mask changes nothing, but shows that the index is in range.
        bits[(place / 64) & mask] >> (place % 64) & 1
    };
    let mut at = 0;
    while let Some(block) = text
        .get(at..)
        .and_then(<[u8]>::first_chunk::<{ BLOCK + GRAM - 1 }>)
    {
        let mut hits = 0;
        for (index, window) in block.windows(GRAM).enumerate() {
            hits |= bit(word(window)) << index;
        }
        while hits != 0 {
            hit(at + hits.trailing_zeros() as usize);
            hits &= hits - 1;
        }
        at += BLOCK;
    }
    for (index, window) in text.get(at..).unwrap_or_default().windows(GRAM).enumerate() {
        if bit(word(window)) != 0 {
            hit(at + index);
        }
    }
}

/// Four bytes as a number.
fn word(bytes: &[u8]) -> u32 {
    match bytes.first_chunk::<GRAM>() {
        Some(bytes) => u32::from_le_bytes(*bytes),
        None => 0,
    }
}

/// How common bytes are in logs and prose, roughly: the rarest of a literal are what it is known
/// by.
fn commonness(gram: &[u8]) -> u32 {
    let one = |byte: &u8| match byte {
        b'e' | b' ' => 12,
        b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 9,
        b'l' | b'c' | b'd' | b'm' | b'p' | b'u' | b'h' | b'\\' | b'.' => 6,
        b'g' | b'w' | b'y' | b'f' | b'b' | b'/' | b'-' | b'0' | b'1' => 4,
        b'a'..=b'z' => 2,
        _ => 1,
    };
    // Together they are rare if one of them is.
    gram.iter().map(one).product()
}

#[cfg(test)]
mod tests {
    use super::Within;

    fn found(literals: &[&str], text: &str) -> Vec<u32> {
        let numbered: Vec<(u32, &str)> = (0..).zip(literals.iter().copied()).collect();
        let mut found = Vec::new();
        Within::new(&numbered)
            .unwrap()
            .find(text.as_bytes(), &mut |atom| found.push(atom));
        found.sort_unstable();
        found.dedup();
        found
    }

    #[test]
    fn long_and_short_literals_are_found_wherever_they_lie() {
        let text = "xx powershell.exe -enc aaaa bcd";
        assert_eq!(
            found(
                &["powershell", "ell.exe -e", "shellx", "xx p", " bcd"],
                text
            ),
            [0, 1, 3, 4]
        );
        assert_eq!(found(&["e", "cd", "power", "zz"], text), [0, 1, 2]);
        let many: Vec<String> = (0..3_000).map(|n| format!("literal number {n}!")).collect();
        let mut many: Vec<&str> = many.iter().map(String::as_str).collect();
        many.push("aaa");
        assert_eq!(found(&many, "a literal number 77! aaa"), [77, 3_000]);
    }
}
