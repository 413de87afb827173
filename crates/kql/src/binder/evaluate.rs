//! `evaluate`: the plugins whose columns are known before a row is read.

use atalaya_model::Span;

use super::Binder;
use super::QuestionKind;
use super::expr::call;
use super::literal::literal;
use super::plugins;
use super::project::{columns, projected};
use super::rel::scope;
use super::scope::Env;
use super::typing::conversion;
use crate::ast::{self, EvaluateArgs, Name, NamedExpr};
use crate::bound::{ColumnDef, Expr, ExprKind, Literal, RelNode, RelOp, Type};

/// Plugins that are understood.
const PLUGINS: [&str; 4] = ["bag_unpack", "ipv4_lookup", "ipv6_lookup", "pivot"];

/// Names of all plugins.
pub(crate) fn plugin_names() -> impl Iterator<Item = &'static str> {
    PLUGINS.into_iter().chain(plugins::names())
}

impl Binder<'_> {
    pub(crate) fn evaluate(
        &mut self,
        env: &Env,
        node: RelNode,
        args: &EvaluateArgs,
        span: Span,
    ) -> Option<RelNode> {
        match (args.plugin.text.as_str(), &args.columns) {
            ("ipv4_lookup" | "ipv6_lookup", _) => self.ip_lookup(env, node, args, span),
            ("bag_unpack", Some(declared)) => self.bag_unpack(env, node, args, declared, span),
            ("pivot", Some(declared)) => self.pivot(env, node, args, declared, span),
            ("bag_unpack", None) => self.bag_unpack_found(env, node, args, span),
            ("pivot", None) => self.pivot_found(env, node, args, span),
            (name, _) => {
                if plugins::names().any(|known| known == name) {
                    return self.written_plugin(env, node, args, span)?;
                }
                let message = match crate::catalogue::refused(name) {
                    Some(reason) => format!("the plugin `{name}` is refused: {reason}"),
                    None => format!("the plugin `{name}` is not supported yet"),
                };
                let mut known: Vec<_> = plugin_names().collect();
                known.sort_unstable();
                let help = format!("plugins are: {}", known.join(", "));
                self.error_help("KQL010", args.plugin.span, message, help);
                None
            }
        }
    }

    /// `ipv4_lookup(T, address, network, …, return_unmatched = true)`
    fn ip_lookup(
        &mut self,
        env: &Env,
        node: RelNode,
        args: &EvaluateArgs,
        span: Span,
    ) -> Option<RelNode> {
        let [table, address, network, rest @ ..] = args.args.as_slice() else {
            let message = "a lookup wants a table, an address and the table's networks".to_owned();
            self.error("KS119", span, message);
            return None;
        };
        let Some(lookup) = self.rows_of_expr(env, &table.expr) else {
            let message = "the first argument of a lookup is a table".to_owned();
            self.error("KS109", table.expr.span, message);
            return None;
        };
        let lookup = lookup?;
        let address = self.expr(scope(env, &node), &address.expr)?;
        let network = self.expr(scope(env, &lookup), &network.expr)?;
        let ExprKind::Column(network) = network.kind else {
            let message = "the third argument of a lookup is a column of the table".to_owned();
            self.error("KS107", network.span, message);
            return None;
        };
        let (keys, keeps_unmatched) = self.lookup_options(&node, &lookup, rest)?;
        let source = node.schema.clone();
        let mut exprs = columns(&node);
        exprs.push(address);
        let mut below = source.clone();
        below.push(ColumnDef {
            name: "$address".to_owned(),
            ty: Type::String,
            range: None,
        });
        let mut schema = source;
        let mut namer = super::names::Namer::with(&schema);
        for column in &lookup.schema {
            schema.push(ColumnDef {
                name: namer.name(Some(column.name.clone())),
                range: None,
                ..column.clone()
            });
        }
        let of_input = node.schema.len();
        let joined = RelNode {
            op: RelOp::NetworkLookup {
                input: Box::new(projected(node, exprs, below, span)),
                lookup: Box::new(lookup),
                network,
                keys,
                keeps_unmatched,
            },
            schema: schema.clone(),
            span,
            serialized: false,
        };
        if args.plugin.text == "ipv4_lookup" {
            return Some(joined);
        }
        // The lookup for IPv6 puts its own columns first.
        let mut exprs = columns(&joined);
        exprs.rotate_left(of_input);
        schema.rotate_left(of_input);
        Some(projected(joined, exprs, schema, span))
    }

    /// Further keys, and whether rows without a network are kept.
    fn lookup_options(
        &mut self,
        node: &RelNode,
        lookup: &RelNode,
        rest: &[NamedExpr],
    ) -> Option<(Vec<(usize, usize)>, bool)> {
        let (mut keys, mut keeps_unmatched) = (Vec::new(), false);
        for arg in rest {
            match (&arg.expr.kind, arg.names.first()) {
                (ast::ExprKind::Bool(value), _) => keeps_unmatched = *value,
                (ast::ExprKind::Name(name), None) => {
                    let at =
                        |node: &RelNode| node.schema.iter().position(|column| column.name == *name);
                    match (at(node), at(lookup)) {
                        (Some(left), Some(right)) => keys.push((left, right)),
                        _ => {
                            let message = format!("`{name}` is not in both tables");
                            self.error("KS142", arg.expr.span, message);
                            return None;
                        }
                    }
                }
                _ => {
                    let message = "a lookup has no such argument".to_owned();
                    self.error("KS107", arg.expr.span, message);
                    return None;
                }
            }
        }
        Some((keys, keeps_unmatched))
    }

    /// `bag_unpack(bag, prefix) : (a: long, …)`
    fn bag_unpack(
        &mut self,
        env: &Env,
        node: RelNode,
        args: &EvaluateArgs,
        declared: &[(Name, Name)],
        span: Span,
    ) -> Option<RelNode> {
        let bag = args
            .args
            .first()
            .and_then(|arg| self.expr(scope(env, &node), &arg.expr))?;
        let prefix = args
            .args
            .iter()
            .skip(1)
            .find_map(|arg| match &arg.expr.kind {
                ast::ExprKind::String(text)
                    if arg
                        .names
                        .first()
                        .is_none_or(|name| name.text.contains("prefix")) =>
                {
                    Some(text.clone())
                }
                _ => None,
            });
        let prefix = prefix.unwrap_or_default();
        let replaces = args
            .args
            .iter()
            .any(|arg| arg.expr.kind == ast::ExprKind::String("replace_source".to_owned()));
        let (mut exprs, mut schema) = (Vec::new(), Vec::new());
        if args.keeps_input {
            for (expr, column) in columns(&node).into_iter().zip(&node.schema) {
                if expr.kind != bag.kind {
                    exprs.push(expr);
                    schema.push(column.clone());
                }
            }
        }
        let all = columns(&node);
        for (name, ty) in declared {
            let ty = self.declared_type(ty)?;
            let known = node
                .schema
                .iter()
                .position(|column| column.name == name.text);
            let expr = match known {
                Some(index) if !replaces => all[index].clone(),
                _ => {
                    let key = name.text.strip_prefix(&prefix).unwrap_or(&name.text);
                    from_bag(&bag, key, ty, span)
                }
            };
            schema.push(ColumnDef {
                name: name.text.clone(),
                ty: expr.ty,
                range: None,
            });
            exprs.push(expr);
        }
        Some(projected(node, exprs, schema, span))
    }

    /// `bag_unpack` whose columns are the keys that the bags have.
    fn bag_unpack_found(
        &mut self,
        env: &Env,
        node: RelNode,
        args: &EvaluateArgs,
        span: Span,
    ) -> Option<RelNode> {
        let bag = args
            .args
            .first()
            .and_then(|arg| self.expr(scope(env, &node), &arg.expr))?;
        let text = |name: &str| {
            args.args
                .iter()
                .skip(1)
                .find_map(|arg| match &arg.expr.kind {
                    ast::ExprKind::String(text)
                        if arg.names.first().is_some_and(|known| known.text == name) =>
                    {
                        Some(text.as_str())
                    }
                    _ => None,
                })
        };
        let positional = args.args.get(1).and_then(|arg| match &arg.expr.kind {
            ast::ExprKind::String(text) if arg.names.is_empty() => Some(text.as_str()),
            _ => None,
        });
        let prefix = positional
            .or_else(|| text("OutputColumnPrefix"))
            .unwrap_or_default();
        let conflict = text("columnsConflict").unwrap_or("error");
        let column = ColumnDef {
            name: "bag".to_owned(),
            ty: bag.ty,
            range: None,
        };
        let rows = projected(node.clone(), vec![bag.clone()], vec![column], span);
        let keys = self.ask(rows, QuestionKind::Keys)?;
        let mut exprs: Vec<Option<Expr>> = columns(&node).into_iter().map(Some).collect();
        let mut schema = node.schema.clone();
        let own = exprs
            .iter()
            .position(|expr| expr.as_ref().is_some_and(|e| e.kind == bag.kind));
        if let Some(own) = own {
            exprs[own] = None;
        }
        for key in keys {
            let name = format!("{prefix}{}", key.name);
            let value = from_bag(&bag, &key.name, key.ty, span);
            let definition = ColumnDef {
                name: name.clone(),
                ty: key.ty,
                range: None,
            };
            match schema.iter().position(|column| column.name == name) {
                Some(index) if Some(index) == own || conflict == "replace_source" => {
                    schema[index] = definition;
                    exprs[index] = Some(value);
                }
                Some(_) if conflict == "keep_source" => {}
                Some(_) => {
                    let message = format!("there is a column `{name}` already");
                    let help = "say columnsConflict='replace_source' or 'keep_source'".to_owned();
                    self.error_help("KS107", span, message, help);
                    return None;
                }
                None => {
                    schema.push(definition);
                    exprs.push(Some(value));
                }
            }
        }
        let kept = exprs.into_iter().zip(schema);
        let kept = kept.filter_map(|(expr, column)| Some((expr?, column)));
        let (exprs, schema) = kept.unzip();
        Some(projected(node, exprs, schema, span))
    }

    /// `pivot` whose columns are the values that the column has.
    fn pivot_found(
        &mut self,
        env: &Env,
        node: RelNode,
        args: &EvaluateArgs,
        span: Span,
    ) -> Option<RelNode> {
        let pivoted = args.args.first()?;
        let value = self.expr(scope(env, &node), &as_text(&pivoted.expr))?;
        let column = ColumnDef {
            name: "value".to_owned(),
            ty: Type::String,
            range: None,
        };
        let rows = projected(node.clone(), vec![value], vec![column], span);
        let values = self.ask(rows, QuestionKind::Values)?;
        let mut used = Vec::new();
        names_in(&pivoted.expr, &mut used);
        if let Some(aggregate) = args.args.get(1) {
            names_in(&aggregate.expr, &mut used);
        }
        let chosen = args.args.get(2..).unwrap_or_default();
        let mut groups: Vec<String> = Vec::new();
        chosen
            .iter()
            .for_each(|arg| names_in(&arg.expr, &mut groups));
        if chosen.is_empty() {
            let all = node.schema.iter().map(|column| column.name.clone());
            groups = all.filter(|name| !used.contains(name)).collect();
        }
        let name = |text: String| Name { text, span };
        let declared: Vec<(Name, Name)> = groups
            .into_iter()
            .chain(values.into_iter().map(|value| value.name))
            .map(|text| (name(text), name("dynamic".to_owned())))
            .collect();
        self.pivot(env, node, args, &declared, span)
    }

    /// `pivot(column, aggregate) : (group: string, value: long, …)`
    fn pivot(
        &mut self,
        env: &Env,
        node: RelNode,
        args: &EvaluateArgs,
        declared: &[(Name, Name)],
        span: Span,
    ) -> Option<RelNode> {
        let pivoted = args.args.first()?;
        let (function, of) = match args.args.get(1).map(|arg| &arg.expr.kind) {
            None => ("countif", None),
            Some(ast::ExprKind::Call(name, of)) if name == "count" && of.is_empty() => {
                ("countif", None)
            }
            Some(ast::ExprKind::Call(name, of)) => match (name.as_str(), of.first()) {
                ("sum", Some(of)) => ("sumif", Some(of.clone())),
                ("avg", Some(of)) => ("avgif", Some(of.clone())),
                ("max", Some(of)) => ("maxif", Some(of.clone())),
                ("min", Some(of)) => ("minif", Some(of.clone())),
                ("dcount", Some(of)) => ("dcountif", Some(of.clone())),
                ("take_any", Some(of)) => ("take_anyif", Some(of.clone())),
                _ => return self.no_pivot(pivoted),
            },
            Some(_) => return self.no_pivot(pivoted),
        };
        let named = |name: &Name, kind| NamedExpr {
            names: vec![name.clone()],
            expr: ast::Expr { kind, span },
        };
        let (mut groups, mut aggregates) = (Vec::new(), Vec::new());
        for (name, _) in declared {
            if node.schema.iter().any(|column| column.name == name.text) {
                groups.push(named(name, ast::ExprKind::Name(name.text.clone())));
                continue;
            }
            let is_value = ast::ExprKind::Binary(
                "==".to_owned(),
                Box::new(as_text(&pivoted.expr)),
                Box::new(ast::Expr {
                    kind: ast::ExprKind::String(name.text.clone()),
                    span,
                }),
            );
            let is_value = NamedExpr {
                names: Vec::new(),
                expr: ast::Expr {
                    kind: is_value,
                    span,
                },
            };
            let list = of.iter().cloned().chain([is_value]).collect();
            aggregates.push(named(name, ast::ExprKind::Call(function.to_owned(), list)));
        }
        self.summarize(env, node, &aggregates, &groups, span)
    }

    fn no_pivot(&mut self, at: &NamedExpr) -> Option<RelNode> {
        let message = "`pivot` takes count, sum, avg, min, max, dcount or take_any".to_owned();
        self.error("KQL010", at.expr.span, message);
        None
    }

    fn declared_type(&mut self, name: &Name) -> Option<Type> {
        let ty = Type::parse(&name.text);
        if ty.is_none() {
            let message = format!("`{}` is no type", name.text);
            self.error("KS142", name.span, message);
        }
        ty
    }
}

/// Names of columns in an expression.
fn names_in(expr: &ast::Expr, names: &mut Vec<String>) {
    match &expr.kind {
        ast::ExprKind::Name(name) => names.push(name.clone()),
        ast::ExprKind::Call(_, args) => args.iter().for_each(|arg| names_in(&arg.expr, names)),
        ast::ExprKind::Member(base, _) => names_in(base, names),
        _ => {}
    }
}

fn from_bag(bag: &Expr, key: &str, ty: Type, span: Span) -> Expr {
    let key = literal(Literal::String(key.to_owned()), Type::String, span);
    let value = call("path", vec![bag.clone(), key], Type::Dynamic, span);
    match ty {
        Type::Dynamic => value,
        ty => call(conversion(ty), vec![value], ty, span),
    }
}

fn as_text(expr: &ast::Expr) -> ast::Expr {
    let arg = NamedExpr {
        names: Vec::new(),
        expr: expr.clone(),
    };
    ast::Expr {
        kind: ast::ExprKind::Call("tostring".to_owned(), vec![arg]),
        span: expr.span,
    }
}
