//! Operators after a pipe.

use atalaya_model::Span;

use super::Parser;
use crate::ast::{
    ExpandArgs, ExprKind, JoinArgs, Name, NameOrder, NamedExpr, Operator, OperatorKind, SortArg,
};
use crate::lexer::Kind;

impl Parser<'_> {
    pub(super) fn operator(&mut self) -> Option<Operator> {
        let keyword = if self.token().kind == Kind::Name {
            self.name()?
        } else {
            self.expected("an operator");
            return None;
        };
        let kind = self.operator_kind(&keyword)?;
        Some(Operator {
            kind,
            span: Span::new(keyword.span.start, self.previous_end()),
        })
    }

    fn operator_kind(&mut self, keyword: &Name) -> Option<OperatorKind> {
        Some(match keyword.text.as_str() {
            "where" | "filter" if self.token().kind == Kind::Name && self.is_at(1, "=") => {
                let name = self.name()?;
                self.at += 1;
                OperatorKind::WhereNamed(name, self.expr())
            }
            "where" | "filter" => OperatorKind::Where(self.expr()),
            "project" => OperatorKind::Project(self.named_exprs()),
            "project-away" => OperatorKind::ProjectAway(self.patterns()?),
            "project-keep" => OperatorKind::ProjectKeep(self.patterns()?),
            "project-rename" => OperatorKind::ProjectRename(self.named_exprs()),
            "project-reorder" => self.reorder()?,
            "extend" => OperatorKind::Extend(self.named_exprs()),
            "summarize" => self.summarize(),
            "sort" | "order" => {
                self.want_word("by")?;
                OperatorKind::Sort(self.sort_args())
            }
            "top" => {
                let count = self.additive();
                self.want_word("by")?;
                OperatorKind::Top(count, self.sort_args())
            }
            "take" | "limit" => OperatorKind::Take(self.additive()),
            "count" => {
                let name = if self.eat_word("as") {
                    Some(self.name()?)
                } else {
                    None
                };
                OperatorKind::Count(name)
            }
            "distinct" => {
                if self.eat("*") {
                    OperatorKind::Distinct(Vec::new())
                } else {
                    OperatorKind::Distinct(self.named_exprs())
                }
            }
            "join" => OperatorKind::Join(self.join_args()?),
            "lookup" => OperatorKind::Lookup(self.join_args()?),
            "union" => OperatorKind::Union(self.union_args()?),
            "mv-expand" | "mvexpand" => self.expand()?,
            "serialize" => {
                let is_bare = self.is("|") || self.is_end() || self.is(";") || self.is(")");
                OperatorKind::Serialize(if is_bare {
                    Vec::new()
                } else {
                    self.named_exprs()
                })
            }
            "as" => OperatorKind::As(self.name()?),
            "getschema" => OperatorKind::GetSchema,
            "consume" => {
                if self.is_word("decodeblocks") && self.is_at(1, "=") {
                    self.at += 3;
                }
                OperatorKind::Consume
            }
            "render" => self.render()?,
            _ => return self.further_kind(keyword),
        })
    }

    fn further_kind(&mut self, keyword: &Name) -> Option<OperatorKind> {
        Some(match keyword.text.as_str() {
            "project-by-names" => {
                let mut names = vec![self.expr()];
                while self.eat(",") {
                    names.push(self.expr());
                }
                OperatorKind::ProjectByNames(names)
            }
            "assert-schema" => {
                self.want("(")?;
                OperatorKind::AssertSchema(self.column_list()?)
            }
            "parse" => self.parse_with(false)?,
            "parse-where" => self.parse_with(true)?,
            "parse-kv" => self.parse_kv()?,
            "mv-apply" => self.apply()?,
            "partition" => self.partition()?,
            "search" => OperatorKind::Search(self.search_args()?),
            "make-series" => self.make_series()?,
            "sample" => OperatorKind::Sample(self.additive()),
            "sample-distinct" => {
                let count = self.additive();
                self.want_word("of")?;
                OperatorKind::SampleDistinct(count, self.expr())
            }
            "top-hitters" => self.top_hitters()?,
            "top-nested" => self.top_nested()?,
            "scan" => self.scan()?,
            "evaluate" => self.evaluate()?,
            "invoke" => self.invoke()?,
            "fork" => self.fork()?,
            "facet" => self.facet()?,
            "reduce" => self.reduce()?,
            _ => {
                self.skip_to_operator();
                OperatorKind::Unsupported(keyword.clone())
            }
        })
    }

    /// Names that may hold wildcards: `Src*`, `*`.
    fn patterns(&mut self) -> Option<Vec<Name>> {
        let mut names = Vec::new();
        loop {
            names.push(self.pattern()?);
            if self.is_full(names.len()) || !self.eat(",") {
                return Some(names);
            }
        }
    }

    pub(super) fn pattern(&mut self) -> Option<Name> {
        let start = self.span().start;
        let mut end = start;
        let mut text = String::new();
        loop {
            let is_part = self.is("*") || matches!(self.token().kind, Kind::Name | Kind::Long);
            let touches = text.is_empty() || self.span().start == end;
            if !is_part || !touches {
                break;
            }
            text.push_str(self.text());
            end = self.span().end;
            self.at += 1;
        }
        if text.is_empty() {
            return self.name();
        }
        Some(Name {
            text,
            span: Span::new(start, end),
        })
    }

    fn reorder(&mut self) -> Option<OperatorKind> {
        let mut names = Vec::new();
        loop {
            let name = self.pattern()?;
            let orders = [
                ("asc", false, false),
                ("desc", true, false),
                ("granny-asc", false, true),
                ("granny-desc", true, true),
            ];
            let found = orders.iter().find(|(word, ..)| self.is_word(word));
            let order = found.map(|(_, descending, by_number)| NameOrder {
                descending: *descending,
                by_number: *by_number,
            });
            self.at += usize::from(order.is_some());
            names.push((name, order));
            if self.is_full(names.len()) || !self.eat(",") {
                return Some(OperatorKind::ProjectReorder(names));
            }
        }
    }

    fn summarize(&mut self) -> OperatorKind {
        // Hints change how, not what.
        while self.text().starts_with("hint") {
            self.skip_hint();
        }
        let aggregates = if self.is_word("by") {
            Vec::new()
        } else {
            self.named_exprs()
        };
        let groups = if self.eat_word("by") {
            self.named_exprs()
        } else {
            Vec::new()
        };
        OperatorKind::Summarize(aggregates, groups)
    }

    pub(super) fn skip_hint(&mut self) {
        self.at += 1;
        while self.eat(".") {
            self.at += 1;
        }
        if self.eat("=") {
            self.at += 1;
        }
    }

    fn sort_args(&mut self) -> Vec<SortArg> {
        let mut args = Vec::new();
        loop {
            let expr = self.expr();
            let descending = !self.eat_word("asc");
            if descending {
                self.eat_word("desc");
            }
            let mut nulls_first = None;
            if self.eat_word("nulls") {
                nulls_first = Some(self.eat_word("first"));
                if nulls_first == Some(false) {
                    let _ = self.want_word("last");
                }
            }
            args.push(SortArg {
                expr,
                descending,
                nulls_first,
            });
            if !self.eat(",") {
                return args;
            }
        }
    }

    fn join_args(&mut self) -> Option<JoinArgs> {
        let word = self.at.saturating_sub(1);
        let mut kind = None;
        loop {
            if self.text().starts_with("hint") {
                self.skip_hint();
            } else if self.is_word("kind") && self.is_at(1, "=") {
                self.at += 2;
                kind = Some(self.name()?);
            } else {
                break;
            }
        }
        let start = self.span().start;
        let Some(source) = self.source_expression() else {
            self.no_condition(word);
            return None;
        };
        let span = Span::new(start, self.previous_end());
        let right = crate::ast::Pipeline {
            source,
            operators: Vec::new(),
            span,
        };
        if !self.eat_word("on") {
            self.no_condition(word);
            let on = Vec::new();
            return Some(JoinArgs { kind, right, on });
        }
        let mut on = vec![self.expr()];
        while self.eat(",") {
            on.push(self.expr());
        }
        Some(JoinArgs { kind, right, on })
    }

    /// A join without a condition is wrong as a whole.
    fn no_condition(&mut self, word: usize) {
        let Some(word) = self.tokens.get(word).copied() else {
            return;
        };
        if self.text_of(word) == "join" {
            let span = Span::new(word.span.start, self.previous_end());
            let help = "write `on` and the columns to join by behind the rows";
            self.error_at(span, "KS006", "the join has no condition", help);
        } else {
            self.expected("`on`");
        }
    }

    fn expand(&mut self) -> Option<OperatorKind> {
        Some(OperatorKind::MvExpand(self.expand_args()?))
    }

    pub(super) fn expand_args(&mut self) -> Option<ExpandArgs> {
        let mut args = ExpandArgs {
            with_index: None,
            as_pairs: false,
            columns: Vec::new(),
            limit: None,
        };
        while self.token().kind == Kind::Name && self.is_at(1, "=") {
            match self.text() {
                "bagexpansion" | "kind" => {
                    self.at += 2;
                    args.as_pairs = self.name()?.text == "array";
                }
                "with_itemindex" => {
                    self.at += 2;
                    args.with_index = Some(self.name()?);
                }
                _ => break,
            }
        }
        loop {
            let mut list = self.named_exprs_one();
            let ty = if self.eat_word("to") {
                self.want_word("typeof")?;
                self.want("(")?;
                let ty = self.name()?;
                self.want(")")?;
                Some(ty)
            } else {
                None
            };
            if let Some(named) = list.pop() {
                args.columns.push((named, ty));
            }
            if self.is_full(args.columns.len()) || !self.eat(",") {
                break;
            }
        }
        if self.eat_word("limit") {
            args.limit = Some(self.additive());
        }
        Some(args)
    }

    pub(super) fn named_exprs_one(&mut self) -> Vec<NamedExpr> {
        let is_named = (self.token().kind == Kind::Name && self.is_at(1, "="))
            || (self.is("[") && self.is_at(2, "]") && self.is_at(3, "="));
        let names = if is_named {
            let name = self.name();
            self.at += 1;
            name.into_iter().collect()
        } else {
            Vec::new()
        };
        vec![NamedExpr {
            names,
            expr: self.expr(),
        }]
    }

    fn render(&mut self) -> Option<OperatorKind> {
        let kind = self.name()?;
        let mut properties = Vec::new();
        if self.eat_word("with") {
            self.want("(")?;
            while !self.is(")") && !self.is_end() {
                let name = self.name()?;
                self.want("=")?;
                let value = match self.expr().kind {
                    ExprKind::String(text) | ExprKind::Name(text) => text,
                    ExprKind::Long(value) => value.to_string(),
                    ExprKind::Bool(value) => value.to_string(),
                    _ => String::new(),
                };
                properties.push((name, value));
                self.eat(",");
            }
            self.want(")")?;
        }
        Some(OperatorKind::Render(kind, properties))
    }
}
