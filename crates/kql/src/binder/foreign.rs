//! KQL that the query did not write itself: stored functions and plugins.
//!
//! Its text is put behind that of the query, so that spans stay offsets into one text; what is
//! wrong in it is reported where the query mentions it.

use atalaya_model::Span;

use super::Binder;
use super::scope::{Env, Value};
use crate::ast::{LetValue, Script};
use crate::bound::RelNode;
use crate::lexer::{Kind, lex};
use crate::parser::parse;

/// Most stored functions that one query may pull in.
const FUNCTIONS_MAX: usize = 512;

/// A text behind the query's.
pub(super) struct Foreign {
    start: usize,
    name: String,
    mentioned: Span,
}

impl Binder<'_> {
    /// Parses a text as if it stood behind the query.
    fn foreign(&mut self, text: &str, name: &str, mentioned: Span) -> Script {
        self.source.push('\n');
        let start = self.source.len();
        self.source.push_str(text);
        self.foreign.push(Foreign {
            start,
            name: name.to_owned(),
            mentioned,
        });
        let mut padded = " ".repeat(start);
        padded.push_str(text);
        let parsed = parse(&padded);
        self.diagnostics.extend(parsed.diagnostics);
        parsed.script
    }

    /// Rows of a text, with the names of an environment in sight.
    pub(super) fn foreign_rows(
        &mut self,
        env: &Env,
        text: &str,
        name: &str,
        mentioned: Span,
    ) -> Option<RelNode> {
        let script = self.foreign(text, name, mentioned);
        let mut env = env.clone();
        for binding in &script.lets {
            self.bind_let(&mut env, binding);
        }
        let node = self.pipeline(&env, script.query.as_ref()?)?;
        Some(RelNode {
            span: mentioned,
            ..node
        })
    }

    /// Puts the stored functions that a text mentions into an environment, with those that they
    /// mention themselves.
    pub(super) fn stored_functions(&mut self, env: &mut Env, text: &str, mentioned: Option<Span>) {
        let mut seen = Vec::new();
        self.functions_of(env, text, mentioned, &mut seen);
    }

    fn functions_of(
        &mut self,
        env: &mut Env,
        text: &str,
        mentioned: Option<Span>,
        seen: &mut Vec<String>,
    ) {
        for token in lex(text).0 {
            if token.kind != Kind::Name || seen.len() >= FUNCTIONS_MAX {
                continue;
            }
            let name = token.span.slice(text);
            if seen.iter().any(|known| known == name) {
                continue;
            }
            let Some(stored) = self.catalog.stored_function(name) else {
                continue;
            };
            seen.push(name.to_owned());
            let span = mentioned.unwrap_or(token.span);
            // What it mentions comes first: it can see no more than that.
            self.functions_of(env, &stored, Some(span), seen);
            let script = self.foreign(&as_let(name, &stored), name, span);
            let Some(LetValue::Function(lambda)) = script.lets.first().map(|first| &first.value)
            else {
                let message = format!("the stored function `{name}` is no function and no query");
                self.error("KQL011", span, message);
                continue;
            };
            let value = Value::Function {
                lambda: (**lambda).clone().into(),
                env: env.clone(),
            };
            env.set(name, value, 0);
        }
    }

    /// Moves what is wrong in foreign texts to where the query mentions them.
    pub(super) fn home(&mut self) {
        for diagnostic in &mut self.diagnostics {
            let at = diagnostic.span.start;
            let Some(foreign) = self
                .foreign
                .iter()
                .rev()
                .find(|foreign| foreign.start <= at)
            else {
                continue;
            };
            diagnostic.span = foreign.mentioned;
            diagnostic.message = format!("in `{}`: {}", foreign.name, diagnostic.message);
        }
    }
}

/// What is wrong with the text of a stored function, if anything is.
#[must_use]
pub fn check_stored_function(name: &str, text: &str) -> Option<String> {
    let is_name = !name.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if !is_name {
        return Some(format!("`{name}` cannot be the name of a function"));
    }
    let parsed = parse(&as_let(name, text));
    let problem = parsed.diagnostics.into_iter().next();
    problem.map(|problem| problem.message).or_else(|| {
        let first = parsed.script.lets.first().map(|first| &first.value);
        let is_function = matches!(first, Some(LetValue::Function(_)));
        (!is_function).then(|| "this is no function and no query".to_owned())
    })
}

/// A stored function as a let statement. Its file holds a query, or `(parameters) { body }`, or
/// the `.create function` command or let statement that made it.
fn as_let(name: &str, stored: &str) -> String {
    let tokens = lex(stored).0;
    let is = |at: usize, text: &str| {
        let token = tokens.get(at);
        token.is_some_and(|token| token.span.slice(stored) == text)
    };
    let from = |at: usize| {
        let token = tokens.get(at);
        stored[token.map_or(stored.len(), |token| token.span.start)..]
            .trim_end()
            .trim_end_matches(';')
            .to_owned()
    };
    let body = if is(0, "let") && is(1, name) && is(2, "=") {
        from(3)
    } else if is(0, ".") {
        let at = (1..tokens.len()).find(|at| is(*at, name));
        from(at.map_or(tokens.len(), |at| at + 1))
    } else if is(0, "(") && is_lambda(stored, &tokens.iter().map(|t| t.span).collect::<Vec<_>>()) {
        from(0)
    } else {
        format!("() {{\n{}\n}}", from(0))
    };
    format!("let {name} = {body};")
}

/// Whether the bracket that a text starts with is followed by a body.
fn is_lambda(text: &str, tokens: &[Span]) -> bool {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.slice(text) {
            "(" => depth += 1,
            ")" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    let next = tokens.get(at + 1);
                    return next.is_some_and(|next| next.slice(text) == "{");
                }
            }
            _ => {}
        }
    }
    false
}
