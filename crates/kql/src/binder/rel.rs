//! Pipelines: sources and the operators that keep or reorder rows.

use atalaya_model::Span;

use super::Binder;
use super::scope::{Env, Scope, Value};
use crate::ast::{self, Operator, OperatorKind, Pipeline, SortArg, Source};
use crate::bound::JoinKind;
use crate::bound::{ColumnDef, Expr, ExprKind, Literal, RelNode, RelOp, Render, SortKey, Type};
use crate::catalogue::{OPERATORS, WINDOWS};

/// Further operators of Kusto's, so that nobody takes them for typing mistakes.
const KUSTO_OPERATORS: &[&str] = &[
    "externaldata",
    "find",
    "graph-match",
    "macro-expand",
    "make-graph",
];

impl Binder<'_> {
    pub(crate) fn pipeline(&mut self, env: &Env, pipeline: &Pipeline) -> Option<RelNode> {
        if !self.enter(pipeline.span) {
            return None;
        }
        let mut env = env.clone();
        let mut node = self.source(&env, &pipeline.source, pipeline.span);
        if let Some(input) = node {
            node = self.operators(&mut env, input, &pipeline.operators);
        }
        self.leave();
        node
    }

    /// Operators one after the other.
    pub(crate) fn operators(
        &mut self,
        env: &mut Env,
        input: RelNode,
        operators: &[Operator],
    ) -> Option<RelNode> {
        let mut node = input;
        for (at, operator) in operators.iter().enumerate() {
            let is_last = at + 1 == operators.len();
            let splits = matches!(
                operator.kind,
                OperatorKind::Fork(_) | OperatorKind::Facet(..)
            );
            if splits && !is_last {
                let message = "several results can only end a query".to_owned();
                self.error("KQL011", operators[at + 1].span, message);
                return None;
            }
            // A mistake in an operator that keeps the columns hides no later one.
            let keeps = matches!(
                operator.kind,
                OperatorKind::Where(_) | OperatorKind::Sort(_) | OperatorKind::Take(_)
            );
            let schema = keeps.then(|| node.schema.clone());
            let bound = self.operator(env, node, operator);
            node = bound.or_else(|| schema.map(|schema| table("", schema, operator.span)))?;
        }
        Some(node)
    }

    /// A row set behind an expression that could be one: a table's or row set's name, a call of
    /// a function that gives rows. `None`: it is a scalar.
    pub(crate) fn rows_of_expr(&mut self, env: &Env, expr: &ast::Expr) -> Option<Option<RelNode>> {
        match &expr.kind {
            ast::ExprKind::Name(name) => match env.get(name) {
                Some(Value::Rows(rows)) => Some(Some((**rows).clone())),
                Some(_) => None,
                None => self
                    .catalog
                    .table(name)
                    .map(|schema| Some(table(name, schema, expr.span))),
            },
            ast::ExprKind::Call(name, args) => match env.get(name).cloned() {
                Some(Value::Function { lambda, env: inner }) if lambda.is_tabular() => {
                    Some(self.call_lambda_rows(env, &lambda, &inner, args, expr.span))
                }
                None if name == "_GetWatchlist" => Some(self.watchlist(env, args, expr.span)),
                _ => None,
            },
            _ => None,
        }
    }

    fn source(&mut self, env: &Env, source: &Source, span: Span) -> Option<RelNode> {
        match source {
            Source::Name(name) => self.named_source(env, name),
            Source::Call(name, args) => match env.get(&name.text).cloned() {
                Some(Value::Function { lambda, env: inner }) => {
                    self.call_lambda_rows(env, &lambda, &inner, args, span)
                }
                _ if name.text == "table" => self.table_function(env, args, span),
                _ if name.text == "_GetWatchlist" => self.watchlist(env, args, span),
                _ => {
                    let message = format!("the function `{}` is not known", name.text);
                    self.error("KS211", name.span, message);
                    None
                }
            },
            Source::Nested(inner) => self.pipeline(env, inner),
            Source::Materialize(inner) => {
                let node = self.pipeline(env, inner)?;
                Some(self.share(node))
            }
            Source::Datatable(columns, cells) => self.datatable(env, columns, cells, span),
            Source::Print(values) => self.print(env, values, span),
            Source::Range(name, bounds) => self.range_source(env, name, bounds, span),
            Source::Union(args) => self.union(env, None, args, span),
            Source::External(args) => self.external(env, args, span),
            Source::Find(args) => self.find(env, args, span),
            Source::Search(args) => self.search_tables(env, args, span),
        }
    }

    fn named_source(&mut self, env: &Env, name: &ast::Name) -> Option<RelNode> {
        match env.get(&name.text).cloned() {
            Some(Value::Rows(rows)) => return Some((*rows).clone()),
            Some(Value::Broken) => return None,
            Some(Value::Scalar(value)) => {
                // `let x = 1; x` is a query of one cell.
                let column = ColumnDef {
                    name: "print_0".into(),
                    ty: value.ty,
                    range: value.range,
                };
                return Some(RelNode {
                    op: RelOp::Values(vec![vec![(*value).clone()]]),
                    schema: vec![column],
                    span: name.span,
                    serialized: true,
                });
            }
            Some(Value::Function { lambda, env: inner }) => {
                return self.call_lambda_rows(env, &lambda, &inner, &[], name.span);
            }
            None => {}
        }
        if let Some(schema) = self.catalog.table(&name.text) {
            return Some(table(&name.text, schema, name.span));
        }
        let names = self.catalog.table_names();
        let near = crate::nearest(
            &name.text,
            names.iter().map(String::as_str).chain(env.names()),
        );
        let message = format!(
            "the name `{}` does not refer to any known table, row set or function",
            name.text
        );
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("tables here: {}", names.join(", ")),
        };
        self.error_help("KS142", name.span, message, help);
        None
    }

    fn table_function(
        &mut self,
        env: &Env,
        args: &[ast::NamedExpr],
        span: Span,
    ) -> Option<RelNode> {
        let name = args.first().and_then(|arg| self.scalar(env, &arg.expr));
        if let Some(ExprKind::Literal(Literal::String(text))) = name.map(|name| name.kind) {
            return self.named_source(env, &ast::Name { text, span });
        }
        self.error("KS107", span, "`table` wants a name in quotes".to_owned());
        None
    }

    /// `_GetWatchlist('alias')`
    fn watchlist(&mut self, env: &Env, args: &[ast::NamedExpr], span: Span) -> Option<RelNode> {
        let alias = args.first().and_then(|arg| self.scalar(env, &arg.expr));
        let Some(ExprKind::Literal(Literal::String(alias))) = alias.map(|alias| alias.kind) else {
            let message = "`_GetWatchlist` wants an alias in quotes".to_owned();
            self.error("KS107", span, message);
            return None;
        };
        let name = format!("{}{alias}", crate::catalog::WATCHLIST);
        if let Some(schema) = self.catalog.table(&name) {
            return Some(table(&name, schema, span));
        }
        let message = format!("there is no watchlist `{alias}`");
        let help = format!(
            "put it into the library as `watchlists/{alias}.csv`, or let a runbook `watch` into it"
        );
        self.error_help("KS142", span, message, help);
        None
    }

    fn datatable(
        &mut self,
        env: &Env,
        columns: &[(ast::Name, ast::Name)],
        cells: &[ast::Expr],
        span: Span,
    ) -> Option<RelNode> {
        let mut schema = Vec::new();
        for (name, ty) in columns {
            let Some(ty) = Type::parse(&ty.text) else {
                self.error("KS142", ty.span, format!("`{}` is no type", ty.text));
                return None;
            };
            schema.push(ColumnDef {
                name: name.text.clone(),
                ty,
                range: None,
            });
        }
        if schema.is_empty() || !cells.len().is_multiple_of(schema.len()) {
            let message = format!(
                "{} values do not fill rows of {}",
                cells.len(),
                schema.len()
            );
            self.error("KS120", span, message);
            return None;
        }
        let mut rows = Vec::new();
        for row in cells.chunks(schema.len()) {
            let mut values = Vec::new();
            for (cell, column) in row.iter().zip(&schema) {
                values.push(convert(&self.scalar(env, cell)?, column.ty));
            }
            rows.push(values);
        }
        Some(RelNode {
            op: RelOp::Values(rows),
            schema,
            span,
            serialized: false,
        })
    }

    fn external(&mut self, env: &Env, args: &ast::ExternalArgs, span: Span) -> Option<RelNode> {
        let mut schema = Vec::new();
        for (name, ty) in &args.columns {
            let Some(ty) = Type::parse(&ty.text) else {
                self.error("KS142", ty.span, format!("`{}` is no type", ty.text));
                return None;
            };
            schema.push(ColumnDef {
                name: name.text.clone(),
                ty,
                range: None,
            });
        }
        let property = |wanted: &str| {
            let mut known = args.properties.iter();
            let found = known.find(|(name, _)| name.text.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value)
        };
        let mut urls = Vec::new();
        for url in &args.urls {
            match self.scalar(env, url)?.kind {
                ExprKind::Literal(Literal::String(url)) => urls.push(url),
                _ => {
                    let message = "the address of external data must be a constant".to_owned();
                    self.error("KS107", url.span, message);
                    return None;
                }
            }
        }
        Some(RelNode {
            op: RelOp::External {
                urls,
                format: property("format").map(|value| match &value.kind {
                    ast::ExprKind::String(text) | ast::ExprKind::Name(text) => text.clone(),
                    _ => String::new(),
                }),
                skips_first: property("ignorefirstrecord").is_some_and(|value| {
                    matches!(&value.kind, ast::ExprKind::Bool(true))
                        || matches!(&value.kind, ast::ExprKind::String(text) if text == "true")
                }),
            },
            schema,
            span,
            serialized: false,
        })
    }

    fn print(&mut self, env: &Env, values: &[ast::NamedExpr], span: Span) -> Option<RelNode> {
        let (mut row, mut schema) = (Vec::new(), Vec::new());
        for (index, value) in values.iter().enumerate() {
            let nothing = Scope {
                env,
                columns: &[],
                serialized: false,
            };
            if let Some(outputs) = self.tuple(nothing, value) {
                for (name, expr) in outputs? {
                    schema.push(ColumnDef {
                        name,
                        ty: expr.ty,
                        range: None,
                    });
                    row.push(expr);
                }
                continue;
            }
            let expr = self.scalar(env, &value.expr)?;
            let name = value
                .names
                .first()
                .map_or_else(|| format!("print_{index}"), |name| name.text.clone());
            schema.push(ColumnDef {
                name,
                ty: expr.ty,
                range: expr.range,
            });
            row.push(expr);
        }
        Some(RelNode {
            op: RelOp::Values(vec![row]),
            schema,
            span,
            serialized: true,
        })
    }

    fn range_source(
        &mut self,
        env: &Env,
        name: &ast::Name,
        bounds: &[ast::Expr; 3],
        span: Span,
    ) -> Option<RelNode> {
        let from = self.scalar(env, &bounds[0])?;
        let to = self.scalar(env, &bounds[1])?;
        let step = self.scalar(env, &bounds[2])?;
        let ty = match (from.ty, step.ty) {
            (Type::Int | Type::Long, Type::Real) => Type::Real,
            (Type::Int, _) => Type::Long,
            (ty, _) => ty,
        };
        let schema = vec![ColumnDef {
            name: name.text.clone(),
            ty,
            range: None,
        }];
        Some(RelNode {
            op: RelOp::Range { from, to, step },
            schema,
            span,
            serialized: true,
        })
    }

    fn operator(&mut self, env: &mut Env, node: RelNode, operator: &Operator) -> Option<RelNode> {
        let span = operator.span;
        let node = self.ordered_if_needed(node, operator);
        match &operator.kind {
            OperatorKind::WhereNamed(name, predicate) => {
                let message = format!("`{} =` names the condition and compares nothing", name.text);
                let help = format!("write `{} == …`", name.text);
                self.lenient("ATL107", name.span, message, help);
                self.filter(env, node, predicate, span)
            }
            OperatorKind::Where(predicate) => self.filter(env, node, predicate, span),
            OperatorKind::Project(list) => self.project(env, node, list, span),
            OperatorKind::ProjectAway(names) => self.project_away(node, names, span),
            OperatorKind::ProjectKeep(names) => self.project_keep(node, names, span),
            OperatorKind::ProjectRename(list) => self.project_rename(node, list, span),
            OperatorKind::ProjectReorder(names) => self.project_reorder(node, names, span),
            OperatorKind::Extend(list) => self.extend(env, node, list, span),
            OperatorKind::Serialize(list) => self.serialize(env, node, list, span),
            OperatorKind::Summarize(aggregates, groups) => {
                self.summarize(env, node, aggregates, groups, span)
            }
            OperatorKind::Distinct(list) => self.distinct(env, node, list, span),
            OperatorKind::Count(name) => Some(Self::count(node, name.as_ref(), span)),
            OperatorKind::Sort(args) => self.sort(env, node, args, span),
            OperatorKind::Top(count, args) => {
                let sorted = self.sort(env, node, args, span)?;
                self.take(env, sorted, count, span)
            }
            OperatorKind::Take(count) => self.take(env, node, count, span),
            OperatorKind::Join(args) => self.join(env, node, args, span),
            OperatorKind::Lookup(args) => self.lookup(env, node, args, span),
            OperatorKind::Union(args) => self.union(env, Some(node), args, span),
            OperatorKind::MvExpand(args) => self.mv_expand(env, node, args, span),
            OperatorKind::As(name) => {
                let node = self.shared_if_used(node, name, operator.span.end);
                env.set(&name.text, Value::Rows(node.clone().into()));
                env.set_as(&name.text);
                Some(node)
            }
            OperatorKind::Consume => Some(Self::consume(node, span)),
            OperatorKind::GetSchema => Some(Self::get_schema(&node, span)),
            OperatorKind::Render(kind, properties) => {
                let properties = properties
                    .iter()
                    .map(|(n, value)| (n.text.clone(), value.clone()))
                    .collect();
                self.render = Some(Render {
                    kind: kind.text.clone(),
                    properties,
                });
                Some(node)
            }
            _ => self.further_operator(env, node, operator),
        }
    }

    /// Operators that are made of others, or run others.
    fn further_operator(
        &mut self,
        env: &Env,
        node: RelNode,
        operator: &Operator,
    ) -> Option<RelNode> {
        let span = operator.span;
        match &operator.kind {
            OperatorKind::Parse(args) => self.parse_with(env, node, args, span),
            OperatorKind::ParseKv(args) => self.parse_kv(env, node, args, span),
            OperatorKind::MvApply(args, body) => self.mv_apply(env, node, args, body, span),
            OperatorKind::Fork(branches) => self.fork(env, node, branches, span),
            OperatorKind::Facet(columns, body) => self.facet(env, node, (columns, body), span),
            OperatorKind::Reduce(value, options) => self.reduce(env, node, value, options, span),
            OperatorKind::Partition(key, body) => self.partition(env, node, key, body, span),
            OperatorKind::Search(args) => self.search_rows(env, node, args, span),
            OperatorKind::MakeSeries(args) => self.make_series(env, node, args, span),
            OperatorKind::Sample(count) => self.take(env, node, count, span),
            OperatorKind::SampleDistinct(count, of) => {
                self.sample_distinct(env, node, count, of, span)
            }
            OperatorKind::TopHitters(count, of, by) => {
                self.top_hitters(env, node, (count, of, by.as_ref()), span)
            }
            OperatorKind::Evaluate(args) => self.evaluate(env, node, args, span),
            OperatorKind::TopNested(levels) => self.top_nested(env, node, levels, span),
            OperatorKind::Scan(args) => self.scan(env, node, args, span),
            OperatorKind::Invoke(name, args) => self.invoke(env, node, name, args, span),
            OperatorKind::Unsupported(name) => {
                self.unknown_operator(name);
                None
            }
            _ => None,
        }
    }

    /// An operator that Kusto has and this engine has not, or one that nobody has.
    fn unknown_operator(&mut self, name: &ast::Name) {
        let known = || OPERATORS.iter().map(|(name, _)| *name);
        let here = || {
            let known: Vec<_> = known().collect();
            format!("operators are: {}", known.join(", "))
        };
        let (message, help) = if KUSTO_OPERATORS.contains(&name.text.as_str()) {
            (
                format!("the operator `{}` is not supported yet", name.text),
                here(),
            )
        } else {
            let help = crate::nearest(&name.text, known())
                .map_or_else(here, |near| format!("did you mean `{near}`?"));
            (format!("there is no operator `{}`", name.text), help)
        };
        self.error_help("KQL010", name.span, message, help);
    }

    /// Window functions need an order. Without one real Kusto refuses; what is meant is almost
    /// always the order of time.
    fn ordered_if_needed(&mut self, node: RelNode, operator: &Operator) -> RelNode {
        if node.serialized {
            return node;
        }
        let Some((name, span)) = window_call(&operator.kind) else {
            return node;
        };
        let time = node
            .schema
            .iter()
            .position(|column| column.name == "TimeGenerated");
        let text = operator.span.slice(&self.source);
        let short: String = text.chars().take(60).collect();
        let order = if time.is_some() {
            "sort by TimeGenerated asc"
        } else {
            "serialize"
        };
        let message = format!(
            "`{name}` on rows without an order; Kusto says: Function '{name}' cannot be invoked. \
             The row set must be serialized. Run here as if `{order}` came first"
        );
        let help = format!(
            "write `| {order}` before `| {short}{}`",
            if text.len() > 60 { "…" } else { "" }
        );
        self.lenient("ATL104", span, message, help);
        let schema = node.schema.clone();
        let op = match time {
            Some(index) => {
                let column = &schema[index];
                let kind = ExprKind::Column(index);
                let expr = Expr {
                    kind,
                    ty: column.ty,
                    span,
                    range: None,
                };
                let keys = vec![SortKey {
                    expr,
                    descending: false,
                    nulls_first: true,
                }];
                RelOp::Sort {
                    input: Box::new(node),
                    keys,
                }
            }
            None => RelOp::Serialize(Box::new(node)),
        };
        RelNode {
            op,
            schema,
            span,
            serialized: true,
        }
    }

    pub(crate) fn filter(
        &mut self,
        env: &Env,
        node: RelNode,
        predicate: &ast::Expr,
        span: Span,
    ) -> Option<RelNode> {
        let predicate = self.expr(scope(env, &node), predicate)?;
        if predicate.ty != Type::Bool {
            let message = format!(
                "`where` wants a condition (bool), not {}",
                predicate.ty.name()
            );
            self.error("KS106", predicate.span, message);
            return None;
        }
        Some(filtered(node, predicate, span))
    }

    pub(crate) fn sort(
        &mut self,
        env: &Env,
        node: RelNode,
        args: &[SortArg],
        span: Span,
    ) -> Option<RelNode> {
        let mut keys = Vec::new();
        for arg in args {
            let expr = self.expr(scope(env, &node), &arg.expr)?;
            if expr.ty == Type::Dynamic {
                let message = "rows cannot be sorted by a dynamic value".to_owned();
                let help = format!("write `tostring({})`", expr.span.slice(&self.source));
                self.error_help("KS116", expr.span, message, help);
                return None;
            }
            let nulls_first = arg.nulls_first.unwrap_or(!arg.descending);
            keys.push(SortKey {
                expr,
                descending: arg.descending,
                nulls_first,
            });
        }
        let schema = node.schema.clone();
        Some(RelNode {
            op: RelOp::Sort {
                input: Box::new(node),
                keys,
            },
            schema,
            span,
            serialized: true,
        })
    }

    pub(crate) fn take(
        &mut self,
        env: &Env,
        node: RelNode,
        count: &ast::Expr,
        span: Span,
    ) -> Option<RelNode> {
        let bound = self.scalar(env, count)?;
        let ExprKind::Literal(Literal::Long(value)) = bound.kind else {
            self.error(
                "KS107",
                count.span,
                "the number of rows must be a whole number".to_owned(),
            );
            return None;
        };
        let (schema, serialized) = (node.schema.clone(), node.serialized);
        let count = u64::try_from(value).unwrap_or(0);
        let op = RelOp::Take {
            input: Box::new(node),
            count,
        };
        Some(RelNode {
            op,
            schema,
            span,
            serialized,
        })
    }

    fn get_schema(node: &RelNode, span: Span) -> RelNode {
        let text = |value: &str| Expr {
            kind: ExprKind::Literal(Literal::String(value.to_owned())),
            ty: Type::String,
            span,
            range: None,
        };
        let rows = node
            .schema
            .iter()
            .enumerate()
            .map(|(index, column)| {
                let ordinal = Expr {
                    kind: ExprKind::Literal(Literal::Long(i64::try_from(index).unwrap_or(0))),
                    ty: Type::Int,
                    span,
                    range: None,
                };
                vec![
                    text(&column.name),
                    ordinal,
                    text(system_type(column.ty)),
                    text(column.ty.name()),
                ]
            })
            .collect();
        let column = |name: &str, ty| ColumnDef {
            name: name.to_owned(),
            ty,
            range: None,
        };
        let schema = vec![
            column("ColumnName", Type::String),
            column("ColumnOrdinal", Type::Int),
            column("DataType", Type::String),
            column("ColumnType", Type::String),
        ];
        RelNode {
            op: RelOp::Values(rows),
            schema,
            span,
            serialized: false,
        }
    }
}

