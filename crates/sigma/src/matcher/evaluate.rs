//! One event against the compiled rules: index, candidates, and only then conditions.

use std::net::IpAddr;

use super::atoms::{Atom, Atoms, Check, KEYWORD};
use super::event::{Event, EventError, Kind};
use super::index;
use super::program::Node;
use super::{Compiled, time};
use crate::ir::Position;

/// Everything that one stream of events needs beside the rules; kept from event to event, so
/// that an event that matches nothing allocates nothing.
#[derive(Debug, Default)]
pub struct Scratch {
    event: Event,
    /// By atom: twice the epoch, plus one where it holds.
    known: Vec<u32>,
    /// By rule: the epoch in which it became a candidate.
    candidate: Vec<u32>,
    candidates: Vec<u32>,
    epoch: u32,
    /// Conditions that were evaluated, for figures.
    pub evaluated: u64,
}

impl Scratch {
    fn begin(&mut self, compiled: &Compiled) {
        let (atoms, rules) = (compiled.atoms.atoms.len(), compiled.rules.len());
        if self.known.len() != atoms || self.candidate.len() != rules || self.epoch > u32::MAX / 4 {
            self.known.clear();
            self.known.resize(atoms, 0);
            self.candidate.clear();
            self.candidate.resize(rules, 0);
            self.epoch = 0;
        }
        self.epoch += 1;
        self.candidates.clear();
    }
}

impl Scratch {
    /// The first text, number or truth value of a field in the event that was read last.
    pub(super) fn value<'s>(&'s mut self, json: &'s str, field: u32) -> Option<&'s str> {
        let mut at = self.event.first(field)? as usize;
        loop {
            let value = self.event.values.get(at)?;
            if !matches!(value.kind, Kind::Null | Kind::Container) {
                break;
            }
            at = value.next as usize;
        }
        self.event.unescape(json, at);
        Some(self.event.text(json, at))
    }
}

impl Compiled {
    /// Appends the rules that match, in order.
    pub(super) fn run(
        &self,
        json: &str,
        scratch: &mut Scratch,
        allowed: Option<&[bool]>,
        out: &mut Vec<u32>,
    ) -> Result<(), EventError> {
        scratch.begin(self);
        let keywords = self.keywords.has_literals || self.keywords_everywhere;
        scratch.event.read(json, &self.atoms.paths, keywords)?;
        self.find(json, scratch);
        for rule in &self.always {
            if scratch.candidate[*rule as usize] != scratch.epoch {
                scratch.candidates.push(*rule);
            }
        }
        scratch.candidates.sort_unstable();
        for at in 0..scratch.candidates.len() {
            let rule = scratch.candidates[at];
            if allowed.is_some_and(|allowed| !allowed[rule as usize]) {
                continue;
            }
            scratch.evaluated += 1;
            let root = self.rules[rule as usize];
            let mut evaluation = Evaluation {
                compiled: self,
                json,
                scratch,
            };
            if evaluation.node(root) {
                out.push(rule);
            }
        }
        Ok(())
    }

    /// Marks the atoms that the index knows to hold, and their rules as candidates.
    fn find(&self, json: &str, scratch: &mut Scratch) {
        let Scratch {
            event,
            known,
            candidate,
            candidates,
            epoch,
            ..
        } = scratch;
        let holds = *epoch * 2 + 1;
        let mut mark = |atom: u32| {
            let state = &mut known[atom as usize];
            if *state == holds {
                return false;
            }
            *state = holds;
            for rule in self.triggered.of(atom) {
                let seen = &mut candidate[*rule as usize];
                if *seen != *epoch {
                    *seen = *epoch;
                    candidates.push(*rule);
                }
            }
            true
        };
        let mut fire = |atom: u32| {
            if mark(atom) {
                for set in self.sets.of(atom) {
                    mark(*set);
                }
            }
        };
        for at in 0..event.values.len() {
            let (field, kind) = (event.values[at].field, event.values[at].kind);
            let is_text = matches!(kind, Kind::Text | Kind::Number);
            let field = self.fields.get(field as usize);
            if let Some(field) = field {
                if let Some(atom) = field.exists {
                    fire(atom);
                }
                if kind != Kind::Null
                    && let Some(atom) = field.present
                {
                    fire(atom);
                }
                if field.has_literals && (is_text || kind == Kind::Bool) {
                    event.fold(json, at);
                    field.find(event.folded(at), &self.atoms, &mut fire);
                }
            }
            if self.keywords.has_literals && is_text {
                event.fold(json, at);
                self.keywords.find(event.folded(at), &self.atoms, &mut fire);
            }
        }
    }
}

struct Evaluation<'c, 's> {
    compiled: &'c Compiled,
    json: &'c str,
    scratch: &'s mut Scratch,
}

