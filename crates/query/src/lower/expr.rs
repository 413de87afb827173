//! Expressions.
//!
//! A call becomes a function of ours, prepared for its constants. Where SQL and Kusto mean the
//! same (`and`, equality of strings, comparisons inside of a filter), DataFusion's own operators
//! are used: they run on whole columns.

use std::sync::Arc;

use atalaya_kql::bound::{self, Expr, ExprKind, Literal};
use atalaya_model::Span;
use datafusion::common::Column;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{
    Expr as DfExpr, LogicalPlan, LogicalPlanBuilder, Operator, binary_expr, not,
};

use super::{LowerError, Lowered, column};
use crate::functions::{self, Arg, Call, Kernel};
use crate::types::{self, Type};
use crate::udf;
use crate::value::{Value, json, number};
use crate::windows::{self, WindowCall, Windowed};

/// The engine's type of a bound type.
pub(crate) const fn type_of(ty: bound::Type) -> Type {
    match ty {
        bound::Type::Bool => Type::Bool,
        bound::Type::Int => Type::Int,
        bound::Type::Long => Type::Long,
        bound::Type::Real => Type::Real,
        bound::Type::Decimal => Type::Decimal,
        bound::Type::String => Type::String,
        bound::Type::DateTime => Type::DateTime,
        bound::Type::Timespan => Type::Timespan,
        bound::Type::Guid => Type::Guid,
        bound::Type::Dynamic => Type::Dynamic,
    }
}

/// A lowered expression.
pub(super) struct Lowering {
    pub(super) expr: DfExpr,
    pub(super) ty: Type,
    /// The value, when it is the same for all rows.
    pub(super) constant: Option<Value>,
}

/// Expressions over one plan. Window functions become steps of that plan.
pub(super) struct Scope {
    plan: LogicalPlan,
    windows: usize,
    /// Windows over `plan` that are computed together.
    open: Vec<Window>,
}

/// A window function's call, and the name of its column.
struct Window {
    function: String,
    args: Vec<Lowering>,
    ty: Type,
    name: String,
}

impl Window {
    fn is(&self, function: &str, args: &[Lowering], ty: Type) -> bool {
        let same = |(a, b): (&Lowering, &Lowering)| a.ty == b.ty && a.expr == b.expr;
        self.function == function
            && self.ty == ty
            && self.args.len() == args.len()
            && self.args.iter().zip(args).all(same)
    }
}

impl Scope {
    pub(super) const fn over(plan: LogicalPlan) -> Self {
        Self {
            plan,
            windows: 0,
            open: Vec::new(),
        }
    }

    pub(super) const fn has_windows(&self) -> bool {
        self.windows > 0
    }

    pub(super) fn into_plan(mut self) -> Lowered<LogicalPlan> {
        self.close()?;
        Ok(self.plan)
    }

