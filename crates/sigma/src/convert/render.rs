//! Boolean structure as text, the same for every language: which groups need parentheses, which
//! alternatives become a list, where `not` goes.
//!
//! The grouping of the rule is kept, so that an analyst finds its selections again. A language
//! says how it joins ([`Style`]) and how it writes one test ([`Language`]).

use atalaya_model::Diagnostic;

use super::problem;
use crate::ir::{Expr, Item, Test};

/// Levels of nesting that are written; deeper conditions are refused.
pub(crate) const DEPTH_MAX: usize = 128;

pub(crate) type Result<T> = std::result::Result<T, Box<Diagnostic>>;

/// A condition whose leaves are single tests.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cond<'r> {
    /// All of them.
    And(Vec<Cond<'r>>),
    /// Any of them.
    Or(Vec<Cond<'r>>),
    /// Not this.
    Not(Box<Cond<'r>>),
    /// One test.
    Leaf(Leaf<'r>),
}

/// One test of one field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Leaf<'r> {
    /// The field; absent for keywords.
    pub(crate) field: Option<&'r str>,
    /// The test.
    pub(crate) test: &'r Test,
}

/// How tightly a text holds together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    /// One test, or something in its own parentheses.
    Atom,
    /// Begins with a negation.
    Not,
    /// Joined by `and`.
    And,
    /// Joined by `or`, or a list of alternatives.
    Or,
}

/// A text and how tightly it holds together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    /// The text; empty if there is nothing to say.
    pub(crate) text: String,
    /// How it holds together.
    pub(crate) binding: Binding,
}

impl Rendered {
    /// One test.
    pub(crate) fn atom(text: impl Into<String>) -> Self {
        Self::bound(text, Binding::Atom)
    }

    /// A text with another binding.
    pub(crate) fn bound(text: impl Into<String>, binding: Binding) -> Self {
        Self {
            text: text.into(),
            binding,
        }
    }
}

/// How a language joins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Between members of `and`.
    pub(crate) and: &'static str,
    /// Between members of `or`.
    pub(crate) or: &'static str,
    /// Before and behind what is negated.
    pub(crate) not: (&'static str, &'static str),
    /// Whether every group is put in parentheses, needed or not.
    pub(crate) always_grouped: bool,
    /// Whether `or` binds tighter than `and` (Splunk's search command).
    pub(crate) or_binds_tighter: bool,
    /// Most members of `and` or `or` beside each other; more are put into groups of so many.
    pub(crate) chain_max: usize,
}

/// A language that conditions are written in.
pub(crate) trait Language {
    /// How it joins.
    fn style(&self) -> Style;

    /// One test.
    ///
    /// # Errors
    /// What the language cannot say.
    fn leaf(&mut self, leaf: Leaf<'_>) -> Result<Rendered>;

    /// The negation of one test, if there is a better form than `not`.
    ///
    /// # Errors
    /// What the language cannot say.
    fn negated(&mut self, _leaf: Leaf<'_>) -> Result<Option<Rendered>> {
        Ok(None)
    }

    /// Several alternatives of one field as a list, if they can be one.
    ///
    /// # Errors
    /// What the language cannot say.
    fn list(&mut self, _field: &str, _tests: &[&Test]) -> Result<Option<Rendered>> {
        Ok(None)
    }
}

/// Items become leaves; groups of one become their member.
///
/// # Errors
/// A condition that is nested too deeply, or empty.
pub(crate) fn expand(expr: &Expr) -> Result<Cond<'_>> {
    expand_at(expr, 0)
}

fn expand_at(expr: &Expr, depth: usize) -> Result<Cond<'_>> {
    if depth > DEPTH_MAX {
        let message = format!("the condition is nested deeper than {DEPTH_MAX} levels");
        return Err(problem(message, "split the rule"));
    }
    match expr {
        Expr::And(inner) => group(collect(inner, depth)?, Cond::And),
        Expr::Or(inner) => group(collect(inner, depth)?, Cond::Or),
        Expr::Not(inner) => Ok(Cond::Not(Box::new(expand_at(inner, depth + 1)?))),
        Expr::Item(item) => expand_item(item),
    }
}

fn collect(members: &[Expr], depth: usize) -> Result<Vec<Cond<'_>>> {
    let members = members.iter();
    members.map(|member| expand_at(member, depth + 1)).collect()
}

fn expand_item(item: &Item) -> Result<Cond<'_>> {
    let leaves = item
        .tests
        .iter()
        .map(|test| {
            Cond::Leaf(Leaf {
                field: item.field.as_deref(),
                test,
            })
        })
        .collect();
    group(leaves, if item.all { Cond::And } else { Cond::Or })
}

fn group<'r>(mut members: Vec<Cond<'r>>, of: fn(Vec<Cond<'r>>) -> Cond<'r>) -> Result<Cond<'r>> {
    match members.len() {
        0 => Err(problem(
            "a group without members is left of the rule's condition",
            "a pipeline dropped every item of a selection: narrow its conditions",
        )),
        1 => Ok(members.swap_remove(0)),
        _ => Ok(of(members)),
    }
}

