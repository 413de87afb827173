//! Operators with several results, which end a query: `fork` and `facet`.

use atalaya_model::Span;

use super::Binder;
use super::scope::Env;
use crate::ast::{ExprKind, Name, NamedExpr, Operator};
use crate::bound::{Further, RelNode};

/// Most results of one query.
const RESULTS_MAX: usize = 64;

impl Binder<'_> {
    /// The first branch is the query's result, the others are further ones.
    pub(crate) fn fork(
        &mut self,
        env: &Env,
        node: RelNode,
        branches: &[(Option<Name>, Vec<Operator>)],
        span: Span,
    ) -> Option<RelNode> {
        self.ends_the_query("fork", branches.len(), span)?;
        let shared = node;
        let mut results = Vec::with_capacity(branches.len());
        for (name, body) in branches {
            let result = self.operators(&mut env.clone(), shared.clone(), body)?;
            results.push(Further {
                name: name.as_ref().map(|name| name.text.clone()),
                root: result,
            });
        }
        self.give(results)
    }

    /// The values of each column with their counts, then the rows.
    pub(crate) fn facet(
        &mut self,
        env: &Env,
        node: RelNode,
        (columns, body): (&[Name], &[Operator]),
        span: Span,
    ) -> Option<RelNode> {
        self.ends_the_query("facet", columns.len() + 1, span)?;
        let shared = node;
        let mut results = Vec::with_capacity(columns.len() + 1);
        for column in columns {
            let expr = |kind| crate::ast::Expr {
                kind,
                span: column.span,
            };
            let count = NamedExpr {
                names: vec![Name {
                    text: format!("count_{}", column.text),
                    span: column.span,
                }],
                expr: expr(ExprKind::Call("count".to_owned(), Vec::new())),
            };
            let key = NamedExpr {
                names: Vec::new(),
                expr: expr(ExprKind::Name(column.text.clone())),
            };
            let root = self.summarize(env, shared.clone(), &[count], &[key], span)?;
            results.push(Further {
                name: Some(column.text.clone()),
                root,
            });
        }
        if !body.is_empty() {
            let root = self.operators(&mut env.clone(), shared, body)?;
            results.push(Further { name: None, root });
        }
        self.give(results)
    }

    fn give(&mut self, results: Vec<Further>) -> Option<RelNode> {
        let mut results = results.into_iter();
        let first = results.next()?;
        self.further.extend(results);
        Some(first.root)
    }

    fn ends_the_query(&mut self, name: &str, results: usize, span: Span) -> Option<()> {
        if self.depth > 1 || !self.further.is_empty() {
            let message = format!("`{name}` gives several results: it can only end a query");
            let help = "take it out of the brackets, or use a let statement for each result";
            self.error_help("KQL011", span, message, help.to_owned());
            return None;
        }
        if results > RESULTS_MAX {
            let message = format!("`{name}` gives {results} results, at most {RESULTS_MAX} fit");
            self.error("KQL011", span, message);
            return None;
        }
        Some(())
    }
}
