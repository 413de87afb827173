//! The condition: `selection and not 1 of filter_*`.
//!
//! Grammar, loosest first: `or`, `and`, `not`, then a name, `1 of PATTERN` (or another number),
//! `all of PATTERN` (`them` is every selection whose name does not begin with `_`), or parentheses. The same
//! grammar over rules is the extended condition of a correlation.

use crate::ir::{Expr, Selection};

/// Deepest nesting of parentheses and `not`.
const DEPTH_MAX: usize = 64;
/// Most tests of a condition with its selections put in: naming a long one often makes it longer.
pub(super) const TESTS_MAX: usize = 500_000;
/// Most combinations that `2 of x_*` is written out as.
const COMBINATIONS_MAX: usize = 1_000;

/// The selections of a rule by name.
pub(super) struct Selections<'s> {
    pub(super) all: &'s [Selection],
    pub(super) used: &'s mut [bool],
    /// How many more tests may be put in.
    pub(super) left: usize,
}

/// What names in a condition stand for.
pub(super) trait Names {
    /// A part of the tree.
    type Tree;
    /// How many there are.
    fn count(&self) -> usize;
    /// The name of one.
    fn name(&self, index: usize) -> &str;
    /// One as a tree; `None` if that is too much.
    fn take(&mut self, index: usize) -> Option<Self::Tree>;
    /// A part again; `None` if that is too much.
    fn again(&mut self, tree: &Self::Tree) -> Option<Self::Tree>;
    /// Joined by `and` or `or`.
    fn join(parts: Vec<Self::Tree>, all: bool) -> Self::Tree;
    /// The opposite.
    fn not(inner: Self::Tree) -> Self::Tree;
}

impl Names for Selections<'_> {
    type Tree = Expr;

    fn count(&self) -> usize {
        self.all.len()
    }

    fn name(&self, index: usize) -> &str {
        self.all.get(index).map_or("", |selection| &selection.name)
    }

    fn take(&mut self, index: usize) -> Option<Expr> {
        self.used[index] = true;
        self.again(&self.all[index].expr)
    }

    fn again(&mut self, tree: &Expr) -> Option<Expr> {
        let size: usize = tree.items().map(|item| item.tests.len() + 1).sum();
        self.left = self.left.checked_sub(size)?;
        Some(tree.clone())
    }

    fn join(parts: Vec<Expr>, all: bool) -> Expr {
        if all {
            Expr::all_of(parts)
        } else {
            Expr::any_of(parts)
        }
    }

    fn not(inner: Expr) -> Expr {
        Expr::Not(Box::new(inner))
    }
}

/// Why a condition cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ConditionError {
    /// Something else was expected.
    Expected(&'static str, String),
    /// A selection is not there.
    Unknown(String),
    /// It is nested too deeply.
    TooDeep,
    /// It becomes too long.
    TooLong,
}

/// From and to, in the condition's text.
type Place = (usize, usize);

pub(super) fn parse<N: Names>(
    text: &str,
    names: &mut N,
) -> Result<N::Tree, (ConditionError, Place)> {
    let mut parser = Parser {
        words: words(text),
        end: text.len(),
        at: 0,
        names,
        depth: 0,
    };
    let tree = parser.or()?;
    match parser.peek() {
        None => Ok(tree),
        Some(word) => Err(parser.wrong(ConditionError::Expected("`and` or `or`", word.to_owned()))),
    }
}

/// Words and parentheses with their places.
fn words(text: &str) -> Vec<(&str, usize)> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices() {
        let is_word = !c.is_whitespace() && c != '(' && c != ')';
        if let (false, Some(from)) = (is_word, start) {
            words.push((&text[from..at], from));
            start = None;
        }
        if is_word && start.is_none() {
            start = Some(at);
        }
        if matches!(c, '(' | ')') {
            words.push((&text[at..=at], at));
        }
    }
    if let Some(from) = start {
        words.push((&text[from..], from));
    }
    words
}

struct Parser<'p, N> {
    words: Vec<(&'p str, usize)>,
    end: usize,
    at: usize,
    names: &'p mut N,
    depth: usize,
}

