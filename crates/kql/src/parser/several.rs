//! Operators with several results: `fork`, `facet`; and `reduce`.

use super::Parser;
use crate::ast::OperatorKind;

impl Parser<'_> {
    /// `fork name = (operator | …) (operator | …)`
    pub(super) fn fork(&mut self) -> Option<OperatorKind> {
        let mut branches = Vec::new();
        loop {
            let name = if !self.is("(") && self.is_at(1, "=") {
                let name = self.name()?;
                self.want("=")?;
                Some(name)
            } else {
                None
            };
            if !self.is("(") && !branches.is_empty() && name.is_none() {
                return Some(OperatorKind::Fork(branches));
            }
            branches.push((name, self.body()?));
        }
    }

    /// `facet by column, … with (operator | …)`
    pub(super) fn facet(&mut self) -> Option<OperatorKind> {
        self.want_word("by")?;
        let mut columns = vec![self.name()?];
        while self.eat(",") {
            columns.push(self.name()?);
        }
        let body = if self.is_word("with") {
            self.at += 1;
            if self.is("(") {
                self.body()?
            } else {
                vec![self.operator()?]
            }
        } else {
            Vec::new()
        };
        Some(OperatorKind::Facet(columns, body))
    }

    /// `reduce by expression with threshold = …, characters = …`
    pub(super) fn reduce(&mut self) -> Option<OperatorKind> {
        while self.is_word("kind") && self.is_at(1, "=") {
            self.at += 3;
        }
        self.want_word("by")?;
        let value = self.expr();
        let mut options = Vec::new();
        if self.is_word("with") {
            self.at += 1;
            loop {
                let name = self.name()?;
                self.want("=")?;
                options.push((name, self.additive()));
                if !self.eat(",") {
                    break;
                }
            }
        }
        Some(OperatorKind::Reduce(value, options))
    }
}
