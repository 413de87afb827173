//! Conditions as nodes in one list, over atoms.

use super::atoms::{Atoms, Check, KEYWORD, Tested};
use crate::ir::{Expr, Item};

/// From how many tests on a list is one atom.
const SET_FROM: usize = 4;

/// A part of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// First and end of its children in the list of children.
    And(u32, u32),
    Or(u32, u32),
    Not(u32),
    Atom(u32),
    True,
    False,
}

#[derive(Debug, Default)]
pub(super) struct Program {
    nodes: Vec<Node>,
    children: Vec<u32>,
}

impl Program {
    pub(super) fn node(&self, index: u32) -> Node {
        self.nodes
            .get(index as usize)
            .copied()
            .unwrap_or(Node::False)
    }

    pub(super) fn children(&self, index: u32) -> &[u32] {
        match self.node(index) {
            Node::And(from, to) | Node::Or(from, to) => self
                .children
                .get(from as usize..to as usize)
                .unwrap_or_default(),
            _ => &[],
        }
    }

    pub(super) fn add(&mut self, expr: &Expr, atoms: &mut Atoms) -> u32 {
        match expr {
            Expr::And(parts) => {
                let parts = parts.iter().map(|part| self.add(part, atoms)).collect();
                self.join(parts, true)
            }
            Expr::Or(parts) => {
                let parts = parts.iter().map(|part| self.add(part, atoms)).collect();
                self.join(parts, false)
            }
            Expr::Not(inner) => {
                let inner = self.add(inner, atoms);
                self.push(Node::Not(inner))
            }
            Expr::Item(item) => self.item(item, atoms),
        }
    }

    fn item(&mut self, item: &Item, atoms: &mut Atoms) -> u32 {
        let field = match &item.field {
            Some(name) => atoms.paths.field(name),
            None => KEYWORD,
        };
        let mut parts = Vec::with_capacity(item.tests.len());
        let mut set = Vec::new();
        for test in &item.tests {
            let tested = atoms.test(field, test);
            if !item.all {
                let any = match &tested {
                    Tested::Atom(atom) => std::slice::from_ref(atom),
                    Tested::Any(any) => any.as_slice(),
                    Tested::Not(_) | Tested::Never => &[],
                };
                let indexed = |atom: &u32| atoms.atoms[*atom as usize].check.is_indexed();
                if !any.is_empty() && any.iter().all(indexed) {
                    set.extend_from_slice(any);
                    continue;
                }
            }
            let node = match tested {
                Tested::Atom(atom) => self.push(Node::Atom(atom)),
                Tested::Any(any) => {
                    let any = any
                        .into_iter()
                        .map(|atom| self.push(Node::Atom(atom)))
                        .collect();
                    self.join(any, false)
                }
                Tested::Not(atom) => {
                    let inner = self.push(Node::Atom(atom));
                    self.push(Node::Not(inner))
                }
                Tested::Never => self.push(Node::False),
            };
            parts.push(node);
        }
        if set.len() >= SET_FROM {
            set.sort_unstable();
            set.dedup();
            let atom = atoms.intern(field, Check::Set(set));
            parts.push(self.push(Node::Atom(atom)));
        } else {
            for atom in set {
                parts.push(self.push(Node::Atom(atom)));
            }
        }
        self.join(parts, item.all)
    }

    /// Any of several parts.
    pub(super) fn any(&mut self, parts: Vec<u32>) -> u32 {
        self.join(parts, false)
    }

    /// All of nothing holds, any of nothing does not.
    fn join(&mut self, parts: Vec<u32>, all: bool) -> u32 {
        match (parts.as_slice(), all) {
            ([one], _) => *one,
            ([], true) => self.push(Node::True),
            ([], false) => self.push(Node::False),
            (_, all) => {
                let from = small(self.children.len());
                self.children.extend(parts);
                let to = small(self.children.len());
                self.push(if all {
                    Node::And(from, to)
                } else {
                    Node::Or(from, to)
                })
            }
        }
    }

    fn push(&mut self, node: Node) -> u32 {
        self.nodes.push(node);
        small(self.nodes.len() - 1)
    }

    /// Calls `each` with every atom of a condition, negated ones included.
    pub(super) fn atoms(&self, index: u32, each: &mut dyn FnMut(u32)) {
        match self.node(index) {
            Node::Atom(atom) => each(atom),
            Node::Not(inner) => self.atoms(inner, each),
            _ => {
                for child in self.children(index) {
                    self.atoms(*child, each);
                }
            }
        }
    }
}

fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
