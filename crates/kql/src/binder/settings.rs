//! `set` statements that change what a query answers: `query_now`, the bins of `bin_auto`, and how
//! large a result may be. The others change how a cluster works, and say nothing here.

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
            if name.text == "notruncation" {
                let value = value.as_ref().and_then(|value| self.scalar(env, value));
                let kind = value.map(|value| value.kind);
                let is_off = matches!(kind, Some(ExprKind::Literal(Literal::Bool(false))));
                self.truncation.is_lifted = !is_off;
            }
            let Some(value) = value else { continue };
            match name.text.as_str() {
                "truncationmaxrecords" => {
                    self.truncation.rows_max = self.whole_setting(env, name, value);
                }
                "truncationmaxsize" => {
                    self.truncation.bytes_max = self.whole_setting(env, name, value);
                }
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

    /// A setting that is a number of something.
    fn whole_setting(&mut self, env: &Env, name: &Name, value: &ast::Expr) -> Option<u64> {
        let kind = self.scalar(env, value)?.kind;
        let number = match kind {
            ExprKind::Literal(Literal::Long(number)) => u64::try_from(number).ok(),
            _ => None,
        };
        if number.is_none() {
            let message = format!("`{}` is a whole number, and not negative", name.text);
            self.error("KS107", value.span, message);
        }
        number
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
