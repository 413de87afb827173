//! Operators that take values apart or look for them: `parse`, `parse-kv`, `search`, and those
//! that run operators on parts of the rows.

use super::Parser;
use crate::ast::{
    EvaluateArgs, FindArgs, NamedExpr, NestedLevel, Operator, OperatorKind, ParseArgs, ParseItem,
    ParseKvArgs, SearchArgs,
};
use crate::lexer::Kind;

/// Operators inside of operators take more stack than parentheses: how many levels more they
/// count for.
const BODY_WEIGHT: usize = 7;

/// Most texts and columns of one `parse`.
const ITEMS_MAX: usize = 10_000;

impl Parser<'_> {
    pub(super) fn parse_with(&mut self, drops: bool) -> Option<OperatorKind> {
        let (mut kind, mut flags) = (None, None);
        while self.token().kind == Kind::Name && self.is_at(1, "=") {
            let option = self.name()?;
            self.at += 1;
            let value = Some(self.name()?);
            match option.text.as_str() {
                "kind" => kind = value,
                "flags" => flags = value,
                _ => self.expected("`kind` or `flags`"),
            }
        }
        let expr = self.expr();
        self.want_word("with")?;
        let mut items = Vec::new();
        loop {
            if items.len() == ITEMS_MAX {
                let help = "take one column, and parse it with a second `parse`";
                self.error("KQL002", "a pattern of too many parts", help);
                return None;
            }
            self.check_order(&items);
            if self.eat("*") {
                items.push(ParseItem::Star);
            } else if self.token().kind == Kind::String {
                items.push(ParseItem::Text(super::unquote(self.text())));
                self.at += 1;
            } else if self.token().kind == Kind::Name || self.is("[") {
                self.check_reserved();
                if self.is_word("from") {
                    let help = "write `['from']`";
                    self.error(
                        "KS005",
                        "`from` is a word of the language, not a name",
                        help,
                    );
                }
                let name = self.name()?;
                let ty = if self.eat(":") {
                    Some(self.name()?)
                } else {
                    None
                };
                items.push(ParseItem::Column(name, ty));
            } else {
                break;
            }
        }
        if items.is_empty() {
            self.expected("a pattern");
            return None;
        }
        Some(OperatorKind::Parse(Box::new(ParseArgs {
            drops,
            kind,
            flags,
            expr,
            items,
        })))
    }

    /// Text and columns take turns: what lies between two columns would be a guess.
    fn check_order(&mut self, items: &[ParseItem]) {
        let is_text = self.token().kind == Kind::String;
        let is_column = self.token().kind == Kind::Name || self.is("[");
        let problem = match items.last() {
            Some(ParseItem::Star) if is_column => ("KS102", "a text must follow `*`"),
            Some(ParseItem::Column(..)) if is_column => {
                ("KS101", "a text must stand between two columns")
            }
            Some(ParseItem::Text(_)) if is_text && items.len() == 1 => {
                ("KS101", "a column must follow a text")
            }
            _ => return,
        };
        let help = "write e.g. `* \"id=\" id \" \" *`";
        self.error(problem.0, problem.1, help);
    }

    pub(super) fn parse_kv(&mut self) -> Option<OperatorKind> {
        let expr = self.expr();
        self.want_word("as")?;
        self.want("(")?;
        let mut keys = Vec::new();
        while !self.is(")") && !self.is_end() {
            let name = self.name()?;
            self.want(":")?;
            keys.push((name, self.name()?));
            if self.is_full(keys.len()) || !self.eat(",") {
                break;
            }
        }
        self.want(")")?;
        let mut options = Vec::new();
        if self.eat_word("with") {
            self.want("(")?;
            while !self.is(")") && !self.is_end() {
                let name = self.name()?;
                self.want("=")?;
                options.push((name, self.expr()));
                if !self.eat(",") {
                    break;
                }
            }
            self.want(")")?;
        }
        Some(OperatorKind::ParseKv(Box::new(ParseKvArgs {
            expr,
            keys,
            options,
        })))
    }

    pub(super) fn search_args(&mut self) -> Option<SearchArgs> {
        let mut case_sensitive = false;
        if self.is_word("kind") && self.is_at(1, "=") {
            self.at += 2;
            case_sensitive = self.name()?.text == "case_sensitive";
        }
        let mut tables = Vec::new();
        if self.eat_word("in") {
            self.want("(")?;
            while !self.is(")") && !self.is_end() {
                tables.push(self.pattern()?);
                if !self.eat(",") {
                    break;
                }
            }
            self.want(")")?;
        }
        let outer = std::mem::replace(&mut self.in_search, true);
        let predicate = self.expr();
        self.in_search = outer;
        Some(SearchArgs {
            case_sensitive,
            tables,
            predicate,
        })
    }

    /// `find withsource = T in (A, B*) where x == 1 project a, b: long, pack(*)`
    pub(super) fn find_args(&mut self) -> Option<FindArgs> {
        let mut with_source = None;
        while self.token().kind == Kind::Name && self.is_at(1, "=") {
            let option = self.name()?;
            self.at += 1;
            let value = self.name()?;
            if option.text == "withsource" {
                with_source = Some(value);
            }
        }
        let mut tables = Vec::new();
        if self.eat_word("in") {
            self.want("(")?;
            while !self.is(")") && !self.is_end() {
                tables.push(self.pattern()?);
                if !self.eat(",") {
                    break;
                }
            }
            self.want(")")?;
        }
        let has_where = self.eat_word("where");
        let outer = std::mem::replace(&mut self.in_search, !has_where);
        let predicate = self.expr();
        self.in_search = outer;
        let (mut project, mut packs) = (None, false);
        if !self.eat_word("project-smart") && self.eat_word("project") {
            let mut columns = Vec::new();
            loop {
                if self.is_word("pack") && self.is_at(1, "(") {
                    self.at += 2;
                    self.want("*")?;
                    self.want(")")?;
                    packs = true;
                } else {
                    let name = self.name()?;
                    let ty = if self.eat(":") {
                        Some(self.name()?)
                    } else {
                        None
                    };
                    columns.push((name, ty));
                }
                if !self.eat(",") {
                    break;
                }
            }
            project = Some(columns);
        }
        Some(FindArgs {
            with_source,
            tables,
            predicate,
            project,
            packs,
        })
    }

    pub(super) fn apply(&mut self) -> Option<OperatorKind> {
        let args = self.expand_args()?;
        self.want_word("on")?;
        Some(OperatorKind::MvApply(args, self.body()?))
    }

    pub(super) fn partition(&mut self) -> Option<OperatorKind> {
        while self.text().starts_with("hint") {
            self.skip_hint();
        }
        self.want_word("by")?;
        let key = self.name()?;
        if !self.is("{") {
            return Some(OperatorKind::Partition(key, self.body()?));
        }
        self.at += 1;
        if !self.enter() {
            return None;
        }
        self.depth += BODY_WEIGHT;
        let query = self.pipeline();
        self.depth -= 1 + BODY_WEIGHT;
        let query = query?;
        self.want("}")?;
        Some(OperatorKind::PartitionFree(key, Box::new(query)))
    }

    /// Operators in parentheses.
    pub(super) fn body(&mut self) -> Option<Vec<Operator>> {
        self.want("(")?;
        if !self.enter() {
            return None;
        }
        self.depth += BODY_WEIGHT;
        let mut operators = Vec::new();
        loop {
            match self.operator() {
                Some(operator) => operators.push(operator),
                None => self.skip_to_operator(),
            }
            if !self.eat("|") {
                break;
            }
        }
        self.depth -= 1 + BODY_WEIGHT;
        self.want(")")?;
        Some(operators)
    }

    pub(super) fn top_nested(&mut self) -> Option<OperatorKind> {
        let mut levels = Vec::new();
        loop {
            let count = if self.is_word("of") {
                None
            } else {
                Some(self.additive())
            };
            self.want_word("of")?;
            let of = self.named_exprs_one().pop()?;
            if self.is_word("with") {
                let help = "leave `with others` out";
                self.error("KQL010", "`with others` is not supported yet", help);
                return None;
            }
            self.want_word("by")?;
            let by = self.named_exprs_one().pop()?;
            let descending = !self.eat_word("asc");
            if descending {
                self.eat_word("desc");
            }
            levels.push(NestedLevel {
                count,
                of,
                by,
                descending,
            });
            if !(self.is(",") && self.is_word_at(1, "top-nested")) {
                return Some(OperatorKind::TopNested(levels));
            }
            self.at += 2;
        }
    }

    pub(super) fn top_hitters(&mut self) -> Option<OperatorKind> {
        let count = self.additive();
        self.want_word("of")?;
        let of = self.named_exprs_one().pop()?;
        let by: Option<NamedExpr> = if self.eat_word("by") {
            self.named_exprs_one().pop()
        } else {
            None
        };
        Some(OperatorKind::TopHitters(count, of, by))
    }

    pub(super) fn evaluate(&mut self) -> Option<OperatorKind> {
        while self.text().starts_with("hint") {
            self.skip_hint();
        }
        let plugin = self.name()?;
        self.want("(")?;
        let mut args = Vec::new();
        while !self.is(")") && !self.is_end() {
            args.push(self.argument());
            if !self.eat(",") {
                break;
            }
        }
        self.want(")")?;
        let (mut keeps_input, mut columns) = (false, None);
        if self.eat(":") {
            self.want("(")?;
            keeps_input = self.eat("*");
            if keeps_input {
                self.eat(",");
            }
            columns = Some(self.column_list()?);
        }
        Some(OperatorKind::Evaluate(Box::new(EvaluateArgs {
            plugin,
            args,
            keeps_input,
            columns,
        })))
    }

    pub(super) fn invoke(&mut self) -> Option<OperatorKind> {
        let name = self.name()?;
        self.want("(")?;
        let mut args = Vec::new();
        while !self.is(")") && !self.is_end() {
            args.push(self.argument());
            if !self.eat(",") {
                break;
            }
        }
        self.want(")")?;
        Some(OperatorKind::Invoke(name, args))
    }
}