impl<'p, N: Names> Parser<'p, N> {
    fn peek(&self) -> Option<&'p str> {
        self.words.get(self.at).map(|(word, _)| *word)
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(word);
        self.at += usize::from(found);
        found
    }

    /// An error at the present word.
    fn wrong(&self, error: ConditionError) -> (ConditionError, Place) {
        let place = self
            .words
            .get(self.at)
            .map_or((self.end, self.end), |(word, at)| (*at, at + word.len()));
        (error, place)
    }

    fn or(&mut self) -> Result<N::Tree, (ConditionError, Place)> {
        let mut parts = vec![self.and()?];
        while self.eat("or") {
            parts.push(self.and()?);
        }
        Ok(joined::<N>(parts, false))
    }

    fn and(&mut self) -> Result<N::Tree, (ConditionError, Place)> {
        let mut parts = vec![self.not()?];
        while self.eat("and") {
            parts.push(self.not()?);
        }
        Ok(joined::<N>(parts, true))
    }

    fn not(&mut self) -> Result<N::Tree, (ConditionError, Place)> {
        if self.depth == DEPTH_MAX {
            return Err(self.wrong(ConditionError::TooDeep));
        }
        self.depth += 1;
        let tree = if self.eat("not") {
            N::not(self.not()?)
        } else {
            self.term()?
        };
        self.depth -= 1;
        Ok(tree)
    }

    fn term(&mut self) -> Result<N::Tree, (ConditionError, Place)> {
        if self.eat("(") {
            let tree = self.or()?;
            if self.eat(")") {
                return Ok(tree);
            }
            return Err(self.wrong(ConditionError::Expected("`)`", self.found())));
        }
        let Some(word) = self.peek() else {
            return Err(self.wrong(ConditionError::Expected("a name", self.found())));
        };
        let is_of = self.words.get(self.at + 1).map(|(word, _)| *word) == Some("of");
        let count = match word {
            "all" => Some(usize::MAX),
            "any" => Some(1),
            number => number.parse().ok().filter(|count| *count > 0),
        };
        if let Some(count) = count.filter(|_| is_of) {
            return self.of(count);
        }
        if matches!(word, "and" | "or" | ")" | "AND" | "OR" | "NOT") {
            return Err(self.wrong(ConditionError::Expected("a name", word.to_owned())));
        }
        let found = (0..self.names.count()).find(|index| self.names.name(*index) == word);
        let Some(index) = found else {
            return Err(self.wrong(ConditionError::Unknown(word.to_owned())));
        };
        match self.names.take(index) {
            Some(tree) => {
                self.at += 1;
                Ok(tree)
            }
            None => Err(self.wrong(ConditionError::TooLong)),
        }
    }

    fn of(&mut self, count: usize) -> Result<N::Tree, (ConditionError, Place)> {
        self.at += 2;
        let Some(pattern) = self.peek() else {
            let error = ConditionError::Expected("a name after `of`", self.found());
            return Err(self.wrong(error));
        };
        let mut parts = Vec::new();
        for index in 0..self.names.count() {
            let name = self.names.name(index);
            let matches = match pattern {
                "them" => !name.starts_with('_'),
                pattern => glob(pattern, name),
            };
            if matches {
                let part = self.names.take(index);
                parts.push(part.ok_or_else(|| self.wrong(ConditionError::TooLong))?);
            }
        }
        if parts.is_empty() || (count != usize::MAX && count > parts.len()) {
            return Err(self.wrong(ConditionError::Unknown(pattern.to_owned())));
        }
        let tree = match count {
            usize::MAX => Some(joined::<N>(parts, true)),
            1 => Some(joined::<N>(parts, false)),
            count => self.combinations(&parts, count),
        };
        let tree = tree.ok_or_else(|| self.wrong(ConditionError::TooLong))?;
        self.at += 1;
        Ok(tree)
    }

    /// Any so many of several parts, written out.
    fn combinations(&mut self, parts: &[N::Tree], count: usize) -> Option<N::Tree> {
        let mut chosen: Vec<usize> = (0..count).collect();
        let mut any = Vec::new();
        loop {
            let mut all = Vec::with_capacity(count);
            for index in &chosen {
                all.push(self.names.again(&parts[*index])?);
            }
            any.push(joined::<N>(all, true));
            if any.len() > COMBINATIONS_MAX {
                return None;
            }
            // The next in order: the last place that can still move does.
            let movable = (0..count)
                .rev()
                .find(|at| chosen[*at] < parts.len() - count + at);
            let Some(at) = movable else {
                return Some(joined::<N>(any, false));
            };
            chosen[at] += 1;
            for after in at + 1..count {
                chosen[after] = chosen[after - 1] + 1;
            }
        }
    }

    fn found(&self) -> String {
        self.peek().unwrap_or("the end").to_owned()
    }
}

fn joined<N: Names>(mut parts: Vec<N::Tree>, all: bool) -> N::Tree {
    match parts.len() {
        1 => parts.remove(0),
        _ => N::join(parts, all),
    }
}

/// `selection_*` matches `selection_a`.
pub(crate) fn glob(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}
