//! By field: which literals a value holds. Whole values, starts and ends by hash, everything
//! within by an Aho-Corasick automaton or a filter
//! of rare bytes.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::atoms::{Atoms, Check, KEYWORD};
use super::paths::{NONE, hash};
use super::within::Within;
use crate::ir::Position;

/// Lengths by which starts and ends are hashed: a literal by the longest that it has.
const LENGTHS: [usize; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32];

/// The index of one field.
#[derive(Debug, Default)]
pub(super) struct FieldIndex {
    /// Whether there are literals at all.
    pub(super) has_literals: bool,
    /// The atom that holds wherever there is a value.
    pub(super) present: Option<u32>,
    /// The atom that holds wherever the field is, be it `null`.
    pub(super) exists: Option<u32>,
    whole: Table,
    starts: Vec<(usize, Table)>,
    ends: Vec<(usize, Table)>,
    numbers: Table,
    within: Option<Within>,
    /// Holds for every text: the empty one is within each.
    empty: Option<u32>,
}

/// Atoms by a hash of their text.
#[derive(Debug, Default)]
struct Table(HashMap<u64, Vec<u32>, BuildHasherDefault<Same>>);

/// What is hashed is a hash already.
#[derive(Default)]
pub(super) struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash(bytes);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Table {
    fn add(&mut self, hash: u64, atom: u32) {
        self.0.entry(hash).or_default().push(atom);
    }

    fn get(&self, hash: u64) -> &[u32] {
        self.0.get(&hash).map_or(&[], Vec::as_slice)
    }
}

/// Indexes by field, and that of keywords.
pub(super) fn build(atoms: &Atoms) -> Result<(Vec<FieldIndex>, FieldIndex), String> {
    let mut fields: Vec<FieldIndex> = Vec::new();
    fields.resize_with(atoms.paths.names.len(), FieldIndex::default);
    let mut keywords = FieldIndex::default();
    let mut within: HashMap<u32, Vec<(u32, &str)>> = HashMap::new();
    for (index, atom) in atoms.atoms.iter().enumerate() {
        let id = u32::try_from(index).unwrap_or(NONE);
        let field = if atom.field == KEYWORD {
            &mut keywords
        } else {
            match fields.get_mut(atom.field as usize) {
                Some(field) => field,
                None => continue,
            }
        };
        match &atom.check {
            Check::Literal(Position::Anywhere, text) if text.is_empty() => {
                field.has_literals = true;
                field.empty = Some(id);
            }
            Check::Literal(Position::Anywhere, text) => {
                field.has_literals = true;
                within.entry(atom.field).or_default().push((id, text));
            }
            Check::Literal(position, text) => field.add(*position, text.as_bytes(), id),
            Check::Number(bits) => {
                field.has_literals = true;
                field.numbers.add(*bits, id);
            }
            Check::Present => field.present = Some(id),
            Check::Exists => field.exists = Some(id),
            _ => {}
        }
    }
    for (field, literals) in within {
        let built = Within::new(&literals)?;
        if field == KEYWORD {
            keywords.within = Some(built);
        } else if let Some(field) = fields.get_mut(field as usize) {
            field.within = Some(built);
        }
    }
    Ok((fields, keywords))
}

impl FieldIndex {
    fn add(&mut self, position: Position, text: &[u8], atom: u32) {
        self.has_literals = true;
        if position == Position::Whole {
            self.whole.add(hash(text), atom);
            return;
        }
        let length = LENGTHS.iter().rev().find(|length| **length <= text.len());
        let Some(&length) = length else {
            return;
        };
        let (tables, part) = if position == Position::Start {
            (&mut self.starts, &text[..length])
        } else {
            (&mut self.ends, &text[text.len() - length..])
        };
        let known = tables.iter().position(|(known, _)| *known == length);
        let at = known.unwrap_or_else(|| {
            tables.push((length, Table::default()));
            tables.len() - 1
        });
        tables[at].1.add(hash(part), atom);
    }

    /// Calls `fire` with every atom that holds of a folded text.
    pub(super) fn find(&self, text: &[u8], atoms: &Atoms, fire: &mut impl FnMut(u32)) {
        if let Some(atom) = self.empty {
            fire(atom);
        }
        if !self.whole.0.is_empty() {
            for atom in self.whole.get(hash(text)) {
                if literal(atoms, *atom) == text {
                    fire(*atom);
                }
            }
        }
        if !self.numbers.0.is_empty()
            && let Some(number) = number(text)
        {
            for atom in self.numbers.get(number.to_bits()) {
                fire(*atom);
            }
        }
        for (length, table) in &self.starts {
            if let Some(part) = text.get(..*length) {
                for atom in table.get(hash(part)) {
                    if text.starts_with(literal(atoms, *atom)) {
                        fire(*atom);
                    }
                }
            }
        }
        for (length, table) in &self.ends {
            if let Some(part) = text.len().checked_sub(*length).map(|from| &text[from..]) {
                for atom in table.get(hash(part)) {
                    if text.ends_with(literal(atoms, *atom)) {
                        fire(*atom);
                    }
                }
            }
        }
        if let Some(within) = &self.within {
            within.find(text, fire);
        }
    }
}

fn literal(atoms: &Atoms, atom: u32) -> &[u8] {
    match &atoms.atoms[atom as usize].check {
        Check::Literal(_, text) => text.as_bytes(),
        _ => &[],
    }
}

/// A number, if the text is one; `-0` is `0`.
pub(super) fn number(text: &[u8]) -> Option<f64> {
    if !matches!(text.first()?, b'0'..=b'9' | b'-' | b'+' | b'.') || text.len() > 40 {
        return None;
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(value + 0.0)
}
