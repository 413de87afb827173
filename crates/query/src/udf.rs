//! A KQL function as DataFusion sees it: typed arrays in, a typed array out.
//!
//! One instance per place in a query: argument types, constants and compiled patterns are fixed
//! when the plan is built. Two instances are equal when they would compute the same thing, so
//! that DataFusion may compute a repeated expression once.

use std::hash::{Hash, Hasher};

use arrow::array::{Array as _, ArrayRef};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::functions::{Arg, Call, Function, Kernel};
use crate::types::{self, Type};
use crate::value::Value;

/// A function prepared for one call.
struct KqlCall {
    name: &'static str,
    args: Vec<(Type, Option<Value>)>,
    result: Type,
    kernel: Kernel,
    signature: Signature,
}

/// Builds the DataFusion expression for a call of `function`.
///
/// # Errors
/// When the function cannot compute this call exactly; the text says why.
pub(crate) fn call(
    function: &'static Function,
    args: Vec<(Expr, Arg)>,
    result: Type,
) -> std::result::Result<Expr, String> {
    let (expressions, args): (Vec<Expr>, Vec<Arg>) = args.into_iter().unzip();
    let kernel = function.prepare(&Call {
        args: &args,
        result,
    })?;
    let volatility = match function.name {
        "rand" | "new_guid" => Volatility::Volatile,
        _ => Volatility::Immutable,
    };
    let udf = KqlCall {
        name: function.name,
        args: args.into_iter().map(|a| (a.ty, a.constant)).collect(),
        result,
        kernel,
        signature: Signature::variadic_any(volatility),
    };
    Ok(ScalarUDF::new_from_impl(udf).call(expressions))
}

impl ScalarUDFImpl for KqlCall {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(types::arrow_type(self.result))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let all_scalar = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let volatile = self.signature.volatility == Volatility::Volatile;
        let rows = if all_scalar && !volatile {
            1
        } else {
            args.number_rows
        };
        let columns: Vec<ArrayRef> = args
            .args
            .iter()
            .map(|arg| arg.to_array(rows))
            .collect::<Result<_>>()?;
        let out = match &self.kernel {
            Kernel::Columns(kernel) => kernel(&columns),
            Kernel::Rows(kernel) => {
                let mut values = Vec::with_capacity(rows);
                let mut row = vec![Value::Null; columns.len()];
                for i in 0..rows {
                    for ((cell, column), (ty, constant)) in
                        row.iter_mut().zip(&columns).zip(&self.args)
                    {
                        *cell = match constant {
                            Some(value) => value.clone(),
                            None => types::read(column, *ty, i),
                        };
                    }
                    values.push(kernel(&row).unwrap_or_default());
                }
                types::build(&values, self.result)
            }
        };
        if all_scalar && !volatile && out.len() == 1 {
            let value = datafusion::common::ScalarValue::try_from_array(&out, 0)?;
            return Ok(ColumnarValue::Scalar(value));
        }
        Ok(ColumnarValue::Array(out))
    }
}

impl std::fmt::Debug for KqlCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Constants stay out: they may quote a prompt.
        write!(f, "KqlCall({})", self.name)
    }
}

impl PartialEq for KqlCall {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.result == other.result && self.args == other.args
    }
}

impl Eq for KqlCall {}

impl Hash for KqlCall {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.name, self.result, &self.args).hash(state);
    }
}
