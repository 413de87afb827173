//! Types of operators and functions, and conversions between types.

use super::expr::call;
use crate::bound::{Expr, Type};
use crate::catalogue::Returns;

/// Equality of a string and another type is that of the types' own texts or values, and `bool`
/// counts as a number.
pub(super) fn reconciled(left: Expr, right: Expr) -> (Expr, Expr) {
    let convert = |expr: Expr, ty: Type| {
        let span = expr.span;
        call(conversion(ty), vec![expr], ty, span)
    };
    let target = |one: Type, other: Type| match (one, other) {
        (Type::String, Type::Bool) => Some(Type::Bool),
        (Type::String, Type::DateTime) => Some(Type::DateTime),
        (ty, Type::String) if ty.is_numeric() || ty == Type::Guid => Some(Type::String),
        (Type::Bool, ty) if ty.is_numeric() => Some(Type::Long),
        _ => None,
    };
    if let Some(ty) = target(left.ty, right.ty) {
        return (convert(left, ty), right);
    }
    match target(right.ty, left.ty) {
        Some(ty) => (left, convert(right, ty)),
        None => (left, right),
    }
}

/// Arithmetic on `int` is arithmetic on `long`.
pub(super) fn widened(expr: Expr) -> Expr {
    if expr.ty != Type::Int {
        return expr;
    }
    let span = expr.span;
    call("tolong", vec![expr], Type::Long, span)
}

/// The function that converts to a type.
pub(crate) const fn conversion(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "tobool",
        Type::Int => "toint",
        Type::Long => "tolong",
        Type::Real => "toreal",
        Type::Decimal => "todecimal",
        Type::String => "tostring",
        Type::DateTime => "todatetime",
        Type::Timespan => "totimespan",
        Type::Guid => "toguid",
        Type::Dynamic => "todynamic",
    }
}

pub(super) fn arithmetic(name: &str, left: Type, right: Type) -> Option<Type> {
    use Type::{DateTime, Decimal, Dynamic, Long, Real, Timespan};
    if left == Dynamic || right == Dynamic {
        return None;
    }
    if left.is_numeric() && right.is_numeric() {
        return Some(match (left, right) {
            (Decimal, _) | (_, Decimal) => Decimal,
            (Real, _) | (_, Real) => Real,
            _ => Long,
        });
    }
    match (name, left, right) {
        ("+" | "-" | "%", Timespan, Timespan) => Some(Timespan),
        ("+", DateTime, Timespan) | ("+", Timespan, DateTime) | ("-", DateTime, Timespan) => {
            Some(DateTime)
        }
        ("-", DateTime, DateTime) => Some(Timespan),
        ("/", Timespan, Timespan) => Some(Real),
        ("*" | "/", Timespan, number) if number.is_numeric() => Some(Timespan),
        ("*", number, Timespan) if number.is_numeric() => Some(Timespan),
        _ => {
            let _ = Long;
            None
        }
    }
}

pub(super) fn comparable(left: Type, right: Type) -> bool {
    (left == right && left != Type::Dynamic)
        || (left.is_numeric() && right.is_numeric())
        || (left == Type::Dynamic) != (right == Type::Dynamic)
}

/// Whether values of these types have an order. A dynamic value is compared with numbers only.
pub(super) fn orderable(left: Type, right: Type) -> bool {
    let is_number = |ty: Type| ty.is_numeric() || ty == Type::Dynamic;
    match (left, right) {
        (Type::Dynamic, Type::Dynamic) => false,
        (Type::Bool | Type::DateTime | Type::Timespan, _) => left == right,
        (left, right) => is_number(left) && is_number(right),
    }
}

/// Whether a value of the first type can lie between two of the others.
pub(super) fn bounded(value: Type, low: Type, high: Type) -> bool {
    match value {
        Type::Timespan => low == value && high == value,
        Type::DateTime => low == value && matches!(high, Type::DateTime | Type::Timespan),
        Type::Dynamic => low.is_numeric() && low == high,
        _ if low == Type::Dynamic => value.is_numeric() && high == low,
        _ => value.is_numeric() && low.is_numeric() && high.is_numeric(),
    }
}

pub(crate) fn result_type(returns: Returns, name: &str, args: &[Expr]) -> Type {
    let of = |index: usize| args.get(index).map_or(Type::Dynamic, |arg| arg.ty);
    match returns {
        Returns::Always(ty) => ty,
        Returns::Of(index) => of(index),
        Returns::Common(from) => {
            // `case` has its values at odd places and its default last.
            let values: Vec<Type> = if name == "case" {
                let pairs = args.iter().skip(1).step_by(2).map(|arg| arg.ty);
                pairs.chain(args.last().map(|arg| arg.ty)).collect()
            } else {
                args.iter().skip(from).map(|arg| arg.ty).collect()
            };
            common(&values)
        }
        Returns::Rounded => match (of(0), of(1)) {
            (Type::Real, _) | (Type::Long | Type::Int, Type::Real) => Type::Real,
            (Type::Int, Type::Int) => Type::Int,
            (Type::Int | Type::Long, _) => Type::Long,
            (first, _) => first,
        },
        Returns::Sum => match of(0) {
            Type::Int => Type::Long,
            Type::Dynamic => Type::Real,
            other => other,
        },
    }
}

fn common(types: &[Type]) -> Type {
    let mut common = types.first().copied().unwrap_or(Type::Dynamic);
    for ty in types {
        common = match (common, *ty) {
            (a, b) if a == b => a,
            (a, b) if a.is_numeric() && b.is_numeric() => {
                if matches!(a, Type::Real) || matches!(b, Type::Real) {
                    Type::Real
                } else {
                    Type::Long
                }
            }
            // What is in the dynamic value is taken as the other type.
            (Type::Dynamic, other) | (other, Type::Dynamic) => other,
            _ => Type::Dynamic,
        };
    }
    common
}
