//! `declare pattern`: row sets that are found by the values of their arguments.

use atalaya_model::Span;

use super::Parser;
use crate::ast::{Let, LetValue, Name, Pattern, PatternMatch};
use crate::lexer::Kind;

impl Parser<'_> {
    /// `name = (a: string)[b: string] { ("x").["y"] = { query }; … }`; without a body it only
    /// says that there is such a pattern.
    pub(super) fn pattern_declaration(&mut self) -> Option<Let> {
        let name = self.name()?;
        let mut pattern = Pattern {
            parameters: Vec::new(),
            path: None,
            matches: Vec::new(),
        };
        if self.eat("=") {
            self.want("(")?;
            pattern.parameters = self.column_list()?;
            if self.eat("[") {
                let path = self.name()?;
                self.want(":")?;
                pattern.path = Some((path, self.name()?));
                self.want("]")?;
            }
            self.want("{")?;
            while self.is("(") {
                pattern.matches.push(self.pattern_match()?);
                while self.eat(";") {}
            }
            self.want("}")?;
        }
        Some(Let {
            name,
            value: LetValue::Pattern(Box::new(pattern)),
        })
    }

    /// `("x").["y"] = { query }`
    fn pattern_match(&mut self) -> Option<PatternMatch> {
        let start = self.span().start;
        self.want("(")?;
        let mut arguments = Vec::new();
        while !self.is(")") && !self.is_end() {
            arguments.push(self.text_literal()?.text);
            if !self.eat(",") {
                break;
            }
        }
        self.want(")")?;
        let mut path = None;
        if self.eat(".") {
            self.want("[")?;
            path = Some(self.text_literal()?.text);
            self.want("]")?;
        }
        self.want("=")?;
        self.want("{")?;
        let body = self.pipeline()?;
        while self.eat(";") {}
        self.want("}")?;
        Some(PatternMatch {
            arguments,
            path,
            body,
            span: Span::new(start, self.previous_end()),
        })
    }

    fn text_literal(&mut self) -> Option<Name> {
        if self.token().kind != Kind::String {
            self.expected("a text in quotes");
            return None;
        }
        let span = self.span();
        let text = super::unquote(self.text());
        self.at += 1;
        Some(Name { text, span })
    }
}