    /// Puts the open windows into the plan.
    fn close(&mut self) -> Lowered<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        let plan = std::mem::replace(&mut self.plan, LogicalPlanBuilder::empty(false).build()?);
        // Arguments are columns of their own behind those of the plan.
        let mut inputs: Vec<DfExpr> = plan
            .schema()
            .columns()
            .into_iter()
            .map(DfExpr::Column)
            .collect();
        let names: Vec<String> = plan
            .schema()
            .fields()
            .iter()
            .map(|f| f.name().clone())
            .collect();
        let mut calls = Vec::with_capacity(self.open.len());
        for window in self.open.drain(..) {
            let offset = window.args.get(1).and_then(|arg| arg.constant.clone());
            let mut places = Vec::with_capacity(window.args.len());
            for arg in window.args {
                let known = inputs.iter().position(|input| *input == arg.expr);
                let place = known.unwrap_or_else(|| {
                    let name = format!("a{}", inputs.len());
                    inputs.push(arg.expr.alias(name));
                    inputs.len() - 1
                });
                places.push((place, arg.ty));
            }
            let call = WindowCall::new(&window.function, places, offset.as_ref(), window.ty);
            let call = call.ok_or_else(|| {
                LowerError::Limit(format!(
                    "the window function {} is missing",
                    window.function
                ))
            })?;
            calls.push((window.name, call));
        }
        let outputs = names.iter().chain(calls.iter().map(|(name, _)| name));
        let outputs: Vec<DfExpr> = outputs
            .map(|name| DfExpr::Column(Column::from_name(name.as_str())).alias(name.as_str()))
            .collect();
        let plan = LogicalPlanBuilder::from(plan).project(inputs)?.build()?;
        let windowed = provider_as_source(Arc::new(Windowed::new(plan, calls)));
        self.plan = LogicalPlanBuilder::scan("windowed", windowed, None)?
            .project(outputs)?
            .build()?;
        Ok(())
    }

    /// Lowers an expression.
    pub(super) fn expr(&mut self, expr: &Expr) -> Lowered<Lowering> {
        let ty = type_of(expr.ty);
        match &expr.kind {
            ExprKind::Column(index) => Ok(Lowering {
                expr: column(*index),
                ty,
                constant: None,
            }),
            ExprKind::Literal(literal) => Ok(constant(value_of(literal, ty), ty)),
            ExprKind::Call { name, args } => {
                let args = args
                    .iter()
                    .map(|arg| self.expr(arg))
                    .collect::<Lowered<Vec<_>>>()?;
                if windows::is_window(name) {
                    return self.window(name, args, ty);
                }
                self.call(name, args, ty, expr.span)
            }
            ExprKind::ToScalar(_) | ExprKind::ValueSet(_) => Err(LowerError::unsupported(
                "a query inside of an expression is not possible here",
                expr.span,
            )),
        }
    }

    /// Lowers a predicate: null counts as false, which frees faster operators.
    pub(super) fn predicate(&mut self, expr: &Expr) -> Lowered<DfExpr> {
        let ExprKind::Call { name, args } = &expr.kind else {
            return Ok(self.expr(expr)?.expr);
        };
        match (name.as_str(), args.as_slice()) {
            ("and" | "or", [left, right]) => {
                let left = self.predicate(left)?;
                let right = self.predicate(right)?;
                Ok(if name == "and" {
                    left.and(right)
                } else {
                    left.or(right)
                })
            }
            (operator, [left, right]) => match native(operator, left, right) {
                Some(native) => {
                    let left = self.expr(left)?.expr;
                    let right = self.expr(right)?.expr;
                    Ok(binary_expr(left, native, right))
                }
                None => Ok(self.expr(expr)?.expr),
            },
            _ => Ok(self.expr(expr)?.expr),
        }
    }

    fn call(&self, name: &str, mut args: Vec<Lowering>, ty: Type, span: Span) -> Lowered<Lowering> {
        if let Some(expr) = sql_operator(name, &mut args) {
            return Ok(Lowering {
                expr,
                ty,
                constant: None,
            });
        }
        let function = functions::find(name).ok_or_else(|| {
            LowerError::unsupported(format!("the engine does not have `{name}` yet"), span)
        })?;
        if let Some(value) = folded(function, &args, ty) {
            return Ok(constant(value, ty));
        }
        let args = args
            .into_iter()
            .map(|arg| {
                let known = Arg {
                    ty: arg.ty,
                    constant: arg.constant,
                };
                (arg.expr, known)
            })
            .collect();
        let expr = udf::call(function, args, ty)
            .map_err(|reason| LowerError::unsupported(format!("`{name}`: {reason}"), span))?;
        Ok(Lowering {
            expr,
            ty,
            constant: None,
        })
    }

    fn window(&mut self, name: &str, args: Vec<Lowering>, ty: Type) -> Lowered<Lowering> {
        let is_open = |name: &str| self.open.iter().any(|open| open.name == name);
        let looks_at_open = args.iter().any(|arg| {
            let columns = arg.expr.column_refs();
            columns.iter().any(|column| is_open(&column.name))
        });
        if looks_at_open {
            self.close()?;
        }
        let known = self.open.iter().find(|open| open.is(name, &args, ty));
        let alias = match known {
            Some(open) => open.name.clone(),
            None => {
                let alias = format!("w{}", self.windows);
                self.windows += 1;
                self.open.push(Window {
                    function: name.to_owned(),
                    args,
                    ty,
                    name: alias.clone(),
                });
                alias
            }
        };
        Ok(Lowering {
            expr: DfExpr::Column(Column::from_name(alias)),
            ty,
            constant: None,
        })
    }
}