impl Evaluation<'_, '_> {
    fn node(&mut self, index: u32) -> bool {
        let program = &self.compiled.program;
        match program.node(index) {
            Node::And(..) => program
                .children(index)
                .iter()
                .all(|child| self.node(*child)),
            Node::Or(..) => program
                .children(index)
                .iter()
                .any(|child| self.node(*child)),
            Node::Not(inner) => !self.node(inner),
            Node::Atom(atom) => self.atom(atom),
            Node::True => true,
            Node::False => false,
        }
    }

    fn atom(&mut self, index: u32) -> bool {
        let base = self.scratch.epoch * 2;
        let state = self.scratch.known[index as usize];
        if state >= base {
            return state > base;
        }
        let atom = &self.compiled.atoms.atoms[index as usize];
        let holds = match atom.check {
            // The index has looked already.
            Check::Literal(..) | Check::Number(_) | Check::Set(_) => false,
            _ => self.check(atom),
        };
        self.scratch.known[index as usize] = base + u32::from(holds);
        holds
    }

    fn check(&mut self, atom: &Atom) -> bool {
        if atom.field == KEYWORD {
            return (0..self.scratch.event.values.len()).any(|at| {
                let kind = self.scratch.event.values[at].kind;
                matches!(kind, Kind::Text | Kind::Number) && self.value(atom, at)
            });
        }
        let Some(mut at) = self.scratch.event.first(atom.field) else {
            return atom.check == Check::Null;
        };
        loop {
            let Some(value) = self.scratch.event.values.get(at as usize) else {
                return false;
            };
            let (kind, next) = (value.kind, value.next);
            let holds = match (&atom.check, kind) {
                (Check::Null, kind) => kind == Kind::Null,
                (Check::Present, kind) => kind != Kind::Null,
                (Check::Exists, _) => true,
                (_, Kind::Null | Kind::Container) => false,
                _ => self.value(atom, at as usize),
            };
            if holds {
                return true;
            }
            at = next;
        }
    }

    /// A test of one value that is a text, a number or a truth value.
    fn value(&mut self, atom: &Atom, at: usize) -> bool {
        let event = &mut self.scratch.event;
        match &atom.check {
            Check::Glob(glob) if !glob.cased => {
                event.fold(self.json, at);
                std::str::from_utf8(event.folded(at)).is_ok_and(|text| glob.matches(text))
            }
            Check::FieldRef(other, position, cased) => {
                self.field_ref(at, (*other, *position, *cased))
            }
            check => {
                event.unescape(self.json, at);
                raw(check, event.text(self.json, at), &self.compiled.atoms)
            }
        }
    }

    fn field_ref(&mut self, at: usize, (other, position, cased): (u32, Position, bool)) -> bool {
        let event = &mut self.scratch.event;
        let prepare = |event: &mut Event, at: usize| {
            if cased {
                event.unescape(self.json, at);
            } else {
                event.fold(self.json, at);
            }
        };
        prepare(event, at);
        let Some(mut next) = event.first(other) else {
            return false;
        };
        loop {
            let found = next as usize;
            let Some(value) = event.values.get(found) else {
                return false;
            };
            let kind = value.kind;
            next = value.next;
            if matches!(kind, Kind::Null | Kind::Container) {
                continue;
            }
            prepare(event, found);
            let holds = if cased {
                let (text, part) = (event.text(self.json, at), event.text(self.json, found));
                lies(position, text.as_bytes(), part.as_bytes())
            } else {
                lies(position, event.folded(at), event.folded(found))
            };
            if holds {
                return true;
            }
        }
    }
}

fn lies(position: Position, text: &[u8], part: &[u8]) -> bool {
    match position {
        Position::Whole => text == part,
        Position::Start => text.starts_with(part),
        Position::End => text.ends_with(part),
        Position::Anywhere => memchr::memmem::find(text, part).is_some(),
    }
}

/// Tests that look at the text as it is.
fn raw(check: &Check, text: &str, atoms: &Atoms) -> bool {
    match check {
        Check::Cased(position, literal) => lies(*position, text.as_bytes(), literal.as_bytes()),
        Check::Glob(glob) => glob.matches(text),
        Check::Regex(index) => {
            let regex = atoms
                .regexes
                .get(*index as usize)
                .and_then(|regex| regex.get());
            regex.is_some_and(|regex| regex.is_match(text))
        }
        Check::Cidr(network) => {
            let address = text.trim().parse::<IpAddr>();
            address.is_ok_and(|address| network.contains(address))
        }
        Check::Compare(operator, bits) => {
            let number = index::number(text.trim().as_bytes());
            number.is_some_and(|number| operator.holds(number, f64::from_bits(*bits)))
        }
        Check::Time(part, operator, bits) => {
            let value = time::part(text, *part);
            value.is_some_and(|value| operator.holds(value, f64::from_bits(*bits)))
        }
        _ => false,
    }
}
