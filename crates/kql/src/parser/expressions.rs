//! Expressions, by precedence: or, and, comparison, additive, multiplicative, unary, postfix.

use atalaya_model::Span;

use super::{DEPTH_MAX, LITERAL_TYPES, Parser, timespan_ticks, unquote};
use crate::ast::{Expr, ExprKind, InItem, NamedExpr};
use crate::lexer::Kind;

/// String operators that are words.
const WORD_OPERATORS: [&str; 19] = [
    "containscs",
    "has",
    "has_cs",
    "hasprefix",
    "hasprefix_cs",
    "hassuffix",
    "hassuffix_cs",
    "contains",
    "contains_cs",
    "startswith",
    "startswith_cs",
    "endswith",
    "endswith_cs",
    "like",
    "notlike",
    "notcontains",
    "notcontains_cs",
    "nothas",
    "nothas_cs",
];
/// Words that are names only in brackets.
const KEYWORDS: [&str; 9] = [
    "and",
    "by",
    "extend",
    "join",
    "or",
    "project",
    "summarize",
    "union",
    "where",
];
/// Most arithmetic operators of one query.
const ARITHMETIC_OPERATORS_MAX: usize = 256;
/// How often a query may make the parser read an item of an `in` list twice, as a value and as
/// rows: nested lists would double the work with every level.
const SECOND_LOOKS_MAX: usize = 256;

