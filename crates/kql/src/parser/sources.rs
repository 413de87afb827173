//! Where rows come from.

use super::Parser;
use crate::ast::{Expr, ExprKind, ExternalArgs, Name, Pipeline, Source, UnionArgs};
use crate::lexer::Kind;

/// Functions that name a place of tables; here there is only one place.
const REMOTE: [&str; 7] = [
    "arg",
    "adx",
    "workspace",
    "app",
    "resource",
    "cluster",
    "database",
];
/// Words that can only start a row set.
const TABULAR_WORDS: [&str; 8] = [
    "find",
    "externaldata",
    "search",
    "datatable",
    "print",
    "range",
    "union",
    "materialize",
];

impl Parser<'_> {
    /// Whether what follows can only be a row set (a name alone can be both).
    pub(crate) fn looks_tabular(&mut self) -> bool {
        let is_call = |word: &str| self.is_word(word) && self.is_at(1, "(");
        if ["datatable", "materialize", "externaldata", "external_data"]
            .into_iter()
            .any(is_call)
        {
            return true;
        }
        if self.is_word("union") || self.is_word("print") {
            return self
                .tokens
                .get(self.at + 1)
                .is_some_and(|token| token.kind != Kind::End);
        }
        if self.is_word("range") {
            return self.is_word_at(2, "from");
        }
        self.is("(") && (self.holds_pipe() || self.opens_rows())
    }

    /// Whether the first word behind parentheses can only start a row set.
    fn opens_rows(&mut self) -> bool {
        let start = self.at;
        while self.is("(") {
            self.at += 1;
        }
        let opens = self.looks_tabular();
        self.at = start;
        opens
    }

    /// Whether a parenthesis holds a pipe of its own: `(T | take 1)`.
    fn holds_pipe(&self) -> bool {
        let mut depth = 0_usize;
        for token in &self.tokens[self.at..] {
            if token.kind != Kind::Punct {
                continue;
            }
            match self.text_of(*token) {
                "(" => depth += 1,
                ")" => {
                    depth -= 1;
                    if depth == 0 {
                        return false;
                    }
                }
                "|" if depth == 1 => return true,
                _ => {}
            }
        }
        false
    }

    pub(super) fn source_expression(&mut self) -> Option<Source> {
        if self.is("(") {
            let opening = self.at;
            self.at += 1;
            let inner = self.pipeline()?;
            self.close(opening, ")");
            return Some(Source::Nested(Box::new(inner)));
        }
        let word = self.text();
        if TABULAR_WORDS.contains(&word) && self.token().kind == Kind::Name {
            match word {
                "externaldata" if self.is_at(1, "(") => {
                    return Some(Source::External(self.external()?));
                }
                "datatable" if self.is_at(1, "(") => return self.datatable(),
                "print" => {
                    self.at += 1;
                    return Some(Source::Print(self.named_exprs()));
                }
                "range" if self.is_word_at(2, "from") => return self.range(),
                "union" => {
                    self.at += 1;
                    return Some(Source::Union(self.union_args()?));
                }
                "search" if !self.is_at(1, "|") && !self.is_at(1, "(") => {
                    self.at += 1;
                    return Some(Source::Search(self.search_args()?));
                }
                "find" if !self.is_at(1, "|") && !self.is_at(1, "(") => {
                    self.at += 1;
                    return Some(Source::Find(Box::new(self.find_args()?)));
                }
                "materialize" if self.is_at(1, "(") => {
                    let opening = self.at + 1;
                    self.at += 2;
                    let inner = self.pipeline()?;
                    self.close(opening, ")");
                    return Some(Source::Materialize(Box::new(inner)));
                }
                _ => {}
            }
        }
        let name = self.name()?;
        if !self.eat("(") {
            return Some(Source::Name(name));
        }
        let mut args = Vec::new();
        while !self.is(")") && !self.is_end() {
            args.push(self.argument());
            if !self.eat(",") {
                break;
            }
        }
        self.want(")")?;
        // `workspace("w").T`, `cluster("c").database("d").T`: the table of that name.
        if self.is(".") && REMOTE.contains(&name.text.as_str()) {
            self.at += 1;
            return self.source_expression();
        }
        if self.eat(".") {
            return Some(Source::Pattern(name, args, self.name()?));
        }
        Some(Source::Call(name, args))
    }

    fn external(&mut self) -> Option<ExternalArgs> {
        self.at += 2;
        let columns = self.column_list()?;
        let mut properties = Vec::new();
        if self.eat_word("with") {
            // The properties may stand before the addresses too.
            properties = self.properties()?;
        }
        self.want("[")?;
        let mut urls = Vec::new();
        while !self.is("]") && !self.is_end() {
            urls.push(self.expr());
            if !self.eat(",") {
                break;
            }
        }
        self.want("]")?;
        if self.eat_word("with") {
            properties.extend(self.properties()?);
        }
        Some(ExternalArgs {
            columns,
            urls,
            properties,
        })
    }

    fn properties(&mut self) -> Option<Vec<(Name, Expr)>> {
        self.want("(")?;
        let mut properties = Vec::new();
        while !self.is(")") && !self.is_end() {
            let name = self.name()?;
            self.want("=")?;
            properties.push((name, self.expr()));
            if !self.eat(",") {
                break;
            }
        }
        self.want(")")?;
        Some(properties)
    }

    /// `a: long, b: string )`
    pub(super) fn column_list(&mut self) -> Option<Vec<(Name, Name)>> {
        let mut columns = Vec::new();
        while !self.is(")") && !self.is_end() {
            let name = self.name()?;
            self.want(":")?;
            columns.push((name, self.name()?));
            if self.is_full(columns.len()) || !self.eat(",") {
                break;
            }
        }
        self.want(")")?;
        Some(columns)
    }

    fn datatable(&mut self) -> Option<Source> {
        self.at += 2;
        let columns = self.column_list()?;
        self.want("[")?;
        let mut cells: Vec<Expr> = Vec::new();
        while !self.is("]") && !self.is_end() {
            let cell = self.expr();
            if matches!(cell.kind, ExprKind::Binary(..)) {
                let message = "a datatable holds literals, not calculations";
                self.error_at(
                    cell.span,
                    "KS107",
                    message,
                    "use `extend` after the datatable",
                );
            }
            // What is missing is said, and is no value.
            if cell.kind != ExprKind::Error {
                cells.push(cell);
            }
            if !self.eat(",") {
                break;
            }
        }
        let is_closed = self.want("]");
        // What was read of a list that stops is said too.
        if is_closed.is_none()
            && let Some(first) = cells.first()
            && !cells.len().is_multiple_of(columns.len().max(1))
        {
            let message = format!(
                "{} values do not fill rows of {}",
                cells.len(),
                columns.len()
            );
            let help = "write a value for each column";
            self.error_at(first.span, "KS173", &message, help);
        }
        is_closed?;
        Some(Source::Datatable(columns, cells))
    }

    fn range(&mut self) -> Option<Source> {
        self.at += 1;
        let name: Name = self.name()?;
        self.want_word("from")?;
        let from = self.expr();
        self.want_word("to")?;
        let to = self.expr();
        self.want_word("step")?;
        let step = self.expr();
        Some(Source::Range(name, Box::new([from, to, step])))
    }

    pub(crate) fn union_args(&mut self) -> Option<UnionArgs> {
        let mut args = UnionArgs::default();
        while self.token().kind == Kind::Name && self.is_at(1, "=") {
            let option = self.name()?;
            self.at += 1;
            let value = self.name()?;
            match option.text.as_str() {
                "kind" => args.is_inner = value.text == "inner",
                "withsource" => args.with_source = Some(value),
                "isfuzzy" => args.is_fuzzy = value.text == "true",
                other => {
                    let message = format!("`union` has no option `{other}`");
                    let help = "use kind, withsource or isfuzzy";
                    self.error_at(option.span, "KQL004", &message, help);
                }
            }
        }
        loop {
            args.inputs.push(self.union_input()?);
            if !self.eat(",") {
                return Some(args);
            }
        }
    }

    fn union_input(&mut self) -> Option<Pipeline> {
        let start = self.span().start;
        let is_pattern = self.is("*")
            || (self.token().kind == Kind::Name
                && self.is_at(1, "*")
                && self.tokens[self.at + 1].span.start == self.span().end);
        let source = if is_pattern {
            Source::Name(self.pattern()?)
        } else {
            self.source_expression()?
        };
        let span = atalaya_model::Span::new(start, self.previous_end());
        Some(Pipeline {
            source,
            operators: Vec::new(),
            span,
        })
    }
}