fn constant(value: Value, ty: Type) -> Lowering {
    Lowering {
        expr: DfExpr::Literal(types::scalar(&value, ty), None),
        ty,
        constant: Some(value),
    }
}

/// The value of a literal.
pub(super) fn value_of(literal: &Literal, ty: Type) -> Value {
    match literal {
        Literal::Null if ty == Type::String => Value::string(""),
        Literal::Null => Value::Null,
        Literal::Bool(v) => Value::Bool(*v),
        Literal::Long(v) => match ty {
            Type::Int => i32::try_from(*v).map_or(Value::Null, Value::Int),
            Type::Real | Type::Decimal => Value::Real(*v as f64),
            _ => Value::Long(*v),
        },
        Literal::Real(v) => Value::Real(*v),
        Literal::Decimal(text) => number::parse_real(text).map_or(Value::Null, Value::Real),
        Literal::String(text) => Value::string(text.as_str()),
        Literal::DateTime(v) => Value::DateTime(*v),
        Literal::Timespan(v) => Value::Timespan(*v),
        Literal::Guid(text) => Value::Guid(Arc::from(text.as_str())),
        Literal::Dynamic(text) => json::parse(text).unwrap_or_default(),
    }
}

/// The operators that SQL means in the same way, three-valued logic included.
fn sql_operator(name: &str, args: &mut Vec<Lowering>) -> Option<DfExpr> {
    let strings = args.len() == 2 && args.iter().all(|arg| arg.ty == Type::String);
    let operator = match name {
        "and" => Operator::And,
        "or" => Operator::Or,
        "==" if strings => Operator::Eq,
        "!=" if strings => Operator::NotEq,
        "not" if args.len() == 1 && args[0].ty == Type::Bool => {
            return args.pop().map(|arg| not(arg.expr));
        }
        _ => return None,
    };
    if args.len() != 2 {
        return None;
    }
    let right = args.pop()?.expr;
    let left = args.pop()?.expr;
    Some(binary_expr(left, operator, right))
}

/// The operator that gives true for the same rows, when both sides are of one type whose order is
/// the same in Arrow.
fn native(name: &str, left: &Expr, right: &Expr) -> Option<Operator> {
    let comparable = matches!(
        left.ty,
        bound::Type::Bool
            | bound::Type::Int
            | bound::Type::Long
            | bound::Type::DateTime
            | bound::Type::Timespan
    );
    let literal =
        |e: &Expr| matches!(&e.kind, ExprKind::Literal(literal) if *literal != Literal::Null);
    if left.ty != right.ty || !comparable {
        return None;
    }
    match name {
        "==" => Some(Operator::Eq),
        "<" => Some(Operator::Lt),
        "<=" => Some(Operator::LtEq),
        ">" => Some(Operator::Gt),
        ">=" => Some(Operator::GtEq),
        "!=" if literal(left) || literal(right) => Some(Operator::IsDistinctFrom),
        _ => None,
    }
}

/// The value of a call whose arguments are all constant.
fn folded(function: &'static functions::Function, args: &[Lowering], ty: Type) -> Option<Value> {
    if matches!(function.name, "rand" | "new_guid") {
        return None;
    }
    let values: Vec<Value> = args
        .iter()
        .map(|arg| arg.constant.clone())
        .collect::<Option<_>>()?;
    let known: Vec<Arg> = args
        .iter()
        .map(|arg| Arg {
            ty: arg.ty,
            constant: arg.constant.clone(),
        })
        .collect();
    let call = Call {
        args: &known,
        result: ty,
    };
    let column = match function.prepare(&call).ok()? {
        Kernel::Rows(kernel) => types::build(&[kernel(&values).unwrap_or_default()], ty),
        Kernel::Columns(kernel) => {
            let columns: Vec<_> = values
                .iter()
                .zip(args)
                .map(|(value, arg)| types::build(std::slice::from_ref(value), arg.ty))
                .collect();
            kernel(&columns)
        }
    };
    Some(types::read(&column, ty, 0))
}
