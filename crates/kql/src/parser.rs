//! Tokens to tree, by recursive descent. Goes on after an error at the next operator.

mod expressions;
mod extraction;
mod lists;
mod literals;
mod operators;
mod patterns;
mod scan;
mod series;
mod several;
mod sources;

use atalaya_model::{Diagnostic, Span};

pub(crate) use literals::{LITERAL_TYPES, timespan_ticks, unquote};

use crate::ast::{Lambda, Let, LetValue, Name, Parameter, Pipeline, Script};
use crate::lexer::{DIAGNOSTICS_MAX, Kind, Token, closings, lex};

/// Deepest nesting of parentheses, brackets and unary operators.
pub const DEPTH_MAX: usize = 128;

/// Most operators of one query: each makes the plan one level deeper.
const OPERATORS_MAX: usize = 1_000;

/// A text and its tree.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The tree, as far as it could be read.
    pub script: Script,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// Parses a query.
#[must_use]
pub fn parse(source: &str) -> Parsed {
    let (tokens, diagnostics) = lex(source);
    let closings = closings(source, &tokens);
    let mut parser = Parser {
        source,
        tokens,
        closings,
        at: 0,
        depth: 0,
        arithmetic_operators: 0,
        operators: 0,
        second_looks: 0,
        in_search: false,
        diagnostics,
    };
    let script = parser.script();
    Parsed {
        script,
        diagnostics: parser.diagnostics,
    }
}

pub(crate) struct Parser<'s> {
    source: &'s str,
    tokens: Vec<Token>,
    closings: Vec<usize>,
    at: usize,
    depth: usize,
    arithmetic_operators: usize,
    operators: usize,
    second_looks: usize,
    /// Inside of `search`, where a colon is an operator.
    in_search: bool,
    diagnostics: Vec<Diagnostic>,
}

impl<'s> Parser<'s> {
    fn script(&mut self) -> Script {
        let mut script = Script::default();
        loop {
            while self.eat(";") {}
            if self.is_end() {
                break;
            }
            if self.is_word("let") {
                if let Some(binding) = self.binding() {
                    script.lets.push(binding);
                }
            } else if self.is_word("declare") && self.is_word_at(1, "query_parameters") {
                self.at += 2;
                if let Some(parameters) = self.parameters() {
                    script.lets.extend(parameters);
                }
            } else if self.is_word("declare") && self.is_word_at(1, "pattern") {
                self.at += 2;
                if let Some(pattern) = self.pattern_declaration() {
                    script.lets.push(pattern);
                }
            } else if self.is_word("set") {
                self.at += 1;
                if let Some(name) = self.name() {
                    let value = self.eat("=").then(|| self.additive());
                    script.sets.push((name, value));
                }
            } else if script.query.is_some() {
                self.error(
                    "KQL003",
                    "only one query is run at a time",
                    "remove the second query",
                );
                self.skip_statement();
            } else {
                script.query = self.pipeline();
            }
            if !self.is_end() && !self.is(";") {
                self.expected("`|` or `;`");
                self.skip_statement();
            }
        }
        script
    }

    /// `(name: type = default, …)`: each is a value that the query can be given.
    fn parameters(&mut self) -> Option<Vec<Let>> {
        self.want("(")?;
        let mut lets = Vec::new();
        while !self.is(")") && !self.is_end() {
            let parameter = self.parameter()?;
            let value = parameter.default.unwrap_or(crate::ast::Expr {
                kind: crate::ast::ExprKind::TypedLiteral(
                    parameter
                        .ty
                        .map_or_else(|| "string".to_owned(), |ty| ty.text),
                    "null".to_owned(),
                ),
                span: parameter.name.span,
            });
            lets.push(Let {
                name: parameter.name,
                value: LetValue::Scalar(value),
            });
            if !self.eat(",") {
                break;
            }
        }
        self.want(")")?;
        Some(lets)
    }

    fn skip_statement(&mut self) {
        while !self.is_end() && !self.is(";") {
            self.at += 1;
        }
    }

    fn binding(&mut self) -> Option<Let> {
        let word = self.span();
        self.at += 1;
        // Without a name behind it, it is one itself to Kusto.
        if self.token().kind != Kind::Name && !self.is("[") {
            let help = "write `let name = …;`";
            self.error_at(word, "KS142", "`let` wants a name", help);
            return None;
        }
        let name = self.name()?;
        self.want("=")?;
        let value = self.let_value()?;
        Some(Let { name, value })
    }

