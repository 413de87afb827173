//! The condition: `selection and not 1 of filter_*`.
//!
//! Grammar, loosest first: `or`, `and`, `not`, then a name, `1 of PATTERN`, `all of PATTERN`
//! (`them` is every selection whose name does not begin with `_`), or parentheses.

use crate::rule::Expr;

/// Deepest nesting of parentheses and `not`.
const DEPTH_MAX: usize = 32;

/// The selections of a rule by name.
pub(crate) struct Selections<'s> {
    pub(crate) all: &'s [(String, Expr)],
    pub(crate) used: Vec<bool>,
}

/// Why a condition cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ConditionError {
    /// Something else was expected.
    Expected(&'static str, String),
    /// A selection is not there.
    Unknown(String),
    /// It is nested too deeply.
    TooDeep,
    /// The old way to aggregate.
    Aggregation,
}

pub(crate) fn parse(text: &str, selections: &mut Selections<'_>) -> Result<Expr, ConditionError> {
    if text.contains('|') {
        return Err(ConditionError::Aggregation);
    }
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let mut parser = Parser {
        words: spaced.split_whitespace().collect(),
        at: 0,
        selections,
        depth: 0,
    };
    let expr = parser.or()?;
    match parser.peek() {
        None => Ok(expr),
        Some(word) => Err(ConditionError::Expected("and, or", word.to_owned())),
    }
}

struct Parser<'p, 's> {
    words: Vec<&'p str>,
    at: usize,
    selections: &'p mut Selections<'s>,
    depth: usize,
}

impl<'p> Parser<'p, '_> {
    fn peek(&self) -> Option<&'p str> {
        self.words.get(self.at).copied()
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(word);
        self.at += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<Expr, ConditionError> {
        let mut parts = vec![self.and()?];
        while self.eat("or") {
            parts.push(self.and()?);
        }
        Ok(joined(parts, Expr::Or))
    }

    fn and(&mut self) -> Result<Expr, ConditionError> {
        let mut parts = vec![self.not()?];
        while self.eat("and") {
            parts.push(self.not()?);
        }
        Ok(joined(parts, Expr::And))
    }

    fn not(&mut self) -> Result<Expr, ConditionError> {
        if self.depth == DEPTH_MAX {
            return Err(ConditionError::TooDeep);
        }
        self.depth += 1;
        let expr = if self.eat("not") {
            Expr::Not(Box::new(self.not()?))
        } else {
            self.term()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn term(&mut self) -> Result<Expr, ConditionError> {
        if self.eat("(") {
            let expr = self.or()?;
            if self.eat(")") {
                return Ok(expr);
            }
            return Err(ConditionError::Expected(")", self.found()));
        }
        let Some(word) = self.peek() else {
            return Err(ConditionError::Expected("a selection", self.found()));
        };
        let is_of = self.words.get(self.at + 1) == Some(&"of");
        if is_of && matches!(word, "1" | "any" | "all") {
            return self.of(word == "all");
        }
        if matches!(word, "and" | "or" | ")") {
            return Err(ConditionError::Expected("a selection", word.to_owned()));
        }
        self.at += 1;
        let found = self
            .selections
            .all
            .iter()
            .position(|(name, _)| name == word);
        let index = found.ok_or_else(|| ConditionError::Unknown(word.to_owned()))?;
        self.selections.used[index] = true;
        Ok(self.selections.all[index].1.clone())
    }

    fn of(&mut self, all: bool) -> Result<Expr, ConditionError> {
        self.at += 2;
        let Some(pattern) = self.peek() else {
            return Err(ConditionError::Expected(
                "a selection after `of`",
                self.found(),
            ));
        };
        self.at += 1;
        let mut parts = Vec::new();
        for (index, (name, expr)) in self.selections.all.iter().enumerate() {
            let matches = match pattern {
                "them" => !name.starts_with('_'),
                pattern => glob(pattern, name),
            };
            if matches {
                self.selections.used[index] = true;
                parts.push(expr.clone());
            }
        }
        if parts.is_empty() {
            return Err(ConditionError::Unknown(pattern.to_owned()));
        }
        Ok(joined(parts, if all { Expr::And } else { Expr::Or }))
    }

    fn found(&self) -> String {
        self.peek().unwrap_or("the end").to_owned()
    }
}

pub(crate) fn joined(mut parts: Vec<Expr>, join: fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.len() {
        1 => parts.remove(0),
        _ => join(parts),
    }
}

/// `selection_*` matches `selection_a`.
fn glob(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    if !pattern.contains('*') {
        return rest.is_empty();
    }
    let parts: Vec<&str> = parts.collect();
    for (index, part) in parts.iter().enumerate() {
        if index + 1 == parts.len() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}
