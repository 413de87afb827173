//! Keys: for each rule a set of atoms of which one must hold if the rule does.
//!
//! Only rules with a key that holds are looked at. Of the parts of an `and`, the one whose keys
//! hold most rarely is taken: a guess by length of texts, and by how many rules share them.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::atoms::{Atoms, Check};
use super::fold;
use super::program::{Node, Program};
use crate::ir::{Position, RegexFlags};

/// Most texts that are required by an expression.
const REQUIRED_MAX: usize = 32;

/// Keys and how likely an event has one.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) atoms: Vec<u32>,
    cost: f64,
}

/// The keys of a part of a rule; `None`: it may hold without any.
pub(super) fn keys(
    node: u32,
    program: &Program,
    atoms: &mut Atoms,
    shared: &[u32],
) -> Option<Keys> {
    match program.node(node) {
        Node::And(..) => {
            let mut best: Option<Keys> = None;
            for child in program.children(node).to_vec() {
                if let Some(found) = keys(child, program, atoms, shared)
                    && best.as_ref().is_none_or(|best| found.cost < best.cost)
                {
                    best = Some(found);
                }
            }
            best
        }
        Node::Or(..) => {
            let mut all = Keys {
                atoms: Vec::new(),
                cost: 0.0,
            };
            for child in program.children(node).to_vec() {
                let found = keys(child, program, atoms, shared)?;
                all.atoms.extend(found.atoms);
                all.cost += found.cost;
            }
            Some(all)
        }
        Node::Not(inner) => negated(inner, program, atoms, shared),
        Node::Atom(atom) => of_atom(atom, atoms, shared),
        Node::False => Some(Keys {
            atoms: Vec::new(),
            cost: 0.0,
        }),
        Node::True => None,
    }
}

fn negated(inner: u32, program: &Program, atoms: &mut Atoms, shared: &[u32]) -> Option<Keys> {
    match program.node(inner) {
        Node::Not(inner) => keys(inner, program, atoms, shared),
        Node::Atom(atom) if atoms.atoms[atom as usize].check == Check::Null => {
            let field = atoms.atoms[atom as usize].field;
            Some(present(field, atoms))
        }
        _ => None,
    }
}

fn of_atom(atom: u32, atoms: &mut Atoms, shared: &[u32]) -> Option<Keys> {
    let field = atoms.atoms[atom as usize].field;
    let sharing = 1.0 + f64::from(shared.get(atom as usize).copied().unwrap_or(0));
    let itself = |rarity: f64| Keys {
        atoms: vec![atom],
        cost: rarity * sharing,
    };
    let literal = match &atoms.atoms[atom as usize].check {
        Check::Literal(position, text) => return Some(itself(rarity(*position, text))),
        Check::Number(_) => return Some(itself(0.02)),
        Check::Set(members) => {
            let one = |member: &u32| match &atoms.atoms[*member as usize].check {
                Check::Literal(position, text) => rarity(*position, text),
                _ => 0.02,
            };
            return Some(itself(members.iter().map(one).sum()));
        }
        Check::Null => return None,
        Check::Present | Check::Exists => return Some(itself(0.6)),
        Check::Cased(position, text) => Some((*position, fold::fold(text))),
        Check::Glob(glob) => glob
            .longest_literal()
            .map(|text| (Position::Anywhere, text)),
        Check::Regex(index) => {
            let required = atoms.regexes[*index as usize].required.clone();
            return Some(of_regex(field, required, atoms));
        }
        Check::Cidr(_) | Check::Compare(..) | Check::FieldRef(..) | Check::Time(..) => None,
    };
    Some(match literal {
        Some((position, text)) => helper(field, position, text, atoms),
        None => present(field, atoms),
    })
}

fn of_regex(field: u32, required: Vec<String>, atoms: &mut Atoms) -> Keys {
    if required.is_empty() {
        return present(field, atoms);
    }
    let mut all = Keys {
        atoms: Vec::new(),
        cost: 0.0,
    };
    for text in required {
        let found = helper(field, Position::Anywhere, text, atoms);
        all.atoms.extend(found.atoms);
        all.cost += found.cost;
    }
    all
}

/// A literal that stands for something that cannot be indexed itself.
fn helper(field: u32, position: Position, text: String, atoms: &mut Atoms) -> Keys {
    let cost = rarity(position, &text) * 2.0;
    let atom = atoms.intern(field, Check::Literal(position, text));
    Keys {
        atoms: vec![atom],
        cost,
    }
}

