//! `top-nested`: the best of the first level, below each the best of the second, and so on.
//!
//! Level by level: the rows that belong to what is kept so far are summarized by one column more,
//! the best of every group are kept and joined to what was known of the group.

use atalaya_model::Span;

use super::Binder;
use super::names::implied;
use super::scope::{Env, Value};
use crate::ast::{
    Expr, ExprKind, JoinArgs, Name, NamedExpr, NestedLevel, Operator, OperatorKind, Pipeline,
    SortArg, Source,
};
use crate::bound::{RelNode, RelOp};

/// Names of intermediate row sets; nobody can write them.
const ROWS: &str = "$rows";
const KEPT: &str = "$kept";

impl Binder<'_> {
    pub(crate) fn top_nested(
        &mut self,
        env: &Env,
        node: RelNode,
        levels: &[NestedLevel],
        span: Span,
    ) -> Option<RelNode> {
        let names: Vec<(String, String)> = levels.iter().map(names_of).collect();
        let computed: Vec<NamedExpr> = levels
            .iter()
            .zip(&names)
            .filter(|(level, _)| !matches!(level.of.expr.kind, ExprKind::Name(_)))
            .map(|(level, (name, _))| named(name, level.of.expr.clone(), span))
            .collect();
        let mut env = env.clone();
        let rows = if computed.is_empty() {
            node
        } else {
            self.extend(&env, node, &computed, span)?
        };
        let rows = self.share(rows);
        env.set(ROWS, Value::Rows(rows.into()), self.made());
        let mut kept: Option<RelNode> = None;
        for (depth, level) in levels.iter().enumerate() {
            let found = self.level(&env, level, &names[..=depth], span)?;
            let found = match kept {
                None => found,
                Some(_) => self.with_parents(&env, found, &names[..=depth], span)?,
            };
            let found = self.share(found);
            env.set(KEPT, Value::Rows(found.clone().into()), self.made());
            kept = Some(found);
        }
        kept
    }

    /// The best of one level within every group of the levels above.
    fn level(
        &mut self,
        env: &Env,
        level: &NestedLevel,
        names: &[(String, String)],
        span: Span,
    ) -> Option<RelNode> {
        let (own, above) = names.split_last()?;
        let mut operators = Vec::new();
        if !above.is_empty() {
            operators.push(join("leftsemi", above, span));
        }
        let groups = names.iter().map(|(name, _)| column(name, span)).collect();
        let by = named(&own.1, level.by.expr.clone(), span);
        operators.push(OperatorKind::Summarize(vec![by], groups));
        let rows = Pipeline {
            source: Source::Name(Name {
                text: ROWS.to_owned(),
                span,
            }),
            operators: operators
                .into_iter()
                .map(|kind| Operator { kind, span })
                .collect(),
            span,
        };
        let summary = self.pipeline(env, &rows)?;
        let Some(count) = &level.count else {
            return Some(summary);
        };
        let key = SortArg {
            expr: column(&own.1, span).expr,
            descending: level.descending,
            nulls_first: None,
        };
        let top = [Operator {
            kind: OperatorKind::Top(count.clone(), vec![key]),
            span,
        }];
        let mut inner = env.clone();
        if above.is_empty() {
            return self.operators(&mut inner, summary, &top);
        }
        let (slot, part) = self.slot(summary.schema.clone(), span);
        let body = self.operators(&mut inner, part, &top)?;
        let schema = body.schema.clone();
        Some(RelNode {
            op: RelOp::Each {
                keys: (0..above.len()).collect(),
                carried: Vec::new(),
                width: summary.schema.len(),
                input: Box::new(summary),
                body: Box::new(body),
                slot,
            },
            schema,
            span,
            serialized: false,
        })
    }

    /// Joined to what is known of the levels above: name, aggregate, name, aggregate, …
    fn with_parents(
        &mut self,
        env: &Env,
        found: RelNode,
        names: &[(String, String)],
        span: Span,
    ) -> Option<RelNode> {
        let above = &names[..names.len() - 1];
        let list = names
            .iter()
            .flat_map(|(name, aggregate)| [column(name, span), column(aggregate, span)])
            .collect();
        let operators = [join("inner", above, span), OperatorKind::Project(list)]
            .map(|kind| Operator { kind, span });
        self.operators(&mut env.clone(), found, &operators)
    }
}

/// Names of a level's column and of its aggregate.
fn names_of(level: &NestedLevel) -> (String, String) {
    let given = |named: &NamedExpr| named.names.first().map(|name| name.text.clone());
    let own = given(&level.of)
        .or_else(|| implied(&level.of.expr))
        .unwrap_or_default();
    let aggregate = given(&level.by).unwrap_or_else(|| format!("aggregated_{own}"));
    (own, aggregate)
}

fn named(name: &str, expr: Expr, span: Span) -> NamedExpr {
    NamedExpr {
        names: vec![Name {
            text: name.to_owned(),
            span,
        }],
        expr,
    }
}

fn column(name: &str, span: Span) -> NamedExpr {
    NamedExpr {
        names: Vec::new(),
        expr: Expr {
            kind: ExprKind::Name(name.to_owned()),
            span,
        },
    }
}

/// A join with what is kept, on the columns of the levels above.
fn join(kind: &str, above: &[(String, String)], span: Span) -> OperatorKind {
    OperatorKind::Join(JoinArgs {
        kind: Some(Name {
            text: kind.to_owned(),
            span,
        }),
        right: Pipeline {
            source: Source::Name(Name {
                text: KEPT.to_owned(),
                span,
            }),
            operators: Vec::new(),
            span,
        },
        on: above
            .iter()
            .map(|(name, _)| column(name, span).expr)
            .collect(),
    })
}
