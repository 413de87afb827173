//! `reduce`: texts that are alike, as patterns. A query over a function that finds them.

use atalaya_model::Span;

use super::Binder;
use super::scope::{Env, Value};
use crate::ast::{Expr, Name};
use crate::bound::RelNode;

/// Most texts that are looked at.
const TEXTS_MAX: usize = 100_000;

impl Binder<'_> {
    pub(crate) fn reduce(
        &mut self,
        env: &Env,
        node: RelNode,
        value: &Expr,
        options: &[(Name, Expr)],
        span: Span,
    ) -> Option<RelNode> {
        let (mut threshold, mut characters) = ("0.1".to_owned(), "''".to_owned());
        for (name, option) in options {
            let text = option.span.slice(&self.source).to_owned();
            match name.text.as_str() {
                "threshold" => threshold = text,
                "characters" => characters = text,
                other => {
                    let message = format!("`reduce` has no option `{other}`");
                    let help = "its options are threshold and characters".to_owned();
                    self.error_help("KS107", name.span, message, help);
                    return None;
                }
            }
        }
        let value = value.span.slice(&self.source).to_owned();
        let text = format!(
            "__reduce_rows
            | take {TEXTS_MAX}
            | summarize __reduce_all = make_list(tostring({value}), {TEXTS_MAX})
            | extend __reduce_found = __reduce(__reduce_all, toreal({threshold}), {characters})
            | mv-expand __reduce_found
            | project Pattern = tostring(__reduce_found[0]), Count = tolong(__reduce_found[1]),
                Representative = tostring(__reduce_found[2])"
        );
        let mut env = env.clone();
        env.set("__reduce_rows", Value::Rows(node.into()), self.made());
        self.foreign_rows(&env, &text, "reduce", span)
    }
}
