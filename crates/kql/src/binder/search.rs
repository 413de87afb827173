//! `search`: a condition over all columns, and the name of the table in `$table`.

use atalaya_model::{Span, glob};

use super::Binder;
use super::literal::literal;
use super::project::{columns, projected};
use super::rel::table;
use super::scope::{Env, Value};
use crate::ast::{Expr, ExprKind, Name, NamedExpr, Pipeline, SearchArgs, Source, UnionArgs};
use crate::bound::{ColumnDef, Literal, RelNode, RelOp, Type};

/// The column that names the table.
const TABLE: &str = "$table";

impl Binder<'_> {
    /// `… | search …`
    pub(crate) fn search_rows(
        &mut self,
        env: &Env,
        node: RelNode,
        args: &SearchArgs,
        span: Span,
    ) -> Option<RelNode> {
        let label = match &node.op {
            RelOp::Table(name) => name.clone(),
            _ => "search_arg0".to_owned(),
        };
        let predicate = over_columns(&args.predicate, &node.schema, args.case_sensitive);
        let found = self.filter(env, node, &predicate, span)?;
        let mut exprs = vec![literal(Literal::String(label), Type::String, span)];
        exprs.extend(columns(&found));
        let mut schema = vec![ColumnDef {
            name: TABLE.to_owned(),
            ty: Type::String,
            range: None,
        }];
        schema.extend(found.schema.iter().cloned());
        Some(projected(found, exprs, schema, span))
    }

    /// `search …` and `search in (T1, T2) …`
    pub(crate) fn search_tables(
        &mut self,
        env: &Env,
        args: &SearchArgs,
        span: Span,
    ) -> Option<RelNode> {
        let known = self.catalog.table_names();
        let mut names: Vec<String> = Vec::new();
        for wanted in &args.tables {
            let before = names.len();
            names.extend(
                known
                    .iter()
                    .filter(|name| glob::matches(&wanted.text, name))
                    .cloned(),
            );
            if matches!(env.get(&wanted.text), Some(Value::Rows(_))) {
                names.push(wanted.text.clone());
            }
            if names.len() == before {
                let message = format!("there is no table `{}`", wanted.text);
                self.error("KS142", wanted.span, message);
                return None;
            }
        }
        if args.tables.is_empty() {
            names = known;
        }
        let mut inner = env.clone();
        let (mut inputs, mut problems) = (Vec::new(), Vec::new());
        for name in names {
            let rows = match env.get(&name) {
                Some(Value::Rows(rows)) => (**rows).clone(),
                _ => table(&name, self.catalog.table(&name)?, span),
            };
            let predicate = over_columns(&args.predicate, &rows.schema, args.case_sensitive);
            let before = self.diagnostics.len();
            let Some(found) = self.filter(env, rows, &predicate, span) else {
                // A table without the column holds no such row.
                problems = self.diagnostics.split_off(before);
                continue;
            };
            inner.set(&name, Value::Rows(found.into()), self.made());
            inner.set_as(&name);
            inputs.push(name);
        }
        if inputs.is_empty() {
            self.diagnostics.append(&mut problems);
        }
        let union = UnionArgs {
            with_source: Some(Name {
                text: TABLE.to_owned(),
                span,
            }),
            inputs: inputs
                .into_iter()
                .map(|text| Pipeline {
                    source: Source::Nested(Box::new(named(text, span))),
                    operators: Vec::new(),
                    span,
                })
                .collect(),
            ..UnionArgs::default()
        };
        self.union(&inner, None, &union, span)
    }
}

/// Rows under their own name: `T | as T`.
fn named(text: String, span: Span) -> Pipeline {
    let name = Name { text, span };
    Pipeline {
        source: Source::Name(name.clone()),
        operators: vec![crate::ast::Operator {
            kind: crate::ast::OperatorKind::As(name),
            span,
        }],
        span,
    }
}