/// Every value of the field; of keywords, every value at all.
fn present(field: u32, atoms: &mut Atoms) -> Keys {
    let check = if field == super::atoms::KEYWORD {
        Check::Literal(Position::Anywhere, String::new())
    } else {
        Check::Present
    };
    Keys {
        atoms: vec![atoms.intern(field, check)],
        cost: 3.0,
    }
}

fn rarity(position: Position, text: &str) -> f64 {
    let length = i32::try_from(text.chars().count().min(24)).unwrap_or(24);
    match position {
        Position::Whole => 0.01,
        Position::Start | Position::End => 0.5_f64.powi(length).max(0.003),
        Position::Anywhere => (0.9 * 0.6_f64.powi(length)).max(0.0005),
    }
}

/// Folded texts of which every match of an expression holds one.
pub(super) fn required_by_regex(pattern: &str, flags: RegexFlags) -> Vec<String> {
    let parsed = regex_syntax::ParserBuilder::new()
        .case_insensitive(flags.ignore_case)
        .multi_line(flags.multi_line)
        .dot_matches_new_line(flags.dot_all)
        .build()
        .parse(pattern);
    let Ok(hir) = parsed else {
        return Vec::new();
    };
    let required = required(&hir, 0).unwrap_or_default();
    // One letter says nothing.
    if required.iter().any(|text| text.len() < 2) {
        return Vec::new();
    }
    required
}

fn required(hir: &Hir, depth: usize) -> Option<Vec<String>> {
    if depth > 64 {
        return None;
    }
    match hir.kind() {
        HirKind::Literal(_) | HirKind::Class(_) => exact(hir).map(|text| vec![text]),
        HirKind::Capture(capture) => required(&capture.sub, depth + 1),
        HirKind::Repetition(repetition) if repetition.min > 0 => {
            required(&repetition.sub, depth + 1)
        }
        HirKind::Concat(parts) => {
            let mut best: Option<Vec<String>> = None;
            let mut run = String::new();
            let mut offer = |found: Vec<String>| {
                let score = |texts: &[String]| texts.iter().map(String::len).min().unwrap_or(0);
                if best.as_ref().is_none_or(|best| score(&found) > score(best)) {
                    best = Some(found);
                }
            };
            for part in parts {
                match exact(part) {
                    Some(text) => run.push_str(&text),
                    None => {
                        if !run.is_empty() {
                            offer(vec![std::mem::take(&mut run)]);
                        }
                        if let Some(found) = required(part, depth + 1) {
                            offer(found);
                        }
                    }
                }
            }
            if !run.is_empty() {
                offer(vec![run]);
            }
            best
        }
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(required(part, depth + 1)?);
            }
            (all.len() <= REQUIRED_MAX).then_some(all)
        }
        _ => None,
    }
}

/// The one folded text that a part stands for, if there is one.
fn exact(hir: &Hir) -> Option<String> {
    match hir.kind() {
        HirKind::Literal(literal) => std::str::from_utf8(&literal.0).ok().map(fold::fold),
        HirKind::Capture(capture) => exact(&capture.sub),
        HirKind::Class(Class::Unicode(class)) => {
            let mut folded: Option<String> = None;
            for range in class.ranges() {
                // A letter in all its cases, not a range of letters.
                if range.len() > 2 {
                    return None;
                }
                for c in range.start()..=range.end() {
                    let one = fold::fold(c.encode_utf8(&mut [0; 4]));
                    if folded.as_ref().is_some_and(|known| *known != one) {
                        return None;
                    }
                    folded = Some(one);
                }
            }
            folded
        }
        HirKind::Concat(parts) => parts.iter().map(exact).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::required_by_regex;
    use crate::ir::RegexFlags;

    #[test]
    fn what_a_match_must_hold() {
        let insensitive = RegexFlags {
            ignore_case: true,
            ..RegexFlags::default()
        };
        for (pattern, flags, expected) in [
            (r"ab+CDE\d", RegexFlags::default(), vec!["cde"]),
            (
                r"(?:foo|barbar)x?",
                RegexFlags::default(),
                vec!["foo", "barbar"],
            ),
            (r"kill\s+-9", insensitive, vec!["kill"]),
            (r"[a-z]+", RegexFlags::default(), vec![]),
            (r"(?:foo|b?)", RegexFlags::default(), vec![]),
        ] {
            assert_eq!(required_by_regex(pattern, flags), expected, "{pattern}");
        }
    }
}