impl Parser<'_> {
    pub(crate) fn expr(&mut self) -> Expr {
        if !self.enter() {
            return self.broken();
        }
        let expr = self.or_expr();
        self.depth -= 1;
        expr
    }

    fn broken(&self) -> Expr {
        Expr {
            kind: ExprKind::Error,
            span: self.span(),
        }
    }

    fn or_expr(&mut self) -> Expr {
        let mut operands = vec![self.and_expr()];
        while self.eat_word("or") {
            operands.push(self.and_expr());
        }
        balanced("or", operands)
    }

    fn and_expr(&mut self) -> Expr {
        let mut operands = vec![self.comparison()];
        while self.eat_word("and") {
            operands.push(self.comparison());
        }
        balanced("and", operands)
    }

    /// Counts an arithmetic operator: a chain of them is as deep as it is long.
    fn arithmetic(&mut self) -> bool {
        if self.arithmetic_operators == ARITHMETIC_OPERATORS_MAX {
            let help = "split the query with let statements";
            self.error("KQL002", "too many arithmetic operators", help);
            self.at = self.tokens.len().saturating_sub(1);
            return false;
        }
        self.arithmetic_operators += 1;
        true
    }

    fn comparison(&mut self) -> Expr {
        let left = self.additive();
        for punct in ["==", "!=", "<=", ">=", "=~", "!~", "<>", "<", ">"] {
            if self.eat(punct) {
                let name = if punct == "<>" { "!=" } else { punct };
                let right = self.additive();
                return binary(name, left, right);
            }
        }
        if self.in_search && self.eat(":") {
            let right = self.additive();
            return binary(":", left, right);
        }
        // `!` goes with a word.
        let negated = self.is("!")
            && self.tokens.get(self.at + 1).is_some_and(|token| {
                token.kind == Kind::Name && token.span.start == self.span().end
            });
        let word = if negated {
            self.tokens[self.at + 1]
        } else {
            self.token()
        };
        if word.kind != Kind::Name {
            return left;
        }
        let word_text = self.text_of(word);
        let name = if negated {
            format!("!{word_text}")
        } else {
            word_text.to_owned()
        };
        let skip = 1 + usize::from(negated);
        match word_text {
            "in" | "has_any" | "has_all" => {
                self.at += skip;
                let is_folded = word_text == "in" && self.eat("~");
                self.in_list(if is_folded { format!("{name}~") } else { name }, left)
            }
            "between" => {
                self.at += skip;
                self.between(name, left)
            }
            "matches" if self.is_word_at(skip, "regex") => {
                self.at += skip + 1;
                let right = self.additive();
                binary("matches regex", left, right)
            }
            known if WORD_OPERATORS.contains(&known) => {
                self.at += skip;
                let right = self.additive();
                let name = match name.as_str() {
                    "containscs" => "contains_cs",
                    "notcontains" => "!contains",
                    "notcontains_cs" => "!contains_cs",
                    "nothas" => "!has",
                    "nothas_cs" => "!has_cs",
                    other => other,
                };
                binary(name, left, right)
            }
            _ => left,
        }
    }

    fn between(&mut self, name: String, value: Expr) -> Expr {
        let mut comma = None;
        let (mut low, mut high) = (self.broken(), self.broken());
        if self.want("(").is_some() {
            low = self.additive();
            comma = self.is(",").then(|| self.span());
            self.at += usize::from(comma.is_some());
            if comma.is_some() || self.want("..").is_some() {
                high = self.additive();
                if self.want(")").is_none() {
                    high = self.broken();
                }
            }
        }
        let span = Span::new(value.span.start, self.previous_end());
        let (value, low, high) = (Box::new(value), Box::new(low), Box::new(high));
        Expr {
            kind: ExprKind::Between {
                name,
                value,
                low,
                high,
                comma,
            },
            span,
        }
    }

    fn in_list(&mut self, name: String, value: Expr) -> Expr {
        let mut items = Vec::new();
        if self.want("(").is_some() {
            while !self.is(")") && !self.is_end() {
                items.push(self.in_item());
                if self.eat(",") {
                    self.misses_item();
                } else if self.starts_expr() {
                    self.expected("`,`");
                } else {
                    break;
                }
            }
            let _ = self.want(")");
        }
        let span = Span::new(value.span.start, self.previous_end());
        Expr {
            kind: ExprKind::In(name, Box::new(value), items),
            span,
        }
    }

    fn in_item(&mut self) -> InItem {
        let (start, before) = (self.at, self.diagnostics.len());
        if !self.looks_tabular() {
            let scalar = self.expr();
            if !self.is("|") || self.second_looks == SECOND_LOOKS_MAX {
                return InItem::Scalar(scalar);
            }
            self.second_looks += 1;
            self.at = start;
            self.diagnostics.truncate(before);
        }
        match self.pipeline() {
            Some(rows) => InItem::Rows(rows),
            None => InItem::Scalar(self.broken()),
        }
    }

    pub(crate) fn additive(&mut self) -> Expr {
        let mut left = self.multiplicative();
        loop {
            let name = if self.eat("+") {
                "+"
            } else if self.eat("-") {
                "-"
            } else {
                return left;
            };
            if !self.arithmetic() {
                return left;
            }
            let right = self.multiplicative();
            left = binary(name, left, right);
        }
    }

    fn multiplicative(&mut self) -> Expr {
        let mut left = self.unary();
        loop {
            let name = if self.eat("*") {
                "*"
            } else if self.eat("/") {
                "/"
            } else if self.eat("%") {
                "%"
            } else {
                return left;
            };
            if !self.arithmetic() {
                return left;
            }
            let right = self.unary();
            left = binary(name, left, right);
        }
    }

    fn unary(&mut self) -> Expr {
        let start = self.span().start;
        for (punct, name) in [("-", "unary-"), ("+", "unary+")] {
            if self.eat(punct) {
                if !self.enter() {
                    return self.broken();
                }
                let inner = self.unary();
                self.depth -= 1;
                let span = Span::new(start, inner.span.end);
                let kind = match inner.kind {
                    ExprKind::Long(value) if name == "unary-" => {
                        ExprKind::Long(value.wrapping_neg())
                    }
                    ExprKind::Real(value) if name == "unary-" => ExprKind::Real(-value),
                    ExprKind::Timespan(value) if name == "unary-" => {
                        ExprKind::Timespan(value.wrapping_neg())
                    }
                    kind => ExprKind::Unary(
                        name,
                        Box::new(Expr {
                            kind,
                            span: inner.span,
                        }),
                    ),
                };
                return Expr { kind, span };
            }
        }
        self.postfix()
    }

    fn postfix(&mut self) -> Expr {
        let mut expr = self.primary();
        let mut links = 0;
        loop {
            if links == DEPTH_MAX {
                let help = "split the path with `extend`";
                self.error("KQL002", "a path of too many steps", help);
                self.at = self.tokens.len().saturating_sub(1);
                return expr;
            }
            links += 1;
            if self.is(".") && !self.is_at(1, ".") {
                self.at += 1;
                // `a.[0]` and `a.['b c']` are indexing.
                let is_name = self.is("[")
                    && self
                        .tokens
                        .get(self.at + 1)
                        .is_some_and(|t| t.kind == Kind::String);
                if self.is("[") && !is_name {
                    continue;
                }
                let Some(name) = self.name() else { return expr };
                let span = expr.span.to(name.span);
                expr = match &expr.kind {
                    ExprKind::Name(side) if side == "$left" || side == "$right" => Expr {
                        kind: ExprKind::Side(side == "$left", name),
                        span,
                    },
                    _ => Expr {
                        kind: ExprKind::Member(Box::new(expr), name),
                        span,
                    },
                };
            } else if self.eat("[") {
                let index = self.expr();
                let span = Span::new(expr.span.start, self.span().end);
                if self.want("]").is_none() {
                    return expr;
                }
                expr = Expr {
                    kind: ExprKind::Index(Box::new(expr), Box::new(index)),
                    span,
                };
            } else {
                return expr;
            }
        }
    }

    fn primary(&mut self) -> Expr {
        let (token, span) = (self.token(), self.span());
        let text = self.text();
        let one = |parser: &mut Self, kind| {
            parser.at += 1;
            Expr { kind, span }
        };
        match token.kind {
            Kind::Long => {
                let value = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
                    Some(hex) => i64::from_str_radix(hex, 16).ok(),
                    None => text.parse().ok(),
                };
                match value {
                    Some(value) => one(self, ExprKind::Long(value)),
                    None => one(
                        self,
                        ExprKind::TypedLiteral("long".to_owned(), text.to_owned()),
                    ),
                }
            }
            Kind::Real => one(self, ExprKind::Real(text.parse().unwrap_or(f64::NAN))),
            Kind::Timespan => one(self, ExprKind::Timespan(timespan_ticks(text).unwrap_or(0))),
            Kind::String => {
                let mut value = unquote(text);
                self.at += 1;
                // Adjacent literals are one string.
                while self.token().kind == Kind::String {
                    value.push_str(&unquote(self.text()));
                    self.at += 1;
                }
                Expr {
                    kind: ExprKind::String(value),
                    span: Span::new(span.start, self.previous_end()),
                }
            }
            Kind::Name => self.name_or_call(),
            Kind::Punct if text == "(" => self.parenthesised(),
            Kind::Punct if text == "*" => one(self, ExprKind::Star),
            Kind::Punct if text == "[" => match self.name() {
                Some(name) => Expr {
                    kind: ExprKind::Name(name.text),
                    span: name.span,
                },
                None => self.broken(),
            },
            _ => {
                self.expected("an expression");
                self.broken()
            }
        }
    }

    fn parenthesised(&mut self) -> Expr {
        let start = self.span().start;
        self.at += 1;
        let inner = self.expr();
        let span = Span::new(start, self.span().end);
        let _ = self.want(")");
        match inner.kind {
            // What is said of a name is said where it stands.
            ExprKind::Name(_) | ExprKind::Error => inner,
            kind => Expr { kind, span },
        }
    }

    fn name_or_call(&mut self) -> Expr {
        let (text, span) = (self.text().to_owned(), self.span());
        if !self.is_at(1, "(") {
            if KEYWORDS.contains(&text.as_str()) || WORD_OPERATORS.contains(&text.as_str()) {
                self.expected("an expression");
                return self.broken();
            }
            self.at += 1;
            let kind = match text.as_str() {
                "true" | "True" | "TRUE" => ExprKind::Bool(true),
                "false" | "False" | "FALSE" => ExprKind::Bool(false),
                _ => ExprKind::Name(text),
            };
            return Expr { kind, span };
        }
        if LITERAL_TYPES.contains(&text.as_str())
            && let Some(literal) = self.typed_literal(&text)
        {
            return literal;
        }
        if matches!(text.as_str(), "and" | "or") {
            self.expected("an expression");
            return self.broken();
        }
        self.at += 2;
        if text == "toscalar"
            && matches!(
                self.token().kind,
                Kind::String | Kind::Long | Kind::Real | Kind::Timespan
            )
        {
            // Of a value it is that value.
            let inner = self.expr();
            let _ = self.want(")");
            return inner;
        }
        if text == "toscalar" {
            let opening = self.at - 1;
            let rows = self.pipeline();
            let span = Span::new(span.start, self.span().end);
            self.close(opening, ")");
            let kind = rows.map_or(ExprKind::Error, |rows| ExprKind::ToScalar(Box::new(rows)));
            return Expr { kind, span };
        }
        let args = self.arguments();
        let span = Span::new(span.start, self.span().end);
        let _ = self.want(")");
        Expr {
            kind: ExprKind::Call(text, args),
            span,
        }
    }

    /// Up to the closing parenthesis. What is missing counts: a function that wants two arguments
    /// says so of `(a,)` no less than of `(a, b c)`.
    fn arguments(&mut self) -> Vec<NamedExpr> {
        let mut args = Vec::new();
        while !self.is(")") && !self.is_end() {
            let start = self.at;
            let arg = self.argument();
            if args.is_empty() && self.at == start {
                break;
            }
            args.push(arg);
            if self.eat(",") {
                if self.misses_item() {
                    args.push(NamedExpr {
                        names: Vec::new(),
                        expr: self.broken(),
                    });
                }
            } else if self.starts_expr() {
                self.expected("`,`");
            } else {
                break;
            }
        }
        args
    }

    /// Whether an expression can start here and nothing else.
    fn starts_expr(&self) -> bool {
        let token = self.token();
        match token.kind {
            Kind::Long | Kind::Real | Kind::Timespan | Kind::String => true,
            Kind::Name => {
                let word = self.text_of(token);
                !KEYWORDS.contains(&word) && !WORD_OPERATORS.contains(&word)
            }
            _ => self.is("("),
        }
    }
}

/// `a or b or c …` as a tree whose depth is the logarithm of its length: rules list thousands of
/// alternatives, and both operators are associative.
fn balanced(name: &str, operands: Vec<Expr>) -> Expr {
    let mut level = operands;
    while level.len() > 1 {
        let mut next = Vec::with_capacity(level.len().div_ceil(2));
        let mut operands = level.into_iter();
        while let Some(left) = operands.next() {
            next.push(match operands.next() {
                Some(right) => binary(name, left, right),
                None => left,
            });
        }
        level = next;
    }
    level.pop().unwrap_or(Expr {
        kind: ExprKind::Error,
        span: Span::default(),
    })
}

fn binary(name: &str, left: Expr, right: Expr) -> Expr {
    let span = left.span.to(right.span);
    Expr {
        kind: ExprKind::Binary(name.to_owned(), Box::new(left), Box::new(right)),
        span,
    }
}
