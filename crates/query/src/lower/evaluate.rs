//! Expressions over one row at a time, for operators whose rows depend on each other.

use atalaya_kql::bound::{self, ExprKind};

use super::expr::value_of;
use super::{LowerError, Lowered, type_of};
use crate::functions::{self, Arg, Call, Kernel};
use crate::types::{self, Type};
use crate::value::Value;

/// An expression made ready.
pub(super) enum Evaluator {
    Column(usize),
    Constant(Value),
    And(Vec<Self>),
    Or(Vec<Self>),
    Call {
        kernel: Kernel,
        args: Vec<(Self, Type)>,
        result: Type,
    },
}

impl Evaluator {
    pub(super) fn new(expr: &bound::Expr) -> Lowered<Self> {
        let result = type_of(expr.ty);
        let (name, args) = match &expr.kind {
            ExprKind::Column(index) => return Ok(Self::Column(*index)),
            ExprKind::Literal(literal) => return Ok(Self::Constant(value_of(literal, result))),
            ExprKind::Call { name, args } => (name.as_str(), args),
            ExprKind::ToScalar(_) | ExprKind::ValueSet(_) => {
                let message = "a query inside of an expression is not possible here";
                return Err(LowerError::unsupported(message, expr.span));
            }
        };
        let parts = args.iter().map(Self::new).collect::<Lowered<Vec<_>>>()?;
        match name {
            "and" => return Ok(Self::And(parts)),
            "or" => return Ok(Self::Or(parts)),
            _ => {}
        }
        let known: Vec<Arg> = args
            .iter()
            .zip(&parts)
            .map(|(arg, part)| Arg {
                ty: type_of(arg.ty),
                constant: match part {
                    Self::Constant(value) => Some(value.clone()),
                    _ => None,
                },
            })
            .collect();
        let function = functions::find(name).ok_or_else(|| {
            let message = format!("the engine does not have `{name}` here yet");
            LowerError::unsupported(message, expr.span)
        })?;
        let call = Call {
            args: &known,
            result,
        };
        let kernel = function
            .prepare(&call)
            .map_err(|why| LowerError::unsupported(format!("`{name}`: {why}"), expr.span))?;
        let types = known.iter().map(|arg| arg.ty);
        Ok(Self::Call {
            kernel,
            args: parts.into_iter().zip(types).collect(),
            result,
        })
    }

    pub(super) fn value(&self, row: &[Value]) -> Value {
        match self {
            Self::Column(index) => row.get(*index).cloned().unwrap_or_default(),
            Self::Constant(value) => value.clone(),
            Self::And(parts) => Value::Bool(
                parts
                    .iter()
                    .all(|part| part.value(row) == Value::Bool(true)),
            ),
            Self::Or(parts) => Value::Bool(
                parts
                    .iter()
                    .any(|part| part.value(row) == Value::Bool(true)),
            ),
            Self::Call {
                kernel,
                args,
                result,
            } => {
                let values: Vec<Value> = args.iter().map(|(arg, _)| arg.value(row)).collect();
                let column = match kernel {
                    Kernel::Rows(kernel) => {
                        types::build(&[kernel(&values).unwrap_or_default()], *result)
                    }
                    Kernel::Columns(kernel) => {
                        let columns: Vec<_> = values
                            .iter()
                            .zip(args)
                            .map(|(value, (_, ty))| types::build(std::slice::from_ref(value), *ty))
                            .collect();
                        kernel(&columns)
                    }
                };
                types::read(&column, *result, 0)
            }
        }
    }
}