/// A condition as text.
///
/// # Errors
/// What the language cannot say.
pub(crate) fn render(cond: &Cond<'_>, language: &mut dyn Language) -> Result<Rendered> {
    match cond {
        Cond::Leaf(leaf) => {
            refuse_placeholder(leaf.test)?;
            language.leaf(*leaf)
        }
        Cond::Not(inner) => not(inner, language),
        Cond::And(members) => join(members, Binding::And, language),
        Cond::Or(members) => match list(members, language)? {
            Some(list) => Ok(list),
            None => join(members, Binding::Or, language),
        },
    }
}

fn not(inner: &Cond<'_>, language: &mut dyn Language) -> Result<Rendered> {
    if let Cond::Leaf(leaf) = inner {
        refuse_placeholder(leaf.test)?;
        if let Some(negated) = language.negated(*leaf)? {
            return Ok(negated);
        }
    }
    let inner = render(inner, language)?;
    if inner.text.is_empty() {
        return Ok(inner);
    }
    Ok(negation(&inner, language.style()))
}

/// The negation of a text.
pub(crate) fn negation(inner: &Rendered, style: Style) -> Rendered {
    let (before, behind) = style.not;
    let text = if inner.binding == Binding::Atom {
        format!("{before}{}{behind}", inner.text)
    } else {
        format!("{before}({}){behind}", inner.text)
    };
    Rendered::bound(text, Binding::Not)
}

fn join(members: &[Cond<'_>], binding: Binding, language: &mut dyn Language) -> Result<Rendered> {
    let mut rendered = Vec::with_capacity(members.len());
    for member in members {
        rendered.push(render(member, language)?);
    }
    Ok(joined(rendered, binding, language.style()))
}

/// Members joined, each in parentheses if it needs them; empty ones are left out.
pub(crate) fn joined(members: Vec<Rendered>, binding: Binding, style: Style) -> Rendered {
    let mut members: Vec<Rendered> = members
        .into_iter()
        .filter(|member| !member.text.is_empty())
        .collect();
    if members.len() < 2 {
        return members.pop().unwrap_or_else(|| Rendered::atom(""));
    }
    let between = if binding == Binding::And {
        style.and
    } else {
        style.or
    };
    let mut texts: Vec<String> = members
        .into_iter()
        .map(|member| grouped(member, binding, style))
        .collect();
    while texts.len() > style.chain_max {
        let groups = texts.chunks(style.chain_max);
        texts = groups
            .map(|group| format!("({})", group.join(between)))
            .collect();
    }
    Rendered::bound(texts.join(between), binding)
}

/// A member of a group, in parentheses if it needs them.
pub(crate) fn grouped(member: Rendered, outer: Binding, style: Style) -> String {
    let is_bare = match (member.binding, outer) {
        (Binding::Atom, _) => true,
        _ if style.always_grouped => false,
        (Binding::Not, _) | (Binding::And, Binding::And) | (Binding::Or, Binding::Or) => true,
        (Binding::Or, Binding::And) => style.or_binds_tighter,
        (Binding::And, Binding::Or) => !style.or_binds_tighter,
        _ => false,
    };
    if is_bare {
        member.text
    } else {
        format!("({})", member.text)
    }
}

/// Alternatives of one field as a list.
fn list(members: &[Cond<'_>], language: &mut dyn Language) -> Result<Option<Rendered>> {
    let mut field: Option<&str> = None;
    let mut tests = Vec::with_capacity(members.len());
    for member in members {
        let Cond::Leaf(leaf) = member else {
            return Ok(None);
        };
        let Some(name) = leaf.field else {
            return Ok(None);
        };
        if *field.get_or_insert(name) != name {
            return Ok(None);
        }
        refuse_placeholder(leaf.test)?;
        tests.push(leaf.test);
    }
    match field {
        Some(field) => language.list(field, &tests),
        None => Ok(None),
    }
}

/// A placeholder that no pipeline replaced.
fn refuse_placeholder(test: &Test) -> Result<()> {
    let Some(name) = placeholder(test) else {
        return Ok(());
    };
    Err(problem(
        format!("the placeholder `%{name}%` has no values"),
        format!(
            "give them in a pipeline: `value_placeholders` with `vars: {{{name}: […]}}`, or `wildcard_placeholders`"
        ),
    ))
}

fn placeholder(test: &Test) -> Option<&str> {
    match test {
        Test::Text(pattern) => pattern.parts.iter().find_map(|part| match part {
            crate::ir::Part::Placeholder(name) => Some(name.as_str()),
            _ => None,
        }),
        Test::AnyOf(tests)
        | Test::Windash {
            variants: tests, ..
        } => tests.iter().find_map(placeholder),
        _ => None,
    }
}
