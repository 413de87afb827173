//! Calls of a declared pattern: the row set that stands for the values of the arguments.

use atalaya_model::Span;

use super::Binder;
use super::scope::{Env, Value};
use crate::ast::{Name, NamedExpr};
use crate::bound::{ExprKind, Literal, RelNode};

impl Binder<'_> {
    /// Rows of `name("a").path`.
    pub(crate) fn pattern_rows(
        &mut self,
        env: &Env,
        (name, args, path): (&Name, &[NamedExpr], Option<&Name>),
        span: Span,
    ) -> Option<RelNode> {
        let Some(Value::Pattern {
            pattern,
            env: inner,
        }) = env.get(&name.text).cloned()
        else {
            let message = format!("there is no pattern `{}`", name.text);
            self.error("KS211", name.span, message);
            return None;
        };
        if args.len() != pattern.parameters.len() && !pattern.matches.is_empty() {
            let (wanted, given) = (pattern.parameters.len(), args.len());
            let message = format!("`{}` wants {wanted} arguments, not {given}", name.text);
            self.error("KS119", span, message);
            return None;
        }
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            let ExprKind::Literal(Literal::String(text)) = self.scalar(env, &arg.expr)?.kind else {
                let message = "the arguments of a pattern are texts in quotes".to_owned();
                self.error("KS107", arg.expr.span, message);
                return None;
            };
            values.push(text);
        }
        let path = path.map(|path| path.text.as_str());
        let found = pattern
            .matches
            .iter()
            .find(|known| known.arguments == values && known.path.as_deref() == path);
        let Some(found) = found else {
            let known: Vec<String> = pattern.matches.iter().map(spelled).collect();
            let message = format!("the pattern `{}` has no rows for these values", name.text);
            let help = format!("it has rows for {}", known.join(", "));
            self.error_help("KS211", span, message, help);
            return None;
        };
        if !self.enter(span) {
            return None;
        }
        let rows = self.pipeline(&inner, &found.body);
        self.leave();
        rows
    }
}

/// `("a").b`
fn spelled(known: &crate::ast::PatternMatch) -> String {
    let path = known.path.as_ref().map(|path| format!(".{path}"));
    format!(
        "({:?}){}",
        known.arguments.join("\", \""),
        path.unwrap_or_default()
    )
}
