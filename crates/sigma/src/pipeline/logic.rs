//! Several conditions as one: all or any of them, negated, or an expression over their ids.

use std::collections::BTreeMap;

/// Conditions and how they are joined.
#[derive(Clone, Debug)]
pub(super) struct Group<C> {
    conditions: Vec<C>,
    names: BTreeMap<String, usize>,
    any: bool,
    negated: bool,
    expression: Option<Expression>,
}

impl<C> Default for Group<C> {
    fn default() -> Self {
        Self {
            conditions: Vec::new(),
            names: BTreeMap::new(),
            any: false,
            negated: false,
            expression: None,
        }
    }
}

#[derive(Clone, Debug)]
enum Expression {
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Not(Box<Expression>),
    Condition(usize),
}

/// Parentheses in an expression.
const DEPTH_MAX: usize = 64;

impl<C> Group<C> {
    pub(super) fn new(
        named: Vec<(Option<String>, C)>,
        any: bool,
        negated: bool,
        expression: Option<&str>,
    ) -> Result<Self, String> {
        let mut group = Self {
            any,
            negated,
            ..Self::default()
        };
        for (name, condition) in named {
            if let Some(name) = name {
                group.names.insert(name, group.conditions.len());
            }
            group.conditions.push(condition);
        }
        if let Some(text) = expression {
            group.expression = Some(parse(text, &group.names)?);
        }
        Ok(group)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether they hold; no condition holds always.
    pub(super) fn holds(&self, test: impl Fn(&C) -> bool) -> bool {
        if self.conditions.is_empty() {
            return true;
        }
        let value = match &self.expression {
            Some(expression) => self.evaluate(expression, &test),
            None if self.any => self.conditions.iter().any(&test),
            None => self.conditions.iter().all(&test),
        };
        value != self.negated
    }

    fn evaluate(&self, expression: &Expression, test: &impl Fn(&C) -> bool) -> bool {
        match expression {
            Expression::And(members) => members.iter().all(|member| self.evaluate(member, test)),
            Expression::Or(members) => members.iter().any(|member| self.evaluate(member, test)),
            Expression::Not(inner) => !self.evaluate(inner, test),
            Expression::Condition(index) => self.conditions.get(*index).is_some_and(test),
        }
    }
}

fn parse(text: &str, names: &BTreeMap<String, usize>) -> Result<Expression, String> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser {
        words: &words,
        at: 0,
        names,
    };
    let expression = parser.or(0)?;
    match parser.words.get(parser.at) {
        None => Ok(expression),
        Some(word) => Err(format!("`{word}` is not expected in `{text}`")),
    }
}

struct Parser<'p> {
    words: &'p [&'p str],
    at: usize,
    names: &'p BTreeMap<String, usize>,
}

impl Parser<'_> {
    fn eat(&mut self, word: &str) -> bool {
        let is_it = self
            .words
            .get(self.at)
            .is_some_and(|next| next.eq_ignore_ascii_case(word));
        self.at += usize::from(is_it);
        is_it
    }

    fn or(&mut self, depth: usize) -> Result<Expression, String> {
        let mut members = vec![self.and(depth)?];
        while self.eat("or") {
            members.push(self.and(depth)?);
        }
        Ok(if members.len() == 1 {
            members.swap_remove(0)
        } else {
            Expression::Or(members)
        })
    }

    fn and(&mut self, depth: usize) -> Result<Expression, String> {
        let mut members = vec![self.not(depth)?];
        while self.eat("and") {
            members.push(self.not(depth)?);
        }
        Ok(if members.len() == 1 {
            members.swap_remove(0)
        } else {
            Expression::And(members)
        })
    }

    fn not(&mut self, depth: usize) -> Result<Expression, String> {
        if depth > DEPTH_MAX {
            return Err(format!("more than {DEPTH_MAX} levels of parentheses"));
        }
        if self.eat("not") {
            return Ok(Expression::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.eat("(") {
            let inner = self.or(depth + 1)?;
            return if self.eat(")") {
                Ok(inner)
            } else {
                Err("a closing parenthesis is missing".to_owned())
            };
        }
        let Some(word) = self.words.get(self.at) else {
            return Err("the expression ends too early".to_owned());
        };
        self.at += 1;
        match self.names.get(*word) {
            Some(index) => Ok(Expression::Condition(*index)),
            None => Err(format!("no condition has the id `{word}`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Group;

    #[test]
    fn expressions_join_conditions_by_their_ids() {
        let named = |names: &[&str]| {
            names
                .iter()
                .map(|name| (Some((*name).to_owned()), (*name).to_owned()))
                .collect::<Vec<_>>()
        };
        let text = "a and not (b or c)";
        let group = Group::new(named(&["a", "b", "c"]), false, false, Some(text)).unwrap();
        assert!(group.holds(|name| name == "a"));
        assert!(!group.holds(|name| name != "c"));
        for wrong in ["a and", "a or d", "(a", "a b"] {
            assert!(
                Group::new(named(&["a", "b"]), false, false, Some(wrong)).is_err(),
                "{wrong}"
            );
        }
    }
}