pub(crate) fn scope<'s>(env: &'s Env, node: &'s RelNode) -> Scope<'s> {
    Scope {
        env,
        columns: &node.schema,
        serialized: node.serialized,
    }
}

/// Rows that meet a condition. One on the left side of an `innerunique` join holds before the
/// join picks a row for each key, as in Kusto.
fn filtered(node: RelNode, predicate: Expr, span: Span) -> RelNode {
    let (schema, serialized) = (node.schema.clone(), node.serialized);
    let op = match node.op {
        RelOp::Join {
            left,
            right,
            kind: JoinKind::InnerUnique,
            keys,
        } if reads_only(&predicate, left.schema.len()) => RelOp::Join {
            left: Box::new(filtered(*left, predicate, span)),
            right,
            kind: JoinKind::InnerUnique,
            keys,
        },
        _ => RelOp::Filter {
            input: Box::new(node),
            predicate,
        },
    };
    RelNode {
        op,
        schema,
        span,
        serialized,
    }
}

/// Whether an expression reads only the first so many columns.
fn reads_only(expr: &Expr, columns: usize) -> bool {
    match &expr.kind {
        ExprKind::Column(index) => *index < columns,
        ExprKind::Call { args, .. } => args.iter().all(|arg| reads_only(arg, columns)),
        ExprKind::Literal(_) | ExprKind::ToScalar(_) => true,
        ExprKind::ValueSet(_) => false,
    }
}

