//! Force CONSTRAIN: calls go on, with less power, while an analyst looks.

use async_trait::async_trait;
use serde_json::Value;

use super::{Action, ActionError, Call, Parameter, enforce, optional, required};
use crate::ports::{Measure, Ports};

/// Calls are decided CONSTRAIN at least.
pub(super) struct Constrain;

#[async_trait]
impl Action for Constrain {
    fn name(&self) -> &'static str {
        "constrain"
    }
    fn summary(&self) -> &'static str {
        "let calls of an entity through with less power only"
    }
    fn parameters(&self) -> &'static [Parameter] {
        const {
            &[
                required("target", "kind of entity, or several"),
                optional("value", "which one; the alert's by default"),
                optional("for", "how long"),
                optional("reason", "why, for the log"),
            ]
        }
    }
    fn activity(&self) -> &'static str {
        "restrict-access"
    }
    fn can_be_undone(&self) -> bool {
        true
    }
    fn plan(&self, call: &Call) -> String {
        match enforce::target(call) {
            Ok((kind, value)) => format!("constrain {kind} {value}"),
            Err(error) => format!("nothing: {error}"),
        }
    }
    async fn run(&self, call: &Call, ports: &Ports) -> Result<Value, ActionError> {
        enforce::impose(call, ports, Measure::Constrain, enforce::target(call)?).await
    }
    async fn undo(&self, call: &Call, output: &Value, ports: &Ports) -> Result<Value, ActionError> {
        enforce::lift(call, output, ports).await
    }
}
