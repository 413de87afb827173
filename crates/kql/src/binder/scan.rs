//! `scan`: what a step's expressions can see becomes columns, `step.column` among them.

use atalaya_model::Span;

use super::Binder;
use super::expr::call;
use super::literal::literal;
use super::scope::{Env, Scope, Value};
use super::typing::conversion;
use crate::ast::{self, Expr, ExprKind, InItem, NamedExpr, ScanArgs};
use crate::bound::{self, ColumnDef, Literal, RelNode, RelOp, ScanOutput, ScanStep, Type};

impl Binder<'_> {
    pub(crate) fn scan(
        &mut self,
        env: &Env,
        node: RelNode,
        args: &ScanArgs,
        span: Span,
    ) -> Option<RelNode> {
        if !node.serialized {
            let message = "`scan` wants rows in an order".to_owned();
            let help = "write `| sort by … asc` before it".to_owned();
            self.error_help("ATL103", span, message, help);
            return None;
        }
        let mut env = env.clone();
        let (declared, defaults) = self.scan_columns(&mut env, args, span)?;
        let steps: Vec<&str> = args
            .steps
            .iter()
            .map(|step| step.name.text.as_str())
            .collect();
        let mut seen = node.schema.clone();
        for step in &steps {
            for column in node.schema.iter().chain(&declared) {
                seen.push(ColumnDef {
                    name: state_name(step, &column.name),
                    range: None,
                    ..column.clone()
                });
            }
        }
        let mut bound_steps = Vec::new();
        for step in &args.steps {
            let scope = Scope {
                env: &env,
                columns: &seen,
                serialized: false,
            };
            bound_steps.push(self.scan_step(scope, step, &steps, &declared)?);
        }
        let mut schema = node.schema.clone();
        schema.extend(declared);
        if let Some(name) = &args.match_id {
            schema.push(ColumnDef {
                name: name.text.clone(),
                ty: Type::Long,
                range: None,
            });
        }
        Some(RelNode {
            op: RelOp::Scan {
                input: Box::new(node),
                defaults,
                steps: bound_steps,
                with_match_id: args.match_id.is_some(),
            },
            schema,
            span,
            serialized: true,
        })
    }
}

type Columns = (Vec<ColumnDef>, Vec<bound::Expr>);

impl Binder<'_> {
    /// Declared columns and their defaults, which their plain names stand for.
    fn scan_columns(&mut self, env: &mut Env, args: &ScanArgs, span: Span) -> Option<Columns> {
        let (mut declared, mut defaults) = (Vec::new(), Vec::new());
        for (name, ty, default) in &args.declared {
            let Some(ty) = Type::parse(&ty.text) else {
                self.error("KS142", ty.span, format!("`{}` is no type", ty.text));
                return None;
            };
            let default = match default {
                None => literal(Literal::Null, ty, span),
                Some(default) => fitted(self.scalar(env, default)?, ty),
            };
            env.set(&name.text, Value::Scalar(default.clone().into()), 1);
            defaults.push(default);
            declared.push(ColumnDef {
                name: name.text.clone(),
                ty,
                range: None,
            });
        }
        Some((declared, defaults))
    }

    fn scan_step(
        &mut self,
        scope: Scope<'_>,
        step: &ast::ScanStep,
        steps: &[&str],
        declared: &[ColumnDef],
    ) -> Option<ScanStep> {
        let condition = self.expr(scope, &with_states(&step.condition, steps))?;
        if condition.ty != Type::Bool {
            let message = format!("a step wants a condition, not {}", condition.ty.name());
            self.error("KS106", condition.span, message);
            return None;
        }
        let mut assigns = Vec::new();
        for (name, value) in &step.assigns {
            let Some(at) = declared.iter().position(|column| column.name == name.text) else {
                let message = format!("`{}` is not declared", name.text);
                self.error("KS142", name.span, message);
                return None;
            };
            let value = self.expr(scope, &with_states(value, steps))?;
            assigns.push((at, fitted(value, declared[at].ty)));
        }
        let output = match step.output.as_ref().map(|output| output.text.as_str()) {
            None | Some("all") => ScanOutput::All,
            Some("last") => ScanOutput::Last,
            Some(_) => ScanOutput::Nothing,
        };
        Some(ScanStep {
            condition,
            assigns,
            output,
        })
    }
}

fn fitted(expr: bound::Expr, ty: Type) -> bound::Expr {
    if expr.ty == ty {
        return expr;
    }
    let span = expr.span;
    call(conversion(ty), vec![expr], ty, span)
}

/// The column that stands for a step's value of a column.
fn state_name(step: &str, column: &str) -> String {
    format!("{step}.{column}")
}

/// The expression with every `step.column` as a name.
fn with_states(expr: &Expr, steps: &[&str]) -> Expr {
    let go = |expr: &Expr| Box::new(with_states(expr, steps));
    let kind = match &expr.kind {
        ExprKind::Member(base, name) => match &base.kind {
            ExprKind::Name(step) if steps.contains(&step.as_str()) => {
                ExprKind::Name(state_name(step, &name.text))
            }
            _ => ExprKind::Member(go(base), name.clone()),
        },
        ExprKind::Unary(name, inner) => ExprKind::Unary(name, go(inner)),
        ExprKind::Binary(name, left, right) => ExprKind::Binary(name.clone(), go(left), go(right)),
        ExprKind::Index(base, index) => ExprKind::Index(go(base), go(index)),
        ExprKind::Call(name, args) => {
            let arg = |arg: &NamedExpr| NamedExpr {
                names: arg.names.clone(),
                expr: *go(&arg.expr),
            };
            ExprKind::Call(name.clone(), args.iter().map(arg).collect())
        }
        ExprKind::Between {
            name,
            value,
            low,
            high,
            comma,
        } => ExprKind::Between {
            name: name.clone(),
            value: go(value),
            low: go(low),
            high: go(high),
            comma: *comma,
        },
        ExprKind::In(name, value, items) => {
            let item = |item: &InItem| match item {
                InItem::Scalar(expr) => InItem::Scalar(*go(expr)),
                InItem::Rows(rows) => InItem::Rows(rows.clone()),
            };
            ExprKind::In(name.clone(), go(value), items.iter().map(item).collect())
        }
        other => other.clone(),
    };
    Expr {
        kind,
        span: expr.span,
    }
}