pub(crate) fn table(name: &str, schema: Vec<ColumnDef>, span: Span) -> RelNode {
    RelNode {
        op: RelOp::Table(name.to_owned()),
        schema,
        span,
        serialized: false,
    }
}

/// A constant in the column's type, where that is only a matter of spelling.
fn convert(expr: &Expr, ty: Type) -> Expr {
    let kind = match (&expr.kind, ty) {
        #[expect(clippy::cast_precision_loss, reason = "what a real column holds")]
        (ExprKind::Literal(Literal::Long(value)), Type::Real) => {
            ExprKind::Literal(Literal::Real(*value as f64))
        }
        (ExprKind::Literal(Literal::String(text)), Type::DateTime) => {
            super::literal::datetime_ticks(text).map_or(ExprKind::Literal(Literal::Null), |ticks| {
                ExprKind::Literal(Literal::DateTime(ticks))
            })
        }
        (kind, _) => kind.clone(),
    };
    Expr {
        kind,
        ty,
        span: expr.span,
        range: expr.range,
    }
}

/// .NET type names, as Kusto's `getschema` prints them.
const fn system_type(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "System.SByte",
        Type::Int => "System.Int32",
        Type::Long => "System.Int64",
        Type::Real => "System.Double",
        Type::Decimal => "System.Data.SqlTypes.SqlDecimal",
        Type::String => "System.String",
        Type::DateTime => "System.DateTime",
        Type::Timespan => "System.TimeSpan",
        Type::Guid => "System.Guid",
        Type::Dynamic => "System.Object",
    }
}

/// The first window function that an operator calls.
fn window_call(kind: &OperatorKind) -> Option<(String, Span)> {
    let lists: Vec<&ast::Expr> = match kind {
        OperatorKind::Where(expr) => vec![expr],
        OperatorKind::Project(list) | OperatorKind::Extend(list) => {
            list.iter().map(|named| &named.expr).collect()
        }
        _ => return None,
    };
    lists.into_iter().find_map(find_window)
}

fn find_window(expr: &ast::Expr) -> Option<(String, Span)> {
    use ast::ExprKind as K;
    match &expr.kind {
        K::Call(name, _) if WINDOWS.contains(&name.as_str()) => Some((name.clone(), expr.span)),
        K::Call(_, args) => args.iter().find_map(|arg| find_window(&arg.expr)),
        K::Member(inner, _) | K::Unary(_, inner) => find_window(inner),
        K::Index(a, b) | K::Binary(_, a, b) => find_window(a).or_else(|| find_window(b)),
        K::Between {
            value, low, high, ..
        } => [value, low, high].into_iter().find_map(|e| find_window(e)),
        K::In(_, value, _) => find_window(value),
        _ => None,
    }
}