    fn let_value(&mut self) -> Option<LetValue> {
        if !self.enter() {
            return None;
        }
        let value = self.let_value_within();
        self.depth -= 1;
        value
    }

    fn let_value_within(&mut self) -> Option<LetValue> {
        let is_view = self.is_word("view") && self.is_at(1, "(");
        self.at += usize::from(is_view);
        if self.is_lambda() {
            let lambda = self.lambda()?;
            return Some(LetValue::Function(Box::new(Lambda { is_view, ..lambda })));
        }
        if self.is_word("materialize") && self.is_at(1, "(") {
            let start = self.at;
            self.at += 2;
            let inner = self.pipeline()?;
            self.want(")")?;
            if !self.is("|") {
                return Some(LetValue::Materialize(inner));
            }
            self.at = start;
        }
        if self.looks_tabular() {
            return Some(LetValue::Tabular(self.pipeline()?));
        }
        let start = self.at;
        let before = self.diagnostics.len();
        let scalar = self.expr();
        if self.is("|") {
            self.at = start;
            self.diagnostics.truncate(before);
            return Some(LetValue::Tabular(self.pipeline()?));
        }
        Some(LetValue::Scalar(scalar))
    }

    /// `(…) {`: parameters and a body.
    fn is_lambda(&self) -> bool {
        if !self.is("(") {
            return false;
        }
        // A name with a type is a parameter, whatever follows.
        if self.is_at(2, ":")
            && self
                .tokens
                .get(self.at + 1)
                .is_some_and(|t| t.kind == Kind::Name)
        {
            return true;
        }
        let mut depth = 0_usize;
        for (offset, token) in self.tokens[self.at..].iter().enumerate() {
            match self.text_of(*token) {
                "(" => depth += 1,
                ")" if token.kind == Kind::Punct => {
                    depth -= 1;
                    if depth == 0 {
                        return self.is_at(offset + 1, "{");
                    }
                }
                _ => {}
            }
        }
        false
    }

    fn lambda(&mut self) -> Option<Lambda> {
        self.want("(")?;
        let mut parameters = Vec::new();
        while !self.is(")") && !self.is_end() {
            parameters.push(self.parameter()?);
            if !self.eat(",") {
                break;
            }
        }
        self.want(")")?;
        let opening = self.at;
        self.want("{")?;
        let mut lets = Vec::new();
        loop {
            while self.eat(";") {}
            if !self.is_word("let") {
                break;
            }
            lets.push(self.binding()?);
        }
        let body = self.let_value()?;
        while self.eat(";") {}
        self.close(opening, "}");
        Some(Lambda {
            is_view: false,
            parameters,
            lets,
            body,
        })
    }

    fn parameter(&mut self) -> Option<Parameter> {
        let name = self.name()?;
        self.want(":")?;
        let mut ty = None;
        if self.eat("(") {
            let mut depth = 1;
            while depth > 0 && !self.is_end() {
                depth += usize::from(self.is("("));
                depth -= usize::from(self.is(")"));
                self.at += 1;
            }
        } else {
            ty = Some(self.name()?);
        }
        let default = if self.eat("=") {
            Some(self.expr())
        } else {
            None
        };
        Some(Parameter { name, ty, default })
    }

    pub(crate) fn pipeline(&mut self) -> Option<Pipeline> {
        let start = self.span().start;
        if !self.enter() {
            return None;
        }
        let source = self.source_expression();
        self.depth -= 1;
        let source = source?;
        let mut operators = Vec::new();
        while self.eat("|") {
            if self.operators == OPERATORS_MAX {
                let help = "split the query with let statements and materialize()";
                self.error("KQL002", "too many operators", help);
                self.at = self.tokens.len().saturating_sub(1);
                return None;
            }
            self.operators += 1;
            match self.operator() {
                Some(operator) => operators.push(operator),
                None => self.skip_to_operator(),
            }
        }
        Some(Pipeline {
            source,
            operators,
            span: Span::new(start, self.previous_end()),
        })
    }

    /// Wants what closes the token at `opening`. Where something else stands, goes on behind the one
    /// that does close it: what was read and what follows are still worth looking at.
    fn close(&mut self, opening: usize, closing: &str) {
        if self.want(closing).is_some() {
            return;
        }
        let end = self.closings.get(opening).copied().unwrap_or(0);
        self.at = self.at.max(end + usize::from(end > 0));
    }

