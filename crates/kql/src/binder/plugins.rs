//! `evaluate` plugins that are KQL themselves: each turns its arguments into a query over
//! `__plugin_rows`. Adding one is adding a file here and a line to [`PLUGINS`].

mod activity;
mod cohorts;
mod geo;
mod narrow;
mod rolling;
mod schemas;
mod segments;
mod sequences;
mod sketches;

use atalaya_model::Span;

use super::Binder;
use super::scope::{Env, Value};
use crate::ast::{EvaluateArgs, ExprKind, NamedExpr};
use crate::bound::{ColumnDef, RelNode};

/// A plugin written in KQL.
struct Plugin {
    name: &'static str,
    write: fn(&Arguments<'_>) -> Result<String, Problem>,
}

const PLUGINS: &[Plugin] = &[
    Plugin {
        name: "active_users_count",
        write: activity::active_users_count,
    },
    Plugin {
        name: "activity_counts_metrics",
        write: activity::activity_counts_metrics,
    },
    Plugin {
        name: "activity_engagement",
        write: activity::activity_engagement,
    },
    Plugin {
        name: "activity_metrics",
        write: activity::activity_metrics,
    },
    Plugin {
        name: "autocluster",
        write: segments::autocluster,
    },
    Plugin {
        name: "basket",
        write: segments::basket,
    },
    Plugin {
        name: "dcount_intersect",
        write: sketches::dcount_intersect,
    },
    Plugin {
        name: "diffpatterns",
        write: segments::diffpatterns,
    },
    Plugin {
        name: "geo_line_lookup",
        write: geo::line_lookup,
    },
    Plugin {
        name: "geo_polygon_lookup",
        write: geo::polygon_lookup,
    },
    Plugin {
        name: "identity",
        write: narrow::identity,
    },
    Plugin {
        name: "narrow",
        write: narrow::narrow,
    },
    Plugin {
        name: "new_activity_metrics",
        write: cohorts::new_activity_metrics,
    },
    Plugin {
        name: "rolling_percentile",
        write: rolling::rolling_percentile,
    },
    Plugin {
        name: "rows_near",
        write: sequences::rows_near,
    },
    Plugin {
        name: "schema_merge",
        write: schemas::schema_merge,
    },
    Plugin {
        name: "sequence_detect",
        write: sequences::sequence_detect,
    },
    Plugin {
        name: "session_count",
        write: sequences::session_count,
    },
    Plugin {
        name: "sliding_window_counts",
        write: rolling::sliding_window_counts,
    },
];

/// Names of the plugins written in KQL.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PLUGINS.iter().map(|plugin| plugin.name)
}

/// What is wrong with an argument.
struct Problem {
    span: Span,
    message: String,
}

/// The arguments of a plugin, as they are written.
struct Arguments<'a> {
    source: &'a str,
    args: &'a [NamedExpr],
    /// Columns of the rows that the plugin is given.
    columns: &'a [ColumnDef],
    span: Span,
}

impl Arguments<'_> {
    /// The argument of that name, or the one at that place among those without a name.
    fn find(&self, name: &str, at: usize) -> Option<&NamedExpr> {
        let named = self.args.iter().find(|arg| {
            let own = arg.names.first();
            own.is_some_and(|own| own.text == name)
        });
        named.or_else(|| self.args.iter().filter(|arg| arg.names.is_empty()).nth(at))
    }

    fn wanted(&self, name: &str, at: usize) -> Result<&NamedExpr, Problem> {
        self.find(name, at).ok_or_else(|| Problem {
            span: self.span,
            message: format!("the argument `{name}` is missing"),
        })
    }

    /// An expression, in brackets.
    fn expr(&self, name: &str, at: usize) -> Result<String, Problem> {
        let arg = self.wanted(name, at)?;
        Ok(format!("({})", arg.expr.span.slice(self.source)))
    }

    /// The text of a literal.
    fn literal(&self, name: &str, at: usize) -> Result<&str, Problem> {
        let arg = self.wanted(name, at)?;
        Ok(arg.expr.span.slice(self.source).trim())
    }

    /// The name of a column.
    fn column(&self, name: &str, at: usize) -> Result<&str, Problem> {
        let arg = self.wanted(name, at)?;
        match &arg.expr.kind {
            ExprKind::Name(column) => Ok(column),
            _ => Err(Problem {
                span: arg.expr.span,
                message: format!("the argument `{name}` is the name of a column"),
            }),
        }
    }

    /// Columns from that place on.
    fn columns_from(&self, at: usize) -> Result<Vec<String>, Problem> {
        let names = self.args.iter().filter(|arg| arg.names.is_empty()).skip(at);
        let column = |arg: &NamedExpr| match &arg.expr.kind {
            ExprKind::Name(column) => Ok(quoted(column)),
            _ => Err(Problem {
                span: arg.expr.span,
                message: "dimensions are names of columns".to_owned(),
            }),
        };
        names.map(column).collect()
    }

    /// A flag that is off unless it is named.
    fn flag(&self, name: &str) -> bool {
        self.args.iter().any(|arg| {
            let is_named = arg.names.first().is_some_and(|own| own.text == name);
            is_named && arg.expr.kind == ExprKind::Bool(true)
        })
    }
}

/// `['a b']`
fn quoted(name: &str) -> String {
    format!("['{}']", name.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// `, a, b`, or nothing.
fn after(names: &[String]) -> String {
    names.iter().map(|name| format!(", {name}")).collect()
}

impl Binder<'_> {
    /// A plugin written in KQL, if there is one of that name.
    pub(crate) fn written_plugin(
        &mut self,
        env: &Env,
        node: RelNode,
        args: &EvaluateArgs,
        span: Span,
    ) -> Option<Option<RelNode>> {
        let name = args.plugin.text.as_str();
        let plugin = PLUGINS.iter().find(|plugin| plugin.name == name)?;
        let written = (plugin.write)(&Arguments {
            source: &self.source,
            args: &args.args,
            columns: &node.schema,
            span,
        });
        match written {
            Ok(text) => {
                let mut env = env.clone();
                env.set("__plugin_rows", Value::Rows(node.into()), self.made());
                Some(self.foreign_rows(&env, &text, name, span))
            }
            Err(problem) => {
                self.error("KS119", problem.span, problem.message);
                Some(None)
            }
        }
    }
}
