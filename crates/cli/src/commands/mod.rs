//! The commands, one file each.

mod alerts;
mod approvals;
mod atlas;
mod canary;
mod common;
mod completions;
mod config;
mod control;
mod demo;
mod enforce;
mod evaluate;
mod evaluate_detectors;
mod evidence;
mod incidents;
mod ingest;
mod keys;
mod kql;
mod listing;
mod log;
mod mcp;
mod model;
mod node;
mod policy;
mod query;
mod replay;
mod review;
mod rules;
mod runbooks;
mod scan;
mod serve;
mod sources;
mod tables;
mod tokens;
mod tuning;

use crate::exit::{Exit, Failure};

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Serve(serve::Args),
    Demo(demo::Args),
    Query(query::Args),
    Scan(scan::Args),
    Evaluate(evaluate::Args),
    EvaluateDetectors(evaluate_detectors::Args),
    #[command(subcommand)]
    Mcp(mcp::Command),
    Ingest(ingest::Args),
    #[command(subcommand)]
    Alerts(alerts::Command),
    #[command(subcommand)]
    Incidents(incidents::Command),
    #[command(subcommand)]
    Runbooks(runbooks::Command),
    #[command(subcommand)]
    Evidence(evidence::Command),
    #[command(subcommand)]
    Review(review::Command),
    #[command(subcommand)]
    Tuning(tuning::Command),
    Replay(replay::Args),
    #[command(subcommand)]
    Keys(keys::Command),
    #[command(subcommand)]
    Enforce(enforce::Command),
    #[command(subcommand)]
    Policy(policy::Command),
    #[command(subcommand)]
    Approvals(approvals::Command),
    #[command(subcommand)]
    Tokens(tokens::Command),
    #[command(subcommand)]
    Canary(canary::Command),
    #[command(subcommand)]
    Kql(kql::Command),
    #[command(subcommand)]
    Log(log::Command),
    #[command(subcommand)]
    Model(model::Command),
    #[command(subcommand)]
    Rules(rules::Command),
    #[command(subcommand)]
    Atlas(atlas::Command),
    #[command(subcommand)]
    Sources(sources::Command),
    #[command(subcommand)]
    Config(config::Command),
    Tables(tables::Args),
    Completions(completions::Args),
}

impl Command {
    /// Runs it.
    ///
    /// # Errors
    /// Bad input, or a world that does not play along.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::Serve(args) => serve::run(&args),
            Self::Demo(args) => demo::run(&args),
            Self::Query(args) => query::run(&args),
            Self::Scan(args) => scan::run(&args),
            Self::Evaluate(args) => evaluate::run(&args),
            Self::Mcp(command) => mcp::run(&command),
            Self::EvaluateDetectors(args) => evaluate_detectors::run(&args),
            Self::Ingest(args) => ingest::run(&args),
            Self::Alerts(command) => alerts::run(&command),
            Self::Incidents(command) => incidents::run(&command),
            Self::Runbooks(command) => runbooks::run(&command),
            Self::Evidence(command) => evidence::run(&command),
            Self::Review(command) => review::run(&command),
            Self::Tuning(command) => tuning::run(&command),
            Self::Replay(args) => replay::run(&args),
            Self::Keys(command) => keys::run(&command),
            Self::Enforce(command) => enforce::run(&command),
            Self::Policy(command) => policy::run(&command),
            Self::Approvals(command) => approvals::run(&command),
            Self::Tokens(command) => tokens::run(&command),
            Self::Canary(command) => canary::run(&command),
            Self::Kql(command) => kql::run(&command),
            Self::Log(command) => log::run(&command),
            Self::Model(command) => model::run(&command),
            Self::Rules(command) => rules::run(&command),
            Self::Atlas(command) => atlas::run(&command),
            Self::Sources(command) => sources::run(&command),
            Self::Config(command) => config::run(&command),
            Self::Tables(args) => tables::run(&args),
            Self::Completions(args) => completions::run(&args),
        }
    }
}
