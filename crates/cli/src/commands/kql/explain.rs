//! `atalaya kql explain`

use super::super::query;
use crate::exit::{Exit, Failure};
use crate::output;

/// Run a query and show what was executed: plans with rows, time and what was pruned
#[derive(Debug, clap::Args)]
#[group(id = "explain")]
pub(crate) struct Args {
    #[command(flatten)]
    query: query::Args,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let prepared = query::prepare(&args.query)?;
    let steps = prepared
        .engine
        .explain_blocking(&prepared.kql, &prepared.options)
        .map_err(|error| query::failure(&prepared.name, &prepared.kql, error))?;
    let mut out = String::new();
    for (index, step) in steps.iter().enumerate() {
        let title = match index + 1 == steps.len() {
            true => "result".to_owned(),
            false => format!("step {}", index + 1),
        };
        let elapsed_ms = step.elapsed_us as f64 / 1_000.0;
        out.push_str(&format!(
            "{title}: {} rows in {elapsed_ms:.1} ms\n",
            step.rows
        ));
        for line in step.plan.lines() {
            out.push_str(&format!("  {line}\n"));
        }
    }
    output::data(&out).map_err(|error| Failure::world("writing the plan", error))?;
    Ok(Exit::Fine)
}
