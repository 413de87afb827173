//! `set` statements that change what a query answers: `query_now`, and the bins of `bin_auto`.
//! The others change how a cluster works, and say nothing here.

use atalaya_model::Span;

use super::Binder;
use super::scope::{Env, Scope};
use crate::ast::{self, Name, NamedExpr};
use crate::bound::{Expr, ExprKind, Literal};

/// Size and start of the bins of `bin_auto`.
#[derive(Default)]
pub(super) struct BinAuto {
    size: Option<ast::Expr>,
    at: Option<ast::Expr>,
}

impl Binder<'_> {
    pub(super) fn settings(&mut self, env: &Env, sets: &[(Name, Option<ast::Expr>)]) {
        for (name, value) in sets {
            let Some(value) = value else { continue };
            match name.text.as_str() {
                "query_bin_auto_size" => self.bin_auto.size = Some(value.clone()),
                "query_bin_auto_at" => self.bin_auto.at = Some(value.clone()),
                "query_now" => {
                    let now = self.scalar(env, value).map(|now| now.kind);
                    match now {
                        Some(ExprKind::Literal(Literal::DateTime(ticks))) => {
                            self.options.now_ticks = ticks;
                        }
                        Some(_) => {
                            let message = "`query_now` is a literal datetime".to_owned();
                            self.error("KS107", value.span, message);
                        }
                        None => {}
                    }
                }
                _ => {}
            }
        }
    }

    /// `bin_auto(value)`: `bin` or `bin_at` with what was set.
    pub(super) fn bin_auto(
        &mut self,
        scope: Scope<'_>,
        value: &NamedExpr,
        span: Span,
    ) -> Option<Expr> {
        let Some(size) = self.bin_auto.size.clone() else {
            let message = "`bin_auto` has no size of bins".to_owned();
            let help = "write `set query_bin_auto_size = 1h;` before the query, or use `bin`";
            self.error_help("KS107", span, message, help.to_owned());
            return None;
        };
        let unnamed = |expr: ast::Expr| NamedExpr {
            names: Vec::new(),
            expr: ast::Expr { span, ..expr },
        };
        let mut args = vec![value.clone(), unnamed(size)];
        let at = self.bin_auto.at.clone();
        let name = if at.is_some() { "bin_at" } else { "bin" };
        args.extend(at.map(unnamed));
        self.call(scope, name, &args, span)
    }
}
