//! Which columns of a row set somebody asks for.

use atalaya_kql::bound::{ColumnDef, Expr, ExprKind};

/// One flag per column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Need(Vec<bool>);

impl Need {
    pub(super) fn all(schema: &[ColumnDef]) -> Self {
        Self(vec![true; schema.len()])
    }

    pub(super) fn none(columns: usize) -> Self {
        Self(vec![false; columns])
    }

    pub(super) fn has(&self, index: usize) -> bool {
        self.0.get(index).copied().unwrap_or(true)
    }

    pub(super) fn set(&mut self, index: usize) {
        if let Some(flag) = self.0.get_mut(index) {
            *flag = true;
        }
    }

    /// These, or the first if there is none: rows without columns cannot be held.
    pub(super) fn or_first(&self) -> Self {
        let mut need = self.clone();
        if !need.0.contains(&true) {
            need.set(0);
        }
        need
    }

    /// Also what the expression reads.
    pub(super) fn with_expr(&self, expr: &Expr) -> Self {
        let mut need = self.clone();
        need.add_expr(expr);
        need
    }

    pub(super) fn add_expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Column(index) => self.set(*index),
            ExprKind::Call { args, .. } => args.iter().for_each(|arg| self.add_expr(arg)),
            ExprKind::Literal(_) | ExprKind::ToScalar(_) | ExprKind::ValueSet(_) => {}
        }
    }

    /// What a projection must read for the needed outputs.
    pub(super) fn through_project(&self, exprs: &[Expr], input_columns: usize) -> Self {
        let mut below = Self::none(input_columns);
        for (index, expr) in exprs.iter().enumerate() {
            if self.has(index) {
                below.add_expr(expr);
            }
        }
        below
    }
}