    fn skip_to_operator(&mut self) {
        let mut depth = 0_usize;
        while !self.is_end() && !(depth == 0 && (self.is("|") || self.is(";") || self.is(")"))) {
            depth += usize::from(self.is("("));
            depth = depth.saturating_sub(usize::from(self.is(")")));
            self.at += 1;
        }
    }

    // Tokens.

    fn token(&self) -> Token {
        let last = Token {
            kind: Kind::End,
            span: Span::new(self.source.len(), self.source.len()),
        };
        self.tokens.get(self.at).copied().unwrap_or(last)
    }

    fn text_of(&self, token: Token) -> &'s str {
        token.span.slice(self.source)
    }

    fn text(&self) -> &'s str {
        self.text_of(self.token())
    }

    fn span(&self) -> Span {
        self.token().span
    }

    fn previous_end(&self) -> usize {
        self.at
            .checked_sub(1)
            .and_then(|at| self.tokens.get(at))
            .map_or(0, |token| token.span.end)
    }

    fn is_end(&self) -> bool {
        self.token().kind == Kind::End
    }

    fn is(&self, punct: &str) -> bool {
        self.is_at(0, punct)
    }

    fn is_at(&self, ahead: usize, punct: &str) -> bool {
        self.tokens
            .get(self.at + ahead)
            .is_some_and(|token| token.kind == Kind::Punct && self.text_of(*token) == punct)
    }

    fn is_word(&self, word: &str) -> bool {
        self.is_word_at(0, word)
    }

    fn is_word_at(&self, ahead: usize, word: &str) -> bool {
        self.tokens
            .get(self.at + ahead)
            .is_some_and(|token| token.kind == Kind::Name && self.text_of(*token) == word)
    }

    fn eat(&mut self, punct: &str) -> bool {
        let is = self.is(punct);
        self.at += usize::from(is);
        is
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let is = self.is_word(word);
        self.at += usize::from(is);
        is
    }

    fn want(&mut self, punct: &str) -> Option<()> {
        if self.eat(punct) {
            return Some(());
        }
        self.expected(&format!("`{punct}`"));
        None
    }

    fn want_word(&mut self, word: &str) -> Option<()> {
        if self.eat_word(word) {
            return Some(());
        }
        self.expected(&format!("`{word}`"));
        None
    }

    /// A name, also in brackets: `['a b']`.
    pub(crate) fn name(&mut self) -> Option<Name> {
        let start = self.span();
        if self.is("[")
            && self
                .tokens
                .get(self.at + 1)
                .is_some_and(|t| t.kind == Kind::String)
        {
            self.at += 1;
            let text = unquote(self.text());
            let inside = self.span();
            self.at += 1;
            let is_closed = self.want("]").is_some();
            let whole = Span::new(start.start, self.previous_end());
            return Some(Name {
                text,
                span: if is_closed { whole } else { inside },
            });
        }
        if self.token().kind == Kind::Name {
            let text = self.text().to_owned();
            self.at += 1;
            return Some(Name { text, span: start });
        }
        // `[` starts a name in brackets.
        self.at += usize::from(self.is("["));
        self.expected("a name");
        None
    }

    /// Something is missing: the place is right behind what comes before.
    fn expected(&mut self, what: &str) {
        let end = self.previous_end();
        let gap = &self.source[end..self.span().start.max(end)];
        let span = Span::new(end, end + gap.chars().next().map_or(0, char::len_utf8));
        let found = if self.is_end() {
            "the end".to_owned()
        } else {
            format!("`{}`", self.text())
        };
        // One complaint per place, and no more than anybody reads.
        if self.has_said_enough() {
            return;
        }
        if self
            .diagnostics
            .last()
            .is_some_and(|last| last.span == span)
        {
            return;
        }
        let message = format!("expected {what}, found {found}");
        self.diagnostics
            .push(Diagnostic::error("KS005", span, message));
    }

    fn error(&mut self, code: &str, message: &str, help: &str) {
        self.error_at(self.span(), code, message, help);
    }

    fn has_said_enough(&self) -> bool {
        self.diagnostics.len() >= DIAGNOSTICS_MAX
    }

    fn error_at(&mut self, span: Span, code: &str, message: &str, help: &str) {
        if self.has_said_enough() {
            return;
        }
        self.diagnostics
            .push(Diagnostic::error(code, span, message).with_help(help));
    }

    fn enter(&mut self) -> bool {
        if self.depth >= DEPTH_MAX {
            let help = "split the query with let statements";
            self.error("KQL002", "nested too deeply", help);
            self.at = self.tokens.len().saturating_sub(1);
            return false;
        }
        self.depth += 1;
        true
    }
}