/// The condition with every bare term spread over the columns.
fn over_columns(expr: &Expr, schema: &[ColumnDef], case_sensitive: bool) -> Expr {
    let go = |expr: &Expr| over_columns(expr, schema, case_sensitive);
    let kind = match &expr.kind {
        ExprKind::Star => ExprKind::Bool(true),
        ExprKind::Binary(name, left, right) if name == "and" || name == "or" => {
            ExprKind::Binary(name.clone(), Box::new(go(left)), Box::new(go(right)))
        }
        ExprKind::Call(name, args) if name == "not" => {
            let inner = |arg: &NamedExpr| NamedExpr {
                names: Vec::new(),
                expr: go(&arg.expr),
            };
            ExprKind::Call(name.clone(), args.iter().map(inner).collect())
        }
        ExprKind::Binary(name, left, right) if left.kind == ExprKind::Star => {
            return match (name.as_str(), term(right)) {
                (":", Some(_)) => go(right),
                _ => any_column(name, right, schema, expr.span),
            };
        }
        ExprKind::Binary(name, left, _) if name == ":" && is_missing(left, schema) => {
            ExprKind::Bool(false)
        }
        ExprKind::Binary(name, left, right) if name == ":" => match term(right) {
            Some(text) => return holds((**left).clone(), &text, case_sensitive, expr.span),
            None => ExprKind::Binary("==".to_owned(), left.clone(), right.clone()),
        },
        _ => match term(expr) {
            Some(text) => {
                let each = schema.iter().filter_map(|column| {
                    let column = searched(column, expr.span)?;
                    Some(holds(column, &text, case_sensitive, expr.span))
                });
                return any(each, expr.span);
            }
            None => expr.kind.clone(),
        },
    };
    at(kind, expr.span)
}

/// `* has "x"`: one of the columns that hold text fulfils it.
pub(super) fn any_column(operator: &str, right: &Expr, schema: &[ColumnDef], span: Span) -> Expr {
    let each = schema.iter().filter_map(|column| {
        let column = Box::new(searched(column, span)?);
        let kind = ExprKind::Binary(operator.to_owned(), column, Box::new(right.clone()));
        Some(at(kind, span))
    });
    any(each, span)
}

const fn at(kind: ExprKind, span: Span) -> Expr {
    Expr { kind, span }
}

/// Whether the expression names a column that is not there.
fn is_missing(expr: &Expr, schema: &[ColumnDef]) -> bool {
    match &expr.kind {
        ExprKind::Name(name) => !schema.iter().any(|column| column.name == *name),
        _ => false,
    }
}

/// What is looked for, if the expression is only that.
fn term(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::String(text) => Some(text.clone()),
        ExprKind::Long(value) => Some(value.to_string()),
        ExprKind::Real(value) => Some(value.to_string()),
        _ => None,
    }
}

/// A column as text; reals, times and the like are not searched.
fn searched(column: &ColumnDef, span: Span) -> Option<Expr> {
    let name = at(ExprKind::Name(column.name.clone()), span);
    match column.ty {
        Type::String => Some(name),
        Type::Int | Type::Long | Type::Guid | Type::Dynamic => {
            let arg = NamedExpr {
                names: Vec::new(),
                expr: name,
            };
            Some(at(ExprKind::Call("tostring".to_owned(), vec![arg]), span))
        }
        _ => None,
    }
}

/// Whether a text holds a term; `*` stands for the rest of it.
fn holds(column: Expr, text: &str, case_sensitive: bool, span: Span) -> Expr {
    let inner = text.trim_matches('*');
    let (operator, needle) = match (text.strip_prefix('*'), text.strip_suffix('*')) {
        _ if inner.contains('*') => {
            let fold = if case_sensitive { "" } else { "(?i)" };
            let parts: Vec<String> = text.split('*').map(quoted).collect();
            ("matches regex", format!("{fold}{}", parts.join(".*")))
        }
        (Some(_), Some(_)) => ("contains", inner.to_owned()),
        (Some(_), None) => ("hassuffix", inner.to_owned()),
        (None, Some(_)) => ("hasprefix", inner.to_owned()),
        (None, None) => ("has", inner.to_owned()),
    };
    let operator = match operator {
        "matches regex" => operator.to_owned(),
        folded if case_sensitive => format!("{folded}_cs"),
        folded => folded.to_owned(),
    };
    let needle = at(ExprKind::String(needle), span);
    at(
        ExprKind::Binary(operator, Box::new(column), Box::new(needle)),
        span,
    )
}

/// Text that a regular expression takes literally.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if !c.is_alphanumeric() && c != '_' && !c.is_whitespace() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// At least one of them; of none, false.
fn any(each: impl Iterator<Item = Expr>, span: Span) -> Expr {
    let mut level: Vec<Expr> = each.collect();
    // A tree as deep as the logarithm: `union *` has thousands of columns.
    while level.len() > 1 {
        let mut pairs = level.into_iter();
        let mut next = Vec::new();
        while let Some(left) = pairs.next() {
            next.push(match pairs.next() {
                None => left,
                Some(right) => {
                    let (left, right) = (Box::new(left), Box::new(right));
                    at(ExprKind::Binary("or".to_owned(), left, right), span)
                }
            });
        }
        level = next;
    }
    level.pop().unwrap_or(at(ExprKind::Bool(false), span))
}
