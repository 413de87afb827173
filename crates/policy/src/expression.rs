//! Conditions that thresholds cannot say: CEL expressions over the call.
//!
//! An expression is compiled and tried on an empty call when the policy is read, so that a name
//! that does not exist is a mistake in the file and not a surprise on a call. Should one fail on a
//! real call all the same, its rule holds: what cannot be decided is decided strictly.

use cel::{Context, Program, Value};
use serde::Serialize;

use crate::context::CallContext;
use crate::decide::CallFacts;
use atalaya_model::Verdict;

/// Longest expression, bytes.
const SOURCE_BYTES_MAX: usize = 4_096;
/// Most findings that an expression sees.
const FINDINGS_MAX: usize = 64;
/// Most tools that an expression sees.
const TOOLS_MAX: usize = 256;

/// A compiled expression.
pub(crate) struct Expression {
    source: String,
    program: Program,
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Expression({})", self.source)
    }
}

#[derive(Serialize)]
struct CallVariable<'a> {
    protocol: &'a str,
    path: &'a str,
    model: &'a str,
    upstream: &'a str,
    route: &'a str,
    caller: &'a str,
    team: &'a str,
    agent: &'a str,
    key: &'a str,
    address: &'a str,
    session: &'a str,
    stream: bool,
    max_tokens: u64,
    tools: &'a [&'a str],
}

#[derive(Serialize)]
struct FindingVariable<'a> {
    category: &'a str,
    score: u8,
    rule: &'a str,
    role: &'a str,
}

#[derive(Serialize)]
struct SessionVariable {
    score: u8,
    tainted: bool,
}

#[derive(Serialize)]
struct TimeVariable {
    unix: i64,
    hour: i64,
    minute: i64,
    /// 1 is Monday.
    weekday: i64,
}

impl Expression {
    /// Compiles and tries an expression.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn compile(source: &str) -> Result<Self, String> {
        if source.len() > SOURCE_BYTES_MAX {
            return Err(format!("it is longer than {SOURCE_BYTES_MAX} bytes"));
        }
        let program = Program::compile(source).map_err(|errors| {
            let first = errors.errors.first();
            first.map_or_else(|| "it cannot be read".to_owned(), |error| error.msg.clone())
        })?;
        let expression = Self {
            source: source.to_owned(),
            program,
        };
        let empty = serde_json::json!({});
        let sample = Bindings {
            arguments: Some(&empty),
            tool: "",
            ..Bindings::default()
        };
        match expression.evaluate(&sample) {
            Ok(_) | Err(Failure::Data) => Ok(expression),
            Err(Failure::Expression(why)) => Err(why),
        }
    }

    /// Whether it holds.
    pub(crate) fn holds(&self, bindings: &Bindings<'_>) -> bool {
        self.evaluate(bindings).unwrap_or(true)
    }

    fn evaluate(&self, bindings: &Bindings<'_>) -> Result<bool, Failure> {
        let context = bindings
            .context()
            .map_err(|error| Failure::Expression(error.to_string()))?;
        match self.program.execute(&context) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(_) => Err(Failure::Expression("it must give true or false".to_owned())),
            // Arguments of tools have members that only the real call has.
            Err(cel::ExecutionError::NoSuchKey(_)) if self.reads_arguments() => Err(Failure::Data),
            Err(error) => Err(Failure::Expression(error.to_string())),
        }
    }

    fn reads_arguments(&self) -> bool {
        self.program.references().variables().contains(&"arguments")
    }
}

enum Failure {
    Data,
    Expression(String),
}

/// What the variables of an expression stand for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Bindings<'a> {
    pub(crate) verdict: Option<&'a Verdict>,
    pub(crate) facts: CallFacts<'a>,
    pub(crate) call: CallContext<'a>,
    pub(crate) tool: &'a str,
    pub(crate) arguments: Option<&'a serde_json::Value>,
}

impl Bindings<'_> {
    fn context(&self) -> Result<Context<'_, '_>, Box<dyn std::error::Error>> {
        let mut context = Context::default();
        let (facts, call) = (&self.facts, &self.call);
        let tools = call
            .tools
            .get(..call.tools.len().min(TOOLS_MAX))
            .unwrap_or_default();
        context.add_variable(
            "call",
            CallVariable {
                protocol: facts.protocol,
                path: facts.path,
                model: facts.model,
                upstream: facts.upstream,
                route: call.route,
                caller: call.caller,
                team: call.team,
                agent: call.agent,
                key: call.key,
                address: call.address,
                session: call.session,
                stream: call.stream,
                max_tokens: call.max_tokens,
                tools,
            },
        )?;
        let findings: Vec<FindingVariable<'_>> = self
            .verdict
            .iter()
            .flat_map(|verdict| &verdict.findings)
            .take(FINDINGS_MAX)
            .map(|finding| FindingVariable {
                category: finding.category.as_str(),
                score: finding.score,
                rule: &finding.rule,
                role: finding.kind.as_str(),
            })
            .collect();
        context.add_variable("findings", findings)?;
        context.add_variable(
            "score",
            self.verdict.map_or(0, |verdict| i64::from(verdict.score)),
        )?;
        context.add_variable(
            "session",
            SessionVariable {
                score: call.session_score,
                tainted: call.is_tainted,
            },
        )?;
        context.add_variable("time", time(call.now.0))?;
        context.add_variable("tool", self.tool)?;
        let none = serde_json::Value::Null;
        context.add_variable("arguments", self.arguments.unwrap_or(&none))?;
        Ok(context)
    }
}

/// UTC.
fn time(micros: i64) -> TimeVariable {
    let seconds = micros.div_euclid(1_000_000);
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    TimeVariable {
        unix: seconds,
        hour: of_day / 3_600,
        minute: of_day / 60 % 60,
        // 1970-01-01 was a Thursday.
        weekday: (days + 3).rem_euclid(7) + 1,
    }
}
