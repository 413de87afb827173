//! Lists of expressions, with or without names.

use super::Parser;
use crate::ast::{Name, NamedExpr};
use crate::lexer::Kind;

/// Most columns that one operator names.
const COLUMNS_MAX: usize = 10_000;

impl Parser<'_> {
    pub(super) fn argument(&mut self) -> NamedExpr {
        let is_named = self.token().kind == Kind::Name && self.is_at(1, "=");
        let names = if is_named {
            let name = self.name();
            self.at += 1;
            name.into_iter().collect()
        } else {
            Vec::new()
        };
        NamedExpr {
            names,
            expr: self.expr(),
        }
    }

    pub(crate) fn named_exprs(&mut self) -> Vec<NamedExpr> {
        let mut list = Vec::new();
        loop {
            list.push(self.named_expr());
            if self.is_full(list.len()) || !self.eat(",") {
                return list;
            }
        }
    }

    fn named_expr(&mut self) -> NamedExpr {
        let mut names: Vec<Name> = Vec::new();
        let is_single = (self.token().kind == Kind::Name && self.is_at(1, "="))
            || (self.is("[") && self.is_at(2, "]") && self.is_at(3, "="));
        if is_single {
            self.check_reserved();
            names.extend(self.name());
            self.at += 1;
        } else if self.is("(") && self.is_name_tuple() {
            self.at += 1;
            while !self.is(")") {
                names.extend(self.name());
                self.eat(",");
            }
            self.at += 2;
        }
        NamedExpr {
            names,
            expr: self.expr(),
        }
    }

    /// Whether a list of columns has as many as it may have and goes on; that is an error.
    pub(super) fn is_full(&mut self, length: usize) -> bool {
        let is_full = length == COLUMNS_MAX && self.is(",");
        if is_full {
            let message = format!("more than {COLUMNS_MAX} columns");
            self.error("KQL002", &message, "split the list over several operators");
            self.at = self.tokens.len().saturating_sub(1);
        }
        is_full
    }

    /// A list does not end with a comma.
    pub(super) fn misses_item(&mut self) -> bool {
        let misses = self.is(")") || self.is_end();
        if misses {
            self.expected("an expression");
        }
        misses
    }

    /// Words that Kusto does not take as names of columns unless they are bracketed.
    pub(super) fn check_reserved(&mut self) {
        const RESERVED: [&str; 5] = ["asc", "desc", "first", "last", "missing"];
        let word = self.text();
        if self.token().kind == Kind::Name && RESERVED.contains(&word) {
            let message = format!("`{word}` is a word of the language, not a name");
            let help = format!("write `['{word}']`");
            self.error("KS005", &message, &help);
        }
    }

    /// `(a, b) =`
    fn is_name_tuple(&self) -> bool {
        let mut ahead = 1;
        loop {
            let is_name = self
                .tokens
                .get(self.at + ahead)
                .is_some_and(|token| token.kind == Kind::Name);
            if !is_name {
                return false;
            }
            if self.is_at(ahead + 1, ")") {
                return self.is_at(ahead + 2, "=");
            }
            if !self.is_at(ahead + 1, ",") {
                return false;
            }
            ahead += 2;
        }
    }
}
